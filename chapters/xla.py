# %% [markdown]
r"""
# The same game on a living compiler

The chapter before this one wrote the game down as graphs, and took most of the waiting out of a step.
What is left? Python still sets off every step: it copies a batch, starts two graphs and two Adams, and
notes the logits. And inside a graph MXNet still runs one operator after the other, each of which
reads its numbers from memory and writes them back.

Both can go. A *compiler* takes the whole computation, the loop over the steps included, and makes one
program of it. MXNet never had such a compiler for training, and it is retired. But a graph is a graph:
any compiler that understands its operators can take it over. Here it is XLA, by way of JAX, which
today's GPUs are programmed with as well. `train(..., engine='xla')` does what this chapter explains.

You need JAX for it: `pip install 'd2l_gan[xla]'`. The book's own section on the idea is
[13.1, Compilers and Interpreters](https://d2l.ai/chapter_computational-performance/hybridize.html).
"""

# %%
import time
from pathlib import Path

from d2l_gan import data, files, graph, plots
from d2l_gan.callbacks import Checkpoint, Figure, Progress
from d2l_gan.engines.symbol import Symbol
from d2l_gan.game import Result
from d2l_gan.losses import objective as named
from d2l_gan.speak import tell
from d2l_gan.train import train

import jax
import jax.numpy as jnp
import mxnet as mx
import numpy
from jax import lax
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## What is a trace?

Call a Gluon network with a symbol in the place of an array, and it computes nothing. It returns a
*trace*: the list of operators that it would have run, and what each of them takes from which. Here
are those of the Gaussian chapter's discriminator.
"""


# %%
def networks():
    """Return net_D and net_G, those of the Gaussian chapter."""
    net_G = nn.HybridSequential()
    net_G.add(nn.Dense(2))
    net_D = nn.HybridSequential()
    net_D.add(nn.Dense(5, activation='tanh'), nn.Dense(3, activation='tanh'), nn.Dense(1))
    return net_D, net_G


# %%
if __name__ == '__main__':
    for number, node in enumerate(graph.trace(networks()[0], 'X').nodes):
        tell(f'{number:2} {node.op:15} {node.name:12} takes {[i for i, _ in node.inputs]}')

# %% [markdown]
r"""
A node called `null` is an input or a parameter; the others compute. To run the list with another
library, go through it once and look each operator up in a table. Three lines of table are enough for
this network. (`d2l_gan/xla/operators.py` has all that Gluon's layers need, each with MXNet's own
ideas of what a default is.)
"""


# %%
def translate(net, *names):
    """Return a network of Dense layers and tanh as a function of JAX, (weights, *inputs) -> array."""
    nodes = graph.trace(net, *names).nodes
    table = {
        'FullyConnected': lambda x, weight, bias: x @ weight.T + bias,
        'Activation': jnp.tanh,
    }

    def function(weights, *inputs):
        known, made = {**weights, **dict(zip(names, inputs))}, []
        for node in nodes:
            taken = [made[i] for i, _ in node.inputs]
            made.append(known[node.name] if node.op == 'null' else table[node.op](*taken))
        return made[-1]

    return function


def weights(net):
    """Return {name in the network's structure: array of NumPy}."""
    return {name: p.data().asnumpy() for name, p in graph.trace(net).parameters.items()}


# %% [markdown]
r"""
## A step without side effects

Gluon's step *changes* things: weights, gradients, Adam's moments. A compiler wants a *function*: the
state before goes in, the state after comes out, nothing else happens. So the state is one value, and
Adam is a few lines. `jax.grad` turns a loss into the function of its slope; no tape is kept.

With a logit $o$ and labels 1 and 0 the cross-entropies are $\log(1 + e^{-o})$ and $\log(1 + e^o)$,
which is what `softplus` computes without an overflow.
"""


# %%
def start(seed=0, std=0.3):
    """Return the networks, their functions D and G, and the state before the first step."""
    mx.random.seed(seed)
    net_D, net_G = nets = networks()
    for net in nets:
        net.initialize(init.Normal(std))
        net(np.zeros((1, 2)))  # shapes become known
    state = {}
    for name, net in (('D', net_D), ('G', net_G)):
        own = weights(net)
        nothing = {key: numpy.zeros_like(value) for key, value in own.items()}
        state[name] = {'weights': own, 'mean': nothing, 'variance': nothing}
    return nets, translate(net_D, 'X'), translate(net_G, 'Z'), dict(state, t=numpy.float32(0))


def adam(player, slope, t, rate, beta1=0.9, beta2=0.999):
    """Return a player after one update of Adam, the same for every array of its weights."""
    each = jax.tree_util.tree_map
    mean = each(lambda m, g: beta1 * m + (1 - beta1) * g, player['mean'], slope)
    variance = each(lambda v, g: beta2 * v + (1 - beta2) * g * g, player['variance'], slope)
    rate = rate * jnp.sqrt(1 - beta2**t) / (1 - beta1**t)
    moved = each(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8), player['weights'], mean, variance
    )
    return {'weights': moved, 'mean': mean, 'variance': variance}


def step_of(D, G, lr_D=0.05, lr_G=0.005):
    """Return the book's step as a function, (state, X, Z) -> (state, both losses)."""
    softplus = jax.nn.softplus

    def step(state, X, Z):
        def loss_D(own):
            fake_X = G(state['G']['weights'], Z)
            return (softplus(-D(own, X)) + softplus(D(own, fake_X))).mean() / 2

        def loss_G(own):
            return softplus(-D(player_D['weights'], G(own, Z))).mean()

        t = state['t'] + 1
        of_D, slope = jax.value_and_grad(loss_D)(state['D']['weights'])
        player_D = adam(state['D'], slope, t, lr_D)
        of_G, slope = jax.value_and_grad(loss_G)(state['G']['weights'])
        player_G = adam(state['G'], slope, t, lr_G)
        return {'D': player_D, 'G': player_G, 't': t}, jnp.stack([of_D, of_G])

    return step


# %% [markdown]
r"""
Nothing of this is compiled yet. Called as it stands, JAX runs one small operator after the other, as
the book's loop does. It is even slower, since it also traces both losses anew for each slope.

## What fusion removes

`jax.jit` traces the step in its turn and hands the trace to XLA. XLA *fuses*: where one operator's
result is only read by the next, both become one loop, and the numbers in between never leave the
processor. How much is left?
"""


# %%
def operations(batch_size=8):
    """Return how many operations a step has as it is written, and in XLA's program for it."""
    _, D, G, state = start()
    step, X = step_of(D, G), numpy.zeros((batch_size, 2), 'float32')
    written = count(jax.make_jaxpr(step)(state, X, X).jaxpr)
    program = jax.jit(step).lower(state, X, X).compile().as_text()
    entry = program[program.index('\nENTRY') :].splitlines()[2:]
    idle = ('parameter(', 'constant(', 'tuple(', 'get-tuple-element(', 'bitcast(', 'copy(')
    made = [line for line in entry if ' = ' in line and not any(word in line for word in idle)]
    return written, len(made)


def count(jaxpr):
    """Return the number of operations in a trace of JAX, those of the functions in it included."""
    found = 0
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, 'jaxpr')]
        found += sum(count(value.jaxpr) for value in inner) if inner else 1
    return found


# %%
if __name__ == '__main__':
    tell('{} operations are written, {} are run'.format(*operations()))

# %% [markdown]
r"""
## What the loop removes

A compiled step still has to be called, and each call costs some tens of microseconds, many times the
arithmetic. But the loop over the steps is a computation like any other. `lax.scan` puts it *into* the
program: give it the batches of a whole epoch, and Python is asked once.

Every rung of this ladder plays the same game with the same batches. The first is the last one of the
chapter before, for comparison.
"""


# %%
def symbol(X, Z):
    """Return a function that plays the batches X and Z, (steps, batch, 2), on MXNet's graphs."""
    nets, _, _, _ = start()
    trainers = [
        gluon.Trainer(list(net.collect_params().values()), 'adam', {'learning_rate': rate})
        for net, rate in zip(nets, (0.05, 0.005))
    ]
    pairs = [(np.array(x), np.array(z)) for x, z in zip(X, Z)]
    engine = Symbol(*nets, *trainers, named('bce'), 'D', mx.cpu(), (*pairs[0], None))

    def play():
        for x, z in pairs:
            engine.step(x, z)
        mx.nd.waitall()
        engine.notes()

    return play


def written(X, Z, steps=3):
    """Return a function that plays some steps as they are written, one operator at a time."""
    _, D, G, state = start()
    step = step_of(D, G)

    def play():
        after = state
        for x, z in zip(X[:steps], Z[:steps]):
            after, _ = step(after, x, z)
        return jax.block_until_ready(after)

    play.steps = steps
    return play


def jitted(X, Z):
    """Return a function that plays them with a compiled step."""
    _, D, G, state = start()
    step = jax.jit(step_of(D, G))

    def play():
        after = state
        for x, z in zip(X, Z):
            after, _ = step(after, x, z)
        return jax.block_until_ready(after)

    return play


def scanned(X, Z):
    """Return a function that plays them as one program."""
    _, D, G, state = start()
    step = step_of(D, G)
    program = jax.jit(lambda state, X, Z: lax.scan(lambda s, xz: step(s, *xz), state, (X, Z)))
    return lambda: jax.block_until_ready(program(state, X, Z)[0])


def ladder(batch_size=8, steps=500, rounds=5, seed=0):
    """Return {rung: microseconds a step}, medians over interleaved rounds."""
    random = numpy.random.default_rng(seed)
    X, Z = (random.standard_normal((steps, batch_size, 2), 'float32') for _ in 'XZ')
    rungs = {f.__name__: f(X, Z) for f in (symbol, written, jitted, scanned)}
    times = {name: [] for name in rungs}
    for _ in range(rounds + 1):
        for name, play in rungs.items():
            began = time.perf_counter()
            play()
            each = (time.perf_counter() - began) / getattr(play, 'steps', steps)
            times[name].append(1e6 * each)
    return {name: float(numpy.median(found[1:])) for name, found in times.items()}  # 1: compiled


def draw(times):
    """Return a figure of the ladder."""
    fig = plots.Picture(figsize=(5, 2))
    axes = fig.add_subplot()
    names, values = list(times)[::-1], list(times.values())[::-1]
    axes.barh(names, values)
    for i, us in enumerate(values):
        axes.text(us, i, f' {us:,.0f} us', va='center')
    axes.set(xscale='log', xlabel='microseconds a step', xlim=(1, 100 * max(values)))
    return fig


# %%
if __name__ == '__main__':
    plots.show(draw(ladder()))

# %% [markdown]
r"""
## Why convolutions did not gain

For the small networks of these chapters the compiler removes what was nearly all of the time. A
convolution is another matter: nearly all of *its* time is multiplication, so there is little to
remove, and what counts is how well it multiplies. On a processor MXNet hands it to oneDNN, whose
kernels have been tuned by hand for years. XLA's are not, and inside a loop they are worse, so that
`engine='xla'` plays them a step at a call. And `engine='auto'` leaves convolutions on a CPU to MXNet's
graphs; on a GPU, where both would call the same library, it does not.
"""


# %%
def convolution(batch=64, channels=16, size=16, seconds=0.3):
    """Return milliseconds for a convolution forward and backward: {'oneDNN': ..., 'XLA': ...}."""
    random = numpy.random.default_rng(0)
    x = random.standard_normal((batch, channels, size, size), 'float32')
    w = random.standard_normal((channels, channels, 4, 4), 'float32')
    X, layer = np.array(x), nn.Conv2D(channels, 4, 2, 1, use_bias=False, in_channels=channels)
    layer.initialize()
    layer.hybridize(static_alloc=True, static_shape=True)

    def onednn():
        with mx.autograd.record():
            Y = layer(X)
        Y.backward()
        mx.nd.waitall()

    def energy(w):
        axes = ('NCHW', 'OIHW', 'NCHW')
        y = lax.conv_general_dilated(x, w, (2, 2), ((1, 1), (1, 1)), dimension_numbers=axes)
        return (y**2).sum()

    slope, found = jax.jit(jax.grad(energy)), {}
    for name, play in (('oneDNN', onednn), ('XLA', lambda: jax.block_until_ready(slope(w)))):
        play()
        began, times = time.perf_counter(), 0
        while time.perf_counter() < began + seconds:
            play()
            times += 1
        found[name] = 1e3 * (time.perf_counter() - began) / times
    return found


# %%
if __name__ == '__main__':
    tell(', '.join(f'{name} {ms:.1f} ms' for name, ms in convolution().items()))

# %% [markdown]
r"""
## What vmap is

A function without side effects can be turned into one that does the same for many inputs side by
side. `jax.vmap` adds an axis to every array in it: where there was one game, there are a hundred, as
one program. A matrix product of $8 \times 2$ and $2 \times 5$ numbers becomes a stack of a hundred of
them, and what a step costs besides arithmetic is paid once.

That is how you ask whether a setting is good or *lucky*: play it with a hundred seeds.
"""


# %%
def side_by_side(num=100, steps=500, batch_size=8):
    """Return microseconds a step and game: alone, and with `num` games in one program."""
    _, D, G, state = start()
    step = step_of(D, G)
    random = numpy.random.default_rng(0)
    shape = num, steps, batch_size, 2
    X, Z = (random.standard_normal(shape, 'float32') for _ in 'XZ')

    def game(X, Z):
        return lax.scan(lambda s, xz: step(s, *xz), state, (X, Z))[1]

    one, many, found = jax.jit(game), jax.jit(jax.vmap(game)), []
    for play, games in ((lambda: one(X[0], Z[0]), 1), (lambda: many(X, Z), num)):
        jax.block_until_ready(play())  # compiles
        began = time.perf_counter()
        jax.block_until_ready(play())
        found.append(1e6 * (time.perf_counter() - began) / steps / games)
    return found


# %%
if __name__ == '__main__':
    tell('alone {:.1f} us a step, side by side {:.1f}'.format(*side_by_side()))

# %% [markdown]
r"""
## The same game?

A faster program that computes something else is not faster. So the loop and the textbook's engine
play from the same start with the same batches, and we compare the weights, relative to their size.
"""


# %%
def difference(num_epochs=1, batch_size=20, seed=0):
    """Return how far the weights are apart after an epoch with `textbook` and with `xla`."""
    found, X = [], data.gaussian(1000, seed)[0]
    for engine in ('textbook', 'xla'):
        nets = networks()
        train(
            *nets, data.Batches(X, batch_size), num_epochs, 0.05, 0.005, 2, X, seed=seed,
            initializer=init.Normal(0.3), engine=engine, device='cpu', callbacks=[],
        )  # fmt: skip
        arrays = [p.data().asnumpy() for net in nets for p in net.collect_params().values()]
        found.append(numpy.concatenate([array.reshape(-1) for array in arrays]))
    return float(numpy.linalg.norm(found[0] - found[1]) / numpy.linalg.norm(found[0]))


# %%
if __name__ == '__main__':
    tell(f'relative difference after 50 steps: {difference():.1e}')

# %% [markdown]
r"""
The last digits differ, since sums are taken in another order, and a game doubles small differences.
In double precision they would agree to ten digits; the tests of this package compare them so.

## Training with it

`engine='xla'` insists on it, and says why if it cannot: which operators of a network have no
translation, and where they stand. Everything else is as ever. Noise, batches and first weights come
from where the other engines take them; between epochs the weights, Adam's moments and the running
statistics lie in Gluon's arrays, where callbacks look; a checkpoint of one engine goes on in another.
"""


# %%
def run(
    num_epochs=20, batch_size=8, lr_D=0.05, lr_G=0.005, latent_dim=2, objective='bce', steps=500,
    rounds=5, seed=0, device=None, out=None, show=False, resume=False,
):  # fmt: skip
    """Measure the ladder, then train the Gaussian GAN on XLA; return networks and scores.

    Writes ladder.png, training.png and scores.json under `out`.

    Args:
        num_epochs: passes over the 1,000 points.
        batch_size: points in a step.
        lr_D: learning rate of the discriminator.
        lr_G: learning rate of the generator.
        latent_dim: width of the noise of the run.
        objective: the pair of losses of the run, as in the Gaussian chapter.
        steps: steps that each rung plays in a round.
        rounds: rounds of measurement.
        seed: of the points, the weights, the noise and the order of the batches.
        device: cpu, gpu or gpu(1) for the run; by default the first GPU if there is one.
        out: directory for figures and scores; by default build/xla.
        show: open a window with the live figure.
        resume: go on from the last checkpoint under `out`.
    """
    out = files.output_dir('xla') if out is None else Path(out)
    times = ladder(batch_size, steps, rounds, seed)
    X = data.gaussian(1000, seed)[0]
    net_D, net_G = networks()
    history = train(
        net_D, net_G, data.Batches(X, batch_size), num_epochs, lr_D, lr_G, latent_dim,
        X[:100].asnumpy(), seed=seed, device=device, objective=objective, engine='xla',
        callbacks=[Progress(), Figure(out, show=show), Checkpoint(out, resume)],
    )  # fmt: skip
    plots.save(draw(times), out / 'ladder.png')
    scores = {
        'microseconds': times, 'operations': operations(batch_size),
        'difference': difference(seed=seed),
        'loss_D': history.loss_D[-1], 'loss_G': history.loss_G[-1],
        'examples_per_sec': history.examples_per_sec[-1], 'seed': seed,
        'versions': {**files.versions(), 'jax': jax.__version__},
    }  # fmt: skip
    files.write_json(out / 'scores.json', scores)
    tell(f'{times["symbol"]:,.0f} us a step on MXNet, {times["scanned"]:,.0f} us as one program')
    return Result(net_D, net_G, history, scores)


# %%
if __name__ == '__main__':
    result = run()

# %% [markdown]
r"""
## Summary

- A trace is a list of operators. Whoever has a table of them can run it elsewhere.
- A compiler wants functions: state in, state out. Then it may fuse, reorder and leave out as it likes.
- Fusion removes the trips to memory between operators; a loop inside the program removes Python.
- Where arithmetic is nearly all of the time, as in a convolution, there is little to remove.
- `vmap` turns one game into a hundred side by side, for much less than a hundred times the time.

## Exercises

1. Show that the function that `translate` makes of $D$ is $D$.

   <details><summary>Solution</summary>

   Give both the same points.

   ```python
   nets, D, G, state = start()
   X = numpy.random.default_rng(1).standard_normal((50, 2), 'float32')
   theirs = nets[0](np.array(X)).asnumpy()
   assert numpy.allclose(theirs, D(state['D']['weights'], X), atol=1e-6)
   ```

   </details>

2. The slope of the cross-entropy with respect to the logit is $\sigma(o) - y$. Let JAX say so. And
   the slope of the slope?

   <details><summary>Solution</summary>

   $\frac{d}{do} \sigma(o) = \sigma(o)(1 - \sigma(o))$, whatever the label. Second derivatives are
   nothing special here: the gradient is a function like any other. (MXNet 1.9.1 gets them wrong.)

   ```python
   loss = lambda o, y: y * jax.nn.softplus(-o) + (1 - y) * jax.nn.softplus(o)
   for o in (-2.0, 0.0, 3.0):
       p = 1 / (1 + numpy.exp(-o))
       for y in (0.0, 0.9, 1.0):
           assert abs(float(jax.grad(loss)(o, y)) - (p - y)) < 1e-6
           assert abs(float(jax.grad(jax.grad(loss))(o, y)) - p * (1 - p)) < 1e-6
   ```

   </details>

3. What is left of the gain of the loop with batches of 4,096 points?

   <details><summary>Solution</summary>

   Little: a call costs what it did, the arithmetic 512 times as much.

   ```python
   small, large = (ladder(n, steps=20, rounds=3) for n in (8, 4096))
   assert large['jitted'] / large['scanned'] < small['jitted'] / small['scanned']
   ```

   </details>

4. `lax.scan` over ten steps and ten calls of the step should end in the same state. Do they?

   <details><summary>Solution</summary>

   Yes, to the last digits, which fusion may round otherwise.

   ```python
   _, D, G, state = start()
   step, random = step_of(D, G), numpy.random.default_rng(2)
   X, Z = (random.standard_normal((10, 8, 2), 'float32') for _ in 'XZ')
   by_scan, _ = lax.scan(lambda s, xz: step(s, *xz), state, (X, Z))
   by_hand = state
   for x, z in zip(X, Z):
       by_hand, _ = step(by_hand, x, z)
   for a, b in zip(jax.tree_util.tree_leaves(by_scan), jax.tree_util.tree_leaves(by_hand)):
       assert numpy.allclose(a, b, atol=1e-4)
   ```

   </details>

5. Write a network that has a graph, but with an operator that the table of this chapter lacks. What
   happens, and when?

   <details><summary>Solution</summary>

   The little translator only notices while it runs. The engine looks at all operators before the
   first step, and names every one that it does not know.

   ```python
   net = nn.HybridSequential()
   net.add(nn.Dense(2), nn.LeakyReLU(0.1))
   net.initialize()
   net(np.zeros((1, 2)))
   try:
       translate(net, 'X')(weights(net), jnp.zeros((1, 2)))
       raise AssertionError('it should not know this operator')
   except KeyError as error:
       assert 'LeakyReLU' in str(error)
   ```

   </details>

The book's own section: [13.1, Compilers and
Interpreters](https://d2l.ai/chapter_computational-performance/hybridize.html).
"""

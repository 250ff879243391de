# %% [markdown]
r"""
# Compiling the game

A step of the textbook's Gaussian GAN takes a few milliseconds. Its arithmetic, some two thousand
multiplications, would take a processor a few hundred *nanoseconds*. Where does the rest go? This
chapter finds out, and takes it back: rung by rung, each a single change, until the same game runs an
order of magnitude faster. Nothing about the game changes, only about who is told what, and how often.

That is what `train(..., engine='symbol')` does, in `d2l_gan/engines/symbol.py`. It is also what TorchScript,
TensorFlow's graphs and JAX's `jit` are about; the idea is older than all of them. The book treats it
in [section 13.1](https://d2l.ai/chapter_computational-performance/hybridize.html), *Compilers and
Interpreters*.
"""

# %%
import time
from pathlib import Path

from d2l_gan import data, files, graph, losses, plots
from d2l_gan.callbacks import Checkpoint, Figure, Progress
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook
from d2l_gan.game import Result
from d2l_gan.speak import tell
from d2l_gan.train import train, update_D, update_G

import mxnet as mx
import numpy
from mxnet import gluon, init, nd, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## What dispatch costs

MXNet runs *operators*: a matrix product, a sum, a tanh. When Python calls one, MXNet must find the
code for it, check shapes and types, find memory for the result, and put the work into a queue, from
which another thread takes it. All this is *dispatch*, and it costs the same for ten numbers as for
ten million. So let us add two arrays, small ones and large ones, and look at the time of one
addition.
"""


# %%
def dispatch(sizes=(10, 1000, 100_000, 10_000_000), seconds=0.05):
    """Return {size: microseconds} for the sum of two arrays of `size` numbers."""
    found = {}
    for size in sizes:
        a, b, num = np.ones(size), np.ones(size), 0
        start = time.perf_counter()
        while num < 3 or time.perf_counter() - start < seconds:
            c = a + b
            num += 1
        c.wait_to_read()
        found[size] = 1e6 * (time.perf_counter() - start) / num
    return found


# %%
if __name__ == '__main__':
    for size, us in dispatch().items():
        tell(f'{size:>10,} numbers: {us:8.1f} us')

# %% [markdown]
r"""
Up to some ten thousand numbers the time hardly changes: it is all dispatch. And a step of our GAN
consists of nothing but small operators. How many? A network can tell: called with a *symbol* instead
of an array, it computes nothing and returns the graph of what it would compute.
"""


# %%
def networks():
    """Return net_D and net_G, those of the Gaussian chapter."""
    net_G = nn.HybridSequential()
    net_G.add(nn.Dense(2))
    net_D = nn.HybridSequential()
    net_D.add(nn.Dense(5, activation='tanh'), nn.Dense(3, activation='tanh'), nn.Dense(1))
    return net_D, net_G


def symbols(net_D, net_G, loss):
    """Return the losses of `update_D` and `update_G` as graphs, with nothing computed yet."""
    X, Z, ones, zeros = (mx.sym.var(n).as_np_ndarray() for n in ('X', 'Z', 'ones', 'zeros'))
    fake_X = net_G(Z)
    detached = mx.sym.BlockGrad(fake_X.as_nd_ndarray()).as_np_ndarray()
    loss_D = (loss(net_D(X), ones) + loss(net_D(detached), zeros)) / 2
    loss_G = loss(net_D(fake_X), ones)
    return loss_D, loss_G


def operators(symbol):
    """Return the names of the operators in a graph, in the order in which they run."""
    return [node.op for node in graph.read(symbol)[0] if node.op != 'null']


# %%
if __name__ == '__main__':
    for name, symbol in zip('DG', symbols(*networks(), gluon.loss.SigmoidBCELoss())):
        tell(f'loss_{name}: {len(operators(symbol))} operators')

# %% [markdown]
r"""
Each has a partner in the backward pass, and then Adam visits each of the eight parameter arrays, by
way of several functions of Python. That makes over a hundred operators in a step, and about as many
microseconds each as they would need nanoseconds of arithmetic.

There are two remedies, and the rungs below apply both. **Tell less often**: hand MXNet a whole graph
instead of one operator after another. And **compute less**: leave out what does not change the
result.

## The ladder

Every rung is a function that takes networks, trainers and the loss, and returns a `step(X, Z)`. All
of them play the same game.

**1. The book's loop.** One operator at a time. `update_D` and `update_G` return floats, so Python
waits twice in each step until MXNet has finished, and MXNet then waits for Python.
"""


# %%
def book(net_D, net_G, trainer_D, trainer_G, loss):
    """Return the book's step."""

    def step(X, Z):
        update_D(X, Z, net_D, net_G, loss, trainer_D)
        update_G(Z, net_D, net_G, loss, trainer_G)

    return step


# %% [markdown]
r"""
**2. Do not wait.** The same updates, but the losses stay where they are, and are read once an epoch.
Python now runs ahead while another thread computes.
"""


# %%
def patient(net_D, net_G, trainer_D, trainer_G, loss):
    """Return the book's step without the two floats."""
    objective = losses.objective(loss)
    return Textbook(net_D, net_G, trainer_D, trainer_G, objective, 'D', mx.cpu()).step


# %% [markdown]
r"""
**3. Hybridize.** One line of Gluon: each network records its graph on the first call and from then
on is dispatched as a whole. But the loss, the halving and the sum are still single operators, and
`autograd` still writes down every step to play it backward.
"""


# %%
def hybridized(net_D, net_G, trainer_D, trainer_G, loss):
    """Return the same step, with networks and loss hybridized."""
    for block in (net_D, net_G, loss):
        block.hybridize(static_alloc=True, static_shape=True)
    return patient(net_D, net_G, trainer_D, trainer_G, loss)


# %% [markdown]
r"""
**4. One static graph per player.** The whole of `update_D`, from $X$ and $Z$ to the loss, is one
symbol (see `symbols` above), *bound* to fixed arrays: the parameters' own, and the parameters' own
gradients. Memory is planned once. The backward pass is known beforehand, so nothing is recorded. And
since we say which gradients we want, those of the other player are never computed.
"""


# %%
def bind(head, net_D, net_G, learner, X, Z):
    """Bind a loss to the parameters' arrays; backward fills the gradients of `learner` alone."""
    arrays = {'X': X.copy(), 'Z': Z.copy(), 'ones': np.ones(len(X)), 'zeros': np.zeros(len(X))}
    for net in (net_D, net_G):
        arrays.update({p.name: p.data() for p in net.collect_params().values()})
    gradients = {p.name: p.grad().as_nd_ndarray() for p in learner.collect_params().values()}
    head = mx.sym.make_loss(head.as_nd_ndarray())
    return head.bind(
        X.ctx, {name: arrays[name].as_nd_ndarray() for name in head.list_arguments()},
        args_grad=gradients, grad_req=dict.fromkeys(gradients, 'write'),
    )  # fmt: skip


def graphs(net_D, net_G, trainer_D, trainer_G, loss, adam=None):
    """Return a step that runs one bound graph per player, then `adam` for each of its arrays."""
    bound, adam = [], adam or each_array

    def step(X, Z):
        if not bound:
            heads = symbols(net_D, net_G, loss)
            bound.extend(bind(h, net_D, net_G, n, X, Z) for h, n in zip(heads, (net_D, net_G)))
        for executor, trainer, inputs in zip(bound, (trainer_D, trainer_G), ({'X': X}, {})):
            for name, value in dict(inputs, Z=Z).items():
                value.as_nd_ndarray().copyto(executor.arg_dict[name])
            executor.forward(is_train=True)
            executor.backward()
            adam(trainer, len(X))

    return step


def each_array(trainer, batch_size):
    """Let Adam move each parameter; `Trainer.step` would not know that gradients are new."""
    trainer._optimizer.rescale_grad = 1 / batch_size
    for i, parameter in enumerate(trainer._params):
        trainer._updaters[0](i, parameter.grad(), parameter.data())


# %% [markdown]
r"""
**5. One array, one Adam.** Adam does the same to every number. So let all parameters of a player lie
in one long array, of which each is a *view*; likewise the gradients. Then one call moves them all.
"""


# %%
def one_adam(net_D, net_G, trainer_D, trainer_G, loss):
    """Return the step of `graphs`, with one Adam for all parameters of a player."""
    long = {}
    for trainer in (trainer_D, trainer_G):
        long[trainer] = [nd.zeros(sum(p.data().size for p in trainer._params)) for _ in range(2)]
        stop = 0
        for p in trainer._params:
            start, stop = stop, stop + p.data().size
            weight, gradient = (
                a[start:stop].reshape(p.shape).as_np_ndarray() for a in long[trainer]
            )
            weight[:] = p.data()
            p._data, p._grad = [weight], [gradient]

    def adam(trainer, batch_size):
        trainer._optimizer.rescale_grad = 1 / batch_size
        weight, gradient = (a.as_np_ndarray() for a in long[trainer])
        trainer._updaters[0](0, gradient, weight)

    return graphs(net_D, net_G, trainer_D, trainer_G, loss, adam)


# %% [markdown]
r"""
**6. Compute less.** The engine `Symbol` goes on from here. Real and fake examples go through $D$ in one
batch, with one matrix product instead of two. The fake examples are made once for both updates: $G$
has not moved in between (the book's own comment suggests it). The slope of the cross-entropy with
respect to the logit is $\sigma(o) - y$, one operator instead of the thirty that compute the loss and
walk back through it; the losses themselves follow from the logits, all at once, when the epoch is
over. A layer as small as ours is multiplied by a plain loop, since setting up oneDNN's fast one takes
longer than the multiplication. And what is left to tell is told through MXNet's C interface, with
arguments that were laid out once.
"""


# %%
def compiled(net_D, net_G, trainer_D, trainer_G, loss):
    """Return the step of the engine `Symbol`."""
    players = []

    def step(X, Z):
        if not players:
            game = net_D, net_G, trainer_D, trainer_G, losses.objective(loss), 'D', X.ctx
            players.append(Symbol(*game, (X, Z, None)))
        players[0].step(X, Z)

    return step


def rungs():
    """Return the ladder, from the book's loop to the compiled game."""
    return book, patient, hybridized, graphs, one_adam, compiled


# %% [markdown]
r"""
## Measured

Each rung plays for a moment in turn, several rounds of it, and the medians count: on a machine that
does other things as well, one measurement says little.
"""


# %%
def prepare(rung, seed=0, rates=(0.05, 0.005), std=0.3):
    """Return the step of a rung, one of the functions above, and the networks it plays with."""
    mx.random.seed(seed)
    nets, trainers = networks(), []
    for net, rate in zip(nets, rates):
        net.initialize(init.Normal(std))
        net(np.zeros((1, 2)))  # shapes become known
        parameters = list(net.collect_params().values())
        trainers.append(gluon.Trainer(parameters, 'adam', {'learning_rate': rate}))
    return rung(*nets, *trainers, gluon.loss.SigmoidBCELoss()), nets


def ladder(batch_size=8, steps=100, rounds=5, seed=0):
    """Return {rung: microseconds a step}, medians over interleaved rounds."""
    players = {rung.__name__: prepare(rung, seed)[0] for rung in rungs()}
    X, Z = (np.random.normal(size=(batch_size, 2)) for _ in 'XZ')
    times = {name: [] for name in players}
    for _ in range(rounds + 1):
        for name, step in players.items():
            start = time.perf_counter()
            for _ in range(steps):
                step(X, Z)
            mx.nd.waitall()
            times[name].append(1e6 * (time.perf_counter() - start) / steps)
    return {name: float(numpy.median(found[1:])) for name, found in times.items()}  # 1: warmed up


def draw(times):
    """Return a figure of the ladder."""
    fig = plots.Picture(figsize=(5, 2.5))
    axes = fig.add_subplot()
    axes.barh(list(times)[::-1], list(times.values())[::-1])
    for i, us in enumerate(list(times.values())[::-1]):
        axes.text(us, i, f' {us:,.0f} us, {times["book"] / us:.1f} times as fast', va='center')
    axes.set(xlabel='microseconds a step', xlim=(0, 1.6 * max(times.values())))
    return fig


# %%
if __name__ == '__main__':
    plots.show(draw(ladder()))

# %% [markdown]
r"""
Which rung gains most? Not the one with the famous name. Hybridizing networks as small as these saves
little, because most of the operators are not in the networks. What counts is that the *whole* update,
loss and optimizer included, is handed over at once.

## The same game?

A faster program that computes something else is not faster. So let the book's loop and the last rung
play from the same start with the same batches, and compare the weights.
"""


# %%
def difference(steps=50, batch_size=8, seed=0):
    """Return how far the weights of `book` and `compiled` are apart, relative to their size."""
    found = []
    for rung in (book, compiled):
        step, nets = prepare(rung, seed)
        X, Z = (np.random.normal(size=(steps, batch_size, 2)) for _ in 'XZ')
        for i in range(steps):
            step(X[i], Z[i])
        weights = [p.data().asnumpy() for net in nets for p in net.collect_params().values()]
        found.append(numpy.concatenate([w.reshape(-1) for w in weights]))
    return float(numpy.linalg.norm(found[0] - found[1]) / numpy.linalg.norm(found[0]))


# %%
if __name__ == '__main__':
    tell(f'relative difference after 50 steps: {difference():.1e}')

# %% [markdown]
r"""
Not a single bit of the *mathematics* differs, but sums are taken in another order, so the last digits
do: about one part in a million. Let the game go on and the difference grows. A GAN is a dynamical
system, and far from its balance it doubles small differences, as the weather does. After a thousand
steps two runs that differ in the last digit can look different, and be equally good. (In double
precision they stay together a billion times longer; that is how the tests of this package compare
them.)

## Training with it

There is nothing to switch on: `train` compiles what it can, which is every network of hybridizable
blocks, and plays the others update by update. `engine='symbol'` insists, and says why if it cannot.
"""


# %%
def run(
    num_epochs=20, batch_size=8, lr_D=0.05, lr_G=0.005, latent_dim=2, objective='bce', steps=100,
    rounds=5, seed=0, device=None, out=None, show=False, resume=False,
):  # fmt: skip
    """Measure the ladder, then train the Gaussian GAN compiled; return networks and scores.

    Writes ladder.png, training.png and scores.json under `out`.

    Args:
        num_epochs: passes over the 1,000 points.
        batch_size: points in a step.
        lr_D: learning rate of the discriminator.
        lr_G: learning rate of the generator.
        latent_dim: width of the noise of the training.
        objective: the pair of losses of the training, as in the Gaussian chapter.
        steps: steps that each rung plays in a round.
        rounds: rounds of measurement.
        seed: of the points, the weights, the noise and the order of the batches.
        device: cpu, gpu or gpu(1) for the training; by default the first GPU if there is one.
        out: directory for figures and scores; by default build/static_graph.
        show: open a window with the live figure.
        resume: go on from the last checkpoint under `out`.
    """
    out = files.output_dir('static_graph') if out is None else Path(out)
    times = ladder(batch_size, steps, rounds, seed)
    fig = draw(times)
    plots.save(fig, out / 'ladder.png')
    X = data.gaussian(1000, seed)[0]
    net_D, net_G = networks()
    history = train(
        net_D, net_G, data.Batches(X, batch_size, device=device), num_epochs, lr_D, lr_G,
        latent_dim, X[:100].asnumpy(), seed=seed, device=device, objective=objective, engine='symbol',
        callbacks=[Progress(), Figure(out, show=show), Checkpoint(out, resume)],
    )  # fmt: skip
    scores = {
        'microseconds': times,
        'difference': difference(batch_size=batch_size, seed=seed),
        'loss_D': history.loss_D[-1],
        'loss_G': history.loss_G[-1],
        'examples_per_sec': history.examples_per_sec[-1],
        'seed': seed,
        'versions': files.versions(),
    }
    files.write_json(out / 'scores.json', scores)
    tell(f'{times["book"]:,.0f} us a step as in the book, {times["compiled"]:,.0f} us compiled')
    return Result(net_D, net_G, history, scores)


# %%
if __name__ == '__main__':
    result = run()

# %% [markdown]
r"""
## Summary

- Dispatch costs some microseconds per operator, whatever its size. Small networks consist of nothing
  else.
- A *symbol* is a computation written down. Bound to arrays, it runs as a whole, forward and backward,
  in memory that was planned once.
- Reading a number from the device makes both sides wait. Read once an epoch.
- The largest gains come from handing over the whole step, optimizer included; then from computing
  less.
- Compare the weights after a change that should not change anything, and expect the last digits to
  differ.

## Exercises

1. How many operators does the loss of $D$ have, and how many of them belong to $D$ itself?

   <details><summary>Solution</summary>

   Each of the two passes through $D$ has three dense layers and two tanh: ten operators together.
   All others belong to the cross-entropies, the detaching and the halving.

   ```python
   found = operators(symbols(*networks(), gluon.loss.SigmoidBCELoss())[0])
   own = [op for op in found if op in ('FullyConnected', 'Activation')]
   softrelu = 2  # each cross-entropy contains one more Activation
   dense_G = 1
   assert len(own) - softrelu - dense_G == 10
   assert len(found) > 2 * len(own)
   ```

   </details>

2. What is left of the gain with batches of 4,096 points?

   <details><summary>Solution</summary>

   Less: the arithmetic has grown by a factor of 512, dispatch not at all. What remains is what comes
   from computing less.

   ```python
   small, large = (ladder(n, steps=10, rounds=3) for n in (8, 4096))
   assert large['book'] / large['compiled'] < small['book'] / small['compiled']
   ```

   </details>

3. Put a `BatchNorm` into $D$. Why may real and fake examples then not share a batch? Does
   the engine know?

   <details><summary>Solution</summary>

   `BatchNorm` subtracts the mean of the batch. In the book each kind is normalised by its own mean;
   in a common batch the two would leak into each other, and a discriminator could see from one
   example what the others are. The compiled game keeps them apart.

   ```python
   net_D, net_G = networks()
   net_D.add(nn.BatchNorm())
   X, Z, trainers = np.ones((8, 2)), np.ones((8, 2)), []
   for net in (net_D, net_G):
       net.initialize()
       net(X)
       trainers.append(gluon.Trainer(list(net.collect_params().values()), 'adam'))
   game = net_D, net_G, *trainers, losses.objective('bce'), 'D', mx.cpu()
   assert not Symbol(*game, (X, Z, None)).merge
   ```

   </details>

4. Check that the slope of the cross-entropy is $\sigma(o) - y$, and that this holds for the smoothed
   label $0.9$ too.

   <details><summary>Solution</summary>

   $-y \log \sigma(o) - (1 - y) \log(1 - \sigma(o))$ has the derivative
   $-y (1 - \sigma(o)) + (1 - y) \sigma(o) = \sigma(o) - y$, for any $y$.

   ```python
   o = np.linspace(-4, 4, 10)
   o.attach_grad()
   with mx.autograd.record():
       loss = losses.SigmoidLoss(label_smoothing=0.1)(o, np.ones(10))
   loss.backward()
   assert numpy.allclose(o.grad, npx.sigmoid(o) - 0.9, atol=1e-6)
   ```

   </details>

5. Write a network that cannot be compiled. What does `train` say?

   <details><summary>Solution</summary>

   One that looks at its numbers, as with `if`, has no graph: which one would it be? With
   `engine='auto'`, the default, it is trained update by update.

   ```python
   class Moody(nn.Block):
       def __init__(self):
           super().__init__()
           self.dense = nn.Dense(1)

       def forward(self, x):
           return self.dense(x) if float(x.sum()) > 0 else -self.dense(x)


   X = np.ones((8, 2))
   try:
       train(Moody(), networks()[1], [(X,)], 1, 0.1, 0.1, 2, X, engine='symbol', callbacks=[])
       assert False
   except ValueError as error:
       assert 'Moody is not a HybridBlock' in str(error)
   ```

   </details>

The book's own section: [13.1, Compilers and
Interpreters](https://d2l.ai/chapter_computational-performance/hybridize.html).
"""

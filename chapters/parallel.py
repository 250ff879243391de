# %% [markdown]
r"""
# Many devices, one game

A second device promises half the time, and a thousand a thousandth. What it gives depends on what the
devices have to tell each other, and a game of two players talks twice in each step. This chapter
shares a batch among devices and among machines, looks at what that does to the game, and works out
when it pays.

*Data parallelism* is simple. Every device has a copy of both networks and a share of the batch. Each
works out the gradients of its share; these are *summed* over the devices; every copy takes the same
step, and so the copies stay equal.
"""

# %%
import heapq
import json
from pathlib import Path
from types import SimpleNamespace

from d2l_gan import check, data, devices, files, metrics, plots, scaling
from d2l_gan.processes import free_port, together
from d2l_gan.speak import tell
from d2l_gan.train import train, train_many, update_D, update_G

import mxnet as mx
import numpy
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## What is summed, and what is averaged

The loss of a batch is a mean over its $B$ examples, so its gradient is one, too:

$$\nabla L = \frac{1}{B} \sum_{i=1}^{B} \nabla \ell_i
= \frac{1}{B} \sum_{\text{devices}} \; \sum_{i \text{ of the device}} \nabla \ell_i .$$

So: *sum* on each device, *sum* over the devices, and divide *once*, by the size of the whole batch. Then
shares may differ in size. A mean of the devices' means would be wrong for these.

The game is played in turns. $G$'s gradient goes through a $D$ that has already moved, so the second sum
cannot begin before the first has been used. A classifier waits for the others once a step, a game
twice.

Section 13.6 of the book does this for one network: `split_and_load` cuts a batch, and a `Trainer`
with the store `'device'` adds up the gradients of all copies. Here it is for two players. They are
the book's `update_D` and `update_G`, with a list where there was one array. MXNet runs each line
without waiting for it, so the devices are at work together. (`train(..., engine='textbook',
devices=['gpu(0)', 'gpu(1)'])` does this for you.)
"""


# %%
def networks():
    """Return net_D and net_G of the Gaussian chapter."""
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_G.add(nn.Dense(2))
    net_D.add(nn.Dense(5, activation='tanh'), nn.Dense(3, activation='tanh'), nn.Dense(1))
    return net_D, net_G


def shares(array, places):
    """Return an array's rows, cut among the devices `places`; some have one row more."""
    # As `split_and_load` does, which fails with a NumPy from 2.0 on.
    ends = [-(-len(array) * k // len(places)) for k in range(len(places) + 1)]
    return [array[a:b].as_in_ctx(place) for a, b, place in zip(ends, ends[1:], places)]


def shared_D(X, Z, net_D, net_G, loss, trainer_D, places):
    """Update D once on all `places`, and return its loss, summed over the batch."""
    with autograd.record():
        losses = [
            (loss(net_D(x), np.ones(len(x), ctx=x.ctx))
             + loss(net_D(net_G(z).detach()), np.zeros(len(z), ctx=z.ctx))) / 2
            for x, z in zip(shares(X, places), shares(Z, places))
        ]  # fmt: skip
    autograd.backward(losses)
    trainer_D.step(len(X))  # sums over the devices, then divides by the whole batch
    return sum(float(part.sum()) for part in losses)


def shared_G(Z, net_D, net_G, loss, trainer_G, places):
    """Update G once on all `places`, and return its loss, summed over the batch."""
    with autograd.record():
        losses = [loss(net_D(net_G(z)), np.ones(len(z), ctx=z.ctx)) for z in shares(Z, places)]
    autograd.backward(losses)
    trainer_G.step(len(Z))
    return sum(float(part.sum()) for part in losses)


# %% [markdown]
r"""
A machine without GPUs can still rehearse this: `cpu(0)` and `cpu(1)` are two devices to MXNet, with a
copy of the weights each, although it is the same processor that computes. Nothing becomes faster, but
everything that can go wrong does. Are fifty steps on two devices those of one?
"""


# %%
def rehearse(places=('cpu',), steps=50, batch_size=15, store='device', seed=0):
    """Play on some devices, and return the weights of each copy, (devices, all weights)."""
    places = [devices.device(place) for place in places]
    mx.random.seed(seed)
    nets, loss = networks(), gluon.loss.SigmoidBCELoss()
    Z = np.random.normal(size=(steps * batch_size, 2))
    X = data.gaussian(steps * batch_size, seed)[0]
    parameters = []
    for net in nets:
        net.initialize(init.Normal(0.5), ctx=places)
        for x in shares(X[:batch_size], places):
            net(x)  # shapes become known
        parameters.append(list(net.collect_params().values()))
    trainer_D, trainer_G = (
        gluon.Trainer(ps, 'adam', {'learning_rate': rate, 'beta1': 0.5}, kvstore=store)
        for ps, rate in zip(parameters, (0.05, 0.005))
    )
    for i in range(0, len(X), batch_size):
        x, z = X[i : i + batch_size], Z[i : i + batch_size]
        shared_D(x, z, *nets, loss, trainer_D, places)
        shared_G(z, *nets, loss, trainer_G, places)
    copies = zip(*(p.list_data() for ps in parameters for p in ps))
    return numpy.stack([numpy.concatenate([a.asnumpy().ravel() for a in copy]) for copy in copies])


def apart(a, b):
    """Return the largest difference between two arrays."""
    return float(numpy.abs(a - b).max())


# %%
if __name__ == '__main__':
    one, two = rehearse(['cpu(0)']), rehearse(['cpu(0)', 'cpu(1)'])
    tell(f'the two copies differ by {apart(*two):.1e}, from one device by {apart(one, two):.1e}')
    tell(f'without a store they drift apart: {apart(*rehearse(["cpu", "cpu(1)"], store=None)):.2f}')

# %% [markdown]
r"""
The copies are equal to the last bit, and one device's but for rounding: a sum in another order. Forget
the store, `kvstore=None`, and nobody complains; each copy trains by itself, and one of them is saved.

## Batch normalization sees its share only

For the sum to be right, an example's loss must not depend on the others in the batch. *Batch
normalization* breaks that: it subtracts the mean of the batch and divides by its deviation, and on
each device "the batch" is the share. A share of $m$ examples estimates a mean with an error of
$\sigma / \sqrt m$. How wrong does the gradient become? We cut a batch of 64, real and
fake, into shares, sum the gradients, and compare with the whole.
"""


# %%
def slope(net, X, fake_X, share):
    """Return D's gradient, as one array, from shares of so many examples."""
    loss, total = gluon.loss.SigmoidBCELoss(), 0
    for i in range(0, len(X), share):
        real, fake = X[i : i + share], fake_X[i : i + share]
        with autograd.record():
            lost = loss(net(real), np.ones(len(real))) + loss(net(fake), np.zeros(len(fake)))
        lost.backward()
        moving = [p for p in net.collect_params().values() if p.grad_req != 'null']
        total = total + numpy.concatenate([p.grad().asnumpy().ravel() for p in moving])
    return total / 2 / len(X)


def cut(sizes=(32, 8, 2), batch_size=64, tries=5):
    """Return {norm: {share: relative error of the gradient}}, medians over batches."""
    found = {}
    for name, norm in (('none', None), ('layer', nn.LayerNorm), ('batch', nn.BatchNorm)):
        net, errors = nn.HybridSequential(), []
        net.add(nn.Dense(16), *([norm()] if norm else []), nn.LeakyReLU(0.2), nn.Dense(1))
        mx.random.seed(0)
        net.initialize(init.Normal(0.5))
        net.hybridize()
        for seed in range(tries):
            X, Z = data.gaussian(batch_size, seed)[0], data.gaussian(batch_size, seed + tries)[0]
            whole = slope(net, X, Z - 1, batch_size)
            apart = [numpy.linalg.norm(slope(net, X, Z - 1, size) - whole) for size in sizes]
            errors.append(numpy.array(apart) / numpy.linalg.norm(whole))
        found[name] = dict(zip(sizes, numpy.median(errors, axis=0).tolist()))
    return found


# %%
if __name__ == '__main__':
    for norm, errors in cut().items():
        tell(norm + ''.join(f', shares of {size}: {e:.2g}' for size, e in errors.items()))

# %% [markdown]
r"""
Without it, and with layer normalization, which looks along one example, the shares add up to the whole.
With batch normalization the gradient is off by 6 % with shares of 32, by 16 % with shares of 8, and by 95
% with shares of 2. That is no mistake but another game: DCGAN on eight GPUs with 8 pictures each is *not*
DCGAN with 64 on one. What helps: large shares; layer normalization; or statistics over the whole batch,
at the price of more messages. `train(..., engine='xla', devices=4)` takes these; MXNet's own,
`SyncBatchNorm`, is missing from its NumPy interface. Here are both on four devices, which for JAX, too, are
parts of one CPU. The one plays the game of one device within rounding, the other a game of its own:
"""


# %%
def losses(engine, devices, num_epochs=3, seed=0):
    """Return D's losses, an epoch each, where both players normalize their batches of 32."""
    nets = nn.HybridSequential(), nn.HybridSequential()  # D and G
    for net, width in zip(nets, (1, 2)):
        net.add(nn.Dense(8), nn.BatchNorm(), nn.LeakyReLU(0.2), nn.Dense(width))
    X = data.gaussian(512, seed)[0]
    history = train(
        *nets, data.Batches(X, 32), num_epochs, 0.01, 0.01, 2, X, engine=engine, devices=devices,
        device='cpu', initializer=init.Normal(0.5), seed=seed, callbacks=[],
    )  # fmt: skip
    return history.loss_D


# %%
if __name__ == '__main__':
    for engine in ('xla', 'textbook'):
        four, one = losses(engine, 4), losses(engine, 1)  # JAX parts the CPU when it starts
        tell(
            f'{engine}: losses of D that differ from those of one device by {apart(one, four):.0e}'
        )

# %% [markdown]
r"""
## Several machines: a parameter server

Section 13.7 of the book goes on to several machines, with a *parameter server*: workers push gradients
to it and pull back what it makes of them. It is in MXNet's wheel. The same program is started once for
each role, and environment variables say who is who:

| variable | |
| --- | --- |
| `DMLC_ROLE` | `scheduler` (introduces the others), `server` or `worker` |
| `DMLC_PS_ROOT_URI`, `DMLC_PS_ROOT_PORT` | where the scheduler listens |
| `DMLC_NUM_SERVER`, `DMLC_NUM_WORKER` | how many there will be |
| `DMLC_NODE_HOST` | my own address; without it MXNet listens on the machine's outer one, to anybody |

A process that is no worker serves from `import mxnet` until all is over, and goes no further.

Two players have a trap here. `Trainer(kvstore='dist_sync')` numbers its parameters from 0, so $D$'s and $G$'s
trainer write to the same places on the server, and MXNet says, at best, *The value size cannot be
changed*. So each player gets names of its own, and the server does nothing but add. Then every worker takes
the step itself, and the book's `update_D` and `update_G` need not know.
"""


# %%
def over_server(kv, player, net, rate):
    """Return a trainer whose gradients are summed over all workers before each step."""
    parameters = list(net.collect_params().values())
    adam = {'learning_rate': rate, 'beta1': 0.5}
    trainer = gluon.Trainer(parameters, 'adam', adam, kvstore=None)
    gradients = {f'{player}{i}': p.grad() for i, p in enumerate(parameters)}
    for key, gradient in gradients.items():
        kv.init(key, gradient)

    def step(batch_size):
        for key, gradient in gradients.items():
            kv.push(key, gradient)
        for key, gradient in gradients.items():
            kv.pull(key, out=gradient)
        trainer.step(batch_size * kv.num_workers)

    return SimpleNamespace(step=step)


def work(store='dist_sync', steps=20, batch_size=16):
    """Play my share of each batch; return the weights in the end, and print them for the others."""
    kv = mx.kvstore.create(store)
    mx.random.seed(0)
    X, Z = data.gaussian(steps * batch_size)[0], np.random.normal(size=(steps * batch_size, 2))
    net_D, net_G = nets = networks()
    for net in nets:
        net.initialize(init.Normal(0.5))  # the same on every worker, as it has the same seed
        net(X[:1])
    trainer_D, trainer_G = over_server(kv, 'D', net_D, 0.05), over_server(kv, 'G', net_G, 0.005)
    loss, share = gluon.loss.SigmoidBCELoss(), batch_size // kv.num_workers
    for start in range(kv.rank * share, len(X), batch_size):
        x, z = X[start : start + share], Z[start : start + share]
        update_D(x, z, net_D, net_G, loss, trainer_D)
        update_G(z, net_D, net_G, loss, trainer_G)
    arrays = [p.data().asnumpy().ravel() for net in nets for p in net.collect_params().values()]
    weights = numpy.concatenate(arrays)
    if kv.num_workers > 1:
        print(json.dumps(weights.tolist()))
    return weights


# %% [markdown]
r"""
Now four processes have to live and die together. MXNet does not see to that: when a worker is killed, the
others wait for it for ever. There is no recovery either; a worker that comes back is a stranger. So
somebody must *watch*, and if one fails, or time is up, end them all. Here `together` does.
"""

# %%
HEAD = """
from types import SimpleNamespace
import d2l_gan, mxnet as mx, numpy
from d2l_gan import data
from d2l_gan.train import update_D, update_G
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn
npx.set_np()
"""


def served(workers=2):
    """Play `work` with a scheduler, a server and workers on 127.0.0.1; return each one's weights."""
    same = {
        'DMLC_PS_ROOT_URI': '127.0.0.1', 'DMLC_PS_ROOT_PORT': str(free_port()),
        'DMLC_NUM_SERVER': '1', 'DMLC_NUM_WORKER': str(workers), 'DMLC_NODE_HOST': '127.0.0.1',
        'OMP_NUM_THREADS': '1',
    }  # fmt: skip
    roles = [{**same, 'DMLC_ROLE': r} for r in ('scheduler', 'server', *['worker'] * workers)]
    said = together(roles, networks, over_server, work, head=HEAD)
    return [numpy.array(weights) for (weights,) in said[2:]]


# %%
if __name__ == '__main__':
    one, (first, second) = work('local'), served()
    tell(f'the workers differ by {apart(first, second):.1e}, from one by {apart(one, first):.1e}')

# %% [markdown]
r"""
## Old gradients

*Synchronous* (`dist_sync`): the server answers when all workers have pushed, so two workers with 8
examples each are one with 16. *Asynchronous* (`dist_async`): each push is applied as it comes, and nobody
waits. But meanwhile the others have moved, and a gradient that arrives was worked out $\tau$ steps
ago. In a game, that is the place where the opponent *was*.

The chapter on convergence has the smallest game: near its end a step turns by a small angle $a$,
and it flies apart if the largest eigenvalue $\lambda$ is longer than 1. With gradients that are $\tau$
steps old, in an Adam that remembers by $\beta$, the eigenvalues solve

$$(\lambda - 1)(\lambda - \beta)\,\lambda^{\tau} = (1 - \beta)\, i a \lambda, \qquad
|\lambda|^2 \approx 1 + a^2 \, (1 + 2T), \qquad T = \tau + \frac{\beta}{1 - \beta} .$$

$T$ is how *old* the gradients are that move us, on average: $\tau$ steps for the way, and
$\beta / (1 - \beta)$ for the memory. *The two ages add.* `beta1=0.9` is nine steps old, `beta1=0.5`
one, and $W$ workers who do not wait add $W - 1$: when one of them pushes, each of the others has done so
once since it last looked.
"""


# %%
def growth(a=0.005, stale=0, beta1=0.0):
    """Return (|lambda|^2 - 1) / a^2 of the largest eigenvalue: how fast the players fly apart."""
    polynomial = numpy.zeros(stale + 3, complex)
    polynomial[:3] = 1, -(1 + beta1), beta1
    polynomial[-2] -= 1j * a * (1 - beta1)  # numpy.roots wants the highest power first
    return float((numpy.abs(numpy.roots(polynomial)).max() ** 2 - 1) / a**2)


def asynchronous(workers=4, a=0.005, steps=30_000, even=False, seed=0):
    """Play with workers that do not wait, at random paces or an even one; return growth, mean age."""
    random, place, ages = numpy.random.default_rng(seed), 1 + 0j, []
    known = [(place, 0)] * workers  # what each has read, and at which step
    events = [(worker / workers, worker) for worker in range(workers)]
    for step in range(steps):
        now, worker = heapq.heappop(events)
        old, since = known[worker]
        ages.append(step - since)
        place += 1j * a * old
        known[worker] = place, step + 1
        heapq.heappush(events, (now + (1 if even else random.exponential()), worker))
    return float(numpy.log(abs(place) ** 2) / steps / a**2), float(numpy.mean(ages))


def ages():
    """Return [(what, mean age of a gradient, growth)]."""
    found = [(f'momentum {b}', b / (1 - b), growth(beta1=b)) for b in (0.0, 0.5, 0.9)]
    found += [(f'late by {s}', s, growth(stale=s)) for s in (1, 4)]
    found += [('late by 4, momentum 0.5', 5, growth(stale=4, beta1=0.5))]
    for workers in (2, 4, 8):
        rate, age = asynchronous(workers)
        found.append((f'workers, {workers}', age, rate))
    return found


def show_ages(found):
    """Return a figure of growth over age, beside the line 1 + 2 T."""
    fig = plots.Picture(figsize=(6, 3.5))
    axes = fig.add_subplot()
    axes.plot([0, 10], [1, 21], 'k', linewidth=0.7, label='$1 + 2T$')
    for marker, kind in zip('osx', ('momentum', 'late', 'workers')):
        points = [(age, rate) for name, age, rate in found if name.startswith(kind)]
        axes.plot(*zip(*points), marker, label=kind)
    axes.set(xlabel='mean age $T$ of a gradient, in steps', ylabel='growth of $|x|^2$, in $a^2$')
    axes.legend()
    return fig


# %%
if __name__ == '__main__':
    for name, age, rate in ages():
        tell(f'{name:26} age {age:.2f}, growth {rate:.2f}, {1 + 2 * age:.2f} by formula')
    plots.show(show_ages(ages()))

# %% [markdown]
r"""
Workers whose times are drawn at random are, on average, even *exactly* a momentum of $1 - 1/W$
([Mitliagkas et al., 2016](https://arxiv.org/abs/1605.09774)). So for whoever trains asynchronously with
four workers, `beta1=0.5` is not the milder choice but the fourth step on top of three; 0 is. And what
is gained? Let the workers go at $1/W$ of the rate, so that $W$ pushes come as far as one synchronous step.
They blow the game up by $W \cdot (a/W)^2 (2W - 1) = a^2 (2 - 1/W)$, where one synchronous step has
$a^2$: nearly twice as much, for any number of workers. What brakes it is in the convergence chapter.

On MXNet's server `dist_async` also needs the optimizer to live there (`kv.set_optimizer`), one for both
players, since it must update when nobody else is there.

## Large batches

Many devices want a large batch, or else each has nothing to do. For the sum that changes nothing. For
the game it does: *the same number of examples is fewer steps*. We play the Gaussian's game with 1,024
points for 20 epochs, so 20,480 examples in batches of 8, 32 and 128, and let the rates stay, or grow with the
batch, or with its square root, which is how the noise of a mean shrinks.
"""

# %%
RULES = {'the same rates': 0.0, 'times the root': 0.5, 'times the batch': 1.0}


def distances(batch_size, factor=1.0, num_epochs=20, seeds=range(20), num=1024):
    """Return each seed's squared distance of G's Gaussian from the truth."""
    draw = lambda seed: data.Batches(data.gaussian(num, seed)[0], batch_size)
    runs = train_many(
        *networks(), draw, num_epochs, 0.05 * factor, 0.005 * factor, 2, seeds=seeds, beta1=0.5,
        initializer=init.Normal(0.5),
    )  # fmt: skip
    A, b = numpy.array(data.GAUSSIAN_A), numpy.array(data.GAUSSIAN_B)
    learned = [(run.weights['G']['0.bias'], run.weights['G']['0.weight']) for run in runs]
    return [metrics.gaussian_w2(c, W @ W.T, b, A.T @ A) for c, W in learned]


def batches(sizes=(8, 32, 128), **keywords):
    """Return {rule: {batch: distances of all seeds}}."""
    first = distances(sizes[0], **keywords)  # whose rates are the same by any rule
    found = {rule: {sizes[0]: first} for rule in RULES}
    for rule, power in RULES.items():
        for size in sizes[1:]:
            found[rule][size] = distances(size, (size / sizes[0]) ** power, **keywords)
    return found


def show_batches(found):
    """Return a figure of the distance over the batch, medians and 90 % of the seeds."""
    fig = plots.Picture(figsize=(6, 3.5))
    axes = fig.add_subplot()
    for rule, by_size in found.items():
        low, middle, high = numpy.quantile(list(by_size.values()), (0.1, 0.5, 0.9), axis=1)
        axes.plot(list(by_size), middle, 'o-', label=rule)
        axes.fill_between(list(by_size), low, high, alpha=0.15)
    axes.set(xscale='log', yscale='log', xlabel='batch', ylabel='squared distance from the truth')
    axes.set_xticks(list(by_size), list(map(str, by_size)))
    axes.legend()
    return fig


# %%
if __name__ == '__main__':
    found = batches()
    plots.show(show_batches(found))

# %% [markdown]
r"""
With 8 points the distance is 0.020, the median of twenty seeds. At the same rates it is 0.37 with 32
points and 3.6 with 128: the game is just not over. Rates that grow with the root save the batch of 32
(0.041), but not that of 128 (0.36). In proportion, 32 come to 0.10 and 128 to 0.29, and the unlucky
seeds pay: one in ten is beyond 0.60 and 1.4. So here four times the devices are nearly free, and
sixteen times are not. A speed in examples a second does not show that.
"""

# %% [markdown]
r"""
## On paper

How long does a sum over $n$ devices take? Sent to one and back, that one's link carries $2(n - 1)$
gradients. A *ring* shares the work: each cuts its gradient, $S$ bytes, into $n$ pieces. In each of $n - 1$
rounds everybody hands one piece to the right neighbour, who adds its own to it; then all sums are
complete, one at each device, and go round in $n - 1$ more rounds. If a message of $s$ bytes takes
$\alpha + \beta s$ (latency and bandwidth: Hockney's model), that is

$$R(S) = 2 (n - 1) \left(\alpha + \beta \frac{S}{n}\right),$$

and a step of the game, which one device alone does in $w$ seconds, takes $w + R(S_D) + R(S_G)$ if every
device keeps a batch as large as that one's (*weak* scaling), and with $w / n$ in place of $w$ if they
share it (*strong* scaling). The second has a minimum. Set the slope to 0:

$$n^* = \sqrt{\frac{w - 2\beta (S_D + S_G)}{4 \alpha}}.$$
"""


# %%
def reduce_time(n, size, alpha, beta):
    """Return the seconds of a sum of `size` bytes over a ring of n devices."""
    return 2 * (n - 1) * (alpha + beta * size / n)


def step_time(n, work, sizes, alpha, beta, strong=False, jitter=0.0):
    """Return the seconds of a step of the game on n devices.

    Args:
        work: seconds of a step on one device.
        sizes: bytes of each player's gradient.
        strong: whether they share that step's batch; else each has one as large.
        jitter: the share of `work` that is random.
    """
    waiting = 1 - jitter + jitter * sum(1 / k for k in range(1, n + 1))
    sums = sum(reduce_time(n, size, alpha, beta) for size in sizes)
    return work / (n if strong else 1) * waiting + sums


def best_number(work, sizes, alpha, beta):
    """Return the number of devices with which a shared batch is done soonest."""
    return max(1.0, max(work - 2 * beta * sum(sizes), 0) / (4 * alpha)) ** 0.5


# %% [markdown]
r"""
A formula is a claim about machines that never stumble. `simulate` keeps to what happens: a device starts
its next message when its link is free *and* what it passes on has come. Each piece of work and
each message may take a share `jitter` of its time at random (an exponential distribution; the mean
stays). Without it the formula must be exact. With it, everybody waits for the slowest of $n$, who takes
not once, but $H_n = 1 + \frac12 + \dots + \frac1n \approx \ln n + 0.58$ times the random share; and in a game
they wait twice.
"""


# %%
def ring(ready, rounds, duration):
    """Return when each device has all sums, of those that are `ready` at these times, an array."""
    end = came = ready
    for _ in range(rounds):
        end = numpy.maximum(end, came) + duration()
        came = numpy.roll(end, 1)  # from the left neighbour
    return numpy.maximum(end, came)


def simulate(n, work, sizes, alpha, beta, strong=False, jitter=0.0, steps=1, seed=0):
    """Return the seconds of a step, played out; the arguments are those of `step_time`."""
    random, now = numpy.random.default_rng(seed), numpy.zeros(n)
    luck = lambda: 1 - jitter + jitter * random.exponential(size=n)
    part = work / len(sizes) / (n if strong else 1)
    for _ in range(steps):
        for size in sizes:
            message = alpha + beta * size / n
            now = ring(now + part * luck(), 2 * (n - 1), lambda m=message: m * luck())
    return float(now.max()) / steps


# %% [markdown]
r"""
## What is measured

$\alpha$ and $\beta$ we take from processes that talk. In JAX, sharing a batch is one word for each array: the
examples are *cut* among the devices, the weights are *whole* on each. The step is written as for one device;
XLA sees where it needs sums over devices and puts them in. (`train(..., engine='xla', devices=4)` does so
with Gluon's networks, as above; what is timed here is `timed` in `d2l_gan/scaling.py`.) Between processes the
sums go through gloo, which stands there for CPUs where NCCL stands for GPUs. The game is one of two networks
with 256 hidden units in two layers, with batches of 512, on 1, 2 and 4 devices of one process, and on 2 and 4
processes with one device each.
"""


# %%
def fit(sums, n):
    """Return alpha and beta of {bytes: seconds} of sums over n processes, by relative squares."""
    shares = [[reduce_time(n, b, 1, 0) / s, reduce_time(n, b, 0, 1) / s] for b, s in sums.items()]
    (alpha, beta), *_ = numpy.linalg.lstsq(numpy.array(shares), numpy.ones(len(sums)), None)
    return max(float(alpha), 0.0), max(float(beta), 0.0)


# Bytes of D's slopes at real and at fake examples, and of G's: XLA sends each array by itself.
ARRAYS = (2048, 262144, 2048, 2048, 262144, 2048, 2048, 262144, 2048)


def foretold(found):
    """Return [(what, seconds by formula, measured)], where the formula has seen two processes' sums.

    All processes share one core here, so the work of a step is not divided by their number.
    """
    link, work = fit(found['sums'][2], 2), found['processes'][1]
    return [
        *((f'sum of {size:,} bytes, 4 processes', reduce_time(4, size, *link), seconds)
          for size, seconds in found['sums'][4].items()),
        *((f'step, {n} processes', step_time(n, work, ARRAYS, *link), found['processes'][n])
          for n in (2, 4)),
    ]  # fmt: skip


def sums_beside(sums):
    """Return a figure of the sums, and of the formula that has seen those of two processes."""
    link = fit(sums[2], 2)
    return scaling.show_sums(sums, lambda n, sizes: reduce_time(n, sizes, *link))


def speeds(times):
    """Say how long steps took, and how well n devices or processes did beside n times as fast."""
    return [
        f'{n} {kind}: {1e3 * seconds:.1f} ms a step, efficiency {times[kind][1] / seconds / n:.2f}'
        for kind in ('devices', 'processes')
        for n, seconds in sorted(times[kind].items())
    ]


def beside(times):
    """Say what the formula foretold, and what was measured."""
    return [f'{what}: {1e3 * a:.1f} ms by formula, {1e3 * b:.1f} ms measured'
            for what, a, b in foretold(times)]  # fmt: skip


# %%
if __name__ == '__main__':
    times = scaling.timings()
    tell('\n'.join(speeds(times) + beside(times)))
    plots.show(sums_beside(times['sums']))

# %% [markdown]
r"""
There are two hardware threads of one core here, and other programs were at work on them, so there was
nothing to gain: in the run that this text was written from, a step took 13.4 ms on one device, 14.3 on
two and 16.7 on four: an efficiency of 47 and 20 %. As two and as four processes it took 44 and 115 ms, 15
and 3 %. Why so much? $\alpha$ was 1.9 ms, which is no wire but the time until the other process gets its
turn; and XLA sends each array by itself: three of $G$'s, and six of $D$'s, whose slopes at real and at
fake examples it sums apart. That makes 18 and 54 rounds. Fitted to the sums of two processes, the formula
foretold those of four within 11 % up to two megabytes, and a third too low for eight, where four
processes copy with one core. For the steps it foretold 48 and 117 ms. In another run, $\alpha$ was 5.3
ms; they took 155 and 362 ms, and the formula said 113 and 307. It is right about what matters: *small
messages cost latency, so send few*. Each player's gradients put together in one array would save seven of
nine rounds. Where a machine is so busy that $\alpha$ changes from second to second, no formula foretells
anything.

## From 8 to 1,024

Now the formula may go where we cannot. The links are assumed, not measured: Ethernet with 10 Gb/s and
30 microseconds for a message, and InfiniBand with 200 Gb/s and 5. Work and bytes are measured: the game above,
and a small DCGAN.
"""

# %%
LINKS = {'Ethernet': (30e-6, 0.8e-9), 'InfiniBand': (5e-6, 0.04e-9)}
NUMBERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def pictures(width=16):
    """Return net_D and net_G of a small DCGAN for 3 x 32 x 32 pixels."""
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    for channels, stride, pad in ((4 * width, 1, 0), (2 * width, 2, 1), (width, 2, 1)):
        net_G.add(nn.Conv2DTranspose(channels, 4, stride, pad, use_bias=False), nn.BatchNorm())
        net_G.add(nn.Activation('relu'))
    net_G.add(nn.Conv2DTranspose(3, 4, 2, 1, activation='tanh'))
    for channels in (width, 2 * width, 4 * width):
        net_D.add(nn.Conv2D(channels, 4, 2, 1), nn.LeakyReLU(0.2))
    net_D.add(nn.Conv2D(1, 4))
    return net_D, net_G


def one_device(device=None, batch_size=64):
    """Return the seconds of the DCGAN's step, and the bytes of D's and of G's gradient."""
    X = numpy.random.default_rng(0).uniform(-1, 1, (256, 3, 32, 32)).astype('float32')
    batches, nets = data.Batches(X, batch_size), pictures()
    history = train(
        *nets, batches, 4, 2e-4, 2e-4, (100, 1, 1), X, seed=0, device=device, callbacks=[]
    )
    moving = [[p for p in net.collect_params().values() if p.grad_req != 'null'] for net in nets]
    sizes = [4 * sum(p.data().size for p in parameters) for parameters in moving]
    return batch_size / max(history.examples_per_sec), sizes


def paper(games):
    """Return {'game, link': {'weak': efficiencies, 'strong': speed-ups, 'best': number}}."""
    found = {}
    for game, (work, sizes) in games.items():
        for link, costs in LINKS.items():
            weak, strong = (
                [work / step_time(n, work, sizes, *costs, strong) for n in NUMBERS]
                for strong in (False, True)
            )
            best = best_number(work, sizes, *costs)
            found[f'{game}, {link}'] = {'weak': weak, 'strong': strong, 'best': best}
    return found


def played_out(work, sizes, jitter=0.1, steps=10):
    """Return {n: efficiency} on Ethernet as simulated, a tenth of all times being random."""
    game = work, sizes, *LINKS['Ethernet']
    return {n: work / simulate(n, *game, jitter=jitter, steps=steps) for n in NUMBERS}


def efficiencies(games):
    """Return a figure of efficiency and speed-up from 1 to 1,024 devices."""
    game, dots = (*games['pictures'], *LINKS['Ethernet']), played_out(*games['pictures'])
    waiting = [game[0] / step_time(n, *game, jitter=0.1) for n in NUMBERS]
    return scaling.show_paper(NUMBERS, paper(games), waiting, list(dots.values()))


# %%
if __name__ == '__main__':
    ours = {'pictures': one_device()}
    plots.show(efficiencies(ours))

# %% [markdown]
r"""
In that run the DCGAN took 62 ms a step, with gradients of 171 KB and 577 KB. By Ethernet, and each device
with a batch of its own, 8 devices are efficient to 97 %, 64 to 88 %, and 1,024 to 33 %: there, 4,092
rounds in a step cost 0.12 s. If a tenth of all times is random, 8 devices are at 82 % and 64 at 66 %; up
to there they wait for each other more than for the wires, and the formula with $H_n$ says so, too
(dotted). If they share *one* batch of 64, it is done soonest by 22 devices, 9 times as fast as by one; by
InfiniBand by 56, 27 times as fast. The points, with a step of 13 ms, saturate at 10 and at 26.

When does it *not* pay? When a step is short: the Gaussian's step of 50 microseconds is over before the first
message. When the share becomes small: below $n^*$ each new device helps, beyond it each one harms.
When the batch has to grow with the devices, and the game does not bear it: 90 % efficient with a
batch sixteen times as large is a fast way to the wrong place. And when what you want is many runs
anyway: seeds and settings need no messages at all, and come first.

`run` does all of this once, and writes it down; `make chapter-parallel` calls it.
"""


# %%
def run(
    num_epochs=20, num_seeds=20, rounds=15, seed=0, device=None, out=None, show=False
):  # fmt: skip
    """Measure what sharing a game costs and what it changes; return the scores.

    Writes ages.png, batches.png, sums.png, paper.png and scores.json under `out`.

    Args:
        num_epochs: epochs of the games with large batches.
        num_seeds: play these from so many seeds, side by side.
        rounds: how often each time is measured; the medians count.
        seed: the first of the seeds.
        device: cpu, gpu or gpu(1) for the DCGAN's step; by default the first GPU if there is one.
        out: directory for figures and scores; by default build/parallel.
        show: show the figures as well.
    """
    check.whole('num_seeds', num_seeds)
    check.whole('rounds', rounds)
    out = files.output_dir('parallel') if out is None else Path(out)
    parted = {engine: apart(*(losses(engine, n) for n in (4, 1))) for engine in ('xla', 'textbook')}
    games = {'pictures': one_device(device)}
    large = batches(num_epochs=num_epochs, seeds=range(seed, seed + num_seeds))
    one, two = rehearse(['cpu(0)']), rehearse(['cpu(0)', 'cpu(1)'])
    alone, (first, second) = work('local'), served()
    times, old = scaling.timings(rounds), ages()
    games['points'] = times['devices'][1], (sum(ARRAYS[:3]), sum(ARRAYS[-3:]))
    scores = {
        'two_devices': (apart(*two), apart(one, two)), 'normalization': cut(), 'ages': old,
        'four_devices': parted,
        'two_workers': (apart(first, second), apart(alone, first)),
        'batches': {r: {b: float(numpy.median(d)) for b, d in f.items()} for r, f in large.items()},
        'seconds': times, 'link': fit(times['sums'][2], 2), 'foretold': foretold(times),
        'games': games, 'paper': paper(games), 'played_out': played_out(*games['pictures']),
        'seed': seed, 'versions': files.versions(),
    }  # fmt: skip
    shown = {
        'ages': show_ages(old), 'batches': show_batches(large),
        'sums': sums_beside(times['sums']), 'paper': efficiencies(games),
    }  # fmt: skip
    for name, fig in shown.items():
        plots.save(fig, out / f'{name}.png')
        if show:
            plots.show(fig)
    files.write_json(out / 'scores.json', scores)
    tell(in_words(scores))
    return scores


def in_words(scores):
    """Say what was measured."""
    lines = [f'two {what} differ by {{:g}}, from one by {{:.0e}}'.format(*scores[f'two_{what}'])
             for what in ('devices', 'workers')]  # fmt: skip
    lines += [f'{rule}: ' + ', '.join(f'batch {b} ends at {d:.3f}' for b, d in found.items())
              for rule, found in scores['batches'].items()]  # fmt: skip
    lines += speeds(scores['seconds']) + beside(scores['seconds'])
    lines += [f'{game}: weak efficiency {f["weak"][3]:.2f} with 8 devices, {f["weak"][-1]:.2f} with '
              f'1,024; a shared batch is done soonest by {f["best"]:.1f}'
              for game, f in scores['paper'].items()]  # fmt: skip
    return '\n'.join(lines)


# %% [markdown]
r"""
## Summary

- Sum gradients over examples and devices, then divide once by the size of the whole batch. A game does so
  twice in a step, one after the other.
- Batch normalization makes a share know that it is one.
- Without waiting, gradients are late, and lateness and momentum add up: $T = \tau + \beta / (1 - \beta)$.
- At equal examples a larger batch means fewer steps, and for this game a worse end; rates that grow with
  the root of the batch repair a factor of four.
- Latency, not bandwidth, ends the scaling of small networks. It is soonest done with
  $\sqrt{w / 4\alpha}$ devices, and the slowest of them is waited for.
- MXNet's server adds well, and never recovers: watch it.

## Exercises

1. A batch of 15 is cut into 8 and 7. What is wrong with the mean of the two devices' mean gradients?

   <details><summary>Solution</summary>

   An example of the smaller share counts $\frac12 \cdot \frac17$ instead of $\frac1{15}$, and one of
   the larger $\frac1{16}$.

   ```python
   slopes = numpy.random.default_rng(0).standard_normal(15)
   parts = slopes[:8], slopes[8:]
   assert abs(sum(part.sum() for part in parts) / 15 - slopes.mean()) < 1e-12
   assert abs(numpy.mean([part.mean() for part in parts]) - slopes.mean()) > 1e-3
   ```

   </details>

2. Why not update both players at once? Their gradients would fit into one message.

   <details><summary>Solution</summary>

   It saves half of the latency, $2 (n - 1) \alpha$ a step, and no bytes. But moves made at once drive the
   smallest game apart, by $a^2$ a step, where moves in turn keep their distance.

   ```python
   turns, once = (step_time(64, 0.05, sizes, 3e-5, 1e-9) for sizes in ((1e6, 2e6), (3e6,)))
   assert abs(turns - once - 2 * 63 * 3e-5) < 1e-12
   a = 0.1
   in_turn = numpy.array([[1 - a * a, a], [-a, 1]])
   assert abs(numpy.abs(numpy.linalg.eigvals(in_turn)).max() - 1) < 1e-12
   assert abs(growth(a) - 1) < 1e-9
   ```

   </details>

3. R1 brakes $D$: its speed gets $-\gamma\psi$. How strong must it be, with a rate $h$ and gradients that are
   $\tau$ steps old?

   <details><summary>Solution</summary>

   The field's eigenvalue times the rate is $\mu \approx -h\gamma/2 \pm ih/2$, and $\log \lambda \approx
   \mu - (\tau + \frac12) \mu^2$. Its real part is negative for $\gamma > h (2\tau + 1) / 4$: the brake
   must grow with the age.

   ```python
   def ends(gamma, stale, h=0.1, steps=3000):
       way = [(1.0, 0.0)] * (stale + 1)
       for _ in range(steps):
           theta, psi = way[-1 - stale]
           way.append((way[-1][0] + h * psi / 2, way[-1][1] - h * (theta / 2 + gamma * psi)))
       return numpy.linalg.norm(way[-1])


   for stale in (0, 3, 7):
       needed = 0.1 * (2 * stale + 1) / 4
       assert ends(1.2 * needed, stale) < 1 < ends(0.8 * needed, stale)
   ```

   </details>

4. A GPU does the step in a hundredth of the time. How many of them are best, with the same links?

   <details><summary>Solution</summary>

   A tenth as many, as $n^*$ goes with the root of the work. Faster devices need faster links.

   ```python
   sizes, link = (1e4, 1e4), (5e-6, 4e-11)
   assert 9.9 < best_number(0.05, sizes, *link) / best_number(0.0005, sizes, *link) < 10.2
   times = {n: step_time(n, 0.05, sizes, *link, strong=True) for n in range(1, 200)}
   assert abs(min(times, key=times.get) - best_number(0.05, sizes, *link)) < 1
   ```

   </details>

5. `ring` goes by rounds. Write it as a queue of events, in which each message starts when its link is free
   and what it passes on is there. Do the two agree?

   <details><summary>Solution</summary>

   To the last digit: in a ring, the order of events is known beforehand.

   ```python
   def queue(ready, rounds, seconds):
       n, done = len(ready), list(ready)
       may, sent, busy = [1] * n, [0] * n, [True] * n
       events = [(at, device, True) for device, at in enumerate(ready)]
       heapq.heapify(events)
       while events:
           done_at, device, own = heapq.heappop(events)
           done[device] = done_at
           if own:
               busy[device] = False  # its link is free
           else:
               may[device] += 1  # a piece has come, which is to be passed on
           if not busy[device] and sent[device] < min(may[device], rounds):
               end = done_at + seconds[sent[device], device]
               busy[device], sent[device] = True, sent[device] + 1
               heapq.heappush(events, (end, device, True))
               heapq.heappush(events, (end, (device + 1) % n, False))
       return done


   for n in (2, 3, 8):
       random = numpy.random.default_rng(n)
       ready, seconds = random.random(n), random.random((2 * n - 2, n))
       rows = iter(seconds)
       assert numpy.allclose(queue(ready, 2 * n - 2, seconds), ring(ready, 2 * n - 2, rows.__next__))
   ```

   </details>

The book's own sections: [13.6, Concise Implementation for Multiple
GPUs](https://d2l.ai/chapter_computational-performance/multiple-gpus-concise.html), and [13.7, Parameter
Servers](https://d2l.ai/chapter_computational-performance/parameterserver.html).
"""

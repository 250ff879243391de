"""Engines compute the steps of a game; this page is what engines, loop and callbacks agree on.

An engine is a class with `players` and `columns`, a method `step` and a method `read`.

- It is made with everything that a step needs: networks, trainers, objective, device, and a sample
  of a batch that shows the shapes. If it cannot play that game it raises `CannotPlay` then, before
  anything has moved, with the reason.
- `players`: {'D': (net_D, trainer_D), 'G': (net_G, trainer_G)}. It names whose weights are saved.
- `step(X, Z, condition)` updates every player once. X: real examples, (batch, ...); Z: noise,
  (batch, *latent shape), or None in a game without noise; condition: (batch, ...) or None. All are
  MXNet's, on the engine's device. It need not wait for the device, nor return anything.
- `read()` is called once an epoch. It returns {column: mean over the epoch's examples} for each
  name in `columns`, and forgets the epoch. It raises `NotFinite` if a loss is not.
- `play` is an epoch: a step for each batch. Before it nothing that callbacks have begun is still
  going on; the seeding of the epoch may be. An engine that takes many batches at once, or puts
  the loop itself into its graph, writes its own.
- When callbacks look, after `read`, Gluon's arrays are true: `Parameter.data()` of each network
  with the running statistics of BatchNorm, Adam's moments and counts in the trainers, `averages`.
  What a callback writes into them (a checkpoint that is restored) holds for the next step.
- Python is never far ahead of the device: at most `SECONDS` or `MEGABYTES` of batches, so that an
  interrupt is heard soon and memory does not depend on the length of an epoch.

Which engine plays is chosen by `choose`. Callbacks know none of this: they look at the `Game`.
"""

import importlib.util
import time

from d2l_gan import check, deconvolution, graph  # noqa: F401 - deconvolution mends Gluon
from d2l_gan.engines import adapter

import mxnet as mx
import numpy
from mxnet import np, optimizer

SECONDS, MEGABYTES = 0.25, 6  # how far Python may be ahead of the device
LONG = 20_000  # steps that earn back the seconds of importing JAX and compiling with it
MIXES = '`net_D` mixes examples, as BatchNorm does: no example has its own slope'
ENGINES = {'textbook': 'Textbook', 'symbol': 'Symbol', 'xla': 'XLA'}


class CannotPlay(Exception):
    """Say why an engine cannot play a game."""


class NotFinite(FloatingPointError):
    """Say which loss became NaN or infinite, and in which step of the epoch, counted from 1."""

    def __init__(self, column, step, value):
        super().__init__(f'{column} became {value} in step {step}')
        self.column, self.step, self.value = column, step, value


class Engine:
    """Play a game step by step; a subclass has `columns`, `step` and `read`.

    Args:
        players: {name: (network, trainer)}.
        device: the context on which everything lies.
    """

    columns = ()

    def __init__(self, players, device):
        self.players, self.device = players, device
        self.steps, self.stretch = 0, 1
        self.averages, self.decay, self.still = {}, None, []

    def step(self, X, Z, condition=None):
        """Update every player once."""
        raise NotImplementedError

    def read(self):
        """Return {column: mean over the epoch's examples}, and forget the epoch."""
        raise NotImplementedError

    def play(self, batches, noise):
        """Play an epoch and return how many examples it had.

        Args:
            batches: iterable of (X, condition), on the device.
            noise: callable, batch size -> Z.
        """
        examples, ahead, start = 0, 0, time.perf_counter()
        for X, condition in batches:
            self.step(X, noise(len(X)), condition)
            self.steps += 1
            self.move_averages()
            examples, ahead = examples + len(X), ahead + 1
            if ahead >= self.stretch:
                self.wait()
                now = time.perf_counter()
                seconds = SECONDS * ahead / max(now - start, 1e-9)
                memory = MEGABYTES * 2**20 / max(X.size * X.dtype.itemsize, 1)
                self.stretch = max(1, int(min(2 * ahead, seconds, memory)))
                ahead, start = 0, now
        return examples

    def wait(self):
        """Wait until the device has done all that it was told."""
        mx.nd.waitall()

    def start_averages(self, decay, player='G'):
        """Keep a running average of a player's weights from now on, in `averages`, by name."""
        self.decay = decay
        self.still = adapter.still(self.players[player][1])
        named = adapter.named(*self.players[player])
        self.averages = {name: p.data().copy() for name, p in named.items()}
        self.pairs = [(self.averages[name], p.data()) for name, p in named.items()]
        self.move_averages()  # by the rate of step 0: the same weights, rounded once

    def move_averages(self):
        """Move the averages towards the weights: fast at first, then at the rate 1 - decay."""
        if self.decay is None:
            return
        for still in self.still:
            # BatchNorm's backward pass moves its statistics without telling MXNet, so that reading
            # them would not wait for it. Writing waits for all that have them in hand: add 0.
            mx.nd._internal._plus_scalar(still, scalar=0, out=still)
        rate = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, weight in self.pairs:
            # (1 - rate) average + rate weight in one operator and one pass: it is what gradient
            # descent does with the weight decay 1 and the gradient -weight.
            average, weight = average.as_nd_ndarray(), weight.as_nd_ndarray()
            mx.nd.sgd_update(average, weight, lr=rate, wd=1, rescale_grad=-1, out=average)


class Adversarial(Engine):
    """What all engines for two players share: the game they play, and the columns they report.

    Args:
        net_D, net_G, trainer_D, trainer_G: the players.
        objective: a `losses.Objective`.
        first: who moves first, 'D' or 'G'; with 'G', D then judges the same fakes.
        device: the context on which everything lies.
    """

    columns = ('loss_D', 'loss_G', 'mean_D_real', 'mean_D_fake', 'accuracy_D')

    def __init__(self, net_D, net_G, trainer_D, trainer_G, objective, first, device):
        super().__init__({'D': (net_D, trainer_D), 'G': (net_G, trainer_G)}, device)
        self.net_D, self.net_G, self.objective, self.first = net_D, net_G, objective, first
        self.pack = check.whole('net_D.pack', getattr(net_D, 'pack', 1))

    def notes(self):
        """Return, and forget, the steps since the last call.

        Returns:
            Per step (loss_D, loss_G, logits of the real batch, logits of the fake batch), NumPy
            arrays of one value an example (or pack of examples).
        """
        raise NotImplementedError

    def read(self):
        """Return the means of an epoch, as the columns of `game.History` are explained."""
        steps = self.notes()
        for number, losses in enumerate(steps, 1):
            for column, loss in zip(('loss_D', 'loss_G'), losses):
                if not numpy.isfinite(loss).all():
                    raise NotFinite(column, number, loss[~numpy.isfinite(loss)][0])
        loss_D, loss_G, real_Y, fake_Y = (
            numpy.concatenate(values).astype('float64') for values in zip(*steps)
        )
        boundary = self.objective.boundary
        return {
            'loss_D': loss_D.mean(),
            'loss_G': loss_G.mean(),
            'mean_D_real': _sigmoid(real_Y).mean(),
            'mean_D_fake': _sigmoid(fake_Y).mean(),
            'accuracy_D': ((real_Y > boundary).mean() + (fake_Y <= boundary).mean()) / 2,
        }


def splits(function, a, b):
    """Return whether a batch of the inputs `a` and `b` gives what each gives alone."""
    parts = np.concatenate([function(*a), function(*b)])
    whole = function(*(np.concatenate(pair) for pair in zip(a, b)))
    return bool(np.abs(whole - parts).max() <= 1e-4 * np.abs(parts).max())


def judges_alone(net_D, net_G, X, Z, condition, pack):
    """Return whether D gives a batch of real and fake examples what it gives each alone."""
    more = () if condition is None else (condition,)
    parts = [[adapter.packed(a, pack) for a in (x, *more)] for x in (X, net_G(Z, *more))]
    return splits(net_D, *parts)


def one_adam(trainer, device, dtype):
    """Raise CannotPlay where one and the same Adam cannot move all parameters of a trainer."""
    o = trainer._optimizer
    if type(o) is not optimizer.Adam:
        raise CannotPlay(f'the optimizer is {type(o).__name__}; it must be Adam')
    for p in adapter.parameters(trainer):
        if p.list_ctx() != [device] or p.data().dtype != dtype or p.grad_req == 'add':
            rule = f'{numpy.dtype(dtype)} on {device} alone, and overwrite its gradient'
            raise CannotPlay(f'`{p.name}` must be {rule}')
        if p.lr_mult != 1 or (o.wd and p.wd_mult != 1):
            raise CannotPlay(f'`{p.name}` has a learning rate or weight decay of its own')


def _sigmoid(logit):
    return (1 + numpy.tanh(logit / 2)) / 2


def choose(name, *game, penalty=None, unroll=0, steps=None, **where):
    """Return the engine `name` for a game, or for 'auto' the first that can play it.

    Args:
        name: 'auto', 'textbook', 'symbol' or 'xla'. 'auto' compiles what can be compiled.
        game: what every engine for two players is made with: net_D, net_G, trainer_D, trainer_G,
            objective, first, device, and the sample (X, Z, condition).
        penalty: None, or a penalty on D's slope and its weight, ('r1', 1.0), for 'xla' and
            'symbol'; 'auto' prefers the first, but for convolutions.
        unroll: how many steps of D the generator looks ahead, for 'xla'.
        where: `jax_devices` for 'xla', or `contexts` for 'textbook', as `devices.where` has them.
        steps: how many the run is going to have, None where nobody knows. 'auto' takes 'xla' for
            `LONG` runs, if JAX is installed. Convolutions stay with 'symbol': XLA's take several
            times as long on a CPU.

    Raises:
        ValueError: where the engine that was asked for cannot play this game; it says why.
    """
    check.choice('engine', name, ('auto', *ENGINES))
    able = {'penalty': ('xla', 'symbol'), 'unroll': ('xla',)}
    for argument, value in ('penalty', penalty and penalty[0]), ('unroll', unroll):
        if value and name not in ('auto', *able[argument]):
            raise ValueError(
                f'`{argument}` is {value!r}, which needs `engine` '
                f'{" or ".join(map(repr, able[argument]))}, and it is {name!r}: '
                "MXNet's derivatives of derivatives are wrong"
            )
    given = {'penalty': penalty, 'unroll': unroll, **where}
    more = {key: value for key, value in given.items() if value}
    if {*more} - {'penalty'}:
        automatic = ('xla',)
    elif penalty:
        automatic = ('symbol',) if _unfit(*game) else ('xla', 'symbol')
    else:
        automatic = ('xla',) * _pays(steps, *game) + ('symbol', 'textbook')
    for candidate in automatic if name == 'auto' else (name,):
        try:
            module = importlib.import_module(f'd2l_gan.engines.{candidate}')
            return getattr(module, ENGINES[candidate])(*game, **more)
        except CannotPlay as error:
            reason = error
    raise ValueError(f'`engine` is {name!r}, but {reason}') from reason


def _pays(steps, *game):
    """Say whether a game is long enough for 'xla', and of operators that XLA is fast at."""
    long = steps and steps >= LONG and importlib.util.find_spec('jax') is not None
    return bool(long and not _unfit(*game))


def _unfit(net_D, net_G, *game):
    """Say whether 'xla' is no choice: XLA is slow at convolutions, and has to have a graph."""
    names = ('Z',) if game[-1][2] is None else ('Z', 'condition')
    try:
        found = {node.op for net in (net_D, net_G) for node in graph.trace(net, *names).operators()}
    except graph.NoGraph:
        return True
    return bool(found & {'Convolution', 'Deconvolution'})

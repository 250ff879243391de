"""The same game on JAX: XLA compiles the loop over many steps as one program.

The networks' graphs are translated operator by operator (`d2l_gan.xla`), and so are the losses.
Noise, batches, weights and seeds come from where the other engines take them, so the game is the
same within rounding. Between epochs everything lies in Gluon's arrays; during one it lies with JAX.
"""

import functools
import math
import sys
import time

from d2l_gan import graph, losses
from d2l_gan.engines import (
    MIXES,
    SECONDS,
    Adversarial,
    CannotPlay,
    NotFinite,
    adapter,
    judges_alone,
    one_adam,
    pools,
)

import numpy
from mxnet import gluon

try:
    import jax
except ImportError as error:
    if sys.version_info < (3, 9):
        raise CannotPlay('JAX needs Python 3.9 or newer') from error
    raise CannotPlay("JAX is not installed: pip install 'd2l_gan[xla]'") from error

from d2l_gan.xla import penalties, play, runtime, saved, sharing, translate

import jax.numpy as jnp


class XLA(Adversarial):
    """Play pools of steps, compiled by XLA; see `Adversarial` for the arguments.

    Args:
        sample: (X, Z, condition), arrays that show the shapes.
        penalty: None, or a name in `penalties.NAMES` and its weight.
        unroll: how many steps of D the generator looks ahead.
        jax_devices: JAX's; several share each batch, none stand for its first CPU. Between epochs
            everything lies on the CPU, with Gluon.
    """

    jax = jax.__version__

    def __init__(
        self,
        net_D,
        net_G,
        trainer_D,
        trainer_G,
        objective,
        first,
        device,
        sample,
        penalty=None,
        unroll=0,
        jax_devices=(),
    ):
        super().__init__(net_D, net_G, trainer_D, trainer_G, objective, first, device)
        X, Z, condition = sample
        if device.device_type != 'cpu':
            raise CannotPlay(f'JAX sees no {device}')
        self.dtype = X.dtype
        self.sharing = sharing.Sharing(jax_devices or runtime.devices('cpu')[:1])
        for trainer in (trainer_D, trainer_G):
            one_adam(trainer, device, X.dtype)
        names = ('condition',) if condition is not None else ()
        D, G = (_network(*named, *names) for named in ((net_D, 'X'), (net_G, 'Z')))
        loss_D, loss_G = map(_loss, (objective.loss_D, objective.loss_G))
        alike = not D.moving and judges_alone(net_D, net_G, *sample, self.pack)
        if penalty and not alike:
            raise CannotPlay(MIXES)
        self.rules = play.Rules(
            D, G, loss_D, loss_G, *map(_adam, (trainer_D, trainer_G)), first, objective.clip,
            objective.boundary, self.pack, objective.pairs, alike,
            penalty and penalties.penalty(*penalty), D.random or G.random or bool(penalty), unroll,
            self.sharing.several and not D.random,
        )  # fmt: skip
        self.game, self.slots, self.programs, self.played = play.Game(self.rules), {}, {}, []
        self.seen = {}  # {place: (address, view)}
        self.ahead = 16  # steps in a call, until their time is known

    def start_averages(self, decay, player='G'):
        """Keep a running average of G's weights; see `Engine`."""
        super().start_averages(decay, player)
        self.slots, self.programs = {}, {}

    def play(self, batches, noise):
        """Play an epoch and return how many examples it had; see `Engine.play`."""
        examples = 0
        self.flat = self.gathered()
        try:
            for X, *others in self.pools(batches, noise):
                self.pool(X, *others)
                examples += X.shape[0] * X.shape[1]
        finally:  # after an interrupt, Gluon has what was played until then
            self.scatter(numpy.asarray(self.flat))
        return examples

    def pools(self, batches, noise):
        """Yield an epoch's pools: X, Z, condition, (steps, batch, ...), and JAX's key or None."""
        seed = None
        if self.rules.noisy:
            state = numpy.random.RandomState()
            state.set_state(numpy.random.get_state())  # asked without being moved
            seed = state.randint(2**31)
        for number, (X, condition) in enumerate(pools.of(batches)):
            Z = pools.noise(noise, X.shape[1], len(X))
            yield X, Z, condition, None if seed is None else numpy.array([number, seed], 'uint32')

    def views(self):
        """Return Gluon's arrays as NumPy's, in the order of the state."""
        self.slots = self.slots or self.places()
        for place, (owner, shape) in self.slots.items():
            array = owner.data() if isinstance(owner, gluon.Parameter) else owner
            at = adapter.address(array)
            if at != self.seen.get(place, (None,))[0]:
                self.seen[place] = at, adapter.view(array, shape, self.dtype)
            yield self.seen[place][1]

    def gathered(self):
        """Return all of Gluon's arrays, one after the other in one."""
        return numpy.concatenate([view.ravel() for view in self.views()])

    def scatter(self, flat):
        """Write what `gathered` returned back into Gluon's arrays."""
        start = 0
        for view in self.views():
            view[...] = flat[start : start + view.size].reshape(view.shape)
            start += view.size

    def places(self):
        """Return {place in the state: (Parameter or array, shape)} of all that a step needs."""
        found = {}
        for name, (net, trainer) in self.players.items():
            for i, (path, p) in enumerate(adapter.named(net, trainer).items()):
                found[name, 'still' if p.grad_req == 'null' else 'weights', path] = p, p.shape
                for kind, moment in zip(('mean', 'variance'), adapter.moments(trainer, i)):
                    found[name, kind, path] = moment, p.shape
        found.update({('average', path): (a, a.shape) for path, a in self.averages.items()})
        return found

    def pool(self, X, Z, condition, key):
        """Play the steps of a pool, X and Z: (steps, batch, ...), on the state `flat`.

        With many games side by side `flat` is (games, ...), X and Z (steps, games, batch, ...).
        """
        games = self.flat.shape[:-1]
        steps, batch = len(X), X.shape[1 + len(games)]
        room = min([k for k, b in self.programs if b == batch and k >= steps], default=steps)
        pool = {'X': X, 'Z': Z, 'condition': condition, 'rates': self.rates(steps)}
        pool = {name: None if a is None else pools.filled(a, room) for name, a in pool.items()}
        pool['key'] = key
        notes, start = numpy.zeros((room, *games, 3, batch // self.pack), self.dtype), 0
        with runtime.precision(self.dtype), jax.default_device(self.sharing.first):
            if self.sharing.several or steps > self.ahead:  # for one call alone JAX does it as well
                self.flat, pool, notes = self.sharing.put(self.flat, pool, notes)
            if (room, batch) not in self.programs:
                self.programs[room, batch] = self.compile(self.flat, pool, notes)
            while start < steps:
                began, stop = time.perf_counter(), min(steps, start + self.ahead)
                bounds = numpy.int32(start), numpy.int32(stop)
                flat, notes, sums = self.programs[room, batch](self.flat, pool, notes, *bounds)
                sums = numpy.asarray(sums)  # waits, so that an interrupt is heard soon
                self.flat, self.steps = flat, self.steps + stop - start
                for _, trainer in self.players.values():
                    adapter.set_updates(trainer, adapter.updates(trainer) + stop - start)
                seconds = (time.perf_counter() - began) / (stop - start)
                ahead = max(1, int(min(4 * self.ahead, SECONDS / max(seconds, 1e-9))))
                self.ahead = self.sharing.agreed(ahead)
                start = stop
        self.played.append((sums[:steps], batch // self.pack))

    def compile(self, flat, *arguments):
        """Return the program for arrays of these shapes, compiled now or kept from before."""
        shapes = {place: shape for place, (_, shape) in self.slots.items()}

        def program(flat, pool, notes, start, stop):
            carry = self.game.play(_unpacked(flat, shapes), pool, notes, start, stop)
            return self.called(shapes, *carry)

        if flat.ndim == 2:
            axes = {'X': 1, 'Z': 1, 'condition': 1, 'rates': None, 'key': 0}
            program = jax.vmap(program, (0, axes, 1, None, None), (0, 1, 1))
        elif not self.sharing.several and self.apart(flat):
            return self.compile_step(shapes, flat, *arguments)
        bounds = numpy.int32(0), numpy.int32(0)
        with runtime.keeping():
            lowered = self.sharing.jit(program, flat, *arguments).lower(flat, *arguments, *bounds)
            return lowered.compile(runtime.options(self.sharing.first))

    def apart(self, flat):
        """Return whether each step of the state `flat` is better a call of its own."""
        convolves = self.rules.net_D.convolves or self.rules.net_G.convolves
        return runtime.slowed_by_loops(flat, convolves, self.sharing.first)

    def compile_step(self, shapes, flat, pool, notes):
        """Return what `compile` does, but with its loop in Python, around a program of one step.

        The state is unpacked once a call: an interrupt leaves that of the last one.
        """

        def begin(flat, notes):
            return _unpacked(flat, shapes), notes

        def one(carry, pool, i):
            return self.game.one(pool, i, carry)

        def end(carry):
            return self.called(shapes, *carry)

        def program(flat, pool, notes, start, stop):
            carry = begin(flat, notes)
            for i in range(start, stop):
                carry = one(carry, pool, numpy.int32(i))
            return end(carry)

        with runtime.keeping():
            carry = jax.eval_shape(begin, flat, notes)
            begin = jax.jit(begin).lower(flat, notes).compile()
            one = jax.jit(one, donate_argnums=0).lower(carry, pool, numpy.int32(0)).compile()
            end = jax.jit(end).lower(carry).compile()
        return program

    def called(self, shapes, state, notes):
        """Return what a call does at its end: the state as one array, the notes, and their sums."""
        flat = jnp.concatenate([_at(state, place).ravel() for place in shapes])
        return flat, notes, jax.vmap(self.game.judge_notes)(notes)

    def rates(self, steps):
        """Return Adam's corrected rates of D and G and the average's, (steps, 3)."""
        found = []
        for _, trainer in self.players.values():
            o = trainer._optimizer
            t = adapter.updates(trainer) + 1 + numpy.arange(steps)
            found.append(o.learning_rate * numpy.sqrt(1 - o.beta2**t) / (1 - o.beta1**t))
        steps = self.steps + 1 + numpy.arange(steps)
        found.append(1 - numpy.minimum(self.decay or 0, (1 + steps) / (10 + steps)))
        # MXNet's operators take their numbers as float32, whatever they compute with.
        return numpy.stack(found, axis=1).astype('float32').astype(self.dtype)

    def read(self):
        """Return the means of an epoch; see `Adversarial`."""
        played, self.played = self.played, []
        return self.means(played)

    def means(self, played):
        """Return {column: mean} of [(sums of each step, how many they are over)]."""
        sums = numpy.concatenate([sums for sums, _ in played]).astype('float64')
        for step, column in numpy.argwhere(~numpy.isfinite(sums[:, :2])):
            raise NotFinite(self.columns[column], step + 1, sums[step, column])
        means = sums.sum(axis=0) / sum(len(sums) * n for sums, n in played)
        return dict(zip(self.columns, map(float, means)))


def _unpacked(flat, shapes):
    state, start = {name: {kind: {} for kind in play.KINDS} for name in 'DG'}, 0
    state['average'] = {}
    for (*path, name), shape in shapes.items():
        size = math.prod(shape)
        _at(state, path)[name] = flat[start : start + size].reshape(shape)
        start += size
    return state


def _at(state, place):
    return functools.reduce(lambda found, key: found[key], place, state)


def _network(net, *names):
    try:
        found = graph.trace(net, *names)
        return translate.Network(found.nodes, found.outputs)
    except ValueError as error:  # no graph, or one with operators that are not translated
        raise CannotPlay(str(error)) from error


def _loss(loss):
    """Return a Gluon loss as a function of JAX, (logits (n, 1), labels (n, 1)) -> (n,)."""
    plain = type(loss) in (gluon.loss.SigmoidBCELoss, losses.SigmoidLoss)
    if plain and not (loss._weight or getattr(loss, '_from_sigmoid', False)):
        return saved.Loss(getattr(loss, 'label_smoothing', 0))
    return saved.Loss(network=_network(loss, 'pred', 'label'))


def _adam(trainer):
    o = trainer._optimizer
    return play.Adam(o.beta1, o.beta2, o.epsilon, o.wd, o.clip_gradient)

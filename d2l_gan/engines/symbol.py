"""The same game compiled: static graphs, bound to the networks' own parameters.

The textbook's step spends its time on telling MXNet, operator by operator, what to do next. Here
the two updates are written down once, as symbols bound to fixed memory, and then only set off. The
arithmetic is that of `train.update_D` and `train.update_G`, with less of it:

- real and fake examples go through D in one batch, unless a layer such as BatchNorm mixes them;
- `fake_X` is made once for both updates, as the book's own comment suggests;
- no gradient is computed for the player whose turn it is not;
- the parameters of a player lie in one array, so that Adam is a single operator;
- D's logits are noted on the device, and read, with the losses they stand for, once an epoch.
"""

import math

from d2l_gan import losses
from d2l_gan.engines import (
    MIXES,
    Adversarial,
    CannotPlay,
    adapter,
    judges_alone,
    one_adam,
    splits,
)
from d2l_gan.engines.formula import against_partners, judgement, pack, second_half, trace
from d2l_gan.engines.operators import Bound, Operator
from d2l_gan.engines.slopes import Slopes

import numpy
from mxnet import autograd, gluon, nd, np, sym

CHUNK = 256  # steps for which the notes get room at a time


class Symbol(Adversarial):
    """Play steps of the compiled game; see `Adversarial` for the arguments.

    Parameters and Adam's moments keep their values, but from here on lie in one array per player.

    Args:
        sample: (X, Z, condition), arrays that show the shapes.
        penalty: None, or the name of a penalty on D's slope and its weight.
    """

    def __init__(
        self, net_D, net_G, trainer_D, trainer_G, objective, first, device, sample, penalty=None,
    ):  # fmt: skip
        super().__init__(net_D, net_G, trainer_D, trainer_G, objective, first, device)
        self.batches, self.played, self.penalty = {}, [], penalty
        for trainer in (trainer_D, trainer_G):
            one_adam(trainer, device, sample[0].dtype)
        for loss in (objective.loss_D, objective.loss_G):
            if not isinstance(loss, gluon.HybridBlock) or not judges_each(loss):
                raise CannotPlay(f'{type(loss).__name__} does not judge each example by itself')
        X, Z, condition = (a if a is None else a.as_in_ctx(device) for a in sample)
        given = [condition] if condition is not None else []
        shapes = X.shape, Z.shape, *(a.shape for a in given)
        generate, _, judge_fake = self.symbols(*shapes, merge=False)  # fails before anything moves
        self.merge = not judge_fake.list_auxiliary_states() and judges_alone(
            net_D, net_G, X, Z, condition, self.pack
        )
        if objective.pairs and not self.merge:
            raise CannotPlay('`net_D` mixes examples, as BatchNorm does, and judges pairs of them')
        if penalty and not self.merge:
            raise CannotPlay(MIXES)
        # Is one forward pass of G as good as the textbook's two? Not if it draws numbers, nor if it
        # moves the statistics of BatchNorm, which on a CPU the backward pass does.
        self.repeat = device.device_type != 'cpu' and bool(generate.list_auxiliary_states())
        with autograd.train_mode():
            self.repeat |= not np.array_equal(net_G(Z, *given), net_G(Z, *given))
            packs = [adapter.packed(a, self.pack) for a in (X, *given)]
            if penalty and not np.array_equal(net_D(*packs), net_D(*packs)):
                raise CannotPlay('`net_D` draws numbers, as Dropout does: it has no slope')
        self.D, self.G = _Player(trainer_D, device), _Player(trainer_G, device)

    def start_averages(self, decay, player='G'):
        """Keep a running average of a player's weights, also in one array; see `Engine`."""
        self.decay, own = decay, {'D': self.D, 'G': self.G}[player]
        self.still = adapter.still(own.trainer)
        self.pairs = [(weight.copy(), weight) for weight in own.weights]
        self.averages = {}
        for name, p in adapter.named(*self.players[player]).items():
            room, start = own.places[p.name]
            average = self.pairs[room][0].as_nd_ndarray()
            if average.shape != p.shape:  # a view: NumPy's form of this would copy
                average = average[start : start + p.data().size].reshape(p.shape)
            self.averages[name] = average.as_np_ndarray()
        self.move_averages()

    def step(self, X, Z, condition=None):
        """Update both players once; see `engines` for the shapes."""
        size = len(X)  # which takes MXNet as long as a small operator
        if size < self.pack:
            return
        batch = self.batches.get(size)
        if batch is None:
            batch = self.batches[size] = _Batch(self, X, Z, condition)
        for load, value in zip(batch.load, (X, Z, condition)):
            load(of=value)
        batch.generate.forward()
        if self.first == 'G':
            self.update_G(batch)
        self.update_D(batch)
        if self.first == 'D':
            if self.repeat:
                batch.generate.forward()
            self.update_G(batch)
        batch.note()
        self.played.append(batch)

    def update_D(self, batch):
        """Update the discriminator once, on the loaded examples and the generated ones."""
        for judge in batch.judge_both:
            judge.forward()
            judge.backward()
        if batch.slopes:
            batch.slopes.add()
        self.D.adam(batch.size)
        if self.objective.clip is not None:
            self.D.clip(self.objective.clip)

    def update_G(self, batch):
        """Update the generator once, on the examples that it has generated."""
        batch.judge_fake.forward()  # afresh, since D has moved
        batch.judge_fake.backward()
        batch.generate.backward(batch.grad_fake_X)
        self.G.adam(batch.size)

    def symbols(self, X_shape, Z_shape, condition_shape=None, merge=True):
        """Write the game down: (fake_X, [D's judgement of real and fake], its judgement of fake).

        Where D judges them apart, the fakes come first: so does autograd, which goes backward, and
        it is the backward pass that moves BatchNorm's running statistics. In one graph the two
        would do so in any order.
        """
        X, fake_X, Z = (
            sym.var(name, shape=shape).as_np_ndarray()
            for name, shape in (('X', X_shape), ('fake_X', X_shape), ('Z', Z_shape))
        )
        given = []
        if condition_shape is not None:
            given = [sym.var('condition', shape=condition_shape).as_np_ndarray()]
        packed_given = [pack(a, condition_shape, self.pack) for a in given]
        real, fake = ([pack(x, X_shape, self.pack), *packed_given] for x in (X, fake_X))
        both = {'both': [sym.np.concatenate(pair) for pair in zip(real, fake)]}
        if self.objective.pairs:
            verdicts = against_partners(trace(self.net_D, *both['both']))
            judged, fake_Y = {'both': verdicts}, second_half(verdicts)
        else:
            inputs = both if merge else {'fake': fake, 'real': real}
            judged = {name: trace(self.net_D, *x) for name, x in inputs.items()}
            fake_Y = trace(self.net_D, *fake)
        return (
            sym.Group([trace(self.net_G, Z, *given).as_nd_ndarray()]),
            [  # Halved, as in the book.
                judgement(self.objective.loss_D, Y, 0.5, f'label_{name}')
                for name, Y in judged.items()
            ],
            judgement(self.objective.loss_G, fake_Y, 1, 'label_real'),
        )

    def notes(self):
        """Return, and forget, the steps since the last call; see `Adversarial.notes`."""
        self.wait()  # reading an array does not wait for BatchNorm to move its running statistics
        read = {batch: batch.read(self.objective) for batch in set(self.played)}
        played, self.played = self.played, []
        return [next(read[batch]) for batch in played]


def judges_each(loss):
    """Return whether a loss gives each example what it would give it alone."""
    if type(loss).__module__ in ('mxnet.gluon.loss', losses.__name__):
        return not isinstance(loss, gluon.loss.SDMLLoss)  # the one that compares examples

    some = np.array(numpy.random.RandomState(0).normal(size=(2, 4, 1)))
    return splits(lambda Y: loss(Y, np.ones(len(Y))), some[:1], some[1:])


class _Batch:
    """The graphs of a step, bound for one batch size, and the notes taken of its steps."""

    def __init__(self, game, X, Z, condition):
        device, inputs = game.device, {'X': X, 'Z': Z}
        if condition is not None:
            inputs['condition'] = condition
        shapes = (a.shape for a in inputs.values())
        generate, judge_both, judge_fake = game.symbols(*shapes, merge=game.merge)
        arrays, gradients = dict(game.D.arrays, **game.G.arrays), game.G.gradients
        arrays.update((name, nd.zeros(a.shape, device, a.dtype)) for name, a in inputs.items())
        self.load = [Operator('_copyto', [arrays[name]], arrays[name]) for name in inputs]
        self.generate = Bound(generate, arrays, gradients, device)
        arrays['fake_X'] = self.generate.outputs[0]
        self.grad_fake_X = nd.zeros_like(arrays['X'])
        label = dict(zip(judge_fake.list_arguments(), judge_fake.infer_shape()[0]))['label_real']
        real = arrays['label_real'] = nd.ones(label, device, X.dtype)
        fake = arrays['label_fake'] = nd.zeros_like(real)
        arrays['label_both'] = nd.concat(real, fake, dim=0)
        self.judge_fake = Bound(judge_fake, arrays, {'fake_X': self.grad_fake_X}, device)
        self.judge_both = [
            Bound(judge, arrays, game.D.gradients, device, 'add' if i else 'write')
            for i, judge in enumerate(judge_both)
        ]
        judges = *self.judge_both[::-1], self.judge_fake
        logits = [judge.outputs[1].reshape(-1) for judge in judges]
        self.keep = Operator('Concat', logits, logits[0], num_args=len(logits), dim=0)
        self.slopes = Slopes(game, arrays) if game.penalty else None
        self.shape = self.judge_fake.outputs[1].shape  # of the logits of one batch
        self.size = self.shape[0]
        self.rows, self.chunks, self.used = [], [], 0

    def note(self):
        """Keep the step's logits: of real and fake for D's update, of fake for G's."""
        if self.used == len(self.rows):
            logits = self.judge_fake.outputs[1]
            self.chunks.append(nd.zeros((CHUNK, 3 * self.size), logits.context, logits.dtype))
            self.rows.extend(self.chunks[-1])
        self.keep(out=self.rows[self.used])
        self.used += 1

    def read(self, objective):
        """Yield (loss_D, loss_G, real_Y, fake_Y) of the noted steps, and forget them."""
        notes = np.concatenate([chunk.as_np_ndarray() for chunk in self.chunks])[: self.used]
        self.used = 0
        real_Y, fake_Y, again_Y = notes.reshape(-1, 3, self.size).swapaxes(0, 1)

        def judged(loss, Y, label):
            labels = np.full_like(Y, label).reshape(-1)
            return loss(Y.reshape((-1, *self.shape[1:])), labels).reshape(Y.shape)

        loss_D = (judged(objective.loss_D, real_Y, 1) + judged(objective.loss_D, fake_Y, 0)) / 2
        loss_G = judged(objective.loss_G, again_Y, 1)
        return zip(*(a.asnumpy() for a in (loss_D, loss_G, real_Y, fake_Y)))


class _Player:
    """A network's moving parameters as views of one array, likewise gradients and moments.

    oneDNN takes no views as weights of convolutions, so each of those has arrays of its own.
    """

    def __init__(self, trainer, device):
        self.trainer, self.optimizer = trainer, trainer._optimizer
        self.gradients, self.weights, self.places, self._adams, self._clips = {}, [], {}, [], []
        moving = {i: p for i, p in enumerate(trainer._params) if p.grad_req != 'null'}
        alone = [[i] for i, p in moving.items() if len(p.shape) > 2]
        together = [i for i, p in moving.items() if len(p.shape) <= 2]
        for room in ([together] if together else []) + alone:
            self._move(room, device)
        for i, p in enumerate(trainer._params):
            if i not in moving:
                self.places[p.name] = len(self.weights), 0
                self.weights.append(p.data())
        self.moving = list(moving)
        self.arrays = {p.name: p.data().as_nd_ndarray() for p in trainer._params}

    def _move(self, room, device):
        """Let parameters, named by their numbers, share arrays for weights, gradients, moments."""
        states, synced = self.trainer._updaters[0].states, self.trainer._updaters[0].states_synced
        parameters = {i: self.trainer._params[i] for i in room}
        first = parameters[room[0]].data()
        shape = (
            first.shape if len(room) == 1 else (sum(p.data().size for p in parameters.values()),)
        )
        flat = [nd.zeros(shape, device, first.dtype) for _ in range(4)]
        stop = 0
        for i, p in parameters.items():
            start, stop = stop, stop + p.data().size
            views = flat if p.shape == shape else [a[start:stop].reshape(p.shape) for a in flat]
            for view, value in zip(views, (p.data(), p.grad()) + tuple(states.get(i, ()))):
                view[:] = value.as_nd_ndarray()
            p._data, p._grad = [views[0].as_np_ndarray()], [views[1].as_np_ndarray()]
            autograd.mark_variables(p._data, p._grad, p.grad_req)
            states[i], synced[i] = tuple(views[2:]), True
            self.gradients[p.name] = views[1]
            self.places[p.name] = len(self.weights), start
        self.weights.append(flat[0].as_np_ndarray())
        o = self.optimizer
        self._adams.append(Operator(
            'adam_update', flat, flat[0], lr=0, rescale_grad=1, wd=o.wd, beta1=o.beta1,
            beta2=o.beta2, epsilon=o.epsilon, clip_gradient=o.clip_gradient or -1,
        ))  # fmt: skip
        self._clips.append(Operator('clip', flat[:1], flat[0], a_min=0, a_max=0))

    def adam(self, batch_size):
        """Update the parameters as Gluon's Adam does, and its counts."""
        o = self.optimizer
        t = o.num_update = o.num_update + 1
        for i in self.moving:
            o._index_update_count[i] = t
        rate = o.learning_rate * math.sqrt(1 - o.beta2**t) / (1 - o.beta1**t)
        for adam in self._adams:
            adam(rate, 1 / batch_size)

    def clip(self, bound):
        """Clip every parameter to [-bound, bound]."""
        for clip in self._clips:
            clip(-bound, bound)

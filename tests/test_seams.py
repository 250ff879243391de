"""Noise of any shape, logits of any shape, conditions and packs: compiled, the same game."""

from d2l_gan import losses, start
from d2l_gan.engines import adapter
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook
from d2l_gan.train import train
from tests.marks import slow

import mxnet as mx
import numpy
import pytest
from mxnet import np, npx
from mxnet.gluon import nn

npx.set_np()


class Conditional(nn.HybridBlock):
    """Hand an embedded label to the first layer, beside the input."""

    def __init__(self, width, norm):
        super().__init__()
        self.embed, self.out = nn.Embedding(4, 3), nn.HybridSequential()
        self.out.add(nn.Dense(6), nn.LeakyReLU(0.2))
        if norm:
            self.out.add(nn.BatchNorm())
        self.out.add(nn.Dense(width))

    def hybrid_forward(self, F, x, label):
        return self.out(F.np.concatenate([x, self.embed(label)], axis=1))


class Shape(nn.HybridBlock):
    """Give the logits another shape."""

    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def hybrid_forward(self, F, x):
        return x.reshape((-1, *self.shape))


def dense(*logit_shape, norm=False, pack=1):
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    for net, width in ((net_D, 1), (net_G, 6)):
        net.add(nn.Dense(5, activation='tanh'))
        if norm:
            net.add(nn.BatchNorm())
        net.add(nn.Dense(width))
    net_D.add(Shape(*logit_shape))
    net_G.add(Shape(2, 3))
    net_D.pack = pack
    return net_D, net_G


def conditional(norm=False, pack=1):
    net_D, net_G = Conditional(1, norm), Conditional(6, norm)
    net_D.pack = pack
    return net_D, net_G


class Packed(nn.HybridBlock):
    """Judge packs with conditions: all of them side by side."""

    def __init__(self):
        super().__init__()
        self.embed, self.out, self.pack = nn.Embedding(4, 3), nn.Dense(1), 2

    def hybrid_forward(self, F, x, label):
        return self.out(F.np.concatenate([x, F.npx.batch_flatten(self.embed(label))], axis=1))


GAMES = {
    'logits (batch,)': (lambda: dense(), {}),
    'logits (batch, 1)': (lambda: dense(1), {}),
    'logits (batch, 1, 1, 1)': (lambda: dense(1, 1, 1), {}),
    'logits (batch,) apart': (lambda: dense(norm=True), {}),
    'noise (batch, 3, 1, 1)': (lambda: dense(1), {'latent': (3, 1, 1)}),
    'condition': (lambda: conditional(), {'shape': (6,), 'labels': True}),
    'condition apart': (lambda: conditional(norm=True), {'shape': (6,), 'labels': True}),
    'packs': (lambda: dense(1, pack=2), {}),
    'packs apart': (lambda: dense(1, pack=2, norm=True), {}),
    'packs of flat examples': (lambda: (dense(1, pack=2)[0], nn.Dense(6)), {'shape': (6,)}),
    'packs with conditions': (
        lambda: (Packed(), Conditional(6, False)), {'shape': (6,), 'labels': True}
    ),
}  # fmt: skip


def batches(steps, shape=(2, 3), latent=(3,), labels=False):
    random = numpy.random.RandomState(2)
    for step in range(steps):
        size = 5 if step % 5 == 4 else 8
        X, Z = (np.array(random.normal(size=(size, *s)), dtype='float64') for s in (shape, latent))
        condition = np.array(random.randint(0, 4, size), dtype='float64') if labels else None
        yield X, Z, condition


def game(engine, networks, objective, first, settings):
    mx.random.seed(1)
    net_D, net_G = networks()
    X, Z, condition = next(batches(1, **settings))
    given, trainers = [a for a in (condition,) if a is not None], []
    inputs = [adapter.packed(a, getattr(net_D, 'pack', 1)) for a in (X, *given)], [Z, *given]
    for net, arrays in zip((net_D, net_G), inputs):
        net.initialize(mx.init.Normal(0.3))
        net(*(a.astype('float32') for a in arrays))
        net.cast('float64')
        trainers.append(adapter.adam(net, 0.01))
    objective = losses.objective(objective)
    return engine(net_D, net_G, *trainers, objective, first, mx.cpu(), (X, Z, condition))


@pytest.mark.parametrize(
    'objective, first', [('bce', 'D'), ('hinge', 'G'), slow('bce', 'G'), slow('hinge', 'D')]
)
@pytest.mark.parametrize('name', GAMES)
def test_compiled_or_not(name, objective, first):
    networks, settings = GAMES[name]
    one, other = (game(e, networks, objective, first, settings) for e in (Textbook, Symbol))
    for batch in batches(50, **settings):
        one.step(*batch)
        other.step(*batch)
    for a, b in zip(one.notes(), other.notes()):
        for x, y in zip(a, b):
            assert x.shape == y.shape
            assert numpy.allclose(x, y, rtol=1e-8, atol=1e-10)
    for player in 'DG':
        found = (adapter.arrays(*engine.players[player]) for engine in (one, other))
        for (name, x), y in zip(
            *(d.items() if i == 0 else d.values() for i, d in enumerate(found))
        ):
            assert numpy.allclose(x.asnumpy(), y.asnumpy(), rtol=1e-8, atol=1e-10), name


@pytest.mark.parametrize('engine', ['textbook', 'symbol'])
def test_a_batch_smaller_than_a_pack_is_left_out(engine):
    X = np.array(numpy.random.RandomState(0).normal(size=(9, 2, 3)), 'float32')
    history = train(
        *dense(1, pack=4), [X[:8], X[8:]], 2, 0.01, 0.01, 3, X, seed=1, engine=engine, callbacks=[]
    )
    assert numpy.isfinite(history.loss_D).all()


def test_what_was_refused_is_compiled():
    X = np.array(numpy.random.RandomState(0).normal(size=(16, 6)), 'float32')
    labels = np.array([0, 1, 2, 3] * 4)
    given = [(X[:8], labels[:8]), (X[8:], labels[8:])]
    histories = [
        train(*conditional(), given, 2, 0.01, 0.01, 3, X, seed=1, engine=engine, callbacks=[])
        for engine in ('symbol', 'textbook')
    ]
    assert numpy.allclose(histories[0].loss_D, histories[1].loss_D, rtol=1e-5)


def test_a_sigmoid_at_the_end_is_told_with_conditions_too():
    class Sigmoid(Conditional):
        def hybrid_forward(self, F, x, label):
            return F.npx.sigmoid(super().hybrid_forward(F, x, label))

    with pytest.warns(UserWarning, match='`net_D` ends in a sigmoid'):
        start.tell_sigmoid(Sigmoid(1, False), losses.objective())

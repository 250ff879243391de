"""The compiled game is the textbook's, to the rounding of its numbers; and it leaves nothing out.

The games are compared in float64: rounding in float32 alone moves the two apart, since a network
that starts near 0 amplifies the last digit of its first gradients; so does any other order of sums.
"""

import importlib

from d2l_gan import losses
from d2l_gan.engines import CannotPlay, adapter, symbol
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook
from d2l_gan.train import train, update_D, update_G
from tests.marks import first_alone, slow

import mxnet as mx
import numpy
import pytest
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()


def small(norm=False, dropout=0, block=nn.HybridSequential):
    net_D, net_G = block(), block()
    for net, width in ((net_D, 1), (net_G, 2)):
        net.add(nn.Dense(6, use_bias=not norm))
        if norm:
            net.add(nn.BatchNorm())
        net.add(nn.LeakyReLU(0.2))
        if dropout:
            net.add(nn.Dropout(dropout))
        net.add(nn.Dense(width, use_bias=not norm))
    return net_D, net_G


def game(networks, compiled, objective='bce', first='D', shape=(2,), latent_dim=2, batch=8,
         device=None, dtype='float64', rates=(0.01, 0.005), std=0.3, **adam):  # fmt: skip
    """Return players, started the same way each time."""
    device = device or mx.cpu()
    mx.random.seed(1)
    net_D, net_G = networks()
    X, Z = (
        np.ones((batch,) + shape, ctx=device),
        np.ones(
            (batch, *(latent_dim if isinstance(latent_dim, tuple) else (latent_dim,))), ctx=device
        ),
    )
    trainers = []
    for net, x, rate in ((net_D, X, rates[0]), (net_G, Z, rates[1])):
        net.initialize(init.Normal(std), ctx=device)
        net(adapter.packed(x, getattr(net, 'pack', 1)))
        net.cast(dtype)
        parameters = list(net.collect_params().values())
        trainers.append(gluon.Trainer(parameters, 'adam', dict(adam, learning_rate=rate)))
    given = (net_D, net_G, *trainers, losses.objective(objective), first, device)
    sample = X.astype(dtype), Z.astype(dtype), None
    return Symbol(*given, sample) if compiled else Textbook(*given)


def batches(steps, shape=(2,), latent_dim=2, batch=8, device=None, dtype='float64', **_):
    """Yield X and Z; every fifth batch is smaller, as the last one of an epoch may be."""
    random = numpy.random.RandomState(2)
    for step in range(steps):
        size = batch - 3 if step % 5 == 4 else batch
        yield tuple(
            np.array(random.normal(size=(size,) + s), dtype=dtype, ctx=device or mx.cpu())
            for s in (shape, (latent_dim,))
        )


def weights(players):
    nets = players.net_D, players.net_G
    return [p.data().asnumpy() for net in nets for p in net.collect_params().values()]


def apart(a, b):
    """Return the largest difference, relative to the largest number of the same array."""
    return max(abs(x - y).max() / max(abs(x).max(), 1e-4) for x, y in zip(a, b))


def compare(networks, steps=50, **settings):
    """Play both games and hold them together; return the compiled one."""
    one, other = (game(networks, compiled, **settings) for compiled in (False, True))
    for X, Z in batches(steps, **settings):
        one.step(X, Z)
        other.step(X, Z)
    a, b = one.notes(), other.notes()
    assert len(a) == len(b) == steps
    for i in range(4):  # loss_D, loss_G, the logits of real and of fake examples
        played = [numpy.concatenate([step[i] for step in game]) for game in (a, b)]
        assert apart(played[:1], played[1:]) < 1e-6
    assert apart(weights(one), weights(other)) < 1e-5
    return other


CHAPTERS = [
    ('gaussian', {'rates': (0.05, 0.005)}),
    ('sine', {'shape': (16,), 'latent_dim': 5, 'batch': 16, 'objective': 'minimax', 'first': 'G'}),
    ('mnist_vanilla', {'shape': (784,), 'latent_dim': 100}),
    ('mnist_leaky', {'shape': (784,), 'latent_dim': 100, 'objective': 'label_smoothing'}),
    ('mnist_deep', {'shape': (28, 28, 1), 'latent_dim': 100}),
]
SLOW = 'mnist_vanilla', 'mnist_deep'


@pytest.mark.parametrize(
    'chapter, settings',
    [slow(*given) if given[0] in SLOW else given for given in CHAPTERS],
    ids=[name for name, _ in CHAPTERS],
)
def test_every_chapter_is_the_same_game(chapter, settings):
    compare(importlib.import_module(f'chapters.{chapter}').networks, **settings)


@pytest.mark.parametrize('first', first_alone(['D', 'G']))
@pytest.mark.parametrize('objective', losses.OBJECTIVES)
def test_every_objective_is_the_same_game(objective, first):
    compare(small, objective=objective, first=first)


def test_pairs_of_packs_and_of_pictures():
    def packed():
        net_D, net_G = small()
        net_D.pack = 2
        return net_D, net_G

    def pictures():
        net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
        net_D.add(nn.Conv2D(4, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2D(1, 3))
        net_G.add(nn.Dense(36), nn.HybridLambda(lambda F, x: F.npx.reshape(x, (-2, 1, 6, 6))))
        return net_D, net_G

    compare(packed, objective='relativistic')
    compare(pictures, objective='relativistic', shape=(1, 6, 6), latent_dim=3)


def test_pairs_are_refused_where_layers_mix_them():
    with pytest.raises(CannotPlay, match='judges pairs'):
        game(lambda: small(norm=True), True, objective='relativistic')


def test_smoothed_labels_for_D():
    compare(small, objective=losses.objective('bce', label_smoothing=0.2))


def test_a_loss_that_symbol_does_not_know():
    class Squared(gluon.loss.Loss):
        def __init__(self):
            super().__init__(None, 0)

        def hybrid_forward(self, F, pred, label):
            return F.np.square(pred - label.reshape((-1, 1))).mean(axis=-1)

    compare(small, objective=Squared())


@pytest.mark.parametrize('first', ['D', 'G'])
def test_batch_norm_with_its_running_statistics(first):
    players = compare(lambda: small(norm=True), first=first)
    assert not players.merge
    assert not players.repeat


def test_layers_that_mix_examples_see_real_and_fake_apart():
    class Mean(nn.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.np.concatenate([x, x - x.mean(axis=0, keepdims=True)], axis=1)

    def networks():
        net_D, net_G = small()
        mixing = nn.HybridSequential()
        mixing.add(Mean(), nn.Dense(4, activation='tanh'), nn.Dense(1))
        return mixing, net_G

    assert not compare(networks).merge


def test_convolutions():
    class Image(nn.HybridBlock):
        def hybrid_forward(self, F, x):
            return x.reshape((-1, 4, 3, 3))

    def networks():
        net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
        net_D.add(nn.Conv2D(4, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2D(1, 3))
        net_G.add(nn.Dense(36, activation='relu'), Image(), nn.Conv2DTranspose(1, 4, 2, 1))
        return net_D, net_G

    compare(networks, shape=(1, 6, 6), latent_dim=3)


@pytest.mark.parametrize('device', [0, 1])
def test_each_device(device):
    players = compare(small, device=mx.cpu(device))
    assert players.net_G.collect_params()[
        next(iter(players.net_G.collect_params()))
    ].list_ctx() == [mx.cpu(device)]


def test_plain_sequential_is_compiled_too():
    compare(lambda: small(block=nn.Sequential))


def test_float32_to_its_own_rounding():
    # Weights of 0.3 let the gradients be large against their rounding.
    networks = importlib.import_module('chapters.mnist_leaky').networks
    one, other = (
        game(
            networks, c, dtype='float32', shape=(784,), latent_dim=100, batch=100, rates=(2e-3,) * 2
        )
        for c in (False, True)
    )
    for X, Z in batches(50, (784,), 100, 100, dtype='float32'):
        one.step(X, Z)
        other.step(X, Z)
    for a, b in zip(weights(one), weights(other)):
        assert numpy.linalg.norm(a - b) < 1e-5 * numpy.linalg.norm(a)


def test_dropout_drops_and_learns():
    players = game(lambda: small(dropout=0.5), True)
    assert players.merge
    assert players.repeat  # two masks for G, as in the textbook
    for X, Z in batches(3):
        players.step(X, Z)
    steps = players.notes()
    assert all(numpy.isfinite(a).all() for step in steps for a in step)

    def judged(compiled):
        """Return D's logits of one batch, many times over, while nothing moves."""
        players = game(lambda: small(dropout=0.5), compiled, rates=(1e-30, 1e-30), std=1.0)
        X, Z = next(batches(1))
        for _ in range(150):
            players.step(X, Z)
        return numpy.stack([numpy.stack(step[2:]) for step in players.notes()])

    textbook, compiled = judged(False), judged(True)
    error = (textbook.var(axis=0) / 150 + compiled.var(axis=0) / 150) ** 0.5
    assert (abs(textbook.mean(axis=0) - compiled.mean(axis=0)) < 5 * error).all()
    assert numpy.allclose(textbook.std(axis=0), compiled.std(axis=0), rtol=0.3)
    assert compiled.std(axis=0).min() > 0


def test_updates_by_hand_after_a_compiled_game_go_on_exactly():
    """Parameters, moments and counts stay in the Gluon networks and trainers at every step."""
    one, other = (game(small, compiled) for compiled in (False, True))
    trainer_D, trainer_G = (player.trainer for player in (other.D, other.G))
    loss = gluon.loss.SigmoidBCELoss()
    for step, (X, Z) in enumerate(batches(20)):
        one.step(X, Z)
        if step % 10 < 5:
            other.step(X, Z)
        else:
            update_D(X, Z, other.net_D, other.net_G, loss, trainer_D)
            update_G(Z, other.net_D, other.net_G, loss, trainer_G)
    assert apart(weights(one), weights(other)) < 1e-5
    for a, b in ((one.trainer_D, trainer_D), (one.trainer_G, trainer_G)):
        assert a._optimizer._index_update_count == b._optimizer._index_update_count
        for i, moments in a._updaters[0].states.items():
            theirs = [m.asnumpy() for m in b._updaters[0].states[i]]
            assert apart([m.asnumpy() for m in moments], theirs) < 1e-5


@pytest.mark.parametrize('adam', [{'beta1': 0.5}, {'beta2': 0.9, 'epsilon': 1e-3}, {'wd': 0.1}])
def test_constants_of_adam(adam):
    compare(small, steps=20, **adam)


def test_learning_rate_can_change():
    one, other = (game(small, compiled) for compiled in (False, True))
    for step, (X, Z) in enumerate(batches(10)):
        for trainer in (one.trainer_D, other.D.trainer):
            trainer.set_learning_rate(0.01 / (1 + step))
        one.step(X, Z)
        other.step(X, Z)
    assert apart(weights(one), weights(other)) < 1e-5


def test_frozen_parameters_stay():
    def networks():
        net_D, net_G = small()
        net_D[0].weight.grad_req = 'null'
        return net_D, net_G

    players = compare(networks)
    assert apart(weights(players)[:1], weights(game(networks, True))[:1]) == 0


def test_notes_outlast_many_steps(monkeypatch):
    monkeypatch.setattr(symbol, 'CHUNK', 4)
    players = compare(small, steps=23)
    (X, Z), *_ = batches(1)
    players.step(X, Z)
    assert len(players.notes()) == 1
    assert players.notes() == []


class Unhybrid(gluon.Block):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(1)

    def forward(self, x):
        return self.dense(x) if float(x.sum()) else self.dense(2 * x)


class Untraceable(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(1)

    def hybrid_forward(self, F, x):
        return self.dense(x) * x.shape[0]


class Ranking(gluon.loss.Loss):
    """Judge each example against the mean of its batch."""

    def __init__(self):
        super().__init__(None, 0)

    def hybrid_forward(self, F, pred, label):
        return F.npx.relu(pred - pred.mean()).reshape((-1,))


@pytest.mark.parametrize(
    'D, settings, sentence',
    [
        (Unhybrid, {}, 'Unhybrid is not a HybridBlock'),
        (Untraceable, {}, 'Untraceable takes no symbol: '),
        (None, {'objective': Ranking()}, 'Ranking does not judge each example by itself'),
    ],
)
def test_what_cannot_be_compiled_says_why_and_is_left_alone(D, settings, sentence):
    nets = []

    def networks():
        nets[:] = small()
        nets[0] = D() if D else nets[0]
        return nets

    with pytest.raises(CannotPlay, match=sentence):
        game(networks, True, **settings)
    sizes = [p.data().size for net in nets for p in net.collect_params().values()]
    assert sum(sizes) > 0
    game(networks, False, **settings)


@pytest.mark.parametrize(
    'change, sentence',
    [
        (lambda p: setattr(p, 'grad_req', 'add'), 'overwrite its gradient'),
        (lambda p: setattr(p, 'lr_mult', 2), 'learning rate or weight decay of its own'),
        (lambda p: p.cast('float32'), 'must be float64 on cpu'),
    ],
)
def test_parameters_that_one_adam_cannot_serve(change, sentence):
    players = game(small, False)
    change(players.trainer_D._params[0])
    X, Z = next(batches(1))
    given = (players.net_D, players.net_G, players.trainer_D, players.trainer_G)
    with pytest.raises(CannotPlay, match=sentence):
        Symbol(*given, players.objective, 'D', mx.cpu(), (X, Z, None))


def test_train_says_why_it_cannot_compile():
    X = np.ones((8, 2))
    given = (Unhybrid(), small()[1], [(X,)], 1, 0.1, 0.1, 2, X)
    with pytest.raises(ValueError, match="`engine` is 'symbol', but Unhybrid is not"):
        train(*given, engine='symbol', callbacks=[])
    train(*given, engine='auto', callbacks=[])


def test_train_compiled_and_not_agree():
    X = np.random.normal(size=(40, 2))
    histories = []
    for engine in ('symbol', 'textbook'):
        nets = small()
        histories.append(
            train(*nets, [(X[:16],), (X[16:32],), (X[32:],)], 4, 0.01, 0.01, 2, X, seed=1,
                  engine=engine, initializer=init.Normal(0.3), callbacks=[])
        )  # fmt: skip
    for field in ('loss_D', 'loss_G', 'mean_D_real', 'mean_D_fake', 'accuracy_D'):
        assert numpy.allclose(histories[0][field], histories[1][field], rtol=1e-4), field


def test_what_a_broken_training_leaves_is_usable():
    """After an exception the networks hold the values of the last step that was made."""

    def broken():
        for i, (X, _) in enumerate(batches(10, dtype='float32')):
            if i == 7:
                raise KeyboardInterrupt
            yield (X,)

    class Feed:
        def __init__(self):
            self.passes = 0

        def __iter__(self):
            self.passes += 1
            return broken() if self.passes == 3 else iter([next(broken())])

    nets, X = small(), np.ones((8, 2))
    with pytest.raises(KeyboardInterrupt):
        train(*nets, Feed(), 5, 0.01, 0.01, 2, X, seed=1, engine='symbol', callbacks=[])
    values = [p.data().asnumpy() for net in nets for p in net.collect_params().values()]
    assert all(numpy.isfinite(v).all() for v in values)
    assert nets[1](np.ones((3, 2))).shape == (3, 2)

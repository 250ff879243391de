"""Many seeds at once are the runs that each seed has alone."""

from d2l_gan import data
from d2l_gan.engines import adapter
from d2l_gan.train import train, train_many

import numpy
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan.xla import runtime  # noqa: E402
from tests.marks import slow  # noqa: E402
from tests.test_xla import apart, small  # noqa: E402

npx.set_np()
SEEDS = 3, 0


def batches():
    X = numpy.random.default_rng(0).normal(size=(43, 2)).astype('float32')
    return data.Batches(X, 8)


def alone(seed, networks=small, **settings):
    net_D, net_G = networks()
    source = batches()
    history = train(net_D, net_G, source, 3, 0.01, 0.01, 2, source.array, seed=seed, engine='xla',
                    callbacks=[], **settings)  # fmt: skip
    nets = {'D': net_D, 'G': net_G}
    return history, {
        player: {n: p.data().asnumpy() for n, p in net._collect_params_with_prefix().items()}
        for player, net in nets.items()
    }


@pytest.mark.parametrize(
    'networks, settings',
    [
        (small, {'initializer': init.Normal(0.3), 'average': 0.9, 'decay': True}),
        slow(lambda: small(norm=True), {'objective': 'hinge', 'first': 'G', 'prior': 'uniform'}),
        slow(lambda: small(dropout=0.5), {'penalty': 'gradient', 'beta1': 0.5}),
    ],
    ids=['average', 'batch norm', 'dropout and a penalty'],
)
def test_each_seed_is_what_it_is_alone(networks, settings):
    net_D, net_G = networks()
    runs = train_many(net_D, net_G, batches(), 3, 0.01, 0.01, 2, seeds=SEEDS, **settings)
    assert [run.history.seed for run in runs] == list(SEEDS)
    for run in runs:
        history, weights = alone(run.history.seed, networks, **settings)
        for column in history.columns[:-1]:
            assert abs(history[column] - run.history[column]).max() < 1e-5
        for player in 'DG':
            assert apart(weights[player], run.weights[player]) < 1e-3
        assert history.average.keys() == run.history.average.keys()
        if history.average:
            assert apart(history.average, run.history.average) < 1e-3
    assert abs(runs[0].weights['G']['0.weight'] - runs[1].weights['G']['0.weight']).max() > 1e-3


@pytest.mark.slow
def test_a_network_takes_the_weights_of_a_run():
    net_D, net_G = small()
    runs = train_many(net_D, net_G, batches(), 1, 0.01, 0.01, 2, seeds=range(2))
    Z = np.ones((4, 2))
    with adapter.swapped(net_G, runs[0].weights['G']):
        first = net_G(Z).asnumpy()
    assert abs(first - net_G(Z).asnumpy()).max() > 0
    numpy.testing.assert_array_equal(net_G[0].weight.data(), runs[1].weights['G']['0.weight'])


def test_what_cannot_be_is_refused():
    for seeds in ((), (-1,), (0.5,)):
        with pytest.raises(ValueError, match='`seeds` is'):
            train_many(*small(), batches(), 1, 0.01, 0.01, 2, seeds=seeds)

    def networks():
        net_D, net_G = small()
        net_D.add(nn.HybridLambda(lambda F, x: F.np.cumsum(x, 1)))
        return net_D, net_G

    with pytest.raises(ValueError, match='cumsum'):
        train_many(*networks(), batches(), 1, 0.01, 0.01, 2, seeds=[0])


def test_a_seed_whose_loss_is_not_finite_is_named():
    with pytest.raises(
        FloatingPointError, match='loss_[DG] became .* in step .* of epoch 1, seed 4'
    ):
        train_many(*small(), batches(), 1, 1e38, 0.01, 2, seeds=[4], objective='least_squares')


@pytest.mark.slow
def test_each_seed_may_have_examples_of_its_own():
    def points(seed):
        return data.Batches(data.gaussian(40, seed)[0], 8)

    net_D, net_G = small()
    runs = train_many(net_D, net_G, points, 2, 0.01, 0.01, 2, seeds=SEEDS)
    for run in runs:
        net_D, net_G = small()
        X, seed = data.gaussian(40, run.history.seed)[0], run.history.seed
        alone = train(
            net_D, net_G, data.Batches(X, 8), 2, 0.01, 0.01, 2, X, seed=seed, engine='xla',
            callbacks=[],
        )  # fmt: skip
        assert abs(alone.loss_D - run.history.loss_D).max() < 1e-5


def test_seeds_play_on_a_gpu_of_jaxs(monkeypatch):
    """Another part of the CPU stands in for it."""
    game, parts, places = (*small(), batches(), 1, 0.01, 0.01, 2), jax.devices('cpu'), []
    monkeypatch.setattr(runtime, 'devices', lambda kind: parts[:1] if kind == 'cpu' else [])
    with pytest.raises(RuntimeError, match='`device` is "gpu"; only "cpu" is here'):
        train_many(*game, seeds=[0], device='gpu')
    (whole,) = train_many(*game, seeds=[0])
    monkeypatch.setattr(runtime, 'devices', lambda kind: parts[:1] if kind == 'cpu' else parts[1:])
    monkeypatch.setattr(runtime, 'options', places.append)
    (run,) = train_many(*game, seeds=[0], device='gpu')
    assert apart(whole.weights['D'], run.weights['D']) == 0
    assert {*places} == {parts[1]}  # what the compiler is told hangs on where it compiles for

"""Penalties on D's slope without second derivatives, beside closed forms."""

import sys

from d2l_gan import engines, losses
from d2l_gan.callbacks import Checkpoint
from d2l_gan.engines import adapter
from d2l_gan.engines.slopes import PLACES
from tests import test_checkpoint as saved

import mxnet as mx
import numpy
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn

npx.set_np()


def choose(net_D, net_G=None, X=None, engine='symbol', **more):
    """Return an engine for networks that have just been made, and what its first batch is."""
    X = np.ones((8, 2)) if X is None else X
    net_G, Z = net_G or nn.Dense(X.shape[1], use_bias=False), np.ones((len(X), 2))
    trainers = []
    for net, inputs in (net_D, X), (net_G, Z):
        net.initialize(init.Normal(0.3))
        net(adapter.packed(inputs, getattr(net, 'pack', 1)))
        trainers.append(adapter.adam(net, 0.01))
    sample = X, Z, None
    return engines.choose(
        engine, net_D, net_G, *trainers, losses.objective('bce'), 'D', mx.cpu(), sample, **more
    )


def gradient(net, X, **more):
    """Return the first parameter of D and its gradient in one step, from what Adam remembers."""
    mx.random.seed(1)
    numpy.random.seed(1)
    made = choose(net(), None, X, **more)
    weight = next(iter(made.net_D.collect_params().values())).data().asnumpy()
    made.play([(X, None)], lambda rows: np.ones((rows, 2)))
    fake_X = made.batches[len(X)].generate.outputs[0].asnumpy()
    return weight, adapter.moments(made.players['D'][1], 0)[0].asnumpy() / 0.1, fake_X


def examples(rows=8):
    return np.array(numpy.random.default_rng(0).normal(size=(rows, 2)), dtype='float32')


@pytest.mark.parametrize('name', PLACES)
def test_of_a_linear_discriminator(name):
    linear = lambda: nn.Dense(1, use_bias=False)
    weight, plain, _ = gradient(linear, examples())
    _, found, _ = gradient(linear, examples(), penalty=(name, 0.4))
    length = numpy.linalg.norm(weight)
    known = 0.4 * weight * {'gradient': 2 * (length - 1) / length, 'r1+r2': 2}.get(name, 1)
    numpy.testing.assert_allclose(found - plain, known / 2, rtol=1e-3)


class Quadratic(nn.HybridBlock):
    """D(x) = w . x^2, with the slope 2 w x."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(1, use_bias=False)

    def hybrid_forward(self, F, x):
        return self.dense(F.np.square(x))


def test_of_a_quadratic_discriminator_at_each_place():
    weight, plain, fake_X = gradient(Quadratic, examples())
    for name, at in (('r1', examples().asnumpy()), ('r2', fake_X)):
        _, found, _ = gradient(Quadratic, examples(), penalty=(name, 0.1))
        known = 0.1 / 2 * 8 * weight * numpy.square(at).mean(axis=0)
        numpy.testing.assert_allclose(found - plain, known / 2, rtol=2e-3)


def test_of_packs_a_slope_is_of_a_whole_pack_and_a_rest_has_none():
    class Packs(nn.Dense):
        pack = 3

    weight, plain, _ = gradient(lambda: Packs(1, use_bias=False), examples(8))
    _, found, _ = gradient(lambda: Packs(1, use_bias=False), examples(8), penalty=('r1', 0.4))
    assert weight.shape == (1, 6)
    numpy.testing.assert_allclose(found - plain, 0.4 * weight / 2, rtol=1e-3)


def test_a_flat_discriminator_and_points_at_0_are_no_trouble():
    for name in PLACES:
        flat = lambda: nn.Dense(1, use_bias=False, weight_initializer=init.Zero())
        _, found, _ = gradient(flat, 0 * examples(), penalty=(name, 1.0))
        assert numpy.isfinite(found).all()


def test_what_has_no_slope_of_its_own_is_refused_in_one_sentence():
    def net(*layers):
        made = nn.HybridSequential()
        made.add(nn.Dense(4), *layers, nn.Dense(1))
        return made

    with pytest.raises(ValueError, match='`net_D` mixes examples, as BatchNorm does'):
        choose(net(nn.BatchNorm()), penalty=('r1', 1.0))
    with pytest.raises(ValueError, match='`net_D` draws numbers, as Dropout does'):
        choose(net(nn.Dropout(0.5)), penalty=('r1', 1.0))
    with pytest.raises(ValueError, match="needs `engine` 'xla' or 'symbol', and it is 'textbook'"):
        choose(net(), engine='textbook', penalty=('r1', 1.0))


def test_auto_leaves_convolutions_to_onednn_and_needs_no_jax(monkeypatch):
    def image():
        made = nn.HybridSequential()
        made.add(nn.Conv2D(2, 3), nn.Dense(1))
        return made

    def picture():
        made = nn.HybridSequential()
        made.add(nn.Dense(25), nn.HybridLambda(lambda F, x: F.npx.reshape(x, (-2, 1, 5, 5))))
        return made

    monkeypatch.setitem(sys.modules, 'jax', None)
    monkeypatch.delitem(sys.modules, 'd2l_gan.engines.xla', raising=False)
    more = {'engine': 'auto', 'penalty': ('r1', 1.0)}
    assert type(choose(image(), picture(), np.ones((8, 1, 5, 5)), **more)).__name__ == 'Symbol'
    assert type(choose(nn.Dense(1), **more)).__name__ == 'Symbol'


@pytest.mark.parametrize('name', ['r1', 'gradient'])
def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path, name):
    settings = {'engine': 'symbol', 'penalty': name, 'penalty_weight': 0.1}
    whole = saved.state(saved.play(4, **settings))
    saved.broken_off(tmp_path, 2, 4, **settings)
    assert saved.state(saved.play(4, Checkpoint(tmp_path, resume=True), **settings)) == whole
    assert saved.state(saved.play(4, engine='symbol')) != whole

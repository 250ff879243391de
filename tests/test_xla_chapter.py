"""Every rung of the ladder of the chapter on XLA plays the same game."""

import numpy
import pytest

pytest.importorskip('jax', reason='needs the extra xla')

from chapters import xla

import jax
from mxnet import np, npx

npx.set_np()


def batches(steps=30):
    random = numpy.random.default_rng(5)
    return [random.standard_normal((steps, 8, 2), 'float32') for _ in 'XZ']


def flat(state):
    arrays = [state[player]['weights'] for player in 'DG']
    return numpy.concatenate([numpy.ravel(a) for a in jax.tree_util.tree_leaves(arrays)])


def test_the_translated_network_is_the_network():
    nets, D, G, state = xla.start()
    X = numpy.random.default_rng(1).standard_normal((50, 2), 'float32')
    for net, function, name in zip(nets, (D, G), 'DG'):
        expected = net(np.array(X)).asnumpy()
        numpy.testing.assert_allclose(function(state[name]['weights'], X), expected, atol=1e-6)


@pytest.mark.slow
def test_the_rungs_on_jax_end_in_the_same_state():
    X, Z = batches()
    loops = [flat(rung(X, Z)()) for rung in (xla.jitted, xla.scanned)]
    numpy.testing.assert_allclose(*loops, rtol=1e-3, atol=1e-4)
    loops = [flat(rung(X[:3], Z[:3])()) for rung in (xla.written, xla.scanned)]
    numpy.testing.assert_allclose(*loops, rtol=1e-4, atol=1e-5)


def test_a_step_is_the_books():
    from d2l_gan.engines.textbook import Textbook
    from d2l_gan.losses import objective

    import mxnet as mx
    from mxnet import gluon

    X, Z = batches(20)
    nets, *_ = xla.start()
    trainers = [
        gluon.Trainer(list(net.collect_params().values()), 'adam', {'learning_rate': rate})
        for net, rate in zip(nets, (0.05, 0.005))
    ]
    engine = Textbook(*nets, *trainers, objective('bce'), 'D', mx.cpu())
    for x, z in zip(X, Z):
        engine.step(np.array(x), np.array(z))
    weights = {name: {'weights': xla.weights(net)} for name, net in zip('DG', nets)}
    numpy.testing.assert_allclose(flat(xla.scanned(X, Z)()), flat(weights), rtol=1e-2, atol=1e-3)


def test_fusion_leaves_fewer_operations():
    written, run = xla.operations()
    assert 0 < run < written / 2


@pytest.mark.slow
def test_side_by_side_is_told_in_microseconds():
    found = xla.side_by_side(num=5, steps=20)
    assert len(found) == 2
    assert all(0.01 < us < 1e6 for us in found)


@pytest.mark.slow
def test_run_measures_trains_and_writes(tmp_path):
    result = xla.run(num_epochs=2, steps=100, rounds=2, out=tmp_path)
    times = result.scores['microseconds']
    assert list(times) == ['symbol', 'written', 'jitted', 'scanned']
    assert times['scanned'] < times['written']  # by a factor of thousands
    assert result.scores['difference'] < 1e-3
    assert {f.name for f in tmp_path.iterdir()} >= {'ladder.png', 'training.png', 'scores.json'}

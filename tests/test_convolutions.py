"""Convolutional players, colour and grey, in float32, where MXNet itself would fail."""

import subprocess
import sys

from d2l_gan import deconvolution, graph, losses
from d2l_gan.callbacks import Checkpoint, Generators
from d2l_gan.engines import adapter
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook
from d2l_gan.export import export_onnx
from d2l_gan.generator import latest_generator
from d2l_gan.train import train, update_D, update_G
from tests.marks import first_alone

import mxnet as mx
import numpy
import pytest
from mxnet import autograd, gluon, nd, np, npx
from mxnet.gluon import nn

npx.set_np()


def networks(channels=3, width=8, size=16):
    """Return net_D and net_G in the shape of DCGAN's, small: 1 x 1 -> 4 x 4 -> ... -> size."""
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_G.add(nn.Conv2DTranspose(2 * width, 4, 1, 0, use_bias=False), nn.BatchNorm())
    net_G.add(nn.Activation('relu'), nn.Conv2DTranspose(width, 4, 2, 1, use_bias=False))
    net_G.add(nn.BatchNorm(), nn.Activation('relu'))
    net_G.add(nn.Conv2DTranspose(channels, 4, 2, 1, activation='tanh'))
    net_D.add(nn.Conv2D(width, 4, 2, 1, use_bias=False), nn.LeakyReLU(0.2))
    net_D.add(nn.Conv2D(2 * width, 4, 2, 1, use_bias=False), nn.BatchNorm(), nn.LeakyReLU(0.2))
    net_D.add(nn.Conv2D(1, size // 4, 1, 0, use_bias=False))
    return net_D, net_G


def pictures(channels=3, num=20, size=16):
    return np.array(
        numpy.random.RandomState(1).uniform(-1, 1, (num, channels, size, size)), 'float32'
    )


def play(engine, channels=3, width=16, objective='bce', callbacks=(), num_epochs=2, **settings):
    X = pictures(channels)
    nets = networks(channels, width)
    history = train(
        *nets, [(X[:8],), (X[8:16],), (X[16:],)], num_epochs, 2e-4, 2e-4, (10, 1, 1), X, seed=1,
        engine=engine, objective=objective, callbacks=list(callbacks), **settings,
    )  # fmt: skip
    return nets, history


@pytest.mark.parametrize('width', [8, 16])
@pytest.mark.parametrize('channels', [1, 3])
def test_train_at_its_defaults(channels, width):
    histories = [play(engine, channels, width)[1] for engine in ('textbook', 'symbol')]
    for column in ('loss_D', 'loss_G', 'mean_D_real', 'mean_D_fake'):
        one, other = (history[column] for history in histories)
        assert numpy.allclose(one, other, rtol=1e-4), column


@pytest.mark.parametrize('first', ['D', 'G'])
@pytest.mark.parametrize(
    'objective', [name for name in losses.OBJECTIVES if name != 'relativistic']
)
def test_each_objective_in_each_engine(objective, first):
    found = []
    for engine in ('textbook', 'symbol'):
        nets, history = play(engine, 1, objective=objective, first=first, average=0.9)
        weights = [p.data().asnumpy() for net in nets for p in net.collect_params().values()]
        found.append((history.loss_D, history.loss_G, *history.average.values(), *weights))
    for one, other in zip(*found):
        assert numpy.allclose(one, other, rtol=1e-2, atol=2e-4)


@pytest.mark.parametrize('first', ['D', 'G'])
def test_pairs_of_pictures_are_the_textbooks_where_d_normalises(first):
    with pytest.raises(ValueError, match='`net_D` mixes examples, as BatchNorm does'):
        play('symbol', 1, objective='relativistic', first=first)
    _, textbook = play('textbook', 1, objective='relativistic', first=first)
    _, auto = play('auto', 1, objective='relativistic', first=first)
    assert numpy.isfinite(textbook.loss_D).all()
    assert (auto.loss_D == textbook.loss_D).all() and (auto.loss_G == textbook.loss_G).all()


def test_the_books_own_updates_on_grey_pictures():
    (net_D, net_G), X = networks(1, 16), pictures(1, 8)
    Z = np.random.normal(size=(8, 10, 1, 1))
    for net, x in ((net_D, X), (net_G, Z)):
        net.initialize()
        net(x)
    trainers = [adapter.adam(net, 1e-3) for net in (net_D, net_G)]
    loss = gluon.loss.SigmoidBCELoss()
    for hybridize in (False, True):
        for net in (net_D, net_G):
            net.hybridize(hybridize)
        assert numpy.isfinite(update_D(X, Z, net_D, net_G, loss, trainers[0]))
        assert numpy.isfinite(update_G(Z, net_D, net_G, loss, trainers[1]))


def passed(layer, x, dtype):
    """Return a layer's output and the gradients of its input and its parameters."""
    layer.cast(dtype)
    x = x.astype(dtype)
    x.attach_grad()
    with autograd.record():
        y = layer(x)
        loss = (y**3).sum()
    loss.backward()
    gradients = [p.grad() for p in layer.collect_params().values()]
    return [a.asnumpy().astype('float64') for a in (y, x.grad, *gradients)]


@pytest.mark.parametrize('hybridized', [False, True])
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize(
    'kind, size, groups, channels',
    [(nn.Conv2DTranspose, (7, 7), 1, 16), (nn.Conv2DTranspose, (4, 5), 2, 32),
     (nn.Conv2DTranspose, (4, 4), 1, 24), (nn.Conv1DTranspose, (9,), 1, 64)],
)  # fmt: skip
def test_one_channel_in_float32_is_float64(kind, size, groups, channels, bias, hybridized):
    mx.random.seed(1)
    layer = kind(groups, 4, 2, 1, groups=groups, use_bias=bias, activation='tanh')
    layer.initialize(mx.init.Normal(0.1))
    if hybridized:
        layer.hybridize()
    x = np.random.normal(size=(3, channels, *size))
    layer(x)
    single = passed(layer, x, 'float32')
    with deconvolution.as_it_is():  # oneDNN is not used in float64
        layer.hybridize(False)
        double = passed(layer, x, 'float64')
    for a, b in zip(single, double):
        assert abs(a - b).max() < 1e-5 * abs(b).max()


def test_one_channel_in_three_dimensions():
    """Checked against finite differences, since MXNet has no such operator in float64."""
    weight, x = nd.random.normal(shape=(16, 1, 2, 2, 2)), nd.random.normal(shape=(2, 16, 3, 3, 3))
    there = {'kernel': (2, 2, 2), 'stride': (2, 2, 2)}
    x.attach_grad()
    with autograd.record():
        y = deconvolution.around(nd, x, weight, **there)
    y.backward()
    step = nd.zeros_like(x)
    step[1, 5, 2, 1, 0] = 1
    moved = deconvolution.around(nd, x + step, weight, **there)  # linear: any step will do
    difference = (moved - y).sum().asscalar()
    assert abs(difference - (x.grad * step).sum().asscalar()) < 1e-3


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize(
    'layer, size, is_product',
    [(nn.Conv2D(3, (4, 5)), (2, 4, 5), True), (nn.Conv2D(3, 3), (2, 4, 5), False),
     (nn.Conv2DTranspose(3, (4, 5)), (2, 1, 1), True), (nn.Conv1DTranspose(3, 4, 2), (2, 1), True),
     (nn.Conv2DTranspose(3, 4, 1, 1), (2, 1, 1), False), (nn.Conv2D(3, 1), (2, 1, 1), False),
     (nn.Conv2D(4, 3, groups=2), (2, 3, 3), False)],
)  # fmt: skip
def test_a_layer_that_is_a_matrix_product(layer, size, is_product, bias):
    layer.initialize(mx.init.Normal(), force_reinit=True)
    x = np.random.normal(size=(6, *size))
    expected = layer(x)
    if bias:
        layer.bias.data()[:] = np.random.normal(size=layer.bias.shape)
        expected = layer(x)
    symbol = layer(mx.sym.var('x', shape=x.shape).as_np_ndarray())
    assert ('"dot"' in symbol.tojson()) == is_product
    arrays = {p.name: p.data().as_nd_ndarray() for p in layer.collect_params().values()}
    found = symbol.bind(mx.cpu(), dict(arrays, x=x.as_nd_ndarray())).forward()[0].asnumpy()
    assert found.shape == expected.shape
    assert numpy.allclose(found, expected.asnumpy(), rtol=1e-4, atol=1e-6)
    assert graph.trace(layer).nodes[-1].op in ('Convolution', 'Deconvolution')


def test_which_fail_is_still_so():
    """Should this fail, MXNet or oneDNN has changed, and `deconvolution` may go."""
    layer = nn.Conv2DTranspose(1, 4, 2, 1, use_bias=False)
    layer.initialize()
    x = np.random.normal(size=(2, 16, 4, 4))
    with deconvolution.as_it_is(), pytest.raises(mx.MXNetError, match='reorder'):
        passed(layer, x, 'float32')


SAMPLED = """
import sys
from d2l_gan.generator import latest_generator
import numpy
numpy.save(sys.argv[2], latest_generator(sys.argv[1]).sample(5, seed=3).asnumpy())
"""


class Stop:
    """Break off after an epoch, as if the process had died."""

    def __call__(self, game):
        if game.epoch == 1:
            raise ZeroDivisionError


def state(game):
    arrays = {name: array.asnumpy().tobytes() for name, array in game.arrays().items()}
    return arrays, game.counters(), game.history.loss_D.tolist()


@pytest.mark.parametrize('channels', first_alone([3, 1]))
@pytest.mark.parametrize('engine', first_alone(['symbol', 'textbook']))
def test_from_the_first_step_to_a_sample_elsewhere(tmp_path, engine, channels):
    """Stopped and resumed, it ends with the same bits; saved, it makes the same pictures."""
    games, settings = [], {'first': 'G', 'average': 0.9, 'num_epochs': 3}
    play(engine, channels, callbacks=[games.append, Checkpoint(tmp_path / 'a')], **settings)
    with pytest.raises(ZeroDivisionError):
        play(engine, channels, callbacks=[Checkpoint(tmp_path / 'b'), Stop()], **settings)
    callbacks = [Generators(tmp_path), games.append, Checkpoint(tmp_path / 'b', resume=True)]
    play(engine, channels, callbacks=callbacks, **settings)
    assert state(games[-1]) == state(games[2])

    command = [sys.executable, '-c', SAMPLED, tmp_path / 'generators', tmp_path / 'X.npy']
    subprocess.run(command, check=True)
    loaded = latest_generator(tmp_path / 'generators')
    assert (numpy.load(tmp_path / 'X.npy') == loaded.sample(5, seed=3).asnumpy()).all()
    Z = np.random.normal(size=(4, 10, 1, 1))
    assert (loaded(Z) == games[-1].generate(Z)).all()
    pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    with games[-1].averaged():
        export_onnx(games[-1].net_G, tmp_path / 'g.onnx', (10, 1, 1))
    session = runtime.InferenceSession(str(tmp_path / 'g.onnx'))
    (found,) = session.run(None, {'Z': Z.asnumpy()})
    assert abs(found - loaded(Z).asnumpy()).max() < 1e-5


@pytest.mark.parametrize('first', ['D', 'G'])
def test_statistics_and_weights_after_fifty_steps(first):
    """In float64, where rounding does not hide what differs."""
    found = []
    for engine in (Textbook, Symbol):
        mx.random.seed(1)
        (net_D, net_G), random = networks(3, 4), numpy.random.RandomState(2)
        sizes = [(4, 3, 16, 16), (4, 10, 1, 1)]
        X, Z = (np.array(random.normal(size=size), dtype='float64') for size in sizes)
        trainers = []
        for net, x in ((net_D, X), (net_G, Z)):
            net.initialize(mx.init.Normal(0.1))
            net(x.astype('float32'))
            net.cast('float64')
            trainers.append(adapter.adam(net, 1e-3))
        game = net_D, net_G, *trainers, losses.objective('hinge'), first, mx.cpu()
        player = engine(*game, (X, Z, None))
        for _ in range(50):
            player.step(*(np.array(random.normal(size=size), dtype='float64') for size in sizes))
        player.read()
        found.append([a for p in 'DG' for a in adapter.arrays(*player.players[p]).values()])
    for one, other in zip(*found):
        scale = abs(one.asnumpy()).max()
        assert abs(one.asnumpy() - other.asnumpy()).max() <= 1e-8 * scale


def test_what_onednn_has_put_into_its_own_order_can_be_written(tmp_path):
    (_, net_G), history = play('symbol', average=0.5, callbacks=[Checkpoint(tmp_path)])
    Z = np.ones((4, 10, 1, 1))
    own = [net_G(Z).asnumpy() for _ in range(3)][-1]  # predicting reorders the weights
    with history.averaged(net_G):
        [net_G(Z).wait_to_read() for _ in range(3)]
        assert not numpy.allclose(net_G(Z).asnumpy(), own)
    assert numpy.array_equal(net_G(Z).asnumpy(), own)

    nets, X = networks(3, 16), pictures()
    for net, x in zip(nets, (X[:4], Z)):
        net.initialize()
        [net(x).wait_to_read() for _ in range(3)]
    batches = [(X[:8],), (X[8:16],), (X[16:],)]
    train(*nets, batches, 2, 2e-4, 2e-4, (10, 1, 1), X, seed=1, average=0.5, initializer=None,
          engine='symbol', callbacks=[Checkpoint(tmp_path, resume=True)])  # fmt: skip
    assert numpy.array_equal(nets[1](Z).asnumpy(), own)

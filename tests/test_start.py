"""What cannot be right is said before the first step, by the name of what is to blame."""

import warnings

from d2l_gan import train
from d2l_gan.engines import adapter
from d2l_gan.noise import Noise

import mxnet as mx
import numpy
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn

npx.set_np()

X = numpy.random.RandomState(0).normal(size=(64, 2)).astype('float32')
SETTINGS = {'num_epochs': 1, 'lr_D': 0.05, 'lr_G': 0.005, 'latent_dim': 2, 'callbacks': []}


def networks(last=None):
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_D.add(nn.Dense(5, activation='tanh'), nn.Dense(1, activation=last))
    net_G.add(nn.Dense(2))
    return net_D, net_G


def play(nets=None, batches=((X[:8],), (X[8:16],)), **changes):
    arguments = {**SETTINGS, 'data': X, 'seed': 3, **changes}
    return train.train(*(nets or networks()), list(batches), **arguments)


@pytest.mark.parametrize('dtype', ['float64', 'float16'])
def test_another_dtype_names_both_casts(dtype):
    rule = f"gives {dtype} and `net_D` has float32 weights; cast the examples, X.astype('float32')"
    with pytest.raises(ValueError, match=rule.replace('(', r'\(').replace(')', r'\)')):
        play(batches=[(X[:8].astype(dtype),)])


def test_integers_are_no_examples():
    with pytest.raises(ValueError, match=r"`data_iter` has dtype int64; .*X.astype\('float32'\)"):
        play(batches=[(numpy.ones((8, 2), 'int64'),)])


def test_networks_in_float64_play_with_examples_in_float64():
    batch = X[:8].astype('float64')
    for engine in ('textbook', 'symbol'):
        nets = networks()
        for net in nets:
            net.initialize(init.Normal(0.1))
            net(np.zeros((1, 2)))
            net.cast('float64')
        play(nets, [(batch,)], engine=engine, initializer=None)
        assert all(p.data().dtype == numpy.float64 for p in nets[1].collect_params().values())
    with pytest.raises(ValueError, match='MXNet draws float32: initialize, cast, then'):
        nets = networks()
        for net in nets:
            net.cast('float64')
        play(nets, [(batch,)])


def test_a_prior_must_return_an_array_of_mxnet():
    rule = r'`prior` returned a numpy.ndarray of shape \(\d+, 2\); it must return an array of MXNet'
    with pytest.raises(ValueError, match=rule):
        play(prior=lambda shape, device: numpy.zeros(shape, 'float32'))
    with pytest.raises(ValueError, match=r'`prior` returned a mxnet.*of shape \(3, 2\)'):
        play(prior=lambda shape, device: np.zeros((3, 2)))


def test_no_weights_and_no_initializer():
    with pytest.raises(ValueError, match='`initializer` is None, but `net_D` has no weights yet'):
        play(initializer=None)


@pytest.mark.parametrize('std', [-1.0, float('nan'), float('inf')])
def test_an_initializer_that_fails_is_named(std):
    with pytest.raises(ValueError, match='`initializer` is .*normal.*(fails|must be finite)'):
        play(initializer=init.Normal(std))
    play()  # and nothing of it is left over


def test_an_error_of_before_is_reported_as_such_and_once():
    np.linalg.cholesky(-np.eye(3))  # fails later, in MXNet's own thread
    with pytest.raises(RuntimeError, match='an operation that was started before this call'):
        play()
    play()


def test_shared_layers_are_refused():
    net_D, net_G = networks()
    shared = nn.HybridSequential()
    shared.add(net_D[0], nn.Dense(2))
    with pytest.raises(ValueError, match='`net_D` and `net_G` share `dense.*weight`; each must'):
        play((net_D, shared))


def test_a_sigmoid_at_the_end_of_D_is_told():
    def told(**changes):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('ignore', DeprecationWarning)
            warnings.simplefilter('always', UserWarning)
            play(networks('sigmoid'), **changes)
        return [str(warning.message) for warning in seen]

    (message,) = told()
    assert message.startswith("`net_D` ends in a sigmoid, but `objective` 'bce' takes logits")
    assert told(objective='least_squares') == []  # where it has a point


def test_a_batch_that_is_not_finite_is_blamed_in_any_place():
    bad = X[8:16].copy()
    bad[2, 1] = numpy.inf
    for engine in ('textbook', 'symbol'):
        with pytest.raises(ValueError, match='`data_iter` gave NaN or infinity in epoch 1, batc'):
            play(batches=[(X[:8],), (bad,), (X[16:24],)], engine=engine)


def test_an_empty_batch_is_named():
    with pytest.raises(ValueError, match=r'`data_iter` gave an empty batch, of shape \(0, 2\)'):
        play(batches=[(X[:8],), (X[:0],)])


@pytest.mark.parametrize('callbacks', [print, [None], 'later'])
def test_callbacks_must_be_a_list_of_callables(callbacks):
    with pytest.raises(ValueError, match='`callbacks` is .*; it must be a list of callables'):
        play(callbacks=callbacks)


# Shapes


class Judge(nn.HybridBlock):
    """Give logits of any shape with one number for each example."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.dense = shape, nn.Dense(1)

    def hybrid_forward(self, F, x):
        return F.npx.reshape(self.dense(x), (-2, *self.shape) if self.shape else (-1,))


@pytest.mark.parametrize('shape', [(), (1,), (1, 1, 1)])
def test_logits_of_any_shape_mean_the_same(shape):
    found = []
    for ends in (shape, (1,)):
        nets = Judge(ends), networks()[1]
        found.append(play(nets, engine='textbook').loss_D[0])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_noise_of_any_shape():
    noise = Noise('normal', (5, 1, 1), mx.cpu())
    assert noise(3).shape == (3, 5, 1, 1)
    flat, deep = Noise('normal', 4, mx.cpu()), Noise('normal', (4, 1, 1), mx.cpu())
    mx.random.seed(0)
    first = flat(6).asnumpy()
    mx.random.seed(0)
    assert numpy.array_equal(first, deep(6).asnumpy().reshape(6, 4))


def test_a_generator_of_pictures_that_wants_deep_noise_is_told_so():
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_G.add(nn.Conv2DTranspose(3, 4))
    net_D.add(nn.Dense(1))
    pictures = numpy.zeros((4, 3, 4, 4), 'float32')
    with pytest.raises(ValueError, match=r'`latent_dim` is 2; `net_G` must take noise that wide'):
        play((net_D, net_G), [(pictures,)])
    play((net_D, net_G), [(pictures,)], latent_dim=(2, 1, 1), engine='textbook')


# Conditions


class Conditional(nn.HybridBlock):
    """Put a condition, (batch,) of 0, 1, 2, beside the input."""

    def __init__(self, width):
        super().__init__()
        self.dense = nn.Dense(width)

    def hybrid_forward(self, F, x, condition):
        return self.dense(F.np.concatenate([x, F.npx.one_hot(condition, 3)], axis=1))


def labelled(num=40, width=2):
    y = numpy.arange(num) % 3
    points = numpy.eye(3)[y][:, :width] + 0.1 * numpy.random.RandomState(1).normal(
        size=(num, width)
    )
    return points.astype('float32'), y.astype('float32')


def test_a_condition_reaches_both_players_the_fixed_batch_and_generate():
    points, y = labelled()
    seen = []

    def look(game):
        seen.append((game.fixed_condition.shape, game.generate().shape))
        Z, wanted = game.fixed_Z[:4], np.array([2, 2, 2, 2])
        seen.append(numpy.array_equal(game.generate(Z, wanted), game.net_G(Z, wanted)))

    nets = Conditional(1), Conditional(2)
    batches = [(points[:20], y[:20]), (points[20:], y[20:])]
    history = play(nets, batches, callbacks=[look])
    assert seen == [((100,), (100, 2)), True]
    assert numpy.isfinite(history.loss_D).all()


def test_labels_that_no_network_asks_for_are_left_out():
    points, y = labelled()
    with_labels = play(batches=[(points[:20], y[:20])]).loss_D
    assert numpy.array_equal(with_labels, play(batches=[(points[:20],)]).loss_D)


def test_no_layer_of_gluon_takes_its_own_parameters_for_a_condition():
    layers = [
        nn.Dense(2, use_bias=False), nn.Conv2D(2, 3, use_bias=False), nn.Conv2DTranspose(2, 3),
        nn.Conv2DTranspose(2, 3, use_bias=False), nn.BatchNorm(), nn.LayerNorm(), nn.Dropout(0.1),
        nn.Embedding(3, 2), nn.Flatten(), nn.LeakyReLU(0.2), nn.PReLU(), nn.GELU(),
        nn.Lambda(lambda x: x), nn.HybridLambda(lambda F, x: x), nn.MaxPool2D(),
        nn.GlobalAvgPool2D(),
    ]  # fmt: skip
    assert not any(adapter.takes_condition(layer) for layer in layers)
    assert adapter.takes_condition(Conditional(2))


def test_one_network_alone_cannot_be_conditional():
    points, y = labelled()
    with pytest.raises(ValueError, match='`net_G` takes a condition and `net_D` does not'):
        play((networks()[0], Conditional(2)), [(points, y)])
    with pytest.raises(ValueError, match=r'networks that take a condition need batches \(X, cond'):
        play((Conditional(1), Conditional(2)), [(points,)])


# Packs


def test_D_judges_packs_of_examples():
    seen = []

    class Watch(nn.Block):
        pack = 2

        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(1)

        def forward(self, x):
            seen.append(x.shape)
            return self.dense(x)

    history = play((Watch(), networks()[1]), [(X[:8],), (X[8:13],)])
    assert set(seen) == {(4, 4), (2, 4)}  # of the five of the last batch one is left over
    assert numpy.isfinite(history.loss_G).all()


def test_packs_that_do_not_fit_are_named():
    net_D, net_G = networks()
    net_D.pack = 16
    with pytest.raises(ValueError, match='`net_D.pack` is 16; a batch has only 8 examples'):
        play((net_D, net_G))
    net_D.pack = 0
    with pytest.raises(ValueError, match='`net_D.pack` is 0; it must be an integer >= 1'):
        play((net_D, net_G))

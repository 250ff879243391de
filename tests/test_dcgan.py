"""The chapter on convolutional GANs: its networks are the book's, and it draws at any size."""

import inspect
import json
import time
from types import SimpleNamespace

from chapters import dcgan
from d2l_gan import data, plots
from d2l_gan.callbacks import Estimate
from d2l_gan.export import export_onnx
from d2l_gan.generator import latest_generator
from d2l_gan.train import train

import numpy
import pytest
from mxnet import autograd, init, np, npx
from mxnet.gluon import nn
from PIL import Image

pytest.importorskip('sklearn', reason='needs the digits that scikit-learn brings along')
pytestmark = pytest.mark.usefixtures('blank')
QUICK = {'data': 'digits', 'num_examples': 256, 'num_epochs': 2, 'width': 4, 'score': False}


def channels(net, kind):
    """Return the channels of each layer of a kind, in order."""
    layers = []
    net.apply(lambda layer: layers.append(layer))
    return [layer._channels for layer in layers if type(layer) is kind]


def count(net, kind):
    layers = []
    net.apply(lambda layer: layers.append(layer))
    return sum(type(layer) is kind for layer in layers)


def ready(net):
    net.initialize(init.Normal(0.02))
    return net


def test_networks_are_the_books():
    net_D, net_G = dcgan.networks(channels=3, size=64, width=64)
    assert channels(net_G, nn.Conv2DTranspose) == [512, 256, 128, 64, 3]
    assert channels(net_D, nn.Conv2D) == [64, 128, 256, 512, 1]
    assert (count(net_G, nn.BatchNorm), count(net_D, nn.BatchNorm)) == (4, 4)
    X = ready(net_G)(np.zeros((1, 100, 1, 1)))
    assert X.shape == (1, 3, 64, 64)
    assert ready(net_D)(X).shape == (1, 1, 1, 1)


def test_blocks_compute_what_the_books_do():
    """Side by side with the book's own layers, given the same weights."""
    x = np.random.normal(size=(4, 3, 16, 16))
    ours = {'G': ready(dcgan.G_block(20)), 'D': ready(dcgan.D_block(20))}
    theirs = {
        'G': (nn.Conv2DTranspose(20, 4, 2, 1, use_bias=False), nn.Activation('relu')),
        'D': (nn.Conv2D(20, 4, 2, 1, use_bias=False), nn.LeakyReLU(0.2)),
    }
    for player, (convolution, unit) in theirs.items():
        block, norm = ours[player], nn.BatchNorm()
        ready(convolution), ready(norm)
        block(x), convolution(x)
        convolution.weight.set_data(block[0].weight.data())
        with autograd.train_mode():
            expected, found = unit(norm(convolution(x))), block(x)
        numpy.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('size, way', [
    (8, [4, 8]), (28, [4, 7, 14, 28]), (32, [4, 8, 16, 32]), (64, [4, 8, 16, 32, 64]),
    (25, [4, 7, 13, 25]), (48, [3, 6, 12, 24, 48]),
])  # fmt: skip
def test_any_size(size, way):
    assert dcgan.sizes(size) == way
    for colours in (1, 3):
        net_D, net_G = dcgan.networks(colours, size, width=2)
        X = ready(net_G)(np.zeros((2, 5, 1, 1)))
        assert X.shape == (2, colours, size, size)
        assert ready(net_D)(X).shape == (2, 1, 1, 1)


def test_weights_of_d_without_normalisation_are_he_s_whatever_train_draws():
    npx.random.seed(0)
    net_D, _ = dcgan.networks(width=16, book=False)
    net_D.initialize(init.Normal(0.02), force_reinit=True)
    net_D(np.zeros((1, 1, 28, 28)))
    for convolution, inputs in ((net_D[0][0], 16), (net_D[1][0], 16 * 16), (net_D[2][0], 32 * 9)):
        weight = convolution.weight.data().asnumpy()
        assert weight.std() == pytest.approx((2 / inputs) ** 0.5, rel=0.2)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp('dcgan')
    return dcgan.run(**QUICK, out=out), out


def test_keeps_what_a_training_brings_forth(trained):
    result, out = trained
    for epoch in (1, 2):
        with numpy.load(out / 'samples' / f'epoch-{epoch:06d}.npz') as saved:
            images = saved['images']
        assert images.shape == (16, 28, 28)
        assert 0 <= images.min() < images.max() <= 1
    with Image.open(out / 'training.gif') as film:
        assert film.n_frames == 2
    scores = json.loads((out / 'scores.json').read_text())
    assert (scores['data'], scores['epochs'], scores['seed']) == ('digits', 2, 0)
    assert numpy.isfinite(result.history.loss_D).all()


def test_draws_new_digits(trained):
    images = dcgan.sample(20, out=trained[1])
    assert images.shape == (20, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    with numpy.load(trained[1] / 'samples.npz') as saved:
        numpy.testing.assert_array_equal(saved['images'], images)


@pytest.mark.slow
def test_goes_on_as_if_it_had_not_stopped(trained, tmp_path):
    dcgan.run(**{**QUICK, 'num_epochs': 1, 'decay': False}, out=tmp_path / 'a')
    dcgan.run(**{**QUICK, 'decay': False}, out=tmp_path / 'a', resume=True)
    dcgan.run(**{**QUICK, 'decay': False}, out=tmp_path / 'b')
    a, b = (dcgan.sample(3, out=tmp_path / name) for name in 'ab')
    numpy.testing.assert_array_equal(a, b)


def test_colour():
    pictures = np.random.uniform(-1, 1, (256, 3, 32, 32))
    net_D, net_G = dcgan.networks(3, 32, width=4)
    seen = []
    keep = lambda game: seen.append(plots.pixels(game.generate(), 'symmetric'))
    train(
        net_D, net_G, data.Batches(pictures, 64), 1, 0.001, 0.003, (100, 1, 1), pictures,
        beta1=0.5, seed=0, callbacks=[keep],
    )  # fmt: skip
    assert seen[0].shape == (100, 32, 32, 3)


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(ValueError, match='`width` is 0; it must be an integer >= 1'):
        dcgan.run(**{**QUICK, 'width': 0}, out=tmp_path)
    with pytest.raises(ValueError, match='`size` is 7; it must be an integer >= 8'):
        dcgan.networks(size=7)
    with pytest.raises(ValueError, match='`latent_dim` is 0; it must be an integer >= 1'):
        dcgan.run(**QUICK, latent_dim=0, out=tmp_path)
    with pytest.raises(ValueError, match='`islands` is 40; it must be less than `latent_dim`, 40'):
        dcgan.run(**QUICK, latent_dim=40, out=tmp_path)
    with pytest.raises(ValueError, match='`islands` is -1; it must be an integer >= 0'):
        dcgan.run(**QUICK, islands=-1, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_between_islands_there_is_no_way():
    """On a straight line a picture moves little from one point to the next, but for one leap."""
    npx.random.seed(0)
    _, net_G = dcgan.networks(width=4, islands=2)
    ready(net_G)
    ends = numpy.zeros((2, 100, 1, 1))
    ends[[0, 1], [0, 1]] = 1
    way = numpy.array([(1 - t) * ends[0] + t * ends[1] for t in numpy.linspace(0, 1, 101)])
    X = net_G(np.array(way, dtype='float32')).asnumpy()
    leaps = numpy.abs(numpy.diff(X, axis=0)).mean(axis=(1, 2, 3))
    assert leaps[[*range(45), *range(55, 100)]].max() < 0.01 * leaps.sum()


def test_every_engine_plays_with_islands():
    pytest.importorskip('jax')
    pictures, found = np.random.uniform(-1, 1, (64, 1, 8, 8)), []
    for engine in ('textbook', 'symbol', 'xla'):
        nets = dcgan.networks(1, 8, width=4, islands=3)
        history = train(
            *nets, data.Batches(pictures, 16), 1, 0.001, 0.001, (6, 1, 1), pictures, seed=0,
            engine=engine, initializer=init.Normal(0.02),
        )  # fmt: skip
        found.append([history.loss_D[-1], history.loss_G[-1]])
    numpy.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-4)


def test_features_are_what_the_blocks_make_pooled():
    net_D, _ = dcgan.networks(width=4)
    ready(net_D)
    X = np.random.uniform(-1, 1, (7, 1, 28, 28))
    rows = dcgan.features(net_D, X, batch_size=3)
    assert rows.shape == (7, 16 * (4 + 8 + 16))
    x = net_D[0](X)  # (7, 4, 14, 14), in cells of 4 x 4, those at the edges smaller
    assert rows[2, 0] == pytest.approx(float(x[2, 0, :4, :4].max()))
    assert rows[2, 3] == pytest.approx(float(x[2, 0, :4, 12:].max()))
    numpy.testing.assert_allclose(rows[:, -256:], net_D[:3](X).asnumpy().reshape(7, -1), rtol=1e-5)


def test_two_classifiers_that_can_be_checked():
    """Two clouds far apart: both read them rightly, and wrongly where labels are turned round."""
    rng = numpy.random.default_rng(0)
    labels = numpy.arange(40) % 2
    rows = (rng.normal(0, 0.1, (40, 5)) + 3 * labels[:, None]).astype('float32')
    assert dcgan.accuracies(rows[:20], labels[:20], rows[20:], labels[20:]) == (1, 1)
    assert dcgan.accuracies(rows[:20], labels[:20], rows[20:], 1 - labels[20:]) == (0, 0)


def test_reads_digits_from_d(trained):
    found = dcgan.read_digits(trained[0].net_D, 'digits', nums=(300,), tests=200)
    assert {*found} == {'pixels', 'D before training', 'D'}
    for by_number in found.values():
        assert min(by_number[300]) > 0.6
    lines = dcgan.in_words(found).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1


def test_halfway_is_where_it_says():
    """It draws the length of its noise as a grey: halfway straight on, noise is short."""

    class Grey:
        latent_dim, drawn = (100, 1, 1), []

        def __call__(self, Z):
            length = np.sqrt((Z**2).sum(axis=(1, 2, 3), keepdims=True))
            self.drawn.append(float(length.mean()))
            return np.broadcast_to(length / 20, (len(Z), 1, 28, 28))

    for way, length in ((None, 10), ('straight', 7.05), ('spherical', 10)):
        Grey.drawn.clear()
        distance = dcgan.halfway(Grey(), way, num=600, source='digits')
        assert numpy.isfinite(distance)
        assert numpy.mean(Grey.drawn) == pytest.approx(length, rel=0.03)


def test_walk_leaves_a_film(trained, capsys):
    dcgan.walk(trained[1])
    with Image.open(trained[1] / 'walk.gif') as film:
        assert film.n_frames > 20  # of 60: frames that are equal are one


def test_the_ladder_adds_up_to_the_defaults():
    from tests.benchmarks.dcgan import BOOK, LADDER

    settings = dict(BOOK)
    for change in LADDER.values():
        assert change == {} or {**settings, **change} != settings
        settings.update(change)
    defaults = inspect.signature(dcgan.run).parameters
    chosen = {name: defaults[name].default for name in BOOK if name != 'islands'}
    assert settings == {**chosen, 'islands': 40}  # by default None: as many, where it is digits


def test_elsewhere(trained, tmp_path):
    pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    generator = latest_generator(trained[1] / 'generators')
    path = tmp_path / 'generator.onnx'
    with trained[0].history.averaged(trained[0].net_G):
        export_onnx(trained[0].net_G, path, latent_dim=generator.latent_dim)
    Z = numpy.random.RandomState(0).normal(size=(3, 100, 1, 1)).astype('float32')
    session = runtime.InferenceSession(str(path))
    found = session.run(None, {session.get_inputs()[0].name: Z})[0]
    numpy.testing.assert_allclose(found, generator(np.array(Z)).asnumpy(), atol=1e-4)


class Steps:
    """A game whose steps take so many seconds, on a clock of its own."""

    def __init__(self, monkeypatch, seconds, num_epochs=10, steps=100):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(time, 'perf_counter', lambda: self.now)
        self.game = SimpleNamespace(
            data_iter=range(steps), num_epochs=num_epochs, epoch=0, watchers=[]
        )

    def play(self, estimate, steps=100):
        estimate.begin(self.game)
        for _ in range(steps):
            for watch in self.game.watchers[:]:
                watch()
            self.now += self.seconds
        self.game.epoch += 1
        estimate(self.game)


def test_says_how_long_a_long_run_will_take(monkeypatch, capsys):
    steps = Steps(monkeypatch, 2.0)
    steps.play(Estimate(), steps=20)
    assert 'about 33 minutes, 200 s an epoch; with --num-epochs 3 it would be 10' in (
        capsys.readouterr().err
    )
    assert steps.game.watchers == []


@pytest.mark.parametrize('seconds, minutes', [(0.5, None), (0.01, None), (0.04, 67)])
def test_says_nothing_of_short_runs_and_waits_for_short_epochs(
    monkeypatch, capsys, seconds, minutes
):
    steps = Steps(monkeypatch, seconds, num_epochs=1000 if minutes else 10)
    steps.play(Estimate())
    told = capsys.readouterr().err
    assert (f'about {minutes} minutes' in told) if minutes else told == ''
    assert steps.game.watchers == []

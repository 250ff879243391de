"""The chapter on convolutional GANs: its networks are the book's, and it draws at any size."""

import json
import time
from types import SimpleNamespace

from chapters import dcgan
from d2l_gan import data, plots
from d2l_gan.callbacks import Estimate
from d2l_gan.train import train

import numpy
import pytest
from mxnet import autograd, init, np
from mxnet.gluon import nn
from PIL import Image

pytest.importorskip('sklearn', reason='needs the digits that scikit-learn brings along')
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
    net_D, net_G = dcgan.networks(channels=3, size=64, width=64, book=True)
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


def test_weights_of_d_are_he_s_whatever_train_draws():
    net_D, _ = dcgan.networks(width=16)
    net_D.initialize(init.Normal(0.02), force_reinit=True)
    net_D(np.zeros((1, 1, 28, 28)))
    for convolution, inputs in ((net_D[0][0], 16), (net_D[1][0], 16 * 16), (net_D[2][0], 32 * 9)):
        weight = convolution.weight.data().asnumpy()
        assert weight.std() == pytest.approx((2 / inputs) ** 0.5, rel=0.1)


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

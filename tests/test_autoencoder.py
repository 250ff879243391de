"""The chapter on autoencoders: what each kind writes, draws and says of itself."""

import json

from chapters import autoencoder
from d2l_gan import data, latent
from d2l_gan.generator import latest_generator

import numpy
import pytest
from mxnet import np
from mxnet.gluon import nn

pytest.importorskip('sklearn', reason='needs the digits that scikit-learn brings along')
pytestmark = pytest.mark.usefixtures('blank')
QUICK = {'data': 'digits', 'num_examples': 256, 'num_epochs': 2, 'hidden': 32, 'score': False,
         'film': False}  # fmt: skip


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Return (result, directory) of a quick training of each kind."""
    found = {}
    for kind in autoencoder.USUAL:
        out = tmp_path_factory.mktemp(kind)
        found[kind] = autoencoder.run(kind, **QUICK, out=out), out
    return found


@pytest.mark.parametrize('kind', autoencoder.USUAL)
def test_each_kind_learns_draws_and_copies(kind, trained):
    result, out = trained[kind]
    assert result.history.loss[1] < result.history.loss[0]
    kept = json.loads((out / 'scores.json').read_text())
    assert kept['kind'] == kind and kept['reconstruction'] > 0
    for name in ('copies.png', 'last_epoch.png', 'losses.png', 'training.png'):
        assert (out / name).exists()
    images = autoencoder.sample(9, kind=kind, out=out)
    assert images.shape == (9, 28, 28) and 0 <= images.min() < images.max() <= 1


def test_a_saved_decoder_draws_what_the_network_does(trained):
    result, out = trained['vae']
    Z = np.array(numpy.random.default_rng(0).normal(size=(3, 40)), dtype='float32')
    saved = latest_generator(out / 'generators')
    assert np.abs(saved(Z) - result.net_G(Z)).max() < 1e-6


def test_a_plain_code_has_two_numbers_of_the_size_of_noise(trained):
    net_E = trained['plain'][0].net_E
    codes = net_E(data.images('digits', 'train')[0][:256]).asnumpy()
    assert codes.shape == (256, 2)
    assert autoencoder.show_codes(net_E, 'digits').axes[0].get_legend() is not None


def test_a_vae_is_scored_in_nats(trained):
    result, _ = trained['vae']
    found = autoencoder.in_nats(result.net_E, result.net_G, 'digits', k=200, few=20)
    assert found['bound'] > found['nll_50'] > found['nll'] > 0
    assert found['nll_se'] < 3


def test_a_saved_generator_is_inverted(trained):
    saved = latest_generator(trained['vae'][1] / 'generators')
    Z = np.array(numpy.random.default_rng(1).normal(size=(4, 40)), dtype='float32')
    X = saved(Z)
    start = numpy.zeros((4, 40), 'float32')
    before = ((saved(np.array(start)) - X) ** 2).sum(axis=1)
    _, errors = latent.invert(saved, X, start, steps=100)
    assert (errors < 0.5 * before.asnumpy()).all()
    figure, error = autoencoder.inverted(saved, 'digits', 40, num=3, steps=3, shown=2)
    assert error > 0 and figure.axes


def test_inverting_a_linear_generator_is_least_squares():
    rng = numpy.random.default_rng(2)
    net_G = nn.Dense(5)
    net_G.initialize()
    net_G(np.zeros((1, 2)))
    W, b = rng.normal(size=(5, 2)), rng.normal(size=5)
    net_G.weight.set_data(np.array(W))
    net_G.bias.set_data(np.array(b))
    X = rng.normal(size=(3, 5)).astype('float32')
    Z, errors = latent.invert(net_G, np.array(X), numpy.zeros((3, 2), 'float32'), 400, 0.1)
    best, squares = numpy.linalg.lstsq(W, (X - b).T, rcond=None)[:2]
    numpy.testing.assert_allclose(Z, best.T, atol=1e-3)
    numpy.testing.assert_allclose(errors, squares, rtol=1e-3)


def test_a_kind_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(ValueError, match="`kind` is 'sparse'; it must be one of 'plain', 'denois"):
        autoencoder.run('sparse', out=tmp_path)


def test_the_families_are_chapters_with_these_keywords():
    import importlib
    import inspect

    from tests.benchmarks.families import FAMILIES

    for chapter, settings, scale in FAMILIES.values():
        run = importlib.import_module(f'chapters.{chapter}').run
        assert {*settings} <= {*inspect.signature(run).parameters}
        assert scale in ('unit', 'symmetric')


def test_families_take_runs_that_there_are(tmp_path):
    from tests.benchmarks.families import directory

    def left(out, **scores):
        (tmp_path / out).mkdir(parents=True)
        (tmp_path / out / 'scores.json').write_text(json.dumps({'data': 'mnist', **scores}))

    left('autoencoder/vae', seed=0, frechet=1.0)
    left('dcgan', seed=0)  # not scored
    left('mnist_deep', seed=1, frechet=1.0)
    assert directory('variational autoencoder', 0, tmp_path) == tmp_path / 'autoencoder' / 'vae'
    assert directory('GAN: convolutional', 0, tmp_path) == tmp_path / 'GAN-convolutional' / '0'
    assert directory('GAN: deep', 0, tmp_path) == tmp_path / 'GAN-deep' / '0'
    assert directory('GAN: deep', 1, tmp_path) == tmp_path / 'mnist_deep'

"""Sliders are moved, and what is drawn is read back."""

import base64
import io
import sys

from d2l_gan import latent, plots, speak
from d2l_gan.generator import load_generator, save_generator

import numpy
import pytest
from mxnet import np, npx
from mxnet.gluon import nn
from PIL import Image

npx.set_np()
Z = numpy.random.RandomState(0).normal(size=(2, 100))
CODED = 'symmetric', (28, 28)


@pytest.fixture(scope='module')
def net_G():
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation='relu'), nn.Dense(784, activation='tanh'))
    npx.random.seed(0)  # how well 64 greys do depends on the picture
    net.initialize()
    return net


def digit(net_G, z):
    return plots.mosaic(net_G(np.array(z[None], dtype='float32')), 1, 1, *CODED)


def test_the_digit_follows_the_sliders(net_G):
    pytest.importorskip('ipywidgets')
    image, sliders = latent.latent_slider(net_G, Z, *CODED).children
    way, component, added = sliders.children

    def shown():
        with Image.open(io.BytesIO(image.value)) as opened:
            return numpy.array(opened)[::6, ::6]

    numpy.testing.assert_array_equal(shown(), digit(net_G, Z[0]))
    way.value = 0.25
    numpy.testing.assert_array_equal(shown(), digit(net_G, 0.75 * Z[0] + 0.25 * Z[1]))
    way.value = 1
    numpy.testing.assert_array_equal(shown(), digit(net_G, Z[1]))
    component.value, added.value = 7, -1.5
    z = Z[1].copy()
    z[7] -= 1.5
    numpy.testing.assert_array_equal(shown(), digit(net_G, z))
    assert component.max == 99


def test_without_ipywidgets_a_sentence(net_G, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ipywidgets', None)
    with pytest.raises(ImportError, match=r"sliders need ipywidgets: pip install 'd2l_gan"):
        latent.latent_slider(net_G, Z, *CODED)


def test_the_film_goes_from_row_to_row_and_back(net_G, tmp_path):
    latent.latent_film(net_G, Z, tmp_path / 'walk.gif', *CODED, steps=4)
    with Image.open(tmp_path / 'walk.gif') as film:
        assert (film.n_frames, film.size) == (8, (168, 168))
        for number, z in (
            (0, Z[0]),
            (2, Z.mean(axis=0)),
            (4, Z[1]),
            (5, 0.75 * Z[1] + 0.25 * Z[0]),
        ):
            film.seek(number)
            off = numpy.array(film.convert('L'))[::6, ::6].astype(int) - digit(net_G, z)
            assert numpy.abs(off).max() <= 20  # 64 greys
            assert numpy.abs(off).mean() <= 3


@pytest.fixture
def displayed(monkeypatch):
    """Pretend to be in a notebook and return what is displayed there."""
    from IPython import display

    shown = []
    monkeypatch.setattr(speak, 'in_notebook', lambda: True)
    monkeypatch.setattr(display, 'display', lambda data, raw: shown.append(data))
    return shown


def test_a_notebook_keeps_the_sliders_and_the_film(net_G, tmp_path, displayed):
    pytest.importorskip('ipywidgets')
    latent.play(net_G, Z, tmp_path / 'walk.gif', *CODED)
    (shown,) = displayed
    assert base64.b64decode(shown['image/gif']) == (tmp_path / 'walk.gif').read_bytes()
    assert set(shown['application/vnd.jupyter.widget-view+json']) == {
        'version_major', 'version_minor', 'model_id',
    }  # fmt: skip


def test_a_notebook_without_ipywidgets_shows_the_film(
    net_G, tmp_path, displayed, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, 'ipywidgets', None)
    latent.play(net_G, Z, tmp_path / 'walk.gif', *CODED)
    assert list(displayed[0]) == ['image/gif']
    assert 'pip install' in capsys.readouterr().out


def test_a_program_writes_the_film_and_says_where(net_G, tmp_path, capsys):
    latent.play(net_G, Z, tmp_path / 'walk.gif', *CODED)
    assert str(tmp_path / 'walk.gif') in capsys.readouterr().err
    assert (tmp_path / 'walk.gif').read_bytes().startswith(b'GIF')


def test_ways():
    a, b = numpy.random.RandomState(1).normal(size=(2, 100, 1, 1))
    for way in ('straight', 'spherical'):
        numpy.testing.assert_allclose(latent.between(a, b, 0, way), a)
        numpy.testing.assert_allclose(latent.between(a, b, 1, way), b)
    middle = latent.between(a, b, 0.5, 'straight')
    numpy.testing.assert_allclose(middle, (a + b) / 2)
    x, y = numpy.eye(2)
    numpy.testing.assert_allclose(latent.between(x, y, 1 / 3, 'spherical'), [3**0.5 / 2, 0.5])
    for opposite in (x, -x):  # no angle, or every way
        found = latent.between(x, opposite, 0.25, 'spherical')
        numpy.testing.assert_allclose(found, 0.75 * x + 0.25 * opposite)
    with pytest.raises(ValueError, match="`way` is 'sphere'; it must be 'straight' or"):
        latent.between(a, b, 0.5, 'sphere')


@pytest.mark.parametrize('num, distance', [(4, 6), (4, 2), (3, 6)])
def test_the_largest_number_chooses_the_island_and_the_others_stay(num, distance):
    Z = numpy.random.default_rng(0).normal(size=(1000, 10, 1, 1)).astype('float32')
    found = latent.Islands(num, distance)(np.array(Z)).asnumpy()
    assert found.shape == Z.shape
    numpy.testing.assert_array_equal(found[:, num:], Z[:, num:])
    corners, largest = found[:, :num, 0, 0], Z[:, :num, 0, 0].argmax(axis=1)
    assert (corners.argmax(axis=1) == largest).all()
    numpy.testing.assert_allclose(corners.sum(axis=1), distance, rtol=1e-5)
    assert ((corners > 0.01) & (corners < 0.99 * distance)).mean() < 0.01
    assert numpy.bincount(largest).min() > 800 / num


def test_islands_in_noise_without_sides():
    Z = np.array([[0.3, 1.2, -0.5, 0.9, 0.1, -0.2]])
    assert latent.Islands(4)(Z)[0].tolist() == pytest.approx([0, 6, 0, 0, 0.1, -0.2])


def test_inverts_a_saved_generator_of_grey_pictures_with_convolutions(tmp_path):
    """There oneDNN fails at the gradient of a transposed convolution to one channel."""
    net = nn.HybridSequential()
    net.add(nn.Conv2DTranspose(16, 4, 1, 0, activation='relu'), nn.Conv2DTranspose(1, 4, 2, 1))
    net.initialize()
    net(np.zeros((1, 5, 1, 1)))
    save_generator(tmp_path / 'generator', net, (5, 1, 1))
    generator = load_generator(tmp_path / 'generator')
    wanted = np.random.normal(0, 1, (3, 5, 1, 1))
    start = numpy.zeros((3, 5, 1, 1), 'float32')
    X, before = generator(wanted), generator(np.array(start))
    Z, error = latent.invert(generator, X, start + 0.1, steps=200)
    assert (error < 0.1 * ((before - X) ** 2).reshape((3, -1)).sum(axis=1).asnumpy()).all()
    again = generator(np.array(Z)).asnumpy()
    numpy.testing.assert_allclose(again, net(np.array(Z)).asnumpy(), atol=1e-5)

"""Each score equals its closed form or another library's, and says no when it should."""

import io
import math
import sys

from d2l_gan import metrics

import mxnet as mx
import numpy
import pytest
import scipy.linalg
import scipy.spatial
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import np, npx
from mxnet.gluon import nn
from sklearn.neighbors import KernelDensity

npx.set_np()


# ---- Gaussians -------------------------------------------------------------------------------


def random_gaussian(rng, dims, rank=None):
    factor = rng.normal(size=(dims, rank or dims))
    return rng.normal(size=dims), factor @ factor.T


@settings(deadline=None, max_examples=50, database=None)
@given(st.integers(1, 12), st.integers(0, 2**32))
def test_w2_agrees_with_scipys_matrix_root(dims, seed):
    rng = numpy.random.default_rng(seed)
    (mean1, cov1), (mean2, cov2) = (random_gaussian(rng, dims, dims + 3) for _ in range(2))
    root = scipy.linalg.sqrtm(cov1)
    cross = numpy.real(scipy.linalg.sqrtm(root @ cov2 @ root))
    expected = ((mean1 - mean2) ** 2).sum() + numpy.trace(cov1 + cov2 - 2 * cross)
    found = metrics.gaussian_w2(mean1, cov1, mean2, cov2)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-8)
    assert found == pytest.approx(metrics.gaussian_w2(mean2, cov2, mean1, cov1), rel=1e-9)


def test_w2_of_commuting_covariances_has_a_closed_form():
    rng = numpy.random.default_rng(1)
    rotation = numpy.linalg.qr(rng.normal(size=(6, 6)))[0]
    values1, values2 = rng.uniform(0, 9, (2, 6))
    values1[0] = values2[1] = 0  # singular ones are Gaussians, too
    cov1, cov2 = (rotation * values @ rotation.T for values in (values1, values2))
    expected = ((values1**0.5 - values2**0.5) ** 2).sum() + 6 * 0.25
    found = metrics.gaussian_w2(numpy.zeros(6), cov1, numpy.full(6, 0.5), cov2)
    assert found == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize('scale', [1e-8, 1, 1e8])
def test_w2_of_a_gaussian_to_itself_is_zero(scale):
    mean, cov = random_gaussian(numpy.random.default_rng(2), 40, rank=7)
    assert 0 <= metrics.gaussian_w2(mean, scale * cov, mean, scale * cov) < 1e-11 * scale


def test_w2_takes_mxnets_arrays():
    eye = np.eye(2)
    assert metrics.gaussian_w2(np.zeros(2), eye, np.array([3, 4]), 4 * eye) == pytest.approx(27)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'cov1': [[1, 2], [0, 1]]}, r'`cov1` has shape \(2, 2\); it must be a symmetric matrix'),
        ({'cov2': [1, 2]}, r'`cov2` has shape \(2,\); it must be a symmetric matrix'),
        ({'cov2': [[1, 0], [0, -1]]}, '`cov2` has the eigenvalue -1; it must have none below 0'),
        ({'mean1': [0, 0, 0]}, r'have shapes \(3,\), \(2, 2\), \(2,\), \(2, 2\); they must be'),
        ({'mean2': [0, math.nan]}, '`mean2` has NaN or infinity'),
        ({'cov1': [[math.inf, 0], [0, 1]]}, '`cov1` has NaN or infinity'),
    ],
)
def test_w2_refuses_what_is_no_gaussian(change, message):
    unit = {'mean1': [0, 0], 'cov1': numpy.eye(2), 'mean2': [0, 0], 'cov2': numpy.eye(2)}
    with pytest.raises(ValueError, match=message):
        metrics.gaussian_w2(**{**unit, **change})


@pytest.mark.parametrize('sizes', [(2,), (3,), (5, 3)])
@pytest.mark.parametrize('use_bias', [True, False])
def test_an_affine_generators_gaussian_is_that_of_its_samples(sizes, use_bias):
    mx.random.seed(4)
    net_G = nn.Sequential()
    net_G.add(*(nn.Dense(size, use_bias=use_bias) for size in sizes))
    net_G.initialize(mx.init.Normal(0.7))
    samples = net_G(np.random.normal(size=(200_000, 2))).asnumpy()
    for layer in net_G if use_bias else ():
        layer.bias.set_data(np.random.normal(size=layer.bias.shape))
    if use_bias:
        samples = net_G(np.random.normal(size=(200_000, 2))).asnumpy()
    mean, cov = metrics.affine_gaussian(net_G)
    assert numpy.allclose(mean, samples.mean(axis=0), atol=0.02)
    assert numpy.allclose(cov, numpy.cov(samples.T), atol=0.03)


def test_a_single_layer_is_an_affine_generator_too():
    layer = nn.Dense(2)
    layer.initialize(mx.init.One())
    layer(np.zeros((1, 3)))
    mean, cov = metrics.affine_gaussian(layer)
    assert mean.tolist() == [0, 0]
    assert cov.tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize('layers', [[], [nn.Dense(2, activation='tanh')], [nn.BatchNorm()]])
def test_a_generator_that_is_not_affine_is_refused(layers):
    net_G = nn.Sequential()
    net_G.add(*layers)
    net_G.initialize()
    with pytest.raises(ValueError, match='(?s)`net_G` has the layer .*must be Dense without activ'):
        metrics.affine_gaussian(net_G)


# ---- Digits: densities and distances ---------------------------------------------------------


def image_like(rng, num, dims=784):
    return rng.uniform(0, 1, (num, dims)).astype('float32') * (rng.random((num, dims)) < 0.2)


def kernel_density(sigma, points):
    # scikit-learn's default, a k-d tree, is off by thousands of nats in 784 dimensions.
    return KernelDensity(bandwidth=sigma, algorithm='ball_tree').fit(points)


@pytest.mark.parametrize('sigma', [0.1, 0.215, 1.0])
def test_log_density_is_that_of_scikit_learn(sigma):
    rng = numpy.random.default_rng(5)
    points, rows = image_like(rng, 300), image_like(rng, 70)
    rows[:5] = points[:5] + rng.normal(0, 0.05, (5, 784)).astype('float32')
    expected = kernel_density(sigma, points).score_samples(rows)
    found = metrics.log_density(rows, points, [sigma, 2 * sigma])
    assert found.shape == (2, 70)
    assert numpy.abs(found[0] - expected).max() < 0.01
    assert abs(found[0].mean() - expected.mean()) < 0.001


def test_parzen_follows_the_protocol_step_by_step():
    rng = numpy.random.default_rng(6)
    samples, validation, test = (image_like(rng, num, 6) for num in (200, 1500, 400))
    sigmas = 10 ** (numpy.arange(10) / 9 - 1)
    means = [
        kernel_density(sigma, samples).score_samples(validation[:1000]).mean() for sigma in sigmas
    ]
    best = sigmas[int(numpy.argmax(means))]
    density = kernel_density(best, samples).score_samples(test)
    nats, error, sigma = metrics.parzen(samples, validation, test)
    assert sigma == pytest.approx(best)
    assert nats == pytest.approx(density.mean(), abs=1e-3)
    assert error == pytest.approx(density.std(ddof=1) / 20, rel=1e-3)


def test_parzen_of_one_sample_is_a_gaussian_density():
    point = numpy.full((1, 784), 0.5, 'float32')
    found = metrics.log_density(point + numpy.float32(0.1), point, [0.2])[0, 0]
    assert found == pytest.approx(-784 * (0.125 + math.log(0.2 * math.sqrt(2 * math.pi))), rel=1e-5)


@pytest.mark.parametrize('kind', ['images', 'noise', 'few dimensions'])
def test_nearest_is_the_smallest_of_all_distances(kind):
    rng = numpy.random.default_rng(7)
    rows, points = image_like(rng, 60), image_like(rng, 500)
    if kind == 'noise':  # everything is about equally far from it
        rows = rng.random(rows.shape).astype('float32')
    elif kind == 'few dimensions':
        rows, points = rows[:, 300:303].copy(), points[:, 300:303]
    rows[7] = points[123]
    found = metrics.nearest(rows, points)
    assert numpy.allclose(found, scipy.spatial.distance.cdist(rows, points).min(axis=1), rtol=1e-5)
    assert found[7] == 0


def test_nearest_finds_the_same_in_tiles_of_any_size(monkeypatch):
    rng = numpy.random.default_rng(9)
    rows, points = image_like(rng, 60), image_like(rng, 500)
    rows[7], rows[8] = points[499], points[0]
    found = []
    for tile in (7, 100, 1000):
        monkeypatch.setattr(metrics, 'TILE', tile)
        found.append(metrics.nearest(rows, points))
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()
    assert found[0][7] == found[0][8] == 0


@pytest.mark.parametrize(('title', 'tty', 'shown'), [
    ('nearest', True, True), (None, True, False), ('nearest', False, False),
])  # fmt: skip
def test_what_takes_seconds_has_a_bar_in_a_terminal_alone(title, tty, shown, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return tty

    screen = Screen()
    monkeypatch.setattr(sys, 'stderr', screen)
    assert list(metrics._blocks(25, 10, title))[-1] == slice(20, 30)
    assert ('nearest: ' in screen.getvalue()) == shown
    assert not screen.getvalue().strip() or shown


# ---- Digits: what a classifier says ----------------------------------------------------------


def test_classifier_score_is_ten_for_sure_even_digits_and_one_at_worst():
    even = numpy.tile(numpy.eye(10), (50, 1))
    assert metrics.classifier_score(even) == pytest.approx((10, 0))
    assert metrics.classifier_score(numpy.full((500, 10), 0.1)) == pytest.approx((1, 0))
    assert metrics.classifier_score(numpy.eye(10)[[4] * 500]) == pytest.approx((1, 0))


def test_classifier_score_is_exp_of_the_mean_divergence_in_each_split():
    rng = numpy.random.default_rng(8)
    probabilities = rng.dirichlet(numpy.full(10, 0.3), 1000)
    expected = [
        numpy.exp(numpy.mean([scipy.stats.entropy(row, part.mean(axis=0)) for row in part]))
        for part in probabilities.reshape(10, 100, 10)
    ]
    found = metrics.classifier_score(probabilities)
    assert found == pytest.approx((numpy.mean(expected), numpy.std(expected)), rel=1e-6)


def test_class_counts_of_even_few_and_single_digits():
    eye = numpy.eye(10)
    assert metrics.class_counts(numpy.tile(eye, (7, 1))) == ([7] * 10, 10, pytest.approx(0))
    counts, present, kl = metrics.class_counts(eye[[1] * 60])
    assert (counts[1], present, kl) == (60, 1, pytest.approx(math.log(10)))
    # 1 of 200 is less than 1 %, 2 of 200 are as much.
    assert metrics.class_counts(eye[[1] * 197 + [2] + [3] * 2])[1] == 2


def test_frechet_distance_of_features_is_that_of_their_gaussians():
    rng = numpy.random.default_rng(9)
    features = rng.normal(size=(400, 5)).astype('float32')
    assert metrics.frechet(features, features) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet(features, features + 2) == pytest.approx(20, rel=1e-5)
    variances = numpy.linalg.eigvalsh(numpy.cov(features.T.astype('float64')))
    assert metrics.frechet(features, 3 * features) == pytest.approx(
        4 * variances.sum() + 4 * (features.mean(axis=0) ** 2).sum(), rel=1e-5
    )


def test_a_stroke_twice_as_wide_and_half_as_dark_is_half_as_sharp():
    thin, wide = numpy.zeros((2, 1, 28, 28))
    thin[:, 4:24, 12:14], wide[:, 4:24, 11:15] = 1, 0.5
    ends = lambda width, dark: (2 * width + 40) * dark / (20 * width * dark)
    assert metrics.sharpness(thin) == pytest.approx(ends(2, 1))
    assert metrics.sharpness(wide) == pytest.approx(ends(4, 0.5))
    noise = numpy.random.default_rng(0).random((50, 784))
    assert metrics.sharpness(noise) == pytest.approx(2 * 27 / 28 * (1 / 3) / 0.5, rel=0.02)

"""Autoencoders learn on the loop of the games, and what is said of a likelihood is true."""

from d2l_gan import autoencoders, data
from d2l_gan.callbacks import Checkpoint

import numpy
import pytest
import scipy.stats
from mxnet import init, np, npx
from mxnet.gluon import nn
from sklearn.decomposition import PCA

npx.set_np()
SIGMA = 0.7


def networks(pixels=6, latent=2, hidden=8, twice=True):
    net_E, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_E.add(nn.Dense(hidden, activation='tanh'), nn.Dense(latent * (1 + twice)))
    net_G.add(nn.Dense(pixels), nn.Activation('sigmoid'))
    return net_E, net_G


def linear_data(num=2000):
    """Draw points of the plane in six dimensions, with noise of SIGMA around it."""
    rng = numpy.random.default_rng(3)
    points = rng.normal(size=(num, 2)) * [2, 1] @ rng.normal(size=(2, 6))
    return (points + SIGMA * rng.normal(size=(num, 6)) + 1).astype('float32')


class Exact(nn.HybridBlock):
    """The true posterior of a linear-Gaussian model, or one that is `off`."""

    def __init__(self, W, b, sigma, off=0.0):
        super().__init__()
        M = W.T @ W + sigma**2 * numpy.eye(W.shape[1])
        assert abs(M - numpy.diag(numpy.diag(M))).max() < 1e-5, 'independent codes'
        values = numpy.linalg.solve(M, W.T).T, b, numpy.log(sigma**2 / numpy.diag(M)) + off
        self.slope, self.b, self.log_var = (np.array(v, dtype='float32') for v in values)

    def forward(self, X):
        mean = np.dot(X - self.b, self.slope)
        return np.concatenate([mean, np.broadcast_to(self.log_var, mean.shape)], axis=1)


@pytest.fixture(scope='module')
def probabilistic_pca():
    """Return data, PCA, and its model as a linear decoder with codes that are independent."""
    X = linear_data()
    pca = PCA(2).fit(X)
    sigma = float(numpy.sqrt(pca.noise_variance_))
    W = pca.components_.T * numpy.sqrt(pca.explained_variance_ - sigma**2)
    net_G = nn.Dense(6)
    net_G.initialize()
    net_G(np.zeros((1, 2)))
    net_G.weight.set_data(np.array(W))
    net_G.bias.set_data(np.array(pca.mean_))
    return X[:500], pca, W, sigma, net_G


@pytest.mark.parametrize('k', [1, 7])
def test_with_the_true_posterior_bound_and_estimate_are_the_likelihood(probabilistic_pca, k):
    X, pca, W, sigma, net_G = probabilistic_pca
    net_E = Exact(W, pca.mean_, sigma)
    for found in autoencoders.likelihood(net_E, net_G, X, k, sigma):
        numpy.testing.assert_allclose(found, pca.score_samples(X), atol=2e-4)


def test_with_another_posterior_the_estimate_comes_nearer_from_below(probabilistic_pca):
    X, pca, W, sigma, net_G = probabilistic_pca
    net_E, truth = Exact(W, pca.mean_, sigma, off=1.0), pca.score(X)
    found = {k: autoencoders.likelihood(net_E, net_G, X, k, sigma) for k in (5, 50, 2000)}
    bounds = [bound.mean() for bound, _ in found.values()]
    gaps = [truth - estimate.mean() for _, estimate in found.values()]
    # KL(q || p) of two codes whose variance is e times too large: (e - 1 - 1) / 2 each.
    assert bounds == pytest.approx([truth - (numpy.e - 2)] * 3, abs=0.05)
    assert gaps[0] > gaps[1] > gaps[2] > -0.01 and gaps[2] < 0.01


def test_a_linear_vae_learns_the_likelihood_of_pca():
    X = linear_data()
    pca = PCA(2).fit(X)
    net_E, net_G = nn.HybridSequential(), nn.Dense(6)
    net_E.add(nn.Dense(4))
    sigma = float(numpy.sqrt(pca.noise_variance_))
    feed = data.Batches(X, 100)
    autoencoders.train(net_E, net_G, feed, 60, 0.1, 2, X, sigma=sigma, decay=True, seed=1)
    truth = pca.score(X)
    bound, estimate = (a.mean() for a in autoencoders.likelihood(net_E, net_G, X, 50, sigma))
    assert bound == pytest.approx(truth, abs=0.02)
    assert estimate == pytest.approx(truth, abs=0.005)
    assert bound < estimate < truth


def test_the_losses_are_their_closed_forms():
    net_E, net_G = networks()
    losses = autoencoders.Losses(net_E, net_G, True)
    losses.initialize(init.Normal(0.5))
    rng = numpy.random.default_rng(0)
    X = np.array((rng.random((5, 6)) < 0.4).astype('float32'))
    noise = np.array(rng.normal(size=(5, 2)).astype('float32'))
    reconstruction, divergence = (a.asnumpy() for a in losses(X, X, noise))
    mean, log_var = numpy.split(net_E(X).asnumpy(), 2, axis=1)
    p = net_G(np.array(mean + numpy.exp(log_var / 2) * noise.asnumpy())).asnumpy()
    expected = -numpy.where(X.asnumpy() == 1, numpy.log(p), numpy.log(1 - p)).sum(axis=1)
    numpy.testing.assert_allclose(reconstruction, expected, rtol=1e-4)
    drawn = rng.normal(size=(200_000, 5, 2)) * numpy.exp(log_var / 2) + mean
    ratio = (drawn**2 - (drawn - mean) ** 2 / numpy.exp(log_var) - log_var).sum(axis=2) / 2
    numpy.testing.assert_allclose(divergence, ratio.mean(axis=0), atol=0.02)


@pytest.mark.parametrize('variational', [False, True])
def test_gaussian_pixels_cost_their_squares_and_a_vae_s_their_density(variational):
    net_E, net_G = networks(twice=variational)
    losses = autoencoders.Losses(net_E, net_G, variational, SIGMA)
    losses.initialize(init.Normal(0.5))
    X, noise = np.ones((3, 6)), np.zeros((3, 2))
    code = np.split(net_E(X), 2, axis=1)[0] if variational else net_E(X)
    expected = scipy.stats.norm(net_G(code).asnumpy(), SIGMA).logpdf(1).sum(axis=1)
    constant = 0 if variational else 6 * numpy.log(SIGMA * (2 * numpy.pi) ** 0.5)
    found = losses(X, X, noise)[0].asnumpy()
    numpy.testing.assert_allclose(found, -expected - constant, rtol=1e-4)


def vae(num_epochs=2, callbacks=(), **changes):
    X = numpy.random.default_rng(0).random((64, 6)).astype('float32')
    settings = {'kind': 'vae', 'binarise': True, 'seed': 2, **changes}
    nets = networks(twice=settings['kind'] == 'vae')
    return autoencoders.train(
        *nets, data.Batches(X, 16), num_epochs, 0.01, 2, X, callbacks=callbacks, **settings
    )


@pytest.mark.parametrize('kind', autoencoders.KINDS)
def test_each_kind_learns_and_resumes_bit_for_bit(kind, tmp_path):
    changes = {'kind': kind, 'corruption': 0.3 * (kind == 'denoising')}
    whole = vae(4, **changes)
    vae(2, [Checkpoint(tmp_path)], **changes)
    again = vae(4, [Checkpoint(tmp_path, resume=True)], **changes)
    assert numpy.array_equal(whole.history.loss, again.history.loss)
    assert (whole.history.divergence[-1] > 0) == (kind == 'vae')
    assert whole.history.loss[-1] < whole.history.loss[0]
    assert whole.generate().shape == (100, 6)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'kind': 'sparse'}, "`kind` is 'sparse'; it must be one of 'plain', 'denoising' or 'vae'"),
        ({'corruption': 1}, r'`corruption` is 1; it must be in \[0, 1\)'),
        ({'sigma': 0.0}, r'`sigma` is 0.0; it must be finite and > 0'),
        ({'kind': 'plain', 'seed': -1}, '`seed` is -1; it must be an integer >= 0'),
    ],
)
def test_what_cannot_be_trained_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        vae(**change)


def test_networks_that_do_not_fit_are_named():
    X = numpy.zeros((8, 6), 'float32')
    feed = data.Batches(X, 4)
    with pytest.raises(ValueError, match='`latent_dim` is 3; it must be 2, which is what'):
        autoencoders.train(*networks(), feed, 1, 0.01, 3, X)
    with pytest.raises(ValueError, match=r'`net_G` makes \(2, 5\) of 2 codes; it must make \(2, 6'):
        autoencoders.train(*networks(pixels=5), feed, 1, 0.01, 2, X)
    with pytest.raises(ValueError, match='`sigma` is None; it must be given where `net_G` does no'):
        autoencoders.train(networks()[0], nn.Dense(6), feed, 1, 0.01, 2, X)
    with pytest.raises(ValueError, match='there is no probability of a grey pixel'):
        autoencoders.likelihood(*networks(), X + 0.5, 1)


def test_binarised_images_are_fixed_and_have_the_greys_as_their_means():
    X = numpy.full((4000, 3), [0.0, 0.25, 1.0], 'float32')
    drawn = autoencoders.binarised(X, seed=1)
    assert numpy.array_equal(drawn, autoencoders.binarised(X, seed=1))
    assert drawn.mean(axis=0) == pytest.approx([0, 0.25, 1], abs=0.03)
    assert set(numpy.unique(drawn)) == {0, 1}

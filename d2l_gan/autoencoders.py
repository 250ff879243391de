r"""Autoencoders, the older way: an encoder and a decoder learn together, on the games' own loop.

The decoder makes pictures of codes as a generator makes them of noise, so it plays as G, and
whatever draws with a generator draws with it: films, samples, checkpoints. The encoder plays as E.

A variational autoencoder (Kingma and Welling 2014; Rezende et al. 2014) has a prior for its codes,
$\mathbf{z} \sim N(0, I)$, and an encoder that answers with a Gaussian. It has a likelihood, which
its loss bounds and `likelihood` estimates.
"""

import math
from typing import Any, NamedTuple

from d2l_gan import check, devices
from d2l_gan.engines import Engine, NotFinite, adapter
from d2l_gan.game import Game, History
from d2l_gan.noise import NUM_FIXED, Noise, seeded
from d2l_gan.train import play

import numpy
from mxnet import autograd, init, np, npx
from mxnet.gluon import nn

KINDS = 'plain', 'denoising', 'vae'
ROWS = 5_000  # codes that are decoded at once


class Result(NamedTuple):
    """What a chapter's `run` returns: networks, `History`, and the content of scores.json."""

    net_E: Any
    net_G: Any
    history: History
    scores: dict


class Losses(nn.HybridBlock):
    """What each example costs: its reconstruction, and for a VAE the divergence of its code.

    Args:
        net_E: encoder; of a VAE it answers with mean and log variance, side by side.
        net_G: decoder.
        variational: whether the code is drawn.
        sigma: the standard deviation of Gaussian pixels around what net_G gives, known and the same
            for all; None for pixels that are 0 or 1, with the probabilities that net_G, which then
            ends in a sigmoid, gives.
    """

    def __init__(self, net_E, net_G, variational, sigma=None):
        super().__init__()
        self.net_E, self.net_G = net_E, net_G if sigma else net_G[:-1]
        self.variational, self.sigma = variational, sigma

    def hybrid_forward(self, F, X, seen, noise):
        """Return reconstruction and divergence in nats, (batch,) each.

        Args:
            X: what is to come out, (batch, ...).
            seen: what the encoder sees of it.
            noise: of the codes, (batch, latent_dim).
        """
        code, divergence = self.net_E(seen), F.np.sum(0 * noise, axis=1)
        if self.variational:
            mean, log_var = F.np.split(code, 2, axis=1)
            # The noise comes from outside, so that there is a gradient to mean and variance.
            code = mean + F.np.exp(log_var / 2) * noise
            # KL(N(m, v) || N(0, 1)) = (m^2 + v - log v - 1) / 2, summed over the code.
            parts = F.np.square(mean) + F.np.exp(log_var) - log_var - 1
            divergence = F.np.sum(parts, axis=1) / 2
        Y, X = F.npx.batch_flatten(self.net_G(code)), F.npx.batch_flatten(X)
        if self.sigma:
            parts = F.np.square((X - Y) / self.sigma) / 2
            if self.variational:  # else there is no likelihood, and the squares alone tell more
                parts = parts + log_scale(self.sigma)
        else:  # -log of sigmoid(Y) where X is 1, of 1 - sigmoid(Y) where it is 0
            parts = F.npx.activation(Y, act_type='softrelu') - X * Y
        return F.np.sum(parts, axis=1), divergence


def log_scale(sigma):
    """Return log(sigma sqrt(2 pi)), by which a Gaussian density is divided."""
    return math.log(sigma * math.sqrt(2 * math.pi))


class Autoencoding(Engine):
    """Update encoder and decoder by their common loss.

    Args:
        net_E, net_G, trainer_E, trainer_G: the players.
        losses: a `Losses`.
        corruption: share of the pixels that are 0 in what the encoder sees, in [0, 1).
        binarise: draw each pixel anew in each step, 1 with the probability that is its grey.
        device: the context on which everything lies.
    """

    columns = ('loss', 'reconstruction', 'divergence')

    def __init__(self, net_E, net_G, trainer_E, trainer_G, losses, corruption, binarise, device):
        super().__init__({'E': (net_E, trainer_E), 'G': (net_G, trainer_G)}, device)
        self.losses, self.corruption, self.binarise = losses, corruption, binarise
        self.kept = []
        losses.hybridize()

    def step(self, X, Z, condition=None):
        """Update both once; Z is the noise of the codes."""
        if self.binarise:
            X = np.random.uniform(size=X.shape, ctx=X.ctx) < X
            X = X.astype('float32')
        seen = X
        if self.corruption:
            seen = X * (np.random.uniform(size=X.shape, ctx=X.ctx) >= self.corruption)
        with autograd.record():
            reconstruction, divergence = self.losses(X, seen, Z)
            loss = reconstruction + divergence
        loss.backward()
        for _, trainer in self.players.values():
            trainer.step(len(X))
        self.kept.append((reconstruction, divergence))

    def read(self):
        """Return the means over an epoch's examples, in nats."""
        kept, self.kept = [[a.asnumpy() for a in step] for step in self.kept], []
        for number, step in enumerate(kept, 1):
            if not numpy.isfinite(step).all():
                raise NotFinite('loss', number, numpy.sum(step))
        parts = [float(numpy.concatenate(a).mean(dtype='float64')) for a in zip(*kept)]
        return dict(zip(self.columns, (sum(parts), *parts)))


def train(
    net_E, net_G, data_iter, num_epochs, lr, latent_dim, data, *, kind='vae', sigma=None,
    corruption=0.0, binarise=False, beta1=0.9, beta2=0.999, decay=False,
    initializer=init.Xavier(), seed=0, device=None, callbacks=(),  # noqa: B008
):  # fmt: skip
    """Train an autoencoder for `num_epochs` passes over `data_iter` and return its `Game`.

    Its columns are `loss`, in nats for each example, and its parts `reconstruction` and
    `divergence`, which is 0 but for kind='vae'.

    Args:
        net_E: encoder, of batches (batch, ...) -> (batch, latent_dim), or twice as wide for a VAE.
        net_G: decoder, (batch, latent_dim) -> (batch, ...).
        data_iter: as for `train.train`.
        num_epochs: passes over it.
        lr: learning rate of Adam, for both.
        latent_dim: width of the code.
        data: real examples to show, (n, ...).
        kind: 'plain', 'denoising' or 'vae'.
        sigma: as for `Losses`.
        corruption: share of the pixels that a denoising encoder does not see, in [0, 1).
        binarise: draw each pixel as 0 or 1 in each step.
        beta1, beta2: Adam's, in [0, 1).
        decay: let the rate fall to 0, linearly over the epochs.
        initializer: for both networks.
        seed: an int >= 0.
        device: see `devices.device`.
        callbacks: as for `train.train`.

    Raises:
        ValueError: before any work, for an argument that cannot be right.
    """
    npx.set_np()  # it is thread-local
    check.choice('kind', kind, KINDS)
    check.whole('num_epochs', num_epochs)
    check.whole('latent_dim', latent_dim)
    check.number('lr', lr, '(0, inf)')
    check.number('corruption', corruption, '[0, 1)')
    check.whole('seed', seed, least=0)
    check.rows('data', data, least=2)
    if sigma is not None:
        check.number('sigma', sigma, '(0, inf)')
    if sigma is None and not ends_in_sigmoid(net_G):
        check.fail('sigma', sigma, 'given where `net_G` does not end in a sigmoid')
    device = devices.device(device)
    noise, losses = Noise('normal', latent_dim, device), Losses(net_E, net_G, kind == 'vae', sigma)
    with seeded(seed, 0):
        for net in (net_E, net_G):
            net.initialize(initializer, force_reinit=True, ctx=device)
        X = np.array(data[:2], ctx=device)
        width = net_E(X).shape[1]
        if width != latent_dim * (1 + (kind == 'vae')):
            rule = f'{width // (1 + (kind == "vae"))}, which is what `net_E` gives'
            check.fail('latent_dim', latent_dim, rule)
        made = net_G(noise(2)).shape
        if made != X.shape:
            raise ValueError(f'`net_G` makes {made} of 2 codes; it must make {X.shape}')
        noise.forget()
    with seeded(seed, 0):  # again, now that all shapes are known
        for net in (net_E, net_G):
            net.initialize(initializer, force_reinit=True, ctx=device)
        fixed_Z = noise(NUM_FIXED).copy()
    trainers = [adapter.adam(net, lr, beta1, beta2) for net in (net_E, net_G)]
    game = Game(
        Autoencoding(net_E, net_G, *trainers, losses, corruption, binarise, device),
        data_iter, data, num_epochs, seed, {'E': lr, 'G': lr}, noise, fixed_Z,
        hyperparameters=dict(
            lr=lr, latent_dim=latent_dim, kind=kind, sigma=sigma, corruption=corruption,
            binarise=binarise, beta1=beta1, beta2=beta2, decay=decay, seed=seed,
            num_epochs=num_epochs, prior='normal', batch=getattr(data_iter, 'batch_size', None),
        ),
    )  # fmt: skip
    play(game, list(callbacks))
    return game


def ends_in_sigmoid(net):
    """Return whether the last layer of a Sequential is a sigmoid by itself."""
    last = net[-1] if isinstance(net, nn.HybridSequential) and len(net) else None
    return isinstance(last, nn.Activation) and last._act_type == 'sigmoid'


def reconstruct(net_E, net_G, X):
    """Return what comes out for X, by the mean of the code if there is a distribution of it."""
    code = net_E(X)
    return net_G(code if ends_alike(net_G, code, X) else np.split(code, 2, axis=1)[0])


def ends_alike(net_G, code, X):
    """Return whether a decoder takes codes of this width."""
    first = next(p for p in net_G.collect_params().values() if p.shape)
    return first.shape[-1] == code.shape[1]


def likelihood(net_E, net_G, X, k, sigma=None, seed=0):
    r"""Return the bound and the importance-weighted estimate of log p(x) for each row, in nats.

    With $k$ codes $z_j$ from the encoder's $q(z|x)$ and $w_j = p(x, z_j) / q(z_j | x)$ the bound is
    the mean of $\log w_j$, and the estimate is $\log \frac{1}{k} \sum_j w_j$ (Burda et al. 2016).
    Both are below $\log p(x)$ in the mean; the estimate comes nearer as k grows, and for k = 1 they
    are the same. Both are densities of pixels that are 0 or 1 (or, with `sigma`, Gaussian): of grey
    pixels they are no likelihood at all.

    Args:
        net_E, net_G: a VAE's.
        X: (n, ...).
        k: codes for each row.
        sigma: as for `Losses`.
        seed: of the codes.

    Returns:
        Two arrays (n,), float64.
    """
    rows, k = numpy.asarray(X, 'float32'), check.whole('k', k)
    if sigma is None and not numpy.isin(rows, (0, 1)).all():
        check.fail('X', 'grey', '0 or 1: there is no probability of a grey pixel here')
    decode, rng = net_G if sigma else net_G[:-1], numpy.random.default_rng(seed)
    decode.hybridize()
    mean, log_var = numpy.split(net_E(np.array(rows)).asnumpy(), 2, axis=1)
    flat, at_once = rows.reshape(len(rows), -1), max(1, ROWS // k)
    bounds, estimates = [], []
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        logs = []
        for first in range(0, k, ROWS):
            num = min(ROWS, k - first)
            shape = num, *mean[part].shape
            noise = rng.standard_normal(shape, 'float32')
            Z = mean[part] + numpy.exp(log_var[part] / 2) * noise
            ratio = (noise**2 - Z**2 + log_var[part]).sum(axis=2, dtype='float64') / 2
            Y = decode(np.array(Z.reshape(-1, shape[-1]))).asnumpy().reshape(*shape[:2], -1)
            logs.append(log_pixels(flat[part], Y, sigma) + ratio)
        logs = numpy.concatenate(logs)  # (k, rows)
        top = logs.max(axis=0)
        bounds.append(logs.mean(axis=0))
        estimates.append(top + numpy.log(numpy.exp(logs - top).mean(axis=0)))
    return numpy.concatenate(bounds), numpy.concatenate(estimates)


def log_pixels(X, Y, sigma=None):
    """Return log p(x | z), (k, n), for X, (n, pixels), and what the decoder gives, (k, n, pixels).

    Y is the logits of pixels that are 1, or with `sigma` their means.
    """
    if sigma:
        squares = numpy.square((X - Y) / numpy.float32(sigma)).sum(axis=2, dtype='float64')
        return -squares / 2 - X.shape[1] * log_scale(sigma)
    told = numpy.einsum('np,knp->kn', X, Y).astype('float64')
    size = numpy.abs(Y)
    softplus = (Y + size) / 2 + numpy.log(1 + numpy.exp(-size))
    return told - softplus.sum(axis=2, dtype='float64')


def binarised(X, seed=0):
    """Return images whose pixels are 1 with the probability that is their grey, drawn once.

    Published likelihoods of fixed-binarised MNIST are those of one file, by Larochelle and Murray
    2011. This is another draw with the same odds, and no copy of that file.

    Args:
        X: NumPy's, in [0, 1].
        seed: the same one, the same pixels.
    """
    drawn = numpy.random.default_rng(seed).random(numpy.shape(X), 'float32')
    return (drawn < X).astype('float32')

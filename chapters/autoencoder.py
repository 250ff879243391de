# %% [markdown]
r"""
# The older way

Before GANs, a network that was to draw learned to copy. This chapter builds three of its kind, a
plain autoencoder, a denoising one and a variational one, and sets them beside the games: the first
draws fog, and the last has what no GAN has, a likelihood.
"""

# %%
from pathlib import Path

from d2l_gan import autoencoders, check, data, files, latent, plots, scoring
from d2l_gan.autoencoders import Result
from d2l_gan.callbacks import Checkpoint, Estimate, Figure, Film, Generators, Progress, Samples
from d2l_gan.digits import NUM_SCORED, SHAPE, Digits, drawn, sample_digits
from d2l_gan.speak import tell

import numpy
from mxnet import np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## Learning to copy

An *encoder* squeezes an image $x$ into a short code $z$, a *decoder* makes an image of the code
again, and both minimise the squared error

$$\frac12 \sum_i (x_i - \hat x_i)^2, \qquad \hat x = G(E(x)).$$

The decoder makes images of codes, as a generator makes them of noise. So it is called `net_G` here,
and all that works with a generator works with it: the same loop, the same checkpoints, pictures and
films. The encoder is the other player, and for once both want the same.

The codes of a plain autoencoder lie wherever they like. Here the encoder ends by giving each number
of the code the mean 0 and the variance 1 over a batch, so that noise from $N(0, I)$ is at least as
large as a code, and decoding it is a fair trial.
"""


# %%
def networks(kind, latent_dim, hidden=400):
    """Return net_E and net_G for images of 784 numbers.

    Args:
        kind: 'plain', 'denoising' or 'vae', whose encoder gives means and log variances.
        latent_dim: width of the code.
        hidden: units in each of the two hidden layers of either.
    """
    net_E, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_E.add(nn.Dense(hidden, activation='relu'), nn.Dense(hidden, activation='relu'))
    if kind == 'vae':
        net_E.add(nn.Dense(2 * latent_dim))
    else:
        net_E.add(nn.Dense(latent_dim), nn.BatchNorm(scale=False, center=False))
    net_G.add(
        nn.Dense(hidden, activation='relu'),  # (batch, latent_dim) -> (batch, 400)
        nn.Dense(hidden, activation='relu'),
        nn.Dense(784),
        nn.Activation('sigmoid'),
    )
    return net_E, net_G


# %% [markdown]
r"""
**A denoising autoencoder** (Vincent et al., 2008) is shown the image with half of its pixels erased
and is asked for all of it. Copying no longer helps: it has to know what goes with what.

## A code that is drawn

A *variational* autoencoder (Kingma and Welling, 2014) starts from the other end, with a story of
how an image comes about: draw a code $z$ from $p(z) = N(0, I)$, then each pixel from $p(x \mid z)$,
which the decoder gives. The likelihood of an image is then

$$p(x) = \int p(x \mid z)\, p(z)\, dz,$$

and nobody can do this integral: for nearly all $z$ the first factor is as good as 0. But a guess
helps, a distribution $q(z \mid x)$ of codes that might have made $x$. For *any* $q$

$$\log p(x) = \log E_{q} \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \ge
E_{q} \log \frac{p(x \mid z)\, p(z)}{q(z \mid x)} =
\underbrace{E_{q} \log p(x \mid z)}_{\text{reconstruction}} -
\underbrace{\mathrm{KL}(q(z \mid x) \,\|\, p(z))}_{\text{divergence}},$$

because the logarithm is concave (Jensen). That is the *bound*, and training raises it. What it
lacks to the truth is $\mathrm{KL}(q(z \mid x) \| p(z \mid x))$: write $p(x \mid z) p(z) = p(z \mid
x) p(x)$ into the last but one to see it.

The encoder gives $q$: a Gaussian with means $m$ and variances $v$, one of each per number of the
code. Then the divergence has a closed form, and needs no sampling:

$$\mathrm{KL}(N(m, v) \,\|\, N(0, 1)) = \tfrac12 \sum_j (m_j^2 + v_j - \log v_j - 1).$$

The reconstruction does need a $z$ from $q$, and one is enough. But how does a gradient get through
a drawing of lots? Draw the noise outside, $\varepsilon \sim N(0, I)$, and let

$$z = m + \sqrt{v}\, \varepsilon.$$

Now $z$ is an ordinary function of $m$ and $v$. This is the *reparameterisation*, and the noise is
the `Z` that a game hands its generator: here it is handed to the encoder.

The divergence pulls all codes towards $N(0, I)$. That is the point: noise from there is no longer a
fair trial, but what the decoder was made for.

## Black and white

A likelihood needs pixels that something gives a probability to. Those of MNIST are grey, but nearly
black or white, and the custom is to take a grey for the probability of ink and to throw a coin for
each pixel. In training the coins are thrown anew in each step; for the test they are thrown once
and for all (`autoencoders.binarised`, seed 0), so that numbers can be compared. Put grey pixels
into the same formula and out comes a number, too, ten nats better than the best of models, and no
likelihood: a repository with 77.3 nats did just that. `autoencoders.likelihood` refuses them.
"""

# %%
USUAL = {
    'plain': {'num_epochs': 10, 'lr': 0.001, 'latent_dim': 2, 'corruption': 0.0},
    'denoising': {'num_epochs': 10, 'lr': 0.001, 'latent_dim': 32, 'corruption': 0.5},
    'vae': {'num_epochs': 80, 'lr': 0.0015, 'latent_dim': 40, 'corruption': 0.0},
}


def in_nats(net_E, net_G, source, k=5000, few=200):
    """Return bound and estimates of -log p of the test images, black and white, in nats.

    Args:
        source: 'mnist' or 'digits'.
        k: codes for each of `few` images; all have 50.
        few: as many.

    Returns:
        {'bound', 'nll_50', 'nll', 'nll_se'}; the last is the standard error of nll - nll_50.
    """
    X = autoencoders.binarised(data.images(source, 'test')[0].asnumpy())
    bounds, with_50 = autoencoders.likelihood(net_E, net_G, X, 50)
    gain = autoencoders.likelihood(net_E, net_G, X[:few], k, seed=1)[1] - with_50[:few]
    return {
        'bound': -float(bounds.mean()), 'nll_50': -float(with_50.mean()),
        'nll': -float(with_50.mean() + gain.mean()),
        'nll_se': float(gain.std() / len(gain) ** 0.5),
    }  # fmt: skip


def run(
    kind='vae', num_epochs: int = None, batch_size=100, lr: float = None, latent_dim: int = None,
    hidden=400, corruption: float = None, decay=True, codes=5000, data='auto',
    num_examples: int = None, score=True, seed=0, device=None, out=None, show=False, film=True,
    resume=False, callbacks=(),
):  # fmt: skip
    """Train an autoencoder on digits; return net_E, net_G, history and scores.

    Writes pictures, film, samples, generators and scores.json under `out`.

    Args:
        kind: plain, denoising or vae.
        num_epochs: passes over MNIST; by default 10, for a vae 80.
        batch_size: digits in a step.
        lr: learning rate of both networks; by default 0.001, for a vae 0.0015.
        latent_dim: width of the code; by default 2 for plain, 32 for denoising, 40 for a vae.
        hidden: units in each hidden layer.
        corruption: share of the pixels that the encoder does not see, in [0, 1); by default 0.5 for
            denoising, else 0.
        decay: let the learning rate fall to 0 over the epochs.
        codes: drawn for each image in the last estimate of a vae's likelihood.
        data: mnist, digits (1,797 that come with scikit-learn), or auto for MNIST where it can be
            had.
        num_examples: train on so many digits only.
        score: at the end, score 10,000 new digits, and for a vae the likelihood.
        seed: of the weights, the noise and the order of the batches; with --sample, of the digits.
        device: cpu, gpu or gpu(1); by default the first GPU if there is one.
        out: directory for all that is written; by default build/autoencoder and the kind.
        show: open a window with the live figure.
        film: draw up to 60 epochs and write training.gif; without, training.png alone.
        resume: go on from the last checkpoint under `out`.
        callbacks: more callables that are handed the game after each epoch.
    """
    check.choice('kind', kind, autoencoders.KINDS)
    given = dict(num_epochs=num_epochs, lr=lr, latent_dim=latent_dim, corruption=corruption)
    chosen = {**USUAL[kind], **{name: value for name, value in given.items() if value is not None}}
    out = directory(kind) if out is None else Path(out)
    real, panel = Digits(data, num_examples=num_examples), plots.draw_pictures(shape=SHAPE)
    nets = networks(kind, chosen['latent_dim'], hidden)
    game = autoencoders.train(
        *nets, real.batches(batch_size, device=device), data=real.X[:100], kind=kind,
        sigma=None if kind == 'vae' else 1.0, binarise=kind == 'vae', decay=decay, seed=seed,
        device=device, **chosen,
        callbacks=[
            Progress(), Estimate(), Figure(out, panel, real.title, show),
            Film(out if film else None, panel, real.title),
            Samples(out, shape=SHAPE, title=real.title), Generators(out), *callbacks,
            Checkpoint(out, resume, also=['copies.png', 'codes.png', 'walk.gif']),
        ],
    )  # fmt: skip
    plots.save(show_copies(*nets, real.source, chosen['corruption']), out / 'copies.png')
    history = game.history
    scores = {'data': real.source, 'kind': kind, **copying(*nets, real.source)}
    if score:
        tell(f'Scoring {NUM_SCORED:,} new digits.')
        scores.update(scoring.digit_scores(drawn(out, NUM_SCORED, 'unit', seed)[0], real.source))
        tell(scoring.table(scores))
    if score and kind == 'vae':
        scores.update(in_nats(*nets, real.source, codes))
        tell('bound {bound:.2f}, estimate {nll:.2f} nats ({nll_50:.2f} with 50 codes)'.format(
            **scores))  # fmt: skip
    scores.update(loss=history.loss[-1], epochs=len(history), seed=seed, stopped=history.stopped,
                  versions=files.versions())  # fmt: skip
    files.write_json(out / 'scores.json', scores)
    return Result(*nets, history, scores)


def directory(kind):
    """Return where a run of this kind writes."""
    return files.output_dir('autoencoder') / kind


def copying(net_E, net_G, source):
    """Return {'reconstruction': squared error of a test image, summed over its pixels}."""
    X = data.images(source, 'test')[0]
    copies = autoencoders.reconstruct(net_E, net_G, X)
    return {'reconstruction': float(((copies - X) ** 2).sum(axis=1).mean())}


def show_copies(net_E, net_G, source, corruption=0.0, columns=10):
    """Return a figure of test images, what the encoder sees of them, and what comes out."""
    X = data.images(source, 'test')[0][:columns]
    kept = numpy.random.default_rng(0).random(X.shape) >= corruption
    seen = X * np.array(kept, dtype='float32')
    rows = [X, seen, autoencoders.reconstruct(net_E, net_G, seen)]
    rows = rows if corruption else rows[::2]
    return plots.view_samples(np.concatenate(rows), len(rows), columns, shape=SHAPE)


# %%
if __name__ == '__main__':
    plain = run(kind='plain', score=False, out='build/autoencoder/plain')
    plots.show(show_copies(*plain[:2], plain.scores['data']))

# %% [markdown]
r"""
Two numbers are little for a digit. A 0 and a 1 come back, but a 4 comes back as a 9. On the other
hand, two numbers can be drawn: each test digit at its code. Nobody has told the encoder what the
digits are, and yet they lie in heaps.
"""


# %%
def show_codes(net_E, source, num=2000):
    """Return a figure of the codes of test images, of two numbers, in colours by digit."""
    X, labels, _ = data.images(source, 'test')
    codes, shown = net_E(X[:num]).asnumpy()[:, :2], labels[:num].asnumpy()
    fig = plots.Picture(figsize=(5, 4))
    axes = fig.subplots()
    for digit in range(10):
        axes.scatter(*codes[shown == digit].T, s=6, label=str(digit), color=f'C{digit}')
    axes.legend(markerscale=2, loc='center left', bbox_to_anchor=(1, 0.5))
    axes.set(xlabel='first number of the code', ylabel='second')
    return fig


# %%
if __name__ == '__main__':
    plots.show(show_codes(plain.net_E, plain.scores['data']))

# %% [markdown]
r"""
## Fog

Now feed the decoder noise. Between the heaps lie codes that belong to no digit; there the decoder
has never been asked for anything, and mixes what lies around. And where a code leaves open whether
a stroke goes a pixel further left or right, the least squared error is made by the mean of the two:
a stroke that is grey and twice as wide. With 32 numbers the copies become sharp, but nearly all of
that space is empty, and what noise draws has strokes and is no digit.
"""


# %%
def fog(net_G, latent_dim, seed=0, side=4):
    """Return a figure of what a decoder makes of noise."""
    Z = numpy.random.default_rng(seed).normal(size=(side**2, latent_dim))
    return plots.view_samples(net_G(np.array(Z, dtype='float32')), side, side, shape=SHAPE)


# %%
if __name__ == '__main__':
    plots.show(fog(plain.net_G, 2))
    denoising = run(kind='denoising', score=False, out='build/autoencoder/denoising')
    plots.show(show_copies(*denoising[:2], denoising.scores['data'], corruption=0.5))
    plots.show(fog(denoising.net_G, 32))

# %% [markdown]
r"""
## How likely are the test images?

A GAN cannot say. A VAE can say "at least so likely", by its bound. And it can do better, by the
*importance-weighted* estimate (Burda et al., 2016). Draw $k$ codes from the encoder and weigh each
by how much more likely it is under the story than under the encoder,

$$w_j = \frac{p(x \mid z_j)\, p(z_j)}{q(z_j \mid x)}, \qquad
\log p(x) \approx \log \frac1k \sum_{j=1}^k w_j.$$

The mean of the weights is right, $E\, w_j = p(x)$; its logarithm is too small in the mean, by
Jensen once more, but by less and less as $k$ grows. For $k = 1$ it is the bound. So there are three
numbers for one model, and whoever quotes one has to say which. Here `bound` is that of one code,
`nll_50` the estimate with 50 for each of the 10,000 test images, and `nll` the one with 5,000: it
is measured on 200 images, as the difference that it makes to 50, which varies little from one image
to the next. All are those of $-\log p$, in nats, so that less is better.

`make chapter-autoencoder` on MNIST, ten minutes of one hardware thread: the bound is 93.5, the
estimate 90.0 with 50 codes and 89.0 ± 0.1 with 5,000. With `--num-epochs 360`, 45 minutes, they are
92.3, 88.6 and 87.5 ± 0.1: the grey digits are thrown anew in each step, so a long training still finds
something new. Published, for one layer of codes and thousands of epochs: 87.6 (with a training on
five weighted codes). That
is for test images that were made black and white in one published file; ours are thrown by a seed
of our own, with the same odds, and the two differ by chance alone.

How does one know that such a program is right? There is a VAE whose likelihood is known: linear
networks and Gaussian pixels make *probabilistic PCA*, and scikit-learn's `PCA.score` computes that
exactly. With the true posterior for an encoder, bound and estimate are within 0.0002 nats of it for
every row; trained from scratch, a linear VAE has its bound within 0.02 nats and its estimate within
0.005 (`tests/test_autoencoders.py`).
"""

# %% [markdown]
r"""
## Noise that is a code

The variational one. Its copies are no sharper, but noise is now what its decoder was trained on.

Here, ten of the 80 epochs, to see it run. `make chapter-autoencoder` takes all of them.
"""

# %%
if __name__ == '__main__':
    vae = run(kind='vae', num_epochs=10, out='build/autoencoder/vae')
    plots.show(fog(vae.net_G, 40))


# %%
def sample(num=16, seed=0, kind='vae', device=None, out=None):
    """Draw so many new digits with the newest decoder under `out`, without training."""
    out = directory(kind) if out is None else out
    return sample_digits(num, 'autoencoder', seed=seed, device=device, out=out)


# %% [markdown]
r"""
And the way from one digit to the next, straight through the codes of real ones, is a way through
digits. (In a notebook there are sliders.)
"""

# %%
if __name__ == '__main__':
    X = data.images(vae.scores['data'], 'test')[0][:6]
    Z = np.split(vae.net_E(X), 2, axis=1)[0]
    latent.play(vae.net_G, Z.asnumpy(), 'build/autoencoder/vae/walk.gif', shape=SHAPE)

# %%
if __name__ == '__main__':
    tell('bound {bound:.1f}, estimate {nll:.1f} nats'.format(**vae.scores))

# %% [markdown]
r"""
## Side by side

`make scores ARGS=families` trains two autoencoders and the GANs of the chapters before on the same
50,000 digits, and puts 10,000 samples of each to the same questions. No question is
neutral. *Parzen windows* favour fog: a blurred digit is near to many real ones. The *classifier
score* favours whatever is surely some digit, also ten of them for ever. *Sharpness*, how much pixels
differ from their neighbours for the ink there is, favours noise. *Fréchet distance* sees means and
covariances only. *Copies* are asked for by none of the others. And a *likelihood* can be had of the
variational autoencoder alone.

| 10,000 samples | Parzen, nats | Fréchet distance | classifier score | sharpness | memorised | by search |
| --- | --- | --- | --- | --- | --- | --- |
| autoencoder | 136 | 352.3 | 4.27 | 0.62 | 0 % | 43.1 |
| variational autoencoder | 253 | 57.0 | 7.13 | 0.87 | 8 % | 7.0 |
| GAN, vanilla | 158 | 92.2 | 5.90 | 0.88 | 11 % | 16.1 |
| GAN, leaky | 152 | 64.9 | 6.31 | 0.99 | 8 % | 19.2 |
| GAN, deep | 215 | 29.4 | 7.82 | 0.93 | 2 % | 21.5 |
| GAN, convolutional | 201 | 1.8 | 9.51 | 0.98 | 6 % | 111.0 |
| real digits | 241 | 0.8 | 9.73 | 0.98 | 0 % | |

One run of each chapter's defaults, seed 0; the plain autoencoder has a code of two numbers. By Parzen
windows the variational one beats every game *and the real digits*, which tells you about Parzen windows;
by the Fréchet distance it stands between the games with one hidden layer and the deep one. Look at a row
of digits of each (the book's page on scores has them) to see which of the two has an eye for fog. Blur
alone moves the share of "memorised" by up to 6 points. The last column is the next section's.

## What a generator cannot draw

A GAN has no encoder, so it cannot copy. But one can *search* for a code: start anywhere, and follow
the gradient of the squared error with respect to $z$, through a generator that stands still.
`latent.invert` does. For a VAE the search shows something else: whether the encoder, which answers
at once, leaves much on the table.
"""


# %%
def inverted(net_G, source, latent_dim, num=100, steps=300, seed=0, told=False, shown=10):
    """Return a figure of test digits above net_G's nearest, the worst first, and the mean error.

    Args:
        net_G: callable, noise -> digits in [0, 1]; a saved generator, too.
        source: 'mnist' or 'digits'.
        latent_dim: width of its noise.
        num: how many digits.
        steps: of the search.
        seed: of its start.
        told: whether net_G is told the digit, too.
        shown: how many are in the figure.
    """
    X, labels, _ = data.images(source, 'test')
    X, more = X[:num], [labels[:num].astype('float32')] if told else []
    start = numpy.random.default_rng(seed).normal(size=(num, latent_dim)).astype('float32')
    draw = lambda Z: net_G(Z, *more).reshape((num, -1))
    Z, errors = latent.invert(draw, X, start, steps)
    worst = numpy.argsort(-errors)[:shown]
    found = [a.asnumpy()[worst] for a in (X, draw(np.array(Z)))]
    return plots.view_samples(numpy.concatenate(found), 2, shown, shape=SHAPE), float(errors.mean())


# %%
if __name__ == '__main__':
    figure, error = inverted(vae.net_G, vae.scores['data'], 40)
    plots.show(figure)
    tell(f'by search {error:.1f}, by the encoder {vae.scores["reconstruction"]:.1f}')

# %% [markdown]
r"""
After all 80 epochs, over 100 test digits, the squared error is 7.0 for the variational one by search from a
random start; the encoder, which answers at once, has 6.8 over all 10,000: the search gets stuck where the
encoder knows better. The conditional GAN of the chapter before, told the digit (`told=True`, width 100),
comes to 8.7: it draws digits that look more like digits, but fewer of *all* digits. What it misses is in
the picture of the worst: a two with a flourish, a narrow nine, whatever few people write. To a score of
samples that is invisible, since what is never drawn is never scored.

A search is only as good as its gradient. The convolutional generator comes out worst of all in the table,
and draws best: its noise has islands, no gradient leads from one to another, and a search that starts on
an island of ones looks for its eight there.
"""

# %% [markdown]
r"""
## Summary

- An autoencoder learns to copy through a narrow code. Its decoder draws fog from noise, because
  noise is no code of anything.
- A variational autoencoder draws its codes, and pays for each that differs from $N(0, I)$. Its loss
  is a bound on $-\log p(x)$.
- The reparameterisation moves the randomness out of the way of the gradient.
- Bound and importance-weighted estimate are different numbers; both need pixels that are 0 or 1.
- A decoder is a generator. Loop, checkpoints, films and scores are those of the games.

## Exercises

1. Check the closed form of the divergence by drawing.

   <details><summary>Solution</summary>

   $\mathrm{KL}$ is the mean of $\log q(z) - \log p(z)$ over $z$ from $q$.

   ```python
   m, v = 0.7, 0.3
   z = m + v**0.5 * numpy.random.default_rng(0).normal(size=1_000_000)
   log_q = -((z - m) ** 2) / (2 * v) - numpy.log(v) / 2
   log_p = -(z**2) / 2
   assert abs((log_q - log_p).mean() - (m**2 + v - numpy.log(v) - 1) / 2) < 0.01
   ```

   </details>

2. Why does the encoder give the *logarithm* of the variances?

   <details><summary>Solution</summary>

   A network's output is any number, and so is a logarithm; a variance must be positive. And the
   divergence has its least at $\log v = 0$, with the slope $(v - 1) / 2$, which is gentle around
   there.

   ```python
   log_v = np.array([-3.0, 0.0, 2.0])
   log_v.attach_grad()
   from mxnet import autograd

   with autograd.record():
       divergence = ((np.exp(log_v) - log_v - 1) / 2).sum()
   divergence.backward()
   assert np.abs(log_v.grad - (np.exp(log_v) - 1) / 2).max() < 1e-6
   ```

   </details>

3. Show that the estimate with one code is the bound, and that more codes raise it.

   <details><summary>Solution</summary>

   With $k = 1$ the logarithm of the mean is the mean of the logarithm.

   ```python
   net_E, net_G = networks('vae', 2, hidden=8)
   for net in (net_E, net_G):
       net.initialize()
   X = autoencoders.binarised(data.images('digits', 'test')[0].asnumpy()[:50])
   bound, estimate = autoencoders.likelihood(net_E, net_G, X, 1)
   assert numpy.allclose(bound, estimate)
   bound, estimate = autoencoders.likelihood(net_E, net_G, X, 50)
   assert (estimate >= bound).all()
   ```

   </details>

4. Somebody reports 77 nats for grey pixels. What does `likelihood` say?

   <details><summary>Solution</summary>

   That there is no such thing: $p^x (1 - p)^{1 - x}$ is a probability for $x$ in $\{0, 1\}$ only. It
   does not integrate to 1 over the greys.

   ```python
   net_E, net_G = networks('vae', 2, hidden=8)
   try:
       autoencoders.likelihood(net_E, net_G, data.images('digits', 'test')[0][:5].asnumpy(), 1)
   except ValueError as error:
       assert 'no probability of a grey pixel' in str(error)
   else:
       raise AssertionError
   ```

   </details>

5. Train the plain one for a moment with a code of 1 and of 16 numbers. Which copies better?

   <details><summary>Solution</summary>

   The wider code; what it draws of noise is another question.

   ```python
   quick = {'num_epochs': 3, 'num_examples': 512, 'data': 'digits', 'hidden': 64, 'score': False}
   errors = [
       run(kind='plain', latent_dim=width, film=False, out=out / str(width), **quick).scores
       for width in (1, 16)
   ]
   assert errors[1]['reconstruction'] < errors[0]['reconstruction']
   ```

   </details>

Autoencoders are not in the book; its section on GANs is [20.1, Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/gan.html).
"""

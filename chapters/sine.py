# %% [markdown]
r"""
# Painting a curve, and which loss to choose

A generator learns to paint one period of a sine from five random numbers. Each example is a curve
of 16 points, so you can watch the picture become right while the game is played.

The example goes back to a tutorial for PyTorch that plays the *minimax* game of the theory, not the
game of the textbook. So it is the place to ask what every learner of GANs asks: which loss, and
why? We measure it: on this curve, on a richer family of curves, and on the Gaussian of the chapter
before.
"""

# %% [markdown]
r"""
## The game of the theory

Read $D(\mathbf{x})$ as a probability in this chapter: the sigmoid $\sigma(o)$ of the logit $o$ that
the network gives. The two players fight over one number,

$$V(D, G) = \mathbb{E}_{\mathbf{x}} \log D(\mathbf{x}) +
\mathbb{E}_{\mathbf{z}} \log\bigl(1 - D(G(\mathbf{z}))\bigr),$$

which $D$ wants high and $G$ wants low. $D$ descends $-V$. $G$ has no say in the first term, so it
descends the second, $\log(1 - D(G(\mathbf{z})))$.

**Logarithms of a sigmoid.** Code that computes $\sigma(o)$ first and its logarithm afterwards
breaks: in single precision $1 - \sigma(20)$ is exactly $0$, and its logarithm $-\infty$. Our
losses take the logit and use

$$\log\bigl(1 - \sigma(o)\bigr) = -\operatorname{softplus}(o), \qquad
\operatorname{softplus}(o) = \log(1 + e^o) = \max(o, 0) + \log\bigl(1 + e^{-|o|}\bigr),$$

in which nothing can overflow. They are all in `d2l_gan/losses.py`, and short.

**Where it ends.** When the generated curves cannot be told from the real ones, $D$ says $1/2$ to
everything. Then $G$'s loss is $\log \frac12 = -0.693$, and $D$'s is $0.693$ in the book's
convention, half the sum of its real and its fake part. (The tutorial adds the parts; its $D$ ends
at $1.386$.)
"""

# %%
from pathlib import Path

from d2l_gan import check, files, losses, plots
from d2l_gan.callbacks import Checkpoint, Figure, Film, Progress
from d2l_gan.data import Batches
from d2l_gan.game import Result
from d2l_gan.speak import tell
from d2l_gan.train import train, update_D

import matplotlib
import mxnet as mx
import numpy
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## Real data: one curve, or a family

`sine` is the tutorial's data: $\sin x$ at 16 points from $0$ to $2\pi$. Every row of every batch is
that same curve. It is the friendliest data set there is, and a little dangerous: it never asks for
*variety*, so a generator that ignores its noise has solved it.

`waves` asks for it: $a \sin(x + \varphi)$ with an amplitude $a$ between $0.5$ and $1$ and a phase
$\varphi$ anywhere on the circle. Now a generator that paints one perfect curve, again and again,
has *collapsed*, and we shall catch it.
"""


# %%
def sine_points():
    """Return the 16 points x in [0, 2 pi], both ends included, at which curves are given."""
    return numpy.linspace(0, 2 * numpy.pi, 16)


def sine(num=64):
    """Return the curve sin(x) at the 16 points, as `num` equal rows: (num, 16), float32."""
    rows = numpy.tile(numpy.sin(sine_points()), (check.whole('num', num), 1))
    return np.array(rows, dtype='float32')


def waves(num=1000, seed=0):
    """Draw curves a sin(x + phi), with a ~ U[0.5, 1] and phi ~ U[0, 2 pi).

    Returns:
        The curves (num, 16), float32, and the truth (num, 2) behind them: amplitude and phase in
        radians, a NumPy array. The phase takes the whole circle, so the curves form a flat ring
        with neither ends nor a middle.
    """
    rng = numpy.random.default_rng(seed)
    num = check.whole('num', num)
    amplitude, phase = rng.uniform(0.5, 1, num), rng.uniform(0, 2 * numpy.pi, num)
    painted = amplitude[:, None] * numpy.sin(sine_points() + phase[:, None])
    return np.array(painted, dtype='float32'), numpy.stack([amplitude, phase], axis=1)


def curves(data='sine', num=1000, seed=0):
    """Return real curves (num, 16): 'sine', the same one in each row, or 'waves'."""
    check.choice('data', data, ('sine', 'waves'))
    return sine(num) if data == 'sine' else waves(num, seed)[0]


def show_data():
    """Return a figure of both sets."""
    fig = plots.Picture(figsize=(7, 2))
    for axes, data in zip(fig.subplots(1, 2), ('sine', 'waves')):
        axes.plot(sine_points(), curves(data, 12).asnumpy().T, 'k', linewidth=0.8)
        axes.set(title=data, ylim=(-1.1, 1.1))
    return fig


# %%
if __name__ == '__main__':
    plots.show(show_data())

# %% [markdown]
r"""
## Networks

Both are multilayer perceptrons with the tutorial's sizes. The generator's last layer is free: its
16 outputs are the 16 heights. PyTorch starts a layer with $n$ inputs at weights uniform in
$\pm 1/\sqrt{n}$, and so do we; the biases start at $0$. With the textbook's $\mathcal{N}(0,
0.02^2)$ three layers in a row would make the signal, and with it the gradient, tiny at the start.
"""


# %%
def networks():
    """Return net_D and net_G."""
    net_G = nn.HybridSequential()
    net_G.add(
        nn.Dense(64, activation='relu'),  # (batch, latent_dim) -> (batch, 64)
        nn.Dense(128, activation='relu'),
        nn.Dense(16),  # -> (batch, 16): a curve
    )
    net_D = nn.HybridSequential()
    net_D.add(
        nn.Dense(64, activation='relu'),  # (batch, 16) -> (batch, 64)
        nn.Dense(256, activation='relu'),
        nn.Dense(1),  # -> (batch, 1): a logit
    )
    return net_D, net_G


def initializer():
    """Return PyTorch's start for the weights of a layer with n inputs: uniform in +-1/sqrt(n)."""
    return init.Xavier(rnd_type='uniform', factor_type='in', magnitude=1)


# %% [markdown]
r"""
## What we watch

Every 50 steps, which we call an epoch here, the figure is drawn anew: a generated curve in red, the
real one in black, and what $D$ thinks of the generated ones. The noise behind the red curve stays
the same all the time; else you could not tell whether $G$ or the noise has changed.
"""


# %%
def draw(game, axes):
    """Draw a generated and the real curve, and D's opinion; of `waves`, six of each."""
    real, fake = game.data, game.generate()
    probability = float(npx.sigmoid(game.net_D(fake)).mean())
    num = 1 if (real == real[0]).all() else 6
    for i in range(num):
        labels = ('generated curve', 'real curve') if i == 0 else (None, None)
        axes.plot(sine_points(), fake[i].asnumpy(), color='red', linewidth=4, label=labels[0])
        axes.plot(sine_points(), real[i].asnumpy(), color='black', linewidth=1, label=labels[1])
    axes.text(
        0.5, 1.02, f'the prob of generated painting being real = {probability:.2f}',
        transform=axes.transAxes, horizontalalignment='center', fontsize=9,
    )  # fmt: skip
    axes.set_ylim(-1.1, 1.1)
    axes.legend(loc='upper right')


def print_means(game):
    """Print, every 100 steps, what D makes of real and of generated curves."""
    if game.epoch % 2 == 0:
        real, fake = game.history.mean_D_real[-1], game.history.mean_D_fake[-1]
        tell(f'step {game.steps}: mean D(x) {real:.3f}, mean D(G(z)) {fake:.3f}')


# %% [markdown]
r"""
## When to stop?

The tutorial stops when the mean of $D(\mathbf{x})$ over one batch is within $10^{-6}$ of $1/2$. The
idea is right, at the end $D$ says $1/2$, but as a rule it fails twice.

- It is a lottery. $D(\mathbf{x})$ swings around $1/2$ by a hundredth or so, and the rule waits for
  the swing to be caught in a window a thousand times narrower.
- It asks the wrong witness. A discriminator that has learned *nothing* also says $1/2$. Before the
  first step, $D$ is never far from it.

A sounder rule looks at both means, over a window of 500 steps instead of one moment, and believes
them only if the curve is right as well. "Is the curve right?" is the question that we care about,
so we need its answer anyway: the next section has it. Both rules are callbacks of `train`, and you
can write a third one.

Measured with the defaults below, seed 0: the tutorial's rule never fired in 10,000 steps. A window
alone would have stopped after 800 steps, with the curve still off by 0.24: $D$ was undecided
because it knew nothing yet. The whole rule (`stop='settled'`) stops after 6,100, at 0.01.
"""


# %%
def at_one_half(game):
    """Stop as the tutorial does: mean D(x) of one batch is within 1e-6 of 1/2, every 100 steps."""
    if game.epoch % 2 == 0:
        real_Y = game.net_D(game.data[:64].as_in_ctx(game.device))
        mean = float(npx.sigmoid(real_Y).mean())
        if abs(mean - 0.5) <= 1e-6:
            game.stop(f'mean D(x) is {mean:.7f}')


def settled(game, window=10, tolerance=0.05):
    """Stop if both means of D stayed near 1/2 for `window` epochs, and the curve is right."""
    means = [game.history[name][-window:] for name in ('mean_D_real', 'mean_D_fake')]
    if len(means[0]) < window or any(abs(m - 0.5).max() > tolerance for m in means):
        return
    scores = judge(paint(game.net_G, noise(1000, game.latent_dim)), game.data.asnumpy())
    if is_right(scores):
        game.stop(f'D is undecided for {window} epochs, and the curve is right: {in_words(scores)}')


STOP = ('half', 'settled', 'never')

# %% [markdown]
r"""
## Is the curve right?

For `sine` the truth is one curve, so the error is a plain number: the root mean square (RMSE) of
$G(\mathbf{z}) - \sin x$, over 1,000 samples and all 16 points. Beside it stands the *spread*: how
far the samples are from their own mean, also as a root mean square. With one real curve it should
be $0$ as well.

For `waves` we ask two questions. Is each curve a good one: how far is it from the *nearest* curve
of the family? And are all the curves there: fit $a \sin(x + \varphi)$ to each sample and look at
how $a$ and $\varphi$ spread. The truth has a standard deviation of $0.144$ in $a$ and phases all
around the circle. The RMSE alone would praise a collapsed generator; the spread alone would praise
noise.
"""


# %%
def noise(num, latent_dim, seed=0):
    """Return the same noise (num, latent_dim) whenever it is asked for; a NumPy array."""
    return numpy.random.default_rng(seed).standard_normal((num, latent_dim))


def paint(net_G, Z):
    """Return net_G(Z), (num, 16), for a NumPy array Z, as another."""
    (parameter, *_) = net_G.collect_params().values()
    return net_G(np.array(Z, dtype='float32', ctx=parameter.list_ctx()[0])).asnumpy()


def wave_scores(samples):
    """Score generated curves against the family of `waves`.

    Each sample is projected on sin(x) and cos(x) by least squares, which gives its amplitude and
    phase in closed form. The nearest true curve is the one of that phase whose amplitude is clipped
    to [0.5, 1] (to within 1 %: the 16 points weigh sin and cos by 7.5 and 8.5). A generator that
    repeats one true curve has rmse 0 and gives itself away by phase_spread 0 and 1 sector; no score
    tells whether amplitude and phase are independent, as they should be.

    Args:
        samples: (n, 16), the curves' heights at `sine_points`.

    Returns:
        A dict with these names.

        - rmse: root mean square distance, per point, to the nearest true curve; 0 at best.
        - amplitude_mean, amplitude_sd: the truth has 0.75 and 0.144.
        - phase_spread: 1 - abs(mean exp(i phase)), 0 where all phases agree, 1 for the truth.
        - phases_present: how many of 12 sectors of 30 degrees hold at least 1 % of the phases.
    """
    samples = check.finite('samples', samples)
    if samples.ndim != 2 or samples.shape[1] != 16 or len(samples) == 0:
        raise ValueError(f'`samples` has shape {samples.shape}; it must be (n, 16)')
    x = sine_points()
    basis = numpy.stack([numpy.sin(x), numpy.cos(x)])
    along_sin, along_cos = numpy.linalg.lstsq(basis.T, samples.T, rcond=None)[0]
    amplitude, phase = numpy.hypot(along_sin, along_cos), numpy.arctan2(along_cos, along_sin)
    nearest = amplitude.clip(0.5, 1)[:, None] * numpy.sin(x + phase[:, None])
    sectors = numpy.bincount((phase % (2 * numpy.pi) / (numpy.pi / 6)).astype(int) % 12)
    return {
        'rmse': float(numpy.sqrt(((samples - nearest) ** 2).mean())),
        'amplitude_mean': float(amplitude.mean()),
        'amplitude_sd': float(amplitude.std()),
        'phase_spread': float(1 - abs(numpy.exp(1j * phase).mean())),
        'phases_present': int((sectors >= 0.01 * len(samples)).sum()),
    }


def judge(samples, real):
    """Return the scores of generated curves (n, 16) beside the real ones; NumPy arrays."""
    if (real != real[0]).any():
        return wave_scores(samples)
    return {
        'rmse': float(numpy.sqrt(((samples - real[0]) ** 2).mean())),
        'spread': float(numpy.sqrt(samples.var(axis=0).mean())),
    }


def is_right(scores):
    """Return whether the curves are right: near enough and, for waves, of every phase."""
    if 'phases_present' in scores:
        return scores['rmse'] <= 0.05 and scores['phases_present'] == 12
    return scores['rmse'] <= 0.01


def in_words(scores):
    """Say in words how good the curves are."""
    if 'phases_present' not in scores:
        return (
            f'off by {scores["rmse"]:.4f} (RMSE, curves of height 1); '
            f'the samples differ by {scores["spread"]:.4f} among themselves'
        )
    return (
        f'off by {scores["rmse"]:.4f} (RMSE to the nearest true curve); '
        f'{scores["phases_present"]} of 12 sectors of phase, phase spread '
        f'{scores["phase_spread"]:.2f} (truth 1), amplitude {scores["amplitude_mean"]:.2f} '
        f'+- {scores["amplitude_sd"]:.3f} (truth 0.75 +- 0.144)'
    )


# %% [markdown]
r"""
## Training

The tutorial lets $G$ move first and shows $D$ the same fakes afterwards, detached. So do we:
`first='G'`.

One number is ours: Adam's `beta1=0.5`, where the tutorial has the default, $0.9$. `beta1` is Adam's
memory of past gradients, its momentum. In ordinary training momentum helps, for the goal stands
still. In a game, what $G$ should do next depends on where $D$ has just moved: old gradients answer
a discriminator that no longer exists, and the players circle around the solution instead of
settling in it.

It shows in the numbers. After 10,000 steps the error, median and worst of five seeds, is 0.0086 and
0.0095 with `beta1=0.5`, and 0.046 and 0.061 with 0.9 (`make scores ARGS=sine`). Had you asked only
$D$, you would have chosen the wrong one: with 0.9 its means are within 0.02 of $1/2$, with 0.5 they
are near $0.54$ and $0.46$, for there $D$ still tells apart curves that differ by 0.009.
"""


# %%
def traverse(net_G, latent_dim=5, num=9):
    """Return curves (latent_dim, num, 16): in row i, z_i runs from -2 to 2 and the rest is 0."""
    Z = numpy.zeros((latent_dim, num, latent_dim))
    for i in range(latent_dim):
        Z[i, :, i] = numpy.linspace(-2, 2, num)
    return paint(net_G, Z.reshape(-1, latent_dim)).reshape(latent_dim, num, 16)


def show_traversal(net_G, latent_dim=5):
    """Return a figure with a panel for each number in z, its curves from blue (-2) to red (2)."""
    fig = plots.Picture(figsize=(1.6 * latent_dim, 1.8))
    panels = fig.subplots(1, latent_dim, sharey=True, squeeze=False)[0]
    for i, (axes, painted) in enumerate(zip(panels, traverse(net_G, latent_dim))):
        colours = matplotlib.colormaps['coolwarm'](numpy.linspace(0, 1, len(painted)))
        for curve, colour in zip(painted, colours):
            axes.plot(sine_points(), curve, color=colour, linewidth=1)
        axes.set(title=f'$z_{i + 1}$', ylim=(-1.1, 1.1), xticks=[])
    return fig


# %%
def run(
    num_epochs=200, batch_size=64, lr_D=1e-4, lr_G=1e-4, latent_dim=5, objective='minimax',
    label_smoothing=0.0, beta1=0.5, data='sine', stop='half', seed=0, engine='auto',
    device=None, devices: str = None, out=None, show=False, film=True, resume=False,
    callbacks=(),
):  # fmt: skip
    """Train a generator of curves; return net_D, net_G, history and scores.

    Writes training.png, training.gif, traversal.png and scores.json under `out`.

    Args:
        num_epochs: epochs of 50 steps; 200 are the tutorial's 10,000 steps.
        batch_size: curves in a step.
        lr_D: learning rate of the discriminator.
        lr_G: learning rate of the generator.
        latent_dim: width of the noise.
        objective: the pair of losses: minimax (the tutorial's), bce (the book's), non_saturating,
            label_smoothing, least_squares, hinge, wasserstein or relativistic.
        label_smoothing: lower D's label for real curves by so much, in [0, 0.5).
        beta1: how long Adam remembers gradients, in [0, 1); the tutorial has 0.9.
        data: sine (one curve) or waves (a family; it learns better at --lr-D 5e-4 --lr-G 5e-4).
        stop: half (the tutorial's rule), settled (the sounder one) or never.
        seed: of the curves, the weights, the noise and the order of the batches.
        engine: textbook (operator by operator), symbol or xla (compiled), or auto, which chooses.
        device: cpu, gpu or gpu(1); by default the first GPU if there is one.
        devices: several that share each batch, how many or as in gpu(0),gpu(1); for xla, textbook.
        out: directory for figures, film and scores; by default build/sine.
        show: open a window with the live figure.
        film: draw every epoch and write training.gif; without, training.png alone.
        resume: go on from the last checkpoint under `out`.
        callbacks: more callables that are handed the game after each epoch.
    """
    check.choice('stop', stop, STOP)
    out = files.output_dir('sine') if out is None else Path(out)
    X = curves(data, 1000, seed)
    net_D, net_G = networks()
    objective = losses.objective(objective, label_smoothing)
    rule = {'half': [at_one_half], 'settled': [settled], 'never': []}[stop]
    history = train(
        net_D, net_G, Batches(X, batch_size, steps=50, device=device), num_epochs, lr_D, lr_G,
        latent_dim, X, objective=objective, beta1=beta1,
        initializer=initializer(), first='G', seed=seed, engine=engine, device=device, devices=devices,
        callbacks=[
            Progress(), Figure(out, draw, show=show), Film(out if film else None, draw),
            print_means, *rule, *callbacks, Checkpoint(out, resume, also=['traversal.png']),
        ],
    )  # fmt: skip
    scores = {
        'data': data, **judge(paint(net_G, noise(1000, latent_dim)), X.asnumpy()),
        'mean_D_real': history.mean_D_real[-1], 'mean_D_fake': history.mean_D_fake[-1],
        'loss_D': history.loss_D[-1], 'loss_G': history.loss_G[-1],
        'steps': 50 * len(history), 'stopped': history.stopped, 'objective': objective.name,
        'beta1': beta1, 'examples_per_sec': float(numpy.median(history.examples_per_sec)),
        'seed': history.seed, 'versions': files.versions(),
    }  # fmt: skip
    files.write_json(out / 'scores.json', scores)
    plots.save(show_traversal(net_G, latent_dim), out / 'traversal.png')
    tell(f'After {scores["steps"]} steps the curves are {in_words(scores)}.')
    return Result(net_D, net_G, history, scores)


# %%
if __name__ == '__main__':
    result = run()

# %% [markdown]
r"""
## What does z do here?

Hold four of the five numbers of $\mathbf{z}$ at $0$ and let one run from $-2$ to $2$: a *latent
traversal*. In a generator of faces one might find a number that turns the head. What do we find
here?
"""

# %%
if __name__ == '__main__':
    plots.show(show_traversal(result.net_G))

# %% [markdown]
r"""
Next to nothing. And that is no failure. There is one real curve, so the best generator is a
constant: $G(\mathbf{z}) = \sin x$ for *every* $\mathbf{z}$ leaves $D$ without a clue, and each bit
of variety that is left is something $D$ can still catch. The noise has been unlearned, as it
should be.

Nothing in the game rewards $G$ for using $\mathbf{z}$ as such. It uses it only as far as $D$
notices that variety is missing. With `waves`, $D$ does notice, and the noise must choose phase and
amplitude.
"""

# %%
if __name__ == '__main__':
    family = run(data='waves', lr_D=5e-4, lr_G=5e-4, out='build/waves')
    plots.show(show_traversal(family.net_G))

# %% [markdown]
r"""
## Who starves?

The minimax loss has a bad name: it "starves". Whom, and when? Follow the gradient. It reaches $G$
through the logit $o = D$'s answer to a fake, and the two losses differ only in their slope there:

| loss of $G$ | slope | $D$ ahead: $\sigma(o) \to 0$ | $G$ ahead: $\sigma(o) \to 1$ |
|---|---|---|---|
| minimax, $\log(1 - \sigma(o))$ | $-\sigma(o)$ | $0$ | $-1$ |
| non-saturating, $-\log \sigma(o)$ | $-(1 - \sigma(o))$ | $-1$ | $0$ |

So it is the *generator* that starves, under the minimax loss, while $D$ is ahead: typically early
in training. (You can find it told the other way round, as starving when the generator is perfect.
But near the end, at $D = 1/2$, both slopes are $-1/2$.) The non-saturating loss also has a place
where it fades, $D(G(\mathbf{z}))$ near $1$. There it does no harm, for then $G$ is winning, and
$D$, whose own slope on fakes is $\sigma(o)$, learns quickly.

Now measure it. Let $G$ wait, and let $D$ learn to tell its first scribbles from the real curve.
After each of $D$'s steps, note the norm of the gradient that $G$ *would* get from each loss, on
the same noise.
"""


# %%
def starve(steps=200, lr_D=1e-3, seed=0, names=('minimax', 'non_saturating')):
    """Let D run ahead; return mean D(G(z)) (steps,) and the norms of G's gradient, per loss."""
    net_D, net_G = networks()
    X, Z = curves('sine', 64), np.array(noise(64, 5, seed), dtype='float32')
    mx.random.seed(seed)
    for net, first in ((net_D, X), (net_G, Z)):
        net.initialize(initializer())
        net(first)
    parameters = list(net_D.collect_params().values())
    trainer_D = gluon.Trainer(parameters, 'adam', {'learning_rate': lr_D})
    means, norms = [], {name: [] for name in names}
    for _ in range(steps):
        for name in names:
            loss_G = losses.objective(name).loss_G
            with autograd.record():
                fake_Y = net_D(net_G(Z))
                loss = loss_G(fake_Y, np.ones(64)).mean()
            loss.backward()
            squares = [(p.grad() ** 2).sum() for p in net_G.collect_params().values()]
            norms[name].append(float(sum(squares)) ** 0.5)
        means.append(float(npx.sigmoid(fake_Y).mean()))
        update_D(X, Z, net_D, net_G, losses.objective().loss_D, trainer_D)
    return numpy.array(means), {name: numpy.array(norm) for name, norm in norms.items()}


def show_starving(means, norms):
    """Return a figure of the norms while D runs ahead."""
    fig = plots.Picture(figsize=(5, 3))
    axes = fig.subplots()
    for name, norm in norms.items():
        axes.semilogy(norm, label=f"norm of G's gradient, {name.replace('_', '-')}")
    axes.semilogy(means, 'k:', label='mean D(G(z))')
    axes.set(xlabel='steps that D is ahead')
    axes.legend(fontsize=8, loc=(0.38, 0.52))  # between the curves
    return fig


# %%
if __name__ == '__main__':
    means, norms = starve()
    plots.show(show_starving(means, norms))
    plots.save(show_starving(means, norms), 'build/sine/starving.png')

# %% [markdown]
r"""
At the start $D(G(\mathbf{z})) = 0.5$, and both norms are $0.07$. While $D$ awakes both grow. After
50 steps $D(G(\mathbf{z}))$ is $0.11$, and the two part: the non-saturating gradient goes on
growing, up to $23$ after 200 steps, while the minimax gradient shrinks to $0.02$, a thousandth of
it, although $G$ has not learned a thing. At each step their ratio is nearly $D(G(\mathbf{z}))$
itself, as the slopes foretell: $\sigma(o) / (1 - \sigma(o))$.

Then why did the minimax game above work at all? For two reasons. At equal learning rates of
$10^{-4}$, $D$ never got that far ahead: the printed means stayed near $1/2$. And Adam divides each
gradient by its own recent size, so it hardly cares whether that is $23$ or $0.02$. With plain
gradient descent, a starved $G$ stays where it is. The last exercise tries it.
"""

# %% [markdown]
r"""
## Six objectives, two tasks

Which loss, then? Here are six on `waves` (10,000 steps) and on the Gaussian of the chapter before
(2,500 steps), five seeds each: the median, and in brackets the worst. The command
`make scores ARGS=objectives` prints this table.

| objective | RMSE | phases | phase spread | amplitude sd | s | Gaussian: squared W2 | s |
|---|---|---|---|---|---|---|---|
| minimax | 0.013 (0.018) | 12 (12) | 0.96 (0.94) | 0.138 | 58 | 0.014 (0.072) | 4.6 |
| non-saturating | 0.011 (0.019) | 12 (12) | 0.96 (0.91) | 0.137 | 57 | 0.017 (0.074) | 4.0 |
| label smoothing | 0.012 (0.016) | 12 (12) | 0.96 (0.93) | 0.144 | 50 | 0.030 (0.047) | 4.5 |
| least squares | 0.014 (0.016) | 12 (12) | 0.96 (0.91) | 0.143 | 46 | 0.019 (0.038) | 1.9 |
| hinge | 0.027 (0.035) | 12 (12) | 0.94 (0.91) | 0.127 | 42 | 0.035 (0.074) | 4.3 |
| wasserstein | 0.057 (0.131) | 12 (12) | 0.94 (0.93) | 0.141 | 51 | 0.065 (0.181) | 4.3 |

Left: `waves`, whose truth has all 12 sectors of phase, a phase spread of 1 and an amplitude sd of
0.144. The columns "s" hold the median time of play in seconds, without pictures, on one thread of a
machine that had other work to do: compare it within a column only.

Everybody plays by the same rules: on `waves` both learning rates are $5 \cdot 10^{-4}$; on the
Gaussian they are the book's, with initial weights of standard deviation 0.5; `beta1` is 0.5. Only
the Wasserstein game needs its own: its clip is $0.03$ on `waves`, with `lr_G` $10^{-4}$, and $0.5$
on the Gaussian, where the paper's 0.01 left a squared distance of 4. Of the others none was tuned
by itself.

What each of them is, with formula, balance and paper, stands in `d2l_gan/losses.py`; in short:

- **minimax** and **non-saturating**: the two of this chapter.
- **label smoothing**: non-saturating, but $D$'s label for real curves is $0.9$, so that it is
  never too sure.
- **least squares**: $D$'s raw output should be 1 for real and 0 for fake; squared errors, no
  sigmoid.
- **hinge**: $D$ stops learning from an example that it has right by a margin of 1; $G$ wants a
  high output.
- **Wasserstein**: $D$ is a critic, real minus fake output, and its weights are clipped so that it
  cannot grow steep. A penalty on its gradient is the better leash, but MXNet 1.9.1 gets
  second-order gradients wrong.

What do we learn from it? The first four are alike within the luck of the seed, on both tasks. What
separates them is less than what the other knobs do: `beta1` on the single curve, above, or
learning rates of $10^{-4}$ on `waves`, with which a run of minimax ended at 0.034 instead of 0.013.
(A study of many GANs with far larger budgets came to the same end: [Lucic et al.
2018](https://arxiv.org/abs/1711.10337).) Hinge is a little behind here, and clipping costs the
Wasserstein critic most: with small weights it can draw coarse distinctions only. No objective
collapsed, for all phases are there. So take the non-saturating loss, as the book does, since it is
safe where the minimax loss starves, and spend your time on the learning rates.
"""

# %% [markdown]
r"""
## Summary

- On logits, $\log(1 - \sigma(o)) = -\operatorname{softplus}(o)$: no probability is ever rounded to
  $0$ or $1$.
- Under the minimax loss the *generator* starves while $D(G(\mathbf{z}))$ is near $0$. The
  non-saturating loss has the same balance and a strong gradient where $G$ needs it.
- One real curve rewards a generator for ignoring its noise. Variety is learned only where the data
  have it, so measure it there: a low error alone is no proof.
- Do not stop on one batch's $D(\mathbf{x}) = 1/2$. Ask for a window, both means, and samples that
  are right.
- Less momentum (`beta1=0.5`) lets the players settle instead of circling.

## Exercises

1. Show that a dead discriminator satisfies the tutorial's rule at once, and the sounder rule never.

   <details><summary>Solution</summary>

   With a learning rate that moves nothing and all weights $0$, every logit is $0$ and
   $D(\mathbf{x}) = 1/2$ exactly, whatever $G$ paints.

   ```python
   def play(rule):
       net_D, net_G = networks()
       X = curves('sine', 64)
       return train(
           net_D, net_G, Batches(X, 64, steps=1), 12, 1e-12, 1e-12, 5, X, seed=0,
           initializer=init.Zero(), callbacks=[rule],
       )


   assert len(play(at_one_half)) == 2
   assert len(play(settled)) == 12
   ```

   </details>

2. Compute $D$'s loss at the balance in the book's and in the tutorial's convention, and $G$'s
   minimax and non-saturating loss. Which of the four numbers is negative?

   <details><summary>Solution</summary>

   All logits are $0$. The book's $D$ has $\ln 2$, the tutorial's $2 \ln 2 = 1.386$. $G$ has $\ln
   2$ with the non-saturating loss and $-\ln 2$ with minimax, the only negative one: it is the
   logarithm of a probability.

   ```python
   balance, ones, zeros = np.zeros((4, 1)), np.ones(4), np.zeros(4)
   minimax, other = losses.objective('minimax'), losses.objective('non_saturating')
   parts = minimax.loss_D(balance, ones) + minimax.loss_D(balance, zeros)
   found = [parts.mean() / 2, parts.mean(), minimax.loss_G(balance, ones).mean(),
            other.loss_G(balance, ones).mean()]
   assert numpy.allclose([float(f) for f in found], numpy.log(2) * numpy.array([1, 2, -1, 1]))
   ```

   </details>

3. The two norms of "Who starves?" have a ratio. Predict it from $D(G(\mathbf{z}))$, and check.

   <details><summary>Solution</summary>

   If all fakes had the same logit, the gradients would be the same vector times the two slopes, so
   the ratio would be $\sigma(o) / (1 - \sigma(o))$. The fakes differ a little, so it holds
   roughly.

   ```python
   means, norms = starve(steps=60)
   ratio = norms['minimax'] / norms['non_saturating']
   assert numpy.allclose(numpy.log(ratio), numpy.log(means / (1 - means)), atol=0.5)
   ```

   </details>

4. Build a generator for `waves` with RMSE $0$ that has collapsed. Which numbers give it away?

   <details><summary>Solution</summary>

   One perfect curve, painted every time. Its phase spread is $0$, its phases lie in one sector of
   twelve, and its amplitude does not vary.

   ```python
   X = curves('waves', 1000).asnumpy()
   collapsed = judge(numpy.repeat(X[:1], 1000, axis=0), X)
   truth = judge(curves('waves', 1000, seed=1).asnumpy(), X)
   assert collapsed['rmse'] < 1e-3 and not is_right(collapsed)
   assert collapsed['phases_present'] == 1 and collapsed['phase_spread'] < 1e-3
   assert truth['phases_present'] == 12 and truth['phase_spread'] > 0.9 and is_right(truth)
   ```

   </details>

5. The phase lives on a circle, so two numbers of noise can make all of `waves`... but can one?
   Train with `latent_dim=1` and look at the traversal.

   <details><summary>Solution</summary>

   One number is a line. It can wind through phases, but it cannot choose the amplitude
   independently of the phase, and the two ends of the line must meet somewhere on the circle. What
   is lost shows in the amplitude's spread or in curves off the family, not in an error message.

   ```python
   line = run(data='waves', latent_dim=1, num_epochs=4, out=out)
   assert traverse(line.net_G, 1).shape == (1, 9, 16)
   assert set(line.scores) >= {'rmse', 'phase_spread', 'amplitude_sd'}
   ```

   </details>

6. Does starving matter? Let $D$ run 1,000 steps ahead. Then play 200 steps of the game, with $G$
   trained by plain gradient descent or by Adam, under either loss. Who gets away?

   <details><summary>Solution</summary>

   All but one. Measured is how far the painted curves have moved, on average per point. With plain
   gradient descent (`'sgd'`) and the minimax loss, 0.0008: $G$ stands still. With the
   non-saturating loss, 1.5. Adam rescales the gradient, and moves 0.8 and 0.4 under the two losses.
   It has hidden the fault of the minimax loss from many a learner.

   ```python
   from d2l_gan.train import update_G


   def catch_up(name, optimizer, lr_G, ahead=1000, steps=200):
       net_D, net_G = networks()
       X, objective = curves('sine', 64), losses.objective(name)
       mx.random.seed(0)
       for net, width in ((net_D, 16), (net_G, 5)):
           net.initialize(initializer())
           net(np.zeros((1, width)))
           net.hybridize()
       parts = [list(net.collect_params().values()) for net in (net_D, net_G)]
       trainer_D = gluon.Trainer(parts[0], 'adam', {'learning_rate': 1e-3})
       trainer_G = gluon.Trainer(parts[1], optimizer, {'learning_rate': lr_G})
       before = paint(net_G, noise(1000, 5))
       for step in range(ahead + steps):
           Z = np.random.normal(0, 1, (64, 5))
           if step == ahead:
               trainer_D.set_learning_rate(1e-4)
           if step >= ahead:
               update_G(Z, net_D, net_G, objective.loss_G, trainer_G)
           update_D(X, Z, net_D, net_G, objective.loss_D, trainer_D)
       return numpy.abs(paint(net_G, noise(1000, 5)) - before).mean()


   assert catch_up('minimax', 'sgd', 0.01) < 0.01
   assert catch_up('non_saturating', 'sgd', 0.01) > 0.1
   assert catch_up('minimax', 'adam', 1e-4) > 0.1
   assert catch_up('non_saturating', 'adam', 1e-4) > 0.1
   ```

   </details>

The game and its textbook code: [section 20.1, Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/gan.html), in *Dive into Deep
Learning*.
"""

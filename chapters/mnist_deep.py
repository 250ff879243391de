# %% [markdown]
r"""
# Three layers, and a cure

Give both players one hidden layer more, and nothing works any more. The discriminator wins within
an epoch, and the generator draws the same black and white noise for ever. It happens to everyone
who trains GANs, so this chapter lets it happen, looks for the cause, and cures it one change at a
time.
"""

# %%
from pathlib import Path

from d2l_gan import check, files, losses, plots
from d2l_gan.digits import fit, sample_digits
from d2l_gan.speak import tell

from mxnet import autograd, init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## Why a game at all?

There is an older way to make digits: an *autoencoder*. One network squeezes an image into a short
code, another, the *decoder*, makes an image of the code again, and both minimise the mean squared
error of the pixels. Feed the decoder random codes, and it draws. But it draws fog. Where a code
leaves open whether a stroke goes a pixel further left or right, the least squared error is made by
the *mean* of the two, a stroke that is grey and twice as wide. No digit looks like that; but nobody
asked for a digit, only for a small error at each pixel. A discriminator asks the other question:
could this, as a whole, have been real?

![Seven rows of ten digits: fog, blurred digits, broken ones, ragged ones, smoother ones, sharp ones, real
ones](families.png)

From above: an autoencoder that is fed random codes, a variational one, the games of the two chapters
before, of this one and of the chapter on DCGAN, and real digits (`make scores ARGS=families`). The
chapter *The older way* builds both autoencoders, and has what each of these rows scores by each measure.

## Two networks, a layer deeper

Images keep their form this time, 28 × 28 pixels and one channel, in $[0, 1]$. The discriminator
flattens them, the generator ends by folding its 784 numbers back. `dropout` is for the cure; the
original has none.
"""


# %%
def networks(dropout=0.0):
    """Return net_D and net_G; each hidden unit of D is off with probability `dropout`."""
    net_D = nn.HybridSequential()
    net_D.add(nn.Flatten())  # (batch, 28, 28, 1) -> (batch, 784)
    for width in (256, 128):
        net_D.add(nn.Dense(width, activation='relu'))
        if dropout:
            net_D.add(nn.Dropout(dropout))
    net_D.add(nn.Dense(1))  # (batch, 1), a logit
    net_G = nn.HybridSequential()
    net_G.add(
        nn.Dense(128, activation='relu'),  # (batch, latent_dim) -> (batch, 128)
        nn.Dense(256, activation='relu'),
        nn.Dense(784, activation='sigmoid'),
        nn.HybridLambda(lambda F, X: F.npx.reshape(X, (-2, 28, 28, 1))),  # -2: as it is
    )
    return net_D, net_G


# %% [markdown]
r"""
## Accuracy

The discriminator is a classifier, so it has an accuracy: the share of real and fake digits that it
tells apart, with the logit 0 as the border. `history.accuracy_D` keeps it, as measured on each
batch just before the step. At the balance it is one half. Near 1, D has won.

The tutorial that this follows, in Keras, stacks both networks and *freezes* the discriminator
(`trainable = False`) while the generator learns, and one forgotten flag ruins it. Here there is
nothing to freeze: each trainer knows its own parameters only, and `update_G` steps with the
generator's. The compiled form does not even compute the gradient of $D$'s weights in that step.

## Training

One function, two sets of keywords. `SOURCE` has the original's: 10,000 steps with batches of 32
digits, drawn *with replacement*, Adam's default rate of $0.001$ and its default memory. An epoch is
1,000 steps here, the distance between two of the original's pictures. The defaults of `run` are
what the cure, below, arrives at.
"""

# %%
SOURCE = {
    'num_epochs': 10, 'steps': 1000, 'batch_size': 32, 'lr_D': 0.001, 'lr_G': 0.001, 'beta1': 0.9,
    'dropout': 0.0, 'label_smoothing': 0.0, 'average': 0.0,
}  # fmt: skip


def run(
    num_epochs=25, batch_size=100, steps=500, lr_D=0.0005, lr_G=0.002, objective='bce',
    label_smoothing=0.1, prior='normal', beta1=0.5, dropout=0.5, average=0.999, out=None, **common,
):  # fmt: skip
    """Train the GAN with two hidden layers; return net_D, net_G, history and scores.

    `d2l_gan.digits.fit` says what the keywords mean, and which others there are, but for these.

    Args:
        num_epochs: epochs of so many steps.
        batch_size: digits in a step, drawn with replacement.
        steps: steps in an epoch.
        dropout: share of D's hidden units that are off in a step, in [0, 1).
        num_examples: train on so many digits only.
    """
    check.number('dropout', dropout, '[0, 1)')
    out = files.output_dir('mnist_deep') if out is None else Path(out)
    result = fit(
        *networks(dropout), 'mnist_deep', init.Xavier(), flat=False, steps=steps,
        num_epochs=num_epochs, batch_size=batch_size, lr_D=lr_D, lr_G=lr_G, objective=objective,
        label_smoothing=label_smoothing, prior=prior, beta1=beta1, average=average, out=out,
        **common,
    )  # fmt: skip
    plots.save(show_accuracy(result.history), out / 'accuracy.png')
    return result


def sample(num=16, seed=0, device=None, out=None):
    """Draw so many new digits with the newest generator under `out`, without training."""
    return sample_digits(num, 'mnist_deep', seed=seed, device=device, out=out)


def show_accuracy(history):
    """Return a figure of D's accuracy over the epochs."""
    animator = plots.Animator('epoch', 'accuracy of D', ylim=[0.45, 1.02], figsize=(5, 3))
    animator.curves(range(1, len(history) + 1), history.accuracy_D)
    return animator.fig


# %% [markdown]
r"""
## The truth about the original

Run it with `SOURCE` and look. Within the first epoch of 1,000 steps the accuracy reaches 99 %, then
100 %. $D$'s loss is $0.000$, the generator's rises past 10, and all samples are the same speckled
blob. After a while, the callback that watches for a collapse says so, too.
"""

# %%
if __name__ == '__main__':
    failed = run(**SOURCE, out='build/mnist_deep-source')
    plots.show(show_accuracy(failed.history))

# %% [markdown]
r"""
## What went wrong?

"$D$ is too good, so its gradient vanishes," one reads. Does it? The generator's loss is $-\log
\sigma(o)$, and its slope, $-(1 - \sigma(o))$, is $-1$ when $D$ is sure that a digit is fake: the
steepest that it can be. The non-saturating loss has done its duty. So let us follow the gradient
further back. It goes through $D$ to each pixel, and on through the sigmoid $p = \sigma(a)$ that
made the pixel, which hands on $p (1 - p)$ of it.
"""


# %%
def follow(net_D, net_G, Z):
    """Return the slope of G's loss at the logits, what passes the pixels' sigmoids, and variety.

    The slope is 1 at most. What passes is the share of the gradient, summed over pixels, that is
    left behind them, 0.25 at most. Variety is the samples' variance, summed over the pixels,
    divided by 52.8, that of MNIST's digits.

    Args:
        Z: noise, (n, latent_dim).
    """
    X = net_G(Z)
    X.attach_grad()
    with autograd.record(train_mode=False):
        o = net_D(X)
        loss = losses.objective('bce').loss_G(o, np.ones(len(Z)))
    loss.backward()
    size = np.abs(X.grad)
    slope, passed = (1 - npx.sigmoid(o)).mean(), (size * X * (1 - X)).sum() / size.sum()
    return float(slope), float(passed), float(X.asnumpy().var(axis=0).sum() / 52.8)


# %%
if __name__ == '__main__':
    Z = np.random.normal(0, 1, (100, 100))
    lost = follow(failed.net_D, failed.net_G, Z)
    tell('slope {:.3f}, {:.2%} pass the pixels, variety {:.2%}'.format(*lost))

# %% [markdown]
r"""
The slope is 1, as it should be. But only a *billionth* of the gradient gets past the pixels, and
the variety is 0: all noise leads to one image. (After the cure, below, it is 1.4 % and 0.9.) A
healthy generator has firm pixels, too: in real digits, 87 % of them are 0 or 1. To be black or
white is no fault in a pixel. To have become so before the generator knew which, is.

How did they get there? Fast. Before the first step, the numbers $a$ behind the pixels are well
below 1. After 100 steps they are around 14, where the slope of the sigmoid is a millionth. While
$D$ is winning, the gradient points in much the same direction at every step. Adam's steps have the
same size however small the gradient is, and with `beta1=0.9` they still follow what it was ten
steps ago. So $G$ runs as far as it can, past every turn.

## One change at a time

If that is the cause, then a shorter memory for Adam alone should help. It does: with `beta1=0.5`
and nothing else the original draws digits. The other changes make $D$ win less. Not each of them
raises every score, and with one seed small differences mean nothing; together they do.

- **A shorter memory for Adam**, `beta1=0.5`, as in the chapter before.
- **Dropout in $D$.** Each of its hidden units is off with probability one half in each step. $D$
  cannot rest its case on a few of them, and its verdicts become softer.
- **One-sided label smoothing**, as in the chapter before: $D$ is not asked to be surer than 90 %.
- **Rates**: $D$ at half the original's and $G$ at twice: now $G$ is the quicker one.
- **The running average** of $G$'s weights.
- **More**: 12,500 steps with batches of 100, four times as many digits.

Each line of the table has all the changes above it. Seed 0, 10,000 samples, compared with digits
that were kept for validation: this is choosing, and the test digits are for the verdict.

| change | digits present | Parzen, nats | classifier score | Fréchet distance | accuracy of D |
| --- | --- | --- | --- | --- | --- |
| the original | 1 | −477 | 1.0 | 624 | 100 % |
| `beta1=0.5` | 9 | 59 | 4.6 | 161 | 84 % |
| `dropout=0.5` | 10 | 37 | 5.6 | 101 | 76 % |
| `label_smoothing=0.1` | 10 | 36 | 5.3 | 113 | 77 % |
| `lr_D=0.0005, lr_G=0.002` | 10 | 119 | 6.8 | 63 | 69 % |
| `average=0.999` | 10 | 169 | 7.3 | 47 | 69 % |
| 25 epochs of 500 batches of 100 | 10 | 216 | 7.8 | 32 | 69 % |

`make scores ARGS=cure` prints it.
"""

# %%
if __name__ == '__main__':
    cured = run()
    plots.show(show_accuracy(cured.history))

# %% [markdown]
r"""
Over 5 seeds the Parzen estimate is 214 nats at the median and 210 at the least, with all ten digits
in each; the classifier score is 7.8 and the Fréchet distance 28. The first GAN paper reports 225
for a generator of 2.5 million weights; this one has a quarter of a million.

## Summary

- More layers make a stronger opponent, not a better teacher.
- A loss of 0 with an accuracy of 100 % is not convergence. It is the end of the game.
- When $G$ stands still, follow the gradient: loss, logit, pixel, unit. Here it was lost in
  saturated pixels, and Adam's long memory had driven them there.
- Change one thing at a time, and measure.

## Exercises

1. Show that `update_G` leaves the discriminator alone, though nothing freezes it.

   <details><summary>Solution</summary>

   It computes a gradient for $D$'s weights on the way, but only `trainer_G` takes a step, and it
   knows only $G$'s.

   ```python
   from d2l_gan.train import update_G
   from mxnet import gluon

   net_D, net_G = networks()
   Z = np.random.normal(0, 1, (8, 100))
   for net in (net_D, net_G):
       net.initialize(init.Xavier())
   net_D(net_G(Z))
   trainer_G = gluon.Trainer(net_G.collect_params(), 'adam', {'learning_rate': 0.001})
   before = [[p.data().copy() for p in net.collect_params().values()] for net in (net_D, net_G)]
   update_G(Z, net_D, net_G, gluon.loss.SigmoidBCELoss(), trainer_G)
   moved = [
       any(bool((p.data() != old).any()) for p, old in zip(net.collect_params().values(), olds))
       for net, olds in zip((net_D, net_G), before)
   ]
   assert moved == [False, True]
   ```

   </details>

2. The generator's loss is 19. What does $D$ think of its digits?

   <details><summary>Solution</summary>

   $-\ln p = 19$, so it gives them a probability of $e^{-19}$, six in a billion, of being real. This
   is what the sigmoid rounds to 0 in programs that take the logarithm afterwards; here the loss is
   made of logits.

   ```python
   o = np.array([-19.0])
   loss_G = losses.objective('bce').loss_G(o, np.ones(1))
   assert abs(float(loss_G) - 19) < 1e-4
   assert 5e-9 < float(npx.sigmoid(o)) < 6e-9
   ```

   </details>

3. In 10,000 batches of 32, drawn with replacement, how many of the 50,000 digits are never seen?
   And in the first 50,000 draws?

   <details><summary>Solution</summary>

   $(1 - 1/n)^{k} \approx e^{-k/n}$: $e^{-6.4} = 0.17\,\%$, and $e^{-1} = 37\,\%$, where a shuffled
   pass would have missed none.

   ```python
   import numpy

   rng = numpy.random.default_rng(0)
   for draws, share in ((320_000, 0.0017), (50_000, 0.368)):
       seen = len(set(rng.integers(50_000, size=draws).tolist()))
       assert abs(1 - seen / 50_000 - share) < 0.01
   ```

   </details>

4. Which single image has the smallest mean squared error to all digits? Is it a digit?

   <details><summary>Solution</summary>

   Their mean: the derivative of $\sum_i (x - x_i)^2$ is 0 there. It is what a decoder draws whose
   code says nothing: fog, with hardly a pixel that is really ink, though every real digit has
   dozens.

   ```python
   from d2l_gan import data

   X = data.images('digits')[0]
   fog = X.mean(axis=0)
   assert float(((X - fog) ** 2).mean()) < min(float(((X - x) ** 2).mean()) for x in X[:50])
   assert float((fog > 0.9).sum()) < 10 < float((X > 0.9).sum(axis=1).mean())
   ```

   </details>

5. Take dropout away from the cure, or the smoothing. (This takes minutes; here is a short form of
   it, on few digits.)

   <details><summary>Solution</summary>

   The table above has the answers for the full training. In the short form one sees at least what
   dropout does to $D$: it becomes less sure.

   ```python
   quick = {'num_examples': 512, 'num_epochs': 1, 'steps': 40, 'score': False, 'out': out}
   kept, dropped = (run(dropout=p, **quick).history for p in (0.0, 0.5))
   assert float(dropped.loss_D[0]) > float(kept.loss_D[0])
   ```

   </details>

The book's section on GANs, which these chapters build on: [20.1, Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/gan.html).
"""

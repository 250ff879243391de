# %% [markdown]
r"""
# Drawing digits

From points in the plane to handwritten digits: the game stays the same, and so does its code. What
changes is the data, and with it the two networks.

MNIST has images of 28 × 28 pixels. To a network that is a point with 784 coordinates, and the
digits that people write fill a tiny, folded part of that space: pick 784 pixels at random and you
will wait forever for a 7. There is no formula for the density of digits, and nobody can say what
the right covariance would be. That is where a GAN earns its keep: it needs no density, only
examples and an opponent.

The networks are the smallest that draw anything, one hidden layer for each player, as in the first
MNIST GANs that people wrote with TensorFlow. The next two chapters change a few things at a time.
"""

# %%
from d2l_gan import plots
from d2l_gan.digits import Digits, fit, sample_digits

from mxnet import init, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## Real digits

The 60,000 images that MNIST gives for training are cut in two: the first 50,000 are what the game
is played with, the last 10,000 are kept to choose things by. The 10,000 test images are for the
verdict at the end, and nothing ever trains on them. Pixels are scaled to $[0, 1]$: 0 is paper, 1 is
ink.
"""


# %%
def show_data(data='auto'):
    """Return a figure of the first 16 real digits."""
    real = Digits(data, num_examples=16)
    return plots.view_samples(real.X, title=real.title, shape=(28, 28))


# %%
if __name__ == '__main__':
    plots.show(show_data())

# %% [markdown]
r"""
## Two networks with one hidden layer

The generator stretches 100 random numbers to 128 features and those to 784 pixels. Its last layer
ends in a sigmoid, so that a pixel is between 0 and 1, as the real ones are. The discriminator goes
the other way, from 784 pixels to one logit; its sigmoid is part of the loss.
"""


# %%
def networks():
    """Return net_D and net_G."""
    net_D = nn.HybridSequential()
    net_D.add(
        nn.Dense(128, activation='relu'),  # (batch, 784) -> (batch, 128)
        nn.Dense(1),  # (batch, 1), a logit
    )
    net_G = nn.HybridSequential()
    net_G.add(
        nn.Dense(128, activation='relu'),  # (batch, latent_dim) -> (batch, 128)
        nn.Dense(784, activation='sigmoid'),  # (batch, 784), pixels in (0, 1)
    )
    return net_D, net_G


# %% [markdown]
r"""
### How large should the first weights be?

A unit adds up $n$ inputs, so with independent weights of variance $\sigma^2$ its mean square is $n
\sigma^2$ times that of an input; the ReLU then sets half of that to zero. What goes in comes out
equally large if $\frac12 n \sigma^2 = 1$, that is

$$\sigma = \sqrt{2 / n}, \qquad n \text{ inputs},$$

which is the initialisation of He et al. (2015). It matters more here than in the last chapter: with
the book's $0.02$ and 100 inputs between $-1$ and $1$, a feature would be about $0.1$, all pixels
would start near $0.5$, and so would the discriminator's first impression of everything.
"""


# %%
def weights():
    """Return the initialiser: normal, standard deviation sqrt(2 / inputs); biases are 0."""
    return init.Xavier(rnd_type='gaussian', factor_type='in', magnitude=2)


# %% [markdown]
r"""
## The same game

The noise is uniform on $(-1, 1)$ this time; the first layer makes of it what the second needs. The
losses are

$$L_D = -\operatorname{mean}\bigl(\log \sigma(D(\mathbf{x})) + \log(1 - \sigma(D(G(\mathbf{z}))))\bigr),
\qquad L_G = -\operatorname{mean} \log \sigma(D(G(\mathbf{z}))),$$

the non-saturating pair. Written like this, $L_D$ is a *sum* of two cross-entropies, while the book
takes their mean; we report the mean, so both players balance at $0.693$. For training it makes no
difference: Adam divides the gradient by its own running size, so a loss that is twice as large
takes the same steps.

**Where is 'saturation' in this?** In two places that must not be confused. The minimax loss
saturates where $D$ is sure that a sample is fake, and that is why we do not use it. And a *pixel*
saturates: the slope of the sigmoid at the generator's output is $p (1 - p)$, nothing for a pixel
that is firmly 0 or 1. Most pixels of a digit are firmly 0, so that is where they end; but a
generator that throws its pixels there in the first steps, before it knows which, can hardly get
them back. The third chapter on digits will show it happen.

## Training

Adam with its default rate $0.001$ for both, batches of 128, one step for $D$ and one for $G$. The
tutorial that this follows allowed for a million steps, 2,558 epochs. We stop after 100, some 39,000
steps and a few minutes.

One thing is added, and it costs next to nothing: **a running average of the generator's weights**.
The players of a game do not come to rest. They circle around the balance, and each step of $G$
answers the latest move of $D$. The mean of many moments is nearer to the centre of that circle than
any one of them (Yazıcı et al., 2019). Early on it is a mean over the last tenth of the training,
later over some 10,000 steps. The game never sees it: only the pictures, the saved generator and the
score do. (On digits kept for validation it is worth 17 nats of the last of the scores below, 133
instead of 116 with seed 0; `make scores ARGS=choices`.)

Each epoch, 16 digits are drawn from the *same* noise, so that you can watch one of them grow. The
generator is saved by itself each epoch, and a sentence appears if the run shows signs of
collapse.
"""


# %%
def run(
    num_epochs=100, batch_size=128, lr_D=0.001, lr_G=0.001, objective='non_saturating',
    label_smoothing=0.0, prior='uniform', beta1=0.9, average=0.9999, **common,
):  # fmt: skip
    """Train the GAN with one hidden layer; return net_D, net_G, history and scores.

    `d2l_gan.digits.fit` says what the keywords mean, and which others there are.
    """
    return fit(
        *networks(), 'mnist_vanilla', weights(), num_epochs=num_epochs, batch_size=batch_size,
        lr_D=lr_D, lr_G=lr_G, objective=objective, label_smoothing=label_smoothing, prior=prior,
        beta1=beta1, average=average, **common,
    )  # fmt: skip


def sample(num=16, seed=0, device=None, out=None):
    """Draw so many new digits with the newest generator under `out`, without training."""
    return sample_digits(num, 'mnist_vanilla', seed=seed, device=device, out=out)


# %%
if __name__ == '__main__':
    result = run()

# %% [markdown]
r"""
## How good are they?

Sixteen digits look fine or they do not, and the eye forgives. So 10,000 are drawn from the saved
generator and asked a few questions, each of which catches something that the others miss.

- *Are all ten digits there, and how evenly?* A classifier that is right about 99 % of the
  test images reads them.
- *Is each of them clearly some digit?* The classifier score is high, 10 at most, where the
  classifier is sure of every image while all digits are equally frequent.
- *Do they resemble real ones in what the classifier looks at?* The Fréchet distance compares mean
  and covariance of its 64 features with those of the test images.
- *How likely are the test images?* Put a small Gaussian on each of the 10,000 samples and take the
  mean log density of the 10,000 test images: the Parzen estimate, in nats. It is coarse and likes
  blur, but it is what the first GAN paper reported, by this very protocol: 225 for a much larger
  network. Real training images in the place of samples have 241.
- *Has it learned the images by heart?* The distance from each sample to the nearest training image
  says so.

Over 5 seeds, all ten digits are there in each, but ones are drawn several times as often as zeros.
The Parzen estimate is 140 nats at the median and 137 at the least, the classifier score 5.8, the
Fréchet distance 78 (`make scores ARGS=mnist`).

## Summary

- The game and its code are those of the two-dimensional Gaussian. Only data, networks, prior and
  rates changed.
- Initial weights of standard deviation $\sqrt{2/n}$ keep the size of what flows through ReLUs.
- A sum or a mean of $D$'s two losses: to Adam it is the same.
- The running average of $G$'s weights draws better than $G$ itself, for nothing.
- No single score says how good samples are. Say which one, with its protocol.

## Exercises

1. Send noise through ten layers of 100 ReLUs. What is left of it with weights of standard deviation
   $\sqrt{2/100}$, and what with $0.02$?

   <details><summary>Solution</summary>

   With the first, the mean square stays about what it was. With the second each layer keeps
   $\frac12 \cdot 100 \cdot 0.02^2 = 2\,\%$ of it, and after ten layers $10^{-17}$.

   ```python
   from mxnet import np


   def what_is_left(initializer):
       net = nn.HybridSequential()
       for _ in range(10):
           net.add(nn.Dense(100, activation='relu'))
       net.initialize(initializer, force_reinit=True)
       Z = np.random.uniform(-1, 1, (1000, 100))
       return float((net(Z) ** 2).mean() / (Z**2).mean())


   assert 0.1 < what_is_left(weights()) < 10
   assert what_is_left(init.Normal(0.02)) < 1e-14
   ```

   </details>

2. Train with the *sum* of $D$'s two losses, as this chapter's formula has it, in place of the mean.

   <details><summary>Solution</summary>

   Give $D$'s loss the weight 2. What is reported for $D$ doubles; nothing else happens, as Adam
   divides the gradient by its size.

   ```python
   from mxnet import gluon

   mean, total = (gluon.loss.SigmoidBCELoss(weight=w) for w in (1, 2))
   quick = {'num_examples': 512, 'num_epochs': 1, 'score': False, 'out': out}
   one = run(objective=(mean, mean), **quick).history
   other = run(objective=(total, mean), **quick).history
   assert abs(float(other.loss_D[0] / one.loss_D[0]) - 2) < 0.01
   assert abs(float(other.loss_G[0] / one.loss_G[0]) - 1) < 0.01
   ```

   </details>

3. Could this generator learn the 50,000 images by heart? Count its parameters.

   <details><summary>Solution</summary>

   $100 \cdot 128 + 128 + 128 \cdot 784 + 784 = 114{,}064$ numbers, for 39 million pixels: less than
   three parameters an image. It has no room to copy. (Larger ones have: so measure the distance to
   the nearest training image, and look at the pairs.)

   ```python
   from mxnet import np

   net_G = networks()[1]
   net_G.initialize(weights())
   net_G(np.zeros((1, 100)))
   parameters = sum(p.data().size for p in net_G.collect_params().values())
   assert parameters == 114064
   assert parameters / 50_000 < 3
   ```

   </details>

4. Where do the digits of the running average differ from those of $G$ itself? Draw both from the
   same noise.

   <details><summary>Solution</summary>

   `history.averaged(net_G)` lets `net_G` hold the average for a while. The early average is near to $G$,
   since it forgets quickly at first; after longer training its digits are smoother and have fewer
   stray pixels.

   ```python
   from mxnet import np

   result = run(num_examples=512, num_epochs=2, score=False, out=out)
   Z = np.random.uniform(-1, 1, (4, 100))
   own = result.net_G(Z)
   with result.history.averaged(result.net_G):
       average = result.net_G(Z)
   assert 0 < float(np.abs(own - average).mean()) < 0.2
   assert float(np.abs(result.net_G(Z) - own).max()) == 0
   ```

   </details>

5. A pixel of the generator is $p = \sigma(a)$. How much of a gradient gets through it at $p = 0.5$,
   and how much at $p = 0.001$?

   <details><summary>Solution</summary>

   The slope is $p(1 - p)$: $0.25$ and $0.001$. A pixel that is wrong and *sure* hears 250 times
   less of it.

   ```python
   from mxnet import autograd, np

   p = np.array([0.5, 0.001])
   a = np.log(p / (1 - p))
   a.attach_grad()
   with autograd.record():
       pixels = npx.sigmoid(a)
   pixels.backward()
   assert abs(float(a.grad[0] / a.grad[1]) - 250) < 1
   ```

   </details>

The book's section on GANs, which this chapter builds on: [20.1, Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/gan.html).
"""

# %% [markdown]
r"""
# Leaky units and softer labels

Four changes to the digits of the last chapter, each with a reason: leaky ReLUs, pixels between $-1$
and $1$ made by a tanh, a softer label for real digits, and a higher learning rate. They were the
folklore of small GANs when they came up, and most of them still are.

They also come with something that every project needs sooner or later: the generator is saved by
itself, and a second program, which knows nothing of the first, draws new digits with it.
"""

# %%
from d2l_gan import files, latent, plots
from d2l_gan.digits import fit, sample_digits
from d2l_gan.generator import latest_generator

from mxnet import init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## Leaky units

A ReLU answers every negative sum with 0, and its slope there is 0, too: through a unit that is off,
nothing is learned. In a classifier this costs little, since other examples turn the unit on. Here
it costs more: *all* that the generator ever learns comes through the discriminator's units,
backwards, and a unit that is off for a sample tells the generator nothing about it. A *leaky* ReLU,

$$\max(x, 0.01\,x),$$

lets a hundredth of the gradient pass instead of none.

## Pixels from −1 to 1

The generator now ends in a tanh, so the real digits are scaled to match it, $x \mapsto 2x - 1$:
paper is $-1$ and ink is $1$. For the generator that is not much of a change, since $\tanh(a) =
2\sigma(2a) - 1$: the same curve, twice as steep. The *discriminator* gains. The gradient of a
weight in its first layer is the pixel times something. With paper at 0, most pixels of most digits
contribute nothing to it: $D$ learns from ink only. At $-1$ and $1$, it learns from every pixel.

Now there are two scales, and that is a trap: whatever looks at samples must know which one it gets.
Here, pictures, files and scores have pixels in $[0, 1]$ without exception; `(x + 1) / 2` brings
them there.
"""


# %%
def networks():
    """Return net_D and net_G."""
    net_D = nn.HybridSequential()
    net_D.add(
        nn.Dense(128),  # (batch, 784) -> (batch, 128)
        nn.LeakyReLU(0.01),
        nn.Dense(1),  # (batch, 1), a logit
    )
    net_G = nn.HybridSequential()
    net_G.add(
        nn.Dense(128),  # (batch, latent_dim) -> (batch, 128)
        nn.LeakyReLU(0.01),
        nn.Dense(784, activation='tanh'),  # (batch, 784), pixels in (-1, 1)
    )
    return net_D, net_G


# %% [markdown]
r"""
## One-sided label smoothing

Tell the discriminator that a real digit is real with the label $1 - s = 0.9$ instead of 1. The loss
of a real digit, $-0.9 \log \sigma(o) - 0.1 \log(1 - \sigma(o))$, is then lowest at $\sigma(o) =
0.9$, that is at the logit $o = \ln 9 = 2.2$, and rises beyond: overconfidence is punished, and the
logits of a $D$ that is winning no longer run away.

Why only the real side? Suppose fake digits got the label $t$ instead of 0. Wherever real digits
have the density $p$ and generated ones $q$, the best discriminator would answer

$$\sigma(D(\mathbf{x})) = \frac{(1 - s)\, p + t\, q}{p + q}.$$

With $t = 0$ this is the answer of before, times $0.9$. With $t > 0$, the *generator's own* density
is in the numerator. Where it draws something that is no digit at all, $p = 0$, the answer is $t$,
whatever $q$ is: a flat plateau, no slope to lead the bad samples away. And the generator's label
stays at 1, too: a label of $0.9$ would ask it to be less convincing. (Salimans et al., 2016. Texts
disagree about what is called "smooth", the $0.1$ that is taken away or the $0.9$ that is left.
Here, `label_smoothing` is what is taken away.)

Where is the balance now? At $p = q$ the answer is $0.45$, not $0.5$. So $D$'s loss, halved as in
the book, is $-\frac12 (0.9 \ln 0.45 + 0.1 \ln 0.55 + \ln 0.55) = 0.688$, and the generator's is
$-\ln 0.45 = 0.799$. Nor can $D$ get down to 0: the least it can reach is $0.163$.

## Training

A rate of $0.002$ for both and batches of 100, as in the tutorial that this follows, which trained
for 100 epochs. A fifth change of ours makes 25 enough: **a shorter memory for Adam**, `beta1=0.5`
in place of $0.9$. Adam follows a mean of about the last $1 / (1 - \beta_1)$ gradients. In a game,
the gradients of ten steps ago answer an opponent who has moved on since; a mean of two is nearer to
the present (Radford et al., 2016).

Digits kept for validation say what that is worth. After 25 epochs of the tutorial's settings, seed
0, seven of the ten digits are there, and the Parzen estimate of the last chapter is 4 nats. With
`beta1=0.5` all ten are there and it is 68; with the running average as well, 153. (`make scores
ARGS=choices` prints it.)

After each epoch the generator is saved by itself: `generators/generator-000001`, and so on, the
newest three. That is all that drawing needs. The discriminator, the moments of Adam and the
counters, all that is needed to go on *training*, are in `checkpoints`.
"""


# %%
def run(
    num_epochs=25, batch_size=100, lr_D=0.002, lr_G=0.002, objective='label_smoothing',
    label_smoothing=0.1, prior='uniform', beta1=0.5, average=0.999, **common,
):  # fmt: skip
    """Train the GAN with leaky units and smooth labels; return net_D, net_G, history and scores.

    `d2l_gan.digits.fit` says what the keywords mean, and which others there are.
    """
    return fit(
        *networks(), 'mnist_leaky', init.Xavier(), 'symmetric', num_epochs=num_epochs,
        batch_size=batch_size, lr_D=lr_D, lr_G=lr_G, objective=objective,
        label_smoothing=label_smoothing, prior=prior, beta1=beta1, average=average, **common,
    )  # fmt: skip


# %%
if __name__ == '__main__':
    result = run()

# %% [markdown]
r"""
## Sixteen new digits

In a fresh program, all this is gone; what is left is a file. `python -m chapters mnist_leaky
--sample 16` finds the newest generator, draws 16 digits that nobody has seen before, and writes
them as a picture and as `samples.npz`, in which `images` is an array of 16 × 28 × 28 numbers in
$[0, 1]$. It takes any number, and another `--seed` draws others. (Many programs of this kind pickle
their samples. An unpickled file can run any code it likes on the reader's machine; an array in an
`.npz` is only an array.)
"""


# %%
def sample(num=16, seed=0, device=None, out=None):
    """Draw so many new digits with the newest generator under `out`, without training."""
    return sample_digits(num, 'mnist_leaky', 'symmetric', seed, device, out)


# %%
if __name__ == '__main__':
    images = sample(16)
    plots.show(plots.view_samples(images))

# %% [markdown]
r"""
## From one digit to the next

Each digit is a point $\mathbf{z}$ of the generator's latent space, and between two points there is
a way. Walk along it, straight from one noise to another, and draw at every step: one digit turns
into the next without a jump. Where the way is far from both ends it may pass something that is
neither, since nobody has told the generator to avoid it. In a notebook, move the sliders yourself:
`way` walks, and `add` changes a single one of the hundred numbers, the one that `component` names.
Most of them do little, each a bit of everything: a slant, a thickness, a loop that closes.
"""


# %%
if __name__ == '__main__':
    out = files.output_dir('mnist_leaky')
    generator = latest_generator(out / 'generators')
    npx.random.seed(0)
    Z = np.random.uniform(-1, 1, (6, generator.latent_dim))
    latent.play(generator, Z, out / 'walk.gif', 'symmetric', (28, 28))

# %% [markdown]
r"""
## How good are they?

Over 5 seeds, all ten digits are there in each. The Parzen estimate is 152 nats at the median and
149 at the least, the classifier score 6.3, the Fréchet distance 65: better than in the chapter
before by all three, in a quarter of the epochs.

## Summary

- A leaky ReLU passes a little gradient where a ReLU passes none; the generator lives on what comes
  through the discriminator.
- A tanh is a sigmoid on another scale. What changes is what the discriminator sees: paper at $-1$
  teaches it, paper at 0 does not.
- Smooth $D$'s label for real digits, and nothing else. The balance moves to $0.688$ for $D$ and
  $0.799$ for $G$.
- Between two digits there is a way of digits, and of things that are none.
- Save the generator alone to draw with it, and everything to go on training.

## Exercises

1. Show that $\tanh(a) = 2\sigma(2a) - 1$. Could a generator with a tanh draw anything that one with
   a sigmoid cannot?

   <details><summary>Solution</summary>

   $2\sigma(2a) - 1 = \frac{2}{1 + e^{-2a}} - 1 = \frac{1 - e^{-2a}}{1 + e^{-2a}} = \tanh(a)$. So
   twice the weights of the last layer and a sigmoid draw the same digits: it is a matter of scale
   alone.

   ```python
   from mxnet import np

   a = np.linspace(-5, 5, 101)
   assert float(np.abs(np.tanh(a) - (2 * npx.sigmoid(2 * a) - 1)).max()) < 1e-6
   ```

   </details>

2. What is the lowest loss that $D$ can reach with labels of $0.9$ and $0$?

   <details><summary>Solution</summary>

   On fake digits it can come as near to 0 as it likes, with a logit far below 0. On real ones the
   best is $\sigma(o) = 0.9$, where the loss is the entropy of the label, $-0.9 \ln 0.9 - 0.1 \ln
   0.1 = 0.325$. Half the sum is $0.163$. A curve of $D$'s loss that settles there is a $D$ that has
   won.

   ```python
   from d2l_gan import losses
   from mxnet import np

   loss_D = losses.objective('label_smoothing', 0.1).loss_D
   o = np.linspace(0, 5, 5001)
   real = loss_D(o, np.ones(5001))
   assert abs(float(real.min()) / 2 - 0.163) < 1e-3
   assert abs(float(o[int(real.argmin())]) - 2.197) < 2e-3
   ```

   </details>

3. Smooth *both* sides by $0.1$. What does the best $D$ answer at a place where there are only
   generated digits, and how does that depend on how many there are?

   <details><summary>Solution</summary>

   With $p = 0$ the formula gives $0.1$, whatever $q$ is. With one-sided smoothing it gives 0:
   there, $D$ keeps lowering its logit, and the generator feels a slope away from that place.
   Minimise the expected loss to see it:

   ```python
   from d2l_gan import losses
   from mxnet import np

   smooth = losses.SigmoidLoss()
   o = np.linspace(-8, 8, 16001)


   def best_answer(p, q, real_label, fake_label):
       loss = p * smooth(o, np.full(16001, real_label)) + q * smooth(o, np.full(16001, fake_label))
       return float(npx.sigmoid(o[int(loss.argmin())]))


   for q in (0.01, 0.1, 1.0):
       assert abs(best_answer(0, q, 0.9, 0.1) - 0.1) < 1e-3
       assert best_answer(0, q, 0.9, 0.0) < 1e-3
   assert abs(best_answer(1, 1, 0.9, 0.0) - 0.45) < 1e-3
   ```

   </details>

4. The walk from one digit to the next has no jumps. Measure it: in 50 steps, how much does a pixel
   change at most in one of them, compared with the whole way?

   <details><summary>Solution</summary>

   $G$ is a continuous function, so nearby noises give nearby images. That is a property of the
   network and not of its training (here it has hardly had any), and it is also why the walk must
   cross something that is neither a 3 nor an 8.

   ```python
   from mxnet import np

   run(num_epochs=1, num_examples=512, score=False, out=out)
   generator = latest_generator(out / 'generators')
   start, end = np.random.uniform(-1, 1, (2, 1, 100))
   way = np.linspace(0, 1, 50).reshape(-1, 1)
   images = generator((1 - way) * start + way * end)
   step = np.abs(images[1:] - images[:-1]).max()
   assert float(step) < 0.25 * float(np.abs(images[-1] - images[0]).max())
   ```

   </details>

5. Forget the scale: give `networks` real digits in $[0, 1]$ while $G$ draws in $(-1, 1)$. By which
   single pixel can $D$ tell them apart?

   <details><summary>Solution</summary>

   By any in the corner. It is 0 in every real digit, and a new generator puts it below 0 half of
   the time; later it can only learn to hold it at exactly 0, in the steepest part of the tanh.

   ```python
   from d2l_gan import data

   for scale, paper in (('unit', 0), ('symmetric', -1)):
       X = data.images('digits', 'train', scale)[0]
       assert float(X[:, 0].max()) == float(X[:, 0].min()) == paper
   ```

   </details>

The book's section on GANs, which these chapters build on: [20.1, Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/gan.html).
"""

# %% [markdown]
r"""
# Deep convolutional GANs

Digits from convolutions: a generator that unfolds noise into a picture, step by step twice as
large, and a discriminator that folds it back. The book's second section on GANs does it with
pictures of Pokémon; here are its networks, its mistakes, and what it takes until a classifier reads
the digits.

The chapters before drew with dense layers: each pixel by its own, from all that the layer before
knew. They did not know that pixels are neighbours. Radford, Metz and Chintala showed in 2015 how to
train networks that know.
"""

# %%
import functools
import math
from pathlib import Path

from d2l_gan import check, files, folders, latent, metrics, plots
from d2l_gan.archive import host
from d2l_gan.classifier import classifier
from d2l_gan.digits import SHAPE, Digits, fit, sample_digits
from d2l_gan.generator import latest_generator
from d2l_gan.pictures import images
from d2l_gan.speak import tell

import numpy
from mxnet import init, np, npx
from mxnet.gluon import nn

npx.set_np()

# %% [markdown]
r"""
## The generator

A *transposed convolution* with stride 2 lays a copy of its kernel, times the pixel, over every
second place of a picture twice as large, and adds up where copies overlap. With kernel $k$, padding
$p$ and stride $s$, $n$ pixels become

$$n' = (n - 1) s - 2 p + k,$$

so $k = 4$, $s = 2$, $p = 1$ doubles: $2 (n - 1) - 2 + 4 = 2 n$. Batch normalisation and a ReLU come
after it, and that is the book's `G_block`. It is a `HybridSequential` here, so that it can be
compiled; what it computes is the same.
"""


# %%
class G_block(nn.HybridSequential):
    """Make a picture with `channels` channels, by default twice as large."""

    def __init__(self, channels, kernel_size=4, strides=2, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.add(
            nn.Conv2DTranspose(channels, kernel_size, strides, padding, use_bias=False),
            nn.BatchNorm(),
            nn.Activation('relu'),
        )


# %%
if __name__ == '__main__':
    g_blk = G_block(20)
    g_blk.initialize()
    tell(f'16 x 16 becomes {g_blk(np.zeros((2, 3, 16, 16))).shape}')

# %% [markdown]
r"""
The first block is different. Noise has no width and no height; as a picture it is one pixel with
100 channels. With stride 1 and no padding, $n' = (1 - 1) \cdot 1 - 0 + 4 = 4$: it becomes a picture
of 4 × 4.
"""

# %%
if __name__ == '__main__':
    g_blk = G_block(20, strides=1, padding=0)
    g_blk.initialize()
    tell(f'1 x 1 becomes {g_blk(np.zeros((2, 3, 1, 1))).shape}')

# %% [markdown]
r"""
## Leaky units

The discriminator's units are leaky, $x$ for $x > 0$ and $\alpha x$ else, with $\alpha = 0.2$. For
$\alpha = 0$ that is the ReLU, which passes nothing on where a unit is off; for $\alpha = 1$ it is
no unit at all.
"""


# %%
def show_leaky(alphas=(0, 0.2, 0.4, 0.6, 0.8, 1)):
    """Return a figure of leaky ReLUs with these slopes below 0."""
    x = np.arange(-2, 1, 0.1)
    styles = '-', 'm--', 'g-.', 'r:', 'c-', 'k--'
    axes = plots.Animator('x', 'y', [f'{a}' for a in alphas], fmts=styles, figsize=(4, 3))
    axes.curves(x.asnumpy(), *(nn.LeakyReLU(alpha)(x).asnumpy() for alpha in alphas))
    return axes.fig


# %%
if __name__ == '__main__':
    plots.show(show_leaky())

# %% [markdown]
r"""
## The discriminator

A `D_block` is the mirror of a `G_block`: an ordinary convolution with stride 2, which halves,

$$n' = \left\lfloor \frac{n - k + 2 p}{s} \right\rfloor + 1, \qquad
\left\lfloor \frac{2 n - 4 + 2}{2} \right\rfloor + 1 = n.$$

The book's has batch normalisation. With `batch_norm=False` there is a bias in its place, and weights
as large as He et al. found that a network without normalisation needs them, so that all layers'
sums have the same size.
"""


# %%
class D_block(nn.HybridSequential):
    """Halve a picture, giving it `channels` channels; `batch_norm` chooses bias or normalisation."""

    def __init__(
        self, channels, kernel_size=4, strides=2, padding=1, alpha=0.2, batch_norm=True,
        dropout=0, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        how = {'use_bias': False} if batch_norm else {'weight_initializer': he()}
        self.add(nn.Conv2D(channels, kernel_size, strides, padding, **how))
        if batch_norm:
            self.add(nn.BatchNorm())
        self.add(nn.LeakyReLU(alpha))
        if dropout:
            self.add(nn.Dropout(dropout))


def he():
    """Return the initializer of He et al. 2015: variance 2 / (inputs of a unit)."""
    return init.Xavier('gaussian', 'in', 2)


# %%
if __name__ == '__main__':
    d_blk = D_block(20)
    d_blk.initialize()
    tell(f'16 x 16 becomes {d_blk(np.zeros((2, 3, 16, 16))).shape}')

# %% [markdown]
r"""
## Both networks, for any size

The book's pictures have 64 × 64 pixels and its networks are written down for them. Written as a
rule they take any size: halve until at most 4 pixels are left, 64, 32, 16, 8, 4 or 28, 14, 7, 4,
and at each halving double the channels. (An odd number is reached by a kernel of 3:
$2 \cdot 3 - 2 + 3 = 7$.) With 64 pixels, 3 channels and `width=64` they are the book's, 512, 256, 128 and 64
channels in the generator and 64, 128, 256 and 512 in the discriminator. `book=False` leaves batch
normalisation out of the discriminator, as many do who want it to judge each picture by itself.
"""


# %%
def sizes(size):
    """Return the widths of a picture on its way through the generator, in pixels."""
    found = [check.whole('size', size, least=8)]
    while found[0] > 4:
        found.insert(0, (found[0] + 1) // 2)
    return found


def networks(channels=1, size=28, width=32, book=True, dropout=0, islands=0):
    """Return net_D and net_G for pictures (channels, size, size); book: net_D is normalised."""
    check.whole('width', width)
    start, *rest = sizes(size)
    kernels = [3 if n % 2 else 4 for n in rest]
    widths = [width * 2**i for i in range(len(rest))]
    net_G = nn.HybridSequential()
    if islands:
        net_G.add(latent.Islands(islands))  # (batch, latent_dim, 1, 1)
    net_G.add(G_block(widths[-1], start, strides=1, padding=0))  # (batch, latent_dim, 1, 1)
    for out, kernel in zip(widths[-2::-1], kernels):
        net_G.add(G_block(out, kernel))
    net_G.add(
        nn.Conv2DTranspose(channels, kernels[-1], 2, 1, use_bias=not book, activation='tanh')
    )  # (batch, channels, size, size)
    net_D = nn.HybridSequential()
    for out, kernel in zip(widths, kernels[::-1]):
        net_D.add(D_block(out, kernel, batch_norm=book, dropout=dropout))
    how = {'use_bias': False} if book else {'weight_initializer': he()}
    net_D.add(nn.Conv2D(1, start, **how))  # (batch, 1, 1, 1), a logit
    return net_D, net_G


# %%
if __name__ == '__main__':
    net_D, net_G = networks(channels=3, size=64, width=64)
    net_D.initialize(), net_G.initialize()
    X = net_G(np.zeros((1, 100, 1, 1)))
    tell(f'G makes {X.shape}, D makes {net_D(X).shape} of it')

# %% [markdown]
r"""
## Islands

One thing is not the book's. $G$ is continuous, and normal noise is all of one piece, so what $G$
draws is of one piece, too: on the way from noise that becomes a 4 to noise that becomes a 9 lies
noise that becomes neither. But between digits lies nothing that anybody would write, and steep as
$G$ may be there, a share of its pictures falls into the gap.

So let $G$ be discontinuous. `latent.Islands` stands before its first block. The largest of the first
40 numbers of the noise says on which *island* a picture lies: the 40 become a vector $d\, e_j$, which
is $d$ at the place of the largest and 0 elsewhere. The other 60 say where on the island. The distance
$d = 6$ makes the choice count about as much as those together, which are about $\sqrt{60} = 7.7$ long.
(The choice is a softmax, so steep that it hardly ever decides for two.)

Nobody says which digit belongs where, and $D$ knows nothing of islands. $G$ has 40 starting points
instead of one, and learns what to make of them. Mixtures as priors are an old thought; for GANs see
[Gurumurthy et al. (2017)](https://arxiv.org/abs/1706.02071), and [Khayatkhoei et al.
(2018)](https://arxiv.org/abs/1806.00880) on why one piece is not enough.
"""

# %%
if __name__ == '__main__':
    corner = latent.Islands(4)(np.array([0.3, 1.2, -0.5, 0.9, 0.1, -0.2]).reshape((1, 6, 1, 1)))
    tell(f'{corner.reshape(-1)}')

# %% [markdown]
r"""
## Reading the book closely

Its section is short and its code runs here as it stands. A few sentences and numbers in it are
better not taken along.

- **"Normalize ... to N(0, 1)"**, says a comment. `Normalize(0.5, 0.5)` takes 0.5 away and divides
  by 0.5: it maps $[0, 1]$ to $[-1, 1]$, the range of a tanh. The result has neither mean 0 nor
  variance 1, and needs neither.
- **Normalised everywhere "except its input layer"**, says the text. The code normalises after $D$'s
  first convolution, too, which DCGAN does not.
- **Four layers**, says the text. Count them in `networks`: five in each.
- **All weights from $\mathcal{N}(0, 0.02^2)$**, in the book's other frameworks those of batch
  normalisation as well. Its $\gamma$ multiplies: drawn around 0, it leaves about a fiftieth, and
  half of it upside down (exercise 5). DCGAN has $\mathcal{N}(1, 0.02^2)$. In Gluon `gamma`
  brings its own initializer, 1, and `init.Normal(0.02)` leaves it alone: the mistake cannot happen.
- **A learning rate of 0.005**, 25 times DCGAN's, which its successor found too high for Pokémon. For
  runs of minutes the table below finds otherwise: it is kept.
- **No seed, no score, fresh noise for each picture**, so that no two runs can be compared, and no
  two epochs of one.

- **A download by plain http**, whose checksum is compared only where the file is there already.

And one thing that is no mistake but surprises everyone: with batch normalisation, what $D$ says of
a picture depends on which others are in its batch. Exercise 2 looks at it. So real and fake
pictures go through the book's $D$ in two batches, and must: in one, they would be normalised by
each other. Without normalisation they may go together, which is faster.

## One change at a time

From the book's settings to ours, each row with all the changes above it; then two that
were left out. It is quick: half the width (16) and 6 epochs of 20,000 digits,
1,878 steps; 10,000 samples beside the validation digits, seed 100.

| change | classifier score | Fréchet distance | accuracy of D |
| --- | --- | --- | --- |
| the book's | 7.31 | 22.1 | 83 % |
| `beta2=0.99` | 7.45 | 20.4 | 82 % |
| `decay=True` | 7.28 | 21.3 | 95 % |
| `average=0.998` | 7.32 | 19.1 | 95 % |
| `label_smoothing=0.1` | 7.48 | 15.9 | 91 % |
| `islands=40`: ours | 8.47 | 10.6 | 82 % |
| with `lr_D=0.0002, lr_G=0.0002` | 4.93 | 172.3 | 96 % |
| with `lr_D=0.002` | 8.58 | 15.2 | 82 % |

`make scores ARGS=ladder` prints it. The book comes out well! Its rate is 25 times DCGAN's, and in a
run of minutes that is what counts: at 0.0002, $G$ has hardly left its first weights. Falling rates
cost a little at first and pay in a long run, where they let the game settle, and the average takes
out what still swings. Smoothing $D$'s label for real digits helps: this $D$ wins early, and who is not
asked to be surer than 90 % goes on teaching. The islands help most, and $D$ itself says so: it knows
fewer of the pictures. How far apart they lie matters, and short runs of a few seeds differ a lot: too
near, and nothing changes; too far, and within an island all pictures are alike. The number and the
distance were chosen in runs of 3 minutes, with the seeds 100 and 101.

Another step towards a $D$ that does not win would be one without batch normalisation, at rates that it
can bear, `--no-book --lr-D 0.001 --lr-G 0.003`: an earlier version of this chapter had that, and noise
of one piece. After twelve epochs (seed 0) it had come to a Fréchet distance of 10.1 and a classifier
score of 8.19. Balanced losses, worse digits.

## Training

The game is that of the other chapters; noise has the shape (batch, 100, 1, 1) now, and digits
(batch, 1, 28, 28), in $[-1, 1]$. A step multiplies and adds 2,070 million times (exercise 3), eight
times as often as a step of the deep chapter. So the defaults take minutes, and where a run is going
to take more than ten, it says so after the first seconds. Ctrl-C lets the epoch end and saves it;
`--resume` goes on.
"""


# %%
def pictures(data='auto', size=None, num_examples=None, flip=True):
    """Return the real pictures that `data` names, as for `run`."""
    if data in ('auto', 'mnist', 'digits'):
        if size not in (None, 28):
            check.fail('size', size, '28 for digits')
        return Digits(data, 'symmetric', False, num_examples, channels_first=True)
    size = check.whole('size', 64 if size is None else size, least=8)
    load = folders.pokemon if data == 'pokemon' else functools.partial(folders.Pictures, data)
    return load(size=size, num_examples=num_examples, flip=flip)


def grow(out=None, most=12):
    """Write growth.gif, the same 16 pictures at `most` epochs, evenly spread."""
    out = files.output_dir('dcgan') if out is None else Path(out)
    kept, pictures = list(files.numbered(out / 'samples', 'epoch-{:06d}.npz').values()), []
    for i in numpy.linspace(0, len(kept) - 1, min(most, len(kept))).round().astype(int):
        with numpy.load(kept[i]) as saved:
            pictures.append(plots.mosaic(saved['images'], 4, 4).repeat(2, 0).repeat(2, 1))
    plots.film(pictures, out / 'growth.gif', milliseconds=300)


def run(
    data='auto', size: int = None, num_epochs: int = None, batch_size=64, width=32, lr_D=0.005,
    lr_G=0.005, latent_dim=100, beta1=0.5, beta2=0.99, decay=True, average=0.998,
    label_smoothing=0.1, book=True, islands: int = None, num_examples: int = None, flip=True,
    dropout=0.0, out=None, **common,
):  # fmt: skip
    """Train the convolutional GAN; return net_D, net_G, history and scores.

    `d2l_gan.digits.fit` says what the keywords mean, and which others there are, but for these.

    Args:
        data: mnist, digits (1,797 that come with scikit-learn), auto for MNIST where it can be had,
            pokemon (the book's), or a folder or zip of pictures of your own.
        size: pixels of a side, to which your pictures are cropped and resized; 64 by default, and
            28 for digits.
        num_epochs: passes over the pictures, of at least 100 steps; by default 12 over digits, and
            4,000 steps for other pictures.
        flip: show pictures, but no digits, in a mirror, too.
        dropout: share of D's units that are off in a step, in [0, 1).
        width: channels next to the picture; each halving doubles them.
        latent_dim: channels of the noise, a picture of one pixel.
        book: the book's discriminator, with batch normalisation. Without, lower rates fit, such as
            0.001 and 0.003.
        islands: that the noise has; by default 40 for digits, and none (0) for other pictures.
    """
    out = files.output_dir('dcgan') if out is None else Path(out)
    real = pictures(data, size, num_examples, flip)
    own = not isinstance(real, Digits)
    if num_epochs is None:
        num_epochs = math.ceil(4000 / len(real.batches(batch_size))) if own else 12
    check.whole('latent_dim', latent_dim)
    if islands is None:
        islands = 0 if own else 40
    if check.whole('islands', islands, least=0) >= latent_dim:
        check.fail('islands', islands, f'less than `latent_dim`, {latent_dim}')
    check.number('dropout', dropout, '[0, 1)')
    result = fit(
        *networks(*real.X.shape[1:3], width, book, dropout, islands),
        'dcgan', init.Normal(0.02), scale='symmetric', real=real, num_epochs=num_epochs, batch_size=batch_size, lr_D=lr_D,
        lr_G=lr_G, latent_dim=(latent_dim, 1, 1), beta1=beta1,
        beta2=beta2, decay=decay, average=average, label_smoothing=label_smoothing, out=out,
        **common,
    )  # fmt: skip
    if own:
        grow(out)
    return result


def sample(num=16, seed=0, device=None, out=None):
    """Draw so many new pictures with the newest generator under `out`, without training."""
    return sample_digits(num, 'dcgan', 'symmetric', seed, device, out, shape=None)


# %% [markdown]
r"""
Here, one epoch at half the width, to see it run. `make chapter-dcgan` takes all twelve.
"""

# %%
if __name__ == '__main__':
    result = run(num_epochs=1, width=16)

# %% [markdown]
r"""
## How good are they?

All twelve epochs (`make chapter-dcgan`), 10,000 digits beside MNIST's test digits, medians:

| | classifier score | Fréchet distance | Parzen, nats | memorised |
| --- | --- | --- | --- | --- |
| three dense layers, five seeds | 7.8 | 28 | 214 | |
| convolutions, noise of one piece, three seeds | 8.44 | 3.5 | 192 | 3 % |
| convolutions, islands, three seeds | 9.51 | 1.9 | 201 | 6 % |
| real digits | 9.73 | 0.77 | 241 | 0 % |

All ten digits are there, each between 755 and 1,182 times. The strokes are what convolutions draw
better, and the Fréchet distance shows it; that a picture is one digit and not half of two is what
islands bring, and the classifier shows it. And the Parzen estimate says *worse*: sharp digits that are
a pixel beside a real one are far from it, and fog is near to everything. "Memorised" below 10 % proves
nothing.

$D$'s loss falls all the while, with seed 0 to 0.35, and $G$'s comes to 2.14: $D$ keeps gaining, and in the
end knows 92 % of the pictures. And yet $G$ draws better and better. A loss tells how the game
stands, not how good the digits are.
"""

# %% [markdown]
r"""
## What has the discriminator seen?

Nobody told $D$ which digit is which. It learned one thing: to tell real from drawn. Radford and his
colleagues asked whether it had learned something about digits on the way, and so do we: take what
its blocks make of a picture, pool each to about 4 × 4 pixels, and let two simple classifiers read
digits from that: the nearest labelled neighbour, and a linear one (ridge regression on the ten
classes). They get few labels, and the same with pixels instead.

And a control that is easily forgotten: a $D$ that has *not* been trained. Convolutions with random
weights are no bad features, and only what goes beyond them was learned. The share of the 10,000
test digits that are read rightly, after twelve epochs with seed 0:

| what is read | labels | nearest | linear |
| --- | --- | --- | --- |
| pixels | 1,000 | 86.9 % | 74.2 % |
| pixels | 10,000 | 94.6 % | 84.5 % |
| $D$ before training | 1,000 | 81.8 % | 90.8 % |
| $D$ before training | 10,000 | 91.2 % | 96.4 % |
| $D$ | 1,000 | 85.2 % | 92.6 % |
| $D$ | 10,000 | 93.2 % | 97.2 % |

With few labels, a linear classifier on $D$'s features reads many more digits rightly than the nearest of
as many pictures does. But note how much of that came without any training. And note what a game without
islands left behind: 95.0 % and 97.9 %, the linear one. That $D$ won more, and knew more about digits,
while its $G$ drew worse ones. Whoever wants the features may want the other game.
"""


# %%
def features(net_D, X, batch_size=500):
    """Return what D's blocks make of pictures, pooled: NumPy rows, (n, features).

    Args:
        net_D: one of `networks`.
        X: (n, channels, size, size), in [-1, 1].
    """
    rows = []
    for i in range(0, len(X), batch_size):
        x, found = X[i : i + batch_size], []
        for block in list(net_D)[:-1]:
            x = block(x)
            pool = -(-x.shape[2] // 4)
            found.append(npx.batch_flatten(nn.MaxPool2D(pool, pool, ceil_mode=True)(x)))
        rows.append(np.concatenate(found, axis=1).asnumpy())
    return numpy.concatenate(rows)


def accuracies(rows, labels, new_rows, new_labels):
    """Return the share of new rows that the nearest row reads rightly, and that a linear map does.

    Args:
        rows: (n, features), which the classifiers learn from.
        labels: (n,), what they show.
        new_rows: (m, features).
        new_labels: (m,).
    """
    from sklearn.linear_model import RidgeClassifier

    centre = rows.mean(axis=0)
    rows, new_rows = rows - centre, new_rows - centre
    squares, nearest = (rows**2).sum(axis=1), []
    for i in range(0, len(new_rows), 1000):
        nearest.append((squares - 2 * new_rows[i : i + 1000] @ rows.T).argmin(axis=1))
    ridge = RidgeClassifier(0.01 * squares.sum() / min(rows.shape)).fit(rows, labels)
    read = labels[numpy.concatenate(nearest)], ridge.predict(new_rows)
    return tuple(float((guess == new_labels).mean()) for guess in read)


def read_digits(net_D, source='auto', nums=(1000, 10_000), tests=10_000):
    """Return {what is read: {number of labels: accuracies}} of test digits, as `accuracies` does.

    Args:
        net_D: trained on digits.
        source: as for `Digits`.
        nums: how many labelled training digits there are.
        tests: how many test digits are read.
    """
    (X, labels, source), (new_X, new_labels, _) = (
        images(source, split, 'symmetric', False) for split in ('train', 'test')
    )
    X, new_X = (x.reshape((-1, 1, 28, 28)) for x in (X[: max(nums)], new_X[:tests]))
    labels, new_labels, found = labels.asnumpy(), new_labels.asnumpy()[:tests], {}
    normal = isinstance(net_D[0][1], nn.BatchNorm)
    fresh, _ = networks(width=net_D[0][0].weight.shape[0], book=normal)
    fresh.initialize(init.Normal(0.02))
    for name, describe in {
        'pixels': npx.batch_flatten, 'D before training': lambda x: features(fresh, x),
        'D': lambda x: features(net_D, x),
    }.items():  # fmt: skip
        rows, new_rows = (numpy.asarray(host(describe(x))) for x in (X, new_X))
        found[name] = {
            n: accuracies(rows[:n], labels[:n], new_rows, new_labels) for n in nums if n <= len(X)
        }
    return found


def in_words(found):
    """Return what `read_digits` found as lines of a table."""
    lines = [f'{"":20}{"labels":>8}{"nearest":>9}{"linear":>8}']
    for name, by_number in found.items():
        for n, (nearest, linear) in by_number.items():
            lines.append(f'{name:20}{n:>8,}{nearest:>9.1%}{linear:>8.1%}')
    return '\n'.join(lines)


# %%
if __name__ == '__main__':
    tell(in_words(read_digits(result.net_D, nums=(1000,), tests=2000)))

# %% [markdown]
r"""
## A walk

Between two points of noise there are others, and the generator draws those as well. Which way? A
straight line, as for the leaky digits, looks natural. But 100 normal numbers have a length of about
$\sqrt{100} = 10$, hardly ever 9 or 11, and the middle between two of them has about $10 / \sqrt 2
= 7$. The generator has learned from noise on a sphere, and the straight way leads through its
inside. The *spherical* way keeps to the great circle.

Does it matter? Draw 10,000 digits from the very middle of such ways, and compare them with real
ones. After twelve epochs (seed 0), `halfway` finds a Fréchet distance of 1.6 for digits that are
not between any, 1.7 halfway on the sphere, and 3.6 halfway straight on.

Where the ways lead from one island to another, you see them do it: the digit changes little by little,
leaps at the shore, and changes little by little again. Things that are both or neither, as in the leaky
chapter's walk, are gone.
"""


# %%
def halfway(generator, way='straight', num=10_000, seed=0, source='auto'):
    """Return the Fréchet distance to real test digits of those drawn halfway between two others.

    Args:
        generator: callable, noise -> digits, (n, 1, 28, 28) in [-1, 1].
        way: as for `latent.between`; None for digits that are not between any.
        num: how many digits.
        seed: of the noise.
        source: as for `Digits`.
    """
    test, _, source = images(source, 'test')
    draw = numpy.random.default_rng(seed).standard_normal
    a, b = (draw((num, *generator.latent_dim), dtype='float32') for _ in range(2))
    Z = a if way is None else [latent.between(x, y, 0.5, way) for x, y in zip(a, b)]
    Z, read = np.array(Z, dtype='float32'), classifier(source).read
    parts = [generator(Z[i : i + 500]) for i in range(0, num, 500)]
    rows = plots.pixels(np.concatenate(parts), 'symmetric', SHAPE).reshape(-1, 784)
    return metrics.frechet(read(rows)[1], read(test.asnumpy())[1])


def walk(out=None, way='spherical', seed=5):
    """Show sliders from one digit to another, and the same as a film; `way` as for `between`."""
    out = files.output_dir('dcgan') if out is None else Path(out)
    generator = latest_generator(out / 'generators')
    Z = numpy.random.RandomState(seed).normal(size=(4, *generator.latent_dim))
    latent.play(generator, Z, out / 'walk.gif', 'symmetric', SHAPE, way)


# %%
if __name__ == '__main__':
    generator = latest_generator('build/dcgan/generators')
    for way in (None, 'straight', 'spherical'):
        tell(f'{way}: {halfway(generator, way, num=2000):.1f}')
    walk()

# %% [markdown]
r"""
## Pictures of your own

`--data` takes any folder or zip of pictures, PNG, JPEG, GIF or WebP, of any size: they are cropped
to their middle and made `--size` pixels wide, 64 by default. `--data pokemon` fetches the book's.

```bash
make chapter-dcgan ARGS="--data holidays.zip --size 32 --batch-size 32"
```

Few people have 50,000 pictures, and with few there is a new danger: $D$ learns them by heart; then
it knows the real ones without knowing what makes them real, and has nothing to teach. So pictures
are shown in a mirror, too (`--no-flip`, if there is writing in them), and if $D$ still wins early, a
share of its units can rest in each step (`--dropout 0.3`).

No classifier reads your pictures. So the Fréchet distance is taken in features of their own: 64
small patches of them, whitened, laid over each picture as filters, which is nearly as good as what
a network learns (Coates and Ng 2011). Its unit is percent of how much the real pictures vary; it
grows with blur, noise and repetition, and says nothing of whether a thing could be what it seems.
And a number watches for copies: the share of new pictures that are three times as near to one real
picture as to any other. Every tenth picture is never trained on, to have something to compare with.

With 1,906 emoji and the flags above, the distance is 3.0 after 40 epochs of 100 steps (seed 0); from
one half of the real ones to the other it is 1.8. Of 10,000 new pictures 0.0 % count as copies; of
the real ones that were held out, 2.6 % do, since some emoji are nearly the same. Shapes and colours
are an emoji's, and here and there one is a face or a flag. What the others show, nobody knows.
"""

# %% [markdown]
r"""
## Summary

- Transposed convolutions unfold noise into a picture, each doubling its size; convolutions with
  stride 2 fold it back into one logit.
- Batch normalisation carries both networks, and rates that would be far too high without it.
- Short runs are a bad judge of long ones: falling rates cost at first.
- A game that looks lost may draw well, and a balanced one badly: look at the digits, and measure.
- What a discriminator has learned can be tried on another question; try an untrained one as well.
- Kinds of pictures are islands. A generator that is continuous must draw what lies between them; one
  that is not need not.
- Noise lives on a sphere. Walk along it.
- With few pictures, see to it that $D$ does not learn them by heart, and count the copies.

## Exercises

1. Which sizes does a block with kernel 4, stride 2 and padding 1 make of 5, 6 and 7 pixels, in the
   generator and in the discriminator?

   <details><summary>Solution</summary>

   10, 12 and 14 in the generator; 2, 3 and 3 in the discriminator, which rounds down.

   ```python
   for n, up, down in ((5, 10, 2), (6, 12, 3), (7, 14, 3)):
       for block, m in ((G_block(2), up), (D_block(2), down)):
           block.initialize()
           assert block(np.zeros((1, 1, n, n))).shape == (1, 2, m, m)
   ```

   </details>

2. A friend normalises in $D$, as the book does, and is worried: $D$ judges the same picture
   differently beside other pictures. Is that a bug?

   <details><summary>Solution</summary>

   No. While it learns, batch normalisation takes mean and variance from the batch; outside of
   `autograd.record` it takes its running averages, and a picture is judged by itself.

   ```python
   from mxnet import autograd

   net_D, _ = networks(width=4, book=True)
   net_D.initialize(init.Normal(0.02))
   X = np.random.uniform(-1, 1, (8, 1, 28, 28))
   net_D(X)
   with autograd.train_mode():
       assert np.abs(net_D(X)[:2] - net_D(X[:2])).max() > 1e-6
   assert np.abs(net_D(X)[:2] - net_D(X[:2])).max() < 1e-6
   ```

   </details>

3. How many multiply-adds does one digit cost, in each network at the defaults? And a step, for a
   batch of 64?

   <details><summary>Solution</summary>

   Each weight of a convolution is used once for each pixel of what it makes, each of a transposed
   one once for each pixel of what it is given. A step needs the generator three times (forward, and
   back to its weights and its units) and the discriminator eight times: for real and fake forward
   and twice back, then for fake again forward and back to the pixels.

   ```python
   found = []
   for net, x in zip(networks(), (np.zeros((1, 1, 28, 28)), np.zeros((1, 100, 1, 1)))):
       net.initialize()
       total = 0
       for block in net:
           y = block(x)
           layer = block if hasattr(block, 'weight') else block[0]
           pixels = x if isinstance(layer, nn.Conv2DTranspose) else y
           total += layer.weight.data().size * pixels.shape[2] * pixels.shape[3]
           x = y
       found.append(total)
   D, G = found
   assert (round(D / 1e6, 2), round(G / 1e6, 2)) == (2.89, 3.09)
   assert round(64 * (3 * G + 8 * D) / 1e9, 2) == 2.07
   ```

   </details>

4. Put plain ReLUs into $D$ (the book's exercise). How many of its units say nothing about a digit,
   before the first step?

   <details><summary>Solution</summary>

   About half, and through those nothing comes back to the generator. Of leaky ones, a fifth of the
   gradient does. (`alpha=0` makes the ReLU.)

   ```python
   for alpha in (0, 0.2):
       block = D_block(32, alpha=alpha, batch_norm=False)
       block.initialize()
       silent = float((block(np.random.uniform(-1, 1, (16, 1, 28, 28))) == 0).mean())
       assert 0.3 < silent < 0.7 if alpha == 0 else silent < 0.01
   ```

   </details>

5. Draw $\gamma$ from $\mathcal{N}(0, 0.02^2)$ after all, as the book's other frameworks do. What is
   left of the differences between two pictures when they arrive at the generator's end?

   <details><summary>Solution</summary>

   About a hundredth. Each normalisation undoes most of what the $\gamma$ before it has shrunk, but
   nobody undoes the last, which leaves a fiftieth; and where sums are so small, the $\epsilon$ that
   is added to their variance counts as well.

   ```python
   from mxnet import autograd

   _, net_G = networks(width=8)
   spread = []
   for gamma in (None, init.Normal(0.02)):
       net_G.initialize(init.Normal(0.02), force_reinit=True)
       for block in list(net_G)[:-1] if gamma else ():
           block[1].gamma.initialize(gamma, force_reinit=True)
       with autograd.train_mode():
           spread.append(float(net_G(np.random.normal(0, 1, (16, 100, 1, 1))).std(axis=0).mean()))
   assert spread[1] < spread[0] / 20
   ```

   </details>

6. Rank these by their Fréchet distance to 500 real digits, in features of those: 500 other real
   ones; the same blurred; ten of them, fifty times each; and the 500 themselves. Which of them would
   you not have as a generator?

   <details><summary>Solution</summary>

   In this order they get worse, but for the last, which has distance 0. It is a generator that
   copies, and the distance cannot tell: the count of copies must.

   ```python
   from d2l_gan import data, features

   X = data.images('digits', flat=False)[0].asnumpy()
   real, other = X[:500], X[500:1000]
   learned = features.Features(real)
   far = lambda images: metrics.frechet(learned(images), learned(real))
   blurred = (other + numpy.roll(other, 1, axis=1) + numpy.roll(other, 1, axis=2)) / 3
   repeated = numpy.tile(other[:10], (50, 1, 1, 1))
   assert 2 < far(other) < far(blurred) / 1.5 < far(repeated) / 4
   assert far(real[::-1]) < 1e-6
   ```

   </details>

The book's section: [20.2, Deep Convolutional Generative Adversarial
Networks](https://d2l.ai/chapter_generative-adversarial-networks/dcgan.html).
"""

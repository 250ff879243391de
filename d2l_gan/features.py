"""Score pictures of any kind, in features that need no download: patches of the real ones.

Coates and Ng (2011) found that small patches of the pictures themselves, whitened, serve as filters
nearly as well as what a network learns. So a first layer costs seconds and no labels, and suits the
pictures that are to be judged, be they faces or emoji.
"""

from d2l_gan import check, metrics
from d2l_gan.archive import host

import numpy
from mxnet import np, npx

PATCH, NUM_PATCHES = 6, 64  # pixels of a side; filters, each with its negative
SAMPLED = 20_000  # patches that the whitening is learned from
THRESHOLD, DAMP = 0.25, 0.1  # a response below the first is none; variance added while whitening
DIMS, RIDGE = 64, 0.03
MOST, VALUES = 10_000, 2**25  # pictures that are scored at most, and values in them, 128 MB
SAME = 0.01  # a root mean square difference that nobody sees


def channels_first(images):
    """Return pictures as NumPy, (n, channels, height, width), float32, once they are in [0, 1].

    Args:
        images: (n, height, width), (n, height, width, 3) or (n, channels, height, width).

    Raises:
        ValueError: for another shape, for pictures below 8 x 8, another range, or NaN.
    """
    images = numpy.asarray(host(images), 'float32')
    if not numpy.isfinite(images).all():
        raise ValueError('`images` has NaN or infinity; it must be finite')
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = numpy.moveaxis(images, 3, 1)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or min(images.shape[2:]) < 8:
        raise ValueError(
            f'`images` has shape {images.shape}; it must be (n, height, width) or (n, height, '
            'width, 3), at least 8 x 8'
        )
    if images.min() < 0 or images.max() > 1:
        raise ValueError(
            f'`images` run from {images.min():.3g} to {images.max():.3g}; they must be in [0, 1]'
        )
    return images


class Features:
    """Learn 64 features from real pictures; call it for those of others, (n, 64).

    64 patches of 6 x 6 pixels, whitened, are laid over a picture at every place (or, where it is
    large, every second, third, ...). How strongly each is there, and how strongly its negative, is
    averaged over each quarter of the picture; of these 512 numbers, 64 principal components are
    kept, in units in which their variance over the real pictures sums to 100. A Fréchet distance is
    then in percent of how much real pictures vary.

    It sees colours, edges, textures and roughly where; it does not know what a thing is. Numbers
    compare only where the real pictures and their size are the same.

    Args:
        images: real pictures, as for `channels_first`, at least 20.
        seed: of the choice of patches.
    """

    def __init__(self, images, seed=0):
        images, random = channels_first(images), numpy.random.RandomState(seed)
        if len(images) < 20:
            check.fail('images', f'{len(images)} pictures', 'at least 20')
        patches = _patches(images, random).astype('float64')
        mean = patches.mean(axis=0)
        values, vectors = numpy.linalg.eigh(numpy.cov(patches.T))
        whiten = (vectors / numpy.sqrt(values.clip(0) + DAMP)) @ vectors.T
        found = (patches - mean) @ whiten
        size = numpy.linalg.norm(found, axis=1)
        found = (found / (size[:, None] + 1e-12))[size >= numpy.median(size) / 2][:NUM_PATCHES]
        filters = found @ whiten
        self.filters = np.array(filters.reshape(-1, images.shape[1], PATCH, PATCH), dtype='float32')
        self.bias = np.array(-filters @ mean, dtype='float32')
        pooled = self.responses(images)
        self.mean = pooled.mean(axis=0)
        _, spread, axes = numpy.linalg.svd(pooled - self.mean, full_matrices=False)
        variance = (spread[:DIMS] ** 2).sum() / (len(images) - 1)
        self.axes = axes[:DIMS].T * numpy.sqrt(100 / max(variance, 1e-12))

    def __call__(self, images):
        """Return the features of pictures of the size that was learned from."""
        return (self.responses(channels_first(images)) - self.mean) @ self.axes

    def responses(self, images):
        """Return all 512 numbers of pictures, as `channels_first` returns them, (n, 512)."""
        stride = max(1, min(images.shape[2:]) // 32)
        found = []
        for start in range(0, len(images), 100):
            Y = npx.convolution(
                np.array(images[start : start + 100]), self.filters, self.bias,
                kernel=(PATCH, PATCH), num_filter=len(self.filters), stride=(stride, stride),
            )  # fmt: skip
            Y = np.concatenate([npx.relu(Y - THRESHOLD), npx.relu(-Y - THRESHOLD)], axis=1)
            rows, columns = (n // 2 for n in Y.shape[2:])
            quarters = [
                part.mean(axis=(2, 3))
                for half in (Y[:, :, :rows], Y[:, :, rows:])
                for part in (half[..., :columns], half[..., columns:])
            ]
            found.append(np.concatenate(quarters, axis=1).asnumpy())
        return numpy.concatenate(found).astype('float64')


def _patches(images, random):
    n, _, height, width = images.shape
    places = [random.randint(most, size=SAMPLED) for most in
              (n, height - PATCH + 1, width - PATCH + 1)]  # fmt: skip
    return numpy.stack([
        images[i, :, y : y + PATCH, x : x + PATCH].ravel() for i, y, x in zip(*places)
    ])  # fmt: skip


def most(pictures):
    """Return how many pictures of the size of these are scored: 10,000, or fewer large ones."""
    return max(1, min(MOST, VALUES // pictures.pixels[0].size))


def picture_scores(images, pictures):
    """Score generated pictures beside real ones; return a dict for scores.json.

    Args:
        images: as for `channels_first`, of the size of the real ones.
        pictures: a `folders.Pictures`.

    Returns:
        A dict with these names.

        - frechet: `metrics.frechet` to the real pictures in their `Features`, percent.
        - real_frechet: that of one half of the real pictures to the other, drawn at random. Fewer
          pictures make it greater, so it is no lower bound; it says what a small number is.
        - nearest: median root mean square difference from the nearest picture that was trained on;
          `real_nearest` is that of pictures that were held out. It is small for copies and for fog.
        - memorised: share of samples that are three times as near to one picture that was trained
          on as to any other (Yoon et al. 2023), or differ from it by less than 1 % of white; of
          the pictures that were held out it is `real_memorised`. A shifted copy is not noticed.
        - num_samples, num_real: how many.
    """
    images = channels_first(images)
    rows = numpy.random.RandomState(0).permutation(len(pictures))[: most(pictures)]
    real = pictures.unit(numpy.sort(rows))
    if images.shape[1:] != real.shape[1:]:
        raise ValueError(
            f'`images` are {images.shape[1:]}; they must be as the real pictures, {real.shape[1:]}'
        )
    features = Features(real)
    of_real = features(real)
    half = numpy.random.RandomState(1).permutation(len(real)) < len(real) // 2
    return {
        'num_samples': len(images), 'num_real': len(pictures),
        'frechet': metrics.frechet(features(images), of_real),
        'real_frechet': metrics.frechet(of_real[half], of_real[~half]),
        **_nearness(images, pictures),
    }  # fmt: skip


def labelled_scores(images, labels, pictures):
    """Score pictures that were asked for by the name of their folder; return a dict.

    Args:
        images: as for `channels_first`, of the size of the real ones.
        labels: (n,), what was asked for, numbers into `pictures.names`.
        pictures: a `folders.Pictures`.

    Returns:
        A dict with these names.

        - agreement: share that a judge reads as what was asked for, in the mean over the folders. A
          line in the 512 responses, fitted by least squares to the pictures that were trained on,
          is no good judge: `real_agreement` is that of pictures that were held out, and `chance`
          that of pictures that have nothing to do with what was asked for.
        - variety: variance within a folder, summed over the values of a picture, divided by that of
          the real pictures, in the mean over the folders. Noise has it, too.
    """
    images, labels, kinds = channels_first(images), numpy.asarray(labels), len(pictures.names)
    rows = numpy.sort(pictures.train[: most(pictures)])
    real, shown = pictures.unit(rows), pictures.labels[rows]
    features = Features(real)
    judge = _judge(features.responses(real), shown, kinds)
    held_out = pictures.held_out[: most(pictures)]
    ratios = [_variance(images[labels == kind]) / _variance(real[shown == kind])
              for kind in numpy.intersect1d(labels, shown)]  # fmt: skip
    return {
        'agreement': _agreement(judge(features.responses(images)), labels),
        'real_agreement': _agreement(
            judge(features.responses(pictures.unit(held_out))), pictures.labels[held_out]
        ),
        'chance': 1 / kinds, 'variety': float(numpy.mean(ratios)),
    }  # fmt: skip


def _variance(images):
    return max(images.var(axis=0).sum(dtype='float64'), 1e-12)


def _agreement(read, labels):
    return float(numpy.mean([(read[labels == kind] == kind).mean() for kind in {*labels}]))


def _judge(rows, labels, kinds):
    """Return a function, responses (n, 512) -> kinds (n,), in which every kind has equal weight."""
    mean, sd = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    told = lambda rows: numpy.concatenate([(rows - mean) / sd, numpy.ones((len(rows), 1))], axis=1)
    X, weight = told(rows), 1 / numpy.bincount(labels, minlength=kinds)[labels]
    squares = (X.T * weight) @ X + RIDGE * numpy.eye(X.shape[1])
    lines = numpy.linalg.solve(squares, (X.T * weight) @ numpy.eye(kinds)[labels])
    return lambda rows: (told(rows) @ lines).argmax(axis=1)


def labelled_table(scores):
    """Return what `labelled_scores` found as a table."""
    rows = [
        ('agreement', scores['agreement'], scores['real_agreement'],
         f'read as what was asked for; by chance {scores["chance"]:.0%}; real: held out'),
        ('variety', scores['variety'], 1, 'within a folder, beside real ones'),
    ]  # fmt: skip
    return '\n'.join(f'{a:<18}{b:>12.1%}{c:>12.1%}  {d}' for a, b, c, d in rows)


def _nearness(images, pictures):
    train = pictures.train
    new, held_out = (
        _two_nearest(these, pictures, train)
        for these in (images, pictures.unit(pictures.held_out[:1000]))
    )
    return {
        'nearest': float(numpy.median(new[:, 0])),
        'real_nearest': float(numpy.median(held_out[:, 0])),
        'memorised': _memorised(new), 'real_memorised': _memorised(held_out),
    }  # fmt: skip


def _memorised(pairs):
    first, second = pairs.T
    return float(((first < second / 3) | (first < SAME)).mean())


def _two_nearest(images, pictures, rows):
    """Return each image's root mean square difference from its two nearest pictures, (n, 2)."""
    images, block = _small(images), 2**24 // 3072
    found = numpy.full((len(images), 2), numpy.inf, 'float32')
    for start in range(0, len(rows), block):
        real = _small(pictures.unit(rows[start : start + block]))
        norms = (real**2).sum(axis=1)
        for begin in range(0, len(images), metrics.TILE):
            part = slice(begin, begin + metrics.TILE)
            squares = norms - 2 * images[part] @ real.T + (images[part] ** 2).sum(axis=1)[:, None]
            both = numpy.concatenate([found[part], squares], axis=1)
            found[part] = numpy.partition(both, (0, 1), axis=1)[:, :2]
    return numpy.sqrt(found.clip(0) / images.shape[1])


def _small(images):
    """Return rows, of pictures whose pixels are averaged where there are 64 or more a side."""
    n, channels, height, width = images.shape
    step = max(1, min(height, width) // 32)
    images = images[:, :, : height // step * step, : width // step * step]
    blocks = images.reshape(n, channels, height // step, step, width // step, step)
    return blocks.mean(axis=(3, 5)).reshape(n, -1)


def table(scores):
    """Return what `picture_scores` found as a table to close a chapter with."""
    rows = [
        (f'{scores["num_samples"]:,} samples', 'generated', 'real', ''),
        ('Frechet distance', f'{scores["frechet"]:.2f}', f'{scores["real_frechet"]:.2f}',
         'percent of how much real pictures vary; real: half to half'),
        ('nearest training', f'{scores["nearest"]:.3f}', f'{scores["real_nearest"]:.3f}',
         'difference, of 1; small for copies and for blur; real: held out'),
        ('memorised', f'{scores["memorised"]:.1%}', f'{scores["real_memorised"]:.1%}',
         'copies of training pictures; real: held out'),
    ]  # fmt: skip
    return '\n'.join(f'{a:<18}{b:>12}{c:>12}  {d}'.rstrip() for a, b, c, d in rows)

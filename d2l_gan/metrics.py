"""How good are the samples? One number per question, and with each what it cannot tell."""

import numpy
from mxnet.gluon import nn

from . import check, speak
from .check import finite
from .classifier import train_on_fake  # noqa: F401 - one room to its users

TILE = 1000  # rows and points whose distances are computed at once, 4 MB


def _root(name, covariance):
    """Return F with F F^T = covariance, from its eigenvectors."""
    covariance = finite(name, covariance)
    if covariance.ndim != 2 or not numpy.allclose(covariance, covariance.T, rtol=1e-6):
        raise ValueError(f'`{name}` has shape {covariance.shape}; it must be a symmetric matrix')
    values, vectors = numpy.linalg.eigh(covariance)
    if values[0] < -1e-6 * abs(values).max():
        raise ValueError(f'`{name}` has the eigenvalue {values[0]:.3g}; it must have none below 0')
    return vectors * numpy.sqrt(values.clip(0))


def gaussian_w2(mean1, cov1, mean2, cov2):
    """Return the squared Wasserstein-2 (Fréchet) distance between two Gaussians, exactly.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), in float64. With F F^T = C, the trace of
    the last root is the sum of the singular values of F1^T F2, which avoids a matrix root's loss of
    half the digits. Source: Dowson and Landau 1982. It compares means and covariances only: two
    sets of samples that agree in both are at distance 0, whatever their shapes.

    Args:
        mean1, mean2: (n,).
        cov1, cov2: (n, n), symmetric; they may be singular.

    Raises:
        ValueError: where a shape does not fit, or a number is not finite.
    """
    root1, root2 = _root('cov1', cov1), _root('cov2', cov2)
    mean1, mean2 = finite('mean1', mean1), finite('mean2', mean2)
    if not mean1.shape == mean2.shape == (len(root1),) == (len(root2),):
        raise ValueError(
            f'`mean1`, `cov1`, `mean2`, `cov2` have shapes {mean1.shape}, {root1.shape}, '
            f'{mean2.shape}, {root2.shape}; they must be (n,), (n, n), (n,), (n, n)'
        )
    overlap = numpy.linalg.svd(root1.T @ root2, compute_uv=False).sum()
    spread = (root1**2).sum() + (root2**2).sum() - 2 * overlap
    return float(((mean1 - mean2) ** 2).sum() + max(spread, 0))


def affine_gaussian(net_G):
    """Return the mean (n,) and covariance (n, n) of what an affine generator makes of N(0, 1).

    G(z) = W z + c is itself a Gaussian, with mean c and covariance W W^T: no sampling is needed.

    Args:
        net_G: one Dense layer, or several in a row, without activations.

    Raises:
        ValueError: for any other layer.
    """
    layers = [net_G] if isinstance(net_G, nn.Dense) else list(net_G._children.values())
    W = c = None
    for layer in layers or [net_G]:
        if not isinstance(layer, nn.Dense) or layer.act is not None:
            raise ValueError(f'`net_G` has the layer {layer}; it must be Dense without activation')
        weight = finite('net_G', layer.weight.data())
        bias = 0 if layer.bias is None else finite('net_G', layer.bias.data())
        c = (numpy.zeros(len(weight)) if W is None else weight @ c) + bias
        W = weight if W is None else weight @ W
    return c, W @ W.T


def _blocks(num, size, title):
    """Yield slices that cut `num` rows into blocks, with a bar of this title on a terminal."""
    starts = range(0, num, size)
    for start in speak.bar(starts, title, leave=False) if title else starts:
        yield slice(start, start + size)


def log_density(rows, points, sigmas, title=None):
    """Return the log density of equal Gaussians on points: log mean_j N(x; mu_j, sigma^2).

    In nats, from float32 distances: within 0.01 nats for 784 pixels in [0, 1] and sigma 0.1.

    Args:
        rows: (n, dims), float32, where the density is wanted.
        points: (m, dims), the centres mu_j.
        sigmas: standard deviations of the Gaussians.
        title: what a progress bar is to say; None for no bar.

    Returns:
        (len(sigmas), n), float64.
    """
    centre = points.mean(axis=0)  # smaller numbers lose fewer digits in float32
    points = points - centre
    norms, found = (points**2).sum(axis=1), []
    for block in _blocks(len(rows), max(1, 2**23 // len(points)), title):
        part = rows[block] - centre
        squares = part @ points.T
        squares *= -2
        squares += norms
        squares += (part**2).sum(axis=1)[:, None]
        numpy.maximum(squares, 0, out=squares)
        nearest = squares.min(axis=1, keepdims=True)  # so that the largest exponent is 0
        squares -= nearest
        found.append([])
        for sigma in sigmas:
            scale = numpy.float32(-0.5 / sigma**2)
            mean = numpy.exp(squares * scale).mean(axis=1, dtype='float64')
            found[-1].append(numpy.log(mean) + nearest[:, 0] * scale)
    constant = rows.shape[1] * numpy.log(numpy.asarray(sigmas) * numpy.sqrt(2 * numpy.pi))
    return numpy.concatenate(found, axis=1) - constant[:, None]


def parzen(samples, validation, test):
    """Return the Parzen-window log-likelihood of test rows in nats, its standard error, and sigma.

    Goodfellow et al. 2014 (section 5; their script): equal Gaussians on the samples, sigma the one
    of logspace(-1, 0, 10) that makes the mean log density of the first 1,000 validation rows
    greatest, the result the mean over the test rows. Theirs: 225 +- 2 with 10,000 samples; 10,000
    real training images have 241. A coarse measure (Theis et al. 2016): blurred averages score
    well, sharp new digits need not, and copies of training images score best.

    Args:
        samples, validation, test: (n, dims), float32, each with its own n.
    """
    sigmas = numpy.logspace(-1, 0, 10)
    sigma = sigmas[log_density(validation[:1000], samples, sigmas).mean(axis=1).argmax()]
    found = log_density(test, samples, [sigma], 'how likely are the test images')[0]
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5), float(sigma)


def nearest(rows, points, title=None):
    """Return each row's Euclidean distance to the nearest of points; 0 for a copy.

    It is exact: a distance in fewer dimensions, which is never greater, tells which few points can
    be the nearest, and only theirs are computed.

    But a blurred image is nearer to everything than a sharp one is, so a small distance alone
    proves no copying, and a shifted copy is far from its original.

    Args:
        rows: (n, dims), float32.
        points: (m, dims), float32.
        title: what a progress bar is to say; None for no bar.

    Returns:
        (n,), float32.
    """
    centre = points.mean(axis=0)  # smaller numbers lose fewer digits in float32
    shorten = _shortening(points, centre)
    short = shorten(points)
    norms = (short**2).sum(axis=1, keepdims=True)
    # With |p|^2 as one coordinate more, a product of matrices is |p|^2 - 2 x p.
    short, rounding = numpy.concatenate([short, norms], axis=1), 1e-5 * norms.max()
    index = numpy.zeros(len(rows), int)
    for block in _blocks(len(rows), TILE, title):
        part, known = rows[block], index[block]
        best, keys = numpy.full(len(part), numpy.inf), shorten(part)
        squares = (keys**2).sum(axis=1)
        keys = numpy.concatenate([-2 * keys, numpy.ones((len(keys), 1), 'float32')], axis=1)
        for tile in _blocks(len(points), TILE, None):
            least = keys @ short[tile].T  # squared distances are at least that and `squares`
            within = least <= (best - squares + 1e-5 * squares + rounding)[:, None]
            if within.sum() < least.size // 50:
                row, point = numpy.divmod(numpy.flatnonzero(within), least.shape[1])
            else:  # it tells nothing at first, and little of noise; then one product has all
                row, there = numpy.arange(len(part)), points[tile] - centre
                point = ((there**2).sum(axis=1) - 2 * (part - centre) @ there.T).argmin(axis=1)
            point += tile.start
            found = numpy.empty(len(row), 'float32')
            for pairs in _blocks(len(row), TILE, None):
                found[pairs] = ((part[row[pairs]] - points[point[pairs]]) ** 2).sum(axis=1)
            order = numpy.lexsort((found, row))  # each row's nearest is the first of its own
            row, first = numpy.unique(row[order], return_index=True)
            found, point = found[order][first], point[order][first]
            better = found < best[row]
            best[row[better]], known[row[better]] = found[better], point[better]
    return numpy.linalg.norm(rows - points[index], axis=1)


def _shortening(points, centre):
    """Return a function from rows, (n, dims), to short ones, (n, at most 129), no farther apart.

    They are those along the points' principal axes, and how far a row is from all of these: the
    distance of two rows is at least that of the two short ones, by the triangle inequality.
    """
    some = points[:: max(1, len(points) // 2000)] - centre
    axes = numpy.linalg.eigh(some.T @ some)[1][:, -128:]

    def shorten(rows):
        rows = rows - centre
        along = rows @ axes
        rest = (rows**2).sum(axis=1, keepdims=True) - (along**2).sum(axis=1, keepdims=True)
        return numpy.concatenate([along, numpy.sqrt(rest.clip(0))], axis=1)

    return shorten


def classifier_score(probabilities, splits=10):
    """Return the mean and the standard deviation over `splits` of exp(mean KL(p(y|x) || p(y))).

    Salimans et al. 2016, with a digit classifier's probabilities: 10 where each image is certainly
    one digit and all digits are equally frequent, 1 at worst. It does not see variety within a
    digit (ten fixed images score 10), and trusts the classifier on images unlike any it learned
    from.

    Args:
        probabilities: (n, 10), as `Classifier.read` gives them.
        splits: parts that are scored by themselves.
    """
    found = []
    for part in numpy.array_split(numpy.asarray(probabilities, 'float64').clip(1e-12, 1), splits):
        ratio = numpy.log(part) - numpy.log(part.mean(axis=0))
        found.append(numpy.exp((part * ratio).sum(axis=1).mean()))
    return float(numpy.mean(found)), float(numpy.std(found))


def class_counts(probabilities):
    """Return counts of the 10 digits, how many have at least 1 %, and the KL to uniform in nats.

    KL = sum p log(10 p), for the histogram p of the likeliest digits: 0 for even, log 10 = 2.303
    for one digit only. It does not see whether the digits look like any.

    Args:
        probabilities: (n, 10), as `Classifier.read` gives them.
    """
    counts = numpy.bincount(numpy.argmax(probabilities, axis=1), minlength=10)
    share = counts[counts > 0] / counts.sum()
    present = int((counts >= 0.01 * counts.sum()).sum())
    return counts.tolist(), present, float((share * numpy.log(10 * share)).sum())


def mode_coverage(samples, centres, sd, num=None, within=3, norm='l2'):
    """Return how many modes samples reach, how many of them are near one, and how evenly.

    - modes: centres with at least one high-quality sample.
    - high_quality: share of the samples within so many sd of a centre.
    - kl: sum q log(q n) over the n modes in nats, for the shares q of all samples by their nearest
      centre, far ones as well: 0 where they are even, log n for one mode.

    All three are needed: a wide fog reaches every mode, and one mode has the best quality. Even
    then it does not see whether the samples of a mode differ: n points, repeated, have the best
    of all three. A perfect sampler has a quality of 1 - exp(-within^2 / 2), 98.89 % for 3 (by
    'linf' 99.46 %), and a kl of about (n - 1) / (2 num) by chance alone.

    Published numbers differ in protocol. VEEGAN, arXiv:1705.07761, and PacGAN, arXiv:1712.04086:
    num=2500, 3 sd. Discriminator rejection sampling, arXiv:1810.06758: num=10_000, 4 sd. All three
    measure Euclidean distances, as PacGAN's own program does. We have found no paper that states
    'linf'; it is here for scripts that compare each coordinate by itself, which find slightly more.

    Args:
        samples: (n, dims).
        centres: (modes, dims).
        sd: standard deviation of each mode along each axis.
        num: count so many of the samples, the first; None takes all.
        within: how far from a centre a sample may be, in sd.
        norm: 'l2', Euclidean, or 'linf', the larger coordinate's.

    Raises:
        ValueError: for another norm, too few samples, or numbers that are not finite.
    """
    check.choice('norm', norm, ('l2', 'linf'))
    samples, centres = finite('samples', samples), finite('centres', centres)
    num = len(samples) if num is None else check.whole('num', num)
    if num > len(samples):
        check.fail('num', num, f'at most {len(samples)}, the number of `samples`')
    apart = samples[:num, None] - centres
    far = numpy.abs(apart).max(axis=2) if norm == 'linf' else numpy.linalg.norm(apart, axis=2)
    nearest, near = far.argmin(axis=1), far.min(axis=1) <= within * sd
    share = numpy.bincount(nearest, minlength=len(centres)) / num
    share = share[share > 0]
    return {
        'modes': len(numpy.unique(nearest[near])),
        'high_quality': float(near.mean()),
        'kl': float((share * numpy.log(share * len(centres))).sum()),
    }


def frechet(features1, features2):
    """Return `gaussian_w2` of the means and covariances of two sets of features.

    Heusel et al. 2017, in a digit classifier's 64 features instead of Inception's: numbers compare
    with those of this classifier only. It grows with blur, with lost variety, and for few samples.

    Args:
        features1, features2: (n, dims), as `Classifier.read` gives them, each with its own n.
    """
    first, second = numpy.asarray(features1, 'float64'), numpy.asarray(features2, 'float64')
    return gaussian_w2(
        first.mean(axis=0), numpy.cov(first.T), second.mean(axis=0), numpy.cov(second.T)
    )


def sharpness(images):
    """Return how much pixels differ from their neighbours, for the ink that there is.

    The sum of |difference| to the right and below, divided by the sum of the pixels. A stroke that
    is twice as wide and half as dark has half of it: so this falls with fog. Noise has most.

    Args:
        images: (n, ...), 784 pixels each, in [0, 1].
    """
    rows = numpy.asarray(images, 'float32').reshape(-1, 28, 28)
    edges = sum(numpy.abs(numpy.diff(rows, axis=axis)).sum(dtype='float64') for axis in (1, 2))
    return float(edges / rows.sum(dtype='float64'))


def variety_within(images, labels):
    """Return the variance of the images of each digit, summed over the pixels, (10,).

    0 for one picture a class, NaN for a class without any. Noise has variance, too, and no variety:
    look at the agreement beside it.

    Args:
        images, labels: as for `train_on_fake`.
    """
    rows, labels = check.labelled(images, labels)
    parts = (rows[labels == digit].astype('float64') for digit in range(10))
    return numpy.array([p.var(axis=0).sum() if len(p) else numpy.nan for p in parts])

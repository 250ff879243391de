"""How good are the samples? One number per question, and with each what it cannot tell."""

import functools

import numpy
from mxnet import np
from mxnet.gluon import nn

from . import data
from .classifier import classifier


def _numbers(name, value):
    """Return `value`, an array of MXNet or NumPy, as a finite one of NumPy in float64."""
    value = value.asnumpy() if isinstance(value, np.ndarray) else value
    value = numpy.asarray(value, 'float64')
    if not numpy.isfinite(value).all():
        raise ValueError(f'`{name}` has NaN or infinity; it must be finite')
    return value


def _root(name, covariance):
    """Return F with F F^T = covariance, from its eigenvectors."""
    covariance = _numbers(name, covariance)
    if covariance.ndim != 2 or not numpy.allclose(covariance, covariance.T, rtol=1e-6):
        raise ValueError(f'`{name}` has shape {covariance.shape}; it must be a symmetric matrix')
    values, vectors = numpy.linalg.eigh(covariance)
    if values[0] < -1e-6 * abs(values).max():
        raise ValueError(f'`{name}` has the eigenvalue {values[0]:.3g}; it must have none below 0')
    return vectors * numpy.sqrt(values.clip(0))


def gaussian_w2(mean1, cov1, mean2, cov2):
    """Return the squared Wasserstein-2 (Fréchet) distance between two Gaussians, exactly.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), in float64, for means (n,) and covariances
    (n, n), which may be singular. With F F^T = C, the trace of the last root is the sum of the
    singular values of F1^T F2, which avoids a matrix root's loss of half the digits.
    Source: Dowson and Landau 1982. It compares means and covariances only: two sets of samples
    that agree in both are at distance 0, whatever their shapes.
    """
    root1, root2 = _root('cov1', cov1), _root('cov2', cov2)
    mean1, mean2 = _numbers('mean1', mean1), _numbers('mean2', mean2)
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
    `net_G` is one Dense layer, or several in a row, without activations; else raises ValueError.
    """
    layers = [net_G] if isinstance(net_G, nn.Dense) else list(net_G._children.values())
    W = c = None
    for layer in layers or [net_G]:
        if not isinstance(layer, nn.Dense) or layer.act is not None:
            raise ValueError(f'`net_G` has the layer {layer}; it must be Dense without activation')
        weight = _numbers('net_G', layer.weight.data())
        bias = 0 if layer.bias is None else _numbers('net_G', layer.bias.data())
        c = (numpy.zeros(len(weight)) if W is None else weight @ c) + bias
        W = weight if W is None else weight @ W
    return c, W @ W.T


def wave_scores(samples):
    """Score generated curves (n, 16) against the family of `data.waves`; return a dict.

    Each sample is projected on sin(x) and cos(x) by least squares, which gives its amplitude and
    phase in closed form. The nearest true curve is the one of that phase whose amplitude is clipped
    to [0.5, 1] (to within 1 %: the 16 points weigh sin and cos by 7.5 and 8.5).

    rmse: root mean square distance, per point, to the nearest true curve; 0 at best.
    amplitude_mean, amplitude_sd: the truth has 0.75 and 0.144.
    phase_spread: 1 - |mean exp(i phase)|, 0 where all phases agree, 1 for the truth.
    phases_present: how many of 12 sectors of 30 degrees hold at least 1 % of the phases.
    A generator that repeats one true curve has rmse 0 and gives itself away by phase_spread 0 and 1
    sector; none of these tell whether amplitude and phase are independent, as they should be.
    """
    samples = _numbers('samples', samples)
    if samples.ndim != 2 or samples.shape[1] != 16 or len(samples) == 0:
        raise ValueError(f'`samples` has shape {samples.shape}; it must be (n, 16)')
    x = data.sine_points()
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


def _squared_distances(rows, points):
    """Yield squared distances (some rows, len(points)), a matrix product at a time."""
    centre = points.mean(axis=0)  # smaller numbers lose fewer digits in float32
    rows, points = rows - centre, points - centre
    norms, some = (points**2).sum(axis=1), max(1, 2**23 // len(points))
    for start in range(0, len(rows), some):
        part = rows[start : start + some]
        squares = part @ points.T
        squares *= -2
        squares += norms
        squares += (part**2).sum(axis=1)[:, None]
        yield numpy.maximum(squares, 0, out=squares)


def log_density(rows, points, sigmas):
    """Return the log density (len(sigmas), len(rows)) of equal Gaussians of sd sigma on `points`.

    log mean_j exp(-|x - mu_j|^2 / (2 sigma^2)) - dims log(sigma sqrt(2 pi)), in nats, from float32
    distances (within 0.01 nats for 784 pixels in [0, 1] and sigma 0.1).
    """
    found = []
    for squares in _squared_distances(rows, points):
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
    """Return the Parzen-window log-likelihood of `test` in nats, its standard error, and sigma.

    Goodfellow et al. 2014 (section 5; their script): equal Gaussians on the samples, sigma the one
    of logspace(-1, 0, 10) that makes the mean log density of the first 1,000 validation rows
    greatest, the result the mean over the test rows. Theirs: 225 +- 2 with 10,000 samples; 10,000
    real training images have 241. A coarse measure (Theis et al. 2016): blurred averages score
    well, sharp new digits need not, and copies of training images score best.
    """
    sigmas = numpy.logspace(-1, 0, 10)
    sigma = sigmas[log_density(validation[:1000], samples, sigmas).mean(axis=1).argmax()]
    found = log_density(test, samples, [sigma])[0]
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5), float(sigma)


def nearest(rows, points):
    """Return each row's Euclidean distance (len(rows),) to the nearest of `points`.

    0 for a copy. But a blurred image is nearer to everything than a sharp one is, so a small
    distance alone proves no copying, and a shifted copy is far from its original.
    """
    index = numpy.concatenate([part.argmin(axis=1) for part in _squared_distances(rows, points)])
    return numpy.linalg.norm(rows - points[index], axis=1)


def classifier_score(probabilities, splits=10):
    """Return the mean and the standard deviation over `splits` of exp(mean KL(p(y|x) || p(y))).

    Salimans et al. 2016, with a digit classifier's probabilities (n, 10): 10 where each image is
    certainly one digit and all digits are equally frequent, 1 at worst. It does not see variety
    within a digit (ten fixed images score 10), and trusts the classifier on images unlike any it
    learned from.
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
    """
    counts = numpy.bincount(numpy.argmax(probabilities, axis=1), minlength=10)
    share = counts[counts > 0] / counts.sum()
    present = int((counts >= 0.01 * counts.sum()).sum())
    return counts.tolist(), present, float((share * numpy.log(10 * share)).sum())


def frechet(features1, features2):
    """Return `gaussian_w2` of the means and covariances of two sets of features (n, dims).

    Heusel et al. 2017, in a digit classifier's 64 features instead of Inception's: numbers compare
    with those of this classifier only. It grows with blur, with lost variety, and for few samples.
    """
    first, second = numpy.asarray(features1, 'float64'), numpy.asarray(features2, 'float64')
    return gaussian_w2(
        first.mean(axis=0), numpy.cov(first.T), second.mean(axis=0), numpy.cov(second.T)
    )


def digit_images(images):
    """Return `images` as NumPy rows (n, 784), float32, once they are found to be digits' images."""
    rows = _numbers('images', images).astype('float32')
    if rows.shape[1:] not in ((784,), (28, 28), (28, 28, 1), (1, 28, 28)) or len(rows) == 0:
        raise ValueError(f'`images` has shape {rows.shape}; it must be (n, 784) or (n, 28, 28)')
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError(
            f'`images` run from {rows.min():.3g} to {rows.max():.3g}; they must be in [0, 1]: '
            'bring the output of a tanh there by (x + 1) / 2'
        )
    return rows.reshape(-1, 784)


def digits_present(images, source='mnist'):
    """Return how many of the 10 digits have at least 1 % of `images` each: quick, for callbacks."""
    return class_counts(classifier(source).read(digit_images(images))[0])[1]


def _real(source, split):
    return data.images(source, split)[0].asnumpy()


def _judge(rows, source):
    """Return what the classifier makes of each row, and the scores for samples and real rows."""
    read, test = classifier(source).read, _real(source, 'test')
    probabilities, features = read(rows)
    score, score_sd = classifier_score(probabilities)
    nats, error, sigma = parzen(rows, _real(source, 'validation'), test)
    return probabilities, {
        'classifier_score': score, 'classifier_score_sd': score_sd,
        'frechet': frechet(features, read(test)[1]),
        'parzen': nats, 'parzen_se': error, 'parzen_sigma': sigma,
    }  # fmt: skip


def _nearness(rows, source):
    train, held_out = _real(source, 'train'), _real(source, 'validation')
    distances = nearest(rows, train)
    other = (nearest(rows, held_out) < distances).mean()
    return {
        'nearest': float(numpy.median(distances)),
        'memorised': float(max(0, 1 - other * (1 + len(train) / len(held_out)))),
    }


@functools.lru_cache(maxsize=2)
def real_scores(source='mnist'):
    """Return the scores of real images: what a perfect generator would get.

    Those of the test images; but Frechet distance and Parzen likelihood, which compare with the
    test images, are those of the first 10,000 training images.
    """
    test = _real(source, 'test')
    score, score_sd = classifier_score(classifier(source).read(test)[0])
    return {
        **_judge(_real(source, 'train')[:10_000], source)[1],
        **_nearness(test, source),
        'classifier_score': score, 'classifier_score_sd': score_sd,
    }  # fmt: skip


def digit_scores(images, source='mnist'):
    """Score generated digits (n, 784) or (n, 28, 28) in [0, 1]; return a dict for scores.json.

    source: the real images to compare with: 'mnist' (its 10,000 test images and 50,000 training
        images; take n = 10,000, as published scores do) or 'digits'.

    digit_counts, digits_present, class_kl: see `class_counts`. classifier_score and its sd, parzen
    and its standard error and sigma, frechet (to the test images): see the function of that name.
    nearest: median distance to the nearest training image, see there.
    memorised: estimated share of copies. Of samples that owe nothing to single training images,
    one in 6 is nearest to one of the 10,000 validation images, which nothing trained on, and not to
    one of the 50,000; of copies, none. 0 to 1; nearly copied counts too. Test images that were
    blurred, mixed or made black and white move it by up to 0.06, so less than 0.1 proves nothing.
    real: what real images get in the same questions, see `real_scores`.
    """
    rows = digit_images(images)
    probabilities, scores = _judge(rows, source)
    counts, present, kl = class_counts(probabilities)
    return {
        'source': source, 'num_samples': len(rows),
        'classifier_accuracy': classifier(source).accuracy,
        'digit_counts': counts, 'digits_present': present, 'class_kl': kl,
        **scores, **_nearness(rows, source), 'real': dict(real_scores(source)),
    }  # fmt: skip


def in_words(scores):
    """Return what `digit_scores` found as a table to close a chapter with."""
    real, num = scores['real'], scores['num_samples']
    few = [str(digit) for digit, n in enumerate(scores['digit_counts']) if n < 0.01 * num]
    rows = [
        (f'{num:,} samples', 'generated', 'real', ''),
        ('digits present', scores['digits_present'], 10,
         f'missing: {", ".join(few)}' if few else 'each in at least 1 % of the samples'),
        ('class KL', f'{scores["class_kl"]:.2f}', '0.00', 'nats; 0: all digits equally often'),
        *(
            (title, *(f'{found[name]:.2f} +- {found[name + error]:.2f}' if error else
                      f'{found[name]:.2f}' for found in (scores, real)), meaning)
            for title, name, error, meaning in (
                ('classifier score', 'classifier_score', '_sd', '10: each image surely a digit'),
                ('Frechet distance', 'frechet', '', '0: features spread as those of real images'),
                ('Parzen', 'parzen', '_se', 'nats, higher is better; coarse'),
                ('nearest training', 'nearest', '', 'distance; small for copies and for blur'),
            )
        ),
        ('memorised', f'{scores["memorised"]:.0%}', f'{real["memorised"]:.0%}',
         'estimated share of copies of training images'),
    ]  # fmt: skip
    return '\n'.join(f'{a:<18}{b:>17}{c:>17}  {d}'.rstrip() for a, b, c, d in rows) + (
        f'\nReal images are those of "{scores["source"]}"; the classifier reads '
        f'{scores["classifier_accuracy"]:.1%} of its test images rightly.'
    )

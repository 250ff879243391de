"""Score generated digits beside real ones: all that a chapter's scores.json says of them."""

import contextlib
import hashlib
import json

import numpy

from . import archive, check, data, files, metrics
from .classifier import classifier
from .speak import tell

KIND = 'scores of real digits, recipe 1'  # scores that another recipe has given are not used


def digit_images(images):
    """Return images as NumPy rows (n, 784), float32, once they are found to be digits' images.

    Args:
        images: (n, 784), (n, 28, 28), (n, 28, 28, 1) or (n, 1, 28, 28), in [0, 1].

    Raises:
        ValueError: for another shape, another range, NaN or infinity.
    """
    rows = check.finite('images', images).astype('float32')
    if rows.shape[1:] not in ((784,), (28, 28), (28, 28, 1), (1, 28, 28)) or len(rows) == 0:
        raise ValueError(f'`images` has shape {rows.shape}; it must be (n, 784) or (n, 28, 28)')
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError(
            f'`images` run from {rows.min():.3g} to {rows.max():.3g}; they must be in [0, 1]: '
            'bring the output of a tanh there by (x + 1) / 2'
        )
    return rows.reshape(-1, 784)


def digits_present(images, source='mnist'):
    """Return how many of the 10 digits have at least 1 % of the images each: quick, for callbacks.

    Args:
        images: as for `digit_images`.
        source: whose classifier reads them, 'mnist' or 'digits'.
    """
    return metrics.class_counts(classifier(source).read(digit_images(images))[0])[1]


def _real(source):
    """Return {split: rows (n, 784)} of the real images."""
    splits = ('train', 'validation', 'test')
    return {split: data.images(source, split)[0].asnumpy() for split in splits}


def _judge(rows, real, source, features_test):
    """Return what the classifier makes of each row, and the scores for samples and real rows."""
    probabilities, features = classifier(source).read(rows)
    score, score_sd = metrics.classifier_score(probabilities)
    nats, error, sigma = metrics.parzen(rows, real['validation'], real['test'])
    return probabilities, {
        'classifier_score': score, 'classifier_score_sd': score_sd,
        'frechet': metrics.frechet(features, features_test),
        'parzen': nats, 'parzen_se': error, 'parzen_sigma': sigma,
    }  # fmt: skip


def _nearness(rows, real):
    train, held_out = real['train'], real['validation']
    distances = metrics.nearest(rows, train, 'which training image is nearest')
    other = (metrics.nearest(rows, held_out, 'is a validation image nearer') < distances).mean()
    return {
        'nearest': float(numpy.median(distances)),
        'memorised': float(max(0, 1 - other * (1 + len(train) / len(held_out)))),
    }


def _real_scores(real, source, read_test=None):
    """Return the scores of real digits, from the cache if they are of the very same making.

    They cost as much as those of generated ones and stay the same; so they are kept in a file with
    checksums, named after all that they depend on: images, classifier, versions. Where it is
    missing or damaged they are computed anew. `read_test` is what the classifier has made of the
    test images, if it has read them already.
    """
    judge, making = classifier(source), hashlib.sha256()
    for array in (*real.values(), *(param.data().asnumpy() for param in judge.params)):
        making.update(numpy.ascontiguousarray(array))
    making.update(json.dumps(files.versions()).encode())
    path = files.cache_dir() / f'real-{source}-{making.hexdigest()[:16]}.d2l_gan'
    with contextlib.suppress(archive.CheckpointError, KeyError):
        header, _ = archive.read(path, KIND)
        if header['making'] == making.hexdigest():
            return header['scores']
    probabilities, features = read_test or judge.read(real['test'])
    score, score_sd = metrics.classifier_score(probabilities)
    scores = {
        **_judge(real['train'][:10_000], real, source, features)[1],
        **_nearness(real['test'], real),
        'classifier_score': score, 'classifier_score_sd': score_sd,
    }  # fmt: skip
    try:
        archive.write(path, {'kind': KIND, 'making': making.hexdigest(), 'scores': scores}, {})
    except archive.CheckpointError as problem:
        tell(f'{problem}: the next program scores real digits anew')
    return scores


def real_scores(source='mnist'):
    """Return the scores of real digits: what a perfect generator would get.

    Those of the test images; but Fréchet distance and Parzen likelihood, which compare with the
    test images, are those of the first 10,000 training images.

    Args:
        source: 'mnist' or 'digits'.
    """
    return _real_scores(_real(source), source)


def digit_scores(images, source='mnist'):
    """Score generated digits; return a dict for scores.json.

    Args:
        images: as for `digit_images`; take 10,000, as published scores do.
        source: the real digits to compare with: 'mnist' (its 10,000 test images and 50,000 training
            images) or 'digits'.

    Returns:
        A dict with these names.

        - digit_counts, digits_present, class_kl: see `metrics.class_counts`.
        - classifier_score and its sd, frechet (to the test images), parzen, its standard error and
          its sigma: see the function of that name in `metrics`.
        - nearest: median distance to the nearest training image, see `metrics.nearest`.
        - memorised: estimated share of copies. Of samples that owe nothing to single training
          images, one in 6 is nearest to one of the 10,000 validation images, which nothing trained
          on, and not to one of the 50,000; of copies, none. 0 to 1; nearly copied counts too. Test
          images that were blurred, mixed or made black and white move it by up to 0.06, so less
          than 0.1 proves nothing.
        - real: what real digits get in the same questions, see `real_scores`.
    """
    rows, real = digit_images(images), _real(source)
    read_test = classifier(source).read(real['test'])
    probabilities, scores = _judge(rows, real, source, read_test[1])
    counts, present, kl = metrics.class_counts(probabilities)
    return {
        'source': source, 'num_samples': len(rows),
        'classifier_accuracy': classifier(source).accuracy,
        'digit_counts': counts, 'digits_present': present, 'class_kl': kl,
        **scores, **_nearness(rows, real), 'real': _real_scores(real, source, read_test),
    }  # fmt: skip


def labelled_scores(images, labels, source='mnist'):
    """Score digits that were asked for by name; return a dict for scores.json.

    Args:
        images: as for `digit_images`, as many as there are real ones to train on.
        labels: (n,), what was asked for, 0 to 9.
        source: the real digits to compare with, 'mnist' or 'digits'.

    Returns:
        A dict with these names; under `real_labelled`, what the real digits get.

        - agreement, agreement_by_digit: share of the first 10,000 that the classifier reads as what
          was asked for. Ten pictures, one a class, may have it all; that of real test images is the
          classifier's accuracy.
        - variety, variety_by_digit: `metrics.variety_within`, divided by that of the real test
          images; the first is the mean over the digits. Noise has it, too.
        - train_on_fake: see the function of that name in `metrics`.
    """
    rows, labels = check.labelled(images, labels)
    read = classifier(source).read(rows[:10_000])[0].argmax(axis=1) == labels[:10_000]
    real, shown, _ = data.images(source, 'test')
    variety = metrics.variety_within(rows, labels) / metrics.variety_within(real, shown)
    by_digit = [float(read[labels[:10_000] == d].mean()) for d in numpy.unique(labels)]
    return {
        'agreement': float(read.mean()), 'agreement_by_digit': by_digit,
        'variety': float(numpy.nanmean(variety)), 'variety_by_digit': variety.tolist(),
        'train_on_fake': metrics.train_on_fake(rows, labels, source), 'num_labelled': len(rows),
        'real_labelled': {name: classifier(source).accuracy for name in
                          ('agreement', 'train_on_fake')},
    }  # fmt: skip


def labelled_table(scores):
    """Return what `labelled_scores` found as a table."""
    real = scores['real_labelled']
    rows = [
        ('agreement', scores['agreement'], real['agreement'], 'read as the digit asked for'),
        ('variety', scores['variety'], 1, 'within a digit, beside real ones'),
        ('train on fake', scores['train_on_fake'], real['train_on_fake'],
         f'real test digits read, having learned from {scores["num_labelled"]:,} fakes alone'),
    ]  # fmt: skip
    return '\n'.join(f'{a:<18}{b:>17.2%}{c:>17.2%}  {d}' for a, b, c, d in rows)


def table(scores):
    """Return what `digit_scores` found as a table to close a chapter with."""
    real, num = scores['real'], scores['num_samples']
    few = [str(digit) for digit, n in enumerate(scores['digit_counts']) if n < 0.01 * num]

    def both(name, error=''):
        text = '{:.2f} +- {:.2f}' if error else '{:.2f}'
        return [text.format(found[name], found.get(name + error)) for found in (scores, real)]

    rows = [
        (f'{num:,} samples', 'generated', 'real', ''),
        ('digits present', scores['digits_present'], 10,
         f'missing: {", ".join(few)}' if few else 'each in at least 1 % of the samples'),
        ('class KL', f'{scores["class_kl"]:.2f}', '0.00', 'nats; 0: all digits equally often'),
        ('classifier score', *both('classifier_score', '_sd'), '10: each image surely a digit'),
        ('Frechet distance', *both('frechet'), '0: features spread as those of real images'),
        ('Parzen', *both('parzen', '_se'), 'nats, higher is better; coarse'),
        ('nearest training', *both('nearest'), 'distance; small for copies and for blur'),
        ('memorised', f'{scores["memorised"]:.0%}', f'{real["memorised"]:.0%}',
         'estimated share of copies of training images'),
    ]  # fmt: skip
    return '\n'.join(f'{a:<18}{b:>17}{c:>17}  {d}'.rstrip() for a, b, c, d in rows) + (
        f'\nReal images are those of "{scores["source"]}"; the classifier reads '
        f'{scores["classifier_accuracy"]:.1%} of its test images correctly.'
    )

"""How good the digits are: each chapter's defaults, and what each change is worth."""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

from d2l_gan import data, files, metrics, scoring
from d2l_gan.classifier import classifier
from tests.benchmarks.kept import kept

import numpy

CHAPTERS = ('vanilla', 'leaky', 'deep')
# One change more in each row, from the deep chapter's source to its defaults, the last row.
CURE = {
    "the source's settings": {},
    '+ beta1=0.5': {'beta1': 0.5},
    '+ dropout=0.5': {'dropout': 0.5},
    '+ label_smoothing=0.1': {'label_smoothing': 0.1},
    '+ lr_D=0.0005, lr_G=0.002': {'lr_D': 0.0005, 'lr_G': 0.002},
    '+ average=0.999': {'average': 0.999},
    '+ 25 epochs of 500 batches of 100': {'num_epochs': 25, 'steps': 500, 'batch_size': 100},
}
CHOICES = {
    'vanilla without the average': ('vanilla', {'average': 0}),
    'vanilla': ('vanilla', {}),
    "leaky, its source's settings": ('leaky', {'beta1': 0.9, 'average': 0}),
    'leaky, + beta1=0.5': ('leaky', {'average': 0}),
    'leaky, + average=0.999': ('leaky', {}),
}


def scored(chapter, seed, judges, **changes):
    """Train a chapter, draw 10,000 digits; return the quick ones of its scores.

    judges: the real digits that the samples are compared with. Only a verdict may ask those of the
    test; to choose by, half of the validation digits stand for them, and half for validation.
    """
    import importlib

    name = f'mnist_{chapter}' if chapter in CHAPTERS else chapter
    chapter = importlib.import_module(f'chapters.{name}')
    validation = data.mnist('validation')[0].asnumpy()
    if judges == 'validation':
        validation, test = numpy.split(validation, 2)
    else:
        test = data.mnist('test')[0].asnumpy()
    judge = classifier('mnist')
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        wall, cpu = time.perf_counter(), time.process_time()
        history = chapter.run(
            out=Path(out), seed=seed, data='mnist', score=False, film=False, **changes
        ).history
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows = scoring.digit_images(chapter.sample(10_000, seed, out=Path(out)))
    probabilities, features = judge.read(rows)
    counts, present, kl = metrics.class_counts(probabilities)
    return {
        'seed': seed, 'digits_present': present, 'digit_counts': counts, 'class_kl': kl,
        'parzen': metrics.parzen(rows, validation, test)[0],
        'classifier_score': metrics.classifier_score(probabilities)[0],
        'frechet': metrics.frechet(features, judge.read(test)[1]),
        'accuracy_D': float(history.accuracy_D[-1]), 'loss_G': float(history.loss_G[-1]),
        'seconds': wall, 'cpu_seconds': cpu,
    }  # fmt: skip


def row(title, found):
    """Print one line of the table: medians, with the worst seed where it matters."""
    of = lambda name: [scores[name] for scores in found]
    print(
        f'| {title} | {numpy.median(of("parzen")):.0f} ({min(of("parzen")):.0f}) '
        f'| {numpy.median(of("digits_present")):.0f} ({min(of("digits_present"))}) '
        f'| {numpy.median(of("classifier_score")):.2f} | {numpy.median(of("frechet")):.1f} '
        f'| {numpy.median(of("accuracy_D")):.0%} | {numpy.median(of("seconds")):.0f} '
        f'| {numpy.median(of("cpu_seconds")):.0f} |',
        flush=True,
    )


def table(name, settings, seeds, judges, workers=1):
    """Print a line for each (title, chapter, changes); keep all scores in build/scores."""
    print(
        f'{name}: 10,000 samples beside the {judges} digits, medians of seeds 0 to {seeds - 1} '
        '(worst seed)\n'
    )
    print('| setting | Parzen, nats | digits present | classifier score | Fréchet distance '
          '| accuracy of D | seconds | CPU seconds |')  # fmt: skip
    print('| --- | --- | --- | --- | --- | --- | --- | --- |')
    found = {}
    with kept(name, workers) as played:
        for title, chapter, changes in settings:
            arguments = {'chapter': chapter, 'judges': judges, **changes}
            found[title] = played('tests.benchmarks.mnist:scored', arguments, range(seeds))
            files.write_json(Path('build/scores') / f'{name}.json', found)
            row(title, found[title])


def mnist(seeds=5, workers=1):
    """Print the scores of the three chapters' defaults."""
    table('mnist', [(chapter, chapter, {}) for chapter in CHAPTERS], seeds, 'test', workers)


def cure(seeds=1, workers=1):
    """Print what each change is worth on the way from the deep chapter's source to its defaults."""
    from chapters.mnist_deep import SOURCE

    rows, settings = [], SOURCE
    for title, change in CURE.items():
        settings = {**settings, **change}
        rows.append((title, 'deep', settings))
    table('cure', rows, seeds, 'validation', workers)


def choices(seeds=1, workers=1):
    """Print what our own changes to the two smaller chapters are worth."""
    rows = [(title, *row) for title, row in CHOICES.items()]
    table('choices', rows, seeds, 'validation', workers)

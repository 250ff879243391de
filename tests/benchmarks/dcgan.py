"""How good the convolutional chapter is: its defaults, and what each change is worth."""

import contextlib
import sys
import tempfile
from pathlib import Path

from d2l_gan import data, files, metrics, scoring
from d2l_gan.classifier import classifier
from tests.benchmarks import mnist
from tests.benchmarks.kept import kept

import numpy

# From the book's settings to ours, one change more in each row; then what was left out, alone.
QUICK = {'width': 16, 'num_examples': 20_000, 'num_epochs': 6}
BOOK = {'beta2': 0.999, 'decay': False, 'average': 0.0, 'label_smoothing': 0.0, 'islands': 0}
LADDER = {
    "the book's": {},
    '`beta2=0.99`': {'beta2': 0.99},
    '`decay=True`': {'decay': True},
    '`average=0.998`': {'average': 0.998},
    '`label_smoothing=0.1`': {'label_smoothing': 0.1},
    '`islands=40`: ours': {'islands': 40},
}
OTHERS = {
    'with `lr_D=0.0002, lr_G=0.0002`': {'lr_D': 0.0002, 'lr_G': 0.0002},
    'with `lr_D=0.002`': {'lr_D': 0.002},
}  # fmt: skip


def dcgan(seeds=3, workers=1):
    """Print the scores of the chapter's defaults."""
    mnist.table('dcgan', [('dcgan', 'dcgan', {})], seeds, 'test', workers)


def ladder(seeds=1, workers=1):
    """Print what each change is worth on the way from the book's settings to the chapter's."""
    last = 99 + seeds
    print(f'ladder: {QUICK}, 10,000 samples beside the validation digits, medians of seeds 100 to '
          f'{last}\n')  # fmt: skip
    print('| change | classifier score | Fréchet distance | accuracy of D |')
    print('| --- | --- | --- | --- |')
    settings, found = {**QUICK, **BOOK}, {}
    with kept('ladder', workers) as played:
        for title, change in (*LADDER.items(), *OTHERS.items()):
            if title in LADDER:
                settings = {**settings, **change}
            arguments = {**settings, **change}
            runs = played('tests.benchmarks.dcgan:rung', arguments, range(100, last + 1))
            found[title] = [{k: v for k, v in run.items() if k != 'seed'} for run in runs]
            files.write_json(Path('build/scores/ladder.json'), found)
            row = [numpy.median([one[name] for one in found[title]]) for name in found[title][0]]
            print('| {} | {:.2f} | {:.1f} | {:.0%} |'.format(title, *row), flush=True)


def rung(seed, **settings):
    """Train the chapter; return the quick ones of its scores, by the validation digits."""
    from chapters import dcgan

    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        history = dcgan.run(
            out=Path(out), seed=seed, data='mnist', score=False, film=False, **settings
        ).history
        rows = scoring.digit_images(dcgan.sample(10_000, seed, out=Path(out)))
    judge = classifier('mnist')
    probabilities, features = judge.read(rows)
    return {
        'classifier_score': metrics.classifier_score(probabilities)[0],
        'frechet': metrics.frechet(features, judge.read(data.mnist('validation')[0].asnumpy())[1]),
        'accuracy_D': float(history.accuracy_D[-1]),
    }

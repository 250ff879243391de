"""What the chapters that draw digits share: real images, what is kept of an epoch, the score."""

import math
from pathlib import Path

from d2l_gan import data, files, plots, scoring
from d2l_gan.callbacks import (
    Checkpoint,
    Collapse,
    Figure,
    Film,
    Generators,
    Progress,
    Samples,
)
from d2l_gan.generator import latest_generator
from d2l_gan.speak import tell

import numpy

NUM_SCORED = 10_000  # digits that are scored
TITLES = {'mnist': 'MNIST', 'digits': "scikit-learn's 1,797 digits"}
FEW, SHAPE = 7, (28, 28)  # digits that should be among 100 samples; pixels of one


def unit(images, scale='unit'):
    """Return images of any shape as NumPy (n, 28, 28) in [0, 1].

    scale: 'unit' if they are in [0, 1], as a sigmoid makes them, 'symmetric' if in [-1, 1], as a
    tanh does.
    """
    return plots.pixels(images, scale, SHAPE)


def _keep(path, images):
    files.write_whole(path, lambda file: numpy.savez_compressed(file, images=images))


def sample_digits(out, num, scale='unit', seed=0, device=None):
    """Draw `num` new digits with the newest generator under `out`; return them, (num, 28, 28).

    Writes samples.npz, with the array `images` in [0, 1], and samples.png, the first 100 at most.
    Raises ValueError for `num` < 1 and CheckpointError where no training has left a generator.
    """
    if num < 1:
        raise ValueError(f'`sample` is {num}; it must be at least 1')
    out = Path(out)
    images = unit(latest_generator(out / 'generators', device).sample(num, seed), scale)
    _keep(out / 'samples.npz', images)
    columns = math.ceil(min(num, 100) ** 0.5)
    rows = math.ceil(min(num, 100) / columns)
    shown = numpy.zeros((rows * columns, *images.shape[1:]))
    shown[: min(num, 100)] = images[:100]
    plots.save(plots.view_samples(shown, rows, columns), out / 'samples.png')
    tell(f'{num:,} new digits are in `{out / "samples.npz"}`, a picture in samples.png.')
    return images


class Digits:
    """Real digits for a chapter, `X`, what happens after each epoch, and the closing score.

    source: 'mnist', 'digits' or 'auto', as for `data.images`; of these, X has the images to train
    on, or the first `num_examples`. scale, flat: the form of X and of what G makes.
    """

    def __init__(self, out, source='auto', scale='unit', flat=True, num_examples=None):
        X, _, self.source = data.images(source, 'train', scale, flat)
        if num_examples is not None and not 0 < num_examples <= len(X):
            raise ValueError(f'`num_examples` is {num_examples}; it must be from 1 to {len(X)}')
        self.X, self.out, self.scale = X[:num_examples], Path(out), scale
        self.title = TITLES[self.source]
        self.epoch = data.NUM_TRAIN if num_examples is None else len(self.X)  # digits in an epoch

    def batches(self, batch_size, device=None):
        """Return `Batches` of X: an epoch is a pass over MNIST, or as many steps with fewer digits.

        With `num_examples`, which is there to make a training short, it is a pass over those.
        """
        steps = None if self.epoch == len(self.X) else math.ceil(self.epoch / batch_size)
        return data.Batches(self.X, batch_size, steps=steps, device=device)

    def callbacks(self, more=(), show=False, film=True, resume=False, read=True):
        """Return the callbacks of a chapter, with `more`, the caller's own, before the checkpoint.

        read: let the classifier look for missing digits. show, film, resume: as in the chapters.
        """
        draw = plots.draw_pictures(self.scale, SHAPE)
        missing = {'digits': self._missing} if read else {}
        self.collapse = Collapse('digits', **missing)
        return [
            Progress(),
            Figure(self.out, draw, self.title, show),
            Film(self.out if film else None, draw, self.title),
            Samples(self.out, self.scale, SHAPE, self.title),
            Generators(self.out),
            self.collapse,
            *more,
            Checkpoint(self.out, resume, also=['accuracy.png', 'walk.gif']),
        ]

    def _missing(self, game):
        present = scoring.digits_present(unit(game.generate(), self.scale), self.source)
        if present < FEW:
            return f'fewer than {FEW} of the 10 digits have been among 100 samples (now {present}).'

    def scores(self, history, score=True):
        """Score 10,000 new digits and write scores.json; without `score`, only how it went."""
        found = {'data': self.source}
        if score:
            generator = latest_generator(self.out / 'generators')
            images = unit(generator.sample(NUM_SCORED, history.seed), self.scale)
            found.update(scoring.digit_scores(images, self.source))
            tell(scoring.in_words(found))
        for name in ('loss_D', 'loss_G', 'accuracy_D', 'examples_per_sec'):
            found[name] = float(history[name][-1])
        found.update(
            epochs=len(history), seed=history.seed, stopped=history.stopped,
            collapse=self.collapse.told, versions=files.versions(),
        )  # fmt: skip
        files.write_json(self.out / 'scores.json', found)
        return found

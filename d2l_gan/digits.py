"""What the chapters that draw digits share: real images, what is kept of an epoch, the score."""

import math
from pathlib import Path

from d2l_gan import data, files, plots, scoring
from d2l_gan.checkpoint import Checkpoint
from d2l_gan.generator import Generators, latest_generator

import numpy

NUM_KEPT, NUM_SCORED = 16, 10_000  # digits of an epoch that stay; digits that are scored
TITLES = {'mnist': 'MNIST', 'digits': "scikit-learn's 1,797 digits"}
# A sign of collapse is told once it has lasted for PATIENCE epochs.
PATIENCE, SURE, ALIKE, FEW = 5, 0.99, 0.2, 7


def unit(images, scale='unit'):
    """Return images of any shape as NumPy (n, 28, 28) in [0, 1].

    scale: 'unit' if they are in [0, 1], as a sigmoid makes them, 'symmetric' if in [-1, 1], as a
    tanh does.
    """
    images = images.asnumpy() if hasattr(images, 'asnumpy') else numpy.asarray(images)
    images = images.reshape(-1, plots.EDGE, plots.EDGE)
    return (images + 1) / 2 if scale == 'symmetric' else images


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
    plots.tell(f'{num:,} new digits are in `{out / "samples.npz"}`, a picture in samples.png.')
    return images


class Samples:
    """Keep 16 digits of each epoch, always from the same noise, and show them at the end.

    Under `out`, samples/epoch-000012.npz has `images`, (16, 28, 28) in [0, 1]; at the end
    last_epoch.png shows the last ones, progress.png ten moments, losses.png the training losses.
    """

    def __init__(self, out, scale='unit', title=''):
        self.out, self.scale, self.title = Path(out), scale, title

    def __call__(self, game):
        """Keep an epoch's digits, and remove those that an earlier, longer training has left."""
        for epoch, path in self._kept().items():
            if epoch >= game.epoch:
                path.unlink()
        images = unit(game.generate()[:NUM_KEPT], self.scale)
        _keep(self.out / 'samples' / f'epoch-{game.epoch:06d}.npz', images)

    def end(self, game):
        """Draw the pictures once the training has come to its end."""
        if game.epoch < game.num_epochs and game.history.stopped is None:
            return  # interrupted
        shown = {}
        for epoch, path in self._kept().items():
            with numpy.load(path) as saved:
                shown[epoch] = saved['images']
        title, last = self.title, max(shown)
        for name, figure in (
            ('last_epoch', plots.view_samples(shown[last], title=f'{title}, epoch {last}')),
            ('progress', plots.progress_grid(shown, title=title)),
            ('losses', plots.training_losses(game.history)),
        ):
            plots.save(figure, self.out / f'{name}.png')
            plots.show(figure)

    def _kept(self):
        paths = sorted((self.out / 'samples').glob('epoch-*.npz'))
        return {int(path.stem[len('epoch-') :]): path for path in paths}


class Collapse:
    """Notice the signs of a collapse, and tell each in a sentence once it has lasted for 5 epochs.

    The first fifth of the epochs does not count: there, every training looks like that.

    accuracy: D is right about more than 99 % of real and generated digits. variety: the samples
    hardly differ, their variance is below a fifth of that of real digits. digits: fewer than 7 of
    the 10 digits are among 100 samples, as the classifier of `source` reads them (None: not asked).
    `told` is what was said, {sign: sentence}.
    """

    def __init__(self, source='mnist', scale='unit'):
        self.source, self.scale, self.lasted, self.told = source, scale, {}, {}

    def __call__(self, game):
        """Look at the epoch that has just ended."""
        if 5 * game.epoch <= game.num_epochs:
            return
        for sign, sentence in self.signs(game).items():
            self.lasted[sign] = self.lasted.get(sign, 0) + 1 if sentence else 0
            if self.lasted[sign] >= PATIENCE and sign not in self.told:
                self.told[sign] = f'For {PATIENCE} epochs, up to epoch {game.epoch}, {sentence}'
                plots.tell(self.told[sign])

    def signs(self, game):
        """Return {sign: what there is to say of it after this epoch, or None}."""
        images, accuracy = unit(game.generate(), self.scale), game.history.accuracy_D[-1]
        variety = images.var(axis=0).sum() / unit(game.data, self.scale).var(axis=0).sum()
        present = 10 if self.source is None else scoring.digits_present(images, self.source)
        return {
            'accuracy': accuracy > SURE and (
                f'D has told real from generated digits in more than {SURE:.0%} of the cases '
                f'(now {accuracy:.1%}): it wins, and G has little to learn from that.'
            ),
            'variety': variety < ALIKE and (
                'the samples have been nearly identical: '
                f'their variance is {variety:.0%} of that of real digits.'
            ),
            'digits': present < FEW and (
                f'fewer than {FEW} of the 10 digits have been among 100 samples (now {present}).'
            ),
        }  # fmt: skip


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
        self.collapse = Collapse(self.source if read else None, self.scale)
        return [
            plots.LiveFigure(
                out=self.out, title=self.title, show=show, film=film, frames=60 if film else 1
            ),
            Samples(self.out, self.scale, self.title),
            Generators(self.out / 'generators'),
            self.collapse,
            *more,
            Checkpoint(self.out / 'checkpoints', resume=resume),
        ]

    def scores(self, history, score=True):
        """Score 10,000 new digits and write scores.json; without `score`, only how it went."""
        found = {'data': self.source}
        if score:
            generator = latest_generator(self.out / 'generators')
            images = unit(generator.sample(NUM_SCORED, history.seed), self.scale)
            found.update(scoring.digit_scores(images, self.source))
            plots.tell(scoring.in_words(found))
        for name in ('loss_D', 'loss_G', 'accuracy_D', 'examples_per_sec'):
            found[name] = float(history[name][-1])
        found.update(
            epochs=len(history), seed=history.seed, stopped=history.stopped,
            collapse=self.collapse.told, versions=files.versions(),
        )  # fmt: skip
        files.write_json(self.out / 'scores.json', found)
        return found

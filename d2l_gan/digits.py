"""What the chapters that draw digits share: the real ones, a run, its score, sampling."""

import math
from pathlib import Path

from d2l_gan import check, data, files, losses, plots, scoring
from d2l_gan.callbacks import (
    Checkpoint,
    Collapse,
    Estimate,
    Figure,
    Film,
    Generators,
    Progress,
    Samples,
)
from d2l_gan.callbacks.collapse import HELPED
from d2l_gan.game import Result
from d2l_gan.generator import latest_generator
from d2l_gan.speak import tell
from d2l_gan.train import train

import numpy
from mxnet import np

NUM_SCORED = 10_000  # digits that are scored
TITLES = {'mnist': 'MNIST', 'digits': "scikit-learn's 1,797 digits"}
FEW, SHAPE = 7, (28, 28)  # digits that should be among 100 samples; pixels of one


class Digits:
    """Real digits to train on.

    `X` has the images, `labels` what they show, 0 to 9, (num_examples,); `source` is the set that
    they are of, 'mnist' or 'digits', and `title` its name.

    Args:
        source: 'mnist', 'digits' or 'auto', as for `data.images`.
        scale: 'unit' for pixels in [0, 1], 'symmetric' for [-1, 1].
        flat: X is (num_examples, 784), else (num_examples, 28, 28, 1).
        num_examples: take the first so many; None takes all.
        channels_first: X is (num_examples, 1, 28, 28), as Gluon's convolutions take it.
    """

    what, shape, condition, scored, kinds, spread = 'digits', SHAPE, None, NUM_SCORED, 10, 1.0

    def __init__(
        self, source='auto', scale='unit', flat=True, num_examples=None, channels_first=False
    ):  # fmt: skip
        X, labels, self.source = data.images(source, 'train', scale, flat)
        if num_examples is not None and not 0 < num_examples <= len(X):
            check.fail('num_examples', num_examples, f'from 1 to {len(X)}')
        self.X, self.labels = X[:num_examples], labels[:num_examples]
        if channels_first:
            self.X = self.X.reshape((-1, 1, *SHAPE))
        self.title, self.whole = TITLES[self.source], num_examples is None

    def batches(self, batch_size, steps=None, device=None):
        """Return `Batches` of X: an epoch is a pass over MNIST, or as many steps with fewer digits.

        With `num_examples`, which is there to make a run short, it is a pass over those.

        Args:
            batch_size: digits in a step.
            steps: if given, an epoch has so many, and each digit is drawn with replacement.
            device: as for `data.Batches`.
        """
        replace = steps is not None
        if not replace and self.whole and len(self.X) != data.NUM_TRAIN:
            steps = math.ceil(data.NUM_TRAIN / batch_size)
        return data.Batches(self.X, batch_size, steps, replace, device, self.condition)

    def signs(self, scale):
        """Return further signs of a collapse, {name: callable}, for pictures coded like that."""
        return {'digits': few_digits(self.source, scale)}

    def score(self, images):
        """Return scores of new digits, (n, 28, 28) in [0, 1], and a table of them in words."""
        scores = scoring.digit_scores(images, self.source)
        return scores, scoring.table(scores)


class Labelled(Digits):
    """Real digits for networks that take a condition: the batches are (X, labels).

    Args:
        spread: width of the noise that is scored, beside that in training.
        keywords: as for `Digits`.
    """

    def __init__(self, *args, spread=1.0, **keywords):
        super().__init__(*args, **keywords)
        self.spread = spread
        self.condition = self.labels.astype('float32')

    def score_labelled(self, draw):
        """Return scores of digits that were asked for, and a table of them in words.

        Args:
            draw: callable, how many -> pictures, (n, 28, 28) in [0, 1], and their labels.
        """
        scores = scoring.labelled_scores(*draw(len(data.images(self.source)[0])), self.source)
        return scores, scoring.labelled_table(scores)


class InTurn:
    """Let the fixed latent batch of a game with conditions ask for 0, 1, ..., 9 again and again.

    Args:
        kinds: how many there are.
    """

    def __init__(self, kinds=10):
        self.kinds = kinds

    def begin(self, game):
        """Ask, also where a checkpoint has just been taken over."""
        game.fixed_condition[:] = in_turn(len(game.fixed_condition), self.kinds)

    def __call__(self, game):
        """Do nothing after an epoch."""


def in_turn(num, kinds=10):
    """Return so many labels, 0, 1, ..., 9, 0, ..., float32 as the condition of a batch is."""
    return np.array(numpy.arange(num) % kinds, dtype='float32')


def by_kind(kinds=10):
    """Return the order that brings labels in turn together, kind by kind, (kinds^2 or 100,)."""
    return numpy.argsort(numpy.arange(min(kinds, 10) ** 2) % kinds, kind='stable')


def fit(
    net_D, net_G, chapter, initializer, scale='unit', flat=True, steps=None, real=None, *,
    num_epochs, batch_size, lr_D, lr_G, latent_dim=100, objective='bce', label_smoothing=0.0,
    prior='normal', beta1=0.9, beta2=0.999, decay=False, average=0.0, penalty: str = None,
    penalty_weight=1.0, data='auto', num_examples: int = None, score=True, seed=0, engine='auto',
    device=None, devices: str = None, out=None, show=False, film=True, resume=False,
    callbacks=(),
):  # fmt: skip
    """Train a chapter's networks on digits, then score them; return its `Result`.

    Writes pictures, film, samples, generators and scores.json under `out`.

    Args:
        net_D, net_G: of the chapter.
        chapter: its name.
        initializer: of both networks.
        scale, flat: what net_G draws and net_D is shown, as for `Digits`.
        steps: as for `Digits.batches`.
        real: `Digits`, or other pictures with its attributes; None makes them as `data`, `scale`,
            `flat` and `num_examples` say. With `Labelled` pictures have a row for each digit.
        num_epochs: passes over MNIST; fewer digits are gone through more often, for as many steps.
        batch_size: digits in a step.
        lr_D: learning rate of the discriminator.
        lr_G: learning rate of the generator.
        latent_dim: width of the noise.
        objective: the pair of losses: bce (the book's), non_saturating, label_smoothing, minimax,
            relativistic, least_squares, hinge or wasserstein (the last three smooth no label).
        label_smoothing: lower D's label for real digits by so much, in [0, 0.5).
        prior: the noise: normal, or uniform on (-1, 1).
        beta1: how long Adam remembers gradients, in [0, 1).
        beta2: how long Adam remembers their squares, in [0, 1).
        decay: let both learning rates fall to 0 over the epochs.
        average: draw with a running average of G's weights, kept at this rate, in (0, 1); 0: none.
        penalty: on the slope of D: r1, r2, r1+r2, zero or gradient; none without.
        penalty_weight: of the penalty, the papers' gamma or lambda.
        data: mnist, digits (1,797 that come with scikit-learn), or auto for MNIST where it can be
            had.
        num_examples: train on so many digits only, passing over them once in an epoch.
        score: at the end, score 10,000 new digits.
        seed: of the weights, the noise and the order of the batches; with `sample`, of the digits.
        engine: textbook (operator by operator), symbol or xla (compiled), or auto, which chooses.
        device: cpu, gpu or gpu(1); by default the first GPU if there is one.
        devices: several that share each batch, how many or as in gpu(0),gpu(1); for xla, textbook.
        out: directory for all that is written; by default build/ and the chapter's name.
        show: open a window with the live figure.
        film: draw up to 60 epochs and write training.gif; without, training.png alone.
        resume: go on from the last checkpoint under `out`.
        callbacks: more callables that are handed the game after each epoch.
    """
    out = files.output_dir(chapter) if out is None else Path(out)
    if real is None:
        real = Digits(data, scale, flat, num_examples)
    shape, told = real.shape, real.condition is not None
    draw = plots.draw_pictures(scale, shape, by_kind(real.kinds) if told else None)
    collapse = Collapse(real.what, **(real.signs(scale) if score else {}))
    history = train(
        net_D, net_G, real.batches(batch_size, steps, device), num_epochs, lr_D, lr_G, latent_dim,
        real.X[:100], objective=losses.objective(objective, label_smoothing), prior=prior,
        beta1=beta1, beta2=beta2, decay=decay, average=average or None, penalty=penalty,
        penalty_weight=penalty_weight, initializer=initializer, seed=seed, engine=engine,
        device=device, devices=devices,
        callbacks=[
            Progress(),
            Estimate(),
            Figure(out, draw, real.title, show),
            Film(out if film else None, draw, real.title),
            Samples(out, scale, shape, real.title),
            Generators(out),
            collapse,
            *callbacks,
            *([InTurn(real.kinds)] if told else []),
            Checkpoint(out, resume, also=['accuracy.png', 'walk.gif', 'growth.gif']),
        ],
    )  # fmt: skip
    scores = {'data': real.source}
    if score:
        tell(f'Scoring {real.scored:,} new {real.what}.')
        draw = lambda num: drawn(out, num, scale, history.seed, shape=shape, spread=real.spread)
        found = [real.score(draw(real.scored)[0])]
        if told:
            found.append(real.score_labelled(draw))
            scores['spread'] = real.spread
        for more, words in found:
            scores.update(more)
            tell(words)
    for name in ('loss_D', 'loss_G', 'accuracy_D', 'examples_per_sec'):
        scores[name] = float(history[name][-1])
    scores.update(
        epochs=len(history), seed=history.seed, stopped=history.stopped, collapse=collapse.told,
        versions=files.versions(),
    )  # fmt: skip
    files.write_json(out / 'scores.json', scores)
    return Result(net_D, net_G, history, scores)


def few_digits(source, scale='unit'):
    """Return a sign for `Collapse`: digits are missing among 100 samples, as a classifier reads.

    Args:
        source: whose classifier, 'mnist' or 'digits'.
        scale: what net_G draws, as for `Digits`.
    """

    def look(game):
        present = scoring.digits_present(plots.pixels(game.generate(), scale, SHAPE), source)
        if present < FEW:
            return (
                f'fewer than {FEW} of the 10 digits have been among 100 samples (now {present}). '
                f'{HELPED}'
            )

    return look


def drawn(out, num, scale, seed, device=None, shape=SHAPE, digit=None, spread=1.0):
    """Return new pictures of the newest generator under `out`, as of `plots.pixels`, and labels.

    The labels are what was asked for: `digit`, or all in turn; None where nothing can be. Less
    `spread` than 1 makes the noise narrower. A `scale` of None is what the generator ends in.
    """
    generator, labels = latest_generator(out / 'generators', device), None
    if generator.condition is not None:
        kinds = generator.kinds or 10
        if digit is not None and check.whole('digit', digit, least=0) >= kinds:
            check.fail('digit', digit, f'from 0 to {kinds - 1}')
        labels = in_turn(num, kinds) if digit is None else np.full(num, digit, dtype='float32')
        labels = labels.as_in_ctx(generator.device)
    elif digit is not None:
        check.fail('digit', digit, 'left out: this generator draws what it likes')
    images = plots.pixels(
        generator.sample(num, seed, labels, spread), scale or generator.scale, shape
    )
    return images, None if labels is None else labels.asnumpy().astype('int64')


def sample_digits(
    num, chapter, scale='unit', seed=0, device=None, out=None, digit=None, shape=SHAPE, spread=1.0,
):  # fmt: skip
    """Draw new digits with the newest generator of a chapter; return them, (num, 28, 28) in [0, 1].

    Writes samples.npz, with the array `images` and, where digits can be asked for, `labels`; and
    samples.png, the first 100 at most, digit by digit.

    Args:
        num: how many.
        chapter: its name.
        scale: what its generator draws, as for `Digits`; None asks the generator.
        seed: of the digits.
        device: as for `fit`.
        out: where the chapter has written; by default build/ and the chapter's name.
        digit: which one, from 0, of a generator that takes a condition; None for all in turn.
        shape: of one, as for `plots.pixels`; pictures of any shape are drawn.
        spread: of the noise, 1 as in training.

    Raises:
        CheckpointError: where no run has left a generator.
    """
    check.whole('num', num)
    out = files.output_dir(chapter) if out is None else Path(out)
    check.number('spread', spread, '(0, inf)')
    images, labels = drawn(out, num, scale, seed, device, shape, digit, spread)
    arrays = {'images': images, **({} if labels is None else {'labels': labels})}
    write = lambda file: numpy.savez_compressed(file, **arrays)
    files.write_whole(out / 'samples.npz', write)
    columns = math.ceil(min(num, 100) ** 0.5)
    rows = math.ceil(min(num, 100) / columns)
    shown = numpy.full((rows * columns, *images.shape[1:]), 0.5)  # the grey between the digits
    order = slice(100) if labels is None else numpy.argsort(labels[:100], kind='stable')
    shown[: min(num, 100)] = images[order]
    plots.save(plots.view_samples(shown, rows, columns), out / 'samples.png')
    what = 'digits' if images.shape[1:] == SHAPE else 'pictures'
    tell(f'{num:,} new {what} are in `{out / "samples.npz"}`, a picture in samples.png.')
    return images

"""The older way and the games, by the same measures; and digits that were asked for by name."""

import contextlib
import importlib
import json
import sys
from pathlib import Path

from d2l_gan import data, digits, files, latent, metrics, plots, scoring
from d2l_gan.generator import latest_generator

import numpy

# {row: (chapter, what its `run` is told, how its pixels are coded)}
FAMILIES = {
    'autoencoder': ('autoencoder', {'kind': 'plain', 'latent_dim': 32}, 'unit'),
    'variational autoencoder': ('autoencoder', {'kind': 'vae'}, 'unit'),
    'GAN: vanilla': ('mnist_vanilla', {}, 'unit'),
    'GAN: leaky': ('mnist_leaky', {}, 'symmetric'),
    'GAN: deep': ('mnist_deep', {}, 'unit'),
    'GAN: convolutional': ('dcgan', {}, 'symmetric'),
}
MEASURES = ('parzen', 'frechet', 'classifier_score', 'sharpness', 'memorised', 'inverted')
INVERTED = 100  # test digits that each generator is asked to draw


def trained(row, out, seed):
    """Train a row's chapter on MNIST into `out`, unless it has been; return its scores."""
    chapter, settings, _ = FAMILIES[row]
    kept = out / 'scores.json'
    if not kept.exists():
        module = importlib.import_module(f'chapters.{chapter}')
        with contextlib.redirect_stdout(sys.stderr):
            module.run(data='mnist', seed=seed, out=out, film=False, **settings)
    return json.loads(kept.read_text())


def measured(row, out, seed):
    """Return the measures of a row, of 10,000 samples of its newest generator under `out`."""
    scores, scale = trained(row, out, seed), FAMILIES[row][2]
    images = digits.drawn(out, digits.NUM_SCORED, scale, seed)[0]
    generator = latest_generator(out / 'generators')
    X = data.images('mnist', 'test')[0][:INVERTED]
    width = generator.latent_dim
    shape = (INVERTED, *(width if isinstance(width, tuple) else (width,)))
    start = numpy.random.default_rng(seed).normal(size=shape).astype('float32')
    unit = (lambda X: X / 2 + 0.5) if scale == 'symmetric' else lambda X: X
    draw = lambda Z: unit(generator(Z)).reshape((len(Z), -1))
    return {
        **{name: scores[name] for name in ('parzen', 'frechet', 'classifier_score', 'memorised')},
        'sharpness': metrics.sharpness(images),
        'inverted': float(latent.invert(draw, X, start)[1].mean()),
        'reconstruction': scores.get('reconstruction'), 'nll': scores.get('nll'),
        'bound': scores.get('bound'), 'seed': seed,
    }  # fmt: skip


def families(seeds=1):
    """Print each family's measures beside those of real digits; draw a row of digits of each."""
    print(
        '10,000 samples beside the test digits; inverted: squared error of the nearest digit that'
    )
    print(f'a search finds for each of {INVERTED} test digits\n')
    print('| family | Parzen, nats | Fréchet distance | classifier score | sharpness | memorised '
          '| inverted |')  # fmt: skip
    print('| --- ' * 7 + '|')
    found, pictures, path = {}, [], Path('build/scores/families.json')
    for row in FAMILIES:
        out = Path('build/families', row.replace(': ', '-').replace(' ', '-'))
        found[row] = [measured(row, out / str(seed), seed) for seed in range(seeds)]
        pictures.append(digits.drawn(out / '0', 10, FAMILIES[row][2], 0)[0])
        files.write_json(path, found)
        told(row, found[row])
    X = data.images('mnist', 'train')[0].asnumpy()
    real = {**scoring.real_scores('mnist'), 'sharpness': metrics.sharpness(X[:10_000])}
    found['real digits'] = [{**dict.fromkeys(MEASURES), **real, 'inverted': 0.0}]
    files.write_json(path, found)
    told('real digits', found['real digits'])
    pictures.append(X[:10].reshape(-1, 28, 28))
    plots.save(plots.view_samples(numpy.concatenate(pictures), len(pictures), 10),
               path.with_suffix('.png'))  # fmt: skip


def told(row, found):
    """Print a row of medians."""
    parzen, frechet, score, sharpness, copies, error = (
        numpy.median([scores[name] for scores in found]) for name in MEASURES
    )
    print(f'| {row} | {parzen:.0f} | {frechet:.1f} | {score:.2f} | {sharpness:.2f} | {copies:.0%} '
          f'| {error:.1f} |', flush=True)  # fmt: skip


def conditional(seeds=3):
    """Print how well digits come that were asked for, beside the controls of the chapter."""
    from chapters import conditional as chapter

    found = {what: [scores] for what, scores in chapter.controls('mnist').items()}
    for seed in range(seeds):
        with contextlib.redirect_stdout(sys.stderr):
            out = Path('build/families/conditional', str(seed))
            scores = chapter.run(data='mnist', seed=seed, out=out, film=False).scores
        found.setdefault('generated', []).append(scores)
        files.write_json(Path('build/scores/conditional.json'), found)
    print('| | agreement | variety | train on fake |\n| --- | --- | --- | --- |')
    for what, several in found.items():
        cells = [f'{numpy.median([s[name] for s in several]):.2%}'
                 for name in ('agreement', 'variety', 'train_on_fake')]  # fmt: skip
        print(f'| {what} | ' + ' | '.join(cells) + ' |', flush=True)

"""The older way and the games, by the same measures; and digits that were asked for by name."""

import contextlib
import importlib
import json
from pathlib import Path

from d2l_gan import data, digits, files, latent, metrics, plots, scoring
from d2l_gan.generator import latest_generator
from tests.benchmarks.kept import kept

import numpy

# {row: (chapter, what its `run` is told, how its pixels are coded)}
FAMILIES = {
    'autoencoder': ('autoencoder', {'kind': 'plain'}, 'unit'),
    'variational autoencoder': ('autoencoder', {'kind': 'vae'}, 'unit'),
    'GAN: vanilla': ('mnist_vanilla', {}, 'unit'),
    'GAN: leaky': ('mnist_leaky', {}, 'symmetric'),
    'GAN: deep': ('mnist_deep', {}, 'unit'),
    'GAN: convolutional': ('dcgan', {}, 'symmetric'),
}
MEASURES = ('parzen', 'frechet', 'classifier_score', 'sharpness', 'memorised', 'inverted')
INVERTED = 100  # test digits that each generator is asked to draw
KEPT = Path('build/families')


def directory(row, seed, runs):
    """Return where a run of a row lies, or is to lie.

    That of `families` itself, or what a chapter has left in a directory of its own name, as under
    build/, if it was scored on MNIST with this seed.
    """
    chapter, settings, _ = FAMILIES[row]
    own = runs / row.replace(': ', '-').replace(' ', '-') / str(seed)
    for out in (own, runs / chapter / settings.get('kind', '')):
        with contextlib.suppress(OSError, ValueError):
            scores = json.loads((out / 'scores.json').read_text(encoding='utf-8'))
            if (scores['data'], scores['seed']) == ('mnist', seed) and 'frechet' in scores:
                return out
    return own


def trained(row, out, seed):
    """Train a row's chapter on MNIST into `out`, or go on with it; return its scores."""
    chapter, settings, _ = FAMILIES[row]
    if not (out / 'scores.json').exists():
        module = importlib.import_module(f'chapters.{chapter}')
        module.run(data='mnist', seed=seed, out=out, film=False, resume=True, **settings)
    return json.loads((out / 'scores.json').read_text(encoding='utf-8'))


def measured(row, seed, runs):
    """Return the measures of a row, of 10,000 samples of the newest generator of its run."""
    out = directory(row, seed, Path(runs))
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
        'bound': scores.get('bound'), 'seed': seed, 'epochs': scores['epochs'],
    }  # fmt: skip


def families(seeds=1, runs=None, workers=1):
    """Print each family's measures beside those of real digits; draw a row of digits of each.

    Args:
        seeds: 0, 1, ..., so many.
        runs: where ready-made runs are looked for, and where missing ones are kept, half trained
            ones as well; build/families by default.
        workers: processes that play.
    """
    runs = Path(runs or KEPT)
    print(
        '10,000 samples beside the test digits; inverted: squared error of the nearest digit that'
    )
    print(f'a search finds for each of {INVERTED} test digits\n')
    print('| family | Parzen, nats | Fréchet distance | classifier score | sharpness | memorised '
          '| inverted |')  # fmt: skip
    print('| --- ' * 7 + '|')
    found, pictures, path = {}, [], Path('build/scores/families.json')
    target = 'tests.benchmarks.families:measured'
    with kept('families', workers) as played:
        for row in FAMILIES:
            found[row] = played(target, {'row': row, 'runs': str(runs)}, range(seeds))
            pictures.append(digits.drawn(directory(row, 0, runs), 10, FAMILIES[row][2], 0)[0])
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


def asked(seed, conv, runs):
    """Train the conditional chapter, or go on with it; return its scores."""
    from chapters import conditional as chapter

    out = Path(runs, 'conditional-conv' if conv else 'conditional-dense', str(seed))
    if not (out / 'scores.json').exists():
        how = {'conv': True} if conv else {}
        chapter.run(out=out, data='mnist', seed=seed, film=False, resume=True, **how)
    return json.loads((out / 'scores.json').read_text(encoding='utf-8'))


def conditional(seeds=3, runs=None, workers=1):
    """Print how well digits come that were asked for, beside the controls of the chapter.

    Args:
        seeds, runs, workers: as for `families`.
    """
    from chapters import conditional as chapter

    found = {what: [scores] for what, scores in chapter.controls('mnist').items()}
    with kept('conditional', workers) as played:
        for row, conv in {'generated, dense': False, 'generated, conv': True}.items():
            arguments = {'conv': conv, 'runs': str(runs or KEPT)}
            found[row] = played('tests.benchmarks.families:asked', arguments, range(seeds))
            files.write_json(Path('build/scores/conditional.json'), found)
    print('| | agreement | variety | train on fake |\n| --- | --- | --- | --- |')
    for what, several in found.items():
        cells = [f'{numpy.median([s[name] for s in several]):.2%}'
                 for name in ('agreement', 'variety', 'train_on_fake')]  # fmt: skip
        print(f'| {what} | ' + ' | '.join(cells) + ' |', flush=True)

"""Print the tables of the sine chapter, for `make scores`: one curve, and the six objectives.

python -m tests.benchmarks.objectives [SEEDS] [NAMES...] prints it alone.
"""

import sys
from pathlib import Path

from d2l_gan import files, losses
from tests.benchmarks.kept import kept

import numpy

SIX = ('minimax', 'non_saturating', 'label_smoothing', 'least_squares', 'hinge', 'wasserstein')
# What every objective is played with; and where one needs something else, by what it was tried.
WAVES = {'lr_D': 5e-4, 'lr_G': 5e-4, 'beta1': 0.5, 'stop': 'never'}
GAUSSIAN = {'beta1': 0.5, 'init_std': 0.5}
CLIP = {'waves': 0.03, 'gaussian': 0.5}
ELSE = {('waves', 'wasserstein'): {'lr_G': 1e-4}}


def play(seed, task, name):
    """Train once; return the chapter's scores, and the seconds of play, pictures not counted."""
    from chapters import gaussian, sine
    from tests.benchmarks.scores import quiet

    objective = losses.objective(name)
    if objective.clip:
        objective = objective._replace(clip=CLIP[task])
    change = {'objective': objective, 'seed': seed, 'film': False, **ELSE.get((task, name), {})}
    if task == 'waves':
        result, _ = quiet(sine.run, **{'data': 'waves', **WAVES, **change})
        examples = 50 * 64
    else:
        result, _ = quiet(gaussian.run, **{**GAUSSIAN, **change})
        examples = 1000
    seconds = float((examples / result.history.examples_per_sec).sum())
    return dict(result.scores, seconds=seconds)


def table(seeds=5, names=SIX, workers=1):
    """Print medians over the seeds (worst in brackets) as they come; keep all in build/scores."""
    print(f'Six objectives, {seeds} seeds each: median (worst)\n')
    print(
        '| objective | waves: RMSE | phases of 12 | phase spread | amplitude sd | s '
        '| Gaussian: squared W2 | s |'
    )
    print('|---|---|---|---|---|---|---|---|')
    target, rows = 'tests.benchmarks.objectives:play', {}
    with kept('objectives', workers) as played:
        for name in names:
            rows[name] = {
                task: played(target, {'task': task, 'name': name}, range(seeds))
                for task in ('waves', 'gaussian')
            }
            files.write_json(Path('build/scores/objectives.json'), rows)
            row(name, rows[name])


def row(name, found):
    """Print a row: medians, with the worst seed in brackets."""

    def column(task, key, worst):
        values = [scores[key] for scores in found[task]]
        return numpy.median(values), worst(values) if worst else None

    print(
        f'| {name} | {{:.3f}} ({{:.3f}}) '.format(*column('waves', 'rmse', max))
        + '| {:.0f} ({:.0f}) '.format(*column('waves', 'phases_present', min))
        + '| {:.2f} ({:.2f}) '.format(*column('waves', 'phase_spread', min))
        + '| {:.3f} '.format(column('waves', 'amplitude_sd', None)[0])
        + '| {:.0f} '.format(column('waves', 'seconds', None)[0])
        + '| {:.3f} ({:.3f}) '.format(*column('gaussian', 'w2_truth', max))
        + '| {:.1f} |'.format(column('gaussian', 'seconds', None)[0]),
        flush=True,
    )


def curve(seeds=5, workers=1):
    """Print the error on the single curve after 10,000 steps, with and without much momentum."""
    print(f'Sine: RMSE after 10,000 steps, seeds 0 to {seeds - 1}\n')
    print('| beta1 | median | worst |\n|---|---|---|')
    rows, extra = {}, {'stop': 'never', 'film': False, 'out': None}
    with kept('sine', workers) as played:
        for beta1 in (0.5, 0.9):
            found = played('chapters.sine:run', {'beta1': beta1}, range(seeds), extra)
            rows[beta1] = rmse = [scores['rmse'] for scores in found]
            print(f'| {beta1} | {numpy.median(rmse):.4f} | {max(rmse):.4f} |', flush=True)
            files.write_json(Path('build/scores/sine.json'), rows)


if __name__ == '__main__':
    seeds, *names = sys.argv[1:] or ['5']
    table(int(seeds), names or SIX)

"""How many modes each remedy reaches: `make scores ARGS=modes`."""

from pathlib import Path

from d2l_gan import files, plots
from tests.benchmarks.kept import kept

import numpy

PATH = Path('build/scores/modes.json')
SHORT, FEW = {'num_epochs': 5}, 3  # for the comparison of the remedies


def modes(seeds=10, workers=1):
    """Print, for ring and grid, the default after 20,000 steps, and each remedy after 5,000.

    Medians and the worst of seeds 0, 1, ...; of the first three for each remedy. One seed is played
    after the other: on one core, games of this size are no faster side by side.
    """
    from chapters.mode_collapse import REMEDIES, show_table

    print('Mode collapse: 10,000 samples, median (worst) of seeds 0, 1, ...\n')
    print('| toy, remedy | modes | high quality | KL |\n| --- | --- | --- | --- |')
    rows = {}
    games = [('all, 20,000 steps', 'all', seeds, {})]
    games += [(f'{remedy}, 5,000 steps', remedy, min(FEW, seeds), SHORT) for remedy in REMEDIES]
    with kept('modes', workers) as played:
        for title, remedy, wanted, settings in games:
            for toy in ('grid', 'ring'):
                arguments = {'name': toy, 'remedy': remedy, **settings}
                target = 'tests.benchmarks.modes:remedied'
                found = rows[f'{toy}: {title}'] = played(target, arguments, range(wanted))
                files.write_json(PATH, rows)
                print(row(f'{toy}: {title}', found), flush=True)
    for toy in ('grid', 'ring'):
        found = {title[6:]: scores for title, scores in rows.items() if title.startswith(toy)}
        plots.save(show_table(found), PATH.with_name(f'modes-{toy}.png'))


def remedied(seed, **settings):
    """Return the scores of a remedy for one seed."""
    from chapters.mode_collapse import side_by_side

    return side_by_side(seeds=[seed], **settings)[0]


def row(title, found):
    """Return one line of the table: medians, and the worst seed in brackets."""
    told = []
    columns = ('modes', min, '.0f'), ('high_quality', min, '.1%'), ('kl', max, '.3f')
    for name, worst, form in columns:
        values = [scores[name] for scores in found]
        told.append(f'{numpy.median(values):{form}} ({worst(values):{form}})')
    return f'| {title} | {" | ".join(told)} |'

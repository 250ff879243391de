"""How many modes each remedy reaches: `make scores ARGS=modes`."""

import json
from pathlib import Path

from d2l_gan import files, plots

import numpy
from tqdm import tqdm

PATH = Path('build/scores/modes.json')
SHORT, FEW = {'num_epochs': 5}, 3  # for the comparison of the remedies


def modes(seeds=10):
    """Print, for ring and grid, the default after 20,000 steps, and each remedy after 5,000.

    Medians and the worst of seeds 0, 1, ...; of the first three for each remedy. One seed is played
    after the other: on one core, games of this size are no faster side by side. What is in
    build/scores/modes.json is kept, so that a run that was interrupted goes on; remove it to begin
    anew.
    """
    from chapters.mode_collapse import REMEDIES, show_table, side_by_side

    print('Mode collapse: 10,000 samples, median (worst) of seeds 0, 1, ...\n')
    print('| toy, remedy | modes | high quality | KL |\n| --- | --- | --- | --- |')
    rows = json.loads(PATH.read_text()) if PATH.exists() else {}
    games = [('all, 20,000 steps', 'all', seeds, {})]
    games += [(f'{remedy}, 5,000 steps', remedy, min(FEW, seeds), SHORT) for remedy in REMEDIES]
    with tqdm(total=2 * sum(game[2] for game in games), desc='modes', leave=False,
              disable=None) as bar:  # fmt: skip
        for title, remedy, wanted, settings in games:
            for toy in ('grid', 'ring'):
                bar.set_postfix_str(f'{toy}, {title}')
                found = rows.setdefault(f'{toy}: {title}', [])
                bar.update(min(wanted, len(found)))
                for seed in range(len(found), wanted):
                    found.extend(side_by_side(toy, remedy, [seed], **settings))
                    files.write_json(PATH, rows)
                    bar.update()
                bar.write(row(f'{toy}: {title}', found[:wanted]))
    for toy in ('grid', 'ring'):
        found = {title[6:]: scores for title, scores in rows.items() if title.startswith(toy)}
        plots.save(show_table(found), PATH.with_name(f'modes-{toy}.png'))


def row(title, found):
    """Return one line of the table: medians, and the worst seed in brackets."""
    told = []
    columns = ('modes', min, '.0f'), ('high_quality', min, '.1%'), ('kl', max, '.3f')
    for name, worst, form in columns:
        values = [scores[name] for scores in found]
        told.append(f'{numpy.median(values):{form}} ({worst(values):{form}})')
    return f'| {title} | {" | ".join(told)} |'

"""How many modes each remedy reaches: `make scores ARGS=modes`."""

from pathlib import Path

from d2l_gan import files

import numpy
from tqdm import tqdm

SHORT = {'num_epochs': 5}  # for the comparison of the remedies


def modes(seeds=10):
    """Print, for ring and grid, each remedy after 5,000 steps, and the default after 20,000.

    Medians and the worst of seeds 0, 1, ..., one after the other, so that results are kept as they
    come.
    """
    from chapters.mode_collapse import REMEDIES, side_by_side

    print(f'Mode collapse: 10,000 samples, median (worst) of seeds 0 to {seeds - 1}\n')
    print('| toy, remedy | modes | high quality | KL |\n| --- | --- | --- | --- |')
    rows, path = {}, Path('build/scores/modes.json')
    games = [('all, 20,000 steps', 'all', {})]
    games += [(f'{remedy}, 5,000 steps', remedy, SHORT) for remedy in REMEDIES]
    with tqdm(total=2 * len(games) * seeds, desc='modes', leave=False, disable=None) as bar:
        for title, remedy, settings in games:
            for toy in ('grid', 'ring'):
                bar.set_postfix_str(f'{toy}, {title}')
                rows[f'{toy}: {title}'] = found = []
                for seed in range(seeds):
                    found.extend(side_by_side(toy, remedy, [seed], **settings))
                    files.write_json(path, rows)
                    bar.update()
                bar.write(row(f'{toy}: {title}', found))


def row(title, found):
    """Return one line of the table: medians, and the worst seed in brackets."""
    told = []
    columns = ('modes', min, '.0f'), ('high_quality', min, '.1%'), ('kl', max, '.3f')
    for name, worst, form in columns:
        values = [scores[name] for scores in found]
        told.append(f'{numpy.median(values):{form}} ({worst(values):{form}})')
    return f'| {title} | {" | ".join(told)} |'

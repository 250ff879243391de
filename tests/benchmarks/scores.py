"""Print how good each chapter's samples are, over several seeds: `make scores`.

`make scores ARGS=gaussian` prints one chapter's table. The rows are written to
build/scores/<table>.json as they come.
"""

import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy

from d2l_gan import files

BOOK = {}
GAUSSIAN = {
    "the book's settings": BOOK,
    'beta1=0.5': {'beta1': 0.5},
    'init_std=0.5': {'init_std': 0.5},
    'both': {'init_std': 0.5, 'beta1': 0.5},
    "both, objective='least_squares'": {
        'init_std': 0.5, 'beta1': 0.5, 'objective': 'least_squares',
    },
}  # fmt: skip


def quiet(run, **keywords):
    """Call `run` into a directory of its own, with nothing printed; return (result, seconds)."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        result = run(out=Path(out), **keywords)
    return result, time.perf_counter() - start


def gaussian(seeds=12):
    """Print the squared Wasserstein-2 distance to the truth for each change of the chapter."""
    from chapters.gaussian import run

    print(f'Gaussian: squared W2 distance to the truth after 20 epochs, seeds 0 to {seeds - 1}\n')
    print('| change | median | worst | floor (the 1,000 points), median |')
    print('| --- | --- | --- | --- |')
    rows = {}
    for name, change in GAUSSIAN.items():
        found = [quiet(run, seed=seed, **change)[0].scores for seed in range(seeds)]
        w2 = [scores['w2_truth'] for scores in found]
        floor = numpy.median([scores['w2_floor'] for scores in found])
        rows[name] = {'w2_truth': w2, 'change': change}
        print(f'| {name} | {numpy.median(w2):.3f} | {max(w2):.3f} | {floor:.3f} |', flush=True)
        files.write_json(Path('build/scores/gaussian.json'), rows)


TABLES = {'gaussian': gaussian}


@click.command()
@click.argument('tables', nargs=-1, type=click.Choice(list(TABLES)))
def main(tables):
    """Print the tables named, or all."""
    for name in tables or TABLES:
        TABLES[name]()
        print(flush=True)


if __name__ == '__main__':
    sys.exit(main())

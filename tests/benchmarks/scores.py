"""Print how good each chapter's samples are, over several seeds: `make scores`.

`make scores ARGS=gaussian` prints one chapter's table. The rows are written to
build/scores/<table>.json as they come; a table that was interrupted goes on.
"""

import contextlib
import importlib.util
import io
import tempfile
import time
from pathlib import Path

from d2l_gan import files
from tests.benchmarks.kept import kept

import click
import numpy

GAUSSIAN = {
    'the same settings here': {},
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


def textbook(seed):
    """Train with the textbook's own updates and loader; return the distance to the truth."""
    from chapters.gaussian import networks, score
    from d2l_gan import data
    from d2l_gan.game import COLUMNS, History
    from d2l_gan.noise import seeded

    from d2l import mxnet as d2l
    from mxnet import gluon, init, np

    X, loss, history = data.gaussian(1000, seed)[0], gluon.loss.SigmoidBCELoss(), History(seed)
    net_D, net_G = networks()
    with seeded(seed, 0):
        for net in (net_D, net_G):
            net.initialize(init.Normal(0.02), force_reinit=True)
        trainers = [
            gluon.Trainer(net.collect_params(), 'adam', {'learning_rate': rate})
            for net, rate in ((net_D, 0.05), (net_G, 0.005))
        ]
        batches = d2l.load_array((X,), 8)
        for _ in range(20):
            for batch in batches:
                Z = np.random.normal(0, 1, (8, 2))
                d2l.update_D(batch, Z, net_D, net_G, loss, trainers[0])
                d2l.update_G(Z, net_D, net_G, loss, trainers[1])
    history.append(**dict.fromkeys(COLUMNS, 0))
    return score(net_G, X, history)


def gaussian(seeds=100, workers=1):
    """Print the squared Wasserstein-2 distance to the truth for each change of the chapter.

    The book's own code, a hundred times as slow, plays for an eighth of the seeds.
    """
    print(f'Gaussian: squared W2 distance to the truth after 20 epochs, seeds 0 to {seeds - 1}\n')
    rows, lines = (
        {},
        ['| change | median | 90 % of the seeds | worst |', '| --- | --- | --- | --- |'],
    )
    print('\n'.join(lines))
    few = -(-seeds // 8)
    # Side by side where JAX is, as `python -m chapters sweep gaussian --together`.
    many = 'run_many' if importlib.util.find_spec('jax') else 'run'
    extra = {} if many == 'run_many' else {'out': None, 'film': False}
    games = {
        name: (f'chapters.gaussian:{many}', change, seeds, extra)
        for name, change in GAUSSIAN.items()
    }
    title = f"the book's own code, seeds 0 to {few - 1}"
    games[title] = 'tests.benchmarks.scores:textbook', {}, few, {}
    with kept('gaussian', workers) as played:
        for name, (target, change, count, extra) in games.items():
            found = played(target, change, range(count), extra)
            rows[name] = [one['w2_truth'] for one in found]
            rows.setdefault('the 1,000 points themselves', [one['w2_floor'] for one in found])
            files.write_json(Path('build/scores/gaussian.json'), rows)
            lines.append(row(name, rows[name]))
            print(lines[-1], flush=True)
    lines.append(row('the 1,000 points themselves', rows['the 1,000 points themselves']))
    print(lines[-1], flush=True)
    return '\n'.join(lines)


def row(name, w2):
    """Return a line of the table."""
    return f'| {name} | {numpy.median(w2):.3f} | {numpy.quantile(w2, 0.9):.3f} | {max(w2):.3f} |'


@click.command()
@click.argument('tables', nargs=-1)
@click.option('--seeds', type=click.IntRange(1), help='100 for the Gaussian, 5 elsewhere.')
@click.option(
    '--runs', type=click.Path(file_okay=False),
    help='Where families and conditional look for runs that there are, and keep theirs.',
)  # fmt: skip
@click.option('--workers', type=click.IntRange(1), default=1, show_default=True,
              help='Processes that play; more of them change the column of seconds.')  # fmt: skip
def main(tables, seeds, runs, workers):
    """Print the tables named, or all: gaussian, sine, ..., dcgan, families, conditional."""
    from tests.benchmarks import dcgan, families, mnist, modes, objectives

    known = {
        'gaussian': gaussian, 'sine': objectives.curve, 'objectives': objectives.table,
        'choices': mnist.choices, 'cure': mnist.cure, 'mnist': mnist.mnist, 'ladder': dcgan.ladder,
        'dcgan': dcgan.dcgan, 'families': families.families, 'conditional': families.conditional,
        'modes': modes.modes,
    }  # fmt: skip
    unknown = [name for name in tables if name not in known]
    if unknown:
        raise click.BadParameter(f'{unknown[0]!r} is no table; there are {", ".join(known)}')
    for name in tables or known:
        more = {'runs': runs} if runs and name in ('families', 'conditional') else {}
        known[name](*([seeds] if seeds else []), workers=workers, **more)
        print(flush=True)


if __name__ == '__main__':
    main()

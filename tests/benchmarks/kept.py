"""Runs of a table of `make scores`, kept on the disk until the table is complete."""

import contextlib
import shutil
from pathlib import Path

from d2l_gan import sweep
from d2l_gan import workers as pools
from d2l_gan.speak import tell


@contextlib.contextmanager
def kept(name, workers=1):
    """Yield a function (target, arguments, seeds) -> list of scores, as `sweep.sweep` plays them.

    What is interrupted goes on; what ends with the table is removed, so that the next one is
    played anew.

    Args:
        name: of the table.
        workers: processes that play; more of them change the column of seconds.
    """
    out = Path('build/scores', f'{name}-runs')
    with sweep.Runs(out) as runs, pools.Local(workers, out / sweep.SCRATCH) as pool:
        if runs.runs:
            tell(f'Going on with {len(runs.runs)} runs of a table that was interrupted; remove '
                 f'`{out}` to start anew.')  # fmt: skip

        def played(target, arguments, seeds, extra=None):
            found = sweep.sweep(target, [arguments], list(seeds), pool, runs, extra, retry=True)
            for run in found:
                if run['error'] is not None:
                    raise RuntimeError(f'seed {run["seed"]} failed: {run["error"]}')
            return [{**run['scores'], 'seed': run['seed']} for run in found]

        yield played
    shutil.rmtree(out)

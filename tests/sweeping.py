"""What the tests of sweeps let workers play, in place of a chapter: they start in a second."""

import os
import signal
import time
from pathlib import Path


def tiny(seed, value=1.0, seconds=0.0, callbacks=(), out=None):
    """Return scores as a chapter does, and leave a note in `out`."""
    if value < 0:
        raise ValueError(f'`value` is {value}; it must be >= 0')
    for callback in callbacks:
        callback.begin(None)
    print('nobody reads this')
    if out is not None:
        (out / 'figure.png').write_text('x')
    if value == 13 and seed == 1:
        raise ArithmeticError('13 is unlucky\nsecond line')
    time.sleep(seconds)
    return {'w2_truth': value * seed, 'accuracy': seed / 10, 'list': [1], 'seed': seed}


def deadly(seed, marks, how=signal.SIGKILL):
    """Kill or stop the worker with seed 1 always, with seed 2 the first time; note who began."""
    mark = Path(marks, str(seed))
    first = not mark.exists()
    mark.write_text('')
    if seed == 1 or (seed == 2 and first):
        os.kill(os.getpid(), how)
    return {'rmse': seed}

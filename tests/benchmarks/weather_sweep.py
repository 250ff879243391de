"""Kill a sweep again and again: a fault of `make weather`."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def started(out, seeds, *more):
    """Return the process of a sweep of cheap runs: two settings of the Gaussian, one epoch each."""
    command = [
        sys.executable, '-m', 'chapters', 'sweep', 'gaussian', '--seeds', f'0-{seeds - 1}',
        '--set', 'beta1=0.5,0.9', '--set', 'num_epochs=1', '--out', str(out), *more,
    ]  # fmt: skip
    log = open(f'{out}.log', 'ab')  # noqa: SIM115 - the process writes to it
    with log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def done(out):
    """Return the whole lines that a sweep has written."""
    path = Path(out, 'runs.jsonl')
    return path.read_bytes().split(b'\n')[:-1] if path.exists() else []


def workers_of(pid):
    """Return the processes that a sweep has started."""
    found = Path(f'/proc/{pid}/task/{pid}/children')
    return list(map(int, found.read_text().split())) if found.exists() else []


def killed_sweeps(directory, times=20, seeds=100):
    """SIGKILL at random moments of a sweep, or of one of its workers"""
    out, dice = directory / 'sweep', random.Random(0)
    total = 2 * seeds
    kills = 0
    for kill in range(times):
        process = started(out, seeds, '--workers', '2')
        # After a number of runs that spreads the kills over the sweep, and then at any moment.
        wanted = len(done(out)) + dice.randrange(1, max(2, total // times))
        while len(done(out)) < min(wanted, total - 1) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3 * dice.random())
        if process.poll() is not None:  # it was faster than the dice
            break
        kills, workers = kills + 1, workers_of(process.pid)
        if kill % 4 == 3 and workers:  # the sweep itself must survive this
            os.kill(dice.choice(workers), signal.SIGKILL)
            time.sleep(0.3)
            assert process.poll() is None, Path(f'{out}.log').read_text()
        process.kill()
        process.wait()
        for pid in workers:  # they end with their parent
            patience = time.monotonic() + 60
            while Path(f'/proc/{pid}/exe').exists() and time.monotonic() < patience:
                time.sleep(0.05)
            assert not Path(f'/proc/{pid}/exe').exists(), f'{pid} plays on'
    process = started(out, seeds, '--workers', '2')
    assert process.wait() == 0, Path(f'{out}.log').read_text()
    runs = [json.loads(line) for line in done(out)]
    played = {(run['seed'], run['arguments']['beta1']) for run in runs}
    assert len(runs) == len(played) == total, (len(runs), len(played))
    assert all(run['error'] is None for run in runs)
    return kills, f'nothing: each of {total} runs is in the result, once'

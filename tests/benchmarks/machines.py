"""What can go wrong where several processes play one game, tried on this machine.

`make weather` includes these rows. A group of processes is started as on several machines, by the
same command with `process_id`; each fault must end all of them within a minute, with a sentence and
a status that is not 0, and the run must go on from its last checkpoint.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from d2l_gan.processes import free_port

EPOCHS, WITHIN = 4, 60


def member(directory, coordinator, num_processes, process_id, epochs, resume, change):
    """Play as one of the processes; `change` makes this one different from the others."""
    from d2l_gan import checkpoint, cluster, data, train
    from d2l_gan.callbacks import Checkpoint
    from tests.benchmarks import weather

    if change == 'code':
        checkpoint.__file__ = str(Path(directory).parent / 'other' / 'checkpoint.py')
    X = data.gaussian(24, seed=1 if change == 'data' else 0)[0]
    Path(f'{directory}.{process_id}.here').touch()
    with contextlib.ExitStack() as stack:
        try:
            if num_processes > 1:
                stack.enter_context(cluster.join(coordinator, num_processes, process_id))
        except RuntimeError as error:
            sys.exit(f'Error: {error}')
        keep = weather.Keep()

        def played(game):
            Path(directory).with_suffix('.played').write_text(str(game.epoch))
            time.sleep(2 if change == 'slow' else 0.5)

        train.train(
            *weather.networks(), data.Batches(X, 12), epochs, 0.05, 0.01, 2, X, seed=3,
            engine='xla', average=0.9,
            callbacks=[keep, played, Checkpoint(directory, resume=resume)],
        )  # fmt: skip
        if process_id == 0:
            weather.write_digest(keep.game, directory)


class Group:
    """Processes that play together, one of which `changes` may make different."""

    def __init__(
        self, directory, size=2, resume=False, missing=(), changes=None, port=None, epochs=EPOCHS
    ):
        self.directory, address = directory, f'127.0.0.1:{port or free_port()}'
        directory.with_suffix('.played').unlink(missing_ok=True) if resume else None
        self.members, self.logs, self.given = {}, {}, {}
        for i in set(range(size)) - set(missing):
            self.logs[i] = directory.parent / f'{directory.name}.{i}.log'
            self.logs[i].unlink(missing_ok=True)
            change = (changes or {}).get(i)
            self.given[i] = [str(directory), address, size, i, epochs, resume, change]
            self.start(i)

    def start(self, i):
        """Start a process, for the first time or again."""
        environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'XLA_FLAGS': ''}
        with open(self.logs[i], 'ab') as file:
            self.members[i] = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m', __name__, json.dumps(self.given[i])],
                stdout=file, stderr=file, env=environment,
            )  # fmt: skip

    def wait_for(self, epochs):
        """Wait until so many epochs are over."""
        path = self.directory.with_suffix('.played')
        end = time.monotonic() + 300
        while not path.exists() or int(path.read_text() or 0) < epochs:
            assert time.monotonic() < end and None in self.polled(), self.said()
            time.sleep(0.05)

    def polled(self):
        return [process.poll() for process in self.members.values()]

    def said(self):
        return {i: log.read_text() for i, log in self.logs.items()}

    def wait(self, seconds=300):
        """Return the exit statuses; by then none is running any more."""
        end = time.monotonic() + seconds
        while None in self.polled() and time.monotonic() < end:
            time.sleep(0.05)
        late = [i for i, process in self.members.items() if process.poll() is None]
        self.kill()
        assert not late, f'{late} still ran after {seconds} s: {self.said()}'
        return self.polled()

    def kill(self):
        for process in self.members.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def ended(self, *but, told):
        """Check that all `but` some have ended with one sentence each, the right one, and not 0.

        Returns the seconds from when all had been imported.
        """
        while not all(Path(f'{self.directory}.{i}.here').exists() for i in self.members):
            time.sleep(0.05)
        end, start = time.monotonic() + WITHIN, time.monotonic()
        others = {i: process for i, process in self.members.items() if i not in but}
        while any(p.poll() is None for p in others.values()) and time.monotonic() < end:
            time.sleep(0.05)
        seconds, codes = time.monotonic() - start, {i: p.poll() for i, p in others.items()}
        self.kill()
        assert None not in codes.values(), f'still running: {codes}, {self.said()}'
        assert all(codes.values()), codes
        for i, text in self.said().items():
            if i not in but:
                lines = [line for line in text.splitlines() if line]
                assert len(lines) == 1 and told in lines[0], (i, text)
        return seconds


def whole(directory, size=2, **settings):
    """Return the digest of a run of so many processes that nothing disturbs."""
    group = Group(directory / f'whole{size}', size, **settings)
    assert not any(group.wait()), group.said()
    return (directory / f'whole{size}.digest').read_text()


def goes_on(path, expected, size=2, after=''):
    """Start the run at `path` again and check where it goes on and that its end is expected."""
    group = Group(path, size, resume=True)
    assert not any(group.wait()), group.said()
    found = path.with_suffix('.digest').read_text()
    assert found == expected, group.said()
    assert f'Going on after epoch {after}' in group.said()[0], group.said()


def disturbed(directory, number, victim, told, size=2):
    """Send a signal to one process in its third epoch; the others must end, and the run go on."""
    expected = whole(directory, size)
    path = directory / 'x'
    group = Group(path, size)
    group.wait_for(2)
    group.members[victim].send_signal(number)
    seconds = group.ended(victim, told=told)
    goes_on(path, expected, size)
    return 1, f'the epoch that was running; all ended after {seconds:.0f} s, each with a sentence'


def worker_killed(directory):
    """Three processes play one game: one is killed"""
    return disturbed(directory, signal.SIGKILL, 2, 'process 2 has been silent', size=3)


def coordinator_killed(directory):
    """Two processes play one game: the first, the coordinator, is killed"""
    return disturbed(directory, signal.SIGKILL, 0, 'process 0, the coordinator at')


def worker_stopped(directory):
    """Two processes play one game: one is stopped (SIGSTOP)"""
    return disturbed(directory, signal.SIGSTOP, 1, 'process 1 has been silent')


def asked_to_stop(directory):
    """Ctrl-C, and SIGTERM, in both of two processes at once, as a terminal and Slurm send them"""
    expected = whole(directory)
    for number in (signal.SIGINT, signal.SIGTERM):
        path = directory / number.name
        group = Group(path, changes={0: 'slow'} if number == signal.SIGINT else None)
        group.wait_for(2)
        for process in group.members.values():
            process.send_signal(number)
        assert group.wait(WITHIN) == [128 + number] * 2, group.said()
        goes_on(path, expected, after=2 if number == signal.SIGINT else '')
    return 2, 'nothing after Ctrl-C, at most the epoch that was running after SIGTERM'


def killed_and_asked_to_stop(directory):
    """One of two processes is killed, and the other gets SIGTERM at once, as from srun"""
    expected = whole(directory)
    path = directory / 'x'
    group = Group(path)
    group.wait_for(2)
    group.members[1].kill()
    start = time.monotonic()
    time.sleep(1)
    group.members[0].send_signal(signal.SIGTERM)
    status, said = group.wait(WITHIN)[0], group.said()[0]
    assert status in (1, 128 + signal.SIGTERM) and 'Traceback' not in said, (status, said)
    seconds = time.monotonic() - start
    goes_on(path, expected)
    return 1, f'the epoch that was running; the other ended after {seconds:.0f} s with a sentence'


def one_missing(directory):
    """Two of three processes are started"""
    group = Group(directory / 'x', 3, missing=[2])
    seconds = group.ended(told='not all of the 3 processes have come')
    return 1, f'nothing; both ended after {seconds:.0f} s with a sentence'


def supervised(directory):
    """One of three processes is killed; each has a supervisor, as systemd, that starts it again"""
    expected = whole(directory, 3)
    group = Group(directory / 'x', 3, resume=True)
    group.wait_for(2)
    group.members[2].kill()
    again, end = dict.fromkeys(group.members, 0), time.monotonic() + 300
    while any(code != 0 for code in group.polled()) and time.monotonic() < end:
        time.sleep(1)
        for i, process in group.members.items():
            if process.poll():  # it has ended, and not well
                again[i] += 1
                group.start(i)
    group.kill()
    assert not any(group.polled()) and all(again.values()), (group.polled(), again, group.said())
    assert (directory / 'x.digest').read_text() == expected, group.said()
    return 1, 'the epoch that was running; same end, bit for bit'


def not_alike(directory):
    """Another code, or other data, in one of two processes"""
    for change, told in (('code', 'process 1 has other code'), ('data', 'process 1 has other')):
        Group(directory / change, 2, changes={1: change}).ended(told=told)
    return 2, 'nothing: both processes end before the first step and name what differs'


def port_taken(directory):
    """Somebody else listens at the coordinator's port"""
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        group = Group(directory / 'x', 2, port=other.getsockname()[1])
        group.ended(told='`coordinator` is')
    return 1, 'nothing; both ended with a sentence'


def another_number(directory):
    """A run of two processes goes on with three, and alone"""
    told = 'was written with devices 2; the last digits may now differ'
    for number, size in enumerate((3, 1)):
        out = directory / f'{number}'
        assert not any(Group(out, 2, epochs=3).wait())
        group = Group(out, size, resume=True)
        assert not any(group.wait()), group.said()
        assert told in group.said()[0], group.said()
    return 2, 'nothing but the last digits, as a sentence says'


FAULTS = [
    worker_killed, coordinator_killed, worker_stopped, asked_to_stop, killed_and_asked_to_stop,
    one_missing, supervised, not_alike, port_taken, another_number,
]  # fmt: skip

if __name__ == '__main__':
    member(*json.loads(sys.argv[1]))

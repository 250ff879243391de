"""Who plays the runs of a sweep: processes of this machine, or a cluster of Dask's.

Both hand jobs out and yield (job, what it returned or the exception that it raised) in the order
in which they end. A worker that dies costs its own job a second try, and no other job anything.
"""

import collections
import contextlib
import math
import multiprocessing
import os
import signal
import tempfile
import threading
import time
import uuid
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

from d2l_gan import check
from d2l_gan.speak import tell

TRIES = 2  # of a job whose worker dies or hangs


class Local:
    """Processes of this machine, of one OpenMP thread each, which live until the sweep ends.

    They are spawned, since MXNet does not survive a fork. Each is a pool of its own: where one
    worker of a common pool dies, the pool breaks, and with it every job that it has been given.

    Args:
        workers: how many.
        scratch: directory for what the jobs write and nobody keeps.
        timeout: seconds after which a job's process is taken for hung, and killed; None waits.
    """

    def __init__(self, workers, scratch, timeout=None):
        self.slots = [None] * check.whole('workers', workers)
        self.children = [set() for _ in self.slots]
        self.scratch = str(scratch)
        self.timeout = math.inf if timeout is None else check.number('timeout', timeout, '(0, inf)')

    def __enter__(self):
        os.makedirs(self.scratch, exist_ok=True)
        return self

    def __exit__(self, *problem):
        """End the processes; where something has gone wrong, in the middle of their jobs."""
        for slot in range(len(self.slots)) if problem[0] is not None else ():
            self._kill(slot)
        for slot in filter(None, self.slots):
            slot.shutdown()

    def _kill(self, slot):
        for child in self.children[slot]:
            with contextlib.suppress(ValueError):  # it is closed: it has ended by itself
                child.kill()

    def _submit(self, slot, function, job):
        """Give a slot's process a job; where there is none, start it."""
        before = set(multiprocessing.active_children())
        threads = os.environ.get('OMP_NUM_THREADS')
        os.environ['OMP_NUM_THREADS'] = '1'  # read when a process loads OpenMP, so before ours runs
        try:
            if self.slots[slot] is None:
                self.slots[slot] = futures.ProcessPoolExecutor(
                    1, multiprocessing.get_context('spawn'), _begin, (self.scratch,)
                )
            return self.slots[slot].submit(function, *job)
        finally:
            self.children[slot] |= set(multiprocessing.active_children()) - before
            del os.environ['OMP_NUM_THREADS']
            if threads is not None:
                os.environ['OMP_NUM_THREADS'] = threads

    def outcomes(self, function, jobs):
        """Yield (job, result or exception) of `function(*job)` for each job."""
        waiting, running = collections.deque((job, 1) for job in jobs), {}
        idle, ends = list(range(len(self.slots)))[::-1], {}
        while waiting or running:
            while waiting and idle:
                slot, (job, tries) = idle.pop(), waiting.popleft()
                running[self._submit(slot, function, job)] = slot, job, tries
                ends[slot] = time.monotonic() + self.timeout
            soonest = min(ends.values()) - time.monotonic()
            patience = None if soonest == math.inf else max(0, soonest)
            done = futures.wait(running, patience, futures.FIRST_COMPLETED)[0]
            for slot in {running[future][0] for future in running.keys() - done}:
                if ends[slot] <= time.monotonic():
                    ends[slot] = math.inf  # from now on it is as one that has died
                    self._kill(slot)
            for future in done:
                slot, job, tries = running.pop(future)
                hung = ends.pop(slot) == math.inf and self.timeout < math.inf
                idle.append(slot)
                outcome = future.exception() or future.result()
                if isinstance(outcome, BrokenProcessPool):
                    self.slots[slot].shutdown()
                    self.slots[slot] = None
                    if tries < TRIES:
                        waiting.appendleft((job, tries + 1))
                        continue
                    fate = f'had not ended after {self.timeout:g} s' if hung else 'died'
                    outcome = RuntimeError(f'its worker process {fate}, {TRIES} times')
                yield job, outcome


def _begin(scratch):
    """Prepare a worker process: Ctrl-C is the parent's to answer, and its end is ours, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tempfile.tempdir = scratch
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """End this process when its parent has ended, however that came."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class Cluster:
    """The workers of a Dask cluster. They need this package, and one thread each.

    How it is reached safely (TLS) is Dask's own configuration, as are its timeouts.

    Args:
        address: of the scheduler, such as `tcp://scheduler:8786`.
    """

    def __init__(self, address):
        try:
            from distributed import Client
        except ImportError as error:
            raise ImportError("a cluster needs Dask: pip install 'd2l_gan[cluster]'") from error
        self.address = address
        try:
            self.client = Client(address, set_as_default=False, name='d2l_gan')
        except (OSError, TypeError, ValueError) as error:  # TypeError: it wants TLS, we have none
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConnectionError(f'no Dask scheduler answers at {address}: {reason}') from error

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        """Leave the cluster; what it has not begun, it forgets."""
        self.client.close()

    def outcomes(self, function, jobs):
        """Yield (job, result or exception) of `function(*job)` for each job."""
        from distributed import as_completed

        if jobs and not self.client.scheduler_info()['workers']:
            tell(f'The cluster at {self.address} has no worker yet; waiting for one.')
        name = f'd2l_gan-{uuid.uuid4().hex}'  # one key a job: the scheduler holds each once
        given = {
            self.client.submit(function, *job, key=f'{name}-{number}', pure=False): job
            for number, job in enumerate(jobs)
        }
        for future in as_completed(list(given), loop=self.client.loop) if given else ():
            if future.status in ('cancelled', 'lost'):
                raise ConnectionError(f'the scheduler at {self.address} is gone')
            job = given.pop(future)
            yield job, future.exception() or future.result()
            future.release()

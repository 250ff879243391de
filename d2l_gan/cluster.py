"""Several processes, on one machine or on many, that play one game together.

Each is started by the same command and calls `join` before it does anything else with JAX. Every
process draws the same batches and noise from the seed and plays its shard of them; what callbacks
do happens in process 0 alone, whose state all take over at the start of each epoch.

A process that is lost ends them all, since no step can be played without it. JAX knows that, and
its C++ ends a process in the middle of whatever it does; so what it says is caught here, and a
thread asks each second whether the others are alive, to say in one sentence who is not. A run goes
on from its last checkpoint when it is started again.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time

from d2l_gan import check, meeting, speak

import numpy

PERIOD, SILENCE = 1.0, 20.0  # seconds between signs of life, and without any until one is given up
START = 30  # seconds in which all processes must have come
_FOREVER = 10**9  # milliseconds of waiting for a process that is alive
_OF_XLA = re.compile(r'\b(UNKNOWN|UNAVAILABLE|INTERNAL|DEADLINE_EXCEEDED|ABORTED|CANCELLED): ')
_team = None


def team():
    """Return this process's `Team`, None where it plays alone."""
    return _team


def join(coordinator, num_processes=None, process_id=None, once=False):
    """Let this process be one of several that play together; return its `Team`.

    It listens on the coordinator's address and no other, in process 0, and trusts whoever can reach
    it there. The processes send each other sums of gradients by ports of their own; between CPUs,
    these are open at the address from which a process reaches the coordinator, and no other.

    Args:
        coordinator: HOST:PORT where process 0 can be reached, or 'auto' where Slurm, Open MPI or
            Kubernetes have started the processes, so that JAX finds all three by itself.
        num_processes: how many there are.
        process_id: which of them this is, from 0.
        once: let the other processes wait, after their first game, until process 0 calls `finish`.

    Raises:
        ValueError: where an argument cannot be right.
        RuntimeError: where process 0 cannot listen there. Where not all processes come in time,
            this one ends with a sentence.
    """
    global _team
    if coordinator == 'auto':
        if num_processes is not None or process_id is not None:
            raise ValueError("`coordinator` is 'auto'; then JAX finds the other two by itself")
        coordinator, num_processes, process_id = meeting.launched(START)
    address = re.fullmatch(r'([^:\s]+|\[[0-9a-fA-F:]+\]):(\d{1,5})', str(coordinator))
    if not address or not 0 < int(address.group(2)) < 65536:
        check.fail('coordinator', coordinator, "'auto', or HOST:PORT as in 127.0.0.1:8476")
    check.whole('num_processes', num_processes)
    if check.whole('process_id', process_id, least=0) >= num_processes:
        check.fail('process_id', process_id, f'below `num_processes`, {num_processes}')
    if num_processes == 1:
        return None
    given = {'coordinator_address': coordinator, 'num_processes': num_processes,
             'process_id': process_id}  # fmt: skip
    host, port = address.group(1).strip('[]'), int(address.group(2))
    if process_id == 0:
        given['coordinator_bind_address'] = meeting.free(coordinator, host, port)
    import jax
    from jax._src import distributed

    jax.config.update('jax_cpu_collectives_implementation', 'gloo')
    meeting.let_gloo_listen(host, port)
    told = (
        f'`coordinator` is {coordinator!r}, where not all of the {num_processes} processes have '
        f'come in {START} s'
    )
    _team = Team(process_id, num_processes, coordinator, once, told)
    timer = threading.Timer(START + 2, _team.end, [told])  # JAX need not keep its own time
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(**given, initialization_timeout=START)
    except Exception as error:  # each JAX has its own
        _team.end(f'{told} ({str(error).splitlines()[0][:120]})')
    timer.cancel()
    state = distributed.global_state
    _team.begin(state.process_id, state.num_processes, state.coordinator_address, state.client)
    return _team


class Team:
    """The processes that play together, as one of them sees them.

    `rank` is this one's number, `size` how many there are.
    """

    def __init__(self, rank, size, address, once, start):
        self.rank, self.size, self.address = rank, size, address
        self.once, self.start = once, start
        self.client, self.said, self.ended, self.asked = None, 0, None, 0
        self.over, self.lock = threading.Event(), threading.Lock()
        self.stderr = os.dup(2)
        self._catch()

    def begin(self, rank, size, address, client):
        """Watch the others from now on."""
        self.rank, self.size, self.address, self.client = rank, size, address, client
        speak.quiet = rank > 0
        self.answered = time.monotonic()
        for work in (self._beat, self._guard):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        """End the process: after an error with its sentence, and let the others know."""
        if error is None:
            self.finish()
        if kind in (KeyboardInterrupt, SystemExit):
            self.leave(getattr(error, 'code', 128 + signal.SIGINT), 'it was asked to stop')
        print(f'Error: {error or kind.__name__}', file=sys.stderr, flush=True)
        self.leave(1, str(error))

    # What one has to say

    def say(self, text):
        """Return process 0's text, in every process."""
        self.said += 1
        if self.rank == 0:
            self.client.key_value_set(f'said/{self.said}', text)
            if self.said > 2:  # whatever came before the last but one, everybody has read
                self.client.key_value_delete(f'said/{self.said - 2}')
            return text
        return self.client.blocking_key_value_get(f'said/{self.said}', _FOREVER)

    def same(self, facts):
        """Raise ValueError where two processes differ in one of {name: text}."""
        self.said += 1
        mine = json.dumps(facts)
        self.client.key_value_set(f'same/{self.said}/{self.rank}', mine)
        found = [
            json.loads(self.client.blocking_key_value_get(f'same/{self.said}/{rank}', _FOREVER))
            for rank in range(self.size)
        ]
        for rank, other in enumerate(found):
            for name in sorted({*other, *found[0]}):
                if other.get(name) != found[0].get(name):
                    raise ValueError(
                        f'process {rank} has other {name} than process 0; all must be alike'
                    )

    def share(self, game, first=False):
        """Give every process the state that a game has in process 0, as callbacks have left it."""
        arrays = list(game.arrays().values())
        flat = numpy.concatenate([array.asnumpy().ravel() for array in arrays])
        here = {'epoch': game.epoch, 'counters': game.counters(), 'stopped': game.history.stopped,
                **({'history': game.history.to_dict()} if first else {})}  # fmt: skip
        there = json.loads(self.say(json.dumps(here)))
        flat = game.engine.sharing.broadcast(flat)
        if self.rank == 0:
            return
        for array in arrays:
            array[:] = flat[: array.size].reshape(array.shape)
            flat = flat[array.size :]
        game.epoch, game.history.stopped = there['epoch'], there['stopped']
        game.set_counters(there['counters'])
        if first:
            game.history.from_dict(there['history'])

    # How it ends

    @contextlib.contextmanager
    def playing(self):
        """Inside a `with` block, let the loss of a process, and a signal, end them all."""
        handlers = {}
        if self.rank and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handlers[number] = signal.signal(number, self._on_signal)
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if _OF_XLA.search(str(error)):  # whatever its class in this version
                self.lost(str(error))
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self.once and self.rank:
            self.finish()

    def _on_signal(self, number, frame):
        if self.asked:  # and again
            self.leave(128 + number, 'it was asked to stop')
        self.asked = int(number)  # process 0 hears it, and ends the epoch for all

    def finish(self):
        """End this process well: the first says when, and the others, which play no more, wait."""
        sys.stdout.flush()
        sys.stderr.flush()
        if self.rank:
            self.over.wait()
            time.sleep(60)  # the thread that heard it ends the process
        self.leave(0, 'it has come to its end')

    def lost(self, told):
        """Wait until it is known who is lost, say it, and end this process."""
        with contextlib.suppress(KeyboardInterrupt, SystemExit):  # asked to stop, which it does
            self.over.wait(SILENCE + 5 * PERIOD)
        reason = re.search(r'(?:Gloo|gloo|NCCL)[^:\n]*: (?:\[.*?\] )?([^\n[]*)', told)
        reason = reason.group(1).strip() if reason else told.strip()[:120]
        self.end(f'another process is gone ({reason})')
        time.sleep(60)  # another thread has said it, and ends the process

    def leave(self, status, reason):
        """End this process at once, and let the others know why."""
        self.ended = [status, reason]
        if self.client is not None:
            time.sleep(4 * PERIOD)  # the others read it; process 0 has what they read
        self._exit(status, None)

    def end(self, sentence, status=1):
        """Say why this process ends, in one sentence, and end it and the others."""
        if self.ended is not None:  # it has been said
            return
        with self.lock:  # only one thread says it
            self.over.set()
            if self.rank == 0 and self.client is not None and self.ended is None:
                self.ended = [status, sentence]
                for _ in range(2):
                    with contextlib.suppress(Exception):
                        self._sign(10**6 + _)
                    time.sleep(2 * PERIOD)
            self._exit(status, sentence)

    def _exit(self, status, sentence):
        if sentence and status:
            text = f'Error: process {self.rank} of {self.size} ends, since {sentence}.\n'
            with contextlib.suppress(OSError):
                os.write(self.stderr, text.encode())
        os._exit(status)

    # Signs of life

    def _sign(self, number):
        text = json.dumps({'number': number, 'ended': self.ended, 'asked': self.asked})
        self.client.key_value_set(f'alive/{self.rank}/{number}', text)
        with contextlib.suppress(Exception):
            self.client.key_value_delete(f'alive/{self.rank}/{number - 1}')

    def _beat(self):
        last, number, failures = {}, 0, 0
        while not self.over.wait(PERIOD):
            number += 1
            try:
                self._sign(number)
                found = self.client.key_value_dir_get('alive/' if self.rank == 0 else 'alive/0/')
                failures, now = 0, time.monotonic()
            except Exception:  # the coordinator does not answer
                failures += 1
                if failures > 2 and not self.over.is_set():
                    self.end(f'process 0, the coordinator at {self.address}, is gone')
                continue
            self.answered, signs = now, {}
            for key, text in found:
                rank, sign = int(key.split('/')[-2]), json.loads(text)
                if sign['number'] >= signs.get(rank, sign)['number']:
                    signs[rank] = sign
            watched = range(1, self.size) if self.rank == 0 else (0,)
            for rank in watched:
                sign = signs.get(rank)
                if sign and sign['ended'] and rank != self.rank and not self.over.is_set():
                    self.end(f'process {rank} has ended: {sign["ended"][1]}', sign['ended'][0])
                if sign and sign['asked'] and self.rank == 0 and not self.asked:
                    self.asked = sign['asked']  # once, and not where it has heard it itself
                    os.kill(os.getpid(), self.asked)
                if sign and sign != last.get(rank, (None,))[0]:
                    last[rank] = sign, now
                if now - last.setdefault(rank, (None, now))[1] > SILENCE and not self.over.is_set():
                    self.end(f'process {rank} has been silent for {SILENCE:g} s')

    def _guard(self):
        while not self.over.wait(PERIOD):
            if time.monotonic() - self.answered > SILENCE + 2 * PERIOD:
                self.end(f'process 0, the coordinator at {self.address}, does not answer')

    def _catch(self):
        """Let JAX's C++, which aborts when a process is lost, say so in one sentence.

        Its stack traces go to a file that nobody sees, Python's own messages where they went.
        """
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        sys.stderr.flush()
        os.dup2(self.log.fileno(), 2)
        sys.stderr = open(os.dup(self.stderr), 'w', buffering=1)  # noqa: SIM115

        def aborted(number):
            self.log.seek(0)
            told = self.log.read().decode(errors='replace')
            if self.client is None:
                self.end(f'{self.start} (JAX gave up)')
            self.lost(told)

        self.handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)  # which must not be freed
        ctypes.CDLL(None).signal(signal.SIGABRT, self.handler)

"""Start processes that belong together, on this machine: all of them succeed, or none goes on."""

import contextlib
import inspect
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

# MXNet and JAX wait for their peers before they let go, so a process that failed has to leave
# at once; and one whose parent was killed has nobody left who would end it.
_HEAD = """
import json, os, sys, threading, time, traceback
def _watch():
    os.read(0, 1)  # returns when whoever started this process is gone
    os._exit(1)
def _fail(*error):
    traceback.print_exception(*error)
    os._exit(1)
sys.stdout = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)  # what a library prints, as JAX's does of its peers, is no result
threading.Thread(target=_watch, daemon=True).start()
sys.excepthook = _fail
"""


def together(roles, *functions, head='', seconds=300):
    """Call the last function in fresh processes, and return what each printed, as lists of JSON.

    The processes do not import the caller's module, which may be a notebook: they are handed the
    text of the functions, which must need nothing but each other and what `head` defines.

    Args:
        roles: one dict of environment variables for each process.
        functions: what the last one needs, and it. It prints a line of JSON for each result.
        head: program text before the functions: imports and constants.
        seconds: how long they may take.

    Raises:
        RuntimeError: if one fails or time is up; by then none is running any more.
    """
    code = '\n'.join([_HEAD, head, *map(inspect.getsource, functions)])
    code += f'\n{functions[-1].__name__}()'
    processes, end = [], time.monotonic() + seconds
    with contextlib.ExitStack() as files:
        try:
            for role in roles:
                out, err = (files.enter_context(tempfile.TemporaryFile('w+')) for _ in range(2))
                command, environment = [sys.executable, '-c', code], {**os.environ, **role}
                process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err
                )
                processes.append((process, out, err))
            codes = [None]
            while None in codes and not any(codes) and time.monotonic() < end:
                time.sleep(0.05)
                codes = [process.poll() for process, *_ in processes]
        finally:
            for process, *_ in processes:
                process.kill()
                process.communicate()
        for number, (code, (_, _, err)) in enumerate(zip(codes, processes)):
            if code:
                last = [f'status {code}', *_lines(err)][-1]
                raise RuntimeError(f'process {number} of {len(roles)} failed: {last}')
        if None in codes:
            raise RuntimeError(f'{codes.count(None)} processes took more than {seconds} s')
        return [[json.loads(line) for line in _lines(out)] for _, out, _ in processes]


def _lines(file):
    file.seek(0)
    return file.read().splitlines()


def free_port():
    """Return a port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]

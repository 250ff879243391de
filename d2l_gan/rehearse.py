"""Rehearse on one machine what several do: `python -m d2l_gan.rehearse dcgan --processes 4`.

Each process is started by the command that each machine would be given, with an address of this
machine that no other can reach. What they say is passed on; where one ends badly, so do all.
"""

import contextlib
import ctypes
import signal
import subprocess
import sys
import threading
import time

from d2l_gan import check
from d2l_gan.processes import free_port

GRACE = 40  # seconds in which the others find out by themselves


def rehearse(arguments, processes=2):
    """Run a chapter in so many processes; return 0, or the status of the first that ended badly.

    Args:
        arguments: of `python -m chapters`: a chapter's name and its flags.
        processes: how many.
    """
    check.whole('processes', processes)
    command = [sys.executable, '-m', 'chapters', *arguments]
    members, readers, status, end = [], [], 0, None
    together = ['--coordinator', f'127.0.0.1:{free_port()}', '--num-processes', str(processes)]
    try:
        for number in range(processes):
            given = [*command, *together, '--process-id', str(number)]
            streams = (
                {} if number == 0 else {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT}
            )
            members.append(subprocess.Popen(given, preexec_fn=_with_parent, **streams))
            if number:
                readers.append(threading.Thread(target=_pass_on, args=(members[-1].stdout,)))
                readers[-1].start()
        codes = [None]
        while None in codes:
            with contextlib.suppress(KeyboardInterrupt):  # which they have heard, too
                time.sleep(0.1)
            codes = [member.poll() for member in members]
            status = status or next((code for code in codes if code), 0)
            if status and end is None:
                end = time.monotonic() + GRACE
            if end is not None and time.monotonic() > end:
                break
    finally:
        for member in members:
            member.kill()
            member.wait()
        for reader in readers:
            reader.join()
    return status if status >= 0 else 128 - status


def _with_parent():
    """Let a process end with the one that started it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, of Linux


def _pass_on(stream):
    with stream:
        for line in stream:
            sys.stderr.write(line.decode(errors='replace'))
            sys.stderr.flush()


def main(arguments):
    """Take `--processes N` out of the arguments, and rehearse the rest."""
    number, arguments = '2', list(arguments)
    if '--processes' in arguments:
        place = arguments.index('--processes')
        number = ''.join(arguments[place + 1 : place + 2])
        del arguments[place : place + 2]
    if not number.isdigit() or not int(number) or not arguments or arguments[0].startswith('-'):
        print('Usage: python -m d2l_gan.rehearse CHAPTER --processes N [FLAGS]', file=sys.stderr)
        return 2
    return rehearse(arguments, int(number))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))

"""Processes that belong together: what they return, and that none is left behind."""

import json
import os
import signal
import subprocess
import sys
import time

from d2l_gan.processes import free_port, together

import pytest


def greet():
    os.system('echo what a library prints')
    print(json.dumps([os.environ['ROLE'], WORD]))  # noqa: F821 - as the head says
    print(json.dumps(None))


def stumble():
    print(os.getpid(), file=sys.stderr, flush=True)
    if os.environ['ROLE'] == 'b':
        raise ValueError('so it is')
    time.sleep(60)


def linger():
    with open(os.environ['FILE'], 'w') as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def gone(pid, seconds=5):
    for _ in range(int(seconds / 0.05)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def pid_in(path):
    while not path.exists() or not path.read_text():
        time.sleep(0.02)
    return int(path.read_text())


def test_each_process_has_its_role_and_returns_its_lines():
    roles = [{'ROLE': 'a'}, {'ROLE': 'b'}]
    assert together(roles, greet, head='WORD = 3') == [[['a', 3], None], [['b', 3], None]]


def test_one_that_fails_ends_all_at_once():
    began = time.monotonic()
    with pytest.raises(RuntimeError, match='process 1 of 2 failed: ValueError: so it is'):
        together([{'ROLE': 'a'}, {'ROLE': 'b'}], stumble)
    assert time.monotonic() - began < 20


def test_time_is_limited_and_then_none_is_left(tmp_path):
    file = tmp_path / 'pid'
    with pytest.raises(RuntimeError, match='1 processes took more than 0.5 s'):
        together([{'FILE': str(file)}], linger, seconds=0.5)
    assert not file.exists() or gone(int(file.read_text()))


def test_none_is_left_when_whoever_started_them_is_killed(tmp_path):
    file = tmp_path / 'pid'
    code = (
        'from d2l_gan.processes import together\nfrom tests.test_processes import linger\n'
        f'together([{{"FILE": {str(file)!r}}}], linger)'
    )
    parent = subprocess.Popen([sys.executable, '-c', code])
    pid = pid_in(file)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(pid)


def test_a_free_port_is_free():
    assert 1024 <= free_port() < 65536

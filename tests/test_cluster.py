"""A sweep on a Dask cluster of this machine, over TLS; a worker dies there, and one hangs."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from d2l_gan import workers
from tests.benchmarks import weather_sweep

import pytest

ROOT = Path(__file__).parent.parent
SEEDS = 40
# As the command does it, but of runs that need no MXNet, which the workers would have to load.
SWEEP = f"""
import sys
from chapters.__main__ import in_one_line
from d2l_gan import sweep
with in_one_line(()):
    settings = [{{'value': 1.0, 'seconds': 0.3}}]
    rules = dict(extra={{'out': None}}, rehearsal=('tests.sweeping:tiny', {{'out': None}}))
    seeds, (address, out) = list(range({SEEDS})), sys.argv[1:]
    sweep.command('tests.sweeping:tiny', settings, seeds, None, address, out, **rules)
"""


def test_without_dask_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(
        ImportError, match=r"a cluster needs Dask: pip install 'd2l_gan\[cluster\]'"
    ):
        workers.Cluster('tcp://127.0.0.1:1')


def tls(directory):
    """Return Dask's own variables for TLS, with one certificate for all, as .book/cluster.md."""
    certificate, key = directory / 'cert.pem', directory / 'key.pem'
    subprocess.check_call(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
         '/CN=d2l_gan', '-out', str(certificate), '-keyout', str(key)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    name = 'DASK_DISTRIBUTED__COMM__'
    found = {name + 'REQUIRE_ENCRYPTION': 'true', name + 'TLS__CA_FILE': str(certificate)}
    for role in ('SCHEDULER', 'WORKER', 'CLIENT'):
        found[f'{name}TLS__{role}__CERT'] = str(certificate)
        found[f'{name}TLS__{role}__KEY'] = str(key)
    return found


def listening(pid):
    """Return the addresses, as /proc writes them, on which a process listens."""
    sockets = {os.readlink(link) for link in Path(f'/proc/{pid}/fd').iterdir() if link.exists()}
    rows = [line.split() for name in ('tcp', 'tcp6')
            for line in Path(f'/proc/{pid}/net/{name}').read_text().splitlines()[1:]]  # fmt: skip
    return {row[1] for row in rows if row[3] == '0A' and f'socket:[{row[9]}]' in sockets}


def wait(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('openssl'), reason='needs openssl')
@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_a_worker_dies_and_one_hangs_and_every_run_is_there_once(tmp_path):
    secure = tls(tmp_path)
    plain = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT': '3s',
    }
    environment = {**plain, **secure, 'DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL': '6s'}
    file, processes, stack = tmp_path / 'scheduler.json', [], contextlib.ExitStack()
    log = stack.enter_context((tmp_path / 'log').open('wb'))

    def start(*command, env=environment):
        command = [sys.executable, *command]
        processes.append(subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log))
        return processes[-1]

    dask = ['--host', '127.0.0.1', '--dashboard-address', '127.0.0.1:0', '--protocol', 'tls',
            '--scheduler-file', str(file)]  # fmt: skip
    out = tmp_path / 'out'
    done = lambda: len(weather_sweep.done(out))
    try:
        start('-m', 'distributed.cli.dask_scheduler', *dask, '--port', '0')
        wait(file.exists, 'no scheduler')
        address = json.loads(file.read_text())['address']
        assert address.startswith('tls://127.0.0.1:')
        worker = ['-m', 'distributed.cli.dask_worker', *dask, '--nthreads', '1', '--no-nanny']
        dying, hanging, _ = (start(*worker) for _ in range(3))
        sweep = start('-c', SWEEP, address, str(out))
        wait(lambda: done() >= 4 or sweep.poll() is not None, 'no run came back')
        listeners = [listening(process.pid) for process in processes]
        hanging.send_signal(signal.SIGSTOP)
        dying.kill()
        stranger = start(
            '-c', SWEEP, address, str(tmp_path / 'stranger'), env=plain
        )  # without a certificate
        wait(lambda: done() >= SEEDS - 4, 'what the two had was not played by the third')
        hanging.send_signal(signal.SIGCONT)  # and now brings what it had
        assert sweep.wait(120) == 0
        assert stranger.wait(60) == 1
    finally:
        for process in processes:
            process.kill()
            process.wait()
        stack.close()
    said = (tmp_path / 'log').read_text()
    runs = [json.loads(line) for line in (out / 'runs.jsonl').read_text().splitlines()]
    assert sorted(run['seed'] for run in runs) == list(range(SEEDS))
    assert all(run['error'] is None and run['scores']['w2_truth'] == run['seed'] for run in runs)
    assert all(a.startswith('0100007F') for found in listeners for a in found), listeners
    assert listeners[-1] == set(), 'a sweep only calls'
    assert f'Error: no Dask scheduler answers at {address}: ' in said

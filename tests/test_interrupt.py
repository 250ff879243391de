"""A run that is asked to stop in the middle of a long epoch does so soon, and goes on exactly."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from d2l_gan import files
from d2l_gan.callbacks.checkpoint import NAME
from d2l_gan.callbacks.interrupt import Interrupt

import pytest

ROOT = Path(__file__).parents[1]

STEPS = 400
# Two epochs of five steps, then one of so many that take some 50 ms each.
SLOW = f"""
STEPS = {STEPS}
"""
SLOW += """
import time
from d2l_gan import train
from d2l_gan.callbacks import Checkpoint, Progress
from mxnet import np, npx
from mxnet.gluon import nn
npx.set_np()
X = np.random.normal(size=(256, 16))

class Batches:
    passes = 0
    def __iter__(self):
        self.passes += 1
        return iter([X] * (STEPS if self.passes > 3 else 5))

class Tell:
    def begin(self, game):
        self.now = time.perf_counter(), time.process_time()
    def __call__(self, game):
        before, self.now = self.now, (time.perf_counter(), time.process_time())
        if game.epoch == 2:
            print('STEP', *((b - a) / 5 for a, b in zip(before, self.now)), flush=True)

def network(outputs):
    net = nn.HybridSequential()
    net.add(nn.Dense(900, activation='relu'), nn.Dense(900, activation='relu'), nn.Dense(outputs))
    return net

def run(out, engine, num_epochs=3, **settings):
    train.train(network(1), network(16), Batches(), num_epochs, 1e-4, 1e-4, 16, X, seed=1,
                engine=engine, callbacks=[Progress(), Checkpoint(out, **settings), Tell()])
"""
ENGINES = ['textbook', 'symbol', 'xla']


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == 'xla':
        pytest.importorskip('jax')
    return request.param


def wait_for_step(lines):
    """Return, in the middle of the long epoch, the seconds within which a run must stop.

    That is 2 s or three steps. Where other programs have the processor most of the time, it is 2 s
    of what is left for this one.
    """
    for line in lines:
        if line.startswith('STEP'):
            step, cpu = map(float, line.split()[1:])
            print(f'a step takes {step:.3f} s, {cpu:.3f} s of the processor')
            assert STEPS * step > 8, 'the long epoch must outlast what is waited for'
            time.sleep(1.5)
            return max(2, 3 * step, 2 * step / cpu)
    raise AssertionError('the run ended before its long epoch')


def epochs(out):
    return list(files.numbered(out / 'checkpoints', NAME))


def start(out, engine):
    """Start a run at a terminal, as far as its standard error goes."""
    ours, theirs = pty.openpty()
    code = f'{SLOW}\nrun({str(out)!r}, {engine!r})'
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=theirs, text=True, cwd=ROOT
    )
    os.close(theirs)
    seen = []

    def read():
        try:
            while True:
                seen.append(os.read(ours, 4096).decode(errors='replace'))
        except OSError:  # the other end is closed
            os.close(ours)

    threading.Thread(target=read, daemon=True).start()
    return process, seen


def test_a_signal_is_not_lost_where_an_array_is_freed(capsys):
    """What is raised in `__del__` goes nowhere."""

    class Array:
        def __del__(self):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.001)

    interrupt = Interrupt()
    interrupt.listen()
    try:
        with pytest.raises(KeyboardInterrupt):
            array = Array()
            del array
            time.sleep(5)
    finally:
        interrupt.forget()
    assert 'Ctrl-C again stops at once' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    'signals, code',
    [((signal.SIGTERM,), 128 + signal.SIGTERM), ((signal.SIGINT, signal.SIGINT), -signal.SIGINT)],
)
def test_a_terminal_s_run_stops_soon(tmp_path, engine, signals, code):
    process, seen = start(tmp_path, engine)
    with process:
        try:
            limit = wait_for_step(process.stdout)
            before = time.perf_counter()
            process.send_signal(signals[0])
            for number in signals[1:]:  # two at once would be one
                while 'Stopping' not in ''.join(seen):
                    time.sleep(0.01)
                process.send_signal(number)
            found = process.wait(60)
        finally:
            process.kill()
            print(''.join(seen))
    assert found == code
    took = time.perf_counter() - before
    print(f'{took:.2f} s of {limit:.2f} s')
    assert took < limit
    assert epochs(tmp_path) == [1, 2]
    assert 'Stopping when this epoch is complete and saved' in ''.join(seen)


@pytest.mark.slow
def test_a_notebook_s_interrupt_stops_soon(tmp_path, engine):
    pytest.importorskip('ipykernel')
    manager = pytest.importorskip('jupyter_client').KernelManager(kernel_name='python3')
    manager.start_kernel(cwd=str(ROOT))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        asked = client.execute(f'{SLOW}\nrun({str(tmp_path)!r}, {engine!r})')
        limit = wait_for_step(printed(client))
        before = time.perf_counter()
        manager.interrupt_kernel()
        reply = answer(client, asked)
        took = time.perf_counter() - before
        print(f'{took:.2f} s of {limit:.2f} s')
        assert reply['status'] == 'error' and reply['ename'] == 'KeyboardInterrupt'
        assert took < limit
        assert epochs(tmp_path) == [1, 2]
        # The kernel is as good as new: the same run goes on, here to an end that is near.
        asked = client.execute(f'run({str(tmp_path)!r}, {engine!r}, num_epochs=2, resume=True)')
        assert answer(client, asked)['status'] == 'ok'
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def answer(client, asked):
    """Return what a kernel answers to the request `asked`."""
    while True:
        message = client.get_shell_msg(timeout=60)
        if message['parent_header'].get('msg_id') == asked:
            return message['content']


def printed(client):
    """Give the lines that a kernel prints."""
    while True:
        message = client.get_iopub_msg(timeout=120)
        assert message['msg_type'] != 'error', message['content']
        if message['msg_type'] == 'stream':
            yield from message['content']['text'].splitlines()

"""Try all that can go wrong while a GAN trains, for real, and print what was lost.

`make weather` prints the table; `make weather ARGS=--readme` also puts it into README.md. Each
fault is a function that gets an empty directory, checks what happens, and returns how often it
tried and what was lost. Trainings run in forked children, since they are killed.
"""

import argparse
import contextlib
import ctypes
import gc
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from d2l_gan import archive, checkpoint, data, engines, files, generator, train
from d2l_gan.archive import CheckpointError
from d2l_gan.callbacks import Checkpoint, Figure, Film
from d2l_gan.callbacks.checkpoint import NAME
from d2l_gan.checkpoint import KIND
from d2l_gan.engines import symbol, textbook
from tests.benchmarks import machines
from tests.benchmarks.weather_sweep import killed_sweeps

import numpy
from mxnet import np, npx
from mxnet.gluon import nn

npx.set_np()
EPOCHS = 12
X = data.gaussian(24)[0]


# Children


class Child:
    """A forked process that trains; knows how many epochs it completed and what it said."""

    def __init__(self, work, *args, **settings):
        self.reader, writer = os.pipe()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of the threads that MXNet has; it can be forked
            self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self.reader)
                os.dup2(self.log.fileno(), 1)
                os.dup2(self.log.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, 'w'), os.fdopen(2, 'w')
                # A shell lets what it starts in the background ignore Ctrl-C.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                work(*args, played=lambda game: os.write(writer, b'.'), **settings)
                code = 0
            except KeyboardInterrupt:
                code = 130  # as chapters/__main__.py has it
            except SystemExit as stop:
                code = stop.code
            except CheckpointError as error:
                print(f'CheckpointError: {error}', file=sys.stderr)
                code = 3
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(writer)

    def wait_for(self, epochs):
        """Wait until so many epochs are complete."""
        self.completed = 0
        while self.completed < epochs and os.read(self.reader, 1):
            self.completed += 1

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def wait(self):
        """Return the exit status, negative for a signal, when the process has ended."""
        _, status = os.waitpid(self.pid, 0)
        self.completed = getattr(self, 'completed', 0)
        while os.read(self.reader, 1):
            self.completed += 1
        os.close(self.reader)
        self.text = self.said()
        self.log.close()
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def said(self):
        if self.log.closed:
            return self.text
        self.log.seek(0)
        return self.log.read().decode()


def networks():
    net_D, net_G = nn.Sequential(), nn.Sequential()
    net_D.add(nn.Dense(3, activation='tanh'), nn.Dense(1))
    net_G.add(nn.Dense(2))
    return net_D, net_G


def play(
    directory, resume=False, played=None, before=None, batches=None, epochs=EPOCHS, engine='auto',
    **settings,
):  # fmt: skip
    """Train, and write a digest of the end beside the checkpoints."""
    for _ in range(random.Random(os.getpid()).randrange(12)):
        nn.Dense(1)  # other trainings in this process: their layers count up the names
    keep = Keep()
    callbacks = [keep, played, before, Checkpoint(directory, resume=resume)]
    train.train(
        *networks(), batches or data.Batches(X, 8), epochs, 0.05, 0.01, 2, X, seed=3, average=0.9,
        engine=engine, callbacks=[c for c in callbacks if c], **settings,
    )  # fmt: skip
    write_digest(keep.game, directory)


class Keep:
    """Remember the game, even of a training with no epoch left to play."""

    def begin(self, game):
        self.game = game

    def __call__(self, game):
        pass


def write_digest(game, directory):
    history = game.history.to_dict()
    history.pop('examples_per_sec')
    digest = hashlib.sha256(json.dumps([history, game.counters(), game.epoch]).encode())
    for name, array in game.arrays().items():
        digest.update(name.encode() + array.asnumpy().tobytes())
    Path(directory).with_suffix('.digest').write_text(digest.hexdigest())


def digest(directory):
    return Path(directory).with_suffix('.digest').read_text()


def run(directory, code=0, **settings):
    """Play in a child; check its exit status; return it."""
    child = Child(play, directory, **settings)
    found = child.wait()
    assert found == code, f'exit status {found}, not {code}: {child.said()}'
    return child


def reference(directory, **settings):
    """Return the digest of a training that nothing disturbs, and how long it took."""
    start = time.perf_counter()
    run(directory / 'reference', **settings)
    return digest(directory / 'reference'), time.perf_counter() - start


def newest(directory):
    """Return the epoch of the newest checkpoint, which must be whole; 0 without any."""
    for path in reversed(list(files.numbered(directory / 'checkpoints', NAME).values())):
        return archive.read(path, KIND)[0]['epoch']
    return 0


def saved(directory):
    """Return the names of all files where the checkpoints are."""
    return [path.name for path in (directory / 'checkpoints').glob('*')]


def goes_on(directory, expected, **settings):
    """Resume in a new process and check that the end is the one expected, bit for bit."""
    child = run(directory, resume=True, **settings)
    assert digest(directory) == expected, f'another end: {child.said()}'
    return child


# Kills


def kills(directory, times, aim, modes=('auto', 'textbook')):
    """Kill `times` trainings, resume each; return (most epochs lost, half-written files seen)."""
    chance, lost, halves = random.Random(0), 0, 0
    ends = {mode: reference(directory / str(mode), engine=mode) for mode in modes}
    for i in range(times):
        mode = modes[i % len(modes)]
        expected, seconds = ends[mode]
        path = directory / f'{i}'
        path.mkdir()
        child = Child(play, path, engine=mode)
        if aim:
            wait_for_half_written(path, chance.randrange(1, EPOCHS), child.pid)
        else:
            time.sleep(chance.uniform(0, seconds))
        child.kill()
        status = child.wait()
        assert status in (0, -signal.SIGKILL), child.said()
        halves += any(name.startswith('.epoch') for name in saved(path))
        gone = child.completed - newest(path)
        assert 0 <= gone <= 1, f'{gone} epochs lost'
        lost = max(lost, gone)
        if status:
            goes_on(path, expected, engine=mode)
        assert digest(path) == expected
        assert not any(name.startswith('.epoch') for name in saved(path))
        shutil.rmtree(path)
    return lost, halves


def wait_for_half_written(path, epoch, pid):
    name = f'.epoch-{epoch:06d}.ckpt.'
    end = time.monotonic() + 60
    while time.monotonic() < end and not any(f.startswith(name) for f in saved(path)):
        if f'epoch-{EPOCHS:06d}.ckpt' in saved(path):
            return


def at_most(epochs):
    return f'at most {epochs} epoch' if epochs else 'nothing'


def killed_any_time(directory, times=140):
    """SIGKILL at a random moment"""
    lost, _ = kills(directory, times, aim=False)
    return times, f'{at_most(lost)}; same end, bit for bit'


def killed_on_xla(directory, times=20):
    """SIGKILL at a random moment, compiled by XLA"""
    lost, _ = kills(directory, times, aim=False, modes=('xla',))
    return times, f'{at_most(lost)}; same end, bit for bit'


def killed_while_writing(directory, times=60):
    """SIGKILL aimed into the writing of a checkpoint"""
    lost, halves = kills(directory, times, aim=True)
    assert halves >= times // 10, f'only {halves} files were half written'
    return times, f'{at_most(lost)}; {halves} files were left half written, none was used'


class Die:
    """End this process the hard way in the middle of the callbacks of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, game):
        if game.epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


CHAPTERS = {
    'gaussian': {'num_epochs': 4},
    'sine': {'num_epochs': 4, 'stop': 'never'},
    'mnist_leaky': {'num_epochs': 3, 'num_examples': 300, 'score': False, 'data': 'digits'},
}
KILLED_IN = {name: range(1, run['num_epochs'] + 1) for name, run in CHAPTERS.items()}


def play_chapter(name, out, compiled, played=None, die=None, resume=False):
    keep = Keep()
    if not compiled:

        def refuse(*args):
            raise engines.CannotPlay('not now')

        symbol.Symbol = refuse
    importlib.import_module(f'chapters.{name}').run(
        out=out, resume=resume, callbacks=[keep, Die(die)], **CHAPTERS[name]
    )
    assert isinstance(keep.game.engine, textbook.Textbook) != compiled
    write_digest(keep.game, out)


def pictures(out):
    return {
        path.relative_to(out): path.read_bytes()
        for pattern in ('**/*.png', '**/*.gif', '**/generator-*')
        for path in out.glob(pattern)
    }


def killed_chapters(directory, names=tuple(CHAPTERS)):
    """SIGKILL in an early, a middle, the last epoch of three chapters, compiled and not"""
    times = 0
    for name in names:
        importlib.import_module(f'chapters.{name}')  # here, so that the children need not
        for mode in (True, False):
            whole = directory / f'{name}{mode}'
            child = Child(play_chapter, name, whole, mode)
            assert child.wait() == 0, child.said()
            for k in KILLED_IN[name] if mode else KILLED_IN[name][1:2]:
                out = directory / f'{name}{mode}{k}'
                child = Child(play_chapter, name, out, mode, die=k)
                assert child.wait() == -signal.SIGKILL, child.said()
                child = Child(play_chapter, name, out, mode, resume=True)
                assert child.wait() == 0, child.said()
                assert digest(out) == digest(whole), f'{name}, k={k}: another end'
                found, expected = pictures(out), pictures(whole)
                assert found.keys() == expected.keys(), (name, k, found.keys() ^ expected.keys())
                for path in expected:
                    assert found[path] == expected[path], f'{name}, k={k}: {path} differs'
                times += 1
    return times, 'nothing that the run after it did not repeat; same end, history and pictures'


# Signals


def asked_to_stop(directory, number, code, times):
    expected, _ = reference(directory)
    chance = random.Random(1)
    for i in range(times):
        path = directory / f'{i}'
        child = Child(play, path)
        child.wait_for(chance.randrange(1, EPOCHS - 1))
        child.kill(number)
        assert child.wait() == code, child.said()
        assert 'Stopping when this epoch is complete and saved' in child.said()
        assert (
            f'saved in `{path / "checkpoints"}`; the same call with `resume=True`' in child.said()
        )
        assert newest(path) == child.completed
        goes_on(path, expected)
    return times, 'nothing'


def interrupted(directory, times=10):
    """Ctrl-C: exit status 130"""
    return asked_to_stop(directory, signal.SIGINT, 130, times)


def terminated(directory, times=10):
    """SIGTERM, the epoch ends within half a second: exit status 143"""
    return asked_to_stop(directory, signal.SIGTERM, 143, times)


class Slowly:
    """Batches of an epoch that takes ten seconds, from the third on."""

    def __init__(self):
        self.batches, self.passes = data.Batches(X, 8), 0

    def __iter__(self):
        self.passes += 1
        for batch in self.batches:
            if self.passes > 3:
                time.sleep(4)
            yield batch


def gives_up(directory, numbers, code, times):
    """Send signals in the middle of a long epoch; the last one must stop it within 2 s."""
    expected, _ = reference(directory)
    for i in range(times):
        path = directory / f'{i}'
        child = Child(play, path, batches=Slowly())
        child.wait_for(2)
        time.sleep(0.5)
        for number in numbers:
            start = time.perf_counter()
            child.kill(number)
            while 'Stopping' not in child.said():
                assert time.perf_counter() - start < 60, 'it does not listen'
                time.sleep(0.01)
        assert child.wait() == code, child.said()
        took = time.perf_counter() - start
        assert took < 2, f'{took:.1f} s'
        assert newest(path) == 2
        goes_on(path, expected)
    return times, 'the epoch that was running'


def interrupted_twice(directory, times=3):
    """Ctrl-C twice: stops at once"""
    return gives_up(directory, [signal.SIGINT, signal.SIGINT], 130, times)


def terminated_in_the_middle(directory, times=3):
    """SIGTERM in the middle of a long epoch: stops within 2 s"""
    return gives_up(directory, [signal.SIGTERM], 143, times)


# The disk


def fails_to_write(directory, before, sentence, after=lambda: None):
    """Check that a training stops with `sentence` in epoch 3, that epoch 2 stands, and go on."""
    expected, _ = reference(directory)
    path = directory / 'x'
    child = run(path, code=3, before=before)
    assert sentence in child.said(), child.said()
    assert len(child.said().strip().splitlines()) == 1
    after()
    assert newest(path) == 2
    assert not any(name.startswith('.epoch') for name in saved(path))
    goes_on(path, expected)
    return 1, 'the epoch that could not be saved; one sentence says why'


def file_too_large(directory):
    """Write limit reached in the middle of a checkpoint (RLIMIT_FSIZE)"""

    def before(game):
        if game.epoch == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    return fails_to_write(directory, before, '000003.ckpt` cannot be written: File too large')


def disk_full(directory):
    """Disk full in the middle of a checkpoint (a tmpfs of 64 KB)"""
    libc = ctypes.CDLL(None, use_errno=True)
    (directory / 'x').mkdir()
    target = str(directory / 'x').encode()
    if libc.mount(b'none', target, b'tmpfs', 0, b'size=64k'):
        return 0, 'not tried: needs the right to mount'
    filler = directory / 'x' / 'filler'

    def before(game):
        if game.epoch == 3:
            # One page is left: enough to begin with a checkpoint, not to end it.
            with contextlib.suppress(OSError), open(filler, 'wb', buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            with open(filler, 'r+b') as file:
                file.truncate(filler.stat().st_size - 4096)

    try:
        sentence = '000003.ckpt` cannot be written: No space left on device'
        return fails_to_write(directory, before, sentence, filler.unlink)
    finally:
        libc.umount(target)


def read_only(directory):
    """Directory read-only, at the start and while running"""
    with tempfile.TemporaryDirectory() as name:  # which another user can reach
        os.chmod(name, 0o777)
        path = Path(name) / 'x'

        def before(game):
            if game.epoch == 3:
                os.chmod(path / 'checkpoints', 0o555)
                if os.geteuid() == 0:  # to whom nothing is read-only
                    os.seteuid(65534)

        sentence = '000003.ckpt` cannot be written: Permission denied'
        fails_to_write(Path(name), before, sentence, lambda: os.chmod(path / 'checkpoints', 0o755))

        def forbidden(played):
            os.chmod(path, 0o555)
            if os.geteuid() == 0:
                os.seteuid(65534)
            play(path, resume=True)

        child = Child(forbidden)
        assert child.wait() == 3
        assert f'`{path}` cannot be written: Permission denied' in child.said()
        assert newest(path) == EPOCHS
        os.chmod(path, 0o755)
    return 2, 'the epoch that could not be saved; one sentence says why'


def removed(directory):
    """Directory moved away while running"""
    path = directory / 'x'

    def before(game):
        if game.epoch == 3:
            path.rename(directory / 'y')

    sentence = f'`{path}` was removed while it was in use'
    return fails_to_write(directory, before, sentence, lambda: (directory / 'y').rename(path))


def two_at_once(directory, times=5):
    """Two runs into one directory: the second is refused until the first is gone"""
    expected, _ = reference(directory)
    for i in range(times):
        path = directory / f'{i}'
        first = Child(play, path, batches=Slowly())
        first.wait_for(2)
        second = run(path, code=3, resume=True)
        assert f'`{path}` is in use by another run' in second.said()
        first.kill()
        first.wait()
        goes_on(path, expected)
    return times, 'nothing'


# Damage


def example(directory):
    """Return the bytes of a checkpoint of epoch 2, and its path, beside one of epoch 1."""
    run(directory / 'x', epochs=2)
    path = directory / 'x' / 'checkpoints' / 'epoch-000002.ckpt'
    return path.read_bytes(), path


def is_refused(content):
    try:
        archive.parse(content)
    except CheckpointError:
        return True


def flipped_bits(directory):
    """One bit flipped, for every bit of a checkpoint"""
    whole = bytearray(example(directory)[0])
    for i in range(8 * len(whole)):
        whole[i // 8] ^= 1 << i % 8
        assert is_refused(bytes(whole)), f'bit {i}'
        whole[i // 8] ^= 1 << i % 8
    return 8 * len(whole), 'nothing; all were noticed'


def cut_short(directory):
    """Cut short, after every byte of a checkpoint"""
    whole, _ = example(directory)
    assert all(is_refused(whole[:i]) for i in range(len(whole)))
    return len(whole), 'nothing; all were noticed'


def mutate(content, chance):
    """Return `content` with one to four random changes, as a bad disk or a bad copy makes them."""
    content = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        i, j = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        j = min(j, i + chance.choice((1, 4, 64, 512, 4096)))
        kind = chance.randrange(6)
        if kind == 0:
            content[i:j] = bytes(j - i)
        elif kind == 1:
            content[i:j] = chance.randbytes(j - i) if hasattr(chance, 'randbytes') else b'?'
        elif kind == 2:
            del content[i:j]
        elif kind == 3:
            content[i:i] = content[i:j]
        elif kind == 4:
            content[i:j] = content[i:j][::-1]
        else:
            k = chance.randrange(len(content) + 1)
            content[i:j] = content[k : k + j - i]
        content = content or bytearray(b'\0')
    return bytes(content)


def mutated(directory, times=10_000):
    """Random damage: zeroed, overwritten, deleted, repeated, reversed, copied pieces"""
    whole, _ = example(directory)
    chance, tried = random.Random(2), 0
    while tried < times:
        damaged = mutate(whole, chance)
        if damaged != whole:
            assert is_refused(damaged)
            tried += 1
    return times, 'nothing; all were noticed'


def change(value, chance):
    """Return a JSON value with something in it replaced."""
    if isinstance(value, (dict, list)) and value and chance.random() < 0.9:
        value = value.copy()
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if chance.random() < 0.1:
            del value[key]
        else:
            value[key] = change(value[key], chance)
        return value
    number = 1 << chance.randrange(70)
    return chance.choice(
        [None, True, -1, 0, 1, 2, 3, number, -number, 0.5, float('nan'), '', 'relu', 'Z', [], {},
         [0], [-1], [2, 2], [-2, 3, 4], [number], {'op': 'Dropout'}, 'FullyConnected', 'prelu',
         'rrelu', 'gelu', 'elu', 'softsign', '_npx_reshape', 'BatchNorm']
    )  # fmt: skip


def forge(content, chance):
    """Return a file with changed contents whose checksums are right."""
    header, arrays = archive.parse(content)
    parts = header.pop('parts')
    for _ in range(chance.randint(1, 3)):
        header = change(header, chance)
    if not isinstance(header, dict) or chance.random() < 0.2:
        name = chance.choice(list(arrays))
        arrays[name] = arrays[name].reshape(-1)[: chance.randrange(3)]
    content = archive.pack(header if isinstance(header, dict) else {}, arrays)
    return content if parts else b''


def try_forgeries(directory, times, played):
    chance = random.Random(3)
    whole = (directory / 'x' / 'checkpoints' / 'epoch-000002.ckpt').read_bytes()
    games = []
    train.train(
        *networks(), data.Batches(X, 8), 2, 0.05, 0.01, 2, X, seed=3, average=0.9,
        callbacks=[games.append],
    )  # fmt: skip
    net = nn.HybridSequential()
    net.add(
        nn.Dense(8), nn.BatchNorm(), nn.LeakyReLU(0.1), nn.Dropout(0.1), nn.Dense(12), nn.Flatten(),
        nn.Dense(12, activation='tanh'), nn.HybridLambda(lambda F, x: F.npx.reshape(x, (-1, 3, 4))),
    )  # fmt: skip
    net.initialize()
    net(np.ones((2, 4)))
    generator.save_generator(directory / 'generator', net, 4)
    alone = (directory / 'generator').read_bytes()
    target = directory / 'epoch-000002.ckpt'
    for i in range(times):
        with contextlib.suppress(CheckpointError):
            if i % 2:
                target.write_bytes(forge(whole, chance))
                checkpoint.restore(target, games[0])
            else:
                (directory / 'g').write_bytes(forge(alone, chance))
                generator.load_generator(directory / 'g', 'cpu')


def forged(directory, times=2000):
    """Forged contents under right checksums: no crash, one sentence"""
    example(directory)
    child = Child(try_forgeries, directory, times)
    assert child.wait() == 0, child.said()[-3000:]
    return times, 'nothing: refused, or loaded as what they say they are'


def not_this_training(directory):
    """Files swapped, another network's, other hyperparameters, other data, a newer format"""
    whole, path = example(directory)
    older = path.with_name('epoch-000001.ckpt').read_bytes()
    header, arrays = archive.parse(whole)
    net = {**header['networks'], 'net_D': header['networks']['net_D'].replace('3', '4')}
    rates = {**header['hyperparameters'], 'lr_D': 0.1}
    text = whole[:8] + b'\2' + whole[9 : archive.PREFIX.size + archive.PREFIX.unpack_from(whole)[2]]
    newer = text + hashlib.sha256(text).digest() + whole[len(text) + 32 :]
    expected, _ = reference(directory, epochs=4)
    cases = {
        'holds what was written as `epoch-000001.ckpt`': older,
        'is of another `net_D`': archive.pack({**header, 'networks': net}, arrays),
        'is of another run: `lr_D`': archive.pack({**header, 'hyperparameters': rates}, arrays),
        'is of a run on other data': archive.pack({**header, 'data': ''}, arrays),
        'has format 2; this d2l_gan reads format 1': newer,
    }
    for i, (sentence, content) in enumerate(cases.items()):
        new = directory / f'{i}'
        shutil.copytree(path.parent, new / 'checkpoints')
        damaged = new / 'checkpoints' / path.name
        damaged.write_bytes(content)
        child = goes_on(new, expected, epochs=4)
        assert f'`{damaged}` {sentence}' in child.said(), child.said()
        assert (
            f'Going on after epoch 1, from `{damaged.with_name("epoch-000001.ckpt")}`'
            in child.said()
        )
    return len(cases), 'one epoch: each was named, and the checkpoint before it used'


# Long runs


def memory():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def open_files():
    links = [f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]
    return sorted(os.readlink(link) for link in links if os.path.exists(link))


def long_run(directory, epochs=500, steps=100):
    """A long run with figure, film and a checkpoint every epoch"""
    reports = directory / 'reports'

    def work(played):
        from matplotlib import pyplot

        found = []

        def report(game):
            if game.epoch % (epochs // 50) == 0:
                gc.collect()
                found.append((memory(), open_files()))

        batches = data.Batches(data.gaussian(1000)[0], 8, steps=steps, replace=True)
        for i, num_epochs in enumerate((1, epochs)):
            before = open_files()  # after a first training: Matplotlib keeps its font open
            found.clear()
            out = directory / f'{i}'
            train.train(
                *networks(), batches, num_epochs, 0.05, 0.005, 2, X, seed=0,
                callbacks=[Figure(out, most=10), Film(out, most=10), report, Checkpoint(out)],
            )  # fmt: skip
            gc.collect()
        left = [name for name in open_files() if name not in before]
        reports.write_text(json.dumps([found, left, pyplot.get_fignums()]))

    child = Child(work)
    assert child.wait() == 0, child.said()
    found, files, figures = json.loads(reports.read_text())
    sizes = numpy.array([size for size, _ in found[5:]])  # the first tenth fills caches
    growth = sizes.max() / sizes.min() - 1
    assert growth < 0.05, f'memory grew by {growth:.1%}: {sizes}'
    assert all(names == found[0][1] for _, names in found), found
    assert files == figures == [], (files, figures)
    return f'{epochs * steps:,} steps', f'memory flat within {growth:.1%}; no file or figure open'


FAULTS = [
    killed_any_time, killed_on_xla, killed_while_writing, killed_chapters, interrupted, terminated,
    interrupted_twice, terminated_in_the_middle, file_too_large, disk_full, read_only, removed,
    two_at_once, flipped_bits, cut_short, mutated, forged, not_this_training, long_run,
    killed_sweeps,
    *machines.FAULTS,
]  # fmt: skip


HEAD = '| What happens | Tried | Lost |', '|---|---:|---|'


def try_one(fault, **settings):
    """Return (what, how often, what was lost) of one fault."""
    with tempfile.TemporaryDirectory() as directory:
        times, lost = fault(Path(directory), **settings)
    return fault.__doc__, f'{times:,}' if isinstance(times, int) else times, lost


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('faults', nargs='*', help='only these functions')
    parser.add_argument('--readme', action='store_true', help='put the rows into README.md')
    args = parser.parse_args()
    print(*HEAD, sep='\n')
    for fault in FAULTS:
        if not args.faults or fault.__name__ in args.faults:
            row = '| {} | {} | {} |'.format(*try_one(fault))
            print(row, flush=True)
            if args.readme:
                path = Path(__file__).parents[2] / 'README.md'
                files.write_whole(path, merged(path.read_text(), row))


def merged(text, row):
    """Return README's text with a row of the table in its place, instead of an older one of it."""
    before, begin, rest = text.partition('<!-- weather -->\n')
    rows, end, after = rest.partition('\n<!-- /weather -->')
    assert begin and end, 'README.md has no place for the table'
    known = {title(line): line for line in (*rows.splitlines()[2:], row)}
    rows = [known[fault.__doc__] for fault in FAULTS if fault.__doc__ in known]
    return before + begin + '\n'.join([*HEAD, *rows]) + end + after


def title(row):
    """Return what a row says first: what happens."""
    return row.split(' | ')[0][2:]


if __name__ == '__main__':
    main()

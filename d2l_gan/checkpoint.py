"""Save a training and go on from it exactly: whole files, or none."""

import contextlib
import fcntl
import hashlib
import itertools
import json
import math
import os
import re
import signal
import threading
from pathlib import Path

from d2l_gan.game import History, seeded
from d2l_gan.generator import (  # noqa: F401 - saving is one room to its users
    Generators,
    export_onnx,
    latest_generator,
    load_generator,
    save_generator,
)
from d2l_gan.sealed import VERSIONS, CheckpointError, host, naming, newest_first, read, say, write

import numpy


def _describe(game):
    """Return what a training must have in common with the one that it goes on from."""
    # A block without a description of its own shows its address.
    nets = {
        f'net_{player}': re.sub(' at 0x[0-9a-f]+', '', repr(net))
        for player, (net, _) in game.engine.players.items()
    }
    sample = numpy.ascontiguousarray(host(game.data[:100]))
    return {
        'networks': nets,
        'hyperparameters': json.loads(json.dumps(game.hyperparameters, default=float)),
        'data': hashlib.sha256(sample).hexdigest(),
    }


def _compare(saved, here):
    for net, text in here['networks'].items():
        lines = saved['networks'][net].splitlines(), text.splitlines()
        for old, new in itertools.zip_longest(*lines, fillvalue='nothing'):
            if old != new:
                raise CheckpointError(
                    f'is of another `{net}`: `{old.strip()}` where this one has `{new.strip()}`'
                )
    old, new = saved['hyperparameters'], here['hyperparameters']
    for key in sorted({*old, *new}):
        # More epochs are more of the same, unless the rates fall over them.
        if old.get(key) != new.get(key) and (key != 'num_epochs' or new.get('decay')):
            raise CheckpointError(
                f'is of another training: `{key}` was {old.get(key)!r} and is now {new.get(key)!r}'
            )
    if saved['data'] != here['data']:
        raise CheckpointError('is of a training on other data')


def live(game):
    """Return {name: live array} of all that a checkpoint holds, the fixed latent batch too."""
    fixed = {'fixed_Z': game.fixed_Z, 'fixed_condition': game.fixed_condition}
    return {**game.arrays(), **{name: a for name, a in fixed.items() if a is not None}}


def save(path, game, score=None):
    """Write the whole state of `game` to `path`, whole or not at all."""
    history = game.history.to_dict()
    arrays = live(game)
    arrays.update({c: numpy.array(history.pop(c), 'float64') for c in game.history.columns})
    header = {
        'kind': 'training', 'file': Path(path).name, 'epoch': game.epoch, 'score': score,
        'counters': game.counters(), 'history': history,
    }  # fmt: skip
    write(path, {**header, **_describe(game)}, arrays)


def restore(path, game):
    """Put the training saved at `path` into `game`.

    Raises CheckpointError, before anything in `game` has changed, if the file is damaged or of
    another training. `num_epochs` may have grown, unless the learning rates decay over the epochs.
    """
    with naming(path):
        header, arrays = _check(path, game)
        columns = game.history.columns
        history = dict(header['history'], **{c: arrays[c].tolist() for c in columns})
        History(columns=columns).from_dict(history)  # fails here if it is going to
        counters = {key: int(header['counters'][key]) for key in game.counters()}
        others = [f'{k} {v}' for k, v in header['versions'].items() if VERSIONS[k] != v]
    for name, array in live(game).items():
        array[:] = arrays[name]
    game.set_counters(counters)
    game.history.from_dict(history)
    game.epoch = header['epoch']
    if others:
        say(f'`{path}` was written with {", ".join(others)}; the last digits may now differ.')


def _check(path, game):
    """Return the header and the arrays at `path` if they can be put into `game`."""
    header, arrays = read(path, 'training')
    if header['file'] != Path(path).name:
        raise CheckpointError(f'holds what was written as `{header["file"]}`')
    _compare(header, _describe(game))
    epoch = header['epoch']
    if not 0 < epoch <= game.num_epochs:
        raise CheckpointError(f'is of epoch {epoch}; `num_epochs` is only {game.num_epochs}')
    expected = {name: (array.shape, array.dtype) for name, array in live(game).items()}
    expected.update(dict.fromkeys(game.history.columns, ((epoch,), 'float64')))
    for name, (shape, dtype) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise CheckpointError(f'has `{name}` of {arrays[name].shape}; it must be {shape}')
    return header, arrays


class Checkpoint:
    """Save the game to `directory` after each epoch and, with `resume`, go on where it stopped.

    Put it last among the callbacks. every: epochs from one file, `epoch-000012.ckpt`, to the next;
    keep: how many stay. score: a callable (game) -> float; the epoch with the highest stays in
    `best.ckpt`. resume: go on from the newest file that is whole and of this very training, or from
    the start if there is no file at all. Without it, files found there are moved to `earlier/`.

    The first Ctrl-C or SIGTERM lets the epoch end and saves it, the second stops at once. Raises
    CheckpointError if the directory is in use or cannot be written, or if no file can be resumed.
    """

    _held = set()  # POSIX locks keep other processes out, but not the one that has them

    def __init__(self, directory, resume=False, every=1, keep=3, score=None):
        for name, value in (('every', every), ('keep', keep)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'`{name}` is {value!r}; it must be an integer >= 1')
        self.directory, self.resume, self.every = Path(directory), resume, every
        self.keep, self.score = keep, score
        self._best, self._signal, self._handlers = -math.inf, None, {}

    def begin(self, game):
        """Lock the directory, take over a saved training if asked to, listen to signals."""
        self._lock_directory()
        try:
            with naming(self.directory, 'written'):
                for half_written in self.directory.glob('.*.ckpt.*'):
                    half_written.unlink()
            if self.resume:
                self._resume(game)
            else:
                self._set_aside(self.directory.glob('*.ckpt'))
        except BaseException:
            self._unlock()
            raise
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores them
                    self._handlers[number] = signal.signal(number, self._on_signal)

    def __call__(self, game):
        """Save the epoch if it is due, then stop if a signal has asked for it."""
        if not self._still_there():
            raise CheckpointError(f'`{self.directory}` was removed while it was in use')
        if self.score is not None:
            with seeded(game.seed, game.epoch):
                score = float(self.score(game))
            if score > self._best:
                # Before the epoch's own file: a kill between the two repeats the epoch.
                save(self.directory / 'best.ckpt', game, score)
                self._best = score
        last = game.epoch == game.num_epochs or game.history.stopped is not None
        if game.epoch % self.every == 0 or last or self._signal is not None:
            save(self.directory / f'epoch-{game.epoch:06d}.ckpt', game)
            with naming(self.directory, 'written'):
                for old in newest_first(self.directory, 'epoch-*.ckpt')[self.keep :]:
                    old.unlink()
        if self._signal is not None:
            number, self._signal = self._signal, None
            say(
                f'Stopped after epoch {game.epoch} of {game.num_epochs}, saved in '
                f'`{self.directory}`; the same call with `resume=True` (--resume) goes on from it.'
            )
            _leave(number)

    def end(self, game):
        """Give back signals and directory."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._handlers = {}
        self._unlock()
        if self._signal is not None:  # came after the last epoch had been saved
            _leave(self._signal)

    def _on_signal(self, number, frame):
        if self._signal is not None:
            self._signal = None
            _leave(number)
        self._signal = number
        say('Stopping when this epoch is complete and saved; Ctrl-C again stops at once.')

    def _resume(self, game):
        refused = []
        for path in newest_first(self.directory, 'epoch-*.ckpt'):
            try:
                restore(path, game)
                break
            except CheckpointError as error:
                refused.append((path, error))
        else:
            if refused:
                raise CheckpointError(f'{refused[0][1]}; no older file can be resumed either')
            say(f'`{self.directory}` holds no checkpoint; starting with the first epoch.')
            return
        best = self.directory / 'best.ckpt'
        if self.score is not None and best.exists():
            try:
                with naming(best):
                    self._best = float(_check(best, game)[0]['score'])
            except CheckpointError as error:
                refused.append((best, error))
        for _, error in refused:
            say(f'{error}.')
        self._set_aside(path for path, _ in refused)
        say(f'Going on after epoch {game.epoch}, from `{path}`.')

    def _set_aside(self, paths):
        earlier = self.directory / 'earlier'
        with naming(earlier, 'written'):
            for i, path in enumerate(list(paths)):
                if not i:
                    earlier.mkdir(exist_ok=True)
                    for old in earlier.glob('*.ckpt'):
                        old.unlink()
                    say(f'Checkpoints that are not of this training are now in `{earlier}`.')
                path.replace(earlier / path.name)

    def _lock_directory(self):
        with naming(self.directory, 'written'):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._name = os.path.realpath(self.directory)
            if self._name in self._held:
                raise CheckpointError(f'is in use by process {os.getpid()}, which is this one')
            # Open as long as the training; the kernel takes the lock back from a dead process.
            self._lock = open(self.directory / '.lock', 'a+')  # noqa: SIM115
            try:
                fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with self._lock as file:
                    file.seek(0)
                    raise CheckpointError(f'is in use by process {file.read()}') from None
            self._held.add(self._name)
            self._lock.truncate(0)
            self._lock.write(str(os.getpid()))
            self._lock.flush()

    def _unlock(self):
        self._held.discard(self._name)
        self._lock.close()

    def _still_there(self):
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.stat(self._lock.name), os.fstat(self._lock.fileno()))


def _leave(number):
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

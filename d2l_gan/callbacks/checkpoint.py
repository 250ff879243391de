"""Save a run after each epoch, and go on with it."""

import os
from pathlib import Path

from d2l_gan import check, checkpoint, files
from d2l_gan.archive import CheckpointError, naming
from d2l_gan.callbacks import aside
from d2l_gan.callbacks.interrupt import Interrupt
from d2l_gan.speak import tell

import filelock

NAME = aside.NUMBERED['checkpoints']


class Checkpoint:
    """Save the game after each epoch under `out`, as checkpoints/epoch-000012.ckpt.

    Put it last among the callbacks. The first Ctrl-C lets the epoch end and saves it, the second
    stops at once; see `interrupt.Interrupt`.

    Args:
        out: the directory of the run; only one run at a time may have it.
        resume: go on from the newest file that is whole and of this very run, or from the start if
            there is none. Without it, what an earlier run has left under `out` is moved as a whole
            to earlier/1, earlier/2, ...
        keep: how many epochs' files stay.
        also: names of further files under `out` that belong to a run, and so move with it.

    Raises:
        CheckpointError: if the directory is in use or cannot be written, or if no file can be
            resumed.
    """

    def __init__(self, out, resume=False, keep=3, also=()):
        self.out, self.directory = Path(out), Path(out) / 'checkpoints'
        self.resume, self.keep, self.also = resume, check.whole('keep', keep), also
        self.interrupt = Interrupt()

    def begin(self, game):
        """Lock the directory, take over a saved run or move it aside, listen to signals."""
        self._lock_directory()
        try:
            with naming(self.directory, 'written'):
                self.directory.mkdir(exist_ok=True)
                for half_written in files.half_written(self.directory, NAME):
                    half_written.unlink()
            if self.resume:
                aside.put_back(self.out)
                self._resume(game)
            else:
                moved = aside.set_aside(self.out, self.also)
                if moved:
                    tell(f'What an earlier run has left in `{self.out}` is now in `{moved}`.')
        except BaseException:
            self.lock.release()
            raise
        self.interrupt.listen()

    def __call__(self, game):
        """Save the epoch, then stop if a signal has asked for it."""
        with naming(self.out, 'written'):
            if not self._still_there():
                raise CheckpointError('was removed while it was in use')
        path = self.directory / NAME.format(game.epoch)
        with naming(path, 'written'):
            if files.is_free(path):
                checkpoint.save(path, game)
        with naming(self.directory, 'written'):
            for old in list(files.numbered(self.directory, NAME).values())[: -self.keep]:
                old.unlink()
        if self.interrupt.number is not None:
            tell(
                f'Stopped after epoch {game.epoch} of {game.num_epochs}, saved in '
                f'`{self.directory}`; the same call with `resume=True` (--resume) goes on from it.'
            )
            self.interrupt.leave()

    def end(self, game):
        """Give back directory and signals."""
        self.lock.release()
        self.interrupt.forget()

    def _resume(self, game):
        refused = []
        for path in reversed(list(files.numbered(self.directory, NAME).values())):
            try:
                checkpoint.restore(path, game)
                break
            except CheckpointError as error:
                refused.append((path, error))
        else:
            if refused:
                raise CheckpointError(f'{refused[0][1]}; no older file can be resumed either')
            tell(f'`{self.directory}` holds no checkpoint; starting with the first epoch.')
            return
        for damaged, error in refused:
            unused = self.directory / 'refused' / damaged.name
            with naming(unused, 'written'):
                unused.parent.mkdir(exist_ok=True)
                os.replace(damaged, unused)
            tell(f'{error}; it is now in `{unused.parent}`.')
        tell(f'Going on after epoch {game.epoch}, from `{path}`.')

    def _lock_directory(self):
        with naming(self.out, 'written'):
            self.out.mkdir(parents=True, exist_ok=True)
            self.lock = filelock.FileLock(str(self.out / '.lock'), timeout=0)
            try:
                self.lock.acquire()
            except filelock.Timeout:
                raise CheckpointError('is in use by another run') from None
            self.status = os.stat(self.out)

    def _still_there(self):
        try:
            return os.path.samestat(os.stat(self.out), self.status)
        except FileNotFoundError:
            return False

"""What a checkpoint holds: all of a run that the next epoch depends on, and whose run it is."""

import hashlib
import itertools
import json
import re
import sys
from pathlib import Path

from d2l_gan.archive import VERSIONS, CheckpointError, host, naming, read, write
from d2l_gan.engines import adapter
from d2l_gan.files import versions
from d2l_gan.game import History
from d2l_gan.speak import tell

import numpy

KIND = 'run'
TOLD = {'devices': 1}  # of the hyperparameters: who computed it, which may change


def describe(game):
    """Return what a run must have in common with the one that it goes on from."""
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


def facts(game):
    """Return {name: text} of what a game must have in common in all processes that play it."""
    code, batches, root = hashlib.sha256(), hashlib.sha256(), Path(__file__).parent
    for path in sorted(root.rglob('*.py')):
        code.update(str(path.relative_to(root)).encode() + path.read_bytes())
    for array in getattr(game.data_iter, 'arrays', ()):
        batches.update(numpy.ascontiguousarray(host(array)))
    jax = sys.modules.get('jax')  # where several play, it is there
    packages = {**versions(), 'jax': getattr(jax, '__version__', None)}
    return {
        'code': code.hexdigest(), 'batches': batches.hexdigest(), 'packages': repr(packages),
        **{name: repr(value) for name, value in describe(game).items()},
    }  # fmt: skip


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
        may_grow = key == 'num_epochs' and not new.get('decay')
        if old.get(key) != new.get(key) and not may_grow and key not in TOLD:
            raise CheckpointError(
                f'is of another run: `{key}` was {old.get(key)!r} and is now {new.get(key)!r}'
            )
    if saved['data'] != here['data']:
        raise CheckpointError('is of a run on other data')


def live(game):
    """Return {name: live array} of all that a checkpoint holds, the fixed latent batch too."""
    fixed = {'fixed_Z': game.fixed_Z, 'fixed_condition': game.fixed_condition}
    return {**game.arrays(), **{name: a for name, a in fixed.items() if a is not None}}


def save(path, game):
    """Write the whole state of `game` to `path`, whole or not at all."""
    history = game.history.to_dict()
    columns = {c: numpy.array(history.pop(c), 'float64') for c in game.history.columns}
    header = {
        'kind': KIND, 'file': Path(path).name, 'epoch': game.epoch,
        'counters': game.counters(), 'history': history, 'jax': getattr(game.engine, 'jax', None),
    }  # fmt: skip
    write(path, {**header, **describe(game)}, {**live(game), **columns})


def restore(path, game):
    """Put the run saved at `path` into `game`.

    `num_epochs` may have grown, unless the learning rates decay over the epochs, and another engine
    or other devices may play the rest.

    Raises:
        CheckpointError: before anything in `game` has changed, if the file is damaged or of
            another run.
    """
    with naming(path):
        header, arrays = _check(path, game)
        columns = game.history.columns
        history = {**header['history'], **{c: arrays[c].tolist() for c in columns}}
        History(columns=columns).from_dict(history)  # fails here if it is going to
        counters = {key: int(header['counters'][key]) for key in game.counters()}
        others = [f'{k} {v}' for k, v in header['versions'].items() if VERSIONS[k] != v]
        for key, usual in TOLD.items():
            old, new = (
                p.get(key, usual) for p in (header['hyperparameters'], game.hyperparameters)
            )
            others += [f'{key} {old}'] if old != new else []
        new = getattr(game.engine, 'jax', None)
        old = header.get('jax', new)  # an older file does not say
        others += [f'jax {old}' if old else 'no jax'] if old != new else []
    for name, array in live(game).items():
        adapter.address(array)  # brings what is in an order of oneDNN's into the usual one
        array[:] = arrays[name]
    game.set_counters(counters)
    game.history.from_dict(history)
    game.epoch = header['epoch']
    if others:
        tell(f'`{path}` was written with {", ".join(others)}; the last digits may now differ.')


def _check(path, game):
    """Return the header and the arrays at `path` if they can be put into `game`."""
    header, arrays = read(path, KIND)
    if header['file'] != Path(path).name:
        raise CheckpointError(f'holds what was written as `{header["file"]}`')
    _compare(header, describe(game))
    epoch = header['epoch']
    if not 0 < epoch <= game.num_epochs:
        raise CheckpointError(f'is of epoch {epoch}; `num_epochs` is only {game.num_epochs}')
    expected = {name: (array.shape, array.dtype) for name, array in live(game).items()}
    expected.update(dict.fromkeys(game.history.columns, ((epoch,), 'float64')))
    for name, (shape, dtype) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise CheckpointError(f'has `{name}` of {arrays[name].shape}; it must be {shape}')
    return header, arrays

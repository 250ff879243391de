"""Move what an earlier run has left out of the way of a new one, as a whole."""

import os
from pathlib import Path

from d2l_gan import files
from d2l_gan.archive import naming

# What runs leave under their directory: numbered files in directories, and files beside those.
NUMBERED = {
    'checkpoints': 'epoch-{:06d}.ckpt',
    'generators': 'generator-{:06d}',
    'samples': 'epoch-{:06d}.npz',
    'frames': '{:06d}.png',
}
SINGLE = (
    'training.png', 'training.gif', 'last_epoch.png', 'progress.png', 'losses.png', 'scores.json',
    'samples.npz', 'samples.png',
)  # fmt: skip
EARLIER, MOVING = 'earlier', '.moving'


def belongings(out, also=()):
    """Return the files that a run has left under `out`, relative to it; nobody else's."""
    found = [
        Path(directory, path.name)
        for directory, name in NUMBERED.items()
        for path in files.numbered(Path(out) / directory, name).values()
    ]
    return found + [Path(name) for name in (*SINGLE, *also) if files.is_ours(Path(out) / name)]


def set_aside(out, also=()):
    """Move all that an earlier run has left to earlier/N; return that directory, None if nothing.

    Whoever is killed on the way leaves earlier/.moving, and the next call goes on; `put_back`
    takes it back. Only when all is moved does it get its number.
    """
    earlier = Path(out) / EARLIER
    moving, left = earlier / MOVING, belongings(out, also)
    with naming(earlier, 'written'):
        for path in left:
            (moving / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(out) / path, moving / path)
        if not moving.is_dir():
            return None
        last = max((int(p.name) for p in earlier.iterdir() if p.name.isdecimal()), default=0)
        os.rename(moving, earlier / f'{last + 1}')
    return earlier / f'{last + 1}'


def put_back(out):
    """Take back what a `set_aside` that was killed had moved so far."""
    moving = Path(out) / EARLIER / MOVING
    with naming(moving, 'written'):
        for path in sorted(moving.rglob('*'), reverse=True):  # what is in a directory comes first
            if path.is_dir():
                path.rmdir()
            else:
                (Path(out) / path.relative_to(moving)).parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, Path(out) / path.relative_to(moving))
        if moving.is_dir():
            moving.rmdir()

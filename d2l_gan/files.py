"""Write files whole or not at all, and say where data and outputs go."""

import contextlib
import json
import os
import platform
import re
import stat
import tempfile
from importlib import metadata
from pathlib import Path

from . import __version__
from .speak import tell


def write_whole(path, data):
    """Write `data` to `path` so that a reader, or a power cut, finds the old file or the new one.

    `data` is bytes, a string (UTF-8), or a callable that is handed a binary file to write to.
    Makes missing directories. Where writing fails, the old file stays and nothing else is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=str(path.parent))
    try:
        with os.fdopen(handle, 'wb') as file:
            if callable(data):
                data(file)
            else:
                file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; others may read a figure, as after open().
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    directory = os.open(str(path.parent), os.O_RDONLY)
    try:
        os.fsync(directory)  # the rename itself must survive, too
    finally:
        os.close(directory)


def _umask():
    mask = os.umask(0o022)  # the only way to read it is to set it
    os.umask(mask)
    return mask


def is_ours(path):
    """Return whether `path` can be a file that `write_whole` wrote: no link, directory or pipe."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def is_free(path):
    """Return whether `path` may be written; a sentence says if something else stands there."""
    if is_ours(path) or not os.path.lexists(path):
        return True
    tell(f'`{path}` is not a file of ours, so it stays; what belongs there is not written.')
    return False


def numbered(directory, name):
    """Return {number: path}, ascending, of our own files in `directory`; strangers' do not count.

    Args:
        directory: where to look; it need not exist.
        name: what they are called, with a place for the number, such as 'epoch-{:06d}.ckpt'.
    """
    before, after = name.split('{:06d}')
    found, directory = {}, Path(directory)
    for entry in os.listdir(directory) if directory.is_dir() else ():
        digits = entry[len(before) : len(entry) - len(after)]
        number = int(digits) if digits.isdecimal() else 0
        if name.format(number) == entry and is_ours(directory / entry):
            found[number] = directory / entry
    return dict(sorted(found.items()))


def half_written(directory, name):
    """Return what `write_whole` leaves when it is killed; the arguments are those of `numbered`."""
    whole = re.escape(name).replace(re.escape('{:06d}'), r'\d{6,}')
    paths = Path(directory).glob('.*')
    return [p for p in paths if re.fullmatch(rf'\.{whole}\.\w{{8}}', p.name) and is_ours(p)]


def write_json(path, obj):
    """Write `obj` to `path` as JSON, whole or not at all; NaN and infinity are refused."""
    text = json.dumps(obj, indent=2, allow_nan=False) + '\n'
    if is_free(path):
        write_whole(path, text)


def cache_dir():
    """Return the directory of this user that keeps downloads."""
    import platformdirs  # here, so that the doctor runs where it is missing

    return Path(platformdirs.user_cache_dir('d2l_gan', appauthor=False))


def output_dir(chapter):
    """Return the directory, under the current one, for what `chapter` writes."""
    return Path('build') / chapter


def versions():
    """Return the installed versions that can change a result, None for what is missing."""
    found = {'python': platform.python_version()}
    for name in ('numpy', 'mxnet', 'd2l', 'matplotlib'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return {**found, 'd2l_gan': __version__}

"""MNIST, verified before use: found in a directory, in the cache, or on one of four mirrors."""

import contextlib
import hashlib
import os
import zlib
from collections import namedtuple
from pathlib import Path

import numpy

from . import downloads, files
from .downloads import DataError, Unavailable  # noqa: F401 - what `load` raises, for its users
from .speak import tell

MIRRORS = (
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'https://azureopendatastorage.blob.core.windows.net/mnist/',
    'https://systemds.apache.org/assets/datasets/mnist/',
)

# What an IDX file must hold. The checksum is that of the decompressed content: mirrors compress
# anew now and then, and the archive's own checksum changes while the images do not.
Content = namedtuple('Content', 'shape sha256')
FILES = {
    f'{name}-ubyte': Content(shape, sha256)
    for name, shape, sha256 in (
        ('train-images-idx3', (60000, 28, 28),
         'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db'),
        ('train-labels-idx1', (60000,),
         '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5'),
        ('t10k-images-idx3', (10000, 28, 28),
         '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7'),
        ('t10k-labels-idx1', (10000,),
         'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2'),
    )
}  # fmt: skip
SLOWEST = 300  # seconds that one file of at most 10 MB may take


def _most(content):
    """Return how many bytes are read: a good file is never much longer than what it holds."""
    return int(numpy.prod(content.shape)) + 2**16


def decode(raw, content):
    """Return the array of bytes in an IDX file, once it is verified.

    The format: two zero bytes, 8 for "unsigned byte", the number of dimensions, each dimension in
    four bytes (the highest first), then the values.

    Args:
        raw: the file's bytes, plain or gzip.
        content: what they must decompress to; no more than that is ever decompressed.

    Raises:
        DataError: with the reason.
    """
    header = bytes([0, 0, 8, len(content.shape)])
    header += numpy.array(content.shape, '>u4').tobytes()
    size = len(header) + int(numpy.prod(content.shape))
    if raw[:2] == b'\x1f\x8b':
        unzip = zlib.decompressobj(wbits=31)
        try:
            data = unzip.decompress(raw, size + 1)
        except zlib.error as error:
            raise DataError(f'its compression is damaged ({error})') from None
        if len(data) == size and not unzip.eof:
            raise DataError('its compressed data end too early')
    else:
        data = raw
    if data[:4] != header[:4]:
        raise DataError(f'it is no IDX file of this kind: it begins with {bytes(data[:16])!r}')
    if len(data) != size:
        more = 'more than ' if len(data) > size else ''
        raise DataError(f'it holds {more}{min(len(data), size)} bytes, not {size}')
    if data[: len(header)] != header:
        raise DataError(f'its dimensions are not {content.shape}')
    if hashlib.sha256(data).hexdigest() != content.sha256:
        raise DataError('its checksum is wrong: at least one byte differs from the true file')
    return numpy.frombuffer(data, 'uint8', offset=len(header)).reshape(content.shape)


def read(path, content):
    """Return the verified array in the file `path`; raise DataError naming the file."""
    try:
        with open(path, 'rb') as file:
            raw = file.read(_most(content))
        return decode(raw, content)
    except OSError as error:
        raise DataError(f'{path} cannot be read ({error.strerror})') from None
    except DataError as error:
        raise DataError(
            f'{path} is not the MNIST file it is named for: {error}; delete it, then fetch it anew '
            f'from {MIRRORS[0] if MIRRORS else "a mirror"} or unset D2L_GAN_DATA'
        ) from None


def fetch(name, content, patience=30):
    """Return the verified array of a file from the first mirror that has it, and keep it.

    Args:
        name: of the file, a key of `FILES`.
        content: its `Content`.
        patience: as for `downloads.fetch`.

    Raises:
        Unavailable: with each mirror's reason.
    """
    return downloads.fetch(
        cached(name), [f'{mirror}{name}.gz' for mirror in MIRRORS],
        lambda raw: decode(raw, content), lambda path: read(path, content),
        "go online, or put MNIST's four files into a directory and its name into D2L_GAN_DATA",
        most=_most(content), seconds=SLOWEST, patience=patience,
    )  # fmt: skip


def cached(name):
    """Return the path at which the cache keeps the file `name`, compressed."""
    return files.cache_dir() / 'mnist' / f'{name}.gz'


def _own(name):
    """Return the path of a file in the user's own directory, None where it is not there."""
    directory = os.environ.get('D2L_GAN_DATA')
    if not directory:
        return None
    if not Path(directory).expanduser().is_dir():
        raise DataError(f'`D2L_GAN_DATA` is {directory!r}; it must be a directory, or not be set')
    paths = (Path(directory).expanduser() / f'{name}{end}' for end in ('', '.gz'))
    return next((path for path in paths if path.exists()), None)


def load(name, patience=30):
    """Return the verified array of a file: images (n, 28, 28) or labels (n,), bytes.

    Looks into the directory D2L_GAN_DATA (plain or .gz), then into the cache, then to the mirrors.

    Args:
        name: of the file, a key of `FILES`.
        patience: as for `fetch`.

    Raises:
        DataError: where D2L_GAN_DATA is no directory, or the file in it is damaged. A damaged file
            in the cache is fetched again.
        Unavailable: where the file is neither here nor on a mirror.
    """
    content, path = FILES[name], _own(name)
    if path is not None:
        return read(path, content)
    if cached(name).exists():
        try:
            return read(cached(name), content)
        except DataError as error:
            tell(f'{str(error).split(";")[0]}: fetching it again')
            with contextlib.suppress(OSError):
                cached(name).unlink()
    return fetch(name, content, patience)

"""A file of named arrays in which a single changed bit is noticed: an archive.

A file is: magic, format version, length of the header, the header (JSON), the SHA-256 of all that,
then the arrays, raw and little-endian, each with its SHA-256 in the header. Nothing is pickled and
nothing in a file is run. The checksums find accidents, not forgeries.
"""

import contextlib
import hashlib
import json
import math
import os
import struct

from d2l_gan.files import versions, write_whole

import numpy

MAGIC, VERSION = b'd2l_gan\n', 1
PREFIX = struct.Struct('<8sII')  # magic, version, length of the header: the same in all versions
MAX_HEADER, MAX_FILE = 1 << 20, 1 << 31  # bytes; nothing larger is read
DTYPES = ('<f2', '<f4', '<f8', '<i4', '<i8', '|i1', '|u1')
VERSIONS = versions()


class CheckpointError(RuntimeError):
    """Say in one sentence why a checkpoint cannot be written, read or used."""


def pack(header, arrays):
    """Return the bytes of a file: `header`, a dict that json can write, and {name: array}."""
    parts, chunks = [], []
    for name, array in arrays.items():
        value = host(array)
        dtype = value.dtype.newbyteorder('<')
        chunks.append(value.astype(dtype, copy=False).tobytes())
        digest = hashlib.sha256(chunks[-1]).hexdigest()
        parts.append({'name': name, 'dtype': dtype.str, 'shape': value.shape, 'sha256': digest})
    text = json.dumps(dict(header, versions=VERSIONS, parts=parts), default=float).encode()
    head = PREFIX.pack(MAGIC, VERSION, len(text)) + text
    return b''.join([head, hashlib.sha256(head).digest(), *chunks])


def parse(data):
    """Return (header, {name: NumPy array}) from the bytes of a file.

    Raises CheckpointError if a single bit is not as `pack` made it.
    """
    if len(data) < PREFIX.size:
        raise CheckpointError('is cut short')
    magic, version, length = PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise CheckpointError('is no file of d2l_gan, or its first bytes are damaged')
    end = PREFIX.size + length
    offset = end + hashlib.sha256().digest_size
    if length > MAX_HEADER or offset > len(data):
        raise CheckpointError('is cut short, or its header is damaged')
    if hashlib.sha256(data[:end]).digest() != data[end:offset]:
        raise CheckpointError('is damaged: its header does not match its checksum')
    if version != VERSION:
        raise CheckpointError(f'has format {version}; this d2l_gan reads format {VERSION}')
    header, arrays = json.loads(data[PREFIX.size : end]), {}
    for part in header['parts']:
        name, dtype, shape = part['name'], part['dtype'], part['shape']
        if dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise CheckpointError(f'is damaged: `{name}` cannot have shape {shape}, type {dtype}')
        size = math.prod(shape) * numpy.dtype(dtype).itemsize
        chunk = data[offset : offset + size]  # so nothing is allocated that the file does not hold
        if len(chunk) < size:
            raise CheckpointError(f'is cut short: `{name}` is not all there')
        if hashlib.sha256(chunk).hexdigest() != part['sha256']:
            raise CheckpointError(f'is damaged: `{name}` does not match its checksum')
        arrays[name] = numpy.frombuffer(chunk, dtype).reshape(shape)
        offset += size
    if offset != len(data):
        raise CheckpointError(f'is damaged: it has {len(data) - offset} bytes too many')
    return header, arrays


def write(path, header, arrays):
    """Write `pack` of the other arguments to `path`, whole or not at all."""
    with naming(path, 'written'):
        write_whole(path, pack(header, arrays))


def read(path, kind):
    """Return `parse` of the file at `path`, whose header must be of `kind`."""
    with naming(path):
        if os.path.exists(path) and not os.path.isfile(path):
            raise CheckpointError('is no file')  # opening a pipe would wait for ever
        with open(path, 'rb') as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise CheckpointError(f'is larger than {MAX_FILE} bytes')
        header, arrays = parse(data)
        if header['kind'] != kind:
            raise CheckpointError(f'holds a {header["kind"]}, not a {kind}')
    return header, arrays


@contextlib.contextmanager
def naming(path, verb='read'):
    """Let whatever goes wrong with `path` be said in one sentence that names it."""
    try:
        yield
    except CheckpointError as error:
        named = str(error).startswith('`')
        raise error if named else CheckpointError(f'`{path}` {error}') from None
    except OSError as error:
        raise CheckpointError(f'`{path}` cannot be {verb}: {error.strerror}') from error
    except Exception as error:  # right checksums, but not written here: anything may be missing
        raise CheckpointError(f'`{path}` is damaged: its header makes no sense') from error


def host(array):
    """Return `array`, of MXNet or of NumPy, as one of NumPy."""
    return array.asnumpy() if hasattr(array, 'asnumpy') else numpy.asarray(array)

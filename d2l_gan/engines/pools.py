"""Many batches at once, for an engine that takes them so."""

import math

from d2l_gan import data
from d2l_gan.engines import adapter

import numpy

STEPS, BYTES = 4096, 2**24  # a pool holds at most so much


def of(batches):
    """Yield an epoch's batches as pools (X, condition), NumPy arrays (steps, batch, ...).

    Args:
        batches: what `Engine.play` is handed.
    """
    source = getattr(batches, 'data_iter', None)
    if type(source) is data.Batches and batches.conditional <= (len(source.arrays) > 1):
        yield from gathered(source, batches.conditional)
        return
    pool, room = [], 1
    for X, condition in batches:
        if pool and (len(pool) == room or X.shape != pool[0][0].shape):
            yield stacked(pool)
            pool = []
        room = max(1, min(STEPS, BYTES // (X.size * numpy.dtype(X.dtype).itemsize)))
        pool.append((X, condition))
    if pool:
        yield stacked(pool)


def gathered(source, conditional):
    """Yield the pools of a `data.Batches`; a last batch that is smaller comes alone.

    Args:
        source: a `data.Batches`.
        conditional: whether its conditions are wanted, or None in their place.
    """
    arrays = source.arrays[: 1 + conditional]
    for array in arrays:
        array.wait_to_read()
    order, hosts, batch_size = source.order(), [*map(adapter.view, arrays)], source.batch_size
    batches = len(order) // batch_size
    most = max(1, min(STEPS, BYTES // hosts[0][:batch_size].nbytes))
    steps = max(1, -(-batches // max(1, -(-batches // most))))  # in pools as even as can be
    ends = [min(start + steps, batches) * batch_size for start in range(0, batches, steps)]
    for start, end in zip([0, *ends], ends + [len(order)] * (len(order) % batch_size > 0)):
        rows, size = order[start:end], min(batch_size, end - start)
        found = [taken(host, rows).reshape((-1, size) + host.shape[1:]) for host in hosts]
        yield found[0], found[1] if conditional else None


def taken(host, rows):
    """Return some rows of an array of NumPy's, aligned."""
    found = aligned((len(rows), *host.shape[1:]), host.dtype)
    # Every row is there; to check that would cost a copy.
    return numpy.take(host, rows, axis=0, out=found, mode='clip')


def aligned(shape, dtype):
    """Return an empty array where a processor's widest registers want it: JAX need not copy it."""
    size = math.prod(shape) * numpy.dtype(dtype).itemsize
    memory = numpy.empty(size + 64, 'uint8')
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def noise(noise, batch_size, steps):
    """Return the noise of a pool, (steps, batch_size, ...), as so many calls would give it."""
    if hasattr(noise, 'pool'):
        return noise.pool(batch_size, steps).asnumpy()
    return numpy.stack([noise(batch_size).asnumpy() for _ in range(steps)])


def stacked(pool):
    """Return a list of (X, condition) as one."""
    X, condition = zip(*pool)
    return tuple(
        None if parts[0] is None else numpy.stack([a.asnumpy() for a in parts])
        for parts in (X, condition)
    )


def filled(array, room):
    """Return `array`, (steps, ...), with as many rows as there is room for."""
    if len(array) == room:
        return array
    return numpy.concatenate(
        [array, numpy.zeros((room - len(array), *array.shape[1:]), array.dtype)]
    )

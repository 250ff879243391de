"""Many batches at once, for an engine that takes them so."""

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
    if type(source) is data.Batches and not batches.conditional:
        yield from ((X, None) for X in gathered(source))
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


def gathered(source):
    """Yield the pools of a `data.Batches`; a last batch that is smaller comes alone."""
    source.array.wait_to_read()
    order, host, batch_size = source.order(), adapter.view(source.array), source.batch_size
    full = len(order) // batch_size * batch_size
    rows = max(1, min(STEPS, BYTES // host[:batch_size].nbytes)) * batch_size
    for start in range(0, full, rows):
        pool = numpy.take(host, order[start : min(start + rows, full)], axis=0)
        yield pool.reshape((-1, batch_size) + host.shape[1:])
    if full < len(order):
        yield numpy.take(host, order[full:], axis=0)[None]


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

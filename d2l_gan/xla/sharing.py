"""Where a program's arrays lie: on one device, or on several that share each batch.

Weights lie on every device, whole; of a batch, each has its shard. XLA's partitioner makes one
program for them all from the program for one: what is a sum over the batch, a gradient or a mean
of BatchNorm's, becomes a sum over the shards and then over the devices.
"""

import jax
import numpy
from jax.sharding import Mesh, NamedSharding, PartitionSpec

BATCH = 'batch'


class Sharing:
    """Put the arrays of a program on one of JAX's devices, or on several, each batch shared.

    Args:
        devices: JAX's, one or more.
    """

    def __init__(self, devices):
        self.several = len(devices) > 1
        self.first = next(d for d in devices if d.process_index == jax.process_index())
        self.mesh = Mesh(numpy.array(devices), (BATCH,)) if self.several else None
        self.sum = None  # compiled when it is needed

    def sharding(self, shape, axis=None):
        """Return how an array lies, shared along an axis or whole everywhere.

        A batch that the devices do not divide, as the last of an epoch may be, is played by each of
        them, whole.
        """
        if axis is None or shape[axis] % self.mesh.size:
            return NamedSharding(self.mesh, PartitionSpec())
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, BATCH))

    def put(self, flat, pool, notes):
        """Return the state, a pool of batches and the notes where a program wants them."""
        if not self.several:
            return flat, jax.device_put(pool, self.first), notes
        axes = {'X': 1, 'Z': 1, 'condition': 1}
        pool = {
            name: a if a is None else self.placed(a, axes.get(name)) for name, a in pool.items()
        }
        flat = self.placed(flat) if isinstance(flat, numpy.ndarray) else flat
        return flat, pool, self.placed(notes, 2)

    def placed(self, array, axis=None):
        """Return an array of NumPy's as one of JAX's, shared along an axis."""
        sharding = self.sharding(array.shape, axis)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    def broadcast(self, array):
        """Return an array of the process that has the first device, in all processes."""
        words, whole = numpy.ascontiguousarray(array).view('uint32'), self.sharding(())
        rows = jax.make_array_from_callback(
            (self.mesh.size, *words.shape), NamedSharding(self.mesh, PartitionSpec(BATCH)),
            lambda index: (words if index[0].start == 0 else numpy.zeros_like(words))[None],
        )  # fmt: skip
        if self.sum is None:
            self.sum = jax.jit(lambda rows: rows.sum(0, dtype='uint32'), out_shardings=whole)
        return numpy.asarray(self.sum(rows)).view(array.dtype)

    def agreed(self, number):
        """Return the number that the first process has; others measure other times."""
        if jax.process_count() == 1:
            return number
        return int(self.broadcast(numpy.array([number], 'uint32'))[0])

    def jit(self, program, flat, pool, notes):
        """Return a program (flat, pool, notes, start, stop) -> (flat, notes, sums) to compile."""
        if not self.several:
            return jax.jit(program)
        whole = self.sharding(())
        return jax.jit(program, out_shardings=(whole, notes.sharding, whole))

"""Real data, and the batches that an epoch takes from it."""

import math

from d2l_gan import check, devices
from d2l_gan.pictures import NUM_TRAIN, digits, images, mnist  # noqa: F401 - one room to its users
from d2l_gan.toys import grid, ring  # noqa: F401 - likewise

import numpy
from mxnet import np

# Rows that a batch is sliced from are gathered a few megabytes at a time: once around the
# processor's cache and three times as fast as gathering a whole epoch of MNIST at once.
_GATHER = 2**22

GAUSSIAN_A = ((1.0, 2.0), (-0.1, 0.5))
GAUSSIAN_B = (1.0, 2.0)


def gaussian(num=1000, seed=0):
    """Draw the textbook's two-dimensional Gaussian, X A + b with X ~ N(0, 1).

    The truth behind the data has mean b and covariance A^T A. The draw depends on `seed` alone and
    leaves every global generator as it was. Source: Dive into Deep Learning, section 20.1.1.

    Returns:
        The points (num, 2), A (2, 2) and b (2,), float32.
    """
    X = numpy.random.default_rng(seed).standard_normal((check.whole('num', num), 2))
    A, b = numpy.array(GAUSSIAN_A), numpy.array(GAUSSIAN_B)
    return tuple(np.array(array, dtype='float32') for array in (X @ A + b, A, b))


class Batches:
    """Iterate over shuffled batches (X,) of an array's rows; each `iter()` is one epoch.

    Each epoch's order comes from NumPy's global generator at `iter()`, as DataLoader's does.
    Shuffling once and then slicing is about ten times as fast as DataLoader, which gathers and
    stacks row by row.

    Args:
        array: (num_examples, ...), floating and finite, MXNet's or NumPy's.
        batch_size: rows in X. The last batch of an epoch is smaller where the rows do not divide.
        steps: batches in an epoch, all of them full, reshuffling as often as that takes; None
            takes every row once.
        replace: draw each row independently, so that an epoch may repeat some and miss others.
        device: where X is wanted, as for `devices.home`; None leaves an MXNet array where it is.
        condition: (num_examples, ...), what belongs to each row; batches are then (X, condition).
    """

    def __init__(self, array, batch_size, steps=None, replace=False, device=None, condition=None):
        self.batch_size = check.whole('batch_size', batch_size)
        self.steps = None if steps is None else check.whole('steps', steps)
        self.replace, self.device = replace, device
        check.rows('array', array)
        self.array, self.num_examples = self._placed(array), len(array)
        self.arrays = [self.array]
        if condition is not None:
            if len(condition) != len(array):
                rule = f'one for each of the {len(array)} rows of `array`'
                check.fail('condition', getattr(condition, 'shape', condition), rule)
            self.arrays.append(self._placed(condition))

    def _placed(self, array):
        if not isinstance(array, np.ndarray):
            array = numpy.asarray(array)
            return np.array(array, dtype=array.dtype, ctx=devices.home(self.device))
        return array if self.device is None else array.as_in_ctx(devices.home(self.device))

    def __len__(self):
        return self.steps or math.ceil(self.num_examples / self.batch_size)

    def order(self):
        """Return the numbers of an epoch's rows, in the order in which they are taken."""
        rows = self.num_examples
        wanted = rows if self.steps is None else self.steps * self.batch_size
        if self.replace:
            return numpy.random.randint(rows, size=wanted)
        shuffles = [numpy.random.permutation(rows) for _ in range(math.ceil(wanted / rows))]
        return numpy.concatenate(shuffles)[:wanted]

    def __iter__(self):
        return self._slices(self.order().astype('int32'))

    def _slices(self, order):
        width = self.array.size // self.num_examples
        gather = max(1, _GATHER // width // self.batch_size) * self.batch_size
        for start in range(0, len(order), gather):
            index = np.array(order[start : start + gather], dtype='int32', ctx=self.array.ctx)
            gathered = [np.take(array, index, axis=0) for array in self.arrays]
            for begin in range(0, len(index), self.batch_size):
                yield tuple(rows[begin : begin + self.batch_size] for rows in gathered)

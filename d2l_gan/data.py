"""Real data, and the batches that an epoch takes from it."""

import functools
import math
import operator
import os
import sys

import numpy
from mxnet import np

from . import devices, mnist_files

NUM_TRAIN = 50_000  # of MNIST's training file; the rest is for validation
# Rows that a batch is sliced from are gathered a few megabytes at a time: once around the
# processor's cache and three times as fast as gathering a whole epoch of MNIST at once.
_GATHER = 2**22

GAUSSIAN_A = ((1.0, 2.0), (-0.1, 0.5))
GAUSSIAN_B = (1.0, 2.0)


def _count(name, value):
    """Return `value` as an int of at least 1, or raise with the argument's name."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f'`{name}` is {value!r}; it must be a whole number of at least 1')
    return number


def gaussian(num=1000, seed=0):
    """Draw the textbook's two-dimensional Gaussian, X A + b with X ~ N(0, 1).

    Returns `data` (num, 2), `A` (2, 2) and `b` (2,), float32. The truth behind the data has mean b
    and covariance A^T A. The draw depends on `seed` alone and leaves every global generator as it
    was. Source: Dive into Deep Learning, section 20.1.1.
    """
    X = numpy.random.default_rng(seed).standard_normal((_count('num', num), 2))
    A, b = numpy.array(GAUSSIAN_A), numpy.array(GAUSSIAN_B)
    return tuple(np.array(array, dtype='float32') for array in (X @ A + b, A, b))


def sine_points():
    """Return the 16 points x in [0, 2 pi], both ends included, at which curves are given."""
    return numpy.linspace(0, 2 * numpy.pi, 16)


def sine(num=64):
    """Return the curve sin(x) at the 16 points, as `num` equal rows: (num, 16), float32."""
    return np.array(numpy.tile(numpy.sin(sine_points()), (_count('num', num), 1)), dtype='float32')


def waves(num=1000, seed=0):
    """Draw curves a sin(x + phi) at the 16 points, with a ~ U[0.5, 1] and phi ~ U[0, 2 pi).

    Returns the curves (num, 16), float32, and the truth (num, 2) behind them: amplitude and phase
    in radians, a NumPy array. The phase takes the whole circle, so the curves form a flat ring
    with neither ends nor a middle: variety of phase is then 1 for the truth, 0 for a single curve.
    """
    rng = numpy.random.default_rng(seed)
    num = _count('num', num)
    amplitude, phase = rng.uniform(0.5, 1, num), rng.uniform(0, 2 * numpy.pi, num)
    curves = amplitude[:, None] * numpy.sin(sine_points() + phase[:, None])
    return np.array(curves, dtype='float32'), numpy.stack([amplitude, phase], axis=1)


def _form(split, splits, scale, flat):
    """Return a function that gives images in [0, 1] and labels the form that is asked for."""
    if split not in splits:
        raise ValueError(f'`split` is {split!r}; it must be one of {", ".join(splits)}')
    if scale not in ('unit', 'symmetric'):
        raise ValueError(f'`scale` is {scale!r}; it must be "unit" or "symmetric"')

    def form(images, labels):
        rows = slice(*splits[split])
        pixels = images[rows].astype('float32').reshape((-1, 784) if flat else (-1, 28, 28, 1))
        pixels = 2 * pixels - 1 if scale == 'symmetric' else pixels
        return np.array(pixels, dtype='float32'), np.array(labels[rows], dtype='int32')

    return form


def mnist(split='train', scale='unit', flat=True, patience=30):
    """Load MNIST's real handwritten digits, verified: images and labels (n,).

    split: 'train' (the first 50,000 of the training file), 'validation' (its last 10,000), 'test'
        (10,000 that nothing ever trains on) or 'all_train' (train and validation).
    scale: 'unit' for pixels in [0, 1], 'symmetric' for [-1, 1]; float32, ink is high.
    flat: images (n, 784), else (n, 28, 28, 1).
    patience: seconds during which mirrors are tried where the files are not on this machine.

    Raises `DataError` where the files cannot be had or are damaged. Source: LeCun, Cortes and
    Burges; the first 50,000 to train on are those of Goodfellow et al. 2014.
    """
    splits = {
        'train': (NUM_TRAIN,), 'validation': (NUM_TRAIN, None),
        'test': (None,), 'all_train': (None,),
    }  # fmt: skip
    form = _form(split, splits, scale, flat)
    file = 't10k' if split == 'test' else 'train'
    labels = mnist_files.load(f'{file}-labels-idx1-ubyte', patience)
    images = mnist_files.load(f'{file}-images-idx3-ubyte', patience) / numpy.float32(255)
    return form(images, labels)


def digits(split='train', scale='unit', flat=True):
    """Load the 1,797 real digits that scikit-learn brings along, at MNIST's size: as `mnist` does.

    They have 8 x 8 pixels of 17 shades; a bicubic interpolation brings them to 20 x 20 in the
    middle of 28 x 28, where MNIST's are placed: the same shapes, blurred. In the file's order, the
    first 1,197 are to train on, 300 for validation, 300 for test.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    splits = {'train': (1197,), 'validation': (1197, 1497), 'test': (1497, None),
              'all_train': (1497,)}  # fmt: skip
    form = _form(split, splits, scale, flat)
    small, labels = load_digits(return_X_y=True)
    images = numpy.zeros((len(small), 28, 28), 'float32')
    for image, pixels in zip(images, small.reshape(-1, 8, 8).astype('float32') / 16):
        image[4:24, 4:24] = Image.fromarray(pixels).resize((20, 20), Image.BICUBIC)
    return form(images.clip(0, 1), labels)


@functools.lru_cache(maxsize=None)
def _automatic(_directory):
    """Return 'mnist' where it can be had, else 'digits'; decided once, the same for every split."""
    try:
        for name in mnist_files.FILES:
            mnist_files.load(name, patience=5)
    except mnist_files.Unavailable as error:
        why = str(error).split(';')[0]
        print(f"These are scikit-learn's 1,797 digits, since {why}.", file=sys.stderr)
        return 'digits'
    return 'mnist'


def images(source='auto', split='train', scale='unit', flat=True):
    """Load digits as `mnist` does: images, labels and the name of the set, 'mnist' or 'digits'.

    source: 'mnist', 'digits', or 'auto' for MNIST where it can be had within seconds, else the
    bundled digits, so that a class without a network works; it then says so. A damaged file in
    D2L_GAN_DATA is an error all the same.
    """
    if source not in ('auto', 'mnist', 'digits'):
        raise ValueError(f'`source` is {source!r}; it must be "auto", "mnist" or "digits"')
    name = _automatic(os.environ.get('D2L_GAN_DATA')) if source == 'auto' else source
    return (*(mnist if name == 'mnist' else digits)(split, scale, flat), name)


class Batches:
    """Iterate over shuffled batches (X,) of an array's rows; each `iter()` is one epoch.

    array: (num_examples, ...), floating and finite, MXNet's or NumPy's.
    batch_size: rows in X. The last batch of an epoch is smaller where the rows do not divide.
    steps: batches in an epoch, all of them full, reshuffling as often as that takes; None takes
        every row once.
    replace: draw each row independently, so that an epoch may repeat some and miss others.
    device: where X is wanted, as for `devices.device`; None leaves an MXNet array where it is.

    Each epoch's order comes from NumPy's global generator at `iter()`, as DataLoader's does.
    Shuffling once and then slicing is about ten times as fast as DataLoader, which gathers and
    stacks row by row.
    """

    def __init__(self, array, batch_size, steps=None, replace=False, device=None):
        self.batch_size = _count('batch_size', batch_size)
        self.steps = None if steps is None else _count('steps', steps)
        self.replace = replace
        if not isinstance(array, np.ndarray):
            array = numpy.asarray(array)
        if len(array.shape) == 0 or 0 in array.shape:
            raise ValueError(f'`array` has shape {array.shape}; it must hold at least one row')
        if numpy.dtype(array.dtype).kind != 'f':
            raise ValueError(f'`array` has dtype {array.dtype}; it must be floating')
        host = array.asnumpy() if isinstance(array, np.ndarray) else array
        finite = numpy.isfinite(host)
        if not finite.all():
            row = int(numpy.argmin(finite.reshape(len(array), -1).all(axis=1)))
            raise ValueError(f'`array` has NaN or infinity in row {row}; it must be finite')
        if not isinstance(array, np.ndarray):
            array = np.array(array, dtype=array.dtype, ctx=devices.device(device))
        elif device is not None:
            array = array.as_in_ctx(devices.device(device))
        self.array = array
        self.num_examples = len(array)

    def __len__(self):
        return self.steps or math.ceil(self.num_examples / self.batch_size)

    def _order(self):
        """Return the numbers of an epoch's rows, in the order in which they are taken."""
        rows = self.num_examples
        wanted = rows if self.steps is None else self.steps * self.batch_size
        if self.replace:
            return numpy.random.randint(rows, size=wanted)
        shuffles = [numpy.random.permutation(rows) for _ in range(math.ceil(wanted / rows))]
        return numpy.concatenate(shuffles)[:wanted]

    def __iter__(self):
        return self._slices(self._order().astype('int32'))

    def _slices(self, order):
        width = self.array.size // self.num_examples
        gather = max(1, _GATHER // width // self.batch_size) * self.batch_size
        for start in range(0, len(order), gather):
            index = np.array(order[start : start + gather], dtype='int32', ctx=self.array.ctx)
            rows = np.take(self.array, index, axis=0)
            for begin in range(0, len(index), self.batch_size):
                yield (rows[begin : begin + self.batch_size],)

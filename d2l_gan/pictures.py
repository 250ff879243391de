"""Real pictures: MNIST, and the digits that scikit-learn brings along."""

import functools
import os

from d2l_gan import check, mnist_files
from d2l_gan.speak import tell

import numpy
from mxnet import np

NUM_TRAIN = 50_000  # of MNIST's training file; the rest is for validation


def _form(split, splits, scale, flat):
    """Return a function that gives images in [0, 1] and labels the form that is asked for."""
    check.choice('split', split, splits)
    check.choice('scale', scale, ('unit', 'symmetric'))

    def form(images, labels):
        rows = slice(*splits[split])
        pixels = images[rows].astype('float32').reshape((-1, 784) if flat else (-1, 28, 28, 1))
        pixels = 2 * pixels - 1 if scale == 'symmetric' else pixels
        return np.array(pixels, dtype='float32'), np.array(labels[rows], dtype='int32')

    return form


def mnist(split='train', scale='unit', flat=True, patience=30):
    """Load MNIST's real handwritten digits, verified: images and labels (n,).

    Source: LeCun, Cortes and Burges; the first 50,000 to train on are those of Goodfellow et al.
    2014.

    Args:
        split: 'train' (the first 50,000 of the training file), 'validation' (its last 10,000),
            'test' (10,000 that nothing ever trains on) or 'all_train' (train and validation).
        scale: 'unit' for pixels in [0, 1], 'symmetric' for [-1, 1]; float32, ink is high.
        flat: images (n, 784), else (n, 28, 28, 1).
        patience: seconds during which mirrors are tried where the files are not on this machine.

    Raises:
        DataError: where the files cannot be had or are damaged.
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
        tell(f"These are scikit-learn's 1,797 digits, since {why}.")
        return 'digits'
    return 'mnist'


def images(source='auto', split='train', scale='unit', flat=True):
    """Load digits as `mnist` does: images, labels and the name of the set, 'mnist' or 'digits'.

    Args:
        source: 'mnist', 'digits', or 'auto' for MNIST where it can be had within seconds, else the
            bundled digits, so that a class without a network works; it then says so. A damaged
            file in D2L_GAN_DATA is an error all the same.
        split: as for `mnist`.
        scale: as for `mnist`.
        flat: as for `mnist`.
    """
    check.choice('source', source, ('auto', 'mnist', 'digits'))
    name = _automatic(os.environ.get('D2L_GAN_DATA')) if source == 'auto' else source
    return (*(mnist if name == 'mnist' else digits)(split, scale, flat), name)

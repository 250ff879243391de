"""What is random in a run: noise from a prior, and the seed of each epoch."""

import contextlib
import math

import numpy
from mxnet import np
from mxnet import random as mx_random

PRIORS = {
    'normal': lambda shape, device: np.random.normal(0, 1, shape, ctx=device),
    'uniform': lambda shape, device: np.random.uniform(-1, 1, shape, ctx=device),
}
NUM_FIXED = 100  # rows of the fixed latent batch that pictures are made from


@contextlib.contextmanager
def seeded(seed, epoch):
    """Seed MXNet and NumPy for one epoch (0: the start) and give NumPy's state back afterwards.

    MXNet cannot save the state of its generator; seeding each epoch anew is what lets a run that
    was interrupted go on exactly.
    """
    state = numpy.random.get_state()
    number = int(numpy.random.SeedSequence([seed, epoch]).generate_state(1)[0] >> 1)
    numpy.random.seed(number)
    mx_random.seed(number)
    try:
        yield
    finally:
        numpy.random.set_state(state)


class Noise:
    """Hand out batches from the prior, drawn in larger chunks because drawing has a fixed cost.

    Args:
        prior: a name in `PRIORS`, or a callable (shape, device) -> MXNet array.
        latent_dim: width of the noise, or its shape, such as (100, 1, 1).
        device: the context on which it is drawn.
        dtype: what it is cast to.
    """

    def __init__(self, prior, latent_dim, device, dtype='float32'):
        self.draw = PRIORS.get(prior, prior)
        self.latent_dim = latent_dim
        self.shape = latent_dim if isinstance(latent_dim, tuple) else (latent_dim,)
        self.device, self.dtype, self.rows = device, dtype, None

    def forget(self):
        """Drop what is left of the chunk, so that the next batch depends on the seed alone."""
        self.rows = None

    def __call__(self, batch_size):
        """Return Z of shape (batch_size, *shape)."""
        if self.rows is None or self.used + batch_size > len(self.rows):
            num = max(1, 65536 // (batch_size * math.prod(self.shape))) * batch_size
            self.rows, self.used = self.draw((num, *self.shape), self.device), 0
            if self.rows.dtype != self.dtype:
                self.rows = self.rows.astype(self.dtype)
        self.used += batch_size
        return self.rows[self.used - batch_size : self.used]

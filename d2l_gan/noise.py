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
        self.device, self.dtype = device, dtype
        # On a CPU MXNet draws number after number, in pairs: a chunk may be drawn in even pieces.
        self.in_pieces = prior in PRIORS and device.device_type == 'cpu'
        self.forget()

    def forget(self):
        """Drop what is left of the chunk, so that the next batch depends on the seed alone."""
        self.rows, self.used, self.undrawn = (), 0, 0

    def __call__(self, batch_size):
        """Return Z of shape (batch_size, *shape)."""
        self.reach(batch_size)
        return self.take(batch_size, batch_size + self.undrawn)

    def pool(self, batch_size, steps):
        """Return what so many calls would give, (steps, batch_size, *shape), and draw no more."""
        parts = []
        while steps:
            n = min(steps, self.reach(batch_size) // batch_size)
            parts.append(self.take(n * batch_size, n * batch_size))
            steps -= n
        Z = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Z.reshape((-1, batch_size, *self.shape))

    def reach(self, batch_size):
        """Return how many rows the chunk has left: enough for a batch, if need be of a new one."""
        left = len(self.rows) - self.used + self.undrawn
        if left < batch_size:
            self.take(left, left)
            self.undrawn = max(1, 65536 // (batch_size * math.prod(self.shape))) * batch_size
            return self.undrawn
        return left

    def take(self, wanted, drawn):
        """Return the next rows; where they are not drawn yet, draw so many."""
        left = len(self.rows) - self.used
        if left < wanted:
            num = min(drawn - left + (drawn - left) % 2, self.undrawn)
            new = self.draw((num if self.in_pieces else self.undrawn, *self.shape), self.device)
            new = new if new.dtype == self.dtype else new.astype(self.dtype)
            self.rows = np.concatenate([self.rows[self.used :], new]) if left else new
            self.used, self.undrawn = 0, self.undrawn - len(new)
        self.used += wanted
        return self.rows[self.used - wanted : self.used]

r"""Penalties on the slope of the discriminator, which need derivatives of derivatives.

- r1: $\tfrac{1}{2} E\,\|\nabla_x D(x)\|^2$ at real examples; r2: the same at fakes. Mescheder et
  al. 2018, arXiv:1801.04406.
- r1+r2: the sum of both, which keeps D smooth where G is as well as where it should be.
- zero: $\tfrac{1}{2} E\,\|\nabla_x D(\hat x)\|^2$ between them. Thanh-Tung et al.
  2019, arXiv:1902.03984.
- gradient: $E\,(\|\nabla_x D(\hat x)\| - 1)^2$ between them, $\hat x = u x + (1 - u) G(z)$ with one
  $u \sim U(0, 1)$ per example. Gulrajani et al. 2017, arXiv:1704.00028.

The norm is over all of an example. A norm over one axis, or a mixing weight for each pixel, are
mistakes that are often made.
"""

import jax
import jax.numpy as jnp

NAMES = 'r1', 'r2', 'r1+r2', 'zero', 'gradient'


def slopes(judge, X):
    """Return the squared norm of the slope of each logit, (n,).

    Args:
        judge: function, examples (batch, ...) -> logits (n, 1), each of an example (or of a pack of
            them) by itself.
    """
    Y, backward = jax.vjp(judge, X)
    (slope,) = backward(jnp.ones_like(Y))  # no logit depends on another's examples
    slope = slope[: len(X) // len(Y) * len(Y)]  # a rest that fills no pack has none
    return jnp.square(slope.reshape(len(Y), -1)).sum(axis=1)


def penalty(name, weight):
    """Return the function (judge, X, fake_X, key) -> the weighted penalty, a mean over examples."""

    def between(judge, X, fake_X, key):
        share = jax.random.uniform(key, (len(X),) + (1,) * (X.ndim - 1), X.dtype)
        return slopes(judge, share * X + (1 - share) * fake_X)

    def gradient(judge, *given):
        squares = between(judge, *given)
        # The root's own slope is infinite at 0, where a discriminator may start.
        norms = jnp.sqrt(jnp.where(squares > 0, squares, 1)) * (squares > 0)
        return weight * jnp.square(norms - 1).mean()

    r1 = lambda judge, X, fake_X, key: weight / 2 * slopes(judge, X).mean()
    r2 = lambda judge, X, fake_X, key: weight / 2 * slopes(judge, fake_X).mean()
    return {
        'r1': r1, 'r2': r2, 'r1+r2': lambda *given: r1(*given) + r2(*given),
        'zero': lambda *given: weight / 2 * between(*given).mean(), 'gradient': gradient,
    }[name]  # fmt: skip

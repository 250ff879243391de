"""The operators that layers are made of; see `operators`."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from .operators import EXACT, operator, relu, single


def softrelu(x):
    # log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), in the form whose slope is right also at 0.
    positive = relu(x)
    return positive + jnp.log1p(jnp.exp(x - 2 * positive))


def cross_entropy(logit, label):
    return label * softrelu(-logit) + (1 - label) * softrelu(logit)


ACTIVATIONS = {
    'relu': relu,
    'sigmoid': jax.nn.sigmoid,
    'tanh': jnp.tanh,
    'softrelu': softrelu,
    'softsign': lambda x: x / (1 + jnp.abs(x)),
}


@operator('Activation')
def activation(x, *, act_type):
    return ACTIVATIONS[act_type](x)


@operator('LeakyReLU')
def leaky_relu(x, gamma=None, *, act_type='leaky', slope=0.25, lower_bound=None, upper_bound=None):
    slope = single(slope)
    if act_type == 'gelu':
        return x * (1 + lax.erf(x / 2**0.5)) / 2
    if act_type == 'elu':
        return jnp.where(x > 0, x, slope * jnp.expm1(jnp.where(x > 0, 0, x)))
    if act_type == 'selu':
        alpha, scale = single(1.6732632423543772), single(1.0507009873554805)
        return scale * jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0, x)))
    if act_type == 'prelu':
        slope = gamma if gamma.size == 1 or x.ndim == 1 else along(gamma, x, 1)
    y = jnp.where(x > 0, x, slope * x)
    if x.dtype == 'float64':  # MXNet multiplies in float32 here, whatever it is given
        product = x.astype('float32') * jnp.asarray(slope, 'float32')
        y = y + lax.stop_gradient(jnp.where(x > 0, 0, product - y))
    return y


def along(vector, x, axis):
    """Shape a vector so that it broadcasts along one axis of x."""
    return vector.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


@operator('FullyConnected')
def fully_connected(x, weight, bias=None, *, num_hidden, no_bias=False, flatten=True):
    x = x.reshape(x.shape[0], -1) if flatten else x
    y = jnp.matmul(x, weight.T, precision=EXACT)
    return y if no_bias else y + bias


def each(value, dimensions, default):
    return tuple(value) if value else (default,) * dimensions


def _convolve(x, weight, bias, stride, padding, lhs_dilation, rhs_dilation, groups):
    y = lax.conv_general_dilated(
        x, weight, stride, padding, lhs_dilation, rhs_dilation, feature_group_count=groups,
        precision=EXACT,
    )  # fmt: skip
    return y if bias is None else y + along(bias, y, 1)


@operator('Convolution')
def convolution(
    x, weight, bias=None, *, kernel, num_filter, stride=(), dilate=(), pad=(), num_group=1,
    no_bias=False, layout=None,
):  # fmt: skip
    n = len(kernel)
    pad = [(p, p) for p in each(pad, n, 0)]
    return _convolve(
        x, weight, None if no_bias else bias, each(stride, n, 1), pad, (1,) * n,
        each(dilate, n, 1), num_group,
    )  # fmt: skip


@operator('Deconvolution')
def deconvolution(
    x, weight, bias=None, *, kernel, num_filter, stride=(), dilate=(), pad=(), adj=(),
    target_shape=(), num_group=1, no_bias=True, layout=None,
):  # fmt: skip
    n = len(kernel)
    stride, dilate, pad, adj = (
        each(v, n, d) for v, d in ((stride, 1), (dilate, 1), (pad, 0), (adj, 0))
    )
    reach = [d * (k - 1) for d, k in zip(dilate, kernel)]
    if any(target_shape):
        spare = [
            s * (size - 1) + r + 1 - t
            for s, size, r, t in zip(stride, x.shape[2:], reach, target_shape)
        ]
        adj, pad = [i % 2 for i in spare], [(i + 1) // 2 for i in spare]
    # The convolution's gradient: dilated input, mirrored kernel. The weight is (in, out/g, ...).
    w = weight.reshape(num_group, -1, *weight.shape[1:]).swapaxes(1, 2)
    w = jnp.flip(w.reshape(num_filter, -1, *kernel), range(2, 2 + n))
    padding = [(r - p, r - p + a) for r, p, a in zip(reach, pad, adj)]
    return _convolve(
        x, w, None if no_bias else bias, (1,) * n, padding, stride, dilate, num_group
    )  # fmt: skip


@operator('Pooling')
def pooling(
    x, *, kernel=(), pool_type='max', global_pool=False, pooling_convention='valid', stride=(),
    pad=(), count_include_pad=True, layout=None,
):  # fmt: skip
    n = x.ndim - 2
    if global_pool:
        function = {'max': jnp.max, 'avg': jnp.mean, 'sum': jnp.sum}[pool_type]
        return function(x, axis=tuple(range(2, x.ndim)), keepdims=True)
    stride, pad = each(stride, n, 1), each(pad, n, 0)
    extra = []  # beyond the padding, where the last window sticks out
    for size, k, s, p in zip(x.shape[2:], kernel, stride, pad):
        left = (size + 2 * p - k) % s
        extra.append(s - left if pooling_convention == 'full' and left else 0)
    window, strides = (1, 1, *kernel), (1, 1, *stride)
    edges = [(0, 0), (0, 0)]
    padding = edges + [(p, p + e) for p, e in zip(pad, extra)]
    if pool_type == 'max':
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)
    total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
    if pool_type == 'sum':
        return total
    counted = jnp.ones((1, 1, *x.shape[2:]), x.dtype)
    if count_include_pad:
        counted = jnp.pad(counted, edges + [(p, p) for p in pad], constant_values=1)
        padding = edges + [(0, e) for e in extra]
    return total / lax.reduce_window(counted, 0.0, lax.add, window, strides, padding)


@operator('BatchNorm')
def batch_norm(
    x, gamma, beta, mean, variance, *, training, eps=1e-3, momentum=0.9, fix_gamma=True,
    use_global_stats=False, axis=1, output_mean_var=False, min_calib_range=None,
    max_calib_range=None,
):  # fmt: skip
    """Return the normalised x, and (momentum, value) to which mean and variance are to move."""
    moves = ()
    if training and not use_global_stats:
        axes = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        mean, variance, momentum = x.mean(axes), x.var(axes), single(momentum)
        moves = [(momentum, lax.stop_gradient(new)) for new in (mean, variance)]
    scale = lax.rsqrt(variance + eps) * (1 if fix_gamma else gamma)
    y = (x - along(mean, x, axis)) * along(scale, x, axis) + along(beta, x, axis)
    return y, moves


def normalised(x, axes, eps):
    centred = x - x.mean(axes, keepdims=True)
    return centred * lax.rsqrt(jnp.square(centred).mean(axes, keepdims=True) + single(eps))


@operator('LayerNorm')
def layer_norm(x, gamma, beta, *, axis=-1, eps=1e-5, output_mean_var=False):
    return normalised(x, axis, eps) * along(gamma, x, axis) + along(beta, x, axis)


@operator('InstanceNorm')
def instance_norm(x, gamma, beta, *, eps=1e-3):
    return normalised(x, tuple(range(2, x.ndim)), eps) * along(gamma, x, 1) + along(beta, x, 1)


@operator('GroupNorm')
def group_norm(x, gamma, beta, *, num_groups=1, eps=1e-5, output_mean_var=False):
    groups = x.reshape(x.shape[0], num_groups, -1)
    y = normalised(groups, 2, eps)
    if gamma.size == num_groups:
        y = y * along(gamma, y, 1) + along(beta, y, 1)
        return y.reshape(x.shape)
    return y.reshape(x.shape) * along(gamma, x, 1) + along(beta, x, 1)


@operator('Dropout')
def dropout(x, *, key, training, p=0.5, axes=(), mode='training'):
    if not training or p == 0:
        return x
    p = single(p)
    shape = [1 if i in axes else size for i, size in enumerate(x.shape)]
    return jnp.where(jax.random.bernoulli(key, 1 - p, shape), x / (1 - p), 0)


@operator('Embedding')
def embedding(index, weight, *, input_dim, output_dim, dtype='float32'):
    return jnp.take(weight, index.astype('int32'), axis=0, mode='clip')


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _logistic(x, label, grad_scale):
    return jax.nn.sigmoid(x)


@_logistic.defjvp
def _logistic_gradient(grad_scale, primals, tangents):
    # The operator is its own loss: what arrives as gradient plays no part but to be summed.
    x, label = primals
    y = jax.nn.sigmoid(x)
    return y, tangents[0] * (y - label) * (grad_scale / (label.size // label.shape[0]))


@operator('LogisticRegressionOutput')
def logistic_regression_output(x, label, *, grad_scale=1.0):
    return _logistic(x, label.reshape(x.shape), grad_scale)

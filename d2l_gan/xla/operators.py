"""MXNet's operators, one by one, as functions of JAX: the table, and those that NumPy has too.

Each takes the operator's inputs and, by keyword, its attributes, under MXNet's names and with
MXNet's defaults. The folder's modules but `engine` do without MXNet, so that a saved game can be
played where MXNet cannot be installed.
"""

import math

import jax
import jax.numpy as jnp
import numpy
from jax import lax

# Hints to one implementation or another; they change no result.
HINTS = {'workspace', 'cudnn_tune', 'cudnn_off', 'cudnn_algo_verbose', 'ctx', 'optimize',
         'sparse_grad', 'num_args', 'is_int', 'order', '__layout__'}  # fmt: skip

# A GPU would else multiply float32 with the 10 bits of mantissa of its tensor cores.
EXACT = lax.Precision.HIGHEST
OPERATORS = {}
# The values that a word among the attributes may have; any other is an operator not known here.
WORDS = {
    ('Activation', 'act_type'): ('relu', 'sigmoid', 'tanh', 'softrelu', 'softsign'),
    ('LeakyReLU', 'act_type'): ('leaky', 'elu', 'selu', 'gelu', 'prelu'),
    ('Pooling', 'pool_type'): ('max', 'avg', 'sum'),
    ('Pooling', 'pooling_convention'): ('valid', 'full'),
    ('Convolution', 'layout'): (None, 'NCW', 'NCHW', 'NCDHW'),
    ('Deconvolution', 'layout'): (None, 'NCW', 'NCHW', 'NCDHW'),
    ('Pooling', 'layout'): (None, 'NCW', 'NCHW', 'NCDHW'),
    ('BatchNorm', 'output_mean_var'): (False,),
    ('LayerNorm', 'output_mean_var'): (False,),
    ('GroupNorm', 'output_mean_var'): (False,),
    ('Dropout', 'mode'): ('training',),
    ('_npi_pad', 'mode'): ('constant', 'edge', 'reflect'),
    ('pick', 'mode'): ('clip',),
}


def operator(*names):
    """Enter a function into the table, under the names that MXNet has for the operator."""

    def enter(function):
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return enter


def single(number):
    """Return a number as MXNet keeps most of its attributes: rounded to float32."""
    return float(numpy.float32(number))


def _binary(name, function, *others):
    """Enter f(x, y), and f(x, scalar) and f(scalar, x) where MXNet has them."""
    operator(f'_npi_{name}', *others)(lambda x, y: function(x, y))
    operator(f'_npi_{name}_scalar')(lambda x, *, scalar: function(x, _like(scalar, x)))
    operator(f'_npi_r{name}_scalar')(lambda x, *, scalar: function(_like(scalar, x), x))


def _like(scalar, x):
    # MXNet writes each scalar as a float; next to whole numbers a whole one stays whole.
    whole = jnp.issubdtype(x.dtype, jnp.integer) and float(scalar).is_integer()
    return int(scalar) if whole else float(scalar)


_binary('add', jnp.add, 'elemwise_add', 'broadcast_add', '_plus')
_binary('subtract', jnp.subtract, 'elemwise_sub', 'broadcast_sub', '_minus')
_binary('multiply', jnp.multiply, 'elemwise_mul', 'broadcast_mul', '_mul')
_binary('true_divide', jnp.true_divide, 'elemwise_div', 'broadcast_div', '_div')
_binary('power', jnp.power, 'broadcast_power')
_binary('mod', jnp.mod, 'broadcast_mod')
for _name in ('equal', 'not_equal', 'greater', 'greater_equal', 'less', 'less_equal'):
    _binary(_name, getattr(jnp, _name))


def _larger(x, y):
    return jnp.where(x >= y, x, y)  # where they are equal, the slope is x's alone


def _smaller(x, y):
    return jnp.where(x <= y, x, y)


operator('broadcast_maximum', '_npi_maximum')(_larger)
operator('broadcast_minimum', '_npi_minimum')(_smaller)
operator('_maximum_scalar', '_npi_maximum_scalar')(lambda x, *, scalar: _larger(x, scalar))
operator('_minimum_scalar', '_npi_minimum_scalar')(lambda x, *, scalar: _smaller(x, scalar))

_UNARY = (
    'exp expm1 log log1p log2 log10 sqrt cbrt square sin cos tan sinh cosh tanh arcsin arccos '
    'arctan arcsinh arctanh sign absolute negative reciprocal floor ceil logical_not'
)
for _name in _UNARY.split():
    operator(f'_npi_{_name}')(getattr(jnp, _name))
operator('negative')(jnp.negative)
operator('erf')(lax.erf)
operator('_npx_sigmoid', 'sigmoid')(jax.nn.sigmoid)
operator('_copy', '_np_copy', 'identity')(lambda x: x)
operator('BlockGrad')(lax.stop_gradient)


@operator('_npx_relu', 'relu')
def relu(x):
    return jnp.where(x > 0, x, 0)


@operator('clip')
def clip(x, *, a_min, a_max):
    x = x if a_min is None else jnp.where(x < a_min, single(a_min), x)
    return x if a_max is None else jnp.where(x > a_max, single(a_max), x)


def _reduction(function):
    def reduce(x, *, axis=None, keepdims=False, dtype=None, **more):
        y = function(x, axis=axis, keepdims=keepdims, **more)
        return y if dtype is None else y.astype(dtype)

    return reduce


for _kind, _names in (('_npi', 'mean var std'), ('_np', 'sum max min prod')):
    for _name in _names.split():
        operator(f'{_kind}_{_name}')(_reduction(getattr(jnp, _name)))


@operator('_npi_norm')
def norm(x, *, axis=None, ord=2, keepdims=False, flag=0):
    return jnp.sqrt(jnp.square(x).sum(axis=axis, keepdims=keepdims))


@operator('softmax')
def softmax(x, *, axis=-1, temperature=None, use_length=False, dtype=None):
    return jax.nn.softmax(x / (temperature or 1), axis)


@operator('log_softmax')
def log_softmax(x, *, axis=-1, temperature=None, use_length=False, dtype=None):
    return jax.nn.log_softmax(x / (temperature or 1), axis)


@operator('_np_dot')
def dot(x, y):
    return jnp.dot(x, y, precision=EXACT)


@operator('_npi_matmul')
def matmul(x, y):
    return jnp.matmul(x, y, precision=EXACT)


@operator('dot', 'batch_dot')
def legacy_dot(x, y, *, transpose_a=False, transpose_b=False):
    x = x.swapaxes(-1, -2) if transpose_a else x
    return jnp.matmul(x, y.swapaxes(-1, -2) if transpose_b else y, precision=EXACT)


@operator('_npi_tensordot_int_axes')
def tensordot(x, y, *, axes):
    return jnp.tensordot(x, y, axes, precision=EXACT)


@operator('_npi_einsum')
def einsum(*inputs, subscripts):
    return jnp.einsum(subscripts, *inputs, precision=EXACT)


operator('_npi_concatenate', 'Concat')(lambda *inputs, axis=None, dim=1: jnp.concatenate(
    inputs, axis=dim if axis is None else axis
))  # fmt: skip
operator('_npi_stack')(lambda *inputs, axis=0: jnp.stack(inputs, axis))
operator('_np_transpose', 'transpose')(lambda x, *, axes=None: jnp.transpose(x, axes or None))
operator('SwapAxis')(lambda x, *, dim1=0, dim2=0: x.swapaxes(dim1, dim2))
operator('_np_moveaxis')(lambda x, *, source, destination: jnp.moveaxis(x, source, destination))
operator('expand_dims')(lambda x, *, axis: jnp.expand_dims(x, axis))
operator('_np_squeeze', 'squeeze')(lambda x, *, axis=None: jnp.squeeze(x, axis))
operator('repeat')(lambda x, *, repeats, axis=None: jnp.repeat(x, repeats, axis))
operator('tile')(lambda x, *, reps: jnp.tile(x, reps))
operator('_npi_flip')(lambda x, *, axis: jnp.flip(x, axis))
operator('_npi_broadcast_to')(lambda x, *, shape: jnp.broadcast_to(x, shape))
operator('_npi_where')(jnp.where)
operator('Cast', 'cast')(lambda x, *, dtype: x.astype(dtype))
operator('Flatten')(lambda x: x.reshape(x.shape[0], -1))


@operator('_npi_full_like')
def full_like(x, *, fill_value, dtype=None):
    return jnp.full_like(x, fill_value, dtype=dtype)


@operator('_npi_pad')
def pad(x, *, pad_width, mode='constant', constant_value=0, reflect_type='even'):
    return jnp.pad(
        x, pad_width, mode, **({} if mode != 'constant' else {'constant_values': constant_value})
    )


@operator('take')
def take(x, index, *, axis=0, mode='clip'):
    return jnp.take(x, index.astype('int32'), axis, mode='wrap' if mode == 'wrap' else 'clip')


@operator('pick')
def pick(x, index, *, axis=-1, keepdims=False, mode='clip'):
    index = jnp.expand_dims(index.astype('int32').clip(0, x.shape[axis] - 1), axis)
    y = jnp.take_along_axis(x, index, axis)
    return y if keepdims else y.squeeze(axis)


@operator('one_hot')
def one_hot(index, *, depth, on_value=1.0, off_value=0.0, dtype='float32'):
    hot = index.astype('int32')[..., None] == jnp.arange(depth)
    return jnp.where(hot, on_value, off_value).astype(dtype)


@operator('slice')
def slice_(x, *, begin, end, step=()):
    step = step or (None,) * len(begin)
    return x[tuple(slice(*bounds) for bounds in zip(begin, end, step))]


@operator('slice_axis')
def slice_axis(x, *, axis, begin, end):
    return x[(slice(None),) * (axis % x.ndim) + (slice(begin, end),)]


@operator('_split_v2')
def split(x, *, indices=(), axis=0, squeeze_axis=False, sections=0):
    # Where `sections` is 0 the indices are where the parts begin, with 0 the first of them.
    parts = jnp.split(x, sections or list(indices)[1:], axis)
    return [part.squeeze(axis) for part in parts] if squeeze_axis else parts


@operator('reshape_like')
def reshape_like(x, y):
    return x.reshape(y.shape)


@operator('_np_reshape')
def np_reshape(x, *, newshape):
    return x.reshape(newshape)


@operator('_npx_reshape')
def npx_reshape(x, *, newshape, reverse=False):
    """Reshape by codes: -1 infer, -2 copy, -3 drop a 1, -4 copy the rest, -5 merge, -6 split."""
    sizes, codes = (
        list(x.shape),
        list(newshape if isinstance(newshape, (tuple, list)) else (newshape,)),
    )
    if reverse:
        sizes, codes = sizes[::-1], codes[::-1]
    made, i = [], 0
    while codes:
        code = codes.pop(0)
        if code == -4:
            made, i = made + sizes[i:], len(sizes)
        elif code == -5:
            made, i = [*made, sizes[i] * sizes[i + 1]], i + 2
        elif code == -6:
            parts = [codes.pop(0), codes.pop(0)]
            rest = sizes[i] // -math.prod(parts) if -1 in parts else 0
            made, i = made + [rest if part == -1 else part for part in parts], i + 1
        elif code == -3:
            i += 1
        else:
            made, i = [*made, sizes[i] if code == -2 else code], i + 1
    return x.reshape(made[::-1] if reverse else made)

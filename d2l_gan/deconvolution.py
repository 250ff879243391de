"""A way around a fault in MXNet: the backward pass of a transposed convolution to one channel.

Where Conv1DTranspose, Conv2DTranspose or Conv3DTranspose makes one channel (per group) of a
multiple of 8 or 16 (the width of the processor's vectors), oneDNN fails in float32: "could not
create a primitive descriptor for a reorder primitive". It is the gradient of the layer's *input*
alone that fails, whatever kernel, stride, padding and sizes are. So every generator of grey
pictures would fail whose last layer but one has 16, 32 or 64 channels.

The way around: the layer's value and the gradient of its weight come from the operator itself,
applied to a detached input. The gradient of the input comes from a second one, which makes two
channels, the other with weights of 0, and adds exactly 0 to the value. Its weights are detached:
oneDNN crashes where a transposed convolution's weights are computed and need a gradient.

Importing this module lets Gluon's layers do so where they would fail.

`as_product` is about another fault, of speed alone: a layer that turns whole pictures into one
pixel, or one pixel into pictures, is a matrix product to oneDNN, in a layout of its own. For a
BatchNorm between such a layer and an ordinary one oneDNN has only its reference code, which takes
a hundred times as long. Written as the product that it is, the layer leaves layouts alone.
"""

import contextlib
import functools

from mxnet import autograd, nd, sym
from mxnet.gluon.nn.conv_layers import _Conv

_as_it_is = False


@contextlib.contextmanager
def as_it_is():
    """Let layers show the operator that they stand for, for those who look at graphs."""
    global _as_it_is
    before, _as_it_is = _as_it_is, True
    try:
        yield
    finally:
        _as_it_is = before


def fails(in_channels, num_filter, num_group):
    """Return whether oneDNN may fail; in_channels: 0 or -1 as long as they are unknown."""
    return num_filter == num_group and (in_channels < 1 or in_channels // num_group % 8 == 0)


def around(F, x, weight, bias=None, num_filter=1, no_bias=True, **attributes):
    """Return a transposed convolution that does not fail; F: `mx.nd` or `mx.sym`."""
    inputs = [F.BlockGrad(x), weight] + ([] if bias is None else [bias])
    value = F.Deconvolution(*inputs, num_filter=num_filter, no_bias=bias is None, **attributes)
    wider = F.BlockGrad(F.concat(weight, F.zeros_like(weight), dim=1))
    twice = F.Deconvolution(x, wider, num_filter=2 * num_filter, no_bias=True, **attributes)
    every_other = F.slice(twice, begin=(None, 0), end=(None, None), step=(None, 2))
    return value + (every_other - F.BlockGrad(every_other))


def as_product(layer, x, weight, bias):
    """Return the symbol of a layer that is a matrix product, None for others.

    Args:
        layer: one of Gluon's convolutions, transposed or not.
        x, weight, bias: symbols; bias may be None.
    """
    shape, (known, *_) = x.infer_shape_partial()[1][0], layer.weight.shape
    attributes, transposed = layer._kwargs, layer._op_name.lower() == 'deconvolution'
    kernel, filters = tuple(attributes['kernel']), attributes['num_filter']
    pixel = (1,) * len(kernel)
    if (
        shape is None or min(shape, default=0) < 1 or known < 1 or kernel == pixel
        or tuple(shape[2:]) != (pixel if transposed else kernel) or attributes['num_group'] > 1
        or max(attributes['dilate']) > 1 or max(*attributes['pad'], *attributes.get('adj', ()), 0)
    ):  # fmt: skip
        return None
    weight._set_attr(__shape__=str(layer.weight.shape))  # unknown when Gluon first asked for it
    matrix = sym.reshape(weight.as_nd_ndarray(), (known, -1))
    y = sym.dot(sym.reshape(x.as_nd_ndarray(), (shape[0], -1)), matrix, transpose_b=not transposed)
    y = sym.reshape(y, (shape[0], filters, *(kernel if transposed else pixel)))
    if bias is not None:
        y = sym.broadcast_add(y, sym.reshape(bias.as_nd_ndarray(), (1, filters, *pixel)))
    return y.as_np_ndarray()


def _around_gluon(forward):
    @functools.wraps(forward)
    def hybrid_forward(self, F, x, weight, bias=None):
        attributes, learns = self._kwargs, F is not nd or autograd.is_recording()
        if _as_it_is or not learns:
            return forward(self, F, x, weight, bias)
        y = as_product(self, x, weight, bias) if F is sym else None
        if y is None:
            if self._op_name.lower() != 'deconvolution' or not fails(
                self.weight.shape[0], attributes['num_filter'], attributes['num_group']
            ):
                return forward(self, F, x, weight, bias)
            legacy = [a if a is None else a.as_nd_ndarray() for a in (x, weight, bias)]
            y = around(F, *legacy, **attributes).as_np_ndarray()
        return y if self.act is None else self.act(y)

    return hybrid_forward


_Conv.hybrid_forward = _around_gluon(_Conv.hybrid_forward)

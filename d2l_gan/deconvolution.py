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
"""

import contextlib
import functools

from mxnet import autograd, nd
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


def _around_gluon(forward):
    @functools.wraps(forward)
    def hybrid_forward(self, F, x, weight, bias=None):
        attributes, learns = self._kwargs, F is not nd or autograd.is_recording()
        if (
            _as_it_is or not learns or self._op_name.lower() != 'deconvolution'
            or not fails(self.weight.shape[0], attributes['num_filter'], attributes['num_group'])
        ):  # fmt: skip
            return forward(self, F, x, weight, bias)
        legacy = [a if a is None else a.as_nd_ndarray() for a in (x, weight, bias)]
        y = around(F, *legacy, **attributes).as_np_ndarray()
        return y if self.act is None else self.act(y)

    return hybrid_forward


_Conv.hybrid_forward = _around_gluon(_Conv.hybrid_forward)

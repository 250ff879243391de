"""What the engine `Symbol` plays, as symbols: networks and losses, written so that they are fast.

The results are those of Gluon's own layers and losses, to the rounding of their sums.
"""

from d2l_gan import graph, losses
from d2l_gan.engines import CannotPlay

from mxnet import gluon, sym
from mxnet.gluon import nn

SMALL = 4096  # multiply-adds of a layer; below, oneDNN takes longer to set up than to multiply


def trace(block, *inputs):
    """Return block(*inputs) as a symbol, they being some; raise CannotPlay where that cannot be."""
    if type(block) in (nn.Sequential, nn.HybridSequential) and len(inputs) == 1:
        for child in block._children.values():
            inputs = [trace(child, *inputs)]
        return inputs[0]
    if not isinstance(block, gluon.HybridBlock):
        raise CannotPlay(f'{type(block).__name__} is not a HybridBlock')
    try:
        if type(block) is nn.Dense:
            shape = inputs[0].infer_shape()[1][0]
            if len(shape) == 2 and shape[0] * block.weight.shape[0] * block.weight.shape[1] < SMALL:
                return _small_dense(block, *inputs)
        return graph.apply(block, *inputs)
    except graph.NoGraph as error:
        raise CannotPlay(str(error)) from error


def pack(x, shape, number):
    """Return what `adapter.packed` returns, for a symbol of this shape."""
    if number == 1:
        return x
    packs, channels = shape[0] // number, shape[1] if len(shape) > 1 else 1
    whole = sym.slice_axis(x.as_nd_ndarray(), axis=0, begin=0, end=packs * number)
    return sym.reshape(whole, (packs, number * channels, *shape[2:])).as_np_ndarray()


def _small_dense(block, x):
    weight = block.weight.var()
    weight._set_attr(__shape__=str(block.weight.shape))  # unknown when Gluon first asked for it
    y = sym.dot(x.as_nd_ndarray(), weight.as_nd_ndarray(), transpose_b=True)
    if block.bias is not None:
        y = sym.broadcast_add(y, block.bias.var().as_nd_ndarray())
    y = y.as_np_ndarray()
    return y if block.act is None else block.act(y)


def against_partners(Y):
    """Return logits of real and fake examples, (2 n, ...), less those of their partners."""
    shape = Y.infer_shape()[1][0]
    halves = sym.reshape(Y.as_nd_ndarray(), (2, shape[0] // 2, *shape[1:]))
    return Y - sym.reshape(sym.flip(halves, axis=0), shape).as_np_ndarray()


def second_half(Y):
    """Return the second half of a symbol's rows."""
    rows = Y.infer_shape()[1][0][0]
    half = sym.slice_axis(Y.as_nd_ndarray(), axis=0, begin=rows // 2, end=rows)
    return half.as_np_ndarray()


def judgement(loss, Y, share, name):
    """Return a symbol whose gradient is that of `share` times the loss, and the logits Y.

    Args:
        name: what the labels are called.
    """
    shape = Y.infer_shape()[1][0]
    if type(loss) in (gluon.loss.SigmoidBCELoss, losses.SigmoidLoss) and not (
        loss._weight or getattr(loss, '_from_sigmoid', False)
    ):
        # Cross-entropy's gradient is sigmoid(Y) - label: one operator instead of thirty.
        label = sym.var(name, shape=shape) * (1 - getattr(loss, 'label_smoothing', 0))
        head = sym.LogisticRegressionOutput(Y.as_nd_ndarray(), label, grad_scale=share)
    else:
        label = sym.var(name, shape=shape[:1]).as_np_ndarray()
        head = sym.make_loss((loss(Y, label) * share).as_nd_ndarray())
    return sym.Group([head, sym.BlockGrad(Y.as_nd_ndarray())])

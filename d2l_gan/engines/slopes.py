r"""Penalties on the slope of D, by differences: MXNet's derivatives of derivatives are wrong.

A penalty is a function $p$ of the slope's length $n = \|\nabla_x D\|$ at some points $x$; which
ones, `d2l_gan.xla.penalties` tells. With $v$, the slope's direction, its gradient in D's weights is
$p'(n)\,\nabla_\theta (v \cdot \nabla_x D)$, and $v \cdot \nabla_x D$ is about
$(D(x + h v) - D(x - h v)) / 2h$: two first derivatives, of D on both sides of each point.
"""

from d2l_gan.engines.formula import pack, trace
from d2l_gan.engines.operators import Bound

import numpy
from mxnet import nd, np, sym

PLACES = {
    'r1': ('X',), 'r2': ('fake_X',), 'r1+r2': ('X', 'fake_X'), 'zero': ('between',),
    'gradient': ('between',),
}  # fmt: skip


class Slopes:
    """Add the gradient of a penalty to that of D's loss, for batches of one size.

    Args:
        game: a `Symbol`, whose `penalty` is a name and a weight.
        arrays: {name: array}, D's own and X, fake_X and, if there is one, condition.
    """

    def __init__(self, game, arrays):
        (self.name, self.weight), self.arrays = game.penalty, arrays
        self.rows = len(arrays['X']) // game.pack * game.pack  # a rest that fills no pack has none
        given = [arrays[name][: self.rows] for name in ('X', 'condition') if name in arrays]
        self.here = [nd.zeros_like(a) for a in given]
        self.beside = [nd.concat(a, a, dim=0) for a in given]
        self.slope = nd.zeros_like(self.here[0])
        self.judge = self.bound(game, self.here, {'X': self.slope})
        self.judge_beside = self.bound(game, self.beside, game.D.gradients, 'add')
        self.ones = nd.ones_like(self.judge.outputs[0])
        # h^2 and the rounding over h then err alike.
        self.h = float(numpy.finfo(self.ones.dtype).eps) ** (1 / 3)

    def bound(self, game, given, gradients, how='write'):
        """Return D, bound to examples and conditions, with `gradients` as for `Bound`."""
        inputs = dict(zip(('X', 'condition'), given))
        variables = [
            pack(sym.var(name, shape=a.shape).as_np_ndarray(), a.shape, game.pack)
            for name, a in inputs.items()
        ]
        Y = trace(game.net_D, *variables).as_nd_ndarray()
        return Bound(sym.Group([Y]), {**self.arrays, **inputs}, gradients, game.device, how)

    def add(self):
        """Add the gradient for the batch that is loaded, and the fakes that are made."""
        X, fake_X = (self.arrays[name][: self.rows].as_np_ndarray() for name in ('X', 'fake_X'))
        if len(self.here) > 1:
            self.here[1][:] = self.arrays['condition'][: self.rows]
            self.beside[1][:] = nd.concat(self.here[1], self.here[1], dim=0)
        for place in PLACES[self.name]:
            if place == 'between':
                shape = (len(X),) + (1,) * (X.ndim - 1)
                share = np.random.uniform(0, 1, shape, dtype=X.dtype, ctx=X.ctx)
                self.add_at(share * X + (1 - share) * fake_X)
            else:
                self.add_at({'X': X, 'fake_X': fake_X}[place])

    def add_at(self, points):
        """Add the gradient of the mean penalty at some points, (rows, ...), halved."""
        self.here[0].as_np_ndarray()[:] = points
        self.judge.forward()
        self.judge.backward(self.ones)
        slope = self.slope.as_np_ndarray().reshape(self.ones.size, -1)
        length = np.sqrt(np.square(slope).sum(axis=1))
        reach = np.sqrt(np.square(points).sum() / self.ones.size)
        h = self.h * np.where(reach > 0, reach, np.ones_like(reach))
        move = (h * slope / np.maximum(length, 1e-30).reshape(-1, 1)).reshape(points.shape)
        self.beside[0].as_np_ndarray()[:] = np.concatenate([points + move, points - move])
        self.judge_beside.forward()
        if self.name == 'gradient':
            rate = 2 * self.weight * (length - 1) * (length > 0)
        else:
            rate = self.weight * length
        head = rate / (4 * h)  # halved, as the loss that it joins is in the book
        head = np.concatenate([head, -head]).reshape(self.judge_beside.outputs[0].shape)
        self.judge_beside.backward(head.as_nd_ndarray())

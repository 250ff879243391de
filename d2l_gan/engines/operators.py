"""MXNet's C interface, for an engine that tells the same few things thousands of times.

In a call of MXNet from Python most of the time is spent before the work begins: attributes are
turned into text, arrays into handles, results into new arrays. In a game that is the same in every
step: so here it is done once, and what is kept is handed to the library's C functions again.

MXNet shows neither in Python. `_LIB` is its shared library, loaded with ctypes, and `check_call`
raises what one of its functions reports.
"""

import ctypes
import os

from mxnet.base import _LIB, check_call

os.environ.setdefault('MXNET_SUBGRAPH_VERBOSE', '0')  # else each graph writes a line to stderr


class Bound:
    """A symbol bound to fixed arrays: a pass through it is one call."""

    def __init__(self, symbol, arrays, gradients, device, grad_req='write'):
        names = symbol.list_arguments()
        gradients = {name: gradients[name] for name in names if name in gradients}
        self.executor = symbol.bind(
            device, {name: arrays[name] for name in names}, args_grad=gradients,
            grad_req=dict.fromkeys(gradients, grad_req),
            aux_states={name: arrays[name] for name in symbol.list_auxiliary_states()},
        )  # fmt: skip
        self.outputs = self.executor.outputs

    def forward(self):
        """Compute the outputs, as in training: 1 stands for True."""
        check_call(_LIB.MXExecutorForward(self.executor.handle, 1))

    def backward(self, *gradients):
        """Compute the gradients; gradients: of the outputs, none where they are losses."""
        handles = (ctypes.c_void_p * len(gradients))(*(g.handle for g in gradients))
        check_call(_LIB.MXExecutorBackwardEx(self.executor.handle, len(gradients), handles, 1))


class Operator:
    """An operator whose arguments are laid out for MXNet's C interface once, not at each call."""

    def __init__(self, name, inputs, out, **attributes):
        operator, number = ctypes.c_void_p(), len(attributes)
        check_call(_LIB.NNGetOpHandle(name.encode(), ctypes.byref(operator)))
        self.kept = inputs, out  # the handles below do not keep their arrays alive
        self.inputs = (ctypes.c_void_p * len(inputs))(*(a.handle for a in inputs))
        self.values = (ctypes.c_char_p * number)(*(str(v).encode() for v in attributes.values()))
        self.outputs = (ctypes.c_void_p * 1)(out.handle)
        outputs = ctypes.cast(self.outputs, ctypes.POINTER(ctypes.c_void_p))
        self.arguments = (
            operator, len(inputs), self.inputs, ctypes.byref(ctypes.c_int(1)),
            ctypes.byref(outputs), number, (ctypes.c_char_p * number)(*map(str.encode, attributes)),
            self.values, ctypes.byref(ctypes.POINTER(ctypes.c_int)()),
        )  # fmt: skip

    def __call__(self, *values, of=None, out=None):
        """Run; values: for the first attributes, of: for the first input, out: for the output."""
        for i, value in enumerate(values):
            self.values[i] = str(value).encode()
        if of is not None:
            self.inputs[0] = of.handle
        if out is not None:
            self.outputs[0] = out.handle
        check_call(_LIB.MXImperativeInvokeEx(*self.arguments))

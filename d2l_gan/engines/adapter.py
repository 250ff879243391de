"""Gluon, opened: what networks and trainers keep to themselves, and this package needs.

A `Trainer` shows neither what Adam remembers of each parameter nor how many updates it has made,
and can save them only as a pickle. A checkpoint needs both, and so does an engine that computes
Adam's update itself. They are in `_updaters[0].states` and in the optimizer's counts. A `Block`
knows its parameters by the names of its structure, and whether they have values yet, but does not
tell either.
"""

import contextlib
import ctypes
import functools
import inspect
import math

import numpy
from mxnet import gluon, np
from mxnet.base import _LIB, check_call
from mxnet.gluon import nn


def adam(net, learning_rate, beta1=0.9, beta2=0.999):
    """Return a Trainer of `net` with Adam, its moments made now and not in the first step.

    The parameters go in the order of their definition. Left to itself a Trainer sorts them by
    name, and names count all layers of the process: dense10 comes before dense9. On several
    contexts the kvstore sums the gradients, and each context updates its own copy.
    """
    constants = {'learning_rate': learning_rate, 'beta1': beta1, 'beta2': beta2}
    trainer = gluon.Trainer(
        list(net.collect_params().values()), 'adam', constants, 'device', update_on_kvstore=False
    )
    for i, parameter in enumerate(trainer._params):
        if parameter.grad_req != 'null':
            for updater, data in zip(trainer._updaters, parameter.list_data()):
                moments = trainer._optimizer.create_state_multi_precision(i, data)
                updater.states[i], updater.states_synced[i] = moments, True
    return trainer


@contextlib.contextmanager
def spread(nets, contexts):
    """Let networks have a copy on each of several contexts inside a `with` block.

    There the first context is the default one, whose copies are what all others look at; after the
    block they are on it alone.
    """
    if len(contexts) == 1:
        yield
        return
    with contexts[0]:
        try:
            for net in nets:
                net.collect_params().reset_ctx(contexts)
            yield
        finally:
            for parameter in (p for net in nets for p in net.collect_params().values()):
                parameter.set_data(parameter.data())  # or the next line would take their mean
                parameter.reset_ctx(contexts[0])


def even(trainer):
    """Give each context's copy the values of the first: weights, statistics, moments."""
    for i, parameter in enumerate(trainer._params):
        copies = [parameter.list_data()]
        copies += zip(*(updater.states[i] for updater in trainer._updaters if i in updater.states))
        for first, *others in copies:
            for other in others:
                other[:] = first.as_in_context(other.context)


def mean_statistics(trainer):
    """Let the first context have the mean of all contexts' running statistics, as BatchNorm's."""
    for parameter in trainer._params:
        if parameter.grad_req == 'null':
            first, *others = parameter.list_data()
            same = [other.as_in_context(first.context) for other in others]
            first[:] = sum(same, first) / (1 + len(same))


def parameters(trainer):
    """Return the trainer's parameters, in its order."""
    return list(trainer._params)


def still(trainer):
    """Return the arrays that the optimizer leaves alone, such as BatchNorm's statistics."""
    return [p.data().as_nd_ndarray() for p in trainer._params if p.grad_req == 'null']


def moments(trainer, i):
    """Return Adam's live (mean, variance) of parameter number `i`, () if it does not learn."""
    return trainer._updaters[0].states.get(i, ())


def named(net, trainer):
    """Return {name: Parameter} of a trainer, by the names of the network's structure ("0.weight").

    Those do not depend on what else was made in the process, as a parameter's own name does.
    """
    names = {id(p): name for name, p in net._collect_params_with_prefix().items()}
    return {names[id(p)]: p for p in trainer._params}


def has_weights(net):
    """Return whether every parameter of a network has values by now."""
    return all(p._data is not None for p in net.collect_params().values())


def takes_condition(net):
    """Return whether a network takes a second input, by the signature of its forward pass."""
    while type(net) in (nn.Sequential, nn.HybridSequential) and len(net):
        net = net[0]  # that hands its inputs to its first layer
    method = net.forward
    if isinstance(net, gluon.HybridBlock) and type(net).forward is gluon.HybridBlock.forward:
        method = functools.partial(net.hybrid_forward, None)  # None: the place of F
    parameters = inspect.signature(method).parameters.values()
    names = [
        p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]  # one with a default is an option, or a bias that is not there
    return len([name for name in names if name not in net._reg_params]) > 1


def packed(X, pack):
    """Return X, (batch, channels, ...), as (packs, pack * channels, ...); a rest is left out."""
    if pack == 1:
        return X
    packs, channels = len(X) // pack, X.shape[1] if X.ndim > 1 else 1
    return X[: packs * pack].reshape((packs, pack * channels) + X.shape[2:])


@contextlib.contextmanager
def swapped(net, weights):
    """Let a network hold other weights, {name: array}, inside a `with` block."""
    found = net._collect_params_with_prefix() if weights else {}
    own = {name: found[name].data().copy() for name in weights}
    for name, value in weights.items():
        assign(found[name].data(), value)
    try:
        yield net
    finally:
        for name, value in own.items():
            assign(found[name].data(), value)


def assign(array, value):
    """Write `value`, an array of NumPy's or MXNet's, into an MXNet array.

    oneDNN may hold what a convolution has read in an order of its own, into which MXNet copies
    none but its own arrays.
    """
    array[:] = np.array(value, dtype=array.dtype, ctx=array.ctx)


def arrays(net, trainer):
    """Return {name: live array} of all that training changes: weights, statistics, moments."""
    found = {}
    for i, (name, parameter) in enumerate(named(net, trainer).items()):
        found[name] = parameter.data()
        for kind, moment in zip(('mean', 'variance'), moments(trainer, i)):
            found[f'{name}/{kind}'] = moment
    return found


def updates(trainer):
    """Return how many updates Adam has made."""
    return trainer._optimizer.num_update


def set_updates(trainer, count):
    """Let Adam take `count` for the number of updates that it has made."""
    trainer._optimizer.num_update = count
    for context in reversed(trainer._contexts):
        trainer._optimizer._set_current_context(context.device_id)
        for i in trainer._updaters[0].states if count else ():
            trainer._optimizer._index_update_count[i] = count


def view(array, shape=None, dtype=None):
    """Return an array of MXNet's on the CPU as NumPy's, of the same memory.

    It is read and written past MXNet, which must have nothing more to do with the array just then.

    Args:
        shape, dtype: the array's, where they are known: MXNet takes long to tell.
    """
    shape, dtype = shape or array.shape, numpy.dtype(dtype or array.dtype)
    memory = (ctypes.c_char * (math.prod(shape) * dtype.itemsize)).from_address(address(array))
    return numpy.frombuffer(memory, dtype).reshape(shape)


def address(array):
    """Return where the memory of an array of MXNet's begins."""
    pointer = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(array.handle, ctypes.byref(pointer)))
    return pointer.value

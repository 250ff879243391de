"""A network as operators: traced once, for engines, saved generators, ONNX and chapters.

Called with a symbol instead of an array a Gluon network computes nothing; it returns the graph of
what it would compute. `trace(net)` reads that graph:

    graph = trace(net_G)                          # or trace(net_G, 'Z', 'condition')
    graph.nodes       [Node(op, name, attrs, inputs)], each after those that it takes from
    graph.outputs     [(node number, output number)], what the network returns
    graph.inputs      ('Z',), names of nodes
    graph.parameters  {name: Parameter}, by the names of the network's structure ("0.weight")
    graph.aux         names of those that the operators themselves write: BatchNorm's statistics

A Node's `op` is MXNet's name of the operator, or 'null' for an input or a parameter, `name` is
then its name. `attrs` are parsed ({'kernel': (4, 4), 'no_bias': True, 'act_type': 'relu'}); an
attribute that is not there has MXNet's default. `inputs` are [(node number, output number)].
"""

import ast
import contextlib
import functools
import json
import operator
from typing import NamedTuple

from d2l_gan import deconvolution

import numpy
from mxnet import autograd, gluon, nd, sym

WINDOW = 'kernel stride dilate pad'
SCALAR = {'add': operator.add, 'subtract': operator.sub, 'multiply': operator.mul,
          'true_divide': operator.truediv, 'power': operator.pow}  # fmt: skip


def _transposed(*inputs, F, num_filter, num_group=1, **attributes):
    """Return a transposed convolution, with a gradient where it has one; see `deconvolution`."""
    rules = dict(attributes, num_filter=num_filter, num_group=num_group)
    if (
        F is nd and autograd.is_recording()
        and deconvolution.fails(inputs[1].shape[0], num_filter, num_group)
    ):  # fmt: skip
        legacy = [a.as_nd_ndarray() for a in inputs]
        return deconvolution.around(F, *legacy, **rules).as_np_ndarray()
    return F.npx.deconvolution(*inputs, **rules)


# The operators that can be run by themselves: {name: (function of `mx.nd` or `mx.sym`, or any
# function, and its attributes)}. Each has one output that counts.
OPERATORS = {
    'FullyConnected': ('npx.fully_connected', 'num_hidden no_bias flatten'),
    'Convolution': ('npx.convolution', f'{WINDOW} num_filter num_group no_bias layout'),
    'Deconvolution': (_transposed, f'{WINDOW} adj num_filter num_group no_bias layout'),
    'Pooling': (
        'npx.pooling',
        'kernel stride pad pool_type global_pool pooling_convention count_include_pad layout',
    ),
    'BatchNorm': ('npx.batch_norm', 'axis eps momentum fix_gamma use_global_stats'),
    'LayerNorm': ('npx.layer_norm', 'axis eps'),
    'Embedding': ('npx.embedding', 'input_dim output_dim'),
    'Activation': ('npx.activation', 'act_type'),
    'LeakyReLU': ('npx.leaky_relu', 'act_type slope'),
    '_npx_relu': ('npx.relu', ''),
    '_npx_sigmoid': ('npx.sigmoid', ''),
    'softmax': ('npx.softmax', 'axis'),
    'Dropout': ('npx.dropout', 'p axes cudnn_off'),
    'Flatten': ('npx.batch_flatten', ''),
    '_npx_reshape': ('npx.reshape', 'newshape'),
    '_np_reshape': ('np.reshape', 'newshape'),
    '_np_transpose': ('np.transpose', 'axes'),
    'expand_dims': ('np.expand_dims', 'axis'),
    '_np_squeeze': ('np.squeeze', 'axis'),
    '_npi_concatenate': (lambda *a, F, axis=0: F.np.concatenate(list(a), axis=axis), 'axis'),
    '_npi_stack': (lambda *a, F, axis=0: F.np.stack(list(a), axis=axis), 'axis'),
    'slice': ('npx.slice', 'begin end step'),
    'one_hot': ('npx.one_hot', 'depth'),
    'clip': ('np.clip', 'a_min a_max'),
    'Cast': (lambda x, F, dtype: x.astype(dtype), 'dtype'),
    '_npi_mean': ('np.mean', 'axis keepdims'),
    **{f'_npi_{name}': (f'np.{name}', '') for name in
       ['tanh', 'exp', 'log', 'sqrt', 'square', 'absolute', 'negative', 'sin', 'cos']},
    **{f'_npi_{name}': (f'np.{name}', '') for name in SCALAR},
    **{f'_npi_{name}_scalar': (lambda x, F, scalar, f=f: f(x, scalar), 'scalar')
       for name, f in SCALAR.items()},
    **{f'_npi_r{name}_scalar': (lambda x, F, scalar, f=f: f(scalar, x), 'scalar')
       for name, f in SCALAR.items()},
}  # fmt: skip
LARGEST = 1 << 26  # numbers in an array that an operator of a stranger's file may make


class NoGraph(ValueError):
    """Say why a network has no graph, and which block of it is to blame."""


class Node(NamedTuple):
    """An operator, an input or a parameter; see the top of this page."""

    op: str
    name: str
    attrs: dict
    inputs: list


class Graph(NamedTuple):
    """The operators of a network; see the top of this page."""

    nodes: list
    outputs: list
    inputs: tuple
    parameters: dict
    aux: tuple

    def operators(self):
        """Return the nodes that compute, in the order in which they run."""
        return [node for node in self.nodes if node.op != 'null']


def trace(net, *names):
    """Return the `Graph` of a network; its shapes need not be known.

    Args:
        net: a HybridBlock, a Sequential of them, or a Block that does nothing else with its inputs
            than to hand them to such blocks.
        names: what its inputs are to be called, by default ('Z',).

    Raises:
        NoGraph: where the network cannot be called with symbols; it names the block.
    """
    names = names or ('Z',)
    with deconvolution.as_it_is():
        symbol = apply(net, *(sym.var(name).as_np_ndarray() for name in names))
    structure = net._collect_params_with_prefix()
    own = {p.name: name for name, p in structure.items()}
    nodes, outputs = read(symbol, own)
    used = {node.name for node in nodes if node.op == 'null'}
    return Graph(
        nodes, outputs, names, {name: p for name, p in structure.items() if name in used},
        tuple(own[name] for name in symbol.list_auxiliary_states()),
    )  # fmt: skip


def read(symbol, names=()):
    """Return the nodes and the outputs of a symbol, as they are in a `Graph`.

    Args:
        symbol: any of MXNet's symbols, not only a network's.
        names: {name of a parameter in the symbol: what it is to be called}.
    """
    names, found, nodes = dict(names), json.loads(symbol.tojson()), []
    for node in found['nodes']:
        known = names.get(node['name'], node['name']) if node['op'] == 'null' else node['name']
        attrs = {} if node['op'] == 'null' else _parsed(node.get('attrs', {}))
        nodes.append(Node(node['op'], known, attrs, [tuple(e[:2]) for e in node['inputs']]))
    return nodes, [tuple(entry[:2]) for entry in found['heads']]


def apply(block, *inputs):
    """Return block(*inputs), the inputs being symbols; raise NoGraph where that cannot be."""
    try:
        return block(*inputs)
    except Exception as error:  # whatever a block written for arrays alone may raise
        places, culprit, trail = _places(block), block, error.__traceback__
        while trail is not None:  # from here down to where it failed
            here = trail.tb_frame.f_locals.get('self')
            if isinstance(here, gluon.Block) and id(here) in places:
                culprit = here
            trail = trail.tb_next
        place, kind = places[id(culprit)], type(culprit).__name__
        where = f'`{place}`, a {kind},' if place else kind
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise NoGraph(f'{where} takes no symbol: {lines[0]}') from error


def _places(block, path=''):
    """Return {id: name in the structure} of a block and all blocks inside it."""
    found = {id(block): path}
    for name, child in block._children.items():
        found.update(_places(child, f'{path}.{name}' if path else name))
    return found


def _parsed(attrs):
    for key, value in attrs.items():
        with contextlib.suppress(ValueError, SyntaxError):  # a word, such as relu
            attrs[key] = ast.literal_eval(value)
    return attrs


def run(nodes, known, careful=False):
    """Return the outputs of all nodes, in order.

    Args:
        nodes: dicts or `Node`s' fields: op, name, attrs, inputs (numbers of nodes).
        known: {name: array} of inputs and parameters.
        careful: look at each operator before it runs, since a stranger may have written it down.

    Raises:
        ValueError: for what no network would have, if `careful`.
    """
    values = []
    for node in nodes:
        if node['op'] == 'null':
            values.append(known[node['name']])
            continue
        inputs = [values[i] for i in node['inputs']]
        if careful:
            _look_at(node, inputs)
        values.append(compute(nd, node, inputs))
    return values


def compute(F, node, inputs):
    """Return the output of a node; F: `mx.nd` for arrays, `mx.sym` for symbols."""
    function, names = OPERATORS[node['op']]
    attrs = {key: node['attrs'][key] for key in names.split() if key in node['attrs']}
    if callable(function):
        return function(*inputs, F=F, **attrs)
    y = functools.reduce(getattr, function.split('.'), F)(*inputs, **attrs)
    return y[0] if isinstance(y, (list, tuple)) else y


def _look_at(node, inputs):
    """Raise ValueError for what MXNet does not check by itself, or an array too large."""
    attrs, shape = node['attrs'], inputs[0].shape
    for name, least in dict.fromkeys(('kernel', 'stride', 'dilate', 'num_group'), 1).items():
        _whole(attrs, name, least)
    for name in ('pad', 'adj'):
        _whole(attrs, name, 0)
    vectors = [a.shape for a in inputs[1:]]
    if node['op'] == 'BatchNorm' and any(v != (shape[attrs['axis']],) for v in vectors):
        raise ValueError(f'has vectors that do not fit {shape[attrs["axis"]]} channels')
    if node['op'] == 'LeakyReLU' and vectors and vectors[0] not in ((1,), shape[1:2]):
        raise ValueError(f'has slopes that do not fit {shape[1]} channels')
    if node['op'] == '_np_transpose' and sorted(attrs.get('axes') or range(len(shape))) != list(
        range(len(shape))
    ):
        raise ValueError(f'has axes {attrs["axes"]} of an array of {len(shape)}')
    if node['op'] == 'slice' and 0 in (attrs.get('step') or ()):
        raise ValueError('has a step of 0')
    variables = [sym.var(f'{i}', shape=a.shape).as_np_ndarray() for i, a in enumerate(inputs)]
    size = numpy.prod([float(n) for n in compute(sym, node, variables).infer_shape()[1][0]])
    if not 0 <= size <= LARGEST:
        raise ValueError(f'makes an array of {size:.0f} numbers')


def _whole(attrs, name, least):
    value = attrs.get(name, least)
    if not all(isinstance(n, int) and least <= n <= 1024 for n in numpy.ravel(value).tolist()):
        raise ValueError(f'has `{name}` {value}')

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
import json
from typing import NamedTuple

from d2l_gan import deconvolution

from mxnet import gluon, sym


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

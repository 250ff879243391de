"""Read a traced network, operator by operator, as a function of JAX."""

import ast
import inspect

import jax

from . import layers  # noqa: F401 - fills the table
from .operators import HINTS, OPERATORS, WORDS


class Unsupported(ValueError):
    """Name all operators of a network that are not known here, and where they stand."""


class Network:
    """A network as a function without side effects, `network(values, key, training)`.

    Args:
        nodes: its operators in order: `graph.Node`s, or what became of them in a file, lists or
            dicts of MXNet's name of the operator ('null' for an input or a parameter), the node's
            name, its attributes and inputs, [(number of a node, number of its output)].
        outputs: likewise what the network returns; None for the last node.

    Raises:
        Unsupported: with every operator that is not known here.
    """

    def __init__(self, nodes, outputs=None):
        self.nodes = [_Node(node) for node in nodes]
        strange = [str(node) for node in self.nodes if not node.known()]
        if strange:
            raise Unsupported(f'no translation of {"; ".join(strange)}')
        self.outputs = [(len(nodes) - 1, 0)] if outputs is None else outputs
        self.variables = [node.name for node in self.nodes if node.op == 'null']
        self.moving = any(node.op == 'BatchNorm' for node in self.nodes)
        self.convolves = any(node.op in ('Convolution', 'Deconvolution') for node in self.nodes)
        self.random = any(node.op == 'Dropout' and node.attrs.get('p', 0.5) for node in self.nodes)

    def __call__(self, values, key=None, training=True):
        """Return the outputs, and the moves of running statistics that `move` takes.

        Args:
            values: {name: array} for every variable.
            key: JAX's key for what the network draws; only a network with `random` needs one.
            training: whether it behaves as inside `autograd.record`.
        """
        made, moves = [], []
        for i, node in enumerate(self.nodes):
            if node.op == 'null':
                made.append([values[node.name]])
                continue
            inputs = [made[i][k] for i, k in node.inputs]
            if node.op == 'BatchNorm':
                output, moved = node.function(*inputs, training=training, **node.attrs)
                names = (self.nodes[place].name for place, _ in node.inputs[3:])
                moves.extend((name, *target) for name, target in zip(names, moved))
            elif node.op == 'Dropout':
                key_here = key if key is None else jax.random.fold_in(key, i)
                output = node.function(*inputs, key=key_here, training=training, **node.attrs)
            else:
                output = node.function(*inputs, **node.attrs)
            made.append(output if isinstance(output, (list, tuple)) else [output])
        return [made[i][k] for i, k in self.outputs], moves


def move(values, moves):
    """Return `values` with running statistics moved, as the backward pass of MXNet moves them.

    Args:
        moves: of one or more passes, in the order in which they went forward.
    """
    values = dict(values)
    for name, momentum, target in reversed(moves):
        values[name] = momentum * values[name] + (1 - momentum) * target
    return values


class _Node:
    def __init__(self, node):
        if isinstance(node, dict):
            node = [node.get(field, {}) for field in ('op', 'name', 'attrs', 'inputs')]
        self.op, self.name, attrs, self.inputs = node
        self.attrs = {
            name: _value(value)
            for name, value in attrs.items()
            if name not in HINTS and not name.startswith('__') and self.op != 'null'
        }
        self.function = OPERATORS.get(self.op)

    def __str__(self):
        strange = self.strange()
        return f'{self.op}{f"({strange})" if strange else ""} at "{self.name}"'

    def known(self):
        """Say whether it is an operator of the table, with attributes that this knows."""
        return self.op == 'null' or (self.function is not None and not self.strange())

    def strange(self):
        """Return the first attribute that the function in the table does not know, or None."""
        if self.function is None:
            return None
        known = inspect.signature(self.function).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
        for name, value in self.attrs.items():
            words = WORDS.get((self.op, name), (value,))
            if value not in words or (name not in known and not open_ended):
                return f'{name}={value}'
        return None


def _value(text):
    """Return an attribute as what it stands for: MXNet writes them all as strings."""
    if not isinstance(text, str):
        return tuple(text) if isinstance(text, list) else text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):  # a word, such as relu
        return text
    return tuple(value) if isinstance(value, list) else value

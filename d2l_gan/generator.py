"""Save a generator alone: its layers and its prior, enough to draw samples without its chapter."""

from pathlib import Path

from d2l_gan import devices, graph
from d2l_gan.archive import CheckpointError, naming, read, write
from d2l_gan.files import numbered
from d2l_gan.graph import OPERATORS
from d2l_gan.noise import PRIORS, seeded
from d2l_gan.speak import tell

import numpy
from mxnet import autograd, np

NAME = 'generator-{:06d}'
PIECE = 500  # samples that are drawn at once, since all that lies between is kept as long
LARGEST_LATENT = 1 << 20  # numbers in the noise for one example


def save_generator(path, net_G, latent_dim, prior='normal', condition=None):
    """Write `net_G`, alone but with all that drawing samples needs, to `path`.

    Args:
        path: where to; the file is written whole or not at all.
        net_G: a Sequential of Gluon's layers, or a HybridBlock, of `graph.OPERATORS`.
        latent_dim: width of its noise, or its shape.
        prior: as for `train.train`.
        condition: in a game that has conditions, some of them, (n, ...).

    Raises:
        ValueError: where the network has an operator that is not among those.
    """
    nodes, arrays = described(net_G, condition is not None)
    header = {
        'kind': 'generator', 'latent_dim': latent_dim, 'nodes': nodes,
        'prior': prior if isinstance(prior, str) else None,
        'condition': None if condition is None else described_condition(condition),
    }  # fmt: skip
    write(path, header, arrays)


def described_condition(condition):
    """Return the shape of one condition and its dtype, as they are in a file."""
    return [list(condition.shape[1:]), numpy.dtype(condition.dtype).name]


def described(net_G, conditional=False):
    """Return a generator's nodes, as they are in a file, and {name: array} of its parameters."""
    try:
        found = graph.trace(net_G, *('Z', 'condition')[: 1 + conditional])
    except graph.NoGraph as error:
        raise ValueError(
            f'`net_G` must be a HybridBlock or a Sequential of them: {error}'
        ) from error
    nodes = []
    for node in found.nodes:
        if node.op != 'null' and node.op not in OPERATORS:
            rule = f'it may use {", ".join(OPERATORS)}'
            raise ValueError(f'`net_G` uses {node.op} (in {node.name}); {rule}')
        for number, output in node.inputs:
            if output:
                name = found.nodes[number].name
                raise ValueError(f'`net_G` uses output {output} of {name}; it may use the first')
        nodes.append(dict(node._asdict(), inputs=[number for number, _ in node.inputs]))
    if found.outputs != [(len(nodes) - 1, 0)]:
        raise ValueError('`net_G` returns several arrays; it must return one')
    return nodes, {name: p.list_data()[0] for name, p in found.parameters.items()}


def load_generator(path, device=None):
    """Return the `Generator` saved at `path`; raise CheckpointError if the file is damaged.

    It draws with MXNet: on the CPU, where `device` is a GPU that JAX alone has.
    """
    device = devices.home(device)
    header, arrays = read(path, 'generator')
    with naming(path):
        shape = header['latent_dim']
        shape = tuple(shape) if isinstance(shape, list) else (shape,)
        if not all(n > 0 for n in shape) or not 0 < numpy.prod(shape, dtype=float) < LARGEST_LATENT:
            raise CheckpointError(f'has `latent_dim` {header["latent_dim"]}')
        if len({a.dtype for a in arrays.values()} | {numpy.dtype('f4')}) > 2 or any(
            a.dtype.kind != 'f' for a in arrays.values()
        ):
            raise CheckpointError('has parameters of several types')
        generator = Generator(header, arrays, device)
        inputs = [np.zeros((2, *shape), dtype=generator.dtype, ctx=device)]
        if generator.condition is not None:
            tail, dtype = generator.condition
            inputs.append(np.zeros((2, *tail), dtype=dtype, ctx=device))
        try:
            generator.run(*inputs, careful=True)[-1].wait_to_read()
        except ValueError as error:
            raise CheckpointError(str(error)) from error
    return generator


def latest_generator(directory, device=None):
    """Return the newest `Generator` in `directory` that is whole, as the callback keeps them."""
    error = CheckpointError(f'`{directory}` holds no generator')
    earlier = Path(directory).parent / 'earlier'
    if any(earlier.glob('*/generators')):
        error = CheckpointError(f'{error}; those of earlier runs are in `{earlier}`')
    for path in reversed(list(numbered(directory, NAME).values())):
        try:
            return load_generator(path, device)
        except CheckpointError as problem:
            error = problem
            tell(f'{error}.')
    raise error


class Generator:
    """A generator without its chapter: `generator(Z)` -> X, `generator.sample(16)` -> X.

    Args:
        header: of the file.
        arrays: {name: array} of its parameters.
        device: the context on which it computes.
    """

    def __init__(self, header, arrays, device):
        latent_dim = header['latent_dim']
        self.latent_dim = tuple(latent_dim) if isinstance(latent_dim, list) else latent_dim
        self.prior, self.device, self.nodes = header['prior'], device, header['nodes']
        self.condition = header.get('condition')  # the shape of one, and a dtype
        self.arrays = {k: np.array(v, dtype=v.dtype, ctx=device) for k, v in arrays.items()}
        self.dtype = next((a.dtype for a in self.arrays.values()), 'float32')

    def __call__(self, Z, condition=None):
        """Return X for the noise Z, (batch, *latent shape), and one condition for each row."""
        if (condition is None) != (self.condition is None):
            rule = 'takes no condition' if self.condition is None else 'takes one for each row'
            raise ValueError(f'`condition` is {condition}; this generator {rule}')
        return self.run(Z, condition)[-1]

    @property
    def kinds(self):
        """Return how many kinds it can be asked for, None where its network does not say."""
        found = (node['attrs'] for node in self.nodes if node['op'].endswith('one_hot'))
        return next((int(attrs['depth']) for attrs in found), None)

    @property
    def scale(self):
        """Return how its pictures are coded, 'symmetric' where it ends in a tanh, else 'unit'."""
        last = self.nodes[-1]
        tanh = 'tanh' in (last['attrs'].get('act_type'), last['op'].rpartition('_')[2])
        return 'symmetric' if tanh else 'unit'

    def sample(self, num, seed=0, condition=None, spread=1.0):
        """Return `num` samples; the same `seed`, the same samples.

        Args:
            num: how many.
            seed: an int >= 0.
            condition: (num, ...), for a generator that takes one.
            spread: noise so many times as wide; below 1 the samples come nearer to the usual.
        """
        if self.prior not in PRIORS:
            raise ValueError('the prior was a function of its own; call the generator with noise')
        shape = self.latent_dim if isinstance(self.latent_dim, tuple) else (self.latent_dim,)
        with seeded(seed, 0):
            Z = spread * PRIORS[self.prior]((num, *shape), self.device).astype(self.dtype)
            inputs = [Z] if condition is None else [Z, condition]
            starts = range(0, num, PIECE)
            parts = [self(*(a[i : i + PIECE] for a in inputs)) for i in starts]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def run(self, Z, condition=None, careful=False):
        """Return the outputs of all operators, in order; careful: as for `graph.run`."""
        with autograd.predict_mode():  # a gradient may pass, for `latent.invert`
            known = dict(self.arrays, Z=Z, condition=condition)
            return graph.run(self.nodes, known, careful)

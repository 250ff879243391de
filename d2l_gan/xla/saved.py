"""A game in a file: saved where Gluon is, played on where JAX alone can be installed.

save(path, engine, rates={'D': 0.05, 'G': 0.005}, latent_dim=2)    # an `engines.xla.XLA`
game = load(path)                                                  # from here on without MXNet
game.play(X, num_epochs=10, batch_size=8)
samples = game.sample(16)
"""

import math

from d2l_gan import archive
from d2l_gan.xla import layers, play, translate

import jax
import numpy

CONSTANTS = 'first', 'clip', 'boundary', 'pack', 'pairs', 'merge', 'noisy', 'unroll'


class Loss:
    """A loss, (logits (n, 1), labels (n, 1)) -> (n,): cross-entropy, or what a graph computes.

    Args:
        smoothing: of the label of real examples in the cross-entropy; None for another loss.
        network: that loss, a `translate.Network` of `pred` and `label`.
    """

    def __init__(self, smoothing=None, network=None):
        self.smoothing, self.network = smoothing, network

    def __call__(self, Y, label):
        if self.network is not None:
            return self.network({'pred': Y, 'label': label})[0][0]
        # The same function as Gluon's, but its slope is also right at a logit of exactly 0.
        return layers.cross_entropy(Y, label * (1 - self.smoothing)).mean(axis=1)


def save(path, engine, rates, latent_dim, prior='normal'):
    """Write the game of an `engines.xla.XLA` to `path`, whole: graphs, losses, weights, moments.

    Args:
        rates: {'D': learning rate, 'G': learning rate}.
        latent_dim: width of the noise, or its shape.
        prior: 'normal' or 'uniform'.
    """
    rules = engine.rules
    if rules.penalty is not None or prior not in ('normal', 'uniform'):
        raise ValueError('a game with a penalty or a prior of its own cannot be saved')
    header = {
        'kind': 'game', 'rates': rates, 'latent_dim': latent_dim, 'prior': prior,
        'constants': {name: getattr(rules, name) for name in CONSTANTS},
        'adam': {name: list(getattr(rules, f'adam_{name}')) for name in 'DG'},
        'graphs': {name: _written(getattr(rules, f'net_{name}')) for name in 'DG'},
        'losses': {name: _written(getattr(rules, f'loss_{name}')) for name in 'DG'},
        'steps': engine.steps, 'decay': engine.decay or 0,
    }  # fmt: skip
    places = engine.places()
    views = {'/'.join(place): view for place, view in zip(places, engine.views())}
    archive.write(path, header, views)


def load(path):
    """Return the `SavedGame` at `path`; raise CheckpointError if the file is damaged."""
    return SavedGame(*archive.read(path, 'game'))


def _written(thing):
    if isinstance(thing, Loss) and thing.network is None:
        return {'smoothing': thing.smoothing}
    network = thing.network if isinstance(thing, Loss) else thing
    nodes = [[node.op, node.name, node.attrs, node.inputs] for node in network.nodes]
    return {'nodes': nodes, 'outputs': network.outputs}


def _network(written):
    return translate.Network(written['nodes'], written['outputs'])


class SavedGame:
    """A game that lives with JAX alone; its randomness is NumPy's.

    It is compiled as JAX pleases, so on a GPU the last bits may differ from run to run.
    """

    def __init__(self, header, arrays):
        self.header, self.steps = header, header['steps']
        networks = [_network(header['graphs'][name]) for name in 'DG']
        losses = [
            Loss(**written) if 'smoothing' in written else Loss(network=_network(written))
            for written in (header['losses'][name] for name in 'DG')
        ]
        adams = [play.Adam(*header['adam'][name]) for name in 'DG']
        self.rules = play.Rules(*networks, *losses, *adams, **header['constants'])
        self.state = {name: {kind: {} for kind in play.KINDS} for name in 'DG'}
        self.state['average'] = {}
        for place, array in arrays.items():
            name, *kind, path = place.split('/')
            found = self.state[name][kind[0]] if kind else self.state[name]
            found[path] = jax.numpy.array(array)
        self.program = jax.jit(play.Game(self.rules).play)

    def noise(self, random, *shape):
        """Return noise from the prior, (*shape, ...)."""
        width = self.header['latent_dim']
        shape += tuple(width) if isinstance(width, (list, tuple)) else (width,)
        normal = self.header['prior'] == 'normal'
        Z = random.standard_normal(shape) if normal else random.uniform(-1, 1, shape)
        return Z.astype('float32')

    def play(self, X, num_epochs, batch_size, seed=0):
        """Play so many epochs on X, (n, ...), in full batches; return [(loss_D, loss_G)]."""
        random, steps, found = numpy.random.default_rng(seed), len(X) // batch_size, []
        for _ in range(num_epochs):
            rows = random.permutation(len(X))[: steps * batch_size]
            t = self.steps + 1 + numpy.arange(steps)
            rates = [
                self.header['rates'][name] * numpy.sqrt(1 - o.beta2**t) / (1 - o.beta1**t)
                for name, o in (('D', self.rules.adam_D), ('G', self.rules.adam_G))
            ]
            rates.append(1 - numpy.minimum(self.header['decay'], (1 + t) / (10 + t)))
            key = numpy.array([self.steps, seed], 'uint32') if self.rules.noisy else None
            pool = {
                'X': numpy.asarray(X, 'float32')[rows].reshape(steps, batch_size, *X.shape[1:]),
                'Z': self.noise(random, steps, batch_size), 'condition': None, 'key': key,
                'rates': numpy.stack(rates, axis=1).astype('float32'),
            }  # fmt: skip
            notes = numpy.zeros((steps, 3, batch_size // self.rules.pack), 'float32')
            self.state, notes = self.program(self.state, pool, notes, 0, steps)
            sums = jax.vmap(play.Game(self.rules).judge_notes)(notes)
            found.append(tuple(numpy.asarray(sums).mean(axis=0)[:2] / notes.shape[-1]))
            self.steps += steps
            if not all(map(math.isfinite, found[-1])):
                raise FloatingPointError(f'a loss became {found[-1]} after {self.steps} steps')
        return found

    def sample(self, num, seed=0):
        """Return `num` samples, of the running average of G's weights if there is one."""
        G = self.state['G']
        values = {**G['still'], **G['weights'], **self.state['average'], 'condition': None}
        Z = self.noise(numpy.random.default_rng(seed), num)
        return numpy.asarray(self.rules.net_G(dict(values, Z=Z), training=False)[0][0])

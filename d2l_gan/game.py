"""The state of a run: its history, and the game that callbacks see."""

from typing import NamedTuple

from d2l_gan import engines
from d2l_gan.engines import adapter

import numpy
from mxnet import gluon

COLUMNS = (*engines.Adversarial.columns, 'examples_per_sec')


class History:
    """What happened in each epoch: a NumPy array of one value an epoch for each of `columns`.

    The columns of a game of two players, as means over an epoch's examples:

    - loss_D, loss_G: the book's halved convention (equilibrium 0.693 under the default loss).
    - mean_D_real, mean_D_fake: D(x) and D(G(z)), sigmoids of D's output, as D saw them before its
      update.
    - accuracy_D: share of real and fake examples that D told apart, in [0, 1].
    - examples_per_sec: real examples per second of play, without pictures and checkpoints.

    `seed` and `stopped`, the reason for an early end or None, are the run's. `average` has the
    running averages of G's weights once the run is over: {name: NumPy array}, empty without.
    """

    def __init__(self, seed=None, columns=COLUMNS):
        self.seed, self.stopped, self.columns, self.average = seed, None, tuple(columns), {}
        self.rows = {column: [] for column in self.columns}

    def __getattr__(self, name):
        if name in self.__dict__.get('columns', ()):
            return numpy.array(self.rows[name])
        known = ', '.join(self.__dict__.get('columns', ()))
        raise AttributeError(f'a History has no `{name}`; it has {known}')

    def __getitem__(self, name):
        return getattr(self, name)

    def __len__(self):
        return len(self.rows[self.columns[0]])

    def append(self, **values):
        """Add one epoch: one float per column."""
        for column in self.columns:
            self.rows[column].append(float(values[column]))

    def to_dict(self):
        """Return lists of floats, `seed` and `stopped`: a dict that json can write."""
        return {**{c: list(r) for c, r in self.rows.items()}, 'seed': self.seed,
                'stopped': self.stopped}  # fmt: skip

    def from_dict(self, saved):
        """Take over what `to_dict` returned."""
        self.seed, self.stopped = saved['seed'], saved['stopped']
        self.rows = {column: list(saved[column]) for column in self.columns}

    def averaged(self, net_G):
        """Let `net_G` hold the running average of its weights, if there is one, inside a `with`."""
        return adapter.swapped(net_G, self.average)


class Game:
    """The state of a run, handed to every callback.

    Each player has its network and its trainer here, as `net_D` and `trainer_D`. `epoch` is the
    number of complete epochs, `history` a `History`.

    Args:
        engine: an `engines.Engine`; its players are the game's.
        data_iter: iterable of batches X, (X,) or (X, condition) that starts anew in each epoch.
        data: (n, ...), real examples to draw beside generated ones.
        num_epochs: how many epochs are wanted.
        seed: an int >= 0.
        rates: {player: learning rate}.
        noise: the `Noise`, None in a game without.
        fixed_Z: noise of 100 rows, the same in every epoch, so that pictures compare.
        fixed_condition: its conditions, None without.
        hyperparameters: what the result depends on, as a dict that json can write.
    """

    def __init__(
        self, engine, data_iter, data, num_epochs, seed, rates, noise=None, fixed_Z=None,
        fixed_condition=None, hyperparameters=None,
    ):  # fmt: skip
        self.engine, self.data_iter, self.data = engine, data_iter, data
        self.num_epochs, self.device = num_epochs, engine.device
        self.seed, self.rates, self.noise = seed, rates, noise
        self.fixed_Z, self.fixed_condition = fixed_Z, fixed_condition
        self.hyperparameters = hyperparameters or {}
        for player, (net, trainer) in engine.players.items():
            setattr(self, f'net_{player}', net)
            setattr(self, f'trainer_{player}', trainer)
        self.watchers = []  # callables, called before each batch of those that engines are fed
        self.epoch, self.history = 0, History(seed, (*engine.columns, 'examples_per_sec'))

    @property
    def latent_dim(self):
        """Return the width or the shape of the noise."""
        return self.noise.latent_dim

    @property
    def steps(self):
        """Return how many steps have been played."""
        return self.engine.steps

    def stop(self, reason):
        """Ask that the run ends after this epoch; the reason is kept in `history.stopped`."""
        self.history.stopped = str(reason)

    def generate(self, Z=None, condition=None):
        """Return net_G's examples, (batch, ...), with averaged weights if there are.

        Args:
            Z: noise; by default `fixed_Z`, with its conditions.
            condition: one for each row of Z, in a game that has conditions.
        """
        if Z is None:
            Z, condition = self.fixed_Z, self.fixed_condition
        inputs = [a.as_in_ctx(self.device) for a in (Z, condition) if a is not None]
        with self.averaged():
            return self.net_G(*inputs)

    def averaged(self):
        """Let net_G hold the running average of its weights inside a `with` block."""
        return adapter.swapped(self.net_G, self.engine.averages)

    def arrays(self):
        """Return {name: live array} of all that a run changes; restore by `array[:] = value`."""
        found = {f'average/{name}': array for name, array in self.engine.averages.items()}
        for player, (net, trainer) in self.engine.players.items():
            for name, array in adapter.arrays(net, trainer).items():
                found[f'{player}/{name}'] = array
        return found

    def counters(self):
        """Return the numbers of steps and updates so far, as a dict that json can write."""
        updates = {name: adapter.updates(t) for name, (_, t) in self.engine.players.items()}
        return {'steps': self.engine.steps, **updates}

    def set_counters(self, saved):
        """Take over what `counters` returned."""
        self.engine.steps = saved['steps']
        for name, (_, trainer) in self.engine.players.items():
            adapter.set_updates(trainer, saved[name])


class Result(NamedTuple):
    """What a chapter's `run` returns: networks, `History`, and the content of scores.json."""

    net_D: gluon.Block
    net_G: gluon.Block
    history: History
    scores: dict

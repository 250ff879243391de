"""The state of a training: the noise, the seed of an epoch, the history, the game itself."""

import contextlib
from typing import NamedTuple

import numpy
from mxnet import gluon, nd, np
from mxnet import random as mx_random

PRIORS = {
    'normal': lambda shape, device: np.random.normal(0, 1, shape, ctx=device),
    'uniform': lambda shape, device: np.random.uniform(-1, 1, shape, ctx=device),
}
NUM_FIXED = 100  # rows of the fixed latent batch that pictures are made from


@contextlib.contextmanager
def seeded(seed, epoch):
    """Seed MXNet and NumPy for one epoch (0: the start) and give NumPy's state back afterwards.

    MXNet cannot save the state of its generator; seeding each epoch anew is what lets a training
    that was interrupted go on exactly.
    """
    state = numpy.random.get_state()
    number = int(numpy.random.SeedSequence([seed, epoch]).generate_state(1)[0] >> 1)
    numpy.random.seed(number)
    mx_random.seed(number)
    try:
        yield
    finally:
        numpy.random.set_state(state)


class Noise:
    """Hand out batches from the prior, drawn in larger chunks because drawing has a fixed cost."""

    def __init__(self, prior, latent_dim, device):
        self.draw = PRIORS.get(prior, prior)
        self.latent_dim, self.device = latent_dim, device
        self.rows = None

    def forget(self):
        """Drop what is left of the chunk, so that the next batch depends on the seed alone."""
        self.rows = None

    def __call__(self, batch_size):
        """Return Z of shape (batch_size, latent_dim)."""
        if self.rows is None or self.used + batch_size > len(self.rows):
            num = max(1, 65536 // (batch_size * self.latent_dim)) * batch_size
            self.rows, self.used = self.draw((num, self.latent_dim), self.device), 0
        self.used += batch_size
        return self.rows[self.used - batch_size : self.used]


class History:
    """What happened in each epoch, as NumPy arrays of one value an epoch.

    loss_D, loss_G: mean per example, the book's halved convention (equilibrium 0.693 under the
    default loss). mean_D_real, mean_D_fake: mean of D(x) and D(G(z)), sigmoids of D's output, as D
    saw them before its update. accuracy_D: share of real and fake examples that D told apart, in
    [0, 1]. examples_per_sec: real examples per second of play, without pictures and checkpoints.
    """

    FIELDS = (
        'loss_D', 'loss_G', 'mean_D_real', 'mean_D_fake', 'accuracy_D', 'examples_per_sec',
    )  # fmt: skip

    def __init__(self, seed=None):
        self.seed, self.stopped = seed, None
        self._rows = {field: [] for field in self.FIELDS}

    def __getattr__(self, name):
        if name in History.FIELDS:
            return numpy.array(self._rows[name])
        raise AttributeError(f'a History has no `{name}`; it has {", ".join(History.FIELDS)}')

    def __getitem__(self, name):
        return getattr(self, name)

    def __len__(self):
        return len(self._rows['loss_D'])

    def append(self, **values):
        """Add one epoch: one float per field."""
        for field in self.FIELDS:
            self._rows[field].append(float(values[field]))

    def to_dict(self):
        """Return lists of floats, `seed` and `stopped`: a dict that json can write."""
        return dict({f: list(self._rows[f]) for f in self.FIELDS}, seed=self.seed,
                    stopped=self.stopped)  # fmt: skip

    def from_dict(self, saved):
        """Take over what `to_dict` returned."""
        self.seed, self.stopped = saved['seed'], saved['stopped']
        self._rows = {field: list(saved[field]) for field in self.FIELDS}


class Game:
    """The state of a training, handed to every callback.

    net_D, net_G, trainer_D, trainer_G, objective, data_iter, data, num_epochs, latent_dim, seed,
    device: as given to `train`. epoch: how many are complete. history: a `History`.
    fixed_Z: noise of shape (100, latent_dim), the same in every epoch, so that pictures compare.
    hyperparameters: what the result depends on, as a dict that json can write.
    """

    def __init__(self, **state):
        self.__dict__.update(state)
        self.epoch, self.steps, self.history = 0, 0, History(self.seed)
        self.history.averaged = self.averaged
        self._averages = None
        for trainer in (self.trainer_D, self.trainer_G):
            optimizer, updater = trainer._optimizer, trainer._updaters[0]
            for i, parameter in enumerate(trainer._params):
                # Made now rather than in the first step, so that a checkpoint finds them.
                if parameter.grad_req != 'null' and i not in updater.states:
                    state = optimizer.create_state_multi_precision(i, parameter.data())
                    updater.states[i], updater.states_synced[i] = state, True

    def stop(self, reason):
        """Ask that training ends after this epoch; the reason is kept in `history.stopped`."""
        self.history.stopped = str(reason)

    def generate(self, Z=None):
        """Return net_G(Z), (batch, ...), with averaged weights if there are; Z: `fixed_Z`."""
        with self.averaged():
            return self.net_G(self.fixed_Z if Z is None else Z.as_in_ctx(self.device))

    @contextlib.contextmanager
    def averaged(self):
        """Let net_G hold the running average of its weights inside a `with` block."""
        weights = [] if self._averages is None else self.players.weights_G
        own = [weight.copy() for weight in weights]
        for weight, average in zip(weights, self._averages or []):
            weight[:] = average
        try:
            yield self.net_G
        finally:
            for weight, value in zip(weights, own):
                weight[:] = value

    def update_average(self, decay):
        """Move the running average towards G's weights: fast at first, then at rate 1 - decay."""
        if self._averages is None:
            self._averages = [weight.copy() for weight in self.players.weights_G]
        rate = 1 - min(decay, (1 + self.steps) / (10 + self.steps))
        for average, weight in zip(self._averages, self.players.weights_G):
            # average += rate * (weight - average), as one call: weight decay of an SGD step.
            average = average.as_nd_ndarray()
            nd.sgd_update(
                average, weight.as_nd_ndarray(), lr=rate, wd=1, rescale_grad=-1, out=average
            )

    def arrays(self):
        """Return {name: live array} of all that training changes; restore by `array[:] = value`."""
        found = {}
        for player, net, trainer in (
            ('D', self.net_D, self.trainer_D),
            ('G', self.net_G, self.trainer_G),
        ):
            names = {id(p): name for name, p in net._collect_params_with_prefix().items()}
            for i, parameter in enumerate(trainer._params):
                name = f'{player}/{names[id(parameter)]}'
                found[name] = parameter.data()
                moments = trainer._updaters[0].states.get(i, ())
                for kind, moment in zip(('mean', 'variance'), moments):
                    found[f'{name}/{kind}'] = moment
        for i, average in enumerate(self._averages or []):
            found[f'average/{i}'] = average
        return found

    def counters(self):
        """Return the numbers of steps and updates so far, as a dict that json can write."""
        return {
            'steps': self.steps,
            'D': self.trainer_D._optimizer.num_update,
            'G': self.trainer_G._optimizer.num_update,
        }

    def set_counters(self, saved):
        """Take over what `counters` returned."""
        self.steps = saved['steps']
        for player, trainer in (('D', self.trainer_D), ('G', self.trainer_G)):
            optimizer, count = trainer._optimizer, saved[player]
            optimizer.num_update = count
            if count:
                for i in trainer._updaters[0].states:
                    optimizer._index_update_count[i] = count


class Result(NamedTuple):
    """What a chapter's `run` returns: networks, `History`, and the content of scores.json."""

    net_D: gluon.Block
    net_G: gluon.Block
    history: History
    scores: dict

"""The alternating game: update the discriminator, update the generator, again and again.

`update_D`, `update_G` and `train` have the signatures of section 20.1 of *Dive into Deep Learning*.
Losses are reported in the book's convention: the discriminator's is the *half* sum of its real and
its fake part, so both players stand at ln 2 = 0.693 when neither can win.
"""

import contextlib
import math
import time

from d2l_gan import devices, losses, static
from d2l_gan.game import NUM_FIXED, PRIORS, Game, Noise, seeded

import numpy
from mxnet import MXNetError, autograd, gluon, init, np, npx

npx.set_np()


def update_D(X, Z, net_D, net_G, loss, trainer_D):
    """Update the discriminator once and return its summed loss as a float.

    X: real examples, (batch, ...); Z: noise, (batch, latent_dim); `loss(logit, label)` gives one
    value per example. Only the parameters of `trainer_D` move. Source: d2l.ai, section 20.1.
    """
    return float(_update_D(X, Z, net_D, net_G, loss, trainer_D)[0].sum())


def update_G(Z, net_D, net_G, loss, trainer_G):
    """Update the generator once and return its summed loss as a float.

    Z: noise, (batch, latent_dim). Only the parameters of `trainer_G` move. Source: d2l.ai, 20.1.
    """
    return float(_update_G(Z, net_D, net_G, loss, trainer_G)[0].sum())


def _update_D(X, Z, net_D, net_G, loss, trainer_D, fake_X=None):
    batch_size = X.shape[0]
    ones = np.ones((batch_size,), ctx=X.ctx)
    zeros = np.zeros((batch_size,), ctx=X.ctx)
    with autograd.record():
        real_Y = net_D(X)
        if fake_X is None:
            fake_X = net_G(Z)
        # Detached: the generator is a given here, no gradient flows back into it.
        fake_Y = net_D(fake_X.detach())
        loss_D = (loss(real_Y, ones) + loss(fake_Y, zeros)) / 2
    loss_D.backward()
    trainer_D.step(batch_size)
    return loss_D, real_Y, fake_Y


def _update_G(Z, net_D, net_G, loss, trainer_G):
    batch_size = Z.shape[0]
    ones = np.ones((batch_size,), ctx=Z.ctx)
    with autograd.record():
        fake_X = net_G(Z)
        # Judged afresh: the discriminator has just moved, so its old verdict is stale.
        fake_Y = net_D(fake_X)
        loss_G = loss(fake_Y, ones)
    loss_G.backward()
    trainer_G.step(batch_size)
    return loss_G, fake_X


class Textbook:
    """Play steps with the textbook's two updates; the static graph has the same two methods."""

    def __init__(self, net_D, net_G, trainer_D, trainer_G, objective, first):
        self.net_D, self.net_G = net_D, net_G
        self.trainer_D, self.trainer_G = trainer_D, trainer_G
        self.objective, self.first = objective, first
        self.weights_G = [p.data() for p in trainer_G._params]
        self._steps = []

    def step(self, X, Z):
        """Update both players once; X: (batch, ...), Z: (batch, latent_dim), on the device."""
        nets, (_, loss_D, loss_G, clip, _) = (self.net_D, self.net_G), self.objective
        fake_X = None
        if self.first == 'G':
            step_G, fake_X = _update_G(Z, *nets, loss_G, self.trainer_G)
        step_D = _update_D(X, Z, *nets, loss_D, self.trainer_D, fake_X)
        if clip is not None:
            for parameter in self.trainer_D._params:
                if parameter.grad_req != 'null':
                    parameter.data()[:] = np.clip(parameter.data(), -clip, clip)
        if self.first == 'D':
            step_G, _ = _update_G(Z, *nets, loss_G, self.trainer_G)
        self._steps.append((step_D[0], step_G, step_D[1], step_D[2]))

    def read(self):
        """Return, and forget, the steps since the last call: per step (loss_D, loss_G, logits of
        the real batch, logits of the fake batch), NumPy arrays of `batch` values each."""
        steps, self._steps = self._steps, []
        return [tuple(a.asnumpy().reshape(-1) for a in step) for step in steps]


def train(
    net_D, net_G, data_iter, num_epochs, lr_D, lr_G, latent_dim, data, *,
    objective='bce', prior='normal', beta1=0.9, beta2=0.999, decay=None, average=None,
    initializer=init.Normal(0.02), first='D', seed=None, device=None, static='auto',  # noqa: B008
    callbacks=None,
):  # fmt: skip
    """Play the game for `num_epochs` passes over `data_iter` and return its `History`.

    The eight positional arguments are the textbook's: networks (any Gluon blocks; D gives one logit
    per example), an iterable of batches X, or `(X,)`, that starts anew at each pass, learning rates
    of Adam, the width of the noise, and `data`, (n, ...), the real examples to draw beside them.

    objective: a name from `losses.NAMES`, a loss, a pair (loss for D, loss for G), or an
    `Objective`. prior: 'normal', 'uniform' on (-1, 1), or a callable (shape, device) -> array.
    beta1, beta2: Adam's, in [0, 1). decay: 'linear' lets both rates fall to 0 over the epochs.
    average: in (0, 1), keep a running average of G's weights (see `Game.averaged`).
    initializer: for both networks; None keeps the weights they have. first: who moves first; with
    'G', D then judges the same fakes. seed: an int >= 0; None draws one from MXNet's generator.
    device: see `devices.device`. static: True, False or 'auto', compile where possible.
    callbacks: callables that are handed the `Game` after each epoch; they may have `begin(game)`,
    called from last to first, and `end(game)`. None stands for the textbook's live figure, [] for
    silence.

    Raises ValueError or TypeError before any work for an argument that cannot be right, and
    FloatingPointError if a loss becomes NaN or infinite. Source: d2l.ai, section 20.1.
    """
    npx.set_np()  # it is thread-local: this may be another thread than the import's
    _check(num_epochs, lr_D, lr_G, latent_dim, beta1, beta2, decay, average, first, seed, static)
    if not callable(PRIORS.get(prior, prior) if isinstance(prior, str) else prior):
        raise ValueError(f'`prior` is {prior!r}; it must be a callable or one of {list(PRIORS)}')
    _check_examples('data', data)
    device, objective = devices.device(device), losses.objective(objective)
    X = _first_batch(data_iter)
    if seed is None:
        seed = int(np.random.randint(0, 2**31 - 1))
    if callbacks is None:
        from d2l_gan import plots  # here, since a silent training needs no matplotlib

        callbacks = [plots.LiveFigure()]

    noise = Noise(prior, latent_dim, device)
    with seeded(seed, 0):
        _initialize(net_D, net_G, initializer, device, X, noise)
    with seeded(seed, 0):  # again, since shapes that were unknown until now have drawn numbers
        for net in (net_D, net_G):
            if initializer is not None:
                net.initialize(init=initializer, force_reinit=True, ctx=device)
        fixed_Z = noise(NUM_FIXED).copy()
    adam = {'beta1': beta1, 'beta2': beta2}
    trainer_D, trainer_G = (
        gluon.Trainer(list(net.collect_params().values()), 'adam', dict(adam, learning_rate=rate))
        for net, rate in ((net_D, lr_D), (net_G, lr_G))
    )
    game = Game(
        net_D=net_D, net_G=net_G, trainer_D=trainer_D, trainer_G=trainer_G, objective=objective,
        data_iter=data_iter, data=data, num_epochs=num_epochs, latent_dim=latent_dim, seed=seed,
        device=device, fixed_Z=fixed_Z,
        hyperparameters=dict(
            adam, lr_D=lr_D, lr_G=lr_G, latent_dim=latent_dim, objective=objective.name,
            prior=prior if isinstance(prior, str) else getattr(prior, '__name__', repr(prior)),
            decay=decay, average=average, first=first, seed=seed, batch=list(X.shape),
            num_epochs=num_epochs,
            label_smoothing=getattr(objective.loss_D, 'label_smoothing', 0),
        ),
    )  # fmt: skip
    game.players = _players(game, first, static, X)
    game.hyperparameters['static'] = not isinstance(game.players, Textbook)
    if average is not None:
        game.update_average(average)
    with contextlib.ExitStack() as stack:
        for callback in reversed(callbacks):  # a checkpoint is last and restores the game first
            getattr(callback, 'begin', lambda game: None)(game)
            stack.callback(getattr(callback, 'end', lambda game: None), game)
        while game.epoch < num_epochs and game.history.stopped is None:
            rate = 1 - game.epoch / num_epochs if decay == 'linear' else 1
            trainer_D.set_learning_rate(lr_D * rate)
            trainer_G.set_learning_rate(lr_G * rate)
            with seeded(seed, game.epoch + 1):
                noise.forget()
                game.history.append(**_play_epoch(game, noise, average))
            game.epoch += 1
            for callback in callbacks:
                callback(game)
    return game.history


def _play_epoch(game, noise, average):
    """Play one pass over the batches; return the epoch's entry of the history."""
    start = time.perf_counter()
    for X in game.data_iter:
        X = _examples(X).as_in_ctx(game.device)
        game.players.step(X, noise(X.shape[0]))
        game.steps += 1
        if average is not None:
            game.update_average(average)
    steps = game.players.read()
    seconds = time.perf_counter() - start
    for i, losses_of_step in enumerate(steps, 1):
        for player, loss in zip('DG', losses_of_step):
            if not numpy.isfinite(loss).all():
                raise FloatingPointError(
                    f'loss_{player} became {loss[~numpy.isfinite(loss)][0]} in epoch '
                    f'{game.epoch + 1}, step {i}; a smaller `lr_{player}` than '
                    f'{game.hyperparameters["lr_" + player]} may keep it finite'
                )
    if not steps:
        raise ValueError(f'`data_iter` gave no batch in epoch {game.epoch + 1}; it must start anew')
    boundary = game.objective.boundary
    loss_D, loss_G, real_Y, fake_Y = (numpy.concatenate(a).astype('float64') for a in zip(*steps))
    return {
        'loss_D': loss_D.mean(),
        'loss_G': loss_G.mean(),
        'mean_D_real': _sigmoid(real_Y).mean(),
        'mean_D_fake': _sigmoid(fake_Y).mean(),
        'accuracy_D': ((real_Y > boundary).mean() + (fake_Y <= boundary).mean()) / 2,
        'examples_per_sec': len(real_Y) / seconds,
    }


def _sigmoid(logit):
    return (1 + numpy.tanh(logit / 2)) / 2


def _players(game, first, mode, X):
    players = (game.net_D, game.net_G, game.trainer_D, game.trainer_G, game.objective, first)
    if mode is False:
        return Textbook(*players)
    try:
        return static.compile(*players, game.device, X, game.fixed_Z)
    except static.NotStatic as reason:
        if mode is True:
            raise ValueError(f'`static` is True, but {reason}') from reason
        return Textbook(*players)


def _initialize(net_D, net_G, initializer, device, X, noise):
    """Let both networks meet once, so that shapes fail here and not later; then initialise them."""
    for net in (net_D, net_G):
        parameters = net.collect_params()
        if all(p._data is not None for p in parameters.values()):
            # Their weights still stand: a wrong call must not cost a trained network.
            parameters.reset_ctx(device)
        elif initializer is not None:
            net.initialize(init=initializer, force_reinit=True, ctx=device)
    _meet(net_D, net_G, X.as_in_ctx(device), noise)
    noise.forget()


def _meet(net_D, net_G, X, noise):
    Z = noise(2)
    fake_X = _forward(net_G, Z, f'`latent_dim` is {Z.shape[1]}; `net_G` must take noise that wide')
    if fake_X.shape[1:] != X.shape[1:]:
        raise ValueError(
            f'`net_G` makes examples of shape {fake_X.shape[1:]}; they must have the shape of the '
            f'examples in `data_iter`, {X.shape[1:]}'
        )
    rule = f'`net_D` must take the batches of `data_iter`, whose shape is {X.shape}'
    real_Y = _forward(net_D, X, rule)
    if real_Y.size != X.shape[0]:
        raise ValueError(
            f'`net_D` gives shape {real_Y.shape} for {X.shape[0]} examples; it must give one logit '
            'for each'
        )


def _forward(net, X, rule):
    try:
        Y = net(X)
        Y.wait_to_read()
    except (MXNetError, AssertionError, RuntimeError, ValueError) as error:
        widths = [p.shape for p in net.collect_params().values() if p.shape]
        raise ValueError(
            f'{rule}, but its first weight has shape {widths[0] if widths else "unknown"}'
        ) from error
    return Y


def _check(num_epochs, lr_D, lr_G, latent_dim, beta1, beta2, decay, average, first, seed, static):
    def whole(value, least):
        integer = isinstance(value, (int, numpy.integer)) and not isinstance(value, bool)
        return integer and value >= least

    def number(value, rule):
        real = isinstance(value, (int, float, numpy.number)) and not isinstance(value, bool)
        return real and math.isfinite(value) and rule(value)

    for name, value, fine, rule in (
        ('num_epochs', num_epochs, whole(num_epochs, 1), 'an integer >= 1'),
        ('latent_dim', latent_dim, whole(latent_dim, 1), 'an integer >= 1'),
        ('lr_D', lr_D, number(lr_D, lambda x: x > 0), 'finite and > 0'),
        ('lr_G', lr_G, number(lr_G, lambda x: x > 0), 'finite and > 0'),
        ('beta1', beta1, number(beta1, lambda x: 0 <= x < 1), 'in [0, 1)'),
        ('beta2', beta2, number(beta2, lambda x: 0 <= x < 1), 'in [0, 1)'),
        ('decay', decay, decay in (None, 'linear'), "None or 'linear'"),
        ('average', average, average is None or number(average, lambda x: 0 < x < 1), 'in (0, 1)'),
        ('first', first, first in ('D', 'G'), "'D' or 'G'"),
        ('seed', seed, seed is None or whole(seed, 0), 'an integer >= 0 or None'),
        ('static', static, static in (True, False, 'auto'), "True, False or 'auto'"),
    ):
        if not fine:
            raise ValueError(f'`{name}` is {value!r}; it must be {rule}')


def _check_examples(name, X):
    shape = getattr(X, 'shape', ())
    if len(shape) < 2:
        raise ValueError(f'`{name}` has shape {shape}; it must be an array (examples, features...)')
    if shape[0] < 1:
        raise ValueError(f'`{name}` has shape {shape}; it must have at least one row')
    values = X.asnumpy() if hasattr(X, 'asnumpy') else numpy.asarray(X)
    if not numpy.isfinite(values).all():
        bad = numpy.argwhere(~numpy.isfinite(values))[0]
        raise ValueError(
            f'`{name}` is {values[tuple(bad)]} at {tuple(map(int, bad))}; it must be finite'
        )


def _examples(batch):
    """Return X of a batch, which is `(X,)` as in the textbook or X itself."""
    X = batch[0] if isinstance(batch, (list, tuple)) else batch
    return X if isinstance(X, np.ndarray) else np.array(X)


def _first_batch(data_iter):
    state = numpy.random.get_state()
    try:
        batches = iter(data_iter)
        if batches is data_iter:
            raise ValueError(
                f'`data_iter` is a {type(data_iter).__name__}, exhausted after one pass; it must '
                'start anew in each epoch, as what `d2l.load_array` returns does'
            )
        for batch in batches:
            X = _examples(batch)
            _check_examples('data_iter', X)
            return X
    except TypeError as error:
        raise TypeError(
            f'`data_iter` is a {type(data_iter).__name__}; it must be an iterable of batches'
        ) from error
    finally:
        numpy.random.set_state(state)
    raise ValueError('`data_iter` is empty; it must give at least one batch')

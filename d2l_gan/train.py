"""The alternating game: update the discriminator, update the generator, again and again.

`update_D`, `update_G` and `train` have the signatures of section 20.1 of *Dive into Deep Learning*.
Losses are reported in the book's convention: the discriminator's is the *half* sum of its real and
its fake part, so both players stand at ln 2 = 0.693 when neither can win.
"""

import contextlib
import time

from d2l_gan import check, cluster, engines, losses, start
from d2l_gan.devices import where
from d2l_gan.engines import adapter
from d2l_gan.game import Game
from d2l_gan.many import train_many  # noqa: F401 - the same game from many seeds
from d2l_gan.noise import seeded

from mxnet import autograd, init, np, npx

npx.set_np()


def update_D(X, Z, net_D, net_G, loss, trainer_D):
    """Update the discriminator once and return its loss, summed over the batch, as a float.

    Only the parameters of `trainer_D` move. Source: d2l.ai, section 20.1.

    Args:
        X: real examples, (batch, ...).
        Z: noise, (batch, latent_dim).
        loss: callable, (logit, label) -> one value per example.
    """
    batch_size = X.shape[0]
    ones = np.ones((batch_size,), ctx=X.ctx)
    zeros = np.zeros((batch_size,), ctx=X.ctx)
    with autograd.record():
        real_Y = net_D(X)
        fake_X = net_G(Z)
        # Detached: the generator is a given here, no gradient flows back into it.
        fake_Y = net_D(fake_X.detach())
        loss_D = (loss(real_Y, ones) + loss(fake_Y, zeros)) / 2
    loss_D.backward()
    trainer_D.step(batch_size)
    return float(loss_D.sum())


def update_G(Z, net_D, net_G, loss, trainer_G):
    """Update the generator once and return its loss, summed over the batch, as a float.

    Only the parameters of `trainer_G` move. Source: d2l.ai, section 20.1.

    Args:
        Z: noise, (batch, latent_dim).
        loss: callable, (logit, label) -> one value per example.
    """
    batch_size = Z.shape[0]
    ones = np.ones((batch_size,), ctx=Z.ctx)
    with autograd.record():
        fake_X = net_G(Z)
        # Judged afresh: the discriminator has just moved, so its old verdict is stale.
        fake_Y = net_D(fake_X)
        loss_G = loss(fake_Y, ones)
    loss_G.backward()
    trainer_G.step(batch_size)
    return float(loss_G.sum())


def train(
    net_D, net_G, data_iter, num_epochs, lr_D, lr_G, latent_dim, data, *,
    objective='bce', prior='normal', beta1=0.9, beta2=0.999, decay=False, average=None,
    initializer=init.Normal(0.02), first='D', seed=None, device=None, devices=None,  # noqa: B008
    engine='auto', penalty=None, penalty_weight=1.0, unroll=0, callbacks=None,
):  # fmt: skip
    """Play the game for `num_epochs` passes over `data_iter` and return its `History`.

    The eight positional arguments are the textbook's. Source: d2l.ai, section 20.1.

    Args:
        net_D: any Gluon block that gives one logit per example: (batch,), (batch, 1) or
            (batch, 1, 1, 1). With an attribute `pack` it is handed so many examples at once, side
            by side in their first axis, and gives one logit for them all.
        net_G: any Gluon block that makes examples of noise.
        data_iter: iterable of batches X, (X,) or (X, condition), (batch, ...), that starts anew in
            each epoch. Networks that take two inputs are handed the condition as the second.
        num_epochs: passes over `data_iter`.
        lr_D: learning rate of the discriminator's Adam.
        lr_G: learning rate of the generator's Adam.
        latent_dim: width of the noise, or its shape, such as (100, 1, 1).
        data: real examples to draw beside generated ones, (n, ...).
        objective: a name in `losses.OBJECTIVES`, a loss, a pair (loss for D, loss for G), or an
            `Objective`.
        prior: 'normal', 'uniform' on (-1, 1), or a callable (shape, device) -> array.
        beta1: how long Adam remembers gradients, in [0, 1).
        beta2: how long Adam remembers their squares, in [0, 1).
        decay: let both rates fall to 0, linearly over the epochs.
        average: in (0, 1), keep a running average of G's weights (see `Game.averaged`).
        initializer: for both networks; None keeps the weights that they have.
        first: who moves first, 'D' or 'G'; with 'G', D then judges the same fakes.
        seed: an int >= 0; None draws one from MXNet's generator.
        device: see `devices.device`.
        devices: several that share each batch: how many, or their names, ['gpu(0)', 'gpu(1)']. They
            are JAX's, and give what one gives, within rounding; or MXNet's, with the engine
            'textbook', where BatchNorm knows its own shard alone (section 13.6).
        engine: 'textbook', 'symbol' (compiled), 'xla' (compiled by JAX, which the extra `xla`
            installs), or 'auto', which compiles what it can: long games with JAX, where it is
            installed (see `engines.choose`).
        penalty: on the slope of D: 'r1', 'r2' (at real, at fake examples), 'r1+r2', 'zero' (between
            them), or 'gradient' (between them, towards 1). The engine 'xla' has its gradient from
            second derivatives, 'symbol' from differences of first ones (`engines.slopes`).
        penalty_weight: of the penalty beside the real and the fake part of D's loss: the papers'
            gamma of r1 and r2, lambda of gradient.
        unroll: how many steps of D, on the same batch, G looks ahead, for the engine 'xla'.
        callbacks: list of callables that are handed the `Game` after each epoch; they may have
            `begin(game)`, called from last to first, and `end(game)`. None stands for the
            textbook's live figure, [] for silence.

    Raises:
        ValueError, TypeError: before any work, for an argument that cannot be right.
        FloatingPointError: if a loss becomes NaN or infinite.
    """
    npx.set_np()  # it is thread-local: this may be another thread than the import's
    check.whole('num_epochs', num_epochs)
    for width in latent_dim if isinstance(latent_dim, tuple) and latent_dim else (latent_dim,):
        check.whole('latent_dim', width)
    rates, adam = {'D': lr_D, 'G': lr_G}, {'beta1': beta1, 'beta2': beta2}
    for player, rate in rates.items():
        check.number(f'lr_{player}', rate, '(0, inf)')
    for name, memory in adam.items():
        check.number(name, memory, '[0, 1)')
    check.choice('decay', decay, (False, True))
    if average is not None:
        check.number('average', average, '(0, 1)')
    check.choice('first', first, ('D', 'G'))
    if seed is None:
        seed = int(np.random.randint(0, 2**31 - 1))
    check.whole('seed', seed, least=0)
    check.choice('engine', engine, ('auto', *engines.ENGINES))
    check.choice('penalty', penalty, (None, 'r1', 'r2', 'r1+r2', 'zero', 'gradient'))
    check.number('penalty_weight', penalty_weight, '(0, inf)')
    check.whole('unroll', unroll, least=0)
    check.rows('data', data, least=2)
    place, objective = where(device, devices, engine), losses.objective(objective)
    device = place.contexts[0]
    if callbacks is None:
        from d2l_gan.callbacks import Figure, Progress  # a silent run needs no matplotlib

        callbacks = [Progress(), Figure()]
    if not isinstance(callbacks, (list, tuple)) or not all(map(callable, callbacks)):
        check.fail('callbacks', callbacks, 'a list of callables, each handed the game')

    sample, noise, fixed_Z, fixed_condition = start.prepare(
        net_D, net_G, data_iter, latent_dim, prior, initializer, seed, device
    )
    place.share(len(sample[0]))
    start.tell_sigmoid(net_D, objective)
    nets = net_D, net_G
    with adapter.spread(nets, place.contexts):
        trainers = [adapter.adam(net, rate, **adam) for net, rate in zip(nets, rates.values())]
        game = Game(
            engines.choose(
                engine, *nets, *trainers, objective, first, device, sample,
                penalty=penalty and (penalty, penalty_weight), unroll=unroll, **place.given(),
                steps=num_epochs * len(data_iter) if hasattr(data_iter, '__len__') else None,
            ),
            data_iter, data, num_epochs, seed, rates, noise, fixed_Z, fixed_condition,
            hyperparameters=dict(
                adam, lr_D=lr_D, lr_G=lr_G, latent_dim=latent_dim, objective=objective.name,
                prior=prior if isinstance(prior, str) else getattr(prior, '__name__', repr(prior)),
                decay=decay, average=average, first=first, seed=seed, batch=list(sample[0].shape),
                num_epochs=num_epochs, devices=place.count,
                label_smoothing=getattr(objective.loss_D, 'label_smoothing', 0),
                **({'penalty': penalty, 'penalty_weight': penalty_weight} if penalty else {}),
                **({'unroll': unroll} if unroll else {}),
            ),
        )  # fmt: skip
        if average is not None:
            game.engine.start_averages(average)
        return play(game, callbacks)


def play(game, callbacks):
    """Play a game, of whatever players, to its end; return its `History`.

    Args:
        game: a `Game`, whose engine knows how a step is made.
        callbacks: as for `train`.
    """
    history, team = game.history, cluster.team()
    with contextlib.ExitStack() as stack:
        if team:
            stack.enter_context(team.playing())
            from d2l_gan.checkpoint import facts  # alone, nobody asks

            team.same(facts(game))
            callbacks = [] if team.rank else callbacks
        for callback in reversed(callbacks):  # a checkpoint is last and restores the game first
            getattr(callback, 'begin', lambda game: None)(game)
            stack.callback(getattr(callback, 'end', lambda game: None), game)
        if team:
            team.share(game, first=True)
        while game.epoch < game.num_epochs and history.stopped is None:
            decay = game.hyperparameters.get('decay')
            share = 1 - game.epoch / game.num_epochs if decay else 1
            for player, (_, trainer) in game.engine.players.items():
                trainer.set_learning_rate(game.rates[player] * share)
            game.engine.wait()  # for what callbacks have begun, before others' work is in the way
            with seeded(game.seed, game.epoch + 1):
                history.append(**play_epoch(game))
            game.epoch += 1
            for callback in callbacks:
                callback(game)
            if team:
                team.share(game)
    history.average = {n: a.asnumpy().copy() for n, a in game.engine.averages.items()}
    return history


def play_epoch(game):
    """Play one pass over the batches; return the epoch's entry of the history."""
    if game.noise is not None:
        game.noise.forget()
    start_time = time.perf_counter()
    examples = game.engine.play(start.Feed(game), game.noise or (lambda batch_size: None))
    if not examples:
        raise ValueError(f'`data_iter` gave no batch in epoch {game.epoch + 1}; it must start anew')
    try:
        columns = game.engine.read()
    except engines.NotFinite as error:
        raise start.blame(game, error) from error
    return dict(columns, examples_per_sec=examples / (time.perf_counter() - start_time))

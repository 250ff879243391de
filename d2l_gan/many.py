"""The same game from many seeds at once, side by side in one program of XLA."""

import time
from types import SimpleNamespace
from typing import NamedTuple

from d2l_gan import check, devices, engines, losses, start
from d2l_gan.engines import adapter
from d2l_gan.game import History
from d2l_gan.noise import seeded

import numpy
from mxnet import init, npx


class Run(NamedTuple):
    """What became of one seed: its `History` and {'D': weights, 'G': weights}, each {name: array}.

    `adapter.swapped(net_G, run.weights['G'])` lets a network hold them inside a `with` block.
    """

    history: History
    weights: dict


def train_many(
    net_D, net_G, data_iter, num_epochs, lr_D, lr_G, latent_dim, data=None, *, seeds,
    objective='bce', prior='normal', beta1=0.9, beta2=0.999, decay=False, average=None,
    initializer=init.Normal(0.02), first='D', penalty=None, penalty_weight=1.0, unroll=0,  # noqa: B008
    device='cpu',
):  # fmt: skip
    """Play the game of `train.train` once for each seed, and return a list of `Run`s.

    Each seed has the weights, batches and noise that it would have alone, and its numbers are those
    of the engine 'xla' within rounding. It is for small games: an epoch's batches and noise of all
    seeds lie in memory at once. The networks are left with the last seed's weights.

    Args:
        seeds: iterable of ints >= 0.
        data_iter: as for `train.train`, or a function that returns it for a seed, if each has
            examples of its own, of the same shapes.
        device: 'cpu', or 'gpu' or 'gpu(1)' for one of JAX's.
        net_D, net_G, ...: all others as for `train.train`; `data` is not looked at.

    Raises:
        ValueError: for an argument that cannot be right, or a game that XLA cannot play.
        RuntimeError: for a GPU that is not there.
        FloatingPointError: if a seed's loss becomes NaN or infinite; it names the seed.
    """
    npx.set_np()
    seeds = [check.whole('seeds', seed, least=0) for seed in seeds]
    if not seeds:
        check.fail('seeds', seeds, 'at least one int >= 0')
    check.whole('num_epochs', num_epochs)
    sources = [data_iter(seed) if callable(data_iter) else data_iter for seed in seeds]
    gpu, objective = devices.of_jax(device, 'xla'), losses.objective(objective)
    device = devices.device('cpu' if gpu else device)
    sample, noise, _, fixed_condition = start.prepare(
        net_D, net_G, sources[0], latent_dim, prior, initializer, seeds[0], device
    )
    rates = {'D': lr_D, 'G': lr_G}
    trainers = [adapter.adam(net, rate, beta1, beta2) for net, rate in
                zip((net_D, net_G), rates.values())]  # fmt: skip
    engine = engines.choose(
        'xla', net_D, net_G, *trainers, objective, first, device, sample,
        penalty=penalty and (penalty, penalty_weight), unroll=unroll,
        jax_devices=[gpu] if gpu else [],
    )  # fmt: skip
    states = []
    for seed in seeds:
        with seeded(seed, 0):
            for name, net in (('net_D', net_D), ('net_G', net_G)):
                if initializer is not None:
                    start.draw(name, net, initializer, device)
        if average is not None:
            engine.start_averages(average)
        start.settle()
        states.append(engine.gathered())
    engine.flat = numpy.stack(states)

    same = dict(device=device, fixed_condition=fixed_condition, watchers=())
    feeds = [start.Feed(SimpleNamespace(data_iter=s, **same)) for s in sources]
    histories = [History(seed) for seed in seeds]
    for epoch in range(num_epochs):
        for player, trainer in zip('DG', trainers):
            trainer.set_learning_rate(rates[player] * (1 - epoch / num_epochs if decay else 1))
        began = time.perf_counter()
        examples = _play_epoch(engine, feeds, noise, seeds, epoch)
        played, engine.played = engine.played, []
        for i, history in enumerate(histories):
            try:
                columns = engine.means([(sums[:, i], n) for sums, n in played])
            except engines.NotFinite as error:
                raise FloatingPointError(
                    f'{error} of epoch {epoch + 1}, seed {seeds[i]}'
                ) from error
            seconds = time.perf_counter() - began
            history.append(**columns, examples_per_sec=len(seeds) * examples / seconds)
    return [_run(engine, history, state) for history, state in zip(histories, engine.flat)]


def _play_epoch(engine, feeds, noise, seeds, epoch):
    """Play an epoch of all seeds; return how many examples each had."""
    epochs, examples = [], 0
    for seed, feed in zip(seeds, feeds):
        with seeded(seed, epoch + 1):
            noise.forget()
            epochs.append(list(engine.pools(feed, noise)))
    for pool in zip(*epochs):
        X, Z, condition = (
            None if parts[0] is None else numpy.stack(parts, axis=1)
            for parts in list(zip(*pool))[:3]
        )
        keys = [key for *_, key in pool]
        engine.pool(X, Z, condition, None if keys[0] is None else numpy.stack(keys))
        examples += len(X) * X.shape[2]
    return examples


def _run(engine, history, state):
    """Return the `Run` of a state, which the networks then hold."""
    engine.scatter(numpy.asarray(state))
    history.average = {name: a.asnumpy().copy() for name, a in engine.averages.items()}
    weights = {
        player: {name: p.data().asnumpy().copy() for name, p in adapter.named(net, trainer).items()}
        for player, (net, trainer) in engine.players.items()
    }
    return Run(history, weights)

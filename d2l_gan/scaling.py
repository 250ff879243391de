"""How a shared game scales: steps and sums, timed on this machine, and figures of them."""

import json
import os
import time

from d2l_gan import plots
from d2l_gan.processes import free_port, together

import numpy


def timed():
    """Time a game and sums, over all processes or 1, 2 and 4 devices of this one, print them."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    rank, count, rounds = (int(os.environ[name]) for name in ('RANK', 'COUNT', 'ROUNDS'))
    if count > 1:
        jax.config.update('jax_cpu_collectives_implementation', 'gloo')
        here = os.environ['ADDRESS']  # by default the first would listen to the whole network
        jax.distributed.initialize(here, count, rank, coordinator_bind_address=here)
    random = numpy.random.default_rng(0)
    draw = lambda *shape: random.standard_normal(shape, 'float32')
    net = lambda w, x: jnp.tanh(jnp.tanh(x @ w[0]) @ w[1]) @ w[2]
    D, G = ([draw(2, 256), draw(256, 256) / 16, draw(256, 2) / 16] for _ in 'DG')
    real, fake = (
        (lambda o: jax.nn.softplus(-o[:, 0]).mean()),
        (lambda o: jax.nn.softplus(o[:, 0]).mean()),
    )

    def step(D, G, X, Z):
        slope = jax.grad(lambda D: real(net(D, X)) + fake(net(D, net(G, Z))))(D)
        D = [w - 0.01 * g for w, g in zip(D, slope)]
        slope = jax.grad(lambda G: real(net(D, net(G, Z))))(G)
        return D, [w - 0.01 * g for w, g in zip(G, slope)]

    plays, times = {}, {}
    for n in (count,) if count > 1 else (1, 2, 4):
        mesh = Mesh(numpy.array(jax.devices()[:n]), ('device',))
        cut, whole = (NamedSharding(mesh, PartitionSpec(axis)) for axis in ('device', None))
        place = lambda a, how: jax.make_array_from_callback(a.shape, how, lambda index: a[index])
        players = [[place(w, whole) for w in player] for player in (D, G)]
        batch = [place(draw(512, 2), cut) for _ in 'XZ']
        plays['step', n] = jax.jit(step), (*players, *batch)
        for size in (64, 2**17, 2**19, 2**21) if count > 1 else ():
            add = jax.jit(lambda parts: parts.sum(axis=0), out_shardings=whole)
            plays['sum', 4 * size] = add, (place(numpy.ones((n, size), 'float32'), cut),)
    for _ in range(rounds + 1):  # by turns, since the machine has other things to do, too
        for what, (play, arguments) in plays.items():
            began = time.perf_counter()
            jax.block_until_ready(play(*arguments))
            times.setdefault(what, []).append(time.perf_counter() - began)
    for what, (_, *found) in times.items() if rank == 0 else ():  # the first has compiled
        print(json.dumps([*what, min(found)]))  # what others do can only add


def timings(rounds=15):
    """Return seconds, {'devices': {n: of a step}, 'processes': ..., 'sums': {n: {bytes: ...}}}."""
    found = {'devices': {}, 'processes': {}, 'sums': {2: {}, 4: {}}}
    flags = '--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count='
    for count in (1, 2, 4):
        same = {
            'COUNT': str(count), 'ROUNDS': str(rounds), 'ADDRESS': f'127.0.0.1:{free_port()}',
            'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags + ('4' if count == 1 else '1'),
        }  # fmt: skip
        roles = [{**same, 'RANK': str(rank)} for rank in range(count)]
        for kind, key, seconds in together(roles, timed, head='import numpy')[0]:
            steps = found['processes' if count > 1 else 'devices']
            (found['sums'][count] if kind == 'sum' else steps)[key] = seconds
    found['processes'][1] = found['devices'][1]
    return found


def show_sums(sums, formula):
    """Return a figure of the measured sums, {n: {bytes: seconds}}, and of formula(n, bytes)."""
    fig, sizes = plots.Picture(figsize=(5, 3.5)), numpy.logspace(2, 7, 99)
    axes = fig.add_subplot()
    for (n, found), color in zip(sums.items(), ('C0', 'C1')):
        axes.plot(sizes, 1e3 * formula(n, sizes), color, label=f'{n} processes, formula')
        measured = [1e3 * seconds for seconds in found.values()]
        axes.plot(list(found), measured, color + 'o', label=f'{n} processes, measured')
    axes.set(xscale='log', yscale='log', xlabel='bytes', ylabel='milliseconds a sum')
    axes.legend(fontsize=8)
    return fig


def show_paper(numbers, found, waiting, dots):
    """Return a figure of efficiency and speed-up over numbers of devices.

    Args:
        numbers: of devices.
        found: {title: {'weak': efficiencies, 'strong': speed-ups}}.
        waiting, dots: efficiencies, by formula and as simulated, where all wait for the slowest.
    """
    fig = plots.Picture(figsize=(9, 3.5))
    left, right = fig.subplots(1, 2)
    for title, curves in found.items():
        style = {'linestyle': '-' if 'pictures' in title else '--', 'label': title}
        left.plot(numbers, curves['weak'], **style)
        right.plot(numbers, curves['strong'], **style)
    left.plot(numbers, waiting, 'C0:', label='pictures, Ethernet, a tenth random')
    left.plot(numbers, dots, 'C0.', label='pictures, Ethernet, played out')
    left.set(title='each a whole batch', ylabel='efficiency', ylim=(0, 1.05))
    right.plot(numbers, numbers, 'k:', linewidth=0.7)
    right.set(title='one batch, shared', ylabel='times as fast', yscale='log', ylim=(0.05, 100))
    left.legend(fontsize=7)
    for axes in (left, right):
        axes.set(xscale='log', xlabel='devices')
        axes.set_xticks(numbers[::2], [f'{n:,}' for n in numbers[::2]])
    return fig

"""The proof on a machine with a GPU, in one command: `make gpu`.

On the GPU that JAX sees every chapter plays for a moment, steps are those of the CPU, and systems
are timed beside PyTorch and JAX by hand. `--rehearse` lets JAX's CPU answer for the GPU. The page
goes to build/bench/gpu.md, and says which of the two it was.
"""

import contextlib
import hashlib
import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata, util
from pathlib import Path

from d2l_gan import data, files, losses
from d2l_gan.callbacks import Checkpoint
from d2l_gan.engines import xla
from d2l_gan.many import train_many
from d2l_gan.train import train
from d2l_gan.xla import runtime, saved
from tests.benchmarks import __main__ as bench
from tests.benchmarks.ours import game
from tests.benchmarks.systems import SYSTEMS

import click
import mxnet as mx
import numpy
from mxnet import init, np

OUT = bench.OUT / 'gpu.md'
GPU = {'seed': 0, 'device': 'gpu'}  # for chapters that choose their engine
XLA = {**GPU, 'engine': 'xla'}
POINTS = {'film': False, 'num_epochs': 3, **XLA}
DIGITS = {'film': False, 'num_epochs': 2, 'data': 'digits', 'score': False}
# Every chapter, for a moment: {title: keywords of its run}.
RUNS = {
    'gaussian': POINTS,
    'gaussian, wasserstein': {**POINTS, 'objective': 'wasserstein'},
    'static_graph': {'seed': 0, 'num_epochs': 2, 'steps': 10, 'rounds': 1},  # MXNet's alone
    'xla': {**GPU, 'num_epochs': 2, 'steps': 10, 'rounds': 1},
    'mnist_vanilla': {**DIGITS, **XLA, 'num_examples': 500},
    'mnist_leaky': {**DIGITS, **XLA, 'num_examples': 550},
    'mnist_deep': {**DIGITS, **XLA, 'steps': 12},
    'dcgan': {**DIGITS, **XLA, 'num_examples': 500, 'width': 8},
    'conditional': {**DIGITS, **XLA, 'steps': 12, 'penalty': 'r1'},
    'conditional, convolutional': {**DIGITS, **XLA, 'steps': 12, 'conv': True},
    'mode_collapse': {**POINTS, 'steps': 20},
    'mode_collapse, unrolled': {**POINTS, 'steps': 20, 'remedy': 'unrolled'},
    'convergence': {**GPU, 'num_epochs': 2, 'steps': 20, 'num_seeds': 1},
    'autoencoder': {**DIGITS, 'seed': 0, 'num_examples': 500, 'codes': 10},  # MXNet's, too
    'sine': POINTS,
    'sine, waves': {**POINTS, 'data': 'waves', 'objective': 'hinge'},
    'parallel': {**GPU, 'num_epochs': 1, 'num_seeds': 2, 'rounds': 1},
}  # fmt: skip
# These rates move the weights; those of the timings hardly do.
RATES = {
    'gaussian': (0.05, 0.005), 'sine': (1e-4, 1e-4), 'mnist_leaky': (2e-3, 2e-3),
    'mnist_deep': (2e-4, 2e-4), 'dcgan_colour': (2e-4, 2e-4), 'dcgan_grey': (2e-4, 2e-4),
}  # fmt: skip
# In double precision nothing but rounding may part the steps of a GPU from those of the CPU. In
# single precision Adam divides gradients that are nothing but rounding by their own size.
STEPS, APART = 50, 1e-5
FAILED, OTHER, FAR = 'FAILED', 'OTHER BITS', 'ANOTHER GAME'
TORCH = 'eager', 'fused', 'compiled', 'graph'
FORMS = {
    'static': 'ours, compiled, on the CPU', 'xla': bench.FORMS['xla'],
    'free': 'ours, on XLA, bits as they come', 'jit': bench.FORMS['jit'],
    'scan': bench.FORMS['scan'], 'given': bench.FORMS['given'], 'eager': bench.FORMS['eager'],
    'fused': bench.FORMS['fused'], 'compiled': bench.FORMS['compiled'],
    'graph': "PyTorch, CUDA's graph",
}  # fmt: skip
ALONE = """
import sys
sys.modules['mxnet'] = None
from d2l_gan.xla import saved
import numpy
game = saved.load(sys.argv[1])
X = numpy.random.default_rng(0).uniform(-1, 1, (64, 2))
(before, _), *_, (after, _) = game.play(X, 50, 8)
place, = game.state['G']['weights'].popitem()[1].devices()
print(f'loss_D {before:.3f}, {after:.3f} after 50 epochs, on {place.device_kind}')
"""


def rehearse():
    """Let JAX's CPU answer for the GPU, in this process, and for fewer steps."""
    global STEPS
    STEPS, devices = 10, runtime.devices
    runtime.devices = lambda kind: devices('cpu')


def tried(what, function, *arguments):
    """Return what a function says, or how it failed: the rest is to be seen, too."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        return f'{what} {FAILED} ({type(error).__name__})'


def chapter(title):
    """Run a chapter for a moment; return its title and seconds."""
    run, start = importlib.import_module('chapters.' + title.split(',')[0]).run, time.perf_counter()
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        run(**RUNS[title], out=out)
    return f'{title} {time.perf_counter() - start:.1f}'


def played(system, dtype='float32', engine='xla', callbacks=()):
    """Play a system for `STEPS` steps; return {name: array} of its weights and losses."""
    s = SYSTEMS[system]
    net_D, net_G, shape, latent_dim = game(s)
    Z = np.zeros((2, *latent_dim) if 'picture' in s else (2, latent_dim))
    mx.random.seed(0)
    for net, x in ((net_G, Z), (net_D, np.zeros((2, *shape)))):
        net.initialize(init.Normal(0.02), force_reinit=True)
        net(x)  # MXNet draws float32 alone, and draws when it knows the shapes
        net.cast(dtype)
    num = STEPS // 5 * s['batch_size']
    X = numpy.random.default_rng(0).uniform(-1, 1, (num, *shape)).astype(dtype)
    history = train(
        net_D, net_G, data.Batches(X, s['batch_size']), 5, *RATES[system], latent_dim, X,
        objective=losses.objective(s['objective'], label_smoothing=s['smoothing']),
        prior=s['prior'], first=s['first'], seed=0, engine=engine,
        device='gpu' if engine == 'xla' else 'cpu', initializer=None, callbacks=list(callbacks),
    )  # fmt: skip
    weights = {
        f'{player} {name}': p.data().asnumpy()
        for player, net in (('D', net_D), ('G', net_G))
        for name, p in net._collect_params_with_prefix().items()
    }
    return {'loss_D': history.loss_D, 'loss_G': history.loss_G, **weights}


def apart(a, b):
    """Return the largest difference, relative to the largest number of the same array."""
    return numpy.max([abs(a[n] - b[n]).max() / max(abs(a[n]).max(), 1e-3) for n in a])


def digest(arrays):
    return hashlib.sha256(b''.join(numpy.ascontiguousarray(a) for a in arrays.values())).hexdigest()


def break_off(game):
    if game.epoch == 2:
        raise InterruptedError


def again(system, rehearsed, out, resume):
    """Return the digest of a game, and leave a half of it under `out`; or of the half gone on with.

    It is for a new process; what others have compiled and tuned is not to be found there.
    """
    if rehearsed:
        rehearse()
    with tempfile.TemporaryDirectory() as cache:
        os.environ['XDG_CACHE_HOME'] = cache
        if resume:
            return digest(played(system, callbacks=[Checkpoint(out, resume=True)]))
        with contextlib.suppress(InterruptedError):
            played(system, callbacks=[Checkpoint(out), break_off])
        return digest(played(system))


def elsewhere(function, *arguments):
    """Return what a function does in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
        return pool.submit(function, *arguments).result()


def alone(rehearsed):
    """Let a saved game play where MXNet is not; return what it says."""
    found = {}

    def keep(game):
        found['engine'] = game.engine

    with tempfile.TemporaryDirectory() as out:
        played('gaussian', callbacks=[keep])
        path = Path(out) / 'game'
        assert isinstance(found['engine'], xla.XLA)
        saved.save(path, found['engine'], {'D': 0.05, 'G': 0.005}, 2)
        environment = dict(os.environ, **({'JAX_PLATFORMS': 'cpu'} if rehearsed else {}))
        return subprocess.run(
            [sys.executable, '-c', ALONE, str(path)], cwd=bench.ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, check=True,
        ).stdout.strip()  # fmt: skip


def many(device, seeds=100):
    """Return the seconds that many Gaussians of 20 epochs take, once their program is compiled."""
    s, X = SYSTEMS['gaussian'], numpy.random.default_rng(0).normal(size=(1000, 2)).astype('float32')
    *_, run = train_many(
        *game(s)[:2], data.Batches(X, 8), 21, *RATES['gaussian'], 2, seeds=range(seeds),
        device=device, initializer=init.Normal(0.5),
    )  # fmt: skip
    return round(sum(seeds * len(X) / rate for rate in run.history.examples_per_sec[1:]), 2)


def torch():
    """Return an interpreter with PyTorch for CUDA: this one's, or that of an environment."""
    return sys.executable if util.find_spec('torch') else bench.pytorch(cuda=True)


def row(system, rehearsed):
    """Return a row of the table of so many steps."""
    found = {dtype: [played(system, dtype, engine) for engine in ('xla', 'symbol')]
             for dtype in ('float64', 'float32')}  # fmt: skip
    far = {dtype: apart(*both) for dtype, both in found.items()}
    with tempfile.TemporaryDirectory() as out:
        ends = [elsewhere(again, system, rehearsed, out, resume) for resume in (False, True)]
    told = [f'{far["float64"]:.1e}' + ('' if far['float64'] < APART else f' {FAR}')]
    told.append(f'{far["float32"]:.1e}')
    here = digest(found['float32'][0])
    told += ['the same bits' if end == here else OTHER for end in ends]
    return f'| {system} | ' + ' | '.join(told) + ' |'


def steps(rehearsed):
    """Yield the rows of the table of so many steps."""
    yield '| system | float64 | float32 | again | resumed |'
    yield '| --- | ---: | ---: | --- | --- |'
    for system in SYSTEMS:
        yield tried(system, row, system, rehearsed)


def timed(system, rehearsed, rounds, seconds):
    """Return a row of the table of timings; without PyTorch's where it cannot be had."""
    python = None if rehearsed else torch()
    able = [form for form in FORMS if python or form not in TORCH]
    device = 'cpu' if rehearsed else 'gpu'
    race = bench.race(
        SYSTEMS[system], able, os.cpu_count(), python, rounds, seconds, device, optional=TORCH
    )
    cells = [
        f'{bench.median(race, form):,.0f}'
        + ('' if form == 'xla' else f' ({bench.in_digits(bench.ratio(race, form, "xla"))}×)')
        if form in race
        else ''
        for form in FORMS
    ]
    return f'| {system} | ' + ' | '.join(cells) + ' |'


def speed(rehearsed, rounds, seconds):
    """Yield the rows of the table of timings."""
    yield '| system | ' + ' | '.join(FORMS.values()) + ' |'
    yield '| --- |' + ' ---: |' * len(FORMS)
    for system in SYSTEMS:
        yield tried(system, timed, system, rehearsed, rounds, seconds)


def page(rehearsed, rounds, seconds):
    """Yield the lines of the page, as they are found."""
    gpu = runtime.devices('gpu')[0].device_kind
    where = f"JAX's CPU, a rehearsal, on {bench.machine()}" if rehearsed else gpu
    packages = dict(files.versions(), jax=xla.XLA.jax)
    if not rehearsed and util.find_spec('torch'):
        packages['torch'] = metadata.version('torch')
    yield f'Played on {where}; {packages}.\n'
    yield 'Every chapter, for a moment, seconds with compiling:\n'
    yield ', '.join(tried(title, chapter, title) for title in RUNS) + '.\n'
    yield f'How far {STEPS} steps are from those of MXNet on the CPU, beside the largest number of'
    yield 'an array; and whether another process, which compiles anew, has the same bits, and one'
    yield 'that goes on half-way:\n'
    yield from steps(rehearsed)
    yield f'\nA saved game, without MXNet: {tried("it", alone, rehearsed)}.\n'
    yield '100 Gaussians of 20 epochs side by side, seconds, with the noise that MXNet draws:'
    yield ', '.join(f'{device} {tried("they", many, device)}' for device in ('gpu', 'cpu')) + '.\n'
    yield f'Microseconds a step, medians of {rounds} interleaved rounds; in brackets, how many'
    yield 'times as long as ours on XLA:\n'
    yield from speed(rehearsed, rounds, seconds)


@click.command()
@click.option('--rehearse', 'rehearsed', is_flag=True, help="let JAX's CPU answer for the GPU")
@click.option('--rounds', default=5, show_default=True, help='interleaved rounds of the timings')
@click.option('--seconds', default=0.6, show_default=True, help='that each form plays in a round')
def main(rehearsed, rounds, seconds):
    """Prove that every game plays on this machine's GPU."""
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')  # several processes share it
    flags = os.environ.get('XLA_FLAGS', '')
    os.environ['XLA_FLAGS'] = f'{flags} --xla_force_host_platform_device_count=4'  # for `parallel`
    runtime.devices('cpu')  # JAX starts, and those who are timed shall not have it
    os.environ['XLA_FLAGS'] = flags
    if rehearsed:
        rehearse()
    elif not runtime.devices('gpu'):
        raise click.ClickException('JAX sees no GPU here; --rehearse plays it all on the CPU')
    lines = []
    for line in page(rehearsed, rounds, seconds):
        click.echo(line)
        lines.append(line)
        files.write_whole(OUT, '\n'.join(lines) + '\n')
    if any(word in line for line in lines for word in (FAILED, OTHER, FAR)):
        raise click.ClickException(f'the page, {OUT}, says what failed')


if __name__ == '__main__':
    main()

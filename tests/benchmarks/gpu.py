"""The proof on a machine with a GPU: `make gpu`. Every chapter short, parity with the CPU, timing.

`--rehearse` plays everything on JAX's CPU instead, to see that it would run. The table goes to
build/bench/gpu.md, and says which of the two it was.
"""

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

from d2l_gan import data, files, losses
from d2l_gan.train import train
from d2l_gan.xla import runtime
from tests.benchmarks.ours import network
from tests.benchmarks.systems import LEARNING_RATE, SYSTEMS

import click
import numpy

# Every chapter that trains, for a moment; {chapter, and what is special: keywords of its run}.
RUNS = {
    'gaussian': {'num_epochs': 3},
    'gaussian-wasserstein': {'num_epochs': 3, 'objective': 'wasserstein'},
    'sine': {'num_epochs': 3},
    'sine-waves': {'num_epochs': 3, 'data': 'waves', 'stop': 'never', 'objective': 'hinge'},
    'mnist_vanilla': {'num_epochs': 2, 'data': 'digits', 'num_examples': 500, 'score': False},
    'mnist_leaky': {'num_epochs': 2, 'data': 'digits', 'num_examples': 550, 'score': False},
    'mnist_deep': {'num_epochs': 2, 'data': 'digits', 'steps': 12, 'score': False},
}  # fmt: skip


def play(system, device, epochs=6):
    """Return the history of a system, and microseconds a step, the best epoch's."""
    s = SYSTEMS[system]
    X = numpy.random.default_rng(0).uniform(-1, 1, (s['num_examples'], s['width']))
    batches = data.Batches(X.astype('float32'), s['batch_size'])
    history = train(
        network(s['D']), network(s['G']), batches, epochs,
        LEARNING_RATE, LEARNING_RATE, s['latent_dim'], X,
        objective=losses.objective(s['objective'], label_smoothing=s['smoothing']),
        prior=s['prior'], first=s['first'], seed=0, engine='xla', device=device, callbacks=[],
    )  # fmt: skip
    return history, 1e6 * s['batch_size'] / max(history.examples_per_sec)


def by_hand(system, rehearse):
    """Return microseconds a step of the same game written by hand in JAX, as one scan."""
    environment = dict(os.environ, **({'JAX_PLATFORMS': 'cpu'} if rehearse else {}))
    command = [
        sys.executable,
        '-m',
        'tests.benchmarks.by_hand',
        json.dumps(SYSTEMS[system]),
        'scan',
    ]
    process = subprocess.Popen(
        command, text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    answer, _ = process.communicate('0.5\n')
    return json.loads(answer.splitlines()[0])['us']


def chapter(name, device):
    """Run a chapter for a moment; return its seconds."""
    run = importlib.import_module('chapters.' + name.split('-')[0]).run
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        run(**RUNS[name], seed=0, engine='xla', device=device, out=out)
    return time.perf_counter() - start


@click.command()
@click.option('--rehearse', is_flag=True, help="on JAX's CPU")
def main(rehearse):
    """Prove that every game plays on this machine's GPU."""
    found = runtime.devices('gpu')
    if not found and not rehearse:
        raise click.ClickException('JAX sees no GPU here; --rehearse plays it all on the CPU')
    device = 'cpu' if rehearse else 'gpu'
    where = f"JAX's CPU, a rehearsal, on {platform.machine()}" if rehearse else found[0].device_kind
    lines = [f'Played on {where}; {files.versions()}.', '', '| chapter | seconds |', '|---|---:|']
    for name in RUNS:
        lines.append(f'| {name} | {chapter(name, device):.1f} |')
    lines += ['', '| system | loss apart from the CPU by | ours, us a step | JAX by hand |',
              '|---|---:|---:|---:|']  # fmt: skip
    for system in SYSTEMS:
        history, us = play(system, device)
        other, _ = play(system, 'cpu')
        apart = max(abs(history[c] - other[c]).max() for c in ('loss_D', 'loss_G'))
        lines.append(f'| {system} | {apart:.1e} | {us:,.1f} | {by_hand(system, rehearse):,.1f} |')
        if apart > 1e-3:
            raise click.ClickException(f'{system} is another game there: {apart:.1e}')
    text = '\n'.join(lines) + '\n'
    files.write_whole('build/bench/gpu.md', text)
    click.echo(text)


if __name__ == '__main__':
    main()

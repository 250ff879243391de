"""The proof on a GPU is rehearsed: JAX's CPU answers for it."""

import os

import numpy
import pytest
from click.testing import CliRunner

pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from tests.benchmarks import gpu


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Leave of the proof what is quickly done, and of this process what it was."""
    monkeypatch.setattr(gpu, 'OUT', tmp_path / 'gpu.md')
    monkeypatch.setattr(gpu, 'STEPS', gpu.STEPS)
    devices = gpu.runtime.devices
    monkeypatch.setattr(gpu.runtime, 'devices', lambda kind: devices(kind) * (kind == 'cpu'))
    monkeypatch.setenv('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    monkeypatch.setenv('XLA_FLAGS', os.environ['XLA_FLAGS'])
    monkeypatch.setattr(gpu, 'SYSTEMS', {'gaussian': gpu.SYSTEMS['gaussian']})
    monkeypatch.setattr(gpu, 'RUNS', {'gaussian': gpu.RUNS['gaussian']})
    return tmp_path


def test_without_a_gpu_it_says_how_to_rehearse(small):
    answer = CliRunner().invoke(gpu.main)
    assert (answer.exit_code, 'JAX sees no GPU here; --rehearse' in answer.output) == (1, True)


@pytest.mark.slow
def test_the_proof_is_rehearsed(small):
    answer = CliRunner().invoke(gpu.main, ['--rehearse', '--rounds', '1', '--seconds', '0.05'])
    assert answer.exit_code == 0, answer.output
    page = (small / 'gpu.md').read_text()
    assert page.startswith("Played on JAX's CPU, a rehearsal")
    assert '| the same bits | the same bits |' in page
    assert 'A saved game, without MXNet: loss_D' in page
    assert page.splitlines()[-1].startswith('| gaussian | ')


@pytest.mark.slow
def test_what_fails_is_told_and_the_rest_is_seen(small, monkeypatch):
    monkeypatch.setitem(gpu.RUNS, 'gaussian', {'num_epochs': 0})
    monkeypatch.setattr(gpu, 'played', lambda *given: {'X': numpy.array([1, float('nan')])})
    monkeypatch.setattr(gpu, 'elsewhere', lambda *given: 'digest')
    monkeypatch.setattr(gpu, 'alone', lambda rehearsed: '')
    monkeypatch.setattr(gpu, 'many', lambda device: 1)
    monkeypatch.setattr(gpu, 'speed', lambda *arguments: ['the end'])
    answer = CliRunner().invoke(gpu.main, ['--rehearse'])
    assert answer.exit_code == 1
    page = (small / 'gpu.md').read_text()
    assert 'gaussian FAILED (ValueError)' in page and page.endswith('the end\n')
    assert '| gaussian | nan ANOTHER GAME | nan | OTHER BITS | OTHER BITS |' in page

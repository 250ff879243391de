"""The doctor names what would fail and the command that mends it, on machines that are not here."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from d2l_gan import __main__ as doctor
from d2l_gan import arm

import pytest

ROOT = Path(__file__).parent.parent


VERSIONS = {
    'python': '3.11.7',
    'numpy': '1.23.5',
    'mxnet': '1.9.1',
    'd2l': '1.0.3',
    'matplotlib': '3.7.2',
    'd2l_gan': '1.0.0',
}


def machine(**changes):
    """Return the facts of a machine on which all is well, but for `changes`."""
    facts = {
        'system': 'Linux',
        'machine': 'x86_64',
        'python': (3, 11),
        'versions': VERSIONS,
        'builds': ['mxnet'],
        'lacking': [],
        'arm': None,
        'restored': [],
        'nvidia': False,
        'writable': True,
        'trial': {'gpus': 0, 'gpu_build': False},
        'error': None,
    }
    return SimpleNamespace(**{**facts, **changes})


def without(*names):
    return {name: None if name in names else version for name, version in VERSIONS.items()}


def test_a_machine_on_which_all_is_well():
    lines, starts = doctor.report(machine())
    assert starts and lines[-2:] == ['', 'Training can start.']
    rows = {line[:16].strip(): line[16:] for line in lines[:-2]}
    assert rows['Python'] == '3.11.7, Linux x86_64'
    assert (rows['NumPy'], rows['MXNet'], rows['d2l']) == ('1.23.5', '1.9.1', '1.0.3')
    assert rows['matplotlib'] == '3.7.2' and rows['devices'] == 'cpu'
    assert rows['OpenMP threads'].split()[0] == os.environ['OMP_NUM_THREADS']
    assert rows['outputs'] == str(Path('build').resolve())
    assert 'd2l_gan' in rows['data'] or os.environ.get('D2L_GAN_DATA', '?') in rows['data']


@pytest.mark.parametrize(
    'changes, what, mend',
    [
        ({'system': 'Windows', 'machine': 'AMD64'}, 'no wheel for Windows', 'wsl --install'),
        (
            {'system': 'Darwin', 'machine': 'arm64'},
            'no wheel for Apple silicon',
            'docker build -t d2l-gan . && docker run -it -p 127.0.0.1:8888:8888 d2l-gan',
        ),
        ({'machine': 'riscv64'}, 'no wheel for riscv64', 'docker build --platform linux/amd64 '),
        (
            {'machine': 'aarch64', 'arm': ('OpenBLAS can stand in.', arm.COMMAND)},
            'OpenBLAS can stand in.',
            'python -m d2l_gan.arm',
        ),
        ({'python': (3, 14)}, 'Python 3.14 is not one', 'make doctor PYTHON=python3.11'),
        ({'python': (3, 7)}, 'Python 3.7 is not one', 'make doctor PYTHON=python3.11'),
        (
            {'lacking': ['libgomp.so.1'], 'error': 'OSError: libgomp.so.1'},
            'lacks libgomp.so.1,',
            'sudo apt install libgomp1 libquadmath0',
        ),
        (
            {'lacking': ['libgomp.so.1', 'libquadmath.so.0'], 'error': 'OSError'},
            'lacks libgomp.so.1 and libquadmath.so.0,',
            'sudo apt install libgomp1 libquadmath0',
        ),
        (
            {'builds': [], 'versions': without('mxnet'), 'error': 'ModuleNotFoundError'},
            'MXNet is not installed',
            'pip install mxnet==1.9.1',
        ),
        (
            {'versions': {**VERSIONS, 'mxnet': '2.0.0b1'}},
            'MXNet is 2.0.0b1; it must be 1.9.1',
            'pip install mxnet==1.9.1',
        ),
        ({'versions': without('d2l')}, 'package d2l is not installed', 'pip install d2l==1.0.3'),
        (
            {'versions': without('d2l'), 'python': (3, 12)},
            'package d2l is not installed',
            'pip install d2l==0.16.6',
        ),
        (
            {'versions': without('d2l'), 'python': (3, 13)},
            'package d2l is not installed',
            'pip install --no-deps d2l==1.0.3',
        ),
        ({'versions': without('matplotlib')}, 'matplotlib is not', 'pip install matplotlib'),
        (
            {'trial': {'gpus': 0, 'book': "ImportError: No module named 'pandas'"}},
            "The book's cells do not run: ImportError: No module named 'pandas'.",
            'pip install --force-reinstall d2l==1.0.3',
        ),
        (
            {
                'python': (3, 12),
                'trial': {'book': "AttributeError: no attribute 'set_matplotlib_formats'"},
            },
            "The book's cells do not draw: this IPython is too new",
            "pip install 'ipython<9'",
        ),
        (
            {'trial': {'chapter': 'OSError: no space'}, 'error': None},
            'A chapter does not run: OSError: no space.',
            'python -X dev -m chapters gaussian',
        ),
        (
            {'restored': ['bool', 'PZERO'], 'versions': {**VERSIONS, 'numpy': '2.5.5'}},
            'NumPy 2.5.5 lacks 2 names',
            'import d2l_gan ',
        ),
        (
            {'builds': ['mxnet-cu117'], 'error': 'OSError: libcuda.so.1', 'trial': {}},
            'mxnet-cu117 is a GPU build and finds no GPU',
            'pip uninstall -y mxnet-cu117 && pip install mxnet==1.9.1',
        ),
        (
            {'builds': ['mxnet-cu117'], 'trial': {'gpus': 0, 'gpu_build': True}},
            'mxnet-cu117 is a GPU build and finds no GPU',
            'pip uninstall -y mxnet-cu117 && pip install mxnet==1.9.1',
        ),
        (
            {'builds': ['mxnet', 'mxnet-cu117'], 'nvidia': True},
            'mxnet and mxnet-cu117 overwrite each other',
            'pip uninstall -y mxnet mxnet-cu117 && pip install mxnet-cu117==1.9.1',
        ),
        (
            {'builds': ['mxnet', 'mxnet-cu117']},
            'mxnet and mxnet-cu117 overwrite each other',
            'pip uninstall -y mxnet mxnet-cu117 && pip install mxnet==1.9.1',
        ),
        ({'nvidia': True}, 'neither JAX nor this MXNet is built', "pip install 'd2l_gan[gpu]'"),
        ({'writable': False}, 'cannot be written to', '--out DIR'),
    ],
)
def test_names_what_would_fail_and_what_mends_it(changes, what, mend):
    facts = machine(**changes)
    lines, starts = doctor.report(facts)
    index = next(index for index, line in enumerate(lines) if what in line)
    assert lines[index + 1].startswith('    ') and mend in lines[index + 1]
    assert starts is (facts.error is None and 'chapter' not in facts.trial)
    assert lines[-1] == f'Training {"can" if starts else "cannot"} start.'


def test_a_gpu_that_answers_is_listed():
    facts = machine(builds=['mxnet-cu117'], nvidia=True, trial={'gpus': 2, 'gpu_build': True})
    lines, starts = doctor.report(facts)
    assert starts and 'devices         cpu, gpu(0) of MXNet, gpu(1) of MXNet' in lines
    assert list(doctor.check_gpu(facts)) == []


def test_a_gpu_of_jax_is_listed_with_the_engine_that_serves_it():
    trial = {'gpus': 0, 'gpu_build': False, 'jax_gpus': ['NVIDIA H200']}
    facts = machine(nvidia=True, trial=trial)
    lines, starts = doctor.report(facts)
    assert starts and "devices         cpu, gpu(0) of JAX, NVIDIA H200: engine 'xla'" in lines
    assert list(doctor.check_gpu(facts)) == []


def test_what_nothing_explains_is_shown_as_it_is():
    lines, starts = doctor.report(machine(error='Illegal instruction', trial={}))
    assert not starts and 'MXNet does not start: Illegal instruction' in lines


def test_shows_where_the_data_are(monkeypatch):
    monkeypatch.setenv('D2L_GAN_DATA', '/some/where')
    assert any(
        line.endswith('/some/where   (D2L_GAN_DATA)') for line in doctor.report(machine())[0]
    )


def test_speaks_without_platformdirs(monkeypatch):
    monkeypatch.delenv('D2L_GAN_DATA', raising=False)
    monkeypatch.setitem(sys.modules, 'platformdirs', None)
    assert any('pip install platformdirs' in line for line in doctor.report(machine())[0])


def test_what_fails_in_the_trial_is_told_part_by_part(monkeypatch):
    broken = 'import sys, chapters\nsys.modules["chapters.gaussian"] = sys.modules["d2l"] = None\n'
    monkeypatch.setattr(doctor, 'TRIAL', broken + doctor.TRIAL)
    facts = doctor.gather()
    assert facts.error is None
    assert 'halted' in facts.trial['chapter'] and 'd2l' in facts.trial['book']
    lines, starts = doctor.report(facts)
    assert not starts and lines[-1] == 'Training cannot start.'


def test_a_missing_library_is_noticed():
    assert not doctor.loads('libnosuch.so.7')


@pytest.mark.slow
def test_gathers_and_finds_that_training_starts_here():
    facts = doctor.gather()
    assert facts.error is None and facts.trial['gpus'] >= 0
    assert 'chapter' not in facts.trial and 'book' not in facts.trial, facts.trial
    assert facts.builds and facts.writable
    assert facts.python == sys.version_info[:2]


@pytest.mark.parametrize(
    'code, error',
    [
        ('raise ImportError("no mxnet")', 'ImportError: no mxnet'),
        ('import os; os.abort()', 'it ended with -6'),
        ('print("not JSON")', 'it ended with 0'),
    ],
)
def test_a_trial_that_fails_is_told_in_one_line(monkeypatch, code, error):
    monkeypatch.setattr(doctor, 'TRIAL', code)
    facts = doctor.gather()
    assert facts.trial == {} and facts.error == error


def test_a_terminal_sees_that_the_trial_goes_on(monkeypatch, capsys):
    monkeypatch.setattr(doctor, 'TRIAL', 'import time; time.sleep(3.5); print("{}")')
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    doctor.gather()
    said = capsys.readouterr().err
    assert said.startswith('Trying MXNet') and said.count('.') >= 2 and said.endswith('\n')


def test_status_is_1_where_mxnet_is_missing(tmp_path):
    (tmp_path / 'mxnet.py').write_text('raise ImportError("no such library")')
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, '-m', 'd2l_gan'],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert 'MXNet does not start: ImportError: no such library' in done.stdout
    assert 'Traceback' not in done.stdout + done.stderr
    assert done.stdout.endswith('Training cannot start.\n')

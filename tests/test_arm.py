"""On 64-bit ARM Linux, OpenBLAS stands in for ArmPL, and MXNet computes what it does on x86."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from d2l_gan import _environment, arm

import numpy
import pytest

ROOT = Path(__file__).parent.parent
STAND_IN = 'stand in for ArmPL.\n'
PREPARED = os.environ.get('D2L_GAN_ARM_ROOT', '')


@pytest.fixture
def mxnet(tmp_path, monkeypatch):
    """Return the directory of an MXNet that cannot be loaded, on an ARM machine."""
    monkeypatch.setattr(arm, 'here', lambda: True)
    monkeypatch.setattr(arm, 'directory', lambda package='mxnet': tmp_path / package)
    monkeypatch.setattr(arm, '_load', lambda name: None)
    (tmp_path / 'mxnet').mkdir()
    (tmp_path / 'mxnet' / 'libmxnet.so').write_text('no library')
    return tmp_path / 'mxnet'


def links(mxnet):
    return {name: os.readlink(str(mxnet / name)) for name in arm.NAMES}


@pytest.mark.parametrize('libraries', [['/blas'], ['/blas', '/lapacke']])
def test_links_lead_to_the_libraries_and_can_be_taken_away(mxnet, libraries):
    for _ in range(2):  # a second time over links that are there
        arm.link(mxnet, libraries)
        blas, *rest = links(mxnet).values()
        assert blas == '/blas' and rest[: len(libraries) - 1] == libraries[1:]
        assert rest[-1].endswith('libc.so.6')
    assert arm.undo(mxnet) == list(arm.NAMES) and arm.undo(mxnet) == []
    assert os.listdir(str(mxnet)) == ['libmxnet.so']


def test_a_library_of_the_name_that_is_no_link_is_left_alone(mxnet, capsys):
    for name in arm.NAMES:
        (mxnet / name).write_text('from Arm')
    assert arm.missing(mxnet) == arm.undo(mxnet) == []
    assert arm.main([]) is None and arm.problem() is None
    assert capsys.readouterr().out.endswith('libastring.so already.\n')
    assert (mxnet / arm.NAMES[0]).read_text() == 'from Arm'


@pytest.mark.parametrize(
    'there, found',
    [
        ({'libopenblas.so.0': 'cblas_sgemm sgesdd_', 'liblapacke.so.3': 'LAPACKE_dgesv'}, 2),
        ({'libopenblaso.so.0': 'cblas_sgemm sgesdd_ LAPACKE_dgesv'}, 1),
        ({'libopenblas.so.0': 'cblas_sgemm sgesdd_'}, 0),
        ({'liblapacke.so.3': 'sgesdd_ LAPACKE_dgesv'}, 0),
    ],
)
def test_finds_what_the_system_has(mxnet, monkeypatch, there, found):
    def load(name):
        symbols = there.get(name)
        return symbols and SimpleNamespace(path=name, **dict.fromkeys(symbols.split(), 1))

    monkeypatch.setattr(arm, '_load', load)
    monkeypatch.setattr(arm, '_path', lambda library: library.path)
    assert arm.find() == list(there)[:found]


def test_a_link_that_leads_nowhere_is_missing(mxnet):
    arm.link(mxnet, ['/no/such/library'])
    assert arm.missing(mxnet) == [arm.NAMES[0]]


@pytest.mark.parametrize(
    'found, mend',
    [([], 'sudo apt install libopenblas0-pthread liblapacke '), (['/blas'], arm.COMMAND)],
)
def test_one_sentence_says_what_mends_it(mxnet, monkeypatch, found, mend):
    monkeypatch.setattr(arm, 'find', lambda: found)
    with pytest.raises(ImportError, match="MXNet's wheel for ARM asks for ArmPL") as error:
        _environment.need_mxnet()
    assert str(error.value).splitlines()[1].strip().startswith(mend)


def test_the_command_fails_with_what_to_install(mxnet):
    assert arm.INSTALL in arm.main([])
    assert os.listdir(str(mxnet)) == ['libmxnet.so']


def test_links_that_do_not_serve_are_taken_away_again(mxnet, monkeypatch):
    monkeypatch.setattr(arm, 'find', lambda: ['/blas'])
    assert arm.main([]).startswith('/blas cannot stand in for ArmPL: ')
    assert os.listdir(str(mxnet)) == ['libmxnet.so']


def test_the_command_undoes_what_it_did(mxnet, capsys):
    arm.link(mxnet, ['/blas'])
    assert arm.main(['--undo']) is None
    assert capsys.readouterr().out.endswith(f'mxnet: {", ".join(arm.NAMES)}.\n')
    assert arm.main(['--undo']) is None and 'nothing' in capsys.readouterr().out


@pytest.mark.skipif(arm.here(), reason='this is an ARM machine')
def test_nothing_happens_elsewhere(capsys):
    assert arm.problem() is None and arm.main([]) is None
    assert capsys.readouterr().out == "MXNet's wheel for this machine needs no stand-ins.\n"
    assert not any((arm.directory() / name).is_symlink() for name in arm.NAMES)


@pytest.fixture(scope='module')
def emulated():
    """Return a function that runs Python in the prepared root, in a copy of this checkout."""
    root = Path(PREPARED)
    shutil.rmtree(str(root / 'gan'), ignore_errors=True)
    for package in ('d2l_gan', 'chapters', 'tests'):
        ignored = shutil.ignore_patterns('__pycache__')
        shutil.copytree(str(ROOT / package), str(root / 'gan' / package), ignore=ignored)
    inside = ['unshare', '--map-root-user', f'--root={root}', '--wd=/gan', '/qemu']
    variables = {'PATH': os.environ['PATH'], 'HOME': '/tmp', 'PYTHONPATH': '/site'}
    variables['QEMU_CPU'] = 'cortex-a72'  # of its newest, with SME, QEMU 7.2 multiplies wrongly

    def run(*arguments):
        return subprocess.run(
            [*inside, '/usr/bin/python3', *arguments],
            capture_output=True,
            text=True,
            env={**variables, 'OMP_NUM_THREADS': '1'},
        )

    return run


def numbers(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not PREPARED, reason='D2L_GAN_ARM_ROOT names no root of `.ci/arm-root`')
def test_an_emulated_arm_machine_computes_what_this_one_does(emulated):
    emulated('-m', 'd2l_gan.arm', '--undo')
    refused = emulated('-c', 'import d2l_gan')
    assert refused.returncode == 1 and f'OpenBLAS can stand in for it.\n    {arm.COMMAND}' in (
        refused.stderr
    )

    found = []
    if list(Path(PREPARED).glob('site/scipy-1.12*')):  # where the system has no OpenBLAS
        code = 'from d2l_gan import arm; arm.OPENBLAS = (); arm.main([])'
        done = emulated('-c', f'import sys; sys.argv = ["-m"]; {code}')
        assert 'scipy.libs/libopenblas' in done.stdout and done.stdout.endswith(STAND_IN), done
        found.append(numbers(emulated('-m', 'tests.here', '--short')))
        emulated('-m', 'd2l_gan.arm', '--undo')
    done = emulated('-m', 'd2l_gan.arm')
    assert 'libopenblas.so.0 and ' in done.stdout and done.stdout.endswith(STAND_IN), done
    found.append(numbers(emulated('-m', 'tests.here')))

    command = [sys.executable, '-m', 'tests.here']
    done = subprocess.run(command, capture_output=True, text=True, cwd=str(ROOT))
    expected = numbers(done)
    assert found[-1].keys() == expected.keys() and len(expected['loss_D']) == 2
    for names in found:
        assert numpy.allclose(names['svd, multiplied'], names['A'], atol=1e-5)
        for name, values in names.items():
            for value, right in zip(values, expected[name]):
                numpy.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-5, err_msg=name)

"""`_environment` restores what a NumPy lacks, and only that, and keeps MXNet's import short."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from d2l_gan import _environment

import numpy
import pytest

ROOT = Path(__file__).parent.parent
TODAY = ['float64', 'complex128', 'round', 'prod', 'cumprod', 'any', 'all', 'isin', 'vstack']
TODAY += ['trapezoid']


def new_numpy():
    """Return a module that has today's names only."""
    return SimpleNamespace(**{name: getattr(numpy, name, numpy.add) for name in TODAY})


def test_restores_all_that_is_missing_from_a_new_numpy():
    fake = new_numpy()
    restored = _environment.restore(fake)
    assert len(restored) == len(set(restored)) == len(vars(fake)) - len(TODAY)
    assert (fake.PINF, fake.NINF, fake.infty) == (numpy.inf, -numpy.inf, numpy.inf)
    assert numpy.isnan([fake.NaN, fake.NAN]).all()
    assert str(fake.NZERO) == '-0.0' and str(fake.PZERO) == '0.0'
    assert (fake.bool, fake.int, fake.float, fake.object) == (bool, int, float, object)
    assert fake.compat.basestring is str
    assert fake.float_ is fake.float64 and fake.complex_ is fake.complex128
    assert fake.product is fake.prod and fake.alltrue is fake.all and fake.sometrue is fake.any
    assert fake.in1d is fake.isin and fake.row_stack is fake.vstack
    assert fake.trapz is fake.trapezoid and fake.round_ is fake.round


def test_stand_ins_say_what_they_are():
    fake = new_numpy()
    _environment.restore(fake)
    for name in ('mirr', 'msort', 'npv', 'pmt', 'ppmt', 'pv', 'rate'):
        with pytest.raises(NotImplementedError, match=f'no longer has `{name}`'):
            getattr(fake, name)(1, 2)


def test_keeps_what_an_old_numpy_has():
    fake = new_numpy()
    names = _environment.restore(fake)
    old = SimpleNamespace(**{name: object() for name in names}, **vars(new_numpy()))
    before = dict(vars(old))
    assert _environment.restore(old) == []
    assert vars(old) == before


def test_restores_the_one_name_that_numpy_1_24_dropped():
    fake = new_numpy()
    _environment.restore(fake)
    del fake.bool
    assert _environment.restore(fake) == ['bool']


def test_survives_a_numpy_that_has_lost_a_successor_too():
    fake = new_numpy()
    del fake.trapezoid
    _environment.restore(fake)
    with pytest.raises(NotImplementedError):
        fake.trapz([1, 2])


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # an old NumPy warns and still has them
def test_covers_every_name_that_mxnet_reads_at_import():
    import mxnet

    folder = Path(mxnet.__file__).parent / 'numpy'
    read = set(re.findall(r'^\w+ = onp\.(\w+)$', (folder / 'fallback.py').read_text(), re.M))
    read |= set(re.findall(r'^\w+ = onp\.(\w+)$', (folder / 'utils.py').read_text(), re.M))
    assert len(read) > 60
    assert [name for name in read if not hasattr(numpy, name)] == []


def run(code, **variables):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), **variables}
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_this_numpy_is_left_alone_but_for_its_missing_names():
    code = """
import warnings
warnings.simplefilter('ignore')
import numpy
before = dict(vars(numpy))
import d2l_gan
from d2l_gan import _environment
added = set(vars(numpy)) - set(before)
assert all(vars(numpy)[name] is value for name, value in before.items())
assert added == set(_environment.restored), (added, _environment.restored)
print(numpy.__version__, len(added))
"""
    version, added = run(code)
    major, minor = map(int, version.split('.')[:2])
    if (major, minor) < (1, 24):
        assert added == '0'
    elif major == 1:
        assert 1 <= int(added) <= 8
    else:
        assert int(added) > 20


def test_importing_the_package_loads_neither_mxnet_nor_setuptools():
    assert run('import sys, d2l_gan; print({"mxnet", "setuptools"} & set(sys.modules))') == [
        'set()'
    ]


def test_the_user_s_choice_of_threads_stays():
    code = 'import os, d2l_gan; print(os.environ["OMP_NUM_THREADS"])'
    assert run(code, OMP_NUM_THREADS='3') == ['3']
    assert run(code.replace('import os,', 'import os; del os.environ["OMP_NUM_THREADS"]; import'))


def test_waiting_threads_spin_for_a_moment_unless_the_user_says_otherwise():
    forget = 'import os; [os.environ.pop(k, 0) for k in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")]'
    tell = 'import d2l_gan; print(os.environ.get("GOMP_SPINCOUNT"))'
    assert run(f'{forget}; {tell}') == ['10000']
    assert run(f'{forget}; os.environ["OMP_WAIT_POLICY"] = "passive"; {tell}') == ['None']
    assert run(f'{forget}; os.environ["GOMP_SPINCOUNT"] = "7"; {tell}') == ['7']


def cpuinfo(*cores, flags='a b'):
    blocks = [
        f'processor\t: {number}\nphysical id\t: {package}\ncore id\t: {core}\nflags\t\t: {flags}\n'
        for number, (package, core) in enumerate(cores)
    ]
    return '\n'.join(blocks) + '\n'


@pytest.mark.parametrize(
    'text, allowed, expected',
    [
        (cpuinfo((0, 0), (0, 1)), {0, 1}, 2),
        (cpuinfo((0, 0), (0, 0)), {0, 1}, 1),  # two hardware threads of one core
        (cpuinfo((0, 0), (0, 1), (1, 0), (1, 1)), {0, 1, 2, 3}, 4),  # two packages
        (cpuinfo((0, 0), (0, 1), (0, 0), (0, 1)), {0, 2}, 1),  # bound to one core
        # A virtual machine that hides which processors share a core, and two that do not hide it.
        (cpuinfo(*[(0, core) for core in range(4)], flags='fpu hypervisor'), {0, 1, 2, 3}, 2),
        (cpuinfo((0, 0), flags='hypervisor'), {0}, 1),
        (cpuinfo((0, 0), (0, 0), (0, 1), (0, 1), flags='hypervisor'), {0, 1, 2, 3}, 2),
        ('processor\t: 0\n\nprocessor\t: 1\n\nHardware\t: an ARM\n', {0, 1}, 2),
        ('no such thing', {0, 1, 2}, 3),
        (None, {0, 5}, 2),
    ],
)
def test_counts_physical_cores(tmp_path, monkeypatch, text, allowed, expected):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: allowed, raising=False)
    if text is not None:
        (tmp_path / 'cpuinfo').write_text(text)
    assert _environment.openmp_threads(tmp_path / 'cpuinfo') == expected


def test_counts_processors_where_there_is_no_affinity(monkeypatch):
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 6)
    assert _environment.openmp_threads() == 6


def test_compares_versions_without_distutils():
    version = _environment._Version
    assert version('1.9.0') < version('1.17') <= version('1.17') < version('1.17.0rc1')
    assert version('2.5.5') >= version('1.6.0')


HEAVY = 'onnx pandas pkg_resources requests scipy setuptools sklearn'


@pytest.mark.slow
def test_importing_mxnet_leaves_alone_what_it_hardly_needs_and_finds_it_when_it_does():
    code = f"""
import sys, d2l_gan.train, mxnet as mx, numpy
print({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r}.split()))
assert mx.ndarray.sparse.spsp.csr_matrix and mx.test_utils.ss.norm
assert mx.contrib.quantization.stats.entropy
csr = mx.nd.sparse.csr_matrix(([1., 2.], [0, 1], [0, 1, 2]), shape=(2, 2))
assert (csr.asscipy().toarray() == numpy.diag([1, 2])).all()
assert mx.nd.array(csr.asscipy()).stype == 'csr'
import requests, scipy.sparse, scipy.stats, sklearn.base, sklearn.linear_model
assert mx.gluon.utils.requests.get is mx.test_utils.requests.get is requests.get
assert mx.ndarray.utils.spsp.csr_matrix is scipy.sparse.csr_matrix
x = numpy.arange(6.0)[:, None]
print(sklearn.linear_model.LinearRegression().fit(x, 2 * x[:, 0]).coef_.round(6)[0])
try:
    import onnx
except ImportError:
    pass
else:
    assert 'FullyConnected' in mx.onnx.mx2onnx._export_onnx.MXNetGraph.registry_[12]
    assert mx.onnx.mx2onnx._op_translations._op_translations_opset13.onnx.helper.make_node
"""
    assert run(code) == ['set()', '2.0']


@pytest.mark.slow
def test_what_is_loaded_already_is_used():
    code = """
import sklearn.base, requests, d2l_gan.train, mxnet
assert mxnet.model.BASE_ESTIMATOR is sklearn.base.BaseEstimator
assert mxnet.gluon.utils.requests is requests
assert issubclass(mxnet.model.FeedForward, sklearn.base.BaseEstimator)
"""
    assert run(code) == []


@pytest.mark.slow
def test_other_threads_import_what_they_like_meanwhile():
    pytest.importorskip('onnx')
    code = """
import importlib, threading, d2l_gan
names = ['sklearn.svm', 'scipy.stats', 'requests', 'onnx', 'mxnet', 'mxnet']
found, start = {}, threading.Barrier(len(names))
def load(i, name):
    start.wait()
    found[i] = importlib.import_module(name)
threads = [threading.Thread(target=load, args=pair) for pair in enumerate(names)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert [found[i].__name__ for i in range(len(names))] == names, found
from sklearn.base import BaseEstimator
assert found[0].SVC and found[1].norm and found[4] is found[5]
assert found[4].gluon.utils.requests.get is found[2].get
"""
    assert run(code) == []


def test_a_package_that_is_missing_stays_missing(monkeypatch):
    monkeypatch.setattr(_environment.util, 'find_spec', lambda name: None)
    monkeypatch.delitem(sys.modules, 'scipy.sparse', raising=False)
    with pytest.raises(ImportError, match='scipy'):
        _environment._import('scipy.sparse', {'__name__': 'mxnet.ndarray.sparse'})


def python(*arguments):
    """Run a Python that has its own library only, and neither MXNet nor anything else."""
    done = subprocess.run([sys.executable, '-S', *arguments], capture_output=True, cwd=ROOT)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize('code', ['import d2l_gan', 'import d2l_gan.train'])
def test_without_mxnet_the_command_that_installs_it_is_named(code):
    status, text = python('-c', code)
    flag = '--no-deps ' if sys.version_info >= (3, 13) else ''
    last = text.strip().splitlines()[-1]
    assert status == 1
    assert last.startswith(f'ImportError: MXNet is not installed: pip install {flag}mxnet==1.9.1 ')


@pytest.mark.slow
def test_the_doctor_speaks_without_mxnet():
    text = python('-m', 'd2l_gan')[1]
    assert 'MXNet is not installed.\n    pip install ' in text and 'Traceback' not in text

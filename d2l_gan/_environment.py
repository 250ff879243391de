"""Prepare a process for MXNet 1.9.1: NumPy's lost names, OpenMP's threads, a short import."""

import builtins
import contextlib
import importlib
import os
import re
import sys
import warnings
from importlib import machinery, util
from types import ModuleType, SimpleNamespace

# Names that MXNet reads from NumPy while it is imported and that some NumPy no longer has.
_VALUES = {
    'PZERO': 0.0,
    'NZERO': -0.0,
    'NINF': float('-inf'),
    **dict.fromkeys(('PINF', 'Inf', 'Infinity', 'infty'), float('inf')),
    **dict.fromkeys(('NaN', 'NAN'), float('nan')),
    **{name: getattr(builtins, name) for name in ('bool', 'int', 'float', 'object')},
    'compat': SimpleNamespace(basestring=str),
}
# And what they are called today; MXNet re-exports those without a new name and never calls them.
_READ = (
    'float_:float64 complex_:complex128 round_:round product:prod cumproduct:cumprod '
    'sometrue:any alltrue:all in1d:isin row_stack:vstack trapz:trapezoid '
    'mirr msort npv pmt ppmt pv rate'
)


restored = []  # what this NumPy lacked; the doctor tells


def restore(numpy):
    """Give the module `numpy` the names that MXNet reads and that it lacks; return their names."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # some NumPys warn about a name that they still have
        missing = {name: value for name, value in _VALUES.items() if not hasattr(numpy, name)}
        for name, _, today in (pair.partition(':') for pair in _READ.split()):
            if not hasattr(numpy, name):
                missing[name] = getattr(numpy, today, None) or _stand_in(name)
    for name, value in missing.items():
        setattr(numpy, name, value)
    return list(missing)


def _stand_in(name):
    def gone(*args, **kwargs):
        raise NotImplementedError(f'NumPy no longer has `{name}`')

    return gone


def openmp_threads(cpuinfo='/proc/cpuinfo'):
    """Return the number of physical cores that this process may run on.

    A second thread on the same core slows MXNet down, and on a busy machine far more than that.
    """
    if not hasattr(os, 'sched_getaffinity'):  # macOS
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores, virtual = set(), False
    with contextlib.suppress(OSError), open(cpuinfo) as file:
        for block in file.read().split('\n\n'):
            lines = (line.split(':', 1) for line in block.splitlines() if ':' in line)
            facts = {key.strip(): value.strip() for key, value in lines}
            number = facts.get('processor', '')
            if number.isdigit() and int(number) in allowed:
                # Hardware threads of one core share its number; ARM does not report one.
                cores.add((facts.get('physical id'), facts.get('core id', number)))
                virtual = virtual or 'hypervisor' in facts.get('flags', '').split()
    if virtual and len(cores) == len(allowed):
        return max(1, len(cores) // 2)  # a cloud sells hardware threads and calls them cores
    return len(cores) or len(allowed)


# More than half of the time of `import mxnet` goes into packages that it hardly ever needs. These
# modules of it import them; until MXNet is there, they have an `import` of their own that puts it
# off. Nobody else in the process sees any of it: `import sklearn` works as ever, in every thread.
_PUT_OFF = {
    'mxnet': '',
    'mxnet.contrib.quantization': 'scipy',
    'mxnet.gluon.utils': 'requests',
    'mxnet.model': 'sklearn',
    'mxnet.ndarray.sparse': 'scipy',
    'mxnet.ndarray.utils': 'scipy',
    'mxnet.numpy_dispatch_protocol': 'distutils',
    'mxnet.numpy_op_fallback': 'distutils',
    'mxnet.onnx.mx2onnx._export_onnx': 'onnx',
    'mxnet.onnx.mx2onnx._op_translations._op_translations_opset12': 'onnx',
    'mxnet.onnx.mx2onnx._op_translations._op_translations_opset13': 'onnx',
    'mxnet.test_utils': 'requests scipy',
}


class _Later(ModuleType):
    """Stand for a module, and import it when something of it is asked for."""

    def __getattr__(self, name):
        return getattr(importlib.import_module(self.__name__), name)


class _Version(tuple):
    """Compare versions, as MXNet does with NumPy's, without the distutils that Python 3.12 lost."""

    def __new__(cls, text):
        """Read the numbers of `text`, up to the first part that is none."""
        return super().__new__(cls, map(int, re.match(r'\d+(\.\d+)*', text).group().split('.')))


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    """Do what the statement `import` does, but for what `_PUT_OFF` says of the module it is in."""
    package, _, rest = name.partition('.')
    if level or package not in _PUT_OFF[globals['__name__']].split():
        return builtins.__import__(name, globals, locals, fromlist, level)
    if package == 'distutils':
        return SimpleNamespace(LooseVersion=_Version, StrictVersion=_Version)
    if name in sys.modules:  # then it costs nothing
        return builtins.__import__(name, globals, locals, fromlist, level)
    if package == 'sklearn' or util.find_spec(package) is None:
        raise ImportError(name)  # MXNet has a way around it: a base class is `object` instead
    if fromlist:
        return SimpleNamespace(**{part: _Later(f'{name}.{part}') for part in fromlist})
    return SimpleNamespace(**{rest: _Later(name)}) if rest else _Later(name)  # import a.b as c


# Python looks for `import` among a module's builtins, as for `len`. Functions keep these too.
_BUILTINS = {**vars(builtins), '__import__': _import}


class _Loader(machinery.SourceFileLoader):
    """Run a module of `_PUT_OFF`, whose `import` is `_import` until all of MXNet is there."""

    def exec_module(self, module):
        """Run `module`; whatever MXNet imports later, when it is used, it imports."""
        module.__builtins__ = _BUILTINS
        outermost = module.__name__ == 'mxnet'
        if outermost:
            _BUILTINS['__import__'] = _import
        try:
            super().exec_module(module)
        finally:
            if outermost:
                _BUILTINS['__import__'] = builtins.__import__


class _Finder:
    """Find the modules in `_PUT_OFF`, and no other, for `_Loader`."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return what Python's own finder returns, with our loader where it is Python's own."""
        spec = machinery.PathFinder.find_spec(name, path, target) if name in _PUT_OFF else None
        if spec and type(spec.loader) is machinery.SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def need_mxnet():
    """Raise ImportError with the command that installs MXNet, where nothing works without it."""
    known = 'mxnet' in sys.modules or util.find_spec('mxnet')
    if not known and util.find_spec('jax') is None:  # with JAX, `d2l_gan.xla` does
        raise ImportError(missing(), name='mxnet')
    if known:
        from . import (
            arm,
        )  # not above: it is a command, too, and Python warns of what is there before

        problem = arm.problem()
        if problem:
            raise ImportError('{}\n    {}'.format(*problem), name='mxnet')


def missing():
    """Return a sentence with the command that installs MXNet."""
    # Its requirements have no wheels for Python 3.13; setup.py lists what it really needs there.
    flag = '--no-deps ' if sys.version_info >= (3, 13) else ''
    return (
        f'MXNet is not installed: pip install {flag}mxnet==1.9.1   '
        '(`python -m d2l_gan` says what else is missing)'
    )


def apply():
    """Prepare this process for `import mxnet`: OpenMP's threads, its imports, NumPy's names."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    os.environ.setdefault('OMP_NUM_THREADS', str(openmp_threads()))
    if 'OMP_WAIT_POLICY' not in os.environ:
        # How often a thread of GNU OpenMP looks whether the others are there before it sleeps:
        # enough to meet them on a free machine, too little to starve anybody on a busy one.
        os.environ.setdefault('GOMP_SPINCOUNT', '10000')
    # Copies of large arrays would give Python's own thread a team of OpenMP threads. Then there are
    # more of them than processors, GNU OpenMP stops spinning, and each step takes three times as
    # long ever after.
    os.environ.setdefault('MXNET_CPU_PARALLEL_SIZE', str(2**31 - 1))
    with contextlib.suppress(ImportError):  # without NumPy the doctor still has to run
        import numpy

        restored.extend(restore(numpy))

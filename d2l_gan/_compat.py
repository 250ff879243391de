"""Make MXNet 1.9.1 importable on today's NumPy and Python; nothing else."""

import importlib.util
import os
import warnings

# What MXNet reads from NumPy while it is imported, and where the same thing lives today.
_RENAMED = {
    'PZERO': 0.0,
    'NZERO': -0.0,
    'PINF': float('inf'),
    'NINF': float('-inf'),
    'Inf': float('inf'),
    'Infinity': float('inf'),
    'infty': float('inf'),
    'NaN': float('nan'),
    'NAN': float('nan'),
    'bool': bool,
    'int': int,
    'float': float,
    'object': object,
    'float_': 'float64',
    'complex_': 'complex128',
    'product': 'prod',
    'cumproduct': 'cumprod',
    'sometrue': 'any',
    'alltrue': 'all',
    'round_': 'round',
    'in1d': 'isin',
    'row_stack': 'vstack',
    'trapz': 'trapezoid',
}
# MXNet re-exports these and never calls them; NumPy has no successor for them.
_GONE = ('mirr', 'msort', 'npv', 'pmt', 'ppmt', 'pv', 'rate')


def restore(numpy):
    """Give the module `numpy` each name that MXNet reads and that is missing; return those names."""
    restored = []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # some NumPys only warn about a name that they still have
        for name, value in _RENAMED.items():
            if not hasattr(numpy, name):
                setattr(numpy, name, getattr(numpy, value) if isinstance(value, str) else value)
                restored.append(name)
        for name in _GONE:
            if not hasattr(numpy, name):
                setattr(numpy, name, _stand_in(name))
                restored.append(name)
    return restored


def _stand_in(name):
    def gone(*args, **kwargs):
        raise NotImplementedError(f'NumPy no longer has `{name}`')

    gone.__name__ = name
    return gone


def openmp_threads(cpuinfo='/proc/cpuinfo'):
    """Return the number of physical cores that this process may run on."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1
    cores = set()
    try:
        with open(cpuinfo) as file:
            for block in file.read().split('\n\n'):
                facts = dict(map(str.strip, line.split(':', 1)) for line in block.splitlines())
                number = facts.get('processor', '')
                if number.isdigit() and int(number) in allowed:
                    # Hardware threads of one core share its number; ARM does not report one.
                    cores.add((facts.get('physical id'), facts.get('core id', number)))
    except (OSError, ValueError):
        pass
    return len(cores) or len(allowed)


def apply():
    """Prepare this process for `import mxnet`: OpenMP's threads, distutils, NumPy's names."""
    os.environ.setdefault('OMP_NUM_THREADS', str(openmp_threads()))
    if importlib.util.find_spec('distutils') is None and importlib.util.find_spec('setuptools'):
        import setuptools  # noqa: F401 - brings its own copy of distutils, gone since Python 3.12
    try:
        import numpy
    except ImportError:
        return []  # the doctor says so
    return restore(numpy)

"""Make MXNet 1.9.1 importable on today's NumPy and Python; nothing else."""

import builtins
import contextlib
import os
import sys
import warnings

# Names that MXNet reads from NumPy while it is imported and that some NumPy no longer has.
_VALUES = {
    'PZERO': 0.0,
    'NZERO': -0.0,
    'NINF': float('-inf'),
    **dict.fromkeys(('PINF', 'Inf', 'Infinity', 'infty'), float('inf')),
    **dict.fromkeys(('NaN', 'NAN'), float('nan')),
    **{name: getattr(builtins, name) for name in ('bool', 'int', 'float', 'object')},
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


def apply():
    """Prepare this process for `import mxnet`: OpenMP's threads, distutils, NumPy's names."""
    os.environ.setdefault('OMP_NUM_THREADS', str(openmp_threads()))
    if 'OMP_WAIT_POLICY' not in os.environ:
        # How often a thread of GNU OpenMP looks whether the others are there before it sleeps:
        # enough to meet them on a free machine, too little to starve anybody on a busy one.
        os.environ.setdefault('GOMP_SPINCOUNT', '10000')
    # Copies of large arrays would give Python's own thread a team of OpenMP threads. Then there are
    # more of them than processors, GNU OpenMP stops spinning, and each step takes three times as
    # long ever after.
    os.environ.setdefault('MXNET_CPU_PARALLEL_SIZE', str(2**31 - 1))
    if sys.version_info >= (3, 12) and '_distutils_hack' not in sys.modules:
        with contextlib.suppress(ImportError):
            import setuptools  # noqa: F401 - brings the distutils that Python 3.12 dropped
    with contextlib.suppress(ImportError):  # without NumPy the doctor still has to run
        import numpy

        restored.extend(restore(numpy))

"""The doctor: `python -m d2l_gan` says what is here, what would fail and what mends it."""

import contextlib
import ctypes
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

from . import _compat, files

# In a process of its own, so that not even a crash in a library keeps the doctor from speaking.
TRIAL = """
import json
from d2l_gan import devices, plots, train
import mxnet as mx
mx.npx.set_np()
assert float(mx.np.ones((2, 3)).sum()) == 6
found = {'gpus': devices.num_gpus(), 'gpu_build': mx.runtime.Features().is_enabled('CUDA')}
try:
    from d2l import mxnet as d2l
except Exception as error:
    found['d2l_error'] = str(error)
print(json.dumps(found))
"""
CONTAINER = 'docker run --platform linux/amd64 -it -v "$PWD":/gan -w /gan python:3.11 bash'


def gather():
    """Return the facts about this machine that the checks judge, a trial of MXNet among them."""
    done = subprocess.run([sys.executable, '-c', TRIAL], capture_output=True, text=True)
    trial, error = {}, None
    try:
        trial = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        error = (done.stderr.split('\n')[-2:-1] or [f'it ended with {done.returncode}'])[0]
    names = {(dist.metadata['Name'] or '').lower() for dist in metadata.distributions()}
    return SimpleNamespace(
        system=platform.system(),
        machine=platform.machine(),
        python=sys.version_info[:2],
        versions=files.versions(),
        builds=sorted(name for name in names if name.startswith('mxnet')),
        lacking=[name for name in ('libgomp.so.1', 'libquadmath.so.0') if not loads(name)],
        distutils=importlib.util.find_spec('distutils') is not None,
        restored=list(_compat.restored),
        nvidia=shutil.which('nvidia-smi') is not None,
        writable=os.access('.', os.W_OK),
        trial=trial,
        error=error,
    )


def loads(library):
    """Return whether the system has a shared library."""
    with contextlib.suppress(OSError):
        return bool(ctypes.CDLL(library))
    return False


def check_platform(facts):
    """MXNet 1.9.1 has wheels for Linux and Intel Macs, and imports on CPython 3.8 to 3.13."""
    if facts.system == 'Windows':
        yield 'MXNet has no wheel for Windows.', 'wsl --install   (then work inside that Linux)'
    elif facts.system == 'Darwin' and facts.machine == 'arm64':
        yield 'MXNet has no wheel for Apple silicon.', CONTAINER
    elif facts.system == 'Linux' and facts.machine not in ('x86_64', 'AMD64'):
        yield f"MXNet's wheel for {facts.machine} lacks the library ArmPL.", CONTAINER
    if not (3, 8) <= facts.python <= (3, 13):
        version = '.'.join(map(str, facts.python))
        yield f'Python {version} is not one of 3.8 to 3.13.', 'make doctor PYTHON=python3.11'


def check_libraries(facts):
    """On Linux the wheel needs two libraries of the system."""
    if facts.system == 'Linux' and facts.lacking:
        lacking = ' and '.join(facts.lacking)
        mend = 'sudo apt install libgomp1 libquadmath0   (Fedora: dnf install libgomp libquadmath)'
        yield f'The system lacks {lacking}, which MXNet loads.', mend


def check_packages(facts):
    """MXNet 1.9.1, the textbook's package and what they import are installed."""
    flag = '--no-deps ' if facts.python >= (3, 13) else ''
    mxnet, book = facts.versions['mxnet'], '0.16.6' if facts.python == (3, 12) else '1.0.3'
    if not facts.builds:
        yield 'MXNet is not installed.', f'pip install {flag}mxnet==1.9.1'
    elif mxnet not in (None, '1.9.1'):
        yield f'MXNet is {mxnet}; it must be 1.9.1.', f'pip install {flag}mxnet==1.9.1'
    for name in ('numpy', 'matplotlib', 'd2l'):
        if not facts.versions[name]:
            package = f'{flag}d2l=={book}' if name == 'd2l' else name
            yield f'{name} is not installed.', f'pip install {package}'
    if not facts.distutils:
        yield 'Python 3.12 dropped distutils, which MXNet imports.', 'pip install setuptools'
    if facts.versions['d2l'] and facts.trial.get('d2l_error'):
        yield f'd2l does not import: {facts.trial["d2l_error"]}.', f'pip install {flag}d2l=={book}'


def check_numpy(facts):
    """NumPy still has what MXNet reads, or had it restored."""
    if facts.restored:
        yield (
            f'NumPy {facts.versions["numpy"]} lacks {len(facts.restored)} names that MXNet reads '
            f'({facts.restored[0]}, ...); d2l_gan restores them.',
            'import d2l_gan   (before mxnet and d2l, in each program)',
        )


def check_gpu(facts):
    """A GPU build finds a GPU, a GPU finds a GPU build, and there is one MXNet only."""
    gpu_builds = [name for name in facts.builds if name.startswith('mxnet-cu')]
    only = f'pip uninstall -y {" ".join(facts.builds)} && pip install '
    if len(facts.builds) > 1:
        yield (
            f'{" and ".join(facts.builds)} overwrite each other.',
            f'{only}{gpu_builds[0] if facts.nvidia and gpu_builds else "mxnet"}==1.9.1',
        )
    elif gpu_builds and not facts.trial.get('gpus'):
        yield (
            f'{gpu_builds[0]} is a GPU build and finds no GPU, or not its libraries: '
            'the NVIDIA driver, CUDA 11, cuDNN 8, NCCL 2.',
            f'{only}mxnet==1.9.1   (to train on the CPU)',
        )
    elif facts.nvidia and facts.builds and not gpu_builds:
        yield (
            'An NVIDIA GPU is here, and this MXNet is built for the CPU.',
            "pip uninstall -y mxnet && pip install 'd2l_gan[gpu]' && "
            'pip install --force-reinstall --no-deps mxnet-cu117==1.9.1',
        )


def check_outputs(facts):
    """Figures and checkpoints go under the current directory."""
    if not facts.writable:
        yield f'{os.getcwd()} cannot be written to.', 'cd to a directory of your own, or --out DIR'


CHECKS = (check_platform, check_libraries, check_packages, check_numpy, check_gpu, check_outputs)


def report(facts):
    """Return the doctor's lines and whether training could start."""
    gpus = [f'gpu({number})' for number in range(facts.trial.get('gpus', 0))]
    data = os.environ.get('D2L_GAN_DATA', 'unknown: pip install platformdirs')
    with contextlib.suppress(ImportError):
        data = os.environ.get('D2L_GAN_DATA') or files.cache_dir()
    rows = {
        'Python': f'{facts.versions["python"]}, {facts.system} {facts.machine}',
        'NumPy': facts.versions['numpy'],
        'MXNet': facts.versions['mxnet'] or ' '.join(facts.builds),
        'd2l': facts.versions['d2l'],
        'matplotlib': facts.versions['matplotlib'],
        'devices': ', '.join(['cpu', *gpus]),
        'OpenMP threads': f'{os.environ["OMP_NUM_THREADS"]}   (OMP_NUM_THREADS; '
        f'physical cores: {_compat.openmp_threads()})',
        'data': f'{data}   (D2L_GAN_DATA)',
        'outputs': files.output_dir('').resolve(),
    }
    lines = [f'{name:16}{value or "not installed"}' for name, value in rows.items()]
    problems = [problem for check in CHECKS for problem in check(facts)]
    for what, mend in problems:
        lines += ['', what, f'    {mend}']
    starts = facts.error is None
    if not starts:
        lines += ['', f'MXNet does not start: {facts.error}']
    return [*lines, '', f'Training {"can" if starts else "cannot"} start.'], starts


if __name__ == '__main__':
    text, ready = report(gather())
    print('\n'.join(text))
    sys.exit(0 if ready else 1)

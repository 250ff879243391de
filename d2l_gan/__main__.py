"""The doctor: `python -m d2l_gan` says what is here, what would fail and what mends it."""

import contextlib
import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

from . import _environment, arm, files

# In a process of its own, so that not even a crash in a library keeps the doctor from speaking:
# a chapter for one epoch, then a step of the textbook's own code and its live figure.
TRIAL = """
import importlib.util, json, tempfile
from d2l_gan import devices
from mxnet import gluon, np, npx, runtime
npx.set_np()
assert float(np.ones((2, 3)).sum()) == 6
found = {'gpus': devices.num_gpus(), 'gpu_build': runtime.Features().is_enabled('CUDA')}

def tried(part):
    try:
        part()
    except Exception as error:
        found[part.__name__] = f'{type(error).__name__}: {error}'

def chapter():
    from chapters import gaussian
    with tempfile.TemporaryDirectory() as out:
        gaussian.run(num_epochs=1, out=out)

def book():
    from d2l import mxnet as d2l
    nets = [gluon.nn.Dense(1), gluon.nn.Dense(2)]
    for net in nets:
        net.initialize()
    trainers = [gluon.Trainer(net.collect_params(), 'adam') for net in nets]
    loss = gluon.loss.SigmoidBCELoss()
    d2l.set_figsize()
    animator = d2l.Animator(xlabel='epoch', xlim=[1, 2], legend=['loss_D', 'loss_G'])
    for epoch in (1, 2):
        X, Z = np.ones((8, 2)), np.random.normal(size=(8, 2))
        loss_D = d2l.update_D(X, Z, *nets, loss, trainers[0])
        animator.add(epoch, (float(loss_D), float(d2l.update_G(Z, *nets, loss, trainers[1]))))

def jax():
    from d2l_gan.xla import runtime
    found['jax_gpus'] = [device.device_kind for device in runtime.devices('gpu')]

for part in (chapter, book, jax) if importlib.util.find_spec('jax') else (chapter, book):
    tried(part)
print(json.dumps(found))
"""
BOOK = {(3, 12): '0.16.6'}  # the d2l that installs there; elsewhere 1.0.3
LIBRARIES = 'libgomp.so.1', 'libquadmath.so.0'  # ARM has no use for the second
CONTAINER = 'docker build -t d2l-gan . && docker run -it -p 127.0.0.1:8888:8888 d2l-gan'


def gather():
    """Return the facts about this machine that the checks judge, a trial of MXNet among them."""
    done = watched(subprocess.Popen(
        [sys.executable, '-c', TRIAL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ))  # fmt: skip
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
        lacking=[name for name in LIBRARIES[: 1 if arm.here() else 2] if not loads(name)],
        arm=arm.problem(),
        restored=list(_environment.restored),
        nvidia=shutil.which('nvidia-smi') is not None,
        writable=os.access('.', os.W_OK),
        trial=trial,
        error=error,
    )


def watched(process):
    """Wait for a process, with a sign of life in a terminal, and return what it has written."""
    terminal = sys.stderr and sys.stderr.isatty()
    if terminal:
        print('Trying MXNet, a chapter and the code of the textbook ', end='', file=sys.stderr)
    while True:
        try:
            stdout, stderr = process.communicate(timeout=1)
            break
        except subprocess.TimeoutExpired:
            if terminal:
                print('.', end='', file=sys.stderr, flush=True)
    if terminal:
        print(file=sys.stderr)
    return SimpleNamespace(stdout=stdout, stderr=stderr, returncode=process.returncode)


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
    elif facts.system == 'Linux' and facts.machine not in ('x86_64', 'AMD64', 'aarch64'):
        emulated = CONTAINER.replace('docker build', 'docker build --platform linux/amd64')
        yield f'MXNet has no wheel for {facts.machine}.', emulated
    if facts.arm:
        yield facts.arm
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
    mxnet, book = facts.versions['mxnet'], BOOK.get(facts.python, '1.0.3')
    if not facts.builds:
        yield 'MXNet is not installed.', f'pip install {flag}mxnet==1.9.1'
    elif mxnet not in (None, '1.9.1'):
        yield f'MXNet is {mxnet}; it must be 1.9.1.', f'pip install {flag}mxnet==1.9.1'
    for name in ('numpy', 'matplotlib'):
        if not facts.versions[name]:
            yield f'{name} is not installed.', f'pip install {name}'
    if not facts.versions['d2l']:
        rest = ' && pip install ipython matplotlib-inline pandas' if flag else ''
        yield (
            "The textbook's package d2l is not installed; only the cells of the book need it.",
            f'pip install {flag}d2l=={book}{rest}',
        )


def check_trial(facts):
    """A chapter trains, and so does the textbook's own code with its live figure."""
    if facts.trial.get('chapter'):
        yield (
            f'A chapter does not run: {facts.trial["chapter"]}.',
            'python -X dev -m chapters gaussian',
        )
    wrong = facts.trial.get('book') if facts.versions['d2l'] else None
    if wrong and ('set_matplotlib_formats' in wrong or 'backend2gui' in wrong):
        yield (
            f"The book's cells do not draw: this IPython is too new for their d2l. {wrong}.",
            "pip install 'ipython<9'",
        )
    elif wrong:
        yield (
            f"The book's cells do not run: {wrong}.",
            f'pip install --force-reinstall d2l=={BOOK.get(facts.python, "1.0.3")}',
        )


def check_numpy(facts):
    """NumPy still has what MXNet reads, or had it restored."""
    if facts.restored:
        yield (
            f'NumPy {facts.versions["numpy"]} lacks {len(facts.restored)} names that MXNet reads '
            f'({facts.restored[0]}, ...); d2l_gan restores them.',
            'import d2l_gan   (before mxnet and d2l, in each program)',
        )


def check_gpu(facts):
    """A GPU finds an engine that serves it, a GPU build a GPU, and there is one MXNet only."""
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
    elif facts.nvidia and not gpu_builds and not facts.trial.get('jax_gpus'):
        yield (
            'An NVIDIA GPU is here, and neither JAX nor this MXNet is built for it.',
            "pip install 'd2l_gan[gpu]'   (MXNet's own, for Maxwell to Ada: d2l_gan[mxnet-gpu])",
        )


def check_outputs(facts):
    """Figures and checkpoints go under the current directory."""
    if not facts.writable:
        yield f'{os.getcwd()} cannot be written to.', 'cd to a directory of your own, or --out DIR'


CHECKS = (
    check_platform, check_libraries, check_packages, check_trial, check_numpy, check_gpu,
    check_outputs,
)  # fmt: skip


def report(facts):
    """Return the doctor's lines and whether training could start."""
    gpus = [f'gpu({number}) of MXNet' for number in range(facts.trial.get('gpus', 0))]
    gpus += [
        f"gpu({number}) of JAX, {kind}: engine 'xla'"
        for number, kind in enumerate(facts.trial.get('jax_gpus', ()))
    ]
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
        f'physical cores: {_environment.openmp_threads()})',
        'data': f'{data}   (D2L_GAN_DATA)',
        'outputs': files.output_dir('').resolve(),
    }
    lines = [f'{name:16}{value or "not installed"}' for name, value in rows.items()]
    problems = [problem for check in CHECKS for problem in check(facts)]
    for what, mend in problems:
        lines += ['', what, f'    {mend}']
    starts = facts.error is None and not facts.trial.get('chapter')
    if facts.error:
        lines += ['', f'MXNet does not start: {facts.error}']
    return [*lines, '', f'Training {"can" if starts else "cannot"} start.'], starts


if __name__ == '__main__':
    text, ready = report(gather())
    print('\n'.join(text))
    sys.exit(0 if ready else 1)

"""Install afresh on each CPython that is here and train; `make test-pythons` runs this."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent.parent
FRESH = ROOT / '.nox'
nox.options.error_on_missing_interpreters = False


def find(version):
    """Return the path of CPython `version`, None where this machine has none."""
    done = subprocess.run(
        [str(ROOT / '.ci' / 'python'), version], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip() or None


def versions(first, last):
    """Return a decorator that runs a session once for each version, the missing ones skipped."""
    found = {f'3.{minor}': find(f'3.{minor}') for minor in range(first, last + 1)}
    if not any(found.values()):
        raise SystemExit(f'No CPython 3.{first} to 3.{last} runs on this machine.')
    parameters = [nox.param(path, id=version) for version, path in found.items()]
    return nox.parametrize('interpreter', parameters)


def environment(session, interpreter):
    """Make an empty environment for `session`, and return its directory."""
    if interpreter is None:
        session.skip('this machine has no such Python')
    session.chdir(ROOT)
    directory = FRESH / session.name.replace('(', '-').replace(')', '')
    shutil.rmtree(directory, ignore_errors=True)
    session.run(interpreter, '-m', 'venv', str(directory), external=True)
    return directory


@nox.session(venv_backend='none')
@versions(8, 13)
def train(session, interpreter):
    """Install as the Makefile does; run the book's cells and two epochs of a chapter."""
    directory = environment(session, interpreter)
    python = str(directory / 'bin' / 'python')
    out = str(directory / 'out')
    # The installer that stands beside nox saves the fresh environment from fetching one.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    install = [str(ROOT / '.ci' / 'install'), str(directory), 'test']
    session.run(*install, external=True, env={'PATH': path})
    tests = ['tests/test_train.py', 'tests/test_environment.py', '-k', 'update or environment']
    session.run(python, '-m', 'pytest', '-q', *tests, external=True)
    cells = ['-m', 'slow', 'tests/test_textbook_cells.py']
    session.run(python, '-m', 'pytest', '-q', *cells, external=True)
    flags = ['--num-epochs', '2', '--out', out]
    session.run(python, '-m', 'chapters', 'gaussian', *flags, external=True)
    if not session.name.endswith('(3.8)'):  # JAX wants a newer one
        session.run(python, '-m', 'chapters', 'gaussian', *flags, '--engine', 'xla', external=True)
    if session.name.endswith('(3.13)'):  # where NumPy holds it back no more: the newest JAX
        session.run(python, '-m', 'pytest', '-q', 'tests/test_xla_operators.py', external=True)
    session.run(python, '-m', 'd2l_gan', external=True)


@nox.session(venv_backend='none')
@versions(8, 13)
def pip(session, interpreter):
    """Install as README says, with the pip that comes with Python, and run from somewhere else."""
    directory = environment(session, interpreter)
    python = str(directory / 'bin' / 'python')
    session.run(python, '-m', 'pip', 'install', '-q', str(ROOT), external=True)
    with session.chdir(directory):
        if session.name.endswith('(3.13)'):
            done = subprocess.run([python, '-c', 'import d2l_gan'], stderr=subprocess.PIPE)
            named = re.search(r'pip (install --no-deps mxnet==1.9.1)', done.stderr.decode())
            session.run(python, '-m', 'pip', *named.group(1).split(), external=True)
        else:
            session.run(python, '-m', 'pip', 'check', external=True)
        session.run(python, '-c', 'import d2l_gan.train, chapters.gaussian', external=True)
        session.run(str(directory / 'bin' / 'd2l-gan'), external=True)

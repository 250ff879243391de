"""Let OpenBLAS stand in for ArmPL, which MXNet's wheel for 64-bit ARM Linux asks for.

`python -m d2l_gan.arm` puts links of three names beside libmxnet.so, where the dynamic linker looks
first, and `python -m d2l_gan.arm --undo` takes them away. Other machines need none and get none.

This was tried under emulation, which says nothing of speed. There, a game's losses, linear algebra
and convolutions agree with x86 to six digits; oneDNN is in the wheel, and leaves matrix products to
OpenBLAS; MXNet's parameter server (`DIST_KVSTORE`) is not.
"""

import argparse
import contextlib
import ctypes
import os
import sys
from importlib import util
from pathlib import Path

NAMES = ('libarmpl_lp64_mp.so', 'libamath.so', 'libastring.so')
# Of BLAS, of LAPACK, and of C's interface to it. The rest that MXNet wants is in libm and libc.
SYMBOLS = ('cblas_sgemm', 'sgesdd_', 'LAPACKE_dgesv')
OPENBLAS = ('libopenblas.so.0', 'libopenblasp.so.0', 'libopenblaso.so.0')  # the last two: Fedora's
COMMAND = 'python -m d2l_gan.arm'
INSTALL = (
    'sudo apt install libopenblas0-pthread liblapacke   (Fedora: dnf install openblas-threads '
    "lapack; without root, up to Python 3.12: pip install 'scipy<1.13')"
)


def here():
    """Return whether this is 64-bit ARM Linux."""
    return sys.platform == 'linux' and os.uname().machine == 'aarch64'


def directory(package='mxnet'):
    """Return the directory of an installed package, without importing it, or None."""
    spec = util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def missing(mxnet):
    """Return those of `NAMES` that neither the directory `mxnet` nor the system has."""
    return [name for name in NAMES if not (mxnet / name).exists() and not _load(name)]


def find():
    """Return the paths of one or two libraries that have `SYMBOLS`, [] where there are none.

    The system's come first, since they stay where they are when Python's packages change. The
    wheels of SciPy before 1.13 brought an OpenBLAS that serves, too; in later ones each name of it
    has a prefix.
    """
    choices = [(name, 'liblapacke.so.3') for name in OPENBLAS]
    scipy = directory('scipy')
    if scipy:
        libs = scipy.parent / 'scipy.libs'
        # Its Fortran goes first: it is found by name once it is loaded, and not before.
        choices.append([*libs.glob('libgfortran-*'), *libs.glob('libopenblas*')])
    for names in choices:
        libraries = [library for library in map(_load, map(str, names)) if library]
        if all(any(hasattr(library, symbol) for library in libraries) for symbol in SYMBOLS):
            return [_path(library) for library in libraries]
    return []


def link(mxnet, libraries):
    """Make `NAMES` in the directory `mxnet` links to the libraries, and to libc where they end."""
    libc = _path(ctypes.CDLL('libc.so.6'))
    for name, library in zip(NAMES, [*libraries, libc, libc]):
        with contextlib.suppress(FileNotFoundError):
            (mxnet / name).unlink()
        (mxnet / name).symlink_to(library)


def undo(mxnet):
    """Remove the links of `NAMES` in the directory `mxnet`, and return their names."""
    links = [name for name in NAMES if (mxnet / name).is_symlink()]
    for name in links:
        (mxnet / name).unlink()
    return links


def problem():
    """Return what keeps MXNet from being loaded here and what mends it, None where nothing does."""
    mxnet = directory() if here() else None
    if mxnet is None or not missing(mxnet):
        return None
    what = "MXNet's wheel for ARM asks for ArmPL, and OpenBLAS can stand in for it"
    return (f'{what}.', COMMAND) if find() else (f'{what}: it is to be installed.', INSTALL)


def main(arguments=None):
    """Do what the command line says; return an error's sentence, or None."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument('--undo', action='store_true', help='remove the links again')
    flags = parser.parse_args(arguments)
    mxnet = directory()
    if not here():
        print("MXNet's wheel for this machine needs no stand-ins.")
    elif mxnet is None:
        return 'MXNet is not installed.'
    elif flags.undo:
        print(f'Removed from {mxnet}: {", ".join(undo(mxnet)) or "nothing"}.')
    elif missing(mxnet):
        libraries = find()
        if not libraries:
            return f'{problem()[0]}\n    {INSTALL}'
        link(mxnet, libraries)
        try:
            ctypes.CDLL(str(mxnet / 'libmxnet.so'))
        except OSError as error:
            undo(mxnet)
            return f'{" and ".join(libraries)} cannot stand in for ArmPL: {error}.'
        print(f'{" and ".join(libraries)} stand in for ArmPL.')
    else:
        print(f'MXNet finds {", ".join(NAMES)} already.')
    return None


class _Link(ctypes.Structure):  # the head of glibc's link_map
    _fields_ = [('address', ctypes.c_void_p), ('path', ctypes.c_char_p)]


def _load(name):
    with contextlib.suppress(OSError):
        return ctypes.CDLL(name)
    return None


def _path(library):
    found = ctypes.POINTER(_Link)()
    handle = ctypes.c_void_p(library._handle)
    ctypes.CDLL(None).dlinfo(handle, 2, ctypes.byref(found))  # RTLD_DI_LINKMAP
    return os.fsdecode(found.contents.path)


if __name__ == '__main__':
    sys.exit(main())

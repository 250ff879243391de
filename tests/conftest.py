"""What the tests share: the MNIST directory, no network, one place for outputs."""

import functools
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import d2l_gan  # noqa: F401 - before anything imports MXNet

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# Four devices for JAX, of which those who ask for none use the first; it looks once, as it starts.
os.environ.setdefault('XLA_FLAGS', '--xla_force_host_platform_device_count=4')

# The same examples on every run; `--hypothesis-profile=explore` draws others.
settings.register_profile('fixed', derandomize=True)
settings.register_profile('explore', max_examples=100)
settings.load_profile('fixed')


@pytest.fixture(scope='session')
def mnist():
    """Return the directory with MNIST's four files, or skip where D2L_GAN_DATA names none."""
    directory = os.environ.get('D2L_GAN_DATA')
    if not directory or not Path(directory).is_dir():
        pytest.skip('needs the four MNIST files in the directory D2L_GAN_DATA')
    return Path(directory)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Let no test reach another machine; a notebook's kernel on this one is allowed."""
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in ('127.0.0.1', '::1', 'localhost'):
            raise RuntimeError(f'a test reached for the network: {address}')
        return connect(self, address)

    monkeypatch.setattr(socket.socket, 'connect', guarded)


@functools.lru_cache(maxsize=None)
def empty():
    from d2l_gan import plots

    return plots.Picture(figsize=plots.Panels.SIZE).png(edges=None)


@pytest.fixture
def blank(monkeypatch):
    """Draw nothing but a blank picture, of the size that a film has, where a test looks at none.

    The fixtures of a module are made before it, so that what they train is drawn.
    """
    from d2l_gan import plots

    picture = empty()
    monkeypatch.setattr(plots.Picture, 'png', lambda *args, **settings: picture)


@pytest.fixture(scope='session')
def book(tmp_path_factory):
    """Build both books, one epoch for each training, and return their directory.

    D2L_GAN_BOOK names one that is built, for whoever works on what its tests look at.
    """
    if 'D2L_GAN_BOOK' in os.environ:
        return Path(os.environ['D2L_GAN_BOOK']).resolve()
    for package in ('furo', 'myst_nb', 'sphinx'):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp('build') / 'book'
    options = ['-n', '-W', '--keep-going', '-b', 'html', '-D', 'book_epochs=1']
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    environment.pop('MPLBACKEND', None)
    for more, where in ((), out), (('-D', 'language=zh_CN'), out / 'zh'):
        done = subprocess.run(
            [sys.executable, '-m', 'sphinx', *options, *more, str(ROOT / '.book'), str(where)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=str(ROOT),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()[-5000:]
    return out


@pytest.fixture(scope='session')
def address(book):
    """Serve the book on this machine and return its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    """Start one browser for all tests of the book."""
    from tests.browser import chromium

    with chromium(tmp_path_factory.mktemp('chromium')) as chrome:
        chrome.set_script_timeout(120)
        yield chrome

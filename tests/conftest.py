"""What the tests share: the MNIST directory, no network, one place for outputs."""

import os
import socket
from pathlib import Path

import d2l_gan  # noqa: F401 - before anything imports MXNet

import pytest
from hypothesis import settings

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

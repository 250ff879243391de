"""The textbook's generative adversarial networks on MXNet 1.9.1: a library to learn from."""

from . import _compat

_compat.apply()

__version__ = '0.1.0'

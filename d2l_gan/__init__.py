"""Generative adversarial networks as the textbook has them, on MXNet 1.9.1: a library to learn from."""

from . import _compat

_compat.apply()

__version__ = '0.1.0'

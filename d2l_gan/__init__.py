"""The textbook's generative adversarial networks on MXNet 1.9.1: a library to learn from."""

import sys

from . import _environment

if sys.argv[:1] != ['-m']:  # `python -m d2l_gan`, the doctor, speaks without MXNet as well
    _environment.need_mxnet()
_environment.apply()

__version__ = '1.0.0'

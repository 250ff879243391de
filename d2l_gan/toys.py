"""Toys whose modes can be counted: equal, narrow Gaussians on a ring and on a grid."""

from typing import NamedTuple

from d2l_gan import check

import numpy
from mxnet import np


class Modes(NamedTuple):
    """Points (num, 2), float32; the centres (modes, 2) and the deviation sd of their Gaussians."""

    points: np.ndarray
    centres: numpy.ndarray
    sd: float


def ring(num=50_000, seed=0, modes=8, radius=1.0, sd=0.01):
    """Draw from Gaussians on a circle, each as often as any other.

    Angles are multiples of 2 pi / modes. `linspace(0, 2 pi, 8)`, which many programs have, makes a
    ring of 7: its last angle is its first. Source: Metz et al. 2017, arXiv:1611.02163.

    Args:
        num: points; they are dealt out to the modes in turn, and depend on `seed` alone.
        modes: how many Gaussians.
        radius: of the circle.
        sd: standard deviation of each Gaussian, along both axes.
    """
    angles = 2 * numpy.pi * numpy.arange(check.whole('modes', modes)) / modes
    return _around(radius * numpy.stack([numpy.cos(angles), numpy.sin(angles)], 1), sd, num, seed)


def grid(num=50_000, seed=0, side=5, spacing=2.0, sd=0.05):
    """Draw from side x side Gaussians, each as often as any other; the grid's middle is 0.

    Source: Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761.

    Args:
        num, seed, sd: as for `ring`.
        side: Gaussians in a row and in a column.
        spacing: between the centres of neighbours.
    """
    line = spacing * (numpy.arange(check.whole('side', side)) - (side - 1) / 2)
    return _around(numpy.stack(numpy.meshgrid(line, line), axis=-1).reshape(-1, 2), sd, num, seed)


def _around(centres, sd, num, seed):
    check.number('sd', sd, '(0, inf)')
    noise = numpy.random.default_rng(seed).standard_normal((check.whole('num', num), 2))
    points = centres[numpy.arange(num) % len(centres)] + sd * noise
    return Modes(np.array(points, dtype='float32'), centres, sd)

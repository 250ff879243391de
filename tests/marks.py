"""What is left to the slow tests of a test with many values."""

import functools

import pytest

slow = functools.partial(pytest.param, marks=pytest.mark.slow)


def first_alone(values):
    """Return the values of a parameter, all but the first of them for the slow tests."""
    first, *others = values
    return [first, *map(slow, others)]

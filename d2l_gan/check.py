"""One validator: the name of an argument, its value, and the rule that it must keep."""

import difflib
import math
import numbers

try:
    import numpy
except ImportError:  # the doctor speaks where it is missing, and has no array to check
    numpy = None


def fail(name, value, rule):
    """Raise ValueError: "`name` is value; it must be rule"."""
    raise ValueError(f'`{name}` is {value!r}; it must be {rule}')


def whole(name, value, least=1):
    """Return `value` as an int, once it is found to be a whole number of at least `least`."""
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or value < least:
        fail(name, value, f'an integer >= {least}')
    return int(value)


def number(name, value, interval):
    """Return `value`, once it is found to be a finite number in `interval`, such as '[0, 1)'."""
    low, high = (float(end) for end in interval[1:-1].split(','))
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    above = real and (value >= low if interval[0] == '[' else value > low)
    below = real and (value <= high if interval[-1] == ']' else value < high)
    if not (above and below and math.isfinite(value)):
        sign = '>=' if interval[0] == '[' else '>'
        fail(name, value, f'finite and {sign} {low:g}' if high == math.inf else f'in {interval}')
    return value


def choice(name, value, options):
    """Return `value`, once it is found to be one of `options`; else name the nearest."""
    if value not in options:
        near = difflib.get_close_matches(str(value), map(str, options), n=1)
        hint = f' (did you mean {near[0]!r}?)' if near else ''
        *others, last = map(repr, options)
        fail(name, value, f'{"one of " * (len(others) > 1)}{", ".join(others)} or {last}{hint}')
    return value


def rows(name, X, least=1):
    """Return `X`, once it is found to be a floating, finite array of `least` dimensions or more."""
    shape = getattr(X, 'shape', None)
    values = X.asnumpy() if hasattr(X, 'asnumpy') else numpy.asarray(X)
    if values.ndim < least:
        raise ValueError(f'`{name}` has shape {shape}; it must be an array (examples, features...)')
    if values.size == 0:
        raise ValueError(f'`{name}` has shape {values.shape}; it must have at least one row')
    if values.dtype.kind != 'f':
        raise ValueError(
            f"`{name}` has dtype {values.dtype}; it must be floating: X.astype('float32')"
        )
    if not numpy.isfinite(values).all():
        bad = tuple(map(int, numpy.argwhere(~numpy.isfinite(values))[0]))
        raise ValueError(f'`{name}` is {values[bad]} at {bad}; it must be finite')
    return X


def finite(name, value):
    """Return `value`, an array of MXNet or NumPy, as one of NumPy in float64, if it is finite."""
    value = numpy.asarray(value.asnumpy() if hasattr(value, 'asnumpy') else value, 'float64')
    if not numpy.isfinite(value).all():
        raise ValueError(f'`{name}` has NaN or infinity; it must be finite')
    return value


def labelled(images, labels):
    """Return digits and what they are to show as NumPy's (n, 784) and (n,), once they are that.

    Args:
        images: (n, ...), 784 pixels each, in [0, 1].
        labels: (n,), whole numbers from 0 to 9.

    Raises:
        ValueError: where they are not.
    """
    rows, labels = finite('images', images).astype('float32'), finite('labels', labels)
    if len(rows) == 0 or rows.size != 784 * len(rows) or rows.min() < 0 or rows.max() > 1:
        fail('images', rows.shape, '(n, 784) or (n, 28, 28), with pixels in [0, 1]')
    if labels.shape != rows.shape[:1] or not numpy.isin(labels, range(10)).all():
        fail('labels', labels.shape, f'({len(rows)},), whole numbers from 0 to 9')
    return rows.reshape(-1, 784), labels.astype('int64')

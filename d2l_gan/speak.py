"""Speak to the reader, in a notebook, a terminal or a file."""

import contextlib
import os
import sys

from d2l_gan import words

quiet = False  # where another process speaks for this one


def in_notebook():
    """Return whether a notebook's kernel runs this."""
    ipython = sys.modules.get('IPython')
    return ipython is not None and hasattr(ipython.get_ipython(), 'kernel')


def in_terminal():
    """Return whether a terminal shows what is told, so that a bar can move in it."""
    with contextlib.suppress(AttributeError, ValueError):  # it is None, or closed
        return not in_notebook() and sys.stderr.isatty()
    return False


def bar(*args, **keywords):
    """Return tqdm's bar; where there is no terminal it is one that nobody sees."""
    from tqdm import tqdm

    columns = 0
    with contextlib.suppress(AttributeError, OSError, ValueError):
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    # A terminal that does not know its size says 0, and tqdm would draw nothing.
    size = {'dynamic_ncols': True} if columns else {'ncols': 80, 'nrows': 24}
    return tqdm(*args, disable=not in_terminal(), **size, **keywords)


def tell(text, result=False):
    """Print a sentence under a notebook's cell, else on standard error, above a progress bar.

    It speaks the reader's language. Nobody may be listening any more; that is no reason to stop.

    Args:
        text: what to print.
        result: whether it is what a program is run for, and so goes to standard output.
    """
    if quiet:
        return
    from tqdm import tqdm

    text = words.say(text)
    file = sys.stdout if result or in_notebook() else sys.stderr
    if file is None:  # closed before Python began
        return
    with contextlib.suppress(OSError, ValueError):
        try:
            tqdm.write(text, file=file)
            file.flush()
        except RuntimeError:  # a signal came in the middle of another print
            os.write(file.fileno(), f'{text}\n'.encode())

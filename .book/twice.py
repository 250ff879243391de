"""Run a chapter once for a book in two languages: its figures and films are made in both."""

import base64
from pathlib import Path

from d2l_gan import callbacks, plots, words

from IPython.display import display

LANGUAGE = 'zh'
FigureOnce, FilmOnce = callbacks.Figure, callbacks.Film


class Figure(FigureOnce):
    """Draw the first epoch and the last: nobody watches while a book is built."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **{**keywords, 'most': 1})


class Film(FilmOnce):
    """Make the film, and the same in the other language."""

    def __init__(self, out, *args, **keywords):
        super().__init__(out, *args, **keywords)
        self.other = FilmOnce(out and Path(out) / LANGUAGE, *args, **keywords)

    def begin(self, game):
        """Begin both."""
        super().begin(game)
        with words.speaking(LANGUAGE):
            self.other.begin(game)

    def __call__(self, game):
        """Draw the epoch that has just ended, in both."""
        super().__call__(game)
        with words.speaking(LANGUAGE):
            self.other(game)

    def end(self, game):
        """Write both."""
        super().end(game)
        with words.speaking(LANGUAGE):
            self.other.end(game)


def text(data):
    """Return bytes as text, the way notebooks hold pictures."""
    return base64.b64encode(data).decode()


def both(figure, include=None, exclude=None):
    """Return a figure for IPython, with the other language's in its metadata, under 'zh'."""
    with words.speaking(LANGUAGE):
        other = {'image/png': text(figure.png())}
    return {'image/png': figure.png()}, {LANGUAGE: other}


def show_film(path):
    """Show the film of a training, if it has made one."""
    film, other = Path(path), Path(path).parent / LANGUAGE / Path(path).name
    if film.exists():
        told = {'image/gif': {'alt': 'The film of this training'}}
        told[LANGUAGE] = {'image/gif': text(other.read_bytes())}
        display({'image/gif': text(film.read_bytes())}, raw=True, metadata=told)


callbacks.Figure, callbacks.Film = Figure, Film
plots.Picture._repr_mimebundle_ = both

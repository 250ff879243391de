"""Make a film of a run, one picture an epoch."""

from pathlib import Path

from d2l_gan import check, files, plots
from d2l_gan.speak import tell

import numpy
from PIL import Image

FRAME = '{:06d}.png'


class Film:
    """Keep a picture of each epoch in frames/ and, at the end of a run, make training.gif of them.

    A run that was interrupted goes on with its film when it is resumed.

    Args:
        out: directory for both; None makes no film.
        draw, title: as for `Figure`.
        most: draw about so many epochs at most, evenly spread.
    """

    def __init__(self, out, draw=None, title=None, most=60):
        self.out, self.draw, self.title = out and Path(out), draw, title
        self.most = check.whole('most', most)

    def begin(self, game):
        """Draw the epoch that was saved by a run that was then killed before it could draw."""
        if self.out:
            self.moments, self.first = plots.moments(game.num_epochs, self.most), True
            self.panels = plots.Panels(game, self.draw, self.title)
            if game.epoch in self.moments and game.epoch not in self._frames():
                self._draw(game)

    def __call__(self, game):
        """Draw the epoch that has just ended."""
        if not self.out:
            return
        if self.first:
            for epoch, path in self._frames().items():
                if epoch >= game.epoch or epoch not in self.moments:
                    path.unlink()  # of another run, or of an epoch that is played again
        self.first = False
        if game.epoch in self.moments:
            self._draw(game)

    def end(self, game):
        """Write the film if the run came to its end."""
        if not self.out:
            return
        if game.epoch and (game.epoch >= game.num_epochs or game.history.stopped):
            if game.epoch not in self._frames():
                self._draw(game)
            pictures = list(self._pictures())
            if pictures and files.is_free(self.out / 'training.gif'):
                plots.film(pictures, self.out / 'training.gif')
        self.panels = None

    def _frames(self):
        return files.numbered(self.out / 'frames', FRAME)

    def _pictures(self):
        for path in self._frames().values():
            try:
                with Image.open(path) as image:
                    picture = numpy.array(image.convert('RGB'))
                if picture.shape == self.panels.pixels:
                    yield picture
                    continue
            except Exception:  # each format has its own for a damaged file
                pass
            tell(f'`{path}` is not a picture of this run; the film goes without it.')

    def _draw(self, game):
        path = self.out / 'frames' / FRAME.format(game.epoch)
        if files.is_free(path):
            self.panels.update(game)
            files.write_whole(path, self.panels.fig.png(edges=None))

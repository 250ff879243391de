"""Make a film of a run, one picture an epoch."""

from pathlib import Path

from d2l_gan import check, files, plots

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
            plots.film(list(self._frames().values()), self.out / 'training.gif')
        self.panels = None

    def _frames(self):
        return files.numbered(self.out / 'frames', FRAME)

    def _draw(self, game):
        self.panels.update(game)
        picture = self.panels.fig.png(edges=None)
        files.write_whole(self.out / 'frames' / FRAME.format(game.epoch), picture)

"""Show a run while it is under way: live in a notebook, in a window, and in training.png."""

from pathlib import Path

from d2l_gan import check, files, plots, speak
from d2l_gan.speak import tell


class Figure:
    """Show the losses beside what the generator makes of the fixed latent batch.

    Args:
        out: directory for training.png; None writes nothing.
        draw: callable (game, axes) for the right panel; by default the points of the plane, where
            the data are that, and else there is no right panel. See `plots.draw_pictures`.
        title: a line above the panels.
        show: open a window, too, where there is no notebook.
        most: draw about so many epochs at most, evenly spread.
    """

    def __init__(self, out=None, draw=None, title=None, show=False, most=60):
        self.out, self.draw, self.title = out and Path(out), draw, title
        self.show, self.most = show, check.whole('most', most)
        self.panels = self.window = None

    def begin(self, game):
        """Choose what to show and where."""
        self.moments, self.drawn = plots.moments(game.num_epochs, self.most), None
        if self.show and not speak.in_notebook():
            self.window = _window()
        if self.out or self.window or speak.in_notebook():
            self.panels = plots.Panels(game, self.draw, self.title, fig=self.window)

    def __call__(self, game):
        """Draw the epoch that has just ended."""
        if self.panels and game.epoch in self.moments:
            self._draw(game)

    def end(self, game):
        """Write the file; after an exception it has what was drawn last."""
        done = game.epoch and (game.epoch >= game.num_epochs or game.history.stopped)
        try:
            if done and self.panels and self.drawn != game.epoch:
                self._draw(game)
            if self.out and self.drawn and files.is_free(self.out / 'training.png'):
                plots.save(self.panels.fig, self.out / 'training.png')
            if done and self.window:
                from matplotlib import pyplot

                tell('Close the window to go on.')
                pyplot.show()
        finally:
            if self.window:
                from matplotlib import pyplot

                pyplot.close(self.window)
            self.panels = self.window = None

    def _draw(self, game):
        self.panels.update(game)
        self.panels.display()
        if self.window:
            from matplotlib import pyplot

            pyplot.pause(0.001)
        self.drawn = game.epoch


def _window():
    """Return the figure of a new window, or None, with a sentence, where there is no display."""
    from matplotlib import pyplot

    try:
        fig = pyplot.figure(figsize=plots.Panels.SIZE, FigureClass=plots.Picture)
        if fig.canvas.required_interactive_framework:
            return fig
        pyplot.close(fig)
    except Exception:  # each toolkit has its own for a missing display
        pass
    tell('No window is shown, since there is no display.')

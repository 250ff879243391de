"""Show how far a run has come: a bar, or a line now and then, and the book's closing line."""

import math

from d2l_gan import plots, speak, words
from d2l_gan.speak import tell


class Progress:
    """Show epoch, losses and speed while a run is under way.

    A terminal has a bar. Anything else (a pipe, CI) gets a plain line now and then; both go to
    standard error. A notebook gets neither, since its figure is live. A run that comes to its end
    prints the book's closing line on standard output.
    """

    bar = None

    def begin(self, game):
        """Put up the bar where there is a terminal."""
        if speak.in_terminal():
            form = 'epoch {n_fmt}/{total_fmt} |{bar}| {elapsed}<{remaining}{postfix}'
            self.bar = speak.bar(
                total=game.num_epochs, initial=game.epoch, bar_format=words.say(form)
            )

    def __call__(self, game):
        """Show the epoch that has just ended."""
        epoch, n = game.epoch, game.num_epochs
        if self.bar is not None:
            self.bar.set_postfix_str(words.say(in_words(game.history)), refresh=False)
            self.bar.update(epoch - self.bar.n)
        elif not speak.in_notebook() and (epoch in (1, n) or epoch % math.ceil(n / 10) == 0):
            tell(f'epoch {epoch}/{n}, {in_words(game.history)}')

    def end(self, game):
        """Take the bar away; say how a complete run has ended."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        stopped = game.history.stopped
        if stopped:
            tell(f'stopped after epoch {game.epoch}: {stopped}')
        if game.epoch and (game.epoch >= game.num_epochs or stopped):
            tell(in_words(game.history), result=True)


def in_words(history):
    """Return the losses and the speed of the last epoch in the book's words."""
    said = [f'{name} {history[name][-1]:.3f}' for name in plots.loss_columns(history)]
    return ', '.join([*said, f'{history["examples_per_sec"][-1]:.0f} examples/sec'])

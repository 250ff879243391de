"""Say at once how long a long run is going to take."""

import time

from d2l_gan import speak
from d2l_gan.speak import tell

WARM = 3  # steps in which graphs are bound and memory is taken
SECONDS = 5  # of steps that are timed


class Estimate:
    """Say after the first seconds how long a run will take, where that is more than ten minutes.

    The steps are timed from the fourth on, while they are fed. Pictures and scores come on top.

    Args:
        least: seconds; a shorter run is not worth the sentence.
    """

    def __init__(self, least=600):
        self.least, self.game = least, None

    def begin(self, game):
        """Listen to the steps, if it is known how many there will be."""
        if hasattr(game.data_iter, '__len__') and game.epoch < game.num_epochs:
            self.game, self.steps, self.begun = game, 0, time.perf_counter()
            game.watchers.append(self.look)

    def look(self):
        """Time a step."""
        now = time.perf_counter()
        self.steps += 1
        if self.steps <= WARM:
            self.start = now
        elif now - self.start >= SECONDS:
            step = (now - self.start) / (self.steps - WARM)
            self.tell(step * len(self.game.data_iter), self.game.num_epochs - self.game.epoch)

    def __call__(self, game):
        """Take the first epoch as a whole, where it was short, or not fed step by step."""
        if self.game is not None:
            self.tell(time.perf_counter() - self.begun, game.num_epochs - game.epoch)

    def tell(self, epoch, left):
        """Say how long so many epochs take, at so many seconds each, and listen no more."""
        self.end(self.game)
        if epoch * left > self.least:
            fewer = max(1, int(self.least // epoch))
            minutes, few = (f'{epoch * epochs / 60:.0f}' for epochs in (left, fewer))
            how = f'`num_epochs={fewer}`' if speak.in_notebook() else f'--num-epochs {fewer}'
            tell(
                f'This run will take about {minutes} minutes, {epoch:.0f} s an epoch; '
                f'with {how} it would be {few}.'
            )

    def end(self, game):
        """Listen no more."""
        if self.game is not None:
            self.game.watchers.remove(self.look)
            self.game = None

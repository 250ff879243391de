"""A game without networks, and eyes for its figures."""

from d2l_gan.game import COLUMNS, History

import numpy


class Game:
    """What callbacks read of a game, with points that wander from 0 to the real ones."""

    def __init__(self, num_epochs=6, data=None):
        random = numpy.random.RandomState(0)
        self.num_epochs, self.epoch, self.history = num_epochs, 0, History(seed=0)
        self.fixed_Z = random.normal(size=(100, 2))
        self.data = random.normal(size=(1000, 2)) if data is None else data

    def generate(self):
        return self.data[-100:] * self.epoch / self.num_epochs

    def play(self, *callbacks, epochs=None, resume=0):
        """Play the epochs after `resume`, as a fresh process would, and those before unseen."""
        while self.epoch < resume:
            self.next()
        for callback in reversed(callbacks):
            getattr(callback, 'begin', lambda game: None)(self)
        for _ in range(self.num_epochs - resume if epochs is None else epochs):
            self.next()
            for callback in callbacks:
                callback(self)
        return callbacks[0]

    def end(self, *callbacks):
        """Let the callbacks end, as after the last epoch or an exception."""
        for callback in callbacks:
            getattr(callback, 'end', lambda game: None)(self)

    def run(self, *callbacks, **settings):
        """Play and end."""
        self.play(*callbacks, **settings)
        self.end(*callbacks)

    def next(self):
        self.epoch += 1
        values = dict.fromkeys(COLUMNS, 0.5)
        values.update(loss_D=0.7 - 0.4 / self.epoch, loss_G=0.7 + 1 / self.epoch)
        self.history.append(**dict(values, examples_per_sec=577.4))


def curves(axes):
    """Return {label in the legend: y of the line that looks like its sample}."""
    look = lambda line: (line.get_color(), line.get_linestyle())
    lines = {look(line): line.get_ydata() for line in axes.lines}
    assert len(lines) == len(axes.lines)
    legend = axes.get_legend()
    return {
        text.get_text(): lines[look(sample)]
        for text, sample in zip(legend.get_texts(), legend.get_lines())
    }


def files_in(directory):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob('*')
        if path.is_file()
    }

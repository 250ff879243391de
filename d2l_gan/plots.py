"""Show a training: the book's Animator, a live figure and its film, losses, grids of digits.

Figures are made without pyplot: nothing has to be closed, and no backend can be the wrong one.
"""

import io
import itertools
import math
import os
import sys
from pathlib import Path

from d2l_gan import files

import numpy
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

EDGE, GAP = 28, 2  # a digit and the line between two, in pixels
PLAYERS, LOSS = ('discriminator', 'generator'), "loss (D's: half the sum)"


class Picture(Figure):
    """A matplotlib figure that a notebook shows whatever its backend is."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def png(self, dpi=100, edges='tight'):
        """Return the figure as PNG, `dpi` pixels an inch; the same figure gives the same bytes."""
        file = io.BytesIO()
        self.savefig(file, format='png', dpi=dpi, bbox_inches=edges, metadata={'Software': None})
        return file.getvalue()

    _repr_png_ = png


def save(fig, path, dpi=150):
    """Write a figure to `path` as PNG, whole or not at all."""
    files.write_whole(path, Picture.png(fig, dpi))


def film(pictures, path, milliseconds=150):
    """Write a GIF without end; its last picture stands for 2 s.

    pictures: PNG files or uint8 arrays (height, width), of one size; ValueError if there is none.
    """
    from PIL import Image

    if not pictures:
        raise ValueError('`pictures` is empty; a film needs at least one')
    frames = []
    for picture in pictures:
        array = isinstance(picture, numpy.ndarray)
        with Image.fromarray(picture) if array else Image.open(picture) as image:
            frames.append(image.convert('RGB'))
    # One palette for all, or what stands still would flicker.
    palette = frames[-1].quantize(64)
    first, *rest = (frame.quantize(palette=palette, dither=0) for frame in frames)
    timing = {'duration': [milliseconds] * len(rest) + [2000], 'loop': 0}
    write = lambda file: first.save(file, 'GIF', save_all=True, append_images=rest, **timing)
    files.write_whole(path, write)


def in_notebook():
    """Return whether a notebook's kernel runs this."""
    ipython = sys.modules.get('IPython')
    return ipython is not None and hasattr(ipython.get_ipython(), 'kernel')


def tell(text):
    """Print for a reader: under a notebook's cell, else on standard error, above a progress bar."""
    from tqdm import tqdm

    file = sys.stdout if in_notebook() else sys.stderr
    tqdm.write(text, file=file)
    file.flush()


def show(fig, **options):
    """Show a figure in a notebook; elsewhere it is there to be saved, and nothing happens."""
    if in_notebook():
        from IPython.display import display

        return display(fig, **options)


def _erase(axes):
    """Take away what was drawn but keep the ticks: `cla` makes them anew, which takes longest."""
    for artist in [*axes.lines, *axes.collections, *axes.images, *axes.patches, *axes.texts]:
        artist.remove()
    axes.relim()
    axes.autoscale()
    axes.set_prop_cycle(None)


class Animator:
    """Plot lines that grow, as the book's `d2l.Animator` does; `add` draws them anew.

    The arguments are the book's. In a notebook the figure is live and stays: what is printed later
    does not wipe it. Elsewhere nothing is shown; `fig` can be saved. Source: d2l.ai, section 23.8.
    """

    def __init__(
        self, xlabel=None, ylabel=None, legend=None, xlim=None, ylim=None, xscale='linear',
        yscale='linear', fmts=('-', 'm--', 'g-.', 'r:'), nrows=1, ncols=1, figsize=(3.5, 2.5),
        fig=None,
    ):  # fmt: skip
        self.fig = Picture(figsize=figsize) if fig is None else fig
        axes = self.fig.subplots(nrows, ncols)
        self.axes = [axes] if nrows * ncols == 1 else axes
        self.legend, self.fmts = legend or [], fmts
        first = self.fig.axes[0]
        first.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        if xlabel == 'epoch' and xscale == 'linear':
            first.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        self.limits = {k: v for k, v in (('xlim', xlim), ('ylim', ylim)) if v is not None}
        self.X, self.Y, self.shown = None, None, None

    def add(self, x, y):
        """Add a point to each line: y one number or one per line, x likewise; None is left out."""
        y = y if hasattr(y, '__len__') else [y]
        x = x if hasattr(x, '__len__') else [x] * len(y)
        if self.X is None:
            self.X, self.Y = [[] for _ in y], [[] for _ in y]
        for xs, ys, a, b in zip(self.X, self.Y, x, y):
            if a is not None and b is not None:
                xs.append(a)
                ys.append(b)
        self.plot()
        self.display()

    def plot(self):
        """Draw all lines, each with its own label."""
        axes = self.fig.axes[0]
        _erase(axes)
        labels = itertools.chain(self.legend, itertools.repeat(None))
        for x, y, fmt, label in zip(self.X, self.Y, itertools.cycle(self.fmts), labels):
            axes.plot(x, y, fmt, label=label)
        axes.set(**self.limits)
        if self.legend:
            axes.legend()
        axes.grid(True)

    def display(self):
        """Show the figure as it is now, in a notebook."""
        if self.shown is None:
            self.shown = show(self.fig, display_id=True)
        else:
            self.shown.update(self.fig)


class LiveFigure:
    """Show a training while it runs: a callback of `train`, and its default.

    The losses on the left, `draw(game, axes)` on the right: by default real against generated
    points of the plane, or generated digits. A notebook shows it live; a terminal has a progress
    bar, anything else (a pipe, CI) a plain line now and then, both on standard error. At the end
    the book's closing line goes to standard output.

    out: a directory for training.png and, with `film`, training.gif; its pictures are kept in
    frames/ so that a training which was interrupted goes on with its film. frames: draw about so
    many pictures at most, evenly spread over the epochs. show: open a window, too.
    """

    def __init__(
        self, draw=None, out=None, title=None, show=False, film=True, frames=60, legend=PLAYERS,
        figsize=(7.5, 3),
    ):  # fmt: skip
        if frames < 1:
            raise ValueError(f'`frames` is {frames}; it must be >= 1')
        self.draw, self.title, self.legend, self.figsize = draw, title, legend, figsize
        self.out, self.show, self.frames = out and Path(out), show, frames
        self.reel = self.out / 'frames' if out and film else None

    def begin(self, game):
        """Choose what to show and where."""
        n, step = game.num_epochs, math.ceil(game.num_epochs / self.frames)
        self.scheduled, self.first = {1, n, *range(step, n, step)}, True
        draw = self.draw or _DRAW.get(numpy.prod(game.data.shape[1:]))
        self.drawn = self.window = self.animator = self.bar = None
        if self.show and not in_notebook():
            self.window = _window(self.figsize)
        if self.out or self.window or in_notebook():
            self.animator = animator = Animator(
                'epoch', LOSS, self.legend, [1, max(n, 2)], ncols=2 if draw else 1,
                figsize=self.figsize, fig=self.window,
            )  # fmt: skip
            animator.fig.subplots_adjust(0.11, 0.16, 0.985, 0.9, wspace=0.18)
            animator.fig.suptitle(self.title or '')
            animator.draw = draw
        if not in_notebook() and sys.stderr.isatty():
            from tqdm import tqdm

            form = 'epoch {n_fmt}/{total_fmt} |{bar}| {elapsed}<{remaining}{postfix}'
            wide = os.get_terminal_size(sys.stderr.fileno()).columns > 0  # some say 0: unknown
            size = {'dynamic_ncols': True} if wide else {'ncols': 80, 'nrows': 24}
            self.bar = tqdm(total=n, initial=game.epoch, bar_format=form, **size)
        if self.reel and game.epoch in self.scheduled and not self._frame(game.epoch).exists():
            self._picture(game)  # killed after the checkpoint, before the picture

    def __call__(self, game):
        """Draw the epoch that has just ended."""
        epoch, n = game.epoch, game.num_epochs
        if self.reel and self.first:
            for path in self.reel.glob('[0-9]*.png'):
                if int(path.stem) >= epoch or int(path.stem) not in self.scheduled:
                    path.unlink()  # of another training, or of an epoch that is played again
        self.first = False
        if self.animator and epoch in self.scheduled:
            self._picture(game)
        if self.bar is not None:
            self.bar.set_postfix_str(_line(game), refresh=False)
            self.bar.update(epoch - self.bar.n)
        elif not in_notebook() and (epoch in (1, n) or epoch % math.ceil(n / 10) == 0):
            tell(f'epoch {epoch}/{n}, {_line(game)}')

    def end(self, game):
        """Write the files and print the closing line; after an exception just tidy up."""
        stopped = game.history.stopped
        done = game.epoch and (game.epoch >= game.num_epochs or stopped)
        if self.bar is not None:
            self.bar.close()
        try:
            if done and self.animator and self.drawn != game.epoch:
                self._picture(game)
            if self.out and self.drawn:
                save(self.animator.fig, self.out / 'training.png')
                if self.reel:
                    film(sorted(self.reel.glob('[0-9]*.png')), self.out / 'training.gif')
            if stopped:
                tell(f'stopped after epoch {game.epoch}: {stopped}')
            if done:
                print(_line(game), flush=True)
            if done and self.window:
                tell('Close the window to go on.')
                sys.modules['matplotlib.pyplot'].show()
        finally:
            if self.window:
                sys.modules['matplotlib.pyplot'].close(self.window)
            self.animator = self.window = self.bar = None

    def _frame(self, epoch):
        return self.reel / f'{epoch:06}.png'

    def _picture(self, game):
        animator, history = self.animator, game.history
        animator.X = [range(1, len(history) + 1)] * 2
        animator.Y = [history.loss_D, history.loss_G]
        animator.plot()
        if animator.draw:
            _erase(animator.axes[1])
            animator.draw(game, animator.axes[1])
        animator.display()
        if self.reel:
            files.write_whole(self._frame(game.epoch), animator.fig.png(edges=None))
        if self.window:
            sys.modules['matplotlib.pyplot'].pause(0.001)
        self.drawn = game.epoch


def _line(game):
    last = [game.history[name][-1] for name in ('loss_D', 'loss_G', 'examples_per_sec')]
    return 'loss_D {:.3f}, loss_G {:.3f}, {:.0f} examples/sec'.format(*last)


def _window(figsize):
    """Return the figure of a new window, or None, with a sentence, where there is no display."""
    from matplotlib import pyplot

    try:
        fig = pyplot.figure(figsize=figsize, FigureClass=Picture)
        if fig.canvas.required_interactive_framework:
            return fig
        pyplot.close(fig)
    except Exception:  # each toolkit has its own for a missing display
        pass
    tell('No window is shown, since there is no display.')


def draw_points(game, axes):
    """Draw 100 real points of the plane and 100 generated ones, from the fixed latent batch."""
    for X, label in ((game.data[:100], 'real'), (game.generate(), 'generated')):
        axes.scatter(*_array(X).T, label=label)
    axes.legend(loc='upper left')


def draw_digits(game, axes):
    """Draw 16 generated digits, from the fixed latent batch."""
    axes.imshow(mosaic(game.generate(), 4, 4), cmap='gray', vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])


_DRAW = {2: draw_points, EDGE * EDGE: draw_digits}  # by the numbers in one example


def _array(X):
    return X.asnumpy() if hasattr(X, 'asnumpy') else numpy.asarray(X)


def mosaic(images, rows, columns):
    """Return the first rows x columns digits side by side, (height, width) of uint8.

    images: (n, 784), (n, 28, 28) or (n, 28, 28, 1); in [-1, 1] if a pixel is negative, else in
    [0, 1]. Raises ValueError if there are too few.
    """
    images, n = _array(images), rows * columns
    if len(images) < n:
        raise ValueError(f'`images` has {len(images)} digits; it must have {rows} x {columns}')
    if images.min() < 0:
        images = (images + 1) / 2
    tiles = numpy.full((rows, columns, EDGE + GAP, EDGE + GAP), 128, 'uint8')
    pixels = images[:n].reshape(rows, columns, EDGE, EDGE)
    tiles[:, :, :EDGE, :EDGE] = (255 * pixels.clip(0, 1)).round()
    return tiles.transpose(0, 2, 1, 3).reshape(rows * (EDGE + GAP), -1)[:-GAP, :-GAP]


def view_samples(images, rows=4, columns=4, title=None):
    """Return a figure of rows x columns digits; images as for `mosaic`."""
    fig = Picture(figsize=(0.6 * columns, 0.6 * rows))
    axes = fig.subplots()
    axes.imshow(mosaic(images, rows, columns), cmap='gray', vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], title=title)
    return fig


def progress_grid(samples_by_epoch, moments=10, columns=6, title=None):
    """Return a figure with a row of the same `columns` digits for each of `moments` epochs.

    samples_by_epoch: {epoch: images}, or the images of epochs 1, 2, ... in order; images as for
    `mosaic`. The moments are spread evenly from the first epoch to the last.
    """
    if not isinstance(samples_by_epoch, dict):
        samples_by_epoch = dict(enumerate(samples_by_epoch, 1))
    epochs = sorted(samples_by_epoch)
    rows = min(moments, len(epochs))
    epochs = [epochs[i] for i in numpy.linspace(0, len(epochs) - 1, rows).round().astype(int)]
    images = numpy.concatenate([_array(samples_by_epoch[e])[:columns] for e in epochs])
    fig = view_samples(images, rows, columns, title)
    centres = EDGE / 2 + (EDGE + GAP) * numpy.arange(rows)
    fig.axes[0].set_yticks(centres, [f'epoch {epoch}' for epoch in epochs])
    return fig


def training_losses(history):
    """Return a figure of both losses over the epochs of a `History`."""
    animator = Animator('epoch', LOSS, PLAYERS, figsize=(5, 3))
    animator.X = [range(1, len(history) + 1)] * 2
    animator.Y = [history['loss_D'], history['loss_G']]
    animator.plot()
    animator.axes[0].set_title('Training Losses')
    return animator.fig

"""Draw a run: the book's Animator, losses beside samples, films, grids of pictures.

Figures are made without pyplot: nothing has to be closed, and no backend can be the wrong one.
"""

import io
import itertools
import math

from d2l_gan import check, files, speak, words
from d2l_gan.archive import host

import numpy
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

GAP = 2  # pixels between two pictures
PLAYERS, LOSS = {'loss_D': 'discriminator', 'loss_G': 'generator'}, "loss (D's: half the sum)"


class Picture(Figure):
    """A matplotlib figure that a notebook shows whatever its backend is."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def png(self, dpi=100, edges='tight'):
        """Return the figure as PNG, `dpi` pixels an inch; the same figure gives the same bytes."""
        file = io.BytesIO()
        with words.lettering(self):
            self.savefig(
                file, format='png', dpi=dpi, bbox_inches=edges, metadata={'Software': None}
            )
        return file.getvalue()

    _repr_png_ = png

    def draw(self, renderer):
        """Draw the figure, in a window as well, with its words in the reader's language."""
        with words.lettering(self):
            super().draw(renderer)


def save(fig, path, dpi=150):
    """Write a figure to `path` as PNG, whole or not at all."""
    files.write_whole(path, Picture.png(fig, dpi))


def film(pictures, path, milliseconds=150):
    """Write a GIF without end; its last picture stands for 2 s.

    Args:
        pictures: PNG files or uint8 arrays (height, width), of one size, at least one.
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
    palette = frames[-1].quantize(256)
    first, *rest = (frame.quantize(palette=palette, dither=0) for frame in frames)
    timing = {'duration': [milliseconds] * len(rest) + [2000], 'loop': 0}
    write = lambda file: first.save(file, 'GIF', save_all=True, append_images=rest, **timing)
    files.write_whole(path, write)


def show(fig, **options):
    """Show a figure in a notebook; elsewhere it is there to be saved, and nothing happens."""
    if speak.in_notebook():
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

    def curves(self, x, *Y):
        """Draw other lines in place of those there are: points x for all, and the y of each."""
        self.X, self.Y = [x] * len(Y), Y
        self.plot()

    def plot(self):
        """Draw all lines, each with its own label; a single point has no line, so it is dotted."""
        axes = self.fig.axes[0]
        _erase(axes)
        labels = itertools.chain(self.legend, itertools.repeat(None))
        for x, y, fmt, label in zip(self.X, self.Y, itertools.cycle(self.fmts), labels):
            lone = {'marker': '.', 'clip_on': False} if len(x) == 1 else {}
            axes.plot(x, y, fmt, label=label, **lone)
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


class Panels(Animator):
    """The picture of a game: its losses on the left, `draw(game, axes)` on the right.

    Args:
        game: a `Game`.
        draw: callable (game, axes); None draws points of the plane if the data are that, else there
            is no right panel.
        title: a line above.
        fig: a figure to use, such as a window's.
    """

    SIZE = (7.5, 3)
    pixels = (300, 750, 3)  # of the figure as a PNG with its edges

    def __init__(self, game, draw=None, title=None, fig=None):
        self.columns = loss_columns(game.history)
        of_the_plane = game.fixed_Z is not None and game.data.shape[1:] == (2,)
        self.draw = draw or (draw_points if of_the_plane else None)
        super().__init__(
            'epoch', LOSS if set(PLAYERS) & {*self.columns} else 'loss',
            [PLAYERS.get(name, name) for name in self.columns], [1, max(game.num_epochs, 2)],
            ncols=2 if self.draw else 1, figsize=self.SIZE, fig=fig,
        )  # fmt: skip
        self.fig.subplots_adjust(0.11, 0.16, 0.985, 0.9, wspace=0.18)
        self.fig.suptitle(title or '')

    def update(self, game):
        """Draw the epoch that has just ended."""
        history = game.history
        self.curves(range(1, len(history) + 1), *(history[name] for name in self.columns))
        if self.draw:
            _erase(self.axes[1])
            self.draw(game, self.axes[1])


def loss_columns(history):
    """Return the names of the columns of a `History` that are losses."""
    return [name for name in history.columns if name.startswith('loss')]


def moments(num_epochs, most):
    """Return the epochs to draw, a set of about `most`: the first, the last, evenly spread."""
    step = math.ceil(num_epochs / most)
    return {1, num_epochs, *range(step, num_epochs, step)}


def draw_points(game, axes):
    """Draw 100 real points of the plane and 100 generated ones, from the fixed latent batch."""
    for X, label in ((game.data[:100], 'real'), (game.generate(), 'generated')):
        axes.scatter(*host(X).T, label=label)
    axes.legend(loc='upper left')


def draw_pictures(scale='unit', shape=None, order=None):
    """Return a `draw` for generated pictures, from the fixed latent batch: 16, or all in an order.

    Args:
        scale, shape: as for `pixels`.
        order: which to show, a square number of indices; None for the first 16.
    """
    order = numpy.arange(16) if order is None else order
    side = math.isqrt(len(order))

    def draw(game, axes):
        _show_pixels(axes, mosaic(host(game.generate())[order], side, side, scale, shape))

    return draw


def _show_pixels(axes, picture):
    axes.imshow(picture, cmap='gray', vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])


def pixels(images, scale='unit', shape=None):
    """Return pictures as NumPy, (n, height, width) or, in colour, (n, height, width, 3), in [0, 1].

    Args:
        images: (n, ...); three channels, one or none, last or, as Gluon's convolutions have them,
            first.
        scale: 'unit' if they are in [0, 1], as a sigmoid makes them, 'symmetric' if in [-1, 1], as
            a tanh does.
        shape: of one picture, such as (28, 28), where `images` is (n, numbers in a picture).
    """
    check.choice('scale', scale, ('unit', 'symmetric'))
    images = host(images)
    if shape is not None:
        images = images.reshape(len(images), *shape)
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = numpy.moveaxis(images, 1, 3)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.ndim != 3 and images.shape[3:] != (3,):
        raise ValueError(
            f'`images` has shape {images.shape}; it must be (n, height, width), with one or three '
            'channels, or `shape` must say what a picture is'
        )
    return (images + 1) / 2 if scale == 'symmetric' else images


def mosaic(images, rows, columns, scale='unit', shape=None):
    """Return the first rows x columns pictures side by side, (height, width) or (height, width, 3).

    It is uint8, with a grey line of 2 pixels between any two.

    Args:
        images, scale, shape: as for `pixels`.

    Raises:
        ValueError: if there are too few.
    """
    images, n = pixels(images, scale, shape), rows * columns
    if len(images) < n:
        raise ValueError(f'`images` has {len(images)} pictures; it must have {rows} x {columns}')
    _, height, width, *colours = images.shape
    tiles = numpy.full((rows, columns, height + GAP, width + GAP, *colours), 128, 'uint8')
    tiles[:, :, :height, :width] = (
        (255 * images[:n].clip(0, 1)).round().reshape(rows, columns, height, width, *colours)
    )
    whole = tiles.swapaxes(1, 2).reshape(rows * (height + GAP), columns * (width + GAP), *colours)
    return whole[:-GAP, :-GAP]


def view_samples(images, rows=4, columns=4, title=None, scale='unit', shape=None):
    """Return a figure of rows x columns pictures; images, scale, shape as for `pixels`."""
    picture = mosaic(images, rows, columns, scale, shape)
    fig = Picture(figsize=(0.6 * columns, 0.6 * columns * picture.shape[0] / picture.shape[1]))
    axes = fig.subplots()
    _show_pixels(axes, picture)
    axes.set(title=title)
    return fig


def progress_grid(samples_by_epoch, moments=10, columns=6, title=None, scale='unit', shape=None):
    """Return a figure with a row of the same `columns` pictures for each of `moments` epochs.

    Args:
        samples_by_epoch: {epoch: images}, or the images of epochs 1, 2, ... in order.
        moments: spread evenly from the first epoch to the last.
        columns, title: of the figure.
        scale, shape: as for `pixels`.
    """
    if not isinstance(samples_by_epoch, dict):
        samples_by_epoch = dict(enumerate(samples_by_epoch, 1))
    epochs = sorted(samples_by_epoch)
    rows = min(moments, len(epochs))
    epochs = [epochs[i] for i in numpy.linspace(0, len(epochs) - 1, rows).round().astype(int)]
    images = numpy.concatenate([host(samples_by_epoch[e])[:columns] for e in epochs])
    images = pixels(images, scale, shape)
    fig, height = view_samples(images, rows, columns, title), images.shape[1]
    centres = height / 2 + (height + GAP) * numpy.arange(rows)
    fig.axes[0].set_yticks(centres, [f'epoch {epoch}' for epoch in epochs])
    return fig


def training_losses(history):
    """Return a figure of the losses over the epochs of a `History`."""
    columns = loss_columns(history)
    names = [PLAYERS.get(name, name) for name in columns]
    label = LOSS if set(PLAYERS) & {*columns} else 'loss'
    animator = Animator('epoch', label, names, figsize=(5, 3))
    animator.curves(range(1, len(history) + 1), *(history[name] for name in columns))
    animator.axes[0].set_title('Training Losses')
    return animator.fig

"""Figures are read back: which label stands beside which curve, what a terminal gets to see."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

from d2l_gan import plots
from d2l_gan.game import COLUMNS, History

import numpy
import pytest
from matplotlib import pyplot
from PIL import Image

CLOSING = re.compile(r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec\n')


class Game:
    """What LiveFigure reads of a game, with points that wander from 0 to the real ones."""

    def __init__(self, num_epochs=6, data=None):
        random = numpy.random.RandomState(0)
        self.num_epochs, self.epoch, self.history = num_epochs, 0, History(seed=0)
        self.data = random.normal(size=(1000, 2)) if data is None else data

    def generate(self):
        return self.data[-100:] * self.epoch / self.num_epochs

    def play(self, figure, epochs=None, resume=0):
        """Play the epochs after `resume`, as a fresh process would, and those before unseen."""
        while self.epoch < resume:
            self.next()
        figure.begin(self)
        for _ in range(self.num_epochs - resume if epochs is None else epochs):
            self.next()
            figure(self)
        return figure

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


# The Animator


@pytest.mark.parametrize('limits', [{}, {'xlim': [1, 10], 'ylim': [0.1, 2], 'yscale': 'log'}])
@pytest.mark.parametrize('legend', [None, ['train loss', 'train acc', 'test acc']])
def test_the_animator_draws_what_the_books_draws(monkeypatch, limits, legend):
    from d2l import mxnet as d2l  # here, since it is slow and the processes below need it not

    monkeypatch.setattr(d2l, 'use_svg_display', lambda: None)
    monkeypatch.setattr(d2l.d2l.display, 'display', lambda fig: None)
    monkeypatch.setattr(d2l.d2l.display, 'clear_output', lambda wait: None)
    pair = [kind('epoch', 'y', legend, **limits) for kind in (d2l.Animator, plots.Animator)]
    for animator in pair:
        for x in (1, 2.5, 3):
            animator.add(x, (x / 9, None, x**2 / 5))
        animator.add([3, 4, 5], [None, 0.25, 0.2])
    book, ours = (animator.axes[0] for animator in pair)
    assert len(book.lines) == len(ours.lines) == 3
    for theirs, line in zip(book.lines, ours.lines):
        numpy.testing.assert_array_equal(line.get_xydata(), theirs.get_xydata())
        assert line.get_color() == theirs.get_color()
        assert line.get_linestyle() == theirs.get_linestyle()
    for name in ('xlabel', 'ylabel', 'xscale', 'yscale', 'xlim', 'ylim'):
        assert getattr(ours, f'get_{name}')() == getattr(book, f'get_{name}')()
    texts = [
        [t.get_text() for t in axes.get_legend().get_texts()] for axes in (book, ours) if legend
    ]
    assert not legend or texts == [legend, legend]
    assert (ours.get_legend() is None) == (legend is None)
    assert all(line.get_visible() for line in ours.get_xgridlines())
    numpy.testing.assert_array_equal(pair[1].fig.get_size_inches(), pair[0].fig.get_size_inches())
    pyplot.close('all')


def test_the_animator_takes_the_books_arguments_and_more_lines_than_formats():
    animator = plots.Animator(nrows=2, figsize=(5, 5))
    animator.fig.subplots_adjust(hspace=0.3)  # as in the book's train
    assert len(animator.axes) == 2
    animator = plots.Animator(legend=list('abcde'), fmts=('-', 'r:'))
    animator.add(1, 5)
    assert len(animator.axes[0].lines) == 1
    animator = plots.Animator(legend=list('abcde'), fmts=('-', 'r:'))
    animator.add(1, range(5))
    assert [line.get_label() for line in animator.axes[0].lines] == list('abcde')


# The live figure


@pytest.mark.parametrize('epochs', [1, 2, 7])
def test_a_label_stands_beside_the_curve_it_names(tmp_path, epochs):
    game = Game(7)
    figure = game.play(plots.LiveFigure(out=tmp_path), epochs)
    losses, points = figure.animator.axes
    drawn = curves(losses)
    assert list(drawn) == ['discriminator', 'generator']
    numpy.testing.assert_array_equal(drawn['discriminator'], game.history.loss_D)
    numpy.testing.assert_array_equal(drawn['generator'], game.history.loss_G)
    assert losses.lines[0].get_xdata().tolist() == list(range(1, epochs + 1))
    assert losses.get_xlim() == (1, 7)
    assert losses.get_xlabel() == 'epoch'
    assert 'half' in losses.get_ylabel()
    handles, labels = points.get_legend_handles_labels()
    assert labels == ['real', 'generated']
    numpy.testing.assert_array_equal(handles[0].get_offsets(), game.data[:100])
    numpy.testing.assert_array_equal(handles[1].get_offsets(), game.generate())
    shown = points.get_legend().legend_handles
    assert (shown[1].get_facecolor() == handles[1].get_facecolor()).all()
    assert (shown[0].get_facecolor() != shown[1].get_facecolor()).any()
    assert (points.viewLim.min <= game.data[:100].min(0)).all()
    figure.end(game)


def test_files_and_the_closing_line(tmp_path, capsys):
    game = Game(6)
    game.play(plots.LiveFigure(out=tmp_path / 'a')).end(game)
    out, err = capsys.readouterr()
    assert out == 'loss_D 0.633, loss_G 0.867, 577 examples/sec\n'
    assert err.splitlines()[1] == 'epoch 2/6, loss_D 0.500, loss_G 1.200, 577 examples/sec'
    made = files_in(tmp_path / 'a')
    assert sorted(map(str, made)) == [
        *(f'frames/{i:06}.png' for i in range(1, 7)), 'training.gif', 'training.png',
    ]  # fmt: skip
    with Image.open(tmp_path / 'a' / 'training.gif') as film:
        assert film.n_frames == 6
        assert film.size == (750, 300)
        assert film.info['loop'] == 0
        film.seek(5)
        assert film.info['duration'] == 2000
    again = Game(6)
    again.play(plots.LiveFigure(out=tmp_path / 'b')).end(again)
    assert files_in(tmp_path / 'b') == made
    assert b'matplotlib' not in made[next(p for p in made if p.name == 'training.png')]


@pytest.mark.slow  # alone and without coverage, or the time would be another's
def test_pictures_and_film_of_20_epochs_take_at_most_2_s(tmp_path):
    seconds = []
    for _ in range(3):
        game, figure, open_before = Game(20), plots.LiveFigure(out=tmp_path), pyplot.get_fignums()
        start = time.process_time()
        game.play(figure).end(game)
        seconds.append(time.process_time() - start)
    print(f'{min(seconds):.2f} s')
    assert min(seconds) < 2
    assert (tmp_path / 'training.gif').stat().st_size < 300_000
    assert pyplot.get_fignums() == open_before
    assert figure.animator is None


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    game, out = Game(4), tmp_path_factory.mktemp('whole')
    game.play(plots.LiveFigure(out=out)).end(game)
    return files_in(out)


@pytest.mark.parametrize('k', range(5))
def test_after_a_kill_the_film_goes_on_bit_for_bit(tmp_path, whole, k):
    Game(4).play(plots.LiveFigure(out=tmp_path), k)  # no end(): SIGKILL
    if k:  # between the checkpoint and the picture
        (tmp_path / 'frames' / f'{k:06}.png').unlink()
    game = Game(4)
    game.play(plots.LiveFigure(out=tmp_path), resume=k).end(game)
    assert files_in(tmp_path) == whole


def test_pictures_of_epochs_that_are_played_again_are_replaced(tmp_path, whole):
    Game(4).play(plots.LiveFigure(out=tmp_path), 2)
    for number in (2, 3, 11, 300):  # later than the checkpoint, or of a longer training
        Image.new('RGB', (9, 9)).save(tmp_path / 'frames' / f'{number:06}.png')
    game = Game(4)
    game.play(plots.LiveFigure(out=tmp_path), resume=1).end(game)
    assert files_in(tmp_path) == whole


def test_a_long_training_draws_only_some_epochs(tmp_path, capsys):
    game = Game(103)
    game.play(plots.LiveFigure(out=tmp_path, frames=10)).end(game)
    frames = sorted(int(path.stem) for path in (tmp_path / 'frames').iterdir())
    assert frames == [1, *range(11, 100, 11), 103]
    assert 10 <= len(capsys.readouterr().err.splitlines()) <= 12
    game = Game(4)
    game.play(plots.LiveFigure(out=tmp_path, film=False)).end(game)
    assert (tmp_path / 'training.png').exists()
    with pytest.raises(ValueError, match='`frames` is 0; it must be >= 1'):
        plots.LiveFigure(frames=0)


def test_a_stop_is_said_and_drawn(tmp_path, capsys):
    game = Game(100)
    figure = game.play(plots.LiveFigure(out=tmp_path, frames=10), 12)
    game.history.stopped = 'good enough'
    figure.end(game)
    out, err = capsys.readouterr()
    assert err.endswith('stopped after epoch 12: good enough\n')
    assert CLOSING.fullmatch(out)
    with Image.open(tmp_path / 'training.gif') as film:
        assert film.n_frames == 3  # 1, 10 and the one it ended with


def test_after_an_exception_it_tidies_up_without_a_closing_line(tmp_path, capsys):
    game = Game(6)
    figure = game.play(plots.LiveFigure(out=tmp_path), 3)
    figure.end(game)
    assert capsys.readouterr().out == ''
    with Image.open(tmp_path / 'training.gif') as film:
        assert film.n_frames == 3
    game = Game(6)
    game.play(plots.LiveFigure(out=tmp_path / 'none'), 0).end(game)
    assert not (tmp_path / 'none').exists()
    assert figure.animator is figure.bar is None


def test_nothing_is_cut_off_in_the_film(tmp_path):
    game = Game(3)
    figure = game.play(plots.LiveFigure(out=tmp_path), 0)
    values = dict.fromkeys(COLUMNS, 0.69)
    game.history.append(**dict(values, loss_G=-0.68))  # as in the minimax game
    game.epoch = 1
    figure(game)
    for axes in figure.animator.axes:
        seen = axes.get_tightbbox(figure.animator.fig.canvas.get_renderer())
        assert seen.x0 >= 0 <= seen.y0
        assert (seen.max <= figure.animator.fig.bbox.max).all()


def test_what_a_reader_draws_comes_instead_and_leaves_no_trace(tmp_path):
    seen = []

    def draw(game, axes):
        axes.plot([0, game.epoch], 'C3', label='mine')
        axes.text(0, 0, 'half')
        axes.set_ylim(-1.1, 1.1)
        seen.append(game.epoch)

    game = Game(3, data=numpy.zeros((5, 7)))
    figure = game.play(plots.LiveFigure(draw, out=tmp_path, title='A title'))
    assert seen == [1, 2, 3]
    (line,) = figure.animator.axes[1].lines
    assert line.get_ydata().tolist() == [0, 3]
    assert len(figure.animator.axes[1].texts) == 1
    assert figure.animator.fig._suptitle.get_text() == 'A title'
    game = Game(2, data=numpy.zeros((5, 7)))
    assert len(game.play(plots.LiveFigure(out=tmp_path)).animator.axes) == 1


def test_a_notebook_shows_one_figure_and_prints_below_it(monkeypatch, capsys):
    display = pytest.importorskip('IPython.display')
    shown = []

    class Handle:
        def update(self, fig):
            shown.append(fig._repr_png_())

    def first(fig, display_id=None):
        Handle().update(fig)
        return Handle()

    monkeypatch.setattr(plots, 'in_notebook', lambda: True)
    monkeypatch.setattr(display, 'display', first)
    game = Game(3)
    game.play(plots.LiveFigure()).end(game)
    assert len(set(shown)) == len(shown) == 3
    plots.tell('a later print')
    plots.show(plots.view_samples(DIGITS))
    assert len(shown) == 4
    out, err = capsys.readouterr()
    assert re.fullmatch(CLOSING.pattern + 'a later print\n', out)
    assert err == ''


def test_what_is_told_stands_above_the_bar(monkeypatch):
    class Terminal(io.StringIO):
        isatty = lambda self: True
        fileno = lambda self: 2

    monkeypatch.setattr(os, 'get_terminal_size', lambda *_: os.terminal_size((0, 0)))
    monkeypatch.setattr(sys, 'stderr', Terminal())
    game = Game(2)
    figure = game.play(plots.LiveFigure(), 1)
    plots.tell('the samples look alike')
    game.next()
    figure(game)
    figure.end(game)
    above, below = sys.stderr.getvalue().split('the samples look alike\n')
    assert 'epoch 0/2' in above
    assert re.search(r'\r +\r$', above)  # the bar was wiped first
    assert 'epoch 2/2' in below.split('\r')[-1]


def test_a_window_where_there_is_a_display_and_a_sentence_where_not(monkeypatch, capsys):
    monkeypatch.setattr(pyplot, 'figure', lambda **options: 1 / 0)
    game = Game(2)
    figure = game.play(plots.LiveFigure(show=True))
    figure.end(game)
    assert capsys.readouterr().err.startswith('No window is shown, since there is no display.\n')
    assert figure.drawn is None

    calls = []

    def window(FigureClass, figsize):
        fig = FigureClass(figsize=figsize)
        fig.canvas.required_interactive_framework = 'made up'
        return fig

    monkeypatch.setattr(pyplot, 'figure', window)
    for name in ('pause', 'show', 'close'):
        monkeypatch.setattr(pyplot, name, lambda *_, name=name: calls.append(name))
    game = Game(2)
    game.play(plots.LiveFigure(show=True)).end(game)
    assert calls == ['pause', 'pause', 'show', 'close']
    monkeypatch.setattr(pyplot, 'figure', lambda **options: plots.Picture())
    assert plots._window((1, 1)) is None  # a backend without windows


# In a process of its own: terminal and pipe

SCRIPT = """
import sys
from d2l_gan import data, train
from mxnet import gluon, npx
npx.set_np()
net_G, net_D = gluon.nn.Dense(2), gluon.nn.Dense(1)
X = data.gaussian(32)[0]
train.train(net_D, net_G, data.Batches(X, 8), 3, 0.05, 0.005, 2, X, seed=1)
print('a later print')
assert 'matplotlib.pyplot' not in sys.modules and 'IPython' not in sys.modules
"""


BAR = """
import sys
from d2l_gan import plots
from tests.test_plots import Game
game = Game(3)
game.play(plots.LiveFigure()).end(game)
"""


def test_a_pipe_gets_plain_lines():
    done = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, timeout=120)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, err
    assert CLOSING.fullmatch(out.replace('a later print\n', ''))
    lines = [line for line in err.splitlines() if line.startswith('epoch ')]
    assert [line.split(',')[0] for line in lines] == ['epoch 1/3', 'epoch 2/3', 'epoch 3/3']
    assert not re.search(r'[\x00-\x09\x0b-\x1f]', out + err)


@pytest.mark.skipif(sys.platform == 'win32', reason='needs a pseudo-terminal')
@pytest.mark.parametrize('columns', [0, 60])
def test_a_terminal_gets_one_bar_and_the_closing_line(columns):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', columns // 2, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, '-c', BAR], stdout=subprocess.PIPE, stderr=theirs, encoding='utf-8'
    )
    os.close(theirs)
    shown = b''
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    stdout = process.communicate(timeout=120)[0]
    shown = shown.decode().replace('\r\n', '\n')
    assert process.returncode == 0, shown
    assert CLOSING.fullmatch(stdout)
    lines = shown.split('\n')
    assert len(lines) == 2, shown
    assert lines[1] == ''
    last = lines[0].split('\r')[-1]
    assert len(last) <= (columns or 80)
    assert re.match(r'epoch 3/3 \|█*\| \d\d:\d\d<00:00, loss_D 0\.567, loss_G 1\.0', last)
    assert columns == 60 or last.endswith('577 examples/sec')


# Digits

DIGITS = (numpy.arange(20 * 784).reshape(20, 784) % 251 / 250).astype('float32')


@pytest.mark.parametrize('shape', [(784,), (28, 28), (28, 28, 1)])
@pytest.mark.parametrize('scale', [lambda x: x, lambda x: 2 * x - 1])
def test_mosaic_puts_each_digit_in_its_place(shape, scale):
    picture = plots.mosaic(scale(DIGITS).reshape(-1, *shape), 3, 5)
    assert picture.shape == (3 * 30 - 2, 5 * 30 - 2)
    for i in range(15):
        top, left = 30 * (i // 5), 30 * (i % 5)
        tile = picture[top : top + 28, left : left + 28]
        assert numpy.abs(tile - 255 * DIGITS[i].reshape(28, 28)).max() <= 0.501
    with pytest.raises(ValueError, match='`images` has 20 digits; it must have 5 x 5'):
        plots.mosaic(DIGITS, 5, 5)


def shown_in(fig):
    ((image,),) = [axes.images for axes in fig.axes]
    return image.get_array()


def test_view_samples_and_the_progress_grid(tmp_path):
    fig = plots.view_samples(DIGITS, title='Sixteen')
    numpy.testing.assert_array_equal(shown_in(fig), plots.mosaic(DIGITS, 4, 4))
    assert fig.axes[0].get_title() == 'Sixteen'
    plots.save(fig, tmp_path / 'deep' / 'view.png')
    with Image.open(tmp_path / 'deep' / 'view.png') as image:
        assert image.format == 'PNG'

    samples = {e: numpy.full((16, 784), e / 100) for e in range(1, 101)}
    for given in (samples, [samples[e] for e in sorted(samples)]):
        fig = plots.progress_grid(given)
        picture = shown_in(fig)
        assert picture.shape == (10 * 30 - 2, 6 * 30 - 2)
        labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
        assert labels == [f'epoch {1 + 11 * i}' for i in range(10)]
        for i, y in enumerate(fig.axes[0].get_yticks()):
            assert abs(int(picture[int(y), 0]) - 2.55 * (1 + 11 * i)) <= 0.501
    assert shown_in(plots.progress_grid({5: DIGITS}, columns=2)).shape == (28, 58)


def test_the_live_figure_draws_digits(tmp_path):
    game = Game(2, data=numpy.random.RandomState(0).uniform(size=(100, 28, 28, 1)))
    figure = game.play(plots.LiveFigure(out=tmp_path))
    (image,) = figure.animator.axes[1].images
    numpy.testing.assert_array_equal(image.get_array(), plots.mosaic(game.data, 4, 4))


def test_training_losses_names_its_curves():
    game = Game(5)
    for _ in range(5):
        game.next()
    (axes,) = plots.training_losses(game.history).axes
    assert axes.get_title() == 'Training Losses'
    drawn = curves(axes)
    numpy.testing.assert_array_equal(drawn['discriminator'], game.history.loss_D)
    numpy.testing.assert_array_equal(drawn['generator'], game.history.loss_G)


def test_a_film_of_arrays(tmp_path):
    pictures = [plots.mosaic(DIGITS[i:], 1, 1) for i in range(4)]
    plots.film(pictures, tmp_path / 'a.gif', milliseconds=100)
    with Image.open(tmp_path / 'a.gif') as image:
        assert image.n_frames == 4
        for i, picture in enumerate(pictures):
            image.seek(i)
            off = numpy.array(image.convert('L')).astype(int) - picture
            assert numpy.abs(off).max() <= 8  # 64 greys
    with pytest.raises(ValueError, match='`pictures` is empty'):
        plots.film([], tmp_path / 'b.gif')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.gif']


def test_any_figure_can_be_saved_without_the_date(tmp_path):
    fig = pyplot.figure()
    fig.add_subplot().plot([1, 2])
    plots.save(fig, tmp_path / 'a.png')
    assert b'Software' not in (tmp_path / 'a.png').read_bytes()
    pyplot.close(fig)
    data = io.BytesIO(plots.view_samples(DIGITS)._repr_png_())
    with Image.open(data) as image:
        assert image.format == 'PNG'

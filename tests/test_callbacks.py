"""What happens once an epoch: what a terminal gets to see, what is written, what is told."""

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios

from d2l_gan import plots, speak
from d2l_gan.callbacks import Figure, Film, Progress, figure
from d2l_gan.game import COLUMNS
from tests.fakes import Game, curves, files_in
from tests.marks import first_alone, slow

import numpy
import pytest
from matplotlib import pyplot
from PIL import Image

CLOSING = re.compile(r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec\n')


def everything(out):
    return Progress(), Figure(out), Film(out)


# The live figure


@pytest.mark.parametrize('epochs', [1, 2, 7])
def test_a_label_stands_beside_the_curve_it_names(tmp_path, epochs):
    game = Game(7)
    shown = game.play(Figure(tmp_path), epochs=epochs)
    losses, points = shown.panels.axes
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
    samples = points.get_legend().legend_handles
    assert (samples[1].get_facecolor() == handles[1].get_facecolor()).all()
    assert (samples[0].get_facecolor() != samples[1].get_facecolor()).any()
    assert (points.viewLim.min <= game.data[:100].min(0)).all()
    shown.end(game)


def test_files_and_the_closing_line(tmp_path, capsys):
    Game(6).run(*everything(tmp_path / 'a'))
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
    Game(6).run(*everything(tmp_path / 'b'))
    assert files_in(tmp_path / 'b') == made
    assert b'matplotlib' not in made[next(p for p in made if p.name == 'training.png')]


@pytest.mark.slow
def test_a_film_of_20_epochs_is_small_and_leaves_no_figure_open(tmp_path):
    callbacks, open_before = everything(tmp_path), pyplot.get_fignums()
    Game(20).run(*callbacks)
    assert (tmp_path / 'training.gif').stat().st_size < 300_000
    assert pyplot.get_fignums() == open_before
    assert callbacks[1].panels is callbacks[2].panels is None


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp('whole')
    Game(4).run(*everything(out))
    return files_in(out)


@pytest.mark.parametrize('k', [2, *map(slow, (0, 1, 3, 4))])
def test_after_a_kill_the_film_goes_on_bit_for_bit(tmp_path, whole, k):
    Game(4).play(*everything(tmp_path), epochs=k)  # no end(): SIGKILL
    if k:  # between the checkpoint and the picture
        (tmp_path / 'frames' / f'{k:06}.png').unlink()
    Game(4).run(*everything(tmp_path), resume=k)
    assert files_in(tmp_path) == whole


def test_pictures_of_epochs_that_are_played_again_are_replaced(tmp_path, whole):
    Game(4).play(*everything(tmp_path), epochs=2)
    for number in (2, 3, 11, 300):  # later than the checkpoint, or of a longer training
        Image.new('RGB', (9, 9)).save(tmp_path / 'frames' / f'{number:06}.png')
    Game(4).run(*everything(tmp_path), resume=1)
    assert files_in(tmp_path) == whole


def test_a_long_training_draws_only_some_epochs(tmp_path, blank, capsys):
    Game(103).run(Progress(), Film(tmp_path, most=10))
    frames = sorted(int(path.stem) for path in (tmp_path / 'frames').iterdir())
    assert frames == [1, *range(11, 100, 11), 103]
    assert 10 <= len(capsys.readouterr().err.splitlines()) <= 12
    Game(4).run(Figure(tmp_path / 'b'), Film(None))
    assert os.listdir(tmp_path / 'b') == ['training.png']
    for callback in (Figure, Film):
        with pytest.raises(ValueError, match='`most` is 0; it must be an integer >= 1'):
            Game(4).play(callback(tmp_path, most=0))


def test_a_stop_is_said_and_drawn(tmp_path, capsys):
    game = Game(100)
    callbacks = Progress(), Film(tmp_path, most=10)
    game.play(*callbacks, epochs=12)
    game.history.stopped = 'good enough'
    game.end(*callbacks)
    out, err = capsys.readouterr()
    assert err.endswith('stopped after epoch 12: good enough\n')
    assert CLOSING.fullmatch(out)
    with Image.open(tmp_path / 'training.gif') as film:
        assert film.n_frames == 3  # 1, 10 and the one it ended with


def test_after_an_exception_it_tidies_up_without_a_closing_line(tmp_path, capsys):
    game = Game(6)
    callbacks = everything(tmp_path)
    game.run(*callbacks, epochs=3)
    assert capsys.readouterr().out == ''
    assert sorted(os.listdir(tmp_path)) == ['frames', 'training.png']
    Game(6).run(*everything(tmp_path / 'none'), epochs=0)
    assert not (tmp_path / 'none').exists()
    progress, shown, film = callbacks
    assert progress.bar is shown.panels is film.panels is None


def test_nothing_is_cut_off_in_the_film(tmp_path):
    game = Game(3)
    shown = game.play(Figure(tmp_path), epochs=0)
    values = dict.fromkeys(COLUMNS, 0.69)
    game.history.append(**dict(values, loss_G=-0.68))  # as in the minimax game
    game.epoch = 1
    shown(game)
    fig = shown.panels.fig
    for axes in shown.panels.axes:
        seen = axes.get_tightbbox(fig.canvas.get_renderer())
        assert seen.x0 >= 0 <= seen.y0
        assert (seen.max <= fig.bbox.max).all()


def test_what_a_reader_draws_comes_instead_and_leaves_no_trace(tmp_path):
    seen = []

    def draw(game, axes):
        axes.plot([0, game.epoch], 'C3', label='mine')
        axes.text(0, 0, 'half')
        axes.set_ylim(-1.1, 1.1)
        seen.append(game.epoch)

    game = Game(3, data=numpy.zeros((5, 7)))
    shown = game.play(Figure(tmp_path, draw, 'A title'))
    assert seen == [1, 2, 3]
    (line,) = shown.panels.axes[1].lines
    assert line.get_ydata().tolist() == [0, 3]
    assert len(shown.panels.axes[1].texts) == 1
    assert shown.panels.fig._suptitle.get_text() == 'A title'
    game = Game(2, data=numpy.zeros((5, 7)))
    assert len(game.play(Figure(tmp_path)).panels.axes) == 1


def test_a_notebook_shows_one_figure_and_prints_below_it(monkeypatch, capsys):
    display = pytest.importorskip('IPython.display')
    shown = []

    class Handle:
        def update(self, fig):
            shown.append(fig._repr_png_())

    def first(fig, display_id=None):
        Handle().update(fig)
        return Handle()

    monkeypatch.setattr(speak, 'in_notebook', lambda: True)
    monkeypatch.setattr(display, 'display', first)
    Game(3).run(Progress(), Figure())
    assert len(set(shown)) == len(shown) == 3
    speak.tell('a later print')
    plots.show(plots.view_samples(numpy.zeros((16, 28, 28))))
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
    progress = game.play(Progress(), epochs=1)
    speak.tell('the samples look alike')
    game.next()
    progress(game)
    progress.end(game)
    above, below = sys.stderr.getvalue().split('the samples look alike\n')
    assert 'epoch 0/2' in above
    assert re.search(r'\r +\r$', above)  # the bar was wiped first
    assert 'epoch 2/2' in below.split('\r')[-1]


def test_a_window_where_there_is_a_display_and_a_sentence_where_not(monkeypatch, capsys):
    monkeypatch.setattr(pyplot, 'figure', lambda **options: 1 / 0)
    game = Game(2)
    shown = Figure(show=True)
    game.run(shown)
    assert capsys.readouterr().err.startswith('No window is shown, since there is no display.\n')
    assert shown.drawn is None

    calls = []

    def window(FigureClass, figsize):
        fig = FigureClass(figsize=figsize)
        fig.canvas.required_interactive_framework = 'made up'
        return fig

    monkeypatch.setattr(pyplot, 'figure', window)
    for name in ('pause', 'show', 'close'):
        monkeypatch.setattr(pyplot, name, lambda *_, name=name: calls.append(name))
    Game(2).run(Figure(show=True))
    assert calls == ['pause', 'pause', 'show', 'close']
    monkeypatch.setattr(pyplot, 'figure', lambda **options: plots.Picture())
    assert figure._window() is None  # a backend without windows


GAME = """
import os, sys
from d2l_gan.callbacks import Film, Progress
from tests.fakes import Game
if sys.argv[1] == 'later':
    sys.stderr.close()
Game(2).run(Progress(), Film(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    'command', ['{} before {} 2>&-', '{} later {}', '{} before {} 2>/dev/full']
)
def test_a_run_goes_on_when_nobody_listens(tmp_path, command):
    call = f'{shlex.quote(sys.executable)} -c {shlex.quote(GAME)}'
    command = command.format(call, shlex.quote(str(tmp_path)))
    done = subprocess.run(
        command, shell=True, stdout=subprocess.PIPE, encoding='utf-8', timeout=120
    )
    assert done.returncode == 0
    assert CLOSING.fullmatch(done.stdout)
    assert (tmp_path / 'training.gif').exists()


@pytest.mark.slow
def test_a_run_goes_on_when_its_result_is_not_read(tmp_path):
    call = f'{shlex.quote(sys.executable)} -c {shlex.quote(GAME)} before {tmp_path} 2>&1 | head -1'
    subprocess.run(call, shell=True, stdout=subprocess.DEVNULL, timeout=120)
    assert (tmp_path / 'training.gif').exists()


def test_a_first_epoch_is_seen_in_the_film(tmp_path):
    figure = Game(5).play(Figure(tmp_path), epochs=1)
    losses = figure.panels.axes[0]
    assert [line.get_marker() for line in losses.lines] == ['.', '.']
    figure = Game(5).play(Figure(tmp_path), epochs=2)
    assert [line.get_marker() for line in figure.panels.axes[0].lines] == ['None', 'None']


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
from d2l_gan.callbacks import Progress
from tests.fakes import Game
Game(3).run(Progress())
"""


@pytest.mark.slow  # `tests/test_gaussian.py` has a quick one
def test_a_pipe_gets_plain_lines():
    done = subprocess.run([sys.executable, '-c', SCRIPT], capture_output=True, timeout=120)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, err
    assert CLOSING.fullmatch(out.replace('a later print\n', ''))
    lines = [line for line in err.splitlines() if line.startswith('epoch ')]
    assert [line.split(',')[0] for line in lines] == ['epoch 1/3', 'epoch 2/3', 'epoch 3/3']
    assert not re.search(r'[\x00-\x09\x0b-\x1f]', out + err)


@pytest.mark.skipif(sys.platform == 'win32', reason='needs a pseudo-terminal')
@pytest.mark.parametrize('columns', first_alone([0, 60]))
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


def test_a_figure_draws_pictures(tmp_path):
    game = Game(2, data=numpy.random.RandomState(0).uniform(-1, 1, size=(100, 3, 8, 9)))
    shown = game.play(Figure(tmp_path, plots.draw_pictures('symmetric')))
    (image,) = shown.panels.axes[1].images
    expected = plots.mosaic(game.data, 4, 4, 'symmetric')
    numpy.testing.assert_array_equal(image.get_array(), expected)
    assert expected.shape == (38, 42, 3)

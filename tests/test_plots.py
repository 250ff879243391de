"""Figures are read back: which label stands beside which curve, which pixel where."""

import io

from d2l_gan import plots
from tests.fakes import Game, curves

import numpy
import pytest
from matplotlib import pyplot
from mxnet import np
from PIL import Image

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


# Pictures

DIGITS = (numpy.arange(20 * 784).reshape(20, 28, 28) % 251 / 250).astype('float32')


@pytest.mark.parametrize('scale, code', [('unit', lambda x: x), ('symmetric', lambda x: 2 * x - 1)])
@pytest.mark.parametrize(
    'form, told',
    [
        ((20, 28, 28), None), ((20, 28, 28, 1), None), ((20, 1, 28, 28), None),
        ((20, 784), (28, 28)), ((20, 784), (1, 28, 28)),
    ],
)  # fmt: skip
def test_mosaic_puts_each_picture_in_its_place(form, told, scale, code):
    picture = plots.mosaic(code(DIGITS).reshape(form), 3, 5, scale, told)
    assert picture.shape == (3 * 30 - 2, 5 * 30 - 2)
    for i in range(15):
        top, left = 30 * (i // 5), 30 * (i % 5)
        tile = picture[top : top + 28, left : left + 28]
        assert numpy.abs(tile - 255 * DIGITS[i]).max() <= 0.501
    with pytest.raises(ValueError, match='`images` has 20 pictures; it must have 5 x 5'):
        plots.mosaic(DIGITS, 5, 5)


@pytest.mark.parametrize('first', [True, False])
def test_pictures_have_any_size_and_three_channels(first):
    colours = numpy.random.RandomState(0).uniform(-1, 1, (6, 5, 7, 3)).astype('float32')
    coded = np.array(numpy.moveaxis(colours, 3, 1) if first else colours)
    found = plots.pixels(coded, 'symmetric')
    assert found.shape == (6, 5, 7, 3)
    numpy.testing.assert_allclose(found, (colours + 1) / 2)
    picture = plots.mosaic(coded, 2, 3, 'symmetric')
    assert picture.shape == (2 * 7 - 2, 3 * 9 - 2, 3)
    assert numpy.abs(picture[7:, 9:16] - 255 * found[4]).max() <= 0.501
    assert (picture[5:7] == 128).all() and (picture[:, 7:9] == 128).all()


def test_the_scale_is_told_and_not_guessed():
    dark = numpy.full((1, 2, 2), -0.5)
    assert plots.mosaic(dark, 1, 1).max() == 0
    assert plots.mosaic(dark, 1, 1, 'symmetric').max() == 64
    with pytest.raises(ValueError, match="`scale` is 'tanh'; it must be 'unit' or 'symmetric'"):
        plots.pixels(dark, 'tanh')
    for shape in ((4, 784), (4, 2, 2, 2), (4,)):
        with pytest.raises(ValueError, match=r'`images` has shape \(4,.*; it must be \(n, height'):
            plots.pixels(numpy.zeros(shape))


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

    samples = {e: numpy.full((16, 28, 28), e / 100) for e in range(1, 101)}
    for given in (samples, [samples[e] for e in sorted(samples)]):
        fig = plots.progress_grid(given)
        picture = shown_in(fig)
        assert picture.shape == (10 * 30 - 2, 6 * 30 - 2)
        labels = [label.get_text() for label in fig.axes[0].get_yticklabels()]
        assert labels == [f'epoch {1 + 11 * i}' for i in range(10)]
        for i, y in enumerate(fig.axes[0].get_yticks()):
            assert abs(int(picture[int(y), 0]) - 2.55 * (1 + 11 * i)) <= 0.501
    assert shown_in(plots.progress_grid({5: DIGITS}, columns=2)).shape == (28, 58)


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
            assert numpy.abs(off).max() <= 4  # 256 colours are not all of them
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

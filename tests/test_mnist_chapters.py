"""The three chapters on digits: their networks, what they write, how they are scored and warned."""

import inspect
import json
import subprocess
import sys
from types import SimpleNamespace

from chapters import mnist_deep, mnist_leaky, mnist_vanilla
from d2l_gan import data, digits, losses, mnist_files, scoring
from d2l_gan.archive import CheckpointError
from d2l_gan.callbacks import Collapse
from d2l_gan.digits import SHAPE, Digits, few_digits
from d2l_gan.plots import pixels
from tests.marks import first_alone

import numpy
import pytest
from mxnet import autograd, np
from PIL import Image

pytest.importorskip('sklearn', reason='needs the digits that scikit-learn brings along')

CHAPTERS = {'vanilla': mnist_vanilla, 'leaky': mnist_leaky, 'deep': mnist_deep}
every = pytest.mark.parametrize('name', CHAPTERS)
one = pytest.mark.parametrize('name', first_alone(CHAPTERS))
SCALE = {'vanilla': 'unit', 'leaky': 'symmetric', 'deep': 'unit'}


def quick(name, **changes):
    """Return keywords of a training on 512 bundled digits that takes seconds."""
    steps = {'steps': 6} if name == 'deep' else {}
    return {'data': 'digits', 'num_examples': 512, 'num_epochs': 2, 'score': False,
            **steps, **changes}  # fmt: skip


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Return (result, directory) of each chapter's quick training."""
    found = {}
    for name, chapter in CHAPTERS.items():
        out = tmp_path_factory.mktemp(name)
        found[name] = chapter.run(**quick(name), out=out), out
    return found


def images_of(path):
    with numpy.load(path) as saved:
        return saved['images']


def layers(net):
    """Return (units, what comes after) of each Dense layer of a network."""
    found = []
    for layer in net._children.values():
        kind = type(layer).__name__
        if kind == 'Dense':
            found.append((layer._units, layer.act._act_type if layer.act else None))
        elif kind == 'LeakyReLU':
            found[-1] = found[-1][0], ('leaky', layer._alpha)
    return found


@pytest.mark.parametrize('name, layers_D, layers_G', [
    ('vanilla', [(128, 'relu'), (1, None)], [(128, 'relu'), (784, 'sigmoid')]),
    ('leaky', [(128, ('leaky', 0.01)), (1, None)], [(128, ('leaky', 0.01)), (784, 'tanh')]),
    ('deep', [(256, 'relu'), (128, 'relu'), (1, None)],
     [(128, 'relu'), (256, 'relu'), (784, 'sigmoid')]),
])  # fmt: skip
def test_networks_are_the_sources(name, layers_D, layers_G):
    net_D, net_G = CHAPTERS[name].networks()
    assert layers(net_D) == layers_D
    assert layers(net_G) == layers_G


def test_dropout_lets_d_waver_while_it_learns_and_not_otherwise():
    net_D, _ = mnist_deep.networks(dropout=0.5)
    net_D.initialize()
    X = np.random.uniform(0, 1, (4, 28, 28, 1))
    with autograd.train_mode():
        assert not numpy.array_equal(net_D(X).asnumpy(), net_D(X).asnumpy())
    numpy.testing.assert_array_equal(net_D(X).asnumpy(), net_D(X).asnumpy())


def test_vanilla_starts_with_weights_of_the_right_size():
    _, net_G = mnist_vanilla.networks()
    net_G.initialize(mnist_vanilla.weights())
    net_G(np.zeros((1, 100)))
    for layer, inputs in zip(net_G, (100, 128)):
        weight = layer.weight.data().asnumpy()
        assert weight.std() == pytest.approx((2 / inputs) ** 0.5, rel=0.03)
        assert not layer.bias.data().asnumpy().any()


@every
def test_samples_have_the_form_of_the_real_digits(name, trained):
    net_G, scale = trained[name][0].net_G, SCALE[name]
    X = net_G(np.random.uniform(-1, 1, (5, 100))).asnumpy()
    assert X.shape == ((5, 28, 28, 1) if name == 'deep' else (5, 784))
    assert X.max() <= 1
    assert X.min() >= (-1 if scale == 'symmetric' else 0)
    assert (X.min() < 0) == (scale == 'symmetric')


@every
def test_keeps_what_a_training_brings_forth(name, trained):
    result, out = trained[name]
    for epoch in (1, 2):
        images = images_of(out / 'samples' / f'epoch-{epoch:06d}.npz')
        assert images.shape == (16, 28, 28)
        assert images.min() >= 0 and images.max() <= 1
        assert (out / 'generators' / f'generator-{epoch:06d}').exists()
    for picture in ('training', 'last_epoch', 'progress', 'losses'):
        with Image.open(out / f'{picture}.png') as image:
            assert min(image.size) > 100
    with Image.open(out / 'training.gif') as film:
        assert film.n_frames == 2
    assert (out / 'accuracy.png').exists() == (name == 'deep')
    scores = json.loads((out / 'scores.json').read_text())
    assert scores == json.loads(json.dumps(result.scores))
    assert (scores['data'], scores['epochs'], scores['seed']) == ('digits', 2, 0)
    assert scores['loss_D'] == result.history.loss_D[-1]
    assert 'parzen' not in scores


@one
def test_an_epochs_samples_are_always_from_the_same_noise(name, trained, blank, tmp_path):
    """A second training of the same seed, drawn by hand, gives what the first has kept."""
    seen = []
    kept = lambda game: seen.append(pixels(game.generate()[:16], SCALE[name], SHAPE))
    CHAPTERS[name].run(**quick(name), out=tmp_path, callbacks=[kept])
    for epoch, images in enumerate(seen, 1):
        path = trained[name][1] / 'samples' / f'epoch-{epoch:06d}.npz'
        numpy.testing.assert_array_equal(images_of(path), images)


def test_resuming_gives_what_one_training_gives(trained, blank, tmp_path):
    _, out = trained['leaky']
    keywords = quick('leaky', out=tmp_path)
    mnist_leaky.run(**{**keywords, 'num_epochs': 1})
    mnist_leaky.run(**keywords, resume=True)
    for epoch in (1, 2):
        path = f'samples/epoch-{epoch:06d}.npz'
        numpy.testing.assert_array_equal(images_of(tmp_path / path), images_of(out / path))


def test_a_shorter_training_leaves_nothing_of_a_longer_one(blank, tmp_path):
    mnist_leaky.run(**quick('leaky', out=tmp_path))
    mnist_leaky.run(**quick('leaky', out=tmp_path, num_epochs=1, seed=1))
    for kept in ('samples', 'generators'):
        assert len(list((tmp_path / kept).iterdir())) == 1


@pytest.mark.slow
def test_a_fresh_process_draws_16_new_digits(trained, tmp_path):
    out = trained['leaky'][1]
    command = [sys.executable, '-m', 'chapters', 'mnist_leaky', '--sample', '16', '--out', str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '16 new digits' in done.stderr
    images = images_of(out / 'samples.npz')
    assert images.shape == (16, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert (out / 'samples.png').exists()
    last = images_of(out / 'samples' / 'epoch-000002.npz')
    assert not numpy.array_equal(images, last)


@one
def test_draws_any_number_of_digits(name, trained, blank):
    sample, out = CHAPTERS[name].sample, trained[name][1]
    for num in (1, 7, 150):
        images = sample(num, out=out)
        assert images.shape == (num, 28, 28)
        numpy.testing.assert_array_equal(images, images_of(out / 'samples.npz'))
    again = sample(150, out=out)
    numpy.testing.assert_array_equal(images, again)
    assert not numpy.array_equal(again, sample(150, out=out, seed=1))


@pytest.mark.parametrize('name', ['vanilla', 'leaky', 'deep'])
def test_what_cannot_be_drawn_or_trained_is_said(name, tmp_path):
    run, sample = CHAPTERS[name].run, CHAPTERS[name].sample
    with pytest.raises(ValueError, match=r'`num` is 0; it must be an integer >= 1'):
        sample(0, out=tmp_path)
    with pytest.raises(CheckpointError, match='holds no generator'):
        sample(1, out=tmp_path)
    with pytest.raises(ValueError, match=r'`num_examples` is 0; it must be from 1 to 1197'):
        run(data='digits', num_examples=0, out=tmp_path)
    with pytest.raises(ValueError, match=r'`label_smoothing` is 0.5; it must be in \[0, 0.5\)'):
        run(data='digits', label_smoothing=0.5, out=tmp_path)
    if name == 'deep':
        with pytest.raises(ValueError, match=r'`dropout` is 1; it must be in \[0, 1\)'):
            run(data='digits', dropout=1, out=tmp_path)


def test_scores_10000_digits_of_the_saved_generator(trained, blank, tmp_path, monkeypatch):
    asked = []

    def digit_scores(images, source):
        asked.append((images, source))
        return {'parzen': 1.5}

    monkeypatch.setattr(scoring, 'digit_scores', digit_scores)
    monkeypatch.setattr(scoring, 'table', lambda scores: 'in words')
    monkeypatch.setattr(scoring, 'digits_present', lambda images, source: 10)
    result = mnist_leaky.run(**quick('leaky', score=True, num_epochs=1), out=tmp_path)
    (images, source), *others = asked
    assert (source, others) == ('digits', [])
    assert images.shape == (10000, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert json.loads((tmp_path / 'scores.json').read_text())['parzen'] == 1.5
    assert result.scores['parzen'] == 1.5
    drawn = mnist_leaky.sample(3, out=tmp_path)
    with result.history.averaged(result.net_G):
        images = pixels(result.net_G(np.zeros((1, 100))), 'symmetric', SHAPE)
    assert drawn.shape[1:] == images.shape[1:]


def test_smoothing_is_one_sided():
    """The balance of the chapter's text: 0.688 for D and 0.799 for G."""
    loss_D, loss_G = losses.objective('label_smoothing', 0.1)[1:3]
    o, one = np.array([float(numpy.log(0.45 / 0.55))]), np.ones(1)
    assert float(loss_D(o, one) + loss_D(o, 0 * one)) / 2 == pytest.approx(0.6881, abs=1e-4)
    assert float(loss_G(o, one)) == pytest.approx(0.7985, abs=1e-4)


@pytest.mark.parametrize('weight', [-0.01, 0.002])
def test_follows_the_gradient_to_where_it_is_lost(weight):
    """A linear D and a G whose pixels are given: every number can be had by hand."""
    p = numpy.array([0.5, 0.9, 0.1, 0.999])
    images = np.array(numpy.repeat(p, 784).reshape(4, 28, 28, 1))
    net_D = lambda X: (weight * X).sum(axis=(1, 2, 3))
    slope, passed, variety = mnist_deep.follow(net_D, lambda Z: images.copy(), np.zeros((4, 2)))
    at_logits = 1 / (1 + numpy.exp(weight * 784 * p))
    assert slope == pytest.approx(at_logits.mean(), rel=1e-4)
    assert passed == pytest.approx((at_logits * p * (1 - p)).sum() / at_logits.sum(), rel=1e-3)
    assert variety == pytest.approx(784 * p.var() / 52.8, rel=1e-4)


class FakeGame:
    """Enough of a game for Collapse to look at."""

    def __init__(self, accuracy, images, num_epochs=4):
        self.epoch, self.num_epochs, self.images = 0, num_epochs, images
        self.history = SimpleNamespace(accuracy_D=[accuracy])
        self.data = data.images('digits')[0][:100]

    def generate(self):
        return self.images


def told_after(epochs, collapse, accuracy=0.6, images=None, num_epochs=4):
    images = data.images('digits')[0][:100] if images is None else images
    game = FakeGame(accuracy, images, num_epochs)
    for game.epoch in range(1, epochs + 1):
        collapse(game)
    return list(collapse.told)


@pytest.mark.parametrize('epochs, accuracy, told', [
    (20, 0.98, []), (4, 1.0, []), (5, 1.0, ['accuracy']), (20, 1.0, ['accuracy']),
])  # fmt: skip
def test_says_once_that_d_has_won(epochs, accuracy, told, capsys):
    collapse = Collapse('digits')
    assert told_after(epochs, collapse, accuracy) == told
    assert capsys.readouterr().err.count('it wins') == len(told)
    if told:
        assert (
            'up to epoch 5, D has told real from generated digits in more than 99% '
            in (collapse.told['accuracy'])
        )


def test_says_that_samples_are_nearly_identical():
    same = np.repeat(data.images('digits')[0][:1], 100, axis=0)
    collapse = Collapse('digits')
    assert told_after(5, collapse, images=same) == ['variety']
    assert 'their variance is 0% of that of real digits' in collapse.told['variety']


@pytest.mark.parametrize('present, told', [(6, ['digits']), (7, [])])
def test_says_that_digits_are_missing(present, told, monkeypatch):
    monkeypatch.setattr(scoring, 'digits_present', lambda images, source: present)
    collapse = Collapse('digits', digits=few_digits('digits'))
    assert told_after(5, collapse) == told
    assert not told or '(now 6)' in collapse.told['digits']


def test_a_sign_must_last(monkeypatch):
    collapse = Collapse('digits')
    for _ in range(3):
        told_after(4, collapse, accuracy=1.0)
        told_after(1, collapse, accuracy=0.9)
    assert collapse.told == {}


def test_the_first_fifth_of_a_training_does_not_count():
    assert told_after(24, Collapse('digits'), accuracy=1.0, num_epochs=100) == []
    assert told_after(25, Collapse('digits'), accuracy=1.0, num_epochs=100) == ['accuracy']


def test_title_names_the_data(tmp_path):
    real = Digits('digits', num_examples=16)
    assert real.title == digits.TITLES['digits']
    assert len(real.X) == 16
    title = mnist_vanilla.show_data('digits').axes[0].get_title()
    assert 'scikit-learn' in title


def test_trains_on_the_first_50000_images_alone(mnist, tmp_path):
    for scale, low in (('unit', 0), ('symmetric', -1)):
        real = Digits('mnist', scale)
        assert real.X.shape == (50000, 784)
        assert float(real.X.min()) == low and float(real.X.max()) == 1
    last = mnist_files.load('train-images-idx3-ubyte')[49999].reshape(-1)
    numpy.testing.assert_allclose(real.X[-1].asnumpy(), last / 127.5 - 1, atol=1e-6)


@one
def test_an_epoch_of_512_real_digits(name, mnist, blank, tmp_path):
    result = CHAPTERS[name].run(**quick(name, data='mnist', num_epochs=1), out=tmp_path)
    assert result.scores['data'] == 'mnist'
    assert numpy.isfinite(result.history.loss_D).all()


@pytest.mark.slow
def test_the_original_of_the_deep_chapter_fails_as_it_says(mnist, tmp_path):
    source = {**mnist_deep.SOURCE, 'num_epochs': 2}
    failed = mnist_deep.run(**source, data='mnist', score=False, out=tmp_path)
    assert failed.history.accuracy_D[-1] > 0.999
    assert failed.history.loss_G[-1] > 5
    Z = np.random.normal(0, 1, (100, 100))
    slope, passed, variety = mnist_deep.follow(failed.net_D, failed.net_G, Z)
    assert slope > 0.99 and passed < 0.05 and variety < 0.05


@pytest.mark.slow
def test_leaky_draws_digits(mnist, tmp_path):
    scores = mnist_leaky.run(data='mnist', num_epochs=10, out=tmp_path).scores
    assert scores['digits_present'] >= 9
    assert scores['parzen'] > 90
    assert scores['memorised'] < 0.1


def test_the_cure_adds_up_to_the_defaults(monkeypatch):
    from tests.benchmarks import mnist

    tables = {}
    monkeypatch.setattr(mnist, 'table', lambda name, rows, *_: tables.update({name: rows}))
    mnist.cure()
    settings = [changes for _, _, changes in tables['cure']]
    assert settings[0] == mnist_deep.SOURCE
    assert all(sum(a[k] != b[k] for k in a) >= 1 for a, b in zip(settings, settings[1:]))
    defaults = inspect.signature(mnist_deep.run).parameters
    assert settings[-1] == {name: defaults[name].default for name in mnist_deep.SOURCE}


def test_fewer_digits_make_as_many_steps_as_mnist(tmp_path):
    assert len(Digits('digits').batches(100)) == 500
    assert len(Digits('digits').batches(128)) == 391
    assert len(Digits('digits', num_examples=512).batches(100)) == 6

"""The Gaussian chapter: what it writes, what it scores, what it says."""

import json
import re
import subprocess
import sys

from chapters import gaussian
from d2l_gan import data
from d2l_gan.game import COLUMNS, History

import numpy
import pytest
from PIL import Image

FAST = {'num_epochs': 2, 'batch_size': 50}
KEYS = {
    'mean', 'covariance', 'w2_truth', 'w2_sample', 'w2_floor', 'loss_D', 'loss_G',
    'examples_per_sec', 'seed', 'versions',
}  # fmt: skip


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp('gaussian')
    return gaussian.run(**FAST, out=out), out


def test_writes_picture_film_and_scores(trained):
    result, out = trained
    with Image.open(out / 'training.png') as picture, Image.open(out / 'training.gif') as film:
        assert picture.size[0] > picture.size[1] > 100
        assert film.n_frames == 2
    scores = json.loads((out / 'scores.json').read_text())
    assert set(scores) >= KEYS
    assert scores == json.loads(json.dumps(result.scores))


def test_scores_are_those_of_the_generators_samples(trained):
    scores, net_G = trained[0].scores, trained[0].net_G
    Z = numpy.random.default_rng(0).standard_normal((200000, 2))
    samples = net_G(gaussian.np.array(Z, dtype='float32')).asnumpy()
    numpy.testing.assert_allclose(samples.mean(axis=0), scores['mean'], atol=0.02)
    numpy.testing.assert_allclose(numpy.cov(samples.T), scores['covariance'], atol=0.05)


def test_the_floor_is_what_a_thousand_points_know(trained):
    assert 0 < trained[0].scores['w2_floor'] < 0.05


def test_same_seed_same_scores(trained, tmp_path):
    again = gaussian.run(**FAST, out=tmp_path)
    for key in KEYS - {'examples_per_sec'}:
        assert again.scores[key] == trained[0].scores[key]
    for name in ('training.png', 'training.gif'):
        assert (tmp_path / name).read_bytes() == (trained[1] / name).read_bytes()


def test_a_perfect_generator_scores_zero():
    _, net_G = gaussian.networks()
    net_G.initialize()
    net_G(gaussian.np.zeros((1, 2)))
    _, A, b = data.gaussian(8)
    net_G[0].weight.set_data(A.T)
    net_G[0].bias.set_data(b)
    history = History(0)
    history.append(**dict.fromkeys(COLUMNS, 0.5))
    scores = gaussian.score(net_G, data.gaussian(1000)[0], history)
    assert scores['w2_truth'] == pytest.approx(0, abs=1e-6)
    assert scores['w2_sample'] == pytest.approx(scores['w2_floor'], abs=1e-4)
    assert 'as close as the points themselves' in gaussian.in_words(scores)


def test_the_loop_by_hand_is_trains(tmp_path, blank):
    net_G, by_hand = gaussian.play(num_epochs=2)
    result = gaussian.run(num_epochs=2, engine='textbook', film=False, out=tmp_path)
    for p, q in zip(net_G.collect_params().values(), result.net_G.collect_params().values()):
        assert numpy.array_equal(p.data().asnumpy(), q.data().asnumpy())
    for column, losses in zip(('loss_D', 'loss_G'), by_hand.T):
        numpy.testing.assert_allclose(losses, result.history[column], rtol=1e-6)
    compiled = gaussian.run(num_epochs=2, engine='symbol', film=False, out=tmp_path).history
    numpy.testing.assert_allclose(by_hand[:, 0], compiled.loss_D, rtol=0.02)
    numpy.testing.assert_allclose(by_hand[0, 0], numpy.log(2), atol=0.3)


def test_the_datas_figure_shows_the_first_100_points():
    fig = gaussian.show_data()
    offsets = fig.axes[0].collections[0].get_offsets()
    numpy.testing.assert_allclose(offsets, data.gaussian()[0][:100].asnumpy(), rtol=1e-6)
    assert '[[1.01, 1.95], [1.95, 4.25]]' in fig.axes[0].get_title()


def test_command_in_a_pipe_prints_the_closing_line_alone(tmp_path):
    command = [sys.executable, '-m', 'chapters', 'gaussian', '--num-epochs', '2']
    command += ['--batch-size', '50', '--out', str(tmp_path / 'new' / 'place')]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec\n'
    assert re.fullmatch(line, done.stdout)
    assert 'epoch 2/2' in done.stderr
    assert 'Squared Wasserstein-2 distance to the truth' in done.stderr
    assert not re.search(r'[\r\x1b]', done.stdout + done.stderr)
    assert (tmp_path / 'new' / 'place' / 'scores.json').exists()

"""Digits by name: what the networks are told, what a run writes, and what can be asked for."""

import json

from chapters import conditional
from chapters.__main__ import main
from d2l_gan import data, digits, features, files, metrics
from d2l_gan.downloads import DataError

import numpy
import pytest
from click.testing import CliRunner
from mxnet import init, np
from PIL import Image

pytest.importorskip('sklearn', reason='needs the digits that scikit-learn brings along')
pytestmark = pytest.mark.usefixtures('blank')
QUICK = {'data': 'digits', 'num_examples': 256, 'num_epochs': 2, 'steps': 5, 'score': False,
         'penalty': 'none', 'film': False}  # fmt: skip


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp('conditional')
    return conditional.run(**QUICK, out=out), out


@pytest.mark.parametrize('how', ['projection', 'concatenation', 'conv'])
def test_both_players_listen(how):
    conv = how == 'conv'
    nets = conditional.convolutions(width=4) if conv else conditional.networks(how)
    shape = (1, 28, 28) if conv else (28, 28, 1)
    rng = numpy.random.default_rng(0)
    X = np.array(rng.random((6, *shape)), dtype='float32')
    Z = np.array(rng.normal(size=(6, 100)), dtype='float32')
    for net, given, made in zip(nets, (X, Z), ((6, 1), (6, *shape))):
        net.initialize(init.Xavier())
        sevens, eights = (net(given, np.full(6, y, dtype='float32')) for y in (7, 8))
        assert sevens.shape == made
        assert np.abs(sevens - eights).max() > 0
    assert -conv <= float(sevens.min()) < float(sevens.max()) <= 1


def test_the_pictures_ask_for_the_digits_in_turn(trained):
    result, out = trained
    with numpy.load(out / 'samples' / 'epoch-000002.npz') as saved:
        kept = saved['images']
    found, labels = digits.drawn(out, 20, 'unit', 0)
    assert labels.tolist() == [*range(10)] * 2
    assert kept.shape == (16, 28, 28) and found.shape == (20, 28, 28)
    order = digits.by_kind()
    assert (order % 10).tolist() == sorted(order % 10)
    assert conditional.grid(result.net_G).axes[0].images[0].get_array().shape[:2] == (298, 298)


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit(trained, tmp_path):
    whole, _ = trained
    conditional.run(**{**QUICK, 'num_epochs': 1, 'decay': False}, out=tmp_path)
    resumed = conditional.run(**{**QUICK, 'decay': False}, out=tmp_path, resume=True)
    again = conditional.run(**{**QUICK, 'decay': False}, out=tmp_path / 'whole')
    assert numpy.array_equal(resumed.history.loss_D, again.history.loss_D)
    assert not numpy.array_equal(whole.history.loss_D, again.history.loss_D)


def test_sevens_from_the_command_line(trained):
    _, out = trained
    command = ['conditional', '--sample', '9', '--digit', '7', '--out', str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    with numpy.load(out / 'samples.npz') as saved:
        assert saved['images'].shape == (9, 28, 28)
        assert saved['labels'].tolist() == [7] * 9
    sevens = conditional.sample(9, digit=7, out=out)
    assert numpy.abs(sevens - conditional.sample(9, digit=8, out=out)).max() > 0
    conditional.sample(25, out=out)
    with numpy.load(out / 'samples.npz') as saved:
        assert saved['labels'].tolist() == [*range(10), *range(10), *range(5)]


def test_what_cannot_be_asked_for_is_said(trained, tmp_path):
    _, out = trained
    with pytest.raises(ValueError, match='`digit` is 12; it must be from 0 to 9'):
        conditional.sample(1, digit=12, out=out)
    with pytest.raises(ValueError, match="`how` is 'sum'; it must be 'projection' or"):
        conditional.run(how='sum', out=tmp_path)
    done = CliRunner().invoke(main, ['conditional', '--digit', '7', '--out', str(tmp_path)])
    assert done.exit_code == 2 and '`digit` is 7; it must come with --sample' in done.output


def test_a_run_is_scored_by_what_was_asked_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(metrics, 'train_on_fake', lambda X, y, source: asked.append((X, y)) or 0.5)
    monkeypatch.setattr(digits.Digits, 'score', lambda self, images: ({'frechet': 1.0}, 'words'))
    conditional.run(**{**QUICK, 'score': True}, permute=True, out=tmp_path)
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert {'agreement', 'variety', 'train_on_fake', 'frechet'} <= {*scores}
    assert scores['spread'] == 0.75
    ((X, y),) = asked
    assert X.shape == (1197, 784) and y[:12].tolist() == [*range(10), 0, 1]


def test_convolutions_and_concatenation_train(tmp_path):
    for changes in ({'conv': True, 'penalty': 'r1'}, {'how': 'concatenation', 'dropout': 0.5}):
        few = {**QUICK, 'num_epochs': 1, 'steps': 1, 'batch_size': 8}
        result = conditional.run(**{**few, **changes}, out=tmp_path)
        assert numpy.isfinite(result.history.loss_D).all()


def test_dense_networks_learn_with_the_penalty(tmp_path):
    few = {**QUICK, 'num_epochs': 1, 'penalty': 'r1', 'engine': 'symbol'}
    gentle = conditional.run(**few, penalty_weight=100.0, out=tmp_path).history.loss_D
    assert numpy.isfinite(gentle).all()
    assert gentle[-1] > conditional.run(**few, penalty_weight=1e-9, out=tmp_path).history.loss_D[-1]


def test_pictures_by_the_name_of_their_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path / 'cache')
    monkeypatch.setattr(features, 'MOST', 100)
    rng = numpy.random.default_rng(0)
    for kind, colour in (('blue', (0, 0, 200)), ('green', (0, 200, 0)), ('red', (200, 0, 0))):
        (tmp_path / 'mine' / kind).mkdir(parents=True)
        for number in range(20):
            noise = rng.integers(0, 50, (32, 32, 3), dtype='uint8')
            picture = Image.fromarray(noise + numpy.array(colour, 'uint8'))
            picture.save(tmp_path / 'mine' / kind / f'{number:02}.png')
    out, mine = tmp_path / 'out', tmp_path / 'mine'
    few = {'num_epochs': 1, 'steps': 2, 'batch_size': 8, 'film': False, 'data': str(mine)}
    scores = conditional.run(**few, out=out).scores
    assert scores['real_agreement'] == 1 and scores['chance'] == 1 / 3
    assert 0 <= scores['agreement'] <= 1 and 0 < scores['variety'] < 100
    reds = conditional.sample(4, digit=2, out=out)
    assert reds.shape == (4, 32, 32, 3) and reds.min() >= 0
    with pytest.raises(ValueError, match='`digit` is 3; it must be from 0 to 2'):
        conditional.sample(4, digit=3, out=out)
    with pytest.raises(DataError, match='one folder; it must have one for each kind'):
        conditional.run(**{**few, 'data': str(mine / 'red')}, out=out)


def test_narrower_noise_varies_less(trained):
    _, out = trained
    found = conditional.narrower('digits', 200, out=out, spreads=(1.0, 0.25))
    assert found[0.25]['variety'] < 0.7 * found[1.0]['variety']
    assert set(found[1.0]) == {'agreement', 'variety', 'frechet'}
    with pytest.raises(ValueError, match='`spread` is -1; it must be finite and > 0'):
        conditional.sample(2, spread=-1, out=out)


def test_labels_are_dealt_out_at_random():
    labels = data.images('digits')[1].astype('float32')
    dealt = conditional.deal(labels)
    assert sorted(dealt.tolist()) == sorted(labels.tolist())
    assert float((dealt == labels).mean()) < 0.15

"""The chapter on mode collapse: its layers, its remedies, and short runs."""

import contextlib
import importlib.util
import json
from types import SimpleNamespace

from chapters import mode_collapse as chapter
from d2l_gan.callbacks import Collapse
from tests.benchmarks import modes

import numpy
import pytest
from mxnet import init, np, npx

npx.set_np()
pytestmark = pytest.mark.usefixtures('blank')
needs_jax = pytest.mark.skipif(importlib.util.find_spec('jax') is None, reason='needs JAX')


def test_waves_are_sines_and_cosines_of_powers_of_two():
    X = np.array([[0.5, -1.0], [2.0, 3.0]])
    found, x = chapter.Waves(2.0, octaves=3)(X).asnumpy(), X.asnumpy() / 2
    known = [x, *(f(k * x) for k in (1, 2, 4) for f in (numpy.sin, numpy.cos))]
    assert numpy.allclose(found, numpy.concatenate(known, axis=1), atol=1e-6)


def test_alike_tells_the_standard_deviation_of_the_batch():
    X = np.array([[1.0, 10.0], [3.0, 10.0], [5.0, 10.0]])
    told = chapter.Alike()(X).asnumpy()[:, 2]
    assert numpy.allclose(told, (8 / 3) ** 0.5 / 2, atol=1e-3)


@pytest.mark.parametrize('name', chapter.RADIUS)
def test_g_starts_as_wide_as_the_data(name):
    net_G = chapter.networks(chapter.RADIUS[name])[1]
    net_G.initialize(init.Xavier('gaussian', 'in', 2))
    points, centres, _ = chapter.toy(name)
    found = chapter.sample(net_G)
    assert abs(centres).max() == pytest.approx(chapter.RADIUS[name])
    assert found.std() == pytest.approx(1.25 * chapter.RADIUS[name] / 3**0.5, rel=0.1)
    assert points.shape == (50_000, 2)


@pytest.mark.parametrize('remedy', chapter.REMEDIES)
def test_every_remedy_plays_and_is_named_in_the_help(remedy, tmp_path):
    settings = {'num_epochs': 2, 'steps': 2, 'batch_size': 12, 'film': False, 'out': tmp_path}
    assert remedy in ' '.join(chapter.run.__doc__.split())
    engine = 'symbol' if 'penalty' in chapter.REMEDIES[remedy] else 'textbook'
    if 'unroll' in chapter.REMEDIES[remedy]:
        with pytest.raises(ValueError, match="`unroll` is .*needs `engine` 'xla'"):
            chapter.run('ring', remedy, engine=engine, **settings)
        return
    result = chapter.run('ring', remedy, engine=engine, **settings)
    assert {'modes', 'high_quality', 'kl'} < {*json.loads((tmp_path / 'scores.json').read_text())}
    points = numpy.load(tmp_path / 'samples.npz')['points']
    assert points.shape == (10_000, 2)
    kept = 'average' in chapter.REMEDIES[remedy]  # which alone is drawn with
    assert kept or numpy.array_equal(points, chapter.sample(result.net_G))


@needs_jax
@pytest.mark.slow
def test_a_run_alone_is_the_run_side_by_side(tmp_path):
    for remedy in ('all', 'noise'):
        (many,) = chapter.side_by_side('ring', remedy, [3], num_epochs=2, steps=40)
        alone = chapter.run('ring', remedy, 2, 40, seed=3, out=tmp_path, film=False, engine='xla')
        assert many['kl'] == pytest.approx(alone.scores['kl'], abs=0.01)


@needs_jax
@pytest.mark.slow
def test_the_default_finds_most_modes_in_a_twentieth_of_the_time(tmp_path):
    (short,) = chapter.side_by_side('ring', 'all', [101], num_epochs=2, steps=1000)
    assert short['modes'] >= 7 and short['high_quality'] > 0.3


def test_noise_fades_until_the_middle():
    made, set_to = chapter.Fade(1.0), []
    net_G = SimpleNamespace(blur=SimpleNamespace(set_data=lambda a: set_to.append(float(a))))
    for epoch in range(5):
        made(SimpleNamespace(
            epoch=epoch, num_epochs=4, net_G=net_G, data_iter=SimpleNamespace(blur=None)
        ))  # fmt: skip
    assert set_to == [1, 0.5, 0, 0, 0]
    feed = chapter.Faded(np.zeros((6, 2)), 3)
    feed.blur = 0.5
    batches = numpy.concatenate([X.asnumpy() for (X,) in feed])
    assert 0.05 < abs(batches).max() <= 0.5


def test_missing_modes_are_told_with_what_helped():
    net_G = chapter.networks(radius=1e3)[1]  # a cloud so wide that no mode is hit
    net_G.initialize(init.Zero())
    look = chapter.missing(*chapter.toy('ring')[1:])

    told = look(SimpleNamespace(net_G=net_G, averaged=contextlib.nullcontext))
    assert told.startswith('the samples reach 0 of 8 modes.') and "penalty='r1+r2'" in told
    assert 'modes' in Collapse('points', modes=look).more


def test_the_table_plays_the_default_long_and_every_remedy(tmp_path, monkeypatch, capsys):
    played = []

    def play(name, remedy, seeds, **settings):
        played.append((name, remedy, *seeds, *settings.values()))
        return [{'modes': 8 - seed, 'high_quality': 0.5, 'kl': 0.25 * seed} for seed in seeds]

    @contextlib.contextmanager
    def kept(name, workers):
        yield lambda target, arguments, seeds: [modes.remedied(s, **arguments) for s in seeds]

    monkeypatch.setattr(modes, 'PATH', tmp_path / 'modes.json')
    monkeypatch.setattr(modes, 'kept', kept)
    monkeypatch.setattr(chapter, 'side_by_side', play)
    modes.modes(seeds=2)
    assert len(played) == 4 * (1 + len(chapter.REMEDIES)) and ('ring', 'r1', 0, 5) in played
    assert ('grid', 'all', 1) in played
    told = '| ring: all, 20,000 steps | 8 (7) | 50.0% (50.0%) | 0.125 (0.250) |'
    assert told in capsys.readouterr().out
    assert (tmp_path / 'modes-ring.png').exists()


@pytest.mark.parametrize('argument, value', [('data', 'rings'), ('remedy', 'pac5')])
def test_unknown_names_are_refused(argument, value, tmp_path):
    with pytest.raises(ValueError, match=f"`{argument}` is '{value}'; it must be"):
        chapter.run(**{argument: value}, out=tmp_path)


def test_a_thousand_kinds_are_counted_by_their_digits():
    eye = numpy.eye(10)
    every = numpy.stack(numpy.meshgrid(*3 * [range(10)], indexing='ij'), axis=-1).reshape(-1)
    found = chapter.thousand(eye[every])
    assert found['modes'] == 1000 and found['high_quality'] == 1
    assert found['kl'] == pytest.approx(0, abs=1e-9)
    one = chapter.thousand(eye[[1, 2, 3] * 50])
    assert one['modes'] == 1 and one['kl'] == pytest.approx(numpy.log(1000))
    unsure = 0.85 * eye[[1, 2, 3, 1, 2, 4]] + 0.015
    assert chapter.thousand(unsure)['high_quality'] == 0


def test_stacks_are_three_digits_drawn_anew():
    digits = numpy.repeat(numpy.arange(10, dtype='float32')[:, None], 784, axis=1)
    numpy.random.seed(0)
    first, again = (next(iter(chapter.Stacks(digits, 400, 1)))[0].asnumpy() for _ in range(2))
    assert first.shape == (400, 3, 28, 28) and (first != again).any()
    stacks = first.reshape(400, 3, 784)
    assert (stacks == stacks[:, :, :1]).all() and len(numpy.unique(stacks[:, :, 0], axis=0)) > 250


@pytest.mark.parametrize('kinds', [40, 390])
def test_stacks_that_repeat_themselves_are_told(kinds, monkeypatch):
    stacked = object.__new__(chapter.Stacked)
    monkeypatch.setattr(stacked, 'judge', lambda net_G, num: (None, {'modes': kinds}), False)
    told = stacked.repeated(SimpleNamespace(averaged=contextlib.nullcontext, net_G=None))
    known = '500 samples have been of 40 kinds, where 394 are to be expected.'
    assert told.startswith(known) if kinds == 40 else not told


@pytest.mark.slow
def test_stacked_digits_run(tmp_path):
    result = chapter.run(
        'stacked', 'pac2', 1, 2, 16, out=tmp_path, film=False, engine='textbook', device='cpu'
    )
    images = numpy.load(tmp_path / 'samples.npz')['images']
    assert images.shape == (26_000, 28, 28, 3) and images.dtype == numpy.uint8
    assert 0 < result.scores['modes'] <= 1000 == result.scores['of']
    assert 0.7 < result.scores['perfect'] < 1


@pytest.mark.parametrize('remedy', ['average', 'pac2', 'alike', 'two_rates', 'relativistic'])
def test_stacked_digits_are_played_with_convolutions(remedy):
    stacked = object.__new__(chapter.Stacked)
    stacked.digits = numpy.random.default_rng(0).normal(size=(50, 784)).astype('float32')
    nets, (feed, *rules), keywords = stacked.game(remedy, 1, 1, 8, 2.0)
    (X,) = next(iter(feed))
    history = chapter.train(*nets, feed, *rules, X, seed=0, callbacks=[], **keywords)
    assert numpy.isfinite(history.loss_D).all() and numpy.isfinite(history.loss_G).all()
    with history.averaged(nets[1]):
        assert nets[1](np.zeros((2, 300, 1, 1))).shape == (2, 3, 28, 28)

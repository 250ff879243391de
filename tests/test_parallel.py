"""Sharing a game: equal to one device, beside closed forms, and simulated."""

import json

from chapters import parallel as chapter

import numpy
import pytest

LINK = (3e-5, 1e-9)


def test_two_devices_play_the_game_of_one():
    one, two = chapter.rehearse(['cpu'], 10), chapter.rehearse(['cpu(0)', 'cpu(1)'], 10)
    assert one.shape == (1, 43) and chapter.apart(*two) == 0
    assert chapter.apart(one, two) < 1e-6  # though 15 examples do not divide by two
    alone = chapter.rehearse(['cpu(0)', 'cpu(1)'], 10, store=None)
    assert chapter.apart(*alone) > 1e-3


def test_the_form_of_two_players_is_the_book_s_on_one_device():
    shared = chapter.rehearse(['cpu'], steps=10, batch_size=16)
    assert chapter.apart(shared, chapter.work('local', steps=10)) < 1e-6


def test_only_batch_normalization_minds_being_cut():
    found = chapter.cut(sizes=(8, 2), batch_size=16, tries=2)
    assert all(error < 1e-5 for name in ('none', 'layer') for error in found[name].values())
    assert 0.01 < found['batch'][8] < found['batch'][2]


def test_four_devices_normalize_the_whole_batch_or_each_its_share():
    pytest.importorskip('jax', reason='needs the extra xla')
    off = {engine: chapter.apart(*(chapter.losses(engine, n, 2) for n in (4, 1)))
           for engine in ('xla', 'textbook')}  # fmt: skip
    assert off['xla'] < 1e-6 and off['textbook'] > 1e-4


@pytest.mark.parametrize('stale, beta1', [(0, 0), (0, 0.5), (1, 0), (3, 0.5), (9, 0.9)])
def test_lateness_and_memory_add_up(stale, beta1):
    age = stale + beta1 / (1 - beta1)
    assert chapter.growth(1e-4, stale, beta1) == pytest.approx(1 + 2 * age, rel=1e-3)


@pytest.mark.parametrize('even', [True, False])
def test_workers_that_do_not_wait_are_late_by_one_less_than_their_number(even):
    growth, age = chapter.asynchronous(4, even=even)
    assert age == pytest.approx(3, rel=0.01) and growth == pytest.approx(7, rel=0.03)


@pytest.mark.parametrize('strong', [False, True])
def test_the_formula_is_the_simulation_where_nothing_varies(strong):
    for n in (1, 2, 3, 8, 100):
        game = n, 0.1, (1e6, 3e6), *LINK, strong
        assert chapter.simulate(*game, steps=2) == pytest.approx(chapter.step_time(*game))


def test_all_wait_for_the_slowest():
    for n in (1, 10, 100):
        game = n, 0.1, (1, 1), 0, 0
        formula = chapter.step_time(*game, jitter=0.5)
        assert chapter.simulate(*game, jitter=0.5, steps=4000 // n) == pytest.approx(
            formula, rel=0.05
        )


def test_the_best_number_is_where_the_time_is_least():
    times = {n: chapter.step_time(n, 0.1, (1e6, 3e6), *LINK, True) for n in range(1, 200)}
    best = chapter.best_number(0.1, (1e6, 3e6), *LINK)
    assert abs(min(times, key=times.get) - best) < 1
    assert chapter.best_number(1e-6, (1e6, 3e6), *LINK) == 1


def test_the_fit_finds_what_made_the_times():
    sums = {size: chapter.reduce_time(4, size, *LINK) for size in (256, 10**5, 10**7)}
    assert chapter.fit(sums, 4) == pytest.approx(LINK)


def measured():
    sums = {n: {b: chapter.reduce_time(n, b, *LINK) for b in (256, 10**6)} for n in (2, 4)}
    steps = {1: 0.01, 2: 0.02, 4: 0.04}
    return {'devices': steps, 'processes': steps, 'sums': sums}


def test_a_run_writes_its_pictures_and_scores(tmp_path, monkeypatch, blank):
    """The book shows them, so that slow tests draw them."""
    monkeypatch.setattr(chapter, 'served', lambda: [chapter.work('local')] * 2)
    monkeypatch.setattr(chapter.scaling, 'timings', lambda rounds: measured())
    monkeypatch.setattr(chapter, 'one_device', lambda device: (0.05, [10**5, 10**6]))
    monkeypatch.setattr(chapter, 'distances', lambda size, *_, seeds, **__: [size / 8] * len(seeds))
    monkeypatch.setattr(chapter, 'cut', lambda: {})
    monkeypatch.setattr(chapter, 'losses', lambda engine, devices: numpy.array([devices]))
    monkeypatch.setattr(chapter, 'played_out', lambda *_: dict.fromkeys(chapter.NUMBERS, 0.5))
    scores = chapter.run(num_seeds=3, out=tmp_path)
    written = json.loads((tmp_path / 'scores.json').read_text())
    assert written['batches']['times the root'] == {'8': 1.0, '32': 4.0, '128': 16.0}
    assert [a for _, a, _ in written['foretold'][:2]] == pytest.approx(
        list(scores['seconds']['sums'][4].values())
    )
    names = ('ages', 'batches', 'sums', 'paper')
    assert all((tmp_path / f'{name}.png').stat().st_size > 1000 for name in names)


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match='`num_seeds` is 0; it must be an integer >= 1'):
        chapter.run(num_seeds=0, out=tmp_path)
    with pytest.raises(ValueError, match='`rounds` is 0; it must be an integer >= 1'):
        chapter.run(rounds=0, out=tmp_path)


@pytest.mark.slow
def test_two_workers_and_a_server_play_the_game_of_one():
    alone, (first, second) = chapter.work('local'), chapter.served()
    assert chapter.apart(first, second) == 0 and chapter.apart(alone, first) < 1e-6


@pytest.mark.slow
def test_a_larger_batch_ends_farther_away_at_equal_examples():
    pytest.importorskip('jax', reason='needs the extra xla')
    found = chapter.batches((8, 128), num_epochs=10, seeds=range(5))
    for rule, by_size in found.items():
        assert numpy.median(by_size[128]) > 2 * numpy.median(by_size[8]), rule


@pytest.mark.slow
def test_processes_are_timed_and_their_steps_foretold():
    pytest.importorskip('jax', reason='needs the extra xla')
    times = chapter.scaling.timings(rounds=3)
    assert {1, 2, 4} == {*times['devices']} == {*times['processes']} and {*times['sums']} == {2, 4}
    for what, formula, seconds in chapter.foretold(times):
        assert 0.02 < formula / seconds < 50, what  # a busy machine; the shape is tested above


def test_the_arrays_that_are_said_to_be_sent_are_those_of_three_slopes():
    assert len(chapter.ARRAYS) == 9 and sum(chapter.ARRAYS) == 3 * 4 * (2 * 256 + 256**2 + 256 * 2)

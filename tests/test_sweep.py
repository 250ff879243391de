"""A sweep plays every run once, whatever comes in between, and says what they came to."""

import importlib
import json
import math
import multiprocessing
import signal
from pathlib import Path

from d2l_gan import plots, summary, sweep, workers

import pytest
from click.testing import CliRunner

cli = importlib.import_module('chapters.__main__')
TINY = 'tests.sweeping:tiny'


class Here:
    """Plays in this process, and is killed after so many jobs."""

    def __init__(self, most=math.inf):
        self.most, self.played = most, 0

    def outcomes(self, function, jobs):
        for job in jobs:
            if self.played >= self.most:
                raise KeyboardInterrupt
            self.played += function is sweep.play
            try:
                outcome = function(*job)
            except ValueError as error:
                outcome = error
            yield job, outcome


def play(out, settings=({'value': 1.0}, {'value': 2.0}), seeds=(0, 1, 2), most=math.inf, **rules):
    """Return (lines, how many runs were played) of a sweep into `out`."""
    pool = Here(most)
    with sweep.Runs(out) as runs:
        found = sweep.sweep(TINY, list(settings), list(seeds), pool, runs, **rules)
    return found, pool.played


def lines(out):
    return [json.loads(line) for line in (out / 'runs.jsonl').read_text().splitlines()]


def test_a_line_says_all_of_a_run(tmp_path):
    found, played = play(tmp_path, extra={'out': None})
    assert played == 6 and lines(tmp_path) == found
    last = found[-1]
    assert (last['seed'], last['arguments'], last['error']) == (2, {'value': 2.0}, None)
    assert last['scores'] == {'w2_truth': 4.0, 'accuracy': 0.2, 'list': [1]}
    assert last['seconds'] >= 0 and last['versions']['d2l_gan'] and last['target'] == TINY


def test_goes_on_where_it_was_interrupted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, most=4)
    assert play(tmp_path)[1] == 2 and play(tmp_path)[1] == 0
    assert play(tmp_path, seeds=(2, 3))[1] == 2, 'more seeds are added'
    assert len({sweep.key(run) for run in lines(tmp_path)}) == len(lines(tmp_path)) == 8


@pytest.mark.parametrize('cut', [1, 2, 40, -1])
def test_a_torn_last_line_is_taken_away(tmp_path, cut):
    """As a kill leaves it: some bytes of the line, or all of them without its end."""
    whole, _ = play(tmp_path)
    path = tmp_path / 'runs.jsonl'
    *before, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b''.join(before) + last[:cut])
    found, played = play(tmp_path)
    assert played == 1 and [run['seed'] for run in found] == [run['seed'] for run in whole]
    assert len(lines(tmp_path)) == 6


@pytest.mark.parametrize('line', [b'nonsense', b'\xff', b'{}', b'[]', b'{"target": 1}', b''])
def test_a_damaged_line_is_named_and_left(tmp_path, line):
    play(tmp_path)
    path = tmp_path / 'runs.jsonl'
    path.write_bytes(line + b'\n' + path.read_bytes())
    damaged = path.read_bytes()
    with pytest.raises(ValueError, match='runs.jsonl` is no list of runs in line 1; mend or'):
        play(tmp_path)
    assert path.read_bytes() == damaged
    path.write_bytes(damaged[len(line) + 1 :])
    assert play(tmp_path)[1] == 0, 'the directory was not left locked'


def test_a_disk_that_is_full_leaves_whole_lines(tmp_path, monkeypatch):
    play(tmp_path, seeds=[0])
    before = (tmp_path / 'runs.jsonl').read_bytes()

    def full(number):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(sweep.os, 'fsync', full)
    with pytest.raises(OSError, match='runs.jsonl` cannot be written: No space left'):
        play(tmp_path)
    assert (tmp_path / 'runs.jsonl').read_bytes() == before


def test_one_sweep_at_a_time(tmp_path):
    with sweep.Runs(tmp_path), pytest.raises(RuntimeError, match='is in use by another sweep'):
        play(tmp_path)


def test_a_stranger_s_file_stays(tmp_path):
    (tmp_path / 'runs.jsonl').mkdir()
    with pytest.raises(ValueError, match='is not a file of ours'):
        play(tmp_path)


def test_failures_are_kept_and_played_again_when_asked(tmp_path):
    found, _ = play(tmp_path, [{'value': 13.0}])
    errors = [run['error'] for run in found]
    assert errors == [None, 'ArithmeticError: 13 is unlucky', None]
    assert found[1]['scores'] is None
    assert play(tmp_path, [{'value': 13.0}])[1] == 0
    assert play(tmp_path, [{'value': 13.0}], retry=True)[1] == 1
    assert len(lines(tmp_path)) == 3


def test_a_setting_that_cannot_be_right_is_told_before_any_run(tmp_path):
    rehearsal = TINY, {'out': None}
    with pytest.raises(ValueError, match='`value` is -1.0; it must be >= 0'):
        play(tmp_path, [{'value': 1.0}, {'value': -1.0}], rehearsal=rehearsal)
    assert lines(tmp_path) == []
    assert play(tmp_path, rehearsal=rehearsal)[1] == 6


def test_the_table_knows_which_way_is_worse(tmp_path):
    found, _ = play(tmp_path, [{'value': 1.0}, {'value': 13.0}], range(10))
    for run in found:
        if run['scores'] is not None:
            run['scores']['loss_D'] = float(run['seed'])
    assert summary.table(found).splitlines()[2:5] == [
        '| value=1.0 | w2_truth | 10 | 4.5 | 8.1 | 9 |',
        '| value=1.0 | accuracy | 10 | 0.45 | 0.09 | 0 |',
        '| value=1.0 | loss_D | 10 | 4.5 | | 0 to 9 |',
    ]
    assert '| value=13.0 | accuracy | 9 |' in summary.table(found), 'one of them failed'
    fig = summary.figure(found)
    assert [axes.get_xlabel() for axes in fig.axes] == [
        'w2_truth, lower is better', 'accuracy, higher is better',
    ]  # fmt: skip
    assert len(plots.Picture.png(fig)) > 1000
    assert summary.table([]).count('\n') == 1 and summary.figure([]).axes


def test_seeds_are_numbers_and_ranges():
    assert cli.seeds_in(None, None, '0-3,7, 2') == [0, 1, 2, 3, 7]
    for text in ('', '3-1', 'x', '-1', '0-4294967296', '1,,2'):
        with pytest.raises(cli.click.BadParameter, match='`seeds` is .*; it must be numbers and'):
            cli.seeds_in(None, None, text)


def test_settings_are_every_combination_in_the_types_of_the_flags():
    found = cli.settings_in('gaussian', ['lr-D=1,0.5', 'objective=bce', 'average=default,0.9'])
    assert found == [
        {'lr_D': lr, 'objective': 'bce', 'average': average}
        for lr in (1.0, 0.5)
        for average in (None, 0.9)
    ]
    assert cli.settings_in('gaussian', []) == [{}]
    assert cli.settings_in('dcgan', ['book=true,no']) == [{'book': True}, {'book': False}]


@pytest.mark.parametrize(
    'change, told',
    [
        ('bta1=0.5', "`bta1` is no flag to sweep of gaussian; did you mean 'beta1'?"),
        ('seed=1', '`seed` is no flag to sweep of gaussian'),
        ('beta1=0.5,x', "`beta1` is 'x'; it must be a number"),
        ('num_epochs=1.5', "`num_epochs` is '1.5'; it must be an integer"),
        ('beta1=', "`beta1` is ''; it must be a number"),
        ('beta1', "`beta1` is ''; it must be as in beta1=1,2"),
    ],
)
def test_a_wrong_setting_is_told_before_any_run(tmp_path, change, told):
    done = CliRunner().invoke(
        cli.main, ['sweep', 'gaussian', '--set', change, '--out', str(tmp_path / 'out')]
    )
    assert done.exit_code == 2 and told in ' '.join(done.output.split()), done.output
    assert not (tmp_path / 'out').exists()


def test_a_wrong_chapter_gets_the_nearest_name():
    done = CliRunner().invoke(cli.main, ['sweep', 'gausian'])
    assert done.exit_code == 2 and "Did you mean 'gaussian'?" in done.output


def test_the_list_has_it_apart_from_the_chapters():
    done = CliRunner().invoke(cli.main, [], prog_name='chapters')
    assert '\n\nsweep           Play many runs of a chapter: seeds and settings.\n\n' in done.output
    assert 'sweep' not in cli.names()


def test_side_by_side_is_refused_where_a_chapter_cannot(tmp_path, capsys):
    with pytest.raises(ValueError, match='chapters.sine plays one run at a time'):
        sweep.command('chapters.sine:run_many', [{}], [0], 1, None, tmp_path)
    with pytest.raises(ValueError, match='`engine` must be left out: `together` does not know it'):
        sweep.command('chapters.gaussian:run_many', [{'engine': 'xla'}], [0], 1, None, tmp_path)


@pytest.mark.slow
def test_side_by_side_has_the_scores_of_one_after_the_other(tmp_path):
    pytest.importorskip('jax')
    from chapters import gaussian

    rules = {'num_epochs': 1, 'average': 0.9, 'beta1': 0.5}
    runs = sweep.play('chapters.gaussian:run_many', rules, [3, 4], {})
    assert [(run['seed'], run['error']) for run in runs] == [(3, None), (4, None)]
    alone = gaussian.run(seed=4, engine='xla', film=False, out=tmp_path, **rules).scores
    for name in ('w2_truth', 'w2_sample', 'loss_D', 'loss_G'):
        assert runs[1]['scores'][name] == pytest.approx(alone[name], rel=1e-3)


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_other_run(tmp_path):
    settings = [{'marks': str(tmp_path)}]
    with sweep.Runs(tmp_path / 'out') as runs, workers.Local(2, tmp_path / 'scratch') as pool:
        found = sweep.sweep('tests.sweeping:deadly', settings, list(range(6)), pool, runs)
    died = 'RuntimeError: its worker process died, 2 times'
    assert [run['error'] for run in found] == [None, died, None, None, None, None]
    assert len(lines(tmp_path / 'out')) == 6


@pytest.mark.slow
def test_a_worker_that_hangs_costs_no_other_run(tmp_path):
    settings = [{'marks': str(tmp_path), 'how': int(signal.SIGSTOP)}]
    pool = workers.Local(2, tmp_path / 'scratch', timeout=20)  # a busy machine starts slowly
    with sweep.Runs(tmp_path / 'out') as runs, pool:
        found = sweep.sweep('tests.sweeping:deadly', settings, list(range(4)), pool, runs)
    hung = 'RuntimeError: its worker process had not ended after 20 s, 2 times'
    assert [run['error'] for run in found] == [None, hung, None, None]
    assert len(lines(tmp_path / 'out')) == 4
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize('timeout', [0, -1, math.nan, 'long'])
def test_a_timeout_is_a_number_of_seconds(tmp_path, timeout):
    with pytest.raises((ValueError, TypeError), match='`timeout` is'):
        workers.Local(1, tmp_path, timeout)


def test_a_table_of_scores_goes_on_where_it_was_interrupted(tmp_path, monkeypatch, capsys):
    from tests.benchmarks.kept import kept

    monkeypatch.chdir(tmp_path)
    target, runs = 'tests.sweeping:tiny', Path('build/scores/table-runs')
    unlucky = pytest.raises(RuntimeError, match='seed 1 failed: ArithmeticError')
    with unlucky, kept('table') as played:
        played(target, {'value': 2.0}, range(2))
        played(target, {'value': 13.0}, range(2))
    assert len((runs / 'runs.jsonl').read_text().splitlines()) == 4
    with kept('table', workers=2) as played:
        found = played(target, {'value': 2.0}, range(3))
    assert [(one['seed'], one['w2_truth']) for one in found] == [(0, 0), (1, 2), (2, 4)]
    assert 'Going on with 4 runs' in capsys.readouterr().err and not runs.exists()

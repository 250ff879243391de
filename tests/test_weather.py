"""Faults tried for real: kills, full disks, damaged files. `make weather` tries them more often."""

from tests.benchmarks import machines, weather

import pytest

QUICK = {
    'killed_any_time': {'times': 4},
    'killed_on_xla': {'times': 2},
    'killed_while_writing': {'times': 4},
    'interrupted': {'times': 1},
    'terminated': {'times': 1},
    'interrupted_twice': {'times': 1},
    'terminated_in_the_middle': {'times': 1},
    'file_too_large': {},
    'read_only': {},
    'removed': {},
    'two_at_once': {'times': 1},
    'mutated': {'times': 1000},
    'forged': {'times': 200},
    'not_this_training': {},
    'killed_chapters': {'names': ('gaussian',)},
    'disk_full': {},
    'flipped_bits': {},
    'cut_short': {},
    'long_run': {'epochs': 50},
    'killed_sweeps': {'times': 2, 'seeds': 8},
}
SLOW = 'killed', 'long_run', 'flipped_bits'


def marked(name):
    return pytest.param(name, marks=pytest.mark.slow if name.startswith(SLOW) else ())


@pytest.mark.parametrize('name', [marked(name) for name in QUICK])
def test_a_fault(tmp_path, name):
    getattr(weather, name)(tmp_path, **QUICK[name])


def test_every_fault_is_tried():
    several = {fault.__name__ for fault in machines.FAULTS}  # `tests/test_machines.py` has these
    assert {fault.__name__ for fault in weather.FAULTS} - several == set(QUICK)


def test_a_row_takes_the_place_of_its_older_one():
    first, *_, last = (fault.__doc__ for fault in weather.FAULTS)
    table = '\n'.join([*weather.HEAD, f'| {last} | 1 | all |', '| long gone | 1 | nothing |'])
    text = f'before\n<!-- weather -->\n{table}\n<!-- /weather -->\nafter | with | bars\n'
    text = weather.merged(text, f'| {first} | 2 | nothing |')
    text = weather.merged(text, f'| {last} | 3 | little |')
    table = '\n'.join([*weather.HEAD, f'| {first} | 2 | nothing |', f'| {last} | 3 | little |'])
    assert text == f'before\n<!-- weather -->\n{table}\n<!-- /weather -->\nafter | with | bars\n'

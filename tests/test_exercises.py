"""Every chapter has at least four exercises, each with a solution that runs."""

import importlib
import re
from pathlib import Path

import pytest

CHAPTERS = sorted(p.stem for p in Path('chapters').glob('*.py') if not p.stem.startswith('_'))
# Solutions that train for longer than a fast test may.
SLOW = (
    'gaussian', 'sine', 'mnist_vanilla', 'mnist_leaky', 'mnist_deep', 'static_graph', 'xla',
    'dcgan', 'autoencoder',
)  # fmt: skip


def solutions(chapter):
    """Return the Python blocks of each exercise's folded solution."""
    text = (Path('chapters') / f'{chapter}.py').read_text(encoding='utf-8')
    text = re.sub(r'^# ?', '', text.partition('## Exercises')[2], flags=re.MULTILINE)
    exercises = re.split(r'^\d+\. ', text, flags=re.MULTILINE)[1:]
    found = []
    for exercise in exercises:
        folded = re.search(r'<details>(.*?)</details>', exercise, re.DOTALL)
        assert folded, f'no solution in: {exercise[:60]}'
        blocks = re.findall(
            r'^( *)```python\n(.*?)^ *```', folded.group(1), re.DOTALL | re.MULTILINE
        )
        found.append('\n'.join(re.sub(f'^{indent}', '', b, flags=re.M) for indent, b in blocks))
    return found


def marked(chapter):
    return pytest.param(chapter, marks=pytest.mark.slow if chapter in SLOW else ())


@pytest.mark.parametrize('chapter', CHAPTERS)
def test_at_least_four_exercises_each_with_code(chapter):
    found = solutions(chapter)
    assert len(found) >= 4
    assert all(found)


@pytest.mark.parametrize('chapter', [marked(chapter) for chapter in CHAPTERS])
def test_solutions_run(chapter, tmp_path):
    module = importlib.import_module(f'chapters.{chapter}')
    for number, code in enumerate(solutions(chapter), 1):
        assert 'assert' in code, f'solution {number} shows nothing'
        exec(
            compile(code, f'{chapter}, solution {number}', 'exec'),
            {**vars(module), 'out': tmp_path},
        )

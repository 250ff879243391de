"""What CONTRIBUTING.md says of the house: short files, and a learner's path without privates."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / 'd2l_gan'
PATH = [LIBRARY / f'{room}.py' for room in ('train', 'game', 'losses', 'data')]


def length(path):
    return len(path.read_text(encoding='utf-8').splitlines())


def test_no_file_is_long():
    assert {path.name: length(path) for path in LIBRARY.rglob('*.py') if length(path) > 350} == {}
    assert sum(map(length, PATH)) <= 700


@pytest.mark.parametrize('path', PATH, ids=lambda path: path.stem)
def test_the_learner_s_path_touches_nobody_s_privates(path):
    found = [
        ast.unparse(node) if hasattr(ast, 'unparse') else node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Attribute) and node.attr.startswith('_')
        and not node.attr.endswith('__') and getattr(node.value, 'id', '') not in ('self', 'cls')
    ]  # fmt: skip
    assert found == []

"""Every chapter has the form that imports, runs, opens in Jupyter and renders in the book."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted(file for file in (ROOT / 'chapters').glob('*.py') if file.stem[0] != '_')
every = pytest.mark.parametrize('chapter', CHAPTERS, ids=lambda file: file.stem)
LINES = 6


def literal(node):
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def faults(text):
    """Return what a chapter's top level holds that it must not, as sentences with line numbers."""
    found = []
    for node in ast.parse(text).body:
        code = ast.unparse(node) if sys.version_info >= (3, 9) else ''
        fine = isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'chapters':
            found.append(f'line {node.lineno}: a chapter imports no chapter')
        elif isinstance(node, ast.Assign):
            fine = literal(node.value)
        elif isinstance(node, ast.Expr):
            call = ast.dump(node.value) == ast.dump(ast.parse('npx.set_np()', mode='eval').body)
            fine = call or isinstance(getattr(node.value, 'value', None), str)
        elif isinstance(node, ast.If):
            main = ast.parse("__name__ == '__main__'", mode='eval').body
            fine = ast.dump(node.test) == ast.dump(main) and not node.orelse
            if fine and node.body[-1].end_lineno - node.lineno > LINES:
                found.append(f'line {node.lineno}: more than {LINES} lines run')
        if not fine:
            found.append(f'line {node.lineno}: runs when imported: {code}')
    if not re.match(r'# %% \[markdown\]\nr"""\n# \w', text):
        found.append('line 1: the first cell is not a raw string with a title')
    return found


@every
def test_top_level_runs_nothing(chapter):
    assert faults(chapter.read_text(encoding='utf-8')) == []


HEAD = '# %% [markdown]\nr"""\n# Title\n"""\n'


@pytest.mark.parametrize(
    'code, fault',
    [
        ('x = [1, 2.5, -3]\nnpx.set_np()\n"text"\nimport os\nclass A: pass', None),
        ("if __name__ == '__main__':\n" + '    run()\n' * 6, None),
        ("if __name__ == '__main__':\n" + '    run()\n' * 7, 'more than 6 lines'),
        ("if __name__ == '__main__':\n    run()\nelse:\n    run()", 'runs when imported'),
        ('if True:\n    run()', 'runs when imported'),
        ('run()', 'runs when imported'),
        ('data = load()', 'runs when imported'),
        ('npx.set_np(1)', 'runs when imported'),
        ('for x in (): pass', 'runs when imported'),
        ('from chapters.gaussian import run', 'imports no chapter'),
    ],
)
def test_the_check_itself(code, fault):
    found = faults(HEAD + code)
    assert len(found) == (0 if fault is None else 1)
    assert fault is None or fault in found[0]


def used(node):
    """Return the names that code reads and does not set itself."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return {n.id for n in names} - own


def too_early(text):
    """Return what a notebook, run from the top, would use before its cell, as sentences."""
    body, found = ast.parse(text).body, []
    defined = {n.name: n for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    for node in body:
        needed, seen = used(node) if isinstance(node, ast.If) else set(), set()
        while needed:
            name = needed.pop()
            if name in seen or name not in defined:
                continue
            seen.add(name)
            needed |= used(defined[name])
            if defined[name].lineno > node.lineno:
                found.append(f'line {node.lineno}: needs {name}, which comes later')
    return found


@every
def test_nothing_is_used_before_its_cell(chapter):
    assert too_early(chapter.read_text(encoding='utf-8')) == []


def test_the_check_for_early_use():
    later = 'def run(): return score()\nif __name__ == "__main__":\n    run()\ndef score(): pass'
    assert too_early(later) == ['line 2: needs score, which comes later']
    assert too_early(later.replace('score()\n', 'sum(())\n')) == []


@pytest.mark.parametrize('text', ['"""# Title"""', '# ---\n# jupyter: x\n# ---\n' + HEAD, ''])
def test_the_check_of_the_title(text):
    assert 'raw string with a title' in faults(text)[-1]


@every
def test_imports_d2l_gan_before_mxnet(chapter):
    names = []
    for node in ast.parse(chapter.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.ImportFrom):
            names.append(node.module.split('.')[0])
        elif isinstance(node, ast.Import):
            names += [alias.name.split('.')[0] for alias in node.names]
    rest = [name for name in names if name in ('d2l_gan', 'mxnet', 'd2l')]
    assert rest[0] == 'd2l_gan', 'else MXNet does not import on a new NumPy'


@every
def test_opens_in_jupyter_and_saves_as_it_was(chapter):
    jupytext = pytest.importorskip('jupytext')
    text = chapter.read_text(encoding='utf-8')
    config = jupytext.config.load_jupytext_configuration_file(str(ROOT / 'pyproject.toml'))
    notebook = jupytext.reads(text, fmt='py:percent', config=config)
    first, *others = notebook.cells
    assert first.cell_type == 'markdown' and first.source.startswith('# ')
    assert {cell.cell_type for cell in others} == {'code', 'markdown'}
    assert jupytext.writes(notebook, fmt='py:percent', config=config) == text


@every
def test_ends_as_the_book_s_sections_do(chapter):
    text = chapter.read_text(encoding='utf-8')
    order = [text.find(f'## {heading}') for heading in ('Summary', 'Exercises')]
    assert -1 < order[0] < order[1]
    assert 'https://d2l.ai/' in text[order[0] :]


@every
def test_explains_every_keyword_of_run(chapter):
    from chapters.__main__ import options, read

    run = read(chapter.stem).run
    arguments = run.args.args + run.args.kwonlyargs
    defaults = run.args.defaults + [node for node in run.args.kw_defaults if node is not None]
    assert len(arguments) == len(defaults), 'each keyword has a default'
    explained = {option.name: option.help for option in options(read(chapter.stem))}
    assert [name for name, meaning in explained.items() if not meaning] == []
    assert {arg.arg for arg in arguments} - {'callbacks'} <= {*explained}
    assert {'num_epochs', 'seed', 'device', 'out'} <= {*explained}


@pytest.mark.slow
@pytest.mark.skipif(not CHAPTERS, reason='there is no chapter yet')
def test_importing_them_runs_nothing(tmp_path):
    names = [f'chapters.{file.stem}' for file in CHAPTERS]
    code = (
        f'import {", ".join(names)}\n'
        'from matplotlib import pyplot\n'
        'assert pyplot.get_fignums() == []'
    )
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, ''), done.stderr
    assert not (tmp_path / 'build').exists()

"""`make notebooks` makes what is missing or old, and leaves alone what a reader has changed."""

import base64
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip('jupytext')
ROOT = Path(__file__).parents[1]
CHAPTER = '''# %% [markdown]
r"""
# A toy
"""
# %%
x = 6 * 7
print(x)
'''


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    """Return a function that makes notebooks in an empty directory, and what it needs to look."""
    chapter = tmp_path / 'toy.py'
    chapter.write_text(CHAPTER)
    folder = tmp_path / 'build' / 'notebooks'

    monkeypatch.chdir(tmp_path)

    def make(*flags):
        monkeypatch.setattr(sys, 'argv', ['notebooks.py', *flags, 'toy.py'])
        runpy.run_path(str(ROOT / '.ci' / 'notebooks.py'), run_name='__main__')
        return capsys.readouterr().out

    return SimpleNamespace(make=make, chapter=chapter, folder=folder, path=folder / 'toy.ipynb')


def edit(path):
    """Add a cell, as a reader does."""
    notebook = json.loads(path.read_text())
    notebook['cells'].append(dict(notebook['cells'][-1], source=['mine = 1'], id='mine'))
    path.write_text(json.dumps(notebook))
    return path.read_text()


def test_a_notebook_is_made_and_stays_while_its_chapter_does(desk):
    assert desk.make() == 'build/notebooks/toy.ipynb\n'
    first = desk.path.read_text()
    cells = json.loads(first)['cells']
    assert [cell['cell_type'] for cell in cells] == ['markdown', 'code']
    assert json.loads(first)['metadata']['kernelspec']['name'] == 'python3'
    assert desk.make() == 'build/notebooks/toy.ipynb: as before\n'
    assert desk.path.read_text() == first
    desk.chapter.write_text(CHAPTER + 'y = 1\n')
    assert desk.make() == 'build/notebooks/toy.ipynb\n'
    assert 'y = 1' in desk.path.read_text()


def test_pictures_travel_with_the_notebook(desk):
    (desk.chapter.parent / 'small.png').write_bytes(b'pixels')
    desk.chapter.write_text(CHAPTER.replace('# A toy', '# A toy\n\n![of it](small.png)'))
    desk.make()
    first = json.loads(desk.path.read_text())['cells'][0]
    assert '![of it](attachment:small.png)' in ''.join(first['source'])
    assert base64.b64decode(first['attachments']['small.png']['image/png']) == b'pixels'


def test_a_notebook_that_a_reader_has_changed_stays(desk):
    desk.make()
    mine = edit(desk.path)
    desk.chapter.write_text(CHAPTER + 'y = 1\n')
    for _ in range(2):
        said = desk.make()
        assert said.startswith('build/notebooks/toy.ipynb: changed by you, so it stays; ')
        assert '`make notebooks FRESH=1`' in said and said.count('\n') == 1
        assert desk.path.read_text() == mine


def test_a_fresh_one_sets_the_reader_s_aside(desk):
    desk.make()
    kept = []
    for number in (1, 2):
        kept.append(edit(desk.path))
        said = desk.make('--fresh')
        assert said == (
            'build/notebooks/toy.ipynb: fresh; '
            f'yours is now build/notebooks/toy-mine-{number}.ipynb\n'
        )
        assert 'mine = 1' not in desk.path.read_text()
    assert [(desk.folder / f'toy-mine-{n}.ipynb').read_text() for n in (1, 2)] == kept
    assert desk.make() == 'build/notebooks/toy.ipynb: as before\n'


@pytest.mark.parametrize('record', [None, 'no JSON'])
def test_what_nothing_is_known_of_is_the_reader_s(desk, record):
    desk.make()
    before = desk.path.read_text()
    (desk.folder / '.made.json').unlink()
    if record:
        (desk.folder / '.made.json').write_text(record)
    assert 'changed by you' in desk.make()
    assert desk.path.read_text() == before


@pytest.mark.slow
@pytest.mark.filterwarnings('default')
def test_outputs_of_an_executed_notebook_stay(desk):
    desk.make('--execute')
    assert '42\\n' in desk.path.read_text()
    assert 'as before' in desk.make() and '42\\n' in desk.path.read_text()


def test_a_kernel_starts_in_the_checkout():
    pytest.importorskip('jupyter_server')
    c = SimpleNamespace(ServerApp=SimpleNamespace())
    exec((ROOT / '.ci' / 'jupyter.py').read_text(), {'c': c})
    manager = c.ServerApp.kernel_manager_class(root_dir=str(ROOT))
    assert manager.cwd_for_path('build/notebooks/toy.ipynb') == str(ROOT)

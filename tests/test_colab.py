"""The first cell for Colab and Binder, in fresh environments of Python 3.12."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRIAL = """
import d2l_gan
from d2l import mxnet as d2l
from chapters import gaussian
import numpy
print('NumPy', numpy.__version__)
result = gaussian.run(num_epochs=2)
assert result.history.loss_D.shape == (2,)
"""


def cell():
    """Return what the documented cell gives to pip, line by line."""
    text = (ROOT / '.book' / 'colab.md').read_text(encoding='utf-8')
    lines = re.search('```python\n(.*?)```', text, re.DOTALL).group(1).splitlines()
    assert lines[0].startswith('project = ')
    return [line.split()[1:] for line in lines if line.startswith('%pip ')]


def test_the_cell_installs_all_that_setup_py_asks_for():
    """What --no-deps leaves out is written down twice; this keeps the two in step."""
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    lists = re.findall(r'^(?:requires|book_cells) = \[(.*?)^\]', text, re.DOTALL | re.MULTILINE)
    names = {
        re.match(r'[\w-]+', entry).group()
        for entry in re.findall(r'^ +["\'](.*)["\']', ''.join(lists), re.M)
    }
    listed = {re.split('[=<>]', word)[0] for line in cell() for word in line if word[0] not in '-{'}
    assert names == listed - {'install'}


def test_readme_lists_what_no_deps_leaves_out():
    settings = (ROOT / 'setup.py').read_text(encoding='utf-8')
    block = re.search(r'^requires = \[(.*?)^\]', settings, re.DOTALL | re.MULTILINE).group(1)
    names = {
        re.match(r'[\w-]+', entry).group() for entry in re.findall(r'["\']([a-z].*)["\']', block)
    }
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    (line,) = re.findall('^pip install (click .*)$', text, re.MULTILINE)
    assert set(line.split()) == names - {'mxnet'}


@pytest.mark.slow
@pytest.mark.parametrize('before', [[], ['numpy>=2', 'pandas', 'matplotlib']], ids=['bare', 'full'])
def test_the_cell_works_in_a_fresh_environment(tmp_path, before):
    found = subprocess.run([str(ROOT / '.ci' / 'python'), '3.12'], stdout=subprocess.PIPE)
    if found.returncode:
        pytest.skip('needs Python 3.12')

    def run(*command):
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=str(tmp_path),
            env=dict(os.environ, PYTHONPATH='', PIP_DISABLE_PIP_VERSION_CHECK='1'),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()[-3000:]
        return done.stdout.decode()

    run(found.stdout.decode().strip(), '-m', 'venv', 'there')
    python = str(tmp_path / 'there' / 'bin' / 'python')
    freeze = lambda: dict(
        line.split('==') for line in run(python, '-m', 'pip', 'list', '--format=freeze').split()
    )
    index = [python, '-m', 'pip', 'download', '-q', '--no-deps', '-d', str(tmp_path), 'click']
    if subprocess.run(index, stderr=subprocess.DEVNULL).returncode:
        pytest.skip('needs a package index')
    if before:
        run(python, '-m', 'pip', 'install', '-q', *before)
    old = freeze()
    for words in cell():
        words = [str(ROOT) if word == '{project}' else word for word in words]
        run(python, '-m', 'pip', *words)
    new = freeze()
    assert {name: new[name] for name in old if name != 'setuptools'} == {
        name: version for name, version in old.items() if name != 'setuptools'
    }
    said = run(python, '-c', TRIAL)
    assert 'NumPy 2' in said
    assert re.search(r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec', said)

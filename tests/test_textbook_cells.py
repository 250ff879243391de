"""The cells of the book's GAN sections run in a notebook after `import d2l_gan` alone."""

import os
from pathlib import Path

import numpy
import pytest
from PIL import Image

jupytext = pytest.importorskip('jupytext')
nbclient = pytest.importorskip('nbclient')
nbformat = pytest.importorskip('nbformat')
pytest.importorskip('ipykernel')

HERE = Path(__file__).parent
FIRST = 'import d2l_gan'
OURS = """
from d2l import mxnet as d2l
from d2l_gan.train import update_D, update_G
d2l.update_D, d2l.update_G = update_D, update_G
"""
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('default')]


def play(section, directory, ours, **exchanged):
    """Run a section's cells in a kernel in `directory`; return its printed lines and figures."""
    text = (HERE / 'textbook_cells' / f'{section}.py').read_text(encoding='utf-8')
    for old, new in exchanged.items():
        before, after = new
        assert text.count(before) == 1, old
        text = text.replace(before, after)
    cells = [cell.source for cell in jupytext.reads(text, fmt='py:percent').cells]
    if ours:  # what the cells define is exchanged for what d2l_gan has by the same names
        cells = [cell for cell in cells if not cell.startswith('def update_')]
        cells.insert(-2, OURS)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in [FIRST, *cells]]
    )
    resources = {'metadata': {'path': str(directory)}}
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name='python3', resources=resources
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    said = ''.join(output.text for output in outputs if output.get('name') == 'stdout')
    figures = [output for output in outputs if 'image/svg+xml' in output.get('data', {})]
    return said, figures


@pytest.fixture
def python_path(monkeypatch):
    """Let a kernel that starts somewhere else find this checkout, and choose its own backend."""
    monkeypatch.setenv('PYTHONPATH', str(HERE.parent))
    monkeypatch.delenv('MPLBACKEND', raising=False)


def losses(said):
    """Return the two losses of the closing line."""
    words = said.strip().splitlines()[-1].replace(',', '').split()
    assert words[0] == 'loss_D' and words[2] == 'loss_G' and words[5].startswith('examples/sec')
    return float(words[1]), float(words[3])


@pytest.mark.parametrize('ours', [False, True], ids=['book', 'ours'])
def test_section_20_1(tmp_path, python_path, ours):
    few = (
        'latent_dim, num_epochs = 0.05, 0.005, 2, 20',
        'latent_dim, num_epochs = 0.05, 0.005, 2, 2',
    )
    said, figures = play('gan', tmp_path, ours, epochs=few)
    assert 'The covariance matrix is\n[[1.01 1.95]\n [1.95 4.25]]' in said
    assert all(0.1 < loss < 3 for loss in losses(said))
    assert len(figures) == 2


@pytest.mark.parametrize('ours', [False, True], ids=['book', 'ours'])
def test_section_20_2(tmp_path, python_path, ours):
    random = numpy.random.RandomState(0)
    for number in range(24):
        folder = tmp_path / 'pokemon' / f'species {number % 2}'
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.randint(0, 256, (60 + number, 64, 3)).astype('uint8')
        Image.fromarray(pixels).save(str(folder / f'{number}.png'))
    said, figures = play(
        'dcgan',
        tmp_path,
        ours,
        data=("d2l.download_extract('pokemon')", repr(os.path.join(str(tmp_path), 'pokemon'))),
        epochs=(
            'latent_dim, lr, num_epochs = 100, 0.005, 20',
            'latent_dim, lr, num_epochs = 100, 0.005, 1',
        ),
    )
    assert all(0 < loss < 1000 for loss in losses(said)), said  # one step of G at the book's rate
    assert 'examples/sec on cpu(0)' in said
    assert len(figures) == 3

"""A notebook with a training in it, executed by a kernel of its own."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')
pytest.importorskip('ipykernel')

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,  # each starts a kernel of its own
    # The clients of the kernel have deprecations of their own on one Python or another.
    pytest.mark.filterwarnings('default'),
]

TRAINING = """
from d2l_gan import data, train
from mxnet import gluon, npx
npx.set_np()
net_G, net_D = gluon.nn.Dense(2), gluon.nn.Dense(1)
X = data.gaussian(64)[0]
history = train.train(net_D, net_G, data.Batches(X, 8), 4, 0.05, 0.005, 2, X, seed=1)
print('a later print')
"""
ANIMATOR = """
from d2l_gan import plots
animator = plots.Animator('epoch', legend=['train loss'])
for epoch in range(3):
    animator.add(epoch, epoch**2)
print('a later print')
animator.fig
"""


class Watcher(nbclient.NotebookClient):
    """Keep the messages that a kernel sends about its figures."""

    def process_message(self, message, *arguments):
        self.__dict__.setdefault('figures', []).append(message)
        return super().process_message(message, *arguments)


def execute(*cells):
    """Return the executed notebook and the kinds of the messages about figures."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = Watcher(
        notebook, timeout=300, kernel_name='python3', resources={'metadata': {'path': str(ROOT)}}
    )
    client.execute()
    kinds = [m['msg_type'] for m in client.figures if 'display_data' in m['msg_type']]
    return notebook, kinds


def picture(output):
    with Image.open(io.BytesIO(base64.b64decode(output.data['image/png']))) as image:
        image.load()
    return image


@pytest.mark.parametrize('backend', ['Agg', 'inline'])
def test_the_figure_is_live_and_a_later_print_does_not_wipe_it(monkeypatch, backend):
    monkeypatch.delenv('MPLBACKEND', raising=False)
    if backend == 'Agg':
        monkeypatch.setenv('MPLBACKEND', 'Agg')
    magic = '%matplotlib inline\n' if backend == 'inline' else ''
    notebook, kinds = execute(TRAINING, magic + ANIMATOR)
    assert kinds == ['display_data', *['update_display_data'] * 3,
                     'display_data', *['update_display_data'] * 2]  # fmt: skip
    training, animator = (cell.outputs for cell in notebook.cells)
    assert picture(training[0]).width > 600
    assert {output.name for output in training[1:]} == {'stdout'}
    closing, later = ''.join(output.text for output in training[1:]).splitlines()
    assert re.fullmatch(r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec', closing)
    assert later == 'a later print'
    assert [o.output_type for o in animator] == ['display_data', 'stream', 'execute_result']
    # What stays is the last state: all three points, as in the figure that the cell returns.
    assert animator[0].data['image/png'] == animator[2].data['image/png']
    assert len(nbformat.writes(notebook)) < 200_000

"""A chapter in JupyterLab: saved by its server, and run from top to bottom in a browser."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.browser import chromium, wait_for

import pytest

ROOT = Path(__file__).parents[1]
CLOSING = re.compile(r'loss_D \d\.\d{3}, loss_G \d\.\d{3}, \d+ examples/sec')
pytestmark = pytest.mark.filterwarnings('default')  # the server's own, on one Python or another


@pytest.fixture
def shelf(tmp_path):
    """Return a directory that looks to JupyterLab as the repository does, safe to save in."""
    shutil.copytree(ROOT / 'chapters', tmp_path / 'shelf' / 'chapters')
    shutil.copy(ROOT / 'pyproject.toml', tmp_path / 'shelf')
    return tmp_path / 'shelf'


def contents_manager():
    """Return what JupyterLab opens and saves with, made as jupytext's server extension does."""
    pytest.importorskip('jupytext')
    server = pytest.importorskip('jupyter_server.services.contents.largefilemanager')
    try:
        from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class as kind
    except ImportError:  # jupytext before 1.17
        from jupytext.contentsmanager import build_jupytext_contents_manager_class as kind
    return kind(server.LargeFileManager)()


CHAPTERS = sorted(p.name for p in (ROOT / 'chapters').glob('[a-z]*.py'))


@pytest.mark.parametrize('name', CHAPTERS)
def test_saving_a_chapter_changes_nothing_but_the_edit(shelf, name):
    contents = contents_manager()
    contents.root_dir = str(shelf)
    path, file = f'chapters/{name}', shelf / 'chapters' / name
    before = file.read_text(encoding='utf-8')
    model = contents.get(path, type='notebook')
    contents.save(model, path)
    assert file.read_text(encoding='utf-8') == before

    cell = next(cell for cell in model['content'].cells if 'import' in cell.source)
    line = cell.source.splitlines()[0]
    cell.source = cell.source.replace(line, line + '  # mine', 1)
    cell.outputs, cell.execution_count = [], 7
    contents.save(model, path)
    assert file.read_text(encoding='utf-8') == before.replace(line, line + '  # mine', 1)
    assert sorted(p.name for p in (shelf / 'chapters').glob('*.ipynb')) == []


# In a browser


@pytest.fixture
def lab(shelf, tmp_path):
    """Start JupyterLab in the shelf and return its address."""
    pytest.importorskip('jupyterlab')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    home = tmp_path / 'home'
    for plugin, values in {
        # As after `jupytext-config set-default-viewer python`: opened as a notebook, not as text.
        'docmanager-extension/plugin': {'defaultViewers': {'python': 'Jupytext Notebook'}},
        # All cells are in the page, not just those in view, so that the test can look at them.
        'notebook-extension/tracker': {'windowingMode': 'none'},
    }.items():
        file = home / 'settings' / '@jupyterlab' / f'{plugin}.jupyterlab-settings'
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    (home / 'labconfig').mkdir()
    news = {
        '@jupyterlab/apputils-extension:announcements': True
    }  # asks a question, and the network
    (home / 'labconfig' / 'page_config.json').write_text(json.dumps({'disabledExtensions': news}))
    environment = dict(
        os.environ, JUPYTER_CONFIG_DIR=str(home), JUPYTER_DATA_DIR=str(home / 'data'),
        JUPYTER_RUNTIME_DIR=str(home / 'runtime'), IPYTHONDIR=str(home / 'ipython'),
        JUPYTERLAB_SETTINGS_DIR=str(home / 'settings'), PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1',
    )  # fmt: skip
    environment.pop('MPLBACKEND', None)
    command = [
        sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', f'--port={port}',
        '--ServerApp.port_retries=0', '--IdentityProvider.token=', '--ServerApp.ip=127.0.0.1',
        f'--ServerApp.root_dir={shelf}',
    ]  # fmt: skip
    address = f'http://127.0.0.1:{port}'
    with open(tmp_path / 'lab.log', 'wb') as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(240):
            time.sleep(0.5)
            assert server.poll() is None, (tmp_path / 'lab.log').read_text()
            try:
                urllib.request.urlopen(address + '/api', timeout=5).close()
                break
            except OSError:
                pass
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path / 'chromium') as chrome:
        yield chrome


OUTPUTS = """
return [...document.querySelectorAll('.jp-CodeCell')].map(cell => ({
    prompt: cell.querySelector('.jp-InputPrompt').innerText.trim(),
    images: [...cell.querySelectorAll('.jp-OutputArea-output img')].map(image => image.src),
    text: [...cell.querySelectorAll('.jp-OutputArea-output pre')].map(
        pre => pre.innerText).join(''),
    wrong: [...cell.querySelectorAll('[data-mime-type$=error], [data-mime-type$=stderr]')].map(
        output => output.innerText),
}))
"""


def click(browser, xpath):
    """Wait until there is such an element, click it and return it."""
    element = wait_for(lambda: browser.find_elements('xpath', xpath))[0]
    element.click()
    return element


def choose(browser, menu, command):
    click(browser, f"//div[@class='lm-MenuBar-itemLabel' and text()='{menu}']")
    click(browser, f"//li[@data-command='{command}']")


def run_all(browser, address):
    """Open a notebook, with the kernel that is offered, and run all its cells."""
    browser.get(address)
    click(browser, "//button[contains(@class, 'jp-mod-accept')]")
    idle = "//*[@data-status='idle' and contains(@class, 'ExecutionIndicator')]"
    wait_for(lambda: browser.find_elements('xpath', idle))
    choose(browser, 'Run', 'runmenu:run-all')


@pytest.mark.slow
def test_the_figure_changes_while_training_runs_and_stays(lab, browser, shelf):
    source = (shelf / 'chapters' / 'gaussian.py').read_text(encoding='utf-8')
    run_all(browser, f'{lab}/lab/tree/chapters/gaussian.py')

    live = {}  # number of a cell that draws and runs -> its pictures so far

    def done():
        cells = browser.execute_script(OUTPUTS)
        for i, cell in enumerate(cells):
            if cell['images'] and cell['prompt'] == '[*]:' and not CLOSING.search(cell['text']):
                live.setdefault(i, set()).add(hash(cell['images'][0]))
        return cells if all(re.fullmatch(r'\[\d+\]:', cell['prompt']) for cell in cells) else None

    cells = wait_for(done, 480)
    training = min(i for i in live if CLOSING.search(cells[i]['text']))
    print(f'{len(live[training])} pictures while the training ran')
    assert len(live[training]) >= 3
    assert [cell['wrong'] for cell in cells if cell['wrong']] == []
    (stays,) = cells[training]['images']
    assert stays.startswith('data:image/png')
    assert CLOSING.search(cells[training]['text'])
    assert 'G learned the mean' in cells[training]['text']

    browser.execute_script(
        "document.querySelectorAll('.jp-CodeCell')[arguments[0]].querySelector('img')"
        ".scrollIntoView({block: 'center'})", training,
    )  # fmt: skip
    (ROOT / 'build' / 'lab').mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(ROOT / 'build' / 'lab' / 'gaussian.png'))

    choose(browser, 'File', 'docmanager:save')
    time.sleep(2)
    assert (shelf / 'chapters' / 'gaussian.py').read_text(encoding='utf-8') == source


SLIDERS = """# %%
import numpy
from d2l_gan import latent
from mxnet import npx
from mxnet.gluon import nn
npx.set_np()
net_G = nn.Dense(784, activation='tanh')
net_G.initialize()
Z = numpy.random.RandomState(0).normal(size=(2, 100))
latent.play(net_G, Z, 'walk.gif', shape=(28, 28))
"""


@pytest.mark.slow
def test_the_digit_follows_the_slider(lab, browser, shelf):
    pytest.importorskip('ipywidgets')
    (shelf / 'sliders.py').write_text(SLIDERS)
    run_all(browser, f'{lab}/lab/tree/sliders.py')
    digit = lambda: browser.find_element('css selector', '.jp-OutputArea img').get_attribute('src')
    handle = click(browser, "//div[contains(@class, 'noUi-handle')]")
    seen = {wait_for(digit)}
    assert 'image/gif' not in str(seen)  # the sliders, not the film that is kept beside them
    for _ in range(3):
        handle.send_keys('\ue014')  # the right arrow
        seen.add(wait_for(lambda: digit() not in seen and digit(), 60))
    assert len(seen) == 4
    browser.save_screenshot(str(ROOT / 'build' / 'lab' / 'sliders.png'))

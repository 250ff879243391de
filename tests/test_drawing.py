"""Drawing in the page: JavaScript's forward pass beside MXNet's, few bits, and the page itself."""

import importlib
import json
import re
import sys

from d2l_gan.archive import host
from d2l_gan.generator import load_generator, save_generator
from tests.browser import ROOT, keep, visit, wait_for

import numpy
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn

npx.set_np()
AXE = ROOT / '.venv' / 'npm' / 'node_modules' / 'axe-core' / 'axe.min.js'
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('default')]  # the driver's own


@pytest.fixture(scope='module')
def drawing():
    """Import what the book is built with."""
    pytest.importorskip('sphinx')
    sys.path.insert(0, str(ROOT / '.book'))
    try:
        yield importlib.import_module('drawing')
    finally:
        sys.path.pop(0)


@pytest.fixture(scope='module')
def page(browser):
    """Open an empty page with the forward pass in it."""
    browser.get('about:blank')
    browser.execute_script((ROOT / '.book/browser/generator.js').read_text(encoding='utf-8'))
    return browser


def every_activation():
    net = nn.HybridSequential()
    for kind in ('relu', 'sigmoid', 'tanh', 'softrelu', 'softsign'):
        net.add(nn.Dense(9, activation=kind))
    net.add(nn.Dense(7), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.BatchNorm(), nn.Dense(784))
    return net


def of(chapter, function='networks', *args):
    """Return the generator of a chapter."""
    return getattr(importlib.import_module(f'chapters.{chapter}'), function)(*args)[1]


GENERATORS = {
    'activations': (every_activation, 5),
    'mnist_vanilla': (lambda: of('mnist_vanilla'), 100),
    'mnist_leaky': (lambda: of('mnist_leaky'), 100),
    'mnist_deep': (lambda: of('mnist_deep'), 100),
    'conditional': (lambda: of('conditional'), 100),
    'conditional, convolutions': (lambda: of('conditional', 'convolutions'), 100),
    'dcgan': (lambda: of('dcgan'), (100, 1, 1)),
    'dcgan, islands': (lambda: of('dcgan', 'networks', 1, 28, 32, True, 0, 40), (100, 1, 1)),
}


@pytest.fixture
def generator(request, tmp_path):
    """Return the saved generator of this name, with random weights as large as trained ones."""
    make, latent = GENERATORS[request.param]
    net, conditional = make(), request.param.startswith('conditional')
    net.initialize(init.Xavier())
    shape = latent if isinstance(latent, tuple) else (latent,)
    told = [np.arange(2)] if conditional else []
    net(np.zeros((2, *shape)), *told)
    rng = numpy.random.default_rng(0)
    for p in net.collect_params().values():
        if p.shape and len(p.shape) == 1:  # biases, and what BatchNorm keeps
            p.set_data(np.array(rng.uniform(0.5, 1.5, p.shape), dtype='float32'))
        elif len(p.shape) == 4:
            p.set_data(np.array(rng.normal(0, 0.05, p.shape), dtype='float32'))
    path = tmp_path / 'generator'
    save_generator(path, net, latent, condition=told[0] if told else None)
    return load_generator(path)


def drawn(page, script, Z, condition, what='run'):
    """Return what the page makes of noise, a row for each example."""
    page.execute_script(f'window.GENERATORS = {{}}; {script}')
    return numpy.array(page.execute_script(
        f'const generator = new Drawing.Generator(GENERATORS.it);'
        f'return arguments[0].map((z, i) => [...generator.{what}(z, arguments[1][i])])',
        Z.reshape(len(Z), -1).tolist(), [0] * len(Z) if condition is None else condition.tolist(),
    ))  # fmt: skip


@pytest.mark.parametrize('generator', GENERATORS, indirect=True)
def test_the_forward_pass_is_that_of_mxnet(page, drawing, generator):
    script = drawing.script(generator, 'it', bits=32)
    Z, condition = drawing._noise(generator, 8)
    wanted = host(generator(Z, condition)).reshape(8, -1)
    assert wanted.std() > 0.01
    found = drawn(page, script, host(Z), condition)
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


FEW = ['mnist_deep', 'conditional', 'dcgan, islands']


@pytest.mark.parametrize('generator', FEW, indirect=True)
def test_few_bits_and_the_same_pictures(page, drawing, generator):
    script = drawing.script(generator, 'it')
    Z, condition = drawing._noise(generator, drawing.TRIED)
    wanted = host(generator(Z, condition)).reshape(len(Z), -1)
    bits = set(re.findall(r'"bits":(\d+)', script))
    assert '8' in bits or '16' in bits
    assert len(script) < 1_500_000
    found = drawn(page, script, host(Z), condition, 'picture')
    wanted = (wanted + 1) / 2 if '"symmetric":true' in script else wanted
    assert numpy.abs(found - wanted).max() <= 2 / 255 + 1e-5


@pytest.mark.parametrize('generator', ['mnist_vanilla'], indirect=True)
def test_steep_weights_get_sixteen_bits(drawing, generator):
    before = drawing.script(generator, 'it')
    name = max(generator.arrays, key=lambda key: generator.arrays[key].size)
    generator.arrays[name] = 60 * generator.arrays[name]
    after = drawing.script(generator, 'it')
    assert len(after) > len(before) and '"bits":16' in after


@pytest.mark.parametrize('generator', ['dcgan, islands'], indirect=True)
def test_a_direction_keeps_to_its_island(drawing, generator):
    script = drawing.script(generator, 'it', bits=32)
    found = json.loads(script.partition('] = ')[2].rstrip().rstrip(';'))['directions']
    assert numpy.shape(found) == (4, 100) and not numpy.any(numpy.array(found)[:, :40])
    numpy.testing.assert_allclose(numpy.linalg.norm(found, axis=1), 1, atol=1e-3)


def test_what_the_page_cannot_compute_is_refused(drawing, page, tmp_path):
    known = set(page.execute_script('return Object.keys(Drawing.OPERATORS)'))
    assert known == drawing.OPERATORS
    for layers, why in (([nn.LayerNorm()], 'uses LayerNorm'), ([], 'makes 4 numbers, not 784')):
        net = nn.HybridSequential()
        net.add(nn.Dense(4), *layers)
        net.initialize()
        net(np.zeros((1, 3)))
        save_generator(tmp_path / 'g', net, 3)
        with pytest.raises(ValueError, match=why):
            drawing.script(load_generator(tmp_path / 'g'), 'it')


def chapter(book, browser, name):
    """Open a chapter from its file, and let it draw."""
    path = book / 'chapters' / f'{name}.html'
    if not path.exists():
        pytest.skip(f'this book has no {name}')
    browser.get_log('browser')
    visit(browser, path.as_uri())
    assert browser.execute_script('return window.GENERATORS') is None  # it comes when asked for
    browser.execute_script("document.querySelector('#draw button').click()")
    wait_for(lambda: browser.execute_script('return document.querySelector("#draw .large")'), 20)


PICTURE = 'return drawing.picture()'


@pytest.mark.parametrize('name', ['mnist_vanilla', 'mnist_leaky', 'mnist_deep', 'dcgan'])
def test_a_chapter_draws(book, browser, name):
    from selenium.webdriver.common.keys import Keys

    chapter(book, browser, name)
    first = browser.execute_script(PICTURE)
    assert len(first) == 784 and numpy.std(first) > 0.01
    press = lambda keys: browser.switch_to.active_element.send_keys(keys)
    press(Keys.ENTER)  # the focus is on "another one"
    second = browser.execute_script(PICTURE)
    assert second != first
    press(Keys.TAB + Keys.ARROW_RIGHT * 20)
    third = browser.execute_script(PICTURE)
    assert third != second
    browser.execute_script("document.getElementById('draw').scrollIntoView()")
    keep(browser, f'draw-{name}')
    assert [entry['message'] for entry in browser.get_log('browser')] == []


def test_the_conditional_chapter_draws_the_digit_that_is_asked_for(book, browser):
    chapter(book, browser, 'conditional')
    found = []
    for digit in range(10):
        browser.execute_script(
            "document.querySelectorAll('#draw [aria-pressed]')[arguments[0]].click()", digit
        )
        found.append(browser.execute_script(PICTURE))
        pressed = browser.find_elements('css selector', '#draw [aria-pressed="true"]')
        assert [button.text for button in pressed] == [str(digit)]
    assert len({tuple(picture) for picture in found}) == 10
    before = browser.execute_script(PICTURE)
    browser.execute_script("document.querySelector('#draw').scrollIntoView({block: 'center'})")
    browser.execute_script("""
        const pad = document.querySelector('#draw .pad'), box = pad.getBoundingClientRect();
        pad.setPointerCapture = () => {};
        pad.dispatchEvent(new PointerEvent('pointerdown', {
            clientX: box.left + box.width / 2, clientY: box.top + box.height / 4, buttons: 1}));
    """)
    assert browser.execute_script(PICTURE) != before
    walk = [browser.find_element('id', f'draw-{i}').get_attribute('value') for i in (0, 1)]
    assert [float(value) for value in walk] == pytest.approx([1 / 2, 5 / 24], abs=0.02)
    keep(browser, 'draw-conditional')
    if not AXE.exists():
        pytest.skip('needs axe-core, which `make test-slow` installs where there is npm')
    browser.execute_script(AXE.read_text(encoding='utf-8'))
    found = browser.execute_async_script(
        "axe.run('#draw', {preload: false}).then(r => arguments[0](r.violations.map(v => v.help)))"
    )
    assert found == []

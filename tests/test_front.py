"""The game on the book's front page: its numbers beside Python's, and its page in a browser."""

import json
import re

from chapters import gaussian
from d2l_gan import data, losses, metrics
from d2l_gan.train import train
from tests.browser import ROOT, keep, visit, wait_for

import numpy
import pytest
from mxnet import np

BROWSER = ROOT / '.book' / 'browser'
AXE = ROOT / '.venv' / 'npm' / 'node_modules' / 'axe-core' / 'axe.min.js'
slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings('default')  # the driver's own


class Given:
    """Batches in an order that is known beforehand, and noise likewise, both in float64."""

    def __init__(self, num, epochs, uniform):
        rng = numpy.random.default_rng(0)
        self.points = data.gaussian(num)[0].asnumpy().astype('float64')
        self.order = [rng.permutation(num) for _ in range(epochs)]
        draw = rng.uniform if uniform else rng.normal
        self.noise = draw(*((-1, 1) if uniform else (0, 1)), (epochs, num, 2))
        self.epoch, self.drawn = 0, -2  # G is tried, and pictures are provided for, before

    def __len__(self):
        return len(self.points) // 8

    def __iter__(self):
        for rows in self.order[self.epoch].reshape(-1, 8):
            yield np.array(self.points[rows], dtype='float64')

    def prior(self, shape, device):
        """Hand out the noise of the next epoch, at the head of what is asked for."""
        Z = numpy.zeros(shape)
        Z[: len(self.points)] = self.noise[max(self.drawn, 0)]
        self.drawn += 1
        return np.array(Z, dtype='float64', ctx=device)

    def after_epoch(self, game):
        self.epoch = min(game.epoch, len(self.order) - 1)


def played(epochs=20, num=1000, objective='bce', init_std=0.02, beta1=0.9, uniform=False):
    """Return what the page is given, and the weights and the history that Python comes to.

    In float64: the game enlarges float32's rounding, so that two right programs would disagree.
    """
    nets, given = gaussian.networks(), Given(num, epochs, uniform)
    rng = numpy.random.default_rng(1)
    for net in nets:
        net.initialize()
        net(np.zeros((1, 2)))
        net.cast('float64')
        for p in net.collect_params().values():
            if p.name.endswith('weight'):
                p.set_data(np.array(rng.normal(0, init_std, p.shape), dtype='float64'))
    before = [weights(net) for net in nets]
    distances = []

    def measure(game):
        given.after_epoch(game)
        distances.append(distance(nets[1]))

    history = train(
        *nets, given, epochs, 0.05, 0.005, 2, given.points[:9], objective=objective, seed=0,
        prior=given.prior, initializer=None, beta1=beta1, engine='textbook', callbacks=[measure],
    )  # fmt: skip
    settings = {'objective': objective, 'beta1': beta1, 'prior': 'uniform' if uniform else 'normal'}
    page = {
        'points': given.points.tolist(), 'noise': given.noise.tolist(),
        'order': [rows.tolist() for rows in given.order], 'settings': settings,
        'weights': dict(zip('DG', before)),
    }  # fmt: skip
    return page, [weights(net) for net in nets], history, distances


def weights(net):
    return [
        {'W': layer.weight.data().asnumpy().tolist(), 'c': layer.bias.data().asnumpy().tolist()}
        for layer in net._children.values()
    ]


def distance(net_G):
    A, b = numpy.array(data.GAUSSIAN_A), numpy.array(data.GAUSSIAN_B)
    return metrics.gaussian_w2(*metrics.affine_gaussian(net_G), b, A.T @ A)


def flat(nets):
    """Return all numbers of some networks, as `weights` has them, one after the other."""
    layers = [layer for net in nets for layer in net]
    return numpy.concatenate([numpy.ravel(layer[key]) for layer in layers for key in 'Wc'])


@pytest.fixture
def front(book, browser):
    """Open the front page from its file, without any server."""
    browser.get_log('browser')
    visit(browser, (book / 'index.html').as_uri())
    yield browser
    assert [entry['message'] for entry in browser.get_log('browser')] == []


def agree(front, given, nets, history, distances, tolerance):
    """Play in the page what Python has played, and compare everything."""
    found = front.execute_script(
        'game.load(arguments[0]); game.step(1e6); return game.state()', given
    )
    assert found['epoch'] == len(history)
    for name, wanted in (('loss_D', history.loss_D), ('loss_G', history.loss_G)):
        numpy.testing.assert_allclose(found['history'][name], wanted, rtol=0, atol=tolerance)
    ends = flat([found['weights'][name] for name in 'DG'])
    numpy.testing.assert_allclose(ends, flat(nets), rtol=0, atol=tolerance)
    if given['settings']['prior'] == 'normal':
        numpy.testing.assert_allclose(
            found['history']['distance'], distances, rtol=0, atol=tolerance
        )
    return ends


@slow
def test_twenty_epochs_agree_with_the_textbook_engine(front):
    given, *python = played()
    assert python[2][-1] < 1 < python[2][0]  # something was learned
    agree(front, given, *python, tolerance=1e-4)


@slow
def test_every_objective_and_prior_is_that_of_the_library(front):
    known = front.execute_script('return Object.keys(GaussianGAN.OBJECTIVES)')
    assert set(known) == {*losses.OBJECTIVES} - {'non_saturating'}  # that is bce
    ends = []
    for objective in known:
        given, *python = played(
            2, 40, objective, init_std=0.5, beta1=0.5, uniform=objective == 'hinge'
        )
        ends.append(agree(front, given, *python, tolerance=1e-7))
    for i, some in enumerate(ends):
        assert all(abs(some - others).max() > 1e-5 for others in ends[:i])


@slow
def test_the_same_seed_is_the_same_game_and_another_seed_another(front):
    play = 'game.reset(arguments[0]); game.step(30); return game.state()'
    first, other, again = (front.execute_script(play, seed) for seed in (3, 4, 3))
    assert first == again and first['steps'] == 30 and first['settings']['seed'] == 3
    assert first['weights'] != other['weights'] and first['losses'] != other['losses']
    assert first['distance'] > 0 and set(first['losses']) == {'D', 'G'}
    front.execute_script('game.reset(3); for (let i = 0; i < 3; i++) game.step(10)')
    assert front.execute_script('return game.state()') == first


def press(browser, keys):
    """Press keys on whatever has the focus."""
    browser.switch_to.active_element.send_keys(keys)


@slow
def test_it_is_played_by_keys_alone(front):
    from selenium.webdriver.common.keys import Keys

    state = lambda: front.execute_script('return game.state()')
    focus = lambda css: front.execute_script('document.querySelector(arguments[0]).focus()', css)
    focus('#play button')
    press(front, Keys.SPACE)
    wait_for(lambda: state()['steps'] > 5, 20)
    assert front.switch_to.active_element.text == 'Pause'
    press(front, Keys.ENTER)
    steps = state()['steps']
    press(front, Keys.TAB)
    press(front, Keys.ENTER)  # one step
    assert state()['steps'] == steps + 1
    press(front, Keys.TAB)
    press(front, Keys.ENTER)  # to the end of the epoch
    assert state()['steps'] == ((steps + 1) // 125 + 1) * 125
    press(front, Keys.TAB)
    press(front, Keys.ENTER)
    assert state()['steps'] == 0
    focus('#play-lr_D')
    press(front, Keys.ARROW_RIGHT)
    assert state()['settings']['lr_D'] == pytest.approx(0.05 * 10**0.1, rel=0.02)
    slider = front.switch_to.active_element
    assert slider.get_attribute('aria-valuetext') == str(state()['settings']['lr_D'])
    focus('#play-objective')
    press(front, 'hinge')
    assert state()['settings']['objective'] == 'hinge'
    focus('#play-seed')
    press(front, Keys.BACKSPACE + '7' + Keys.ENTER)
    assert state()['settings']['seed'] == 7
    focus('#play-preset')
    press(front, 'closer')
    assert state()['settings']['init_std'] == 0.5


@slow
def test_a_screen_reader_hears_the_verdict_but_seldom(front):
    heard = front.execute_async_script("""
        const done = arguments[0], heard = [], told = document.querySelector('#play .told');
        new MutationObserver(() => heard.push(told.textContent)).observe(told, {childList: true});
        document.getElementById('play-speed').value = 3;
        game.play();
        const wait = () => game.state().epoch < 20 ? setTimeout(wait, 100)
            : setTimeout(() => done(heard), 100);
        wait();
    """)
    assert 2 <= len(heard) <= 6, heard
    assert re.fullmatch(r'Epoch 20\. [A-Z][^:]+: a point is off by about \d\.\d+\.', heard[-1])
    label = front.execute_script(
        "return document.querySelector('#play canvas').getAttribute('aria-label')"
    )
    assert heard[-1].partition(' ')[2].partition(' ')[2] in label


@slow
def test_nothing_moves_until_asked_and_gently_where_motion_is_unwelcome(front, book):
    wanted = {'features': [{'name': 'prefers-reduced-motion', 'value': 'reduce'}]}
    front.execute_cdp_cmd('Emulation.setEmulatedMedia', wanted)
    try:
        visit(front, (book / 'index.html').as_uri())
        changes = front.execute_async_script("""
            const done = arguments[0], verdict = document.querySelector('#play .verdict');
            const before = game.state().steps;
            let changes = 0;
            new MutationObserver(() => changes++).observe(verdict, {childList: true});
            setTimeout(() => {
                const still = game.state().steps === 0 && before === 0 && changes === 0;
                game.play();
                setTimeout(() => {
                    game.pause();
                    done([still, changes, game.state().epoch]);
                }, 2500);
            }, 300);
        """)
        assert changes[0]
        assert changes[1] <= changes[2] + 4  # an epoch, and not a frame
    finally:
        front.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': []})


MOVING = """
    return [...document.querySelectorAll('.card .film, .card .still')]
        .filter(image => image.offsetParent).map(image => image.className)
"""


@slow
@pytest.mark.parametrize('motion', ['no-preference', 'reduce'])
def test_films_are_paused_and_played_and_stand_where_motion_is_unwelcome(front, book, motion):
    from selenium.webdriver.common.keys import Keys

    wanted = {'features': [{'name': 'prefers-reduced-motion', 'value': motion}]}
    front.execute_cdp_cmd('Emulation.setEmulatedMedia', wanted)
    try:
        visit(front, (book / 'index.html').as_uri())
        films = len(front.find_elements('css selector', '.card .film'))
        button = front.find_element('css selector', '.films button')
        assert films and films == len(front.find_elements('css selector', '.card .still'))
        for moves in (motion == 'no-preference', motion == 'reduce'):
            assert front.execute_script(MOVING) == ['film' if moves else 'still'] * films
            assert button.text == ('Pause the films' if moves else 'Play the films')
            button.send_keys(Keys.ENTER)
        button.location_once_scrolled_into_view  # noqa: B018
        keep(front, f'films-{motion}')
    finally:
        front.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': []})


@slow
def test_a_frame_is_computed_and_drawn_in_a_sixtieth_of_a_second(front):
    milliseconds = front.execute_script("""
        const times = [];
        for (let i = 0; i < 60; i++) {
            const start = performance.now();
            game.step(5); // what two epochs a second come to
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[6]; // others may be at work on this machine
    """)
    assert milliseconds < 1000 / 60


@slow
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_axe_finds_nothing(front, book, scheme):
    if not AXE.exists():
        pytest.skip('needs axe-core, which `make test-slow` installs where there is npm')
    look(front, book, scheme, 1300)
    front.execute_script(AXE.read_text(encoding='utf-8'))
    found = front.execute_async_script(
        'axe.run(document, {preload: false}).then(r => arguments[0](r.violations.map(v => '
        '[v.id, v.help, v.nodes.map(n => n.target.join(" ") + ": " + n.failureSummary)])))'
    )
    assert found == [], json.dumps(found, indent=1)


def look(front, book, scheme, width):
    """Open the page at a width, in a colour scheme, in the middle of a game; keep a picture."""
    front.execute_cdp_cmd(
        'Emulation.setEmulatedMedia',
        {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]},
    )
    metrics = {'width': width, 'height': 1000, 'deviceScaleFactor': 1, 'mobile': width < 600}
    front.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        visit(front, (book / 'index.html').as_uri())
        front.execute_script('game.step(600)')
        keep(front, f'front-{scheme}-{width}')
        return front.execute_script('return [document.documentElement.scrollWidth, innerWidth]')
    finally:
        front.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


@slow
def test_it_fits_a_phone(front, book):
    width, screen = look(front, book, 'light', 360)
    assert width <= screen == 360


def test_what_plays_is_small_and_asks_nobody():
    files = [file for file in BROWSER.iterdir() if file.suffix in ('.js', '.css')]
    assert sum(file.stat().st_size for file in files) <= 60 * 1024
    for file in files:
        text = file.read_text(encoding='utf-8')
        assert not re.search(r'https?://(?!www\.w3\.org)|@import|\bimport\b|\bfetch\(', text), file


@slow
def test_both_languages_have_the_same_words(front):
    shape = """
        const shape = x => typeof x === 'function' ? x.length : typeof x === 'string' ? ''
            : Array.isArray(x) ? x.length
            : Object.fromEntries(Object.entries(x).map(([key, value]) => [key, shape(value)]));
        return Object.values(WORDS).map(shape);
    """
    first, *others = front.execute_script(shape)
    assert others and all(other == first for other in others)


def test_the_losses_that_nobody_wins_at_are_those_of_the_library():
    """The line in the chart is where both players stand if D's answer is the same everywhere."""
    text = (BROWSER / 'game.js').read_text(encoding='utf-8')
    where = {'label_smoothing': np.log(np.array([0.45 / 0.55]))}
    for name, D, G in re.findall(r'(\w+): \{\s*D:[^}]*?balance: at\(([^,]+), ([^)]+)\)', text):
        found = losses.objective(name)
        pred = where.get(name, np.array([found.boundary]))
        value = {'Math.LN2': numpy.log(2), '-Math.LN2': -numpy.log(2), '1 / 8': 0.125}
        real, fake = (found.loss_D(pred, np.full(1, label)) for label in (1, 0))
        wanted = float((real + fake)[0] / 2), float(found.loss_G(pred, np.ones(1))[0])
        got = [value.get(number) or float(number) for number in (D, G)]
        numpy.testing.assert_allclose(got, wanted, atol=1e-4, err_msg=name)

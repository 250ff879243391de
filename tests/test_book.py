"""The book, built as `make book` builds it and read in a browser."""

import asyncio
import importlib
import inspect
import json
import re
import sys
from pathlib import Path

from tests.browser import keep, visit, wait_for

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings('default'),  # the driver's own
]
LIGHT, DARK = 'light', 'dark'


def order():
    from chapters.__main__ import names

    chapters = [f'chapters/{name}.html' for name in names()]
    return [
        'index.html',
        *chapters,
        'textbook.html',
        'scores.html',
        'speed.html',
        'cluster.html',
        'machines.html',
        'colab.html',
        'api.html',
    ]


CRAWL = """
return {
    links: [...document.querySelectorAll('a[href]')].map(link => link.href),
    images: [...document.images].map(image => [image.src, image.complete && image.naturalWidth]),
    ids: [...document.querySelectorAll('[id]')].map(element => element.id),
    formulas: document.querySelectorAll('span.math, div.math').length,
    set: document.querySelectorAll('mjx-container').length,
    wrong: [...document.querySelectorAll('mjx-merror, [data-mjx-error], .system-message')].map(
        element => element.innerText),
}
"""


def test_every_link_and_image_is_there_and_nothing_comes_from_outside(book, address, browser):
    browser.get_log('browser')
    browser.get_log('performance')
    waiting, seen, links = [f'{address}/index.html'], {}, {}
    while waiting:
        page = waiting.pop()
        visit(browser, page)
        # Folded pictures load as soon as they are unfolded.
        browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        browser.execute_script("[...document.images].forEach(image => image.loading = 'eager')")
        wait_for(lambda: browser.execute_script(
            'return [...document.images].every(image => image.complete)'
        ))  # fmt: skip
        found = seen[page] = browser.execute_script(CRAWL)
        assert found['wrong'] == [], page
        assert found['set'] >= found['formulas'], page
        for source, width in found['images']:
            assert width, f'{source} on {page}'
        for link in found['links']:
            target, _, anchor = link.partition('#')
            if target.startswith(address):
                links.setdefault((target, anchor), page)
                if target not in seen and target not in waiting and target.endswith('.html'):
                    waiting.append(target)
    for (target, anchor), page in links.items():
        path = book / target[len(address) + 1 :].partition('?')[0]
        assert path.exists(), f'{target} on {page}'
        if anchor and target in seen:
            assert anchor in seen[target]['ids'], f'{target}#{anchor} on {page}'

    assert {f'{address}/{where}{name}' for name in order() for where in ('', 'zh/')} <= set(seen)
    assert sum(found['set'] for found in seen.values()) > 50
    assert [entry['message'] for entry in browser.get_log('browser')] == []
    asked = set()
    for entry in browser.get_log('performance'):
        message = json.loads(entry['message'])['message']
        if message['method'] == 'Network.requestWillBeSent':
            asked.add(message['params']['request']['url'])
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((address, 'data:', 'chrome:'))] == []


def test_previous_and_next_lead_through_the_book_in_order(address, browser):
    names = order()
    visit(browser, f'{address}/{names[0]}')
    for name in names[1:]:
        browser.execute_script("document.querySelector('a.next-page').click()")
        wait_for(lambda name=name: browser.current_url == f'{address}/{name}')
    assert browser.find_elements('css selector', 'a.next-page') == []
    for name in reversed(names[:-1]):
        browser.execute_script("document.querySelector('a.prev-page').click()")
        wait_for(lambda name=name: browser.current_url == f'{address}/{name}')


@pytest.mark.parametrize(
    'words, page',
    [
        ('Wasserstein', 'chapters/gaussian.html'), ('update_D', 'api.html'),
        ('legend', 'textbook'),
        ('判别器的损失', 'zh/chapters/gaussian.html'), ('Wasserstein', 'zh/chapters/gaussian.html'),
    ],
)  # fmt: skip
def test_search_finds(address, browser, words, page):
    book = 'zh/' if page.startswith('zh/') else ''
    visit(browser, f'{address}/{book}search.html?q={words}')
    wait_for(lambda: [
        link for link in browser.find_elements('css selector', '#search-results a')
        if page in link.get_attribute('href')
    ])  # fmt: skip


def test_readable_on_a_phone(address, browser):
    phone = {'width': 375, 'height': 812, 'deviceScaleFactor': 2, 'mobile': True}
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', phone)
    try:
        for name in order():
            visit(browser, f'{address}/{name}')
            width, size, screen = browser.execute_script(
                'return [document.documentElement.scrollWidth, parseFloat(getComputedStyle('
                "document.querySelector('article p')).fontSize), innerWidth]"
            )
            assert width <= screen == 375, name
            assert size >= 15, name
            keep(browser, f'phone-{Path(name).stem}')
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def test_each_page_leads_to_itself_in_the_other_language(book, address, browser):
    for name in [*order(), 'search.html', 'genindex.html']:
        for here, there in (book, book / 'zh'), (book / 'zh', book):
            html = (here / name).read_text(encoding='utf-8')
            (switch,) = re.findall('<nav class="languages".*?</nav>', html, re.DOTALL)
            (link,) = re.findall('href="(.*?)"', switch)
            assert ((here / name).parent / link).resolve() == (there / name).resolve()
    visit(browser, f'{address}/zh/chapters/gaussian.html')
    keep(browser, 'chinese')
    different = browser.execute_script("""
        const drawn = ['生', '成'].map(letter => {
            const canvas = document.createElement('canvas'), pen = canvas.getContext('2d')
            pen.font = '40px ' + getComputedStyle(document.body).fontFamily
            pen.fillText(letter, 0, 60)
            return canvas.toDataURL()
        })
        return drawn[0] !== drawn[1]
    """)
    assert different, "needs a Chinese font, such as Debian's package fonts-wqy-microhei"


def test_what_chapters_show_is_chinese_in_the_chinese_book(book):
    """The sentences below the cells, and the words in figures and films, without empty boxes."""
    for name in (page for page in order() if page.startswith('chapters/')):
        html = [(book / where / name).read_text(encoding='utf-8') for where in ('', 'zh')]
        told = re.findall(r'class="output stream[^>]*>(.*?)</pre>', html[1], re.DOTALL)
        english = r'[a-z]{2,} [a-z]{2,} [a-z]{2,}'
        assert [text for text in told if re.search(english, re.sub('<[^>]*>', '', text))] == []
        pictures = [
            {*re.findall(r'<img [^>]*src="../(?:../)?_images/([^"]+)', text)} for text in html
        ]
        assert pictures[1] - pictures[0], f'{name} has no picture with Chinese words'
        done = book.with_name('jupyter_execute') / Path(name).with_suffix('.ipynb')
        assert not re.search(r'Glyph \d+', done.read_text(encoding='utf-8'))  # matplotlib's warning


def luminance(colour):
    """Return the relative luminance of a CSS colour (WCAG 2)."""
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
        for c in (int(number) / 255 for number in re.findall(r'\d+', colour)[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize('scheme', [LIGHT, DARK])
def test_light_and_dark_both_have_contrast(address, browser, scheme):
    wanted = {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]}
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', wanted)
    visit(browser, f'{address}/chapters/gaussian.html')
    paper, ink, code, on_code = browser.execute_script(
        'const style = (css, what) => getComputedStyle(document.querySelector(css))[what];'
        "return [style('body', 'backgroundColor'), style('article p', 'color'),"
        "style('.cell_input .highlight', 'backgroundColor'), style('.cell_input pre', 'color')]"
    )
    for below, above in ((paper, ink), (code, on_code)):
        low, high = sorted((luminance(below), luminance(above)))
        assert (high + 0.05) / (low + 0.05) >= 7, (below, above)
    assert (luminance(paper) > 0.5) == (scheme == LIGHT)
    browser.execute_script(
        "document.querySelector('.cell_output img').scrollIntoView({behavior: 'instant'})"
    )
    keep(browser, f'{scheme}-gaussian')


def test_chapters_have_figures_films_and_folded_solutions(book, address, browser):
    for name in (page for page in order() if page.startswith('chapters/')):
        visit(browser, f'{address}/{name}')
        films = browser.execute_script(
            "return [...document.querySelectorAll('article img')].map(image => image.src)"
            ".filter(source => source.endsWith('.gif')).length"
        )
        figures = browser.find_elements('css selector', '.cell_output img')
        made = list((book.parent / 'book-runs' / 'build').glob(f'{Path(name).stem}*/training.gif'))
        assert films >= len(made) and len(figures) > films, name
        solutions = browser.find_elements('xpath', "//details[contains(summary, 'Solution')]")
        assert len(solutions) >= 4, name
        code = solutions[0].find_element('css selector', 'pre')
        assert not code.is_displayed(), name
        browser.execute_script('arguments[0].querySelector("summary").click()', solutions[0])
        wait_for(code.is_displayed)


def test_the_api_reference_is_whole(book):
    """Every public function and class of every public module is there, linked by its name."""
    page = (book / 'api.html').read_text(encoding='utf-8')
    for file in (ROOT / 'd2l_gan').glob('[a-z]*.py'):
        name = f'd2l_gan.{file.stem}'
        assert f'id="module-{name}"' in page, f'{name} is not in .book/api.md'
        module = importlib.import_module(name)
        for key, member in vars(module).items():
            public = inspect.isfunction(member) or inspect.isclass(member)
            if public and not key.startswith('_') and member.__module__ == name and member.__doc__:
                assert f'id="{name}.{key}"' in page, f'{name}.{key}'


def test_a_cell_that_fails_ends_the_book(tmp_path, monkeypatch):
    pytest.importorskip('sphinx')
    nbformat, nbclient = pytest.importorskip('nbformat'), pytest.importorskip('nbclient')
    monkeypatch.syspath_prepend(str(ROOT / '.book'))
    pages = importlib.import_module('pages')
    fails = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('1 / 0')])
    monkeypatch.setattr(pages, 'read', lambda text, **keywords: fails)

    async def play():
        await pages.play('gaussian', tmp_path, asyncio.Semaphore(1))

    with pytest.raises(nbclient.exceptions.CellExecutionError, match='ZeroDivisionError'):
        asyncio.run(play())
    assert not [*tmp_path.iterdir()]


def test_what_a_book_has_run_stays_out_of_build(book):
    """A reader's own results under build/ are not overwritten by making the book."""
    assert (book.parent / 'book-runs' / 'build' / 'gaussian' / 'scores.json').exists()
    assert (book.parent / 'book-runs' / 'build' / 'gaussian' / 'training.gif').exists()


def test_docstrings_become_rst():
    pytest.importorskip('sphinx')
    pytest.importorskip('jupytext')
    sys.path.insert(0, str(ROOT / '.book'))
    try:
        import pages
    finally:
        sys.path.pop(0)
    from d2l_gan import train

    text = 'Do `this` to $x$.\n\n'
    text += 'Args:\n    X, lr_D: of `update_D`.\n    Z: two | *three*.\n\nA_ b, `c`s.'
    lines = text.splitlines()
    pages.markdown(None, 'function', 'd2l_gan.train.train', train.update_D, None, lines)
    assert lines == [
        'Do ``this`` to :math:`x`.', '',
        'Args:', '    X, lr_D: of :py:obj:`update_D <d2l_gan.train.update_D>`.',
        r'    Z: two \| *three*.', '',
        r'A\_ b, ``c``\ s.',
    ]  # fmt: skip

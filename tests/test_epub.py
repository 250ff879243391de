"""The book as an EPUB: whole, by the rules, and with every formula of the book for a browser."""

import collections
import html
import os
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from tests.browser import keep, wait_for

import pytest

ROOT = Path(__file__).parents[1]
TITLES = {
    'en': 'Generative adversarial networks, chapter by chapter',
    'zh': '生成对抗网络，逐章讲解',
}
# As MathJax finds it in a page of the book for a browser.
FORMULA = re.compile(
    r'<(?:span|div) class="math[^>]*>\s*(?:<span class="eqno">.*?</span>)?'
    r'\s*\\[(\[](.*?)\\[)\]]\s*</(?:span|div)>',
    re.DOTALL,
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings('default'),  # the driver's own
]


@pytest.fixture(scope='module', params=['en', 'zh'])
def epub(request, book):
    """Return a language, and where the EPUB in it was built, as `make epub` does."""
    pytest.importorskip('ziamath')
    language = request.param
    out, trees = (book.parent / 'epub' / part for part in (language, f'trees/{language}'))
    ran = (book.with_name('jupyter_execute') / 'chapters/gaussian.ipynb').read_text('utf-8')
    options = ['-n', '-W', '--keep-going', '-b', 'epub', '-d', str(trees)]
    options += ['-D', f'book_epochs={int("_draft" in ran)}']
    options += ['-D', 'language=zh_CN'] if language == 'zh' else []
    shutil.rmtree(str(out), ignore_errors=True)
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', *options, str(ROOT / '.book'), str(out)],
        env=dict(os.environ, OMP_NUM_THREADS='1'), cwd=str(ROOT),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode()[-5000:]
    return language, out


@pytest.fixture(scope='module')
def packed(epub):
    """Return the files in an EPUB: {path: bytes}."""
    with zipfile.ZipFile(str(epub[1] / 'd2l_gan.epub')) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pages(packed):
    """Return {path: page}, parsed: XML that is not well formed is an error."""
    return {
        name: ElementTree.fromstring(text)
        for name, text in packed.items()
        if name.endswith('.xhtml')
    }


def test_it_obeys_the_rules(epub):
    checker = shutil.which('epubcheck')
    if not checker or not shutil.which('java'):
        pytest.skip("needs Debian's package epubcheck")
    command = ['java', '-jar', checker, '--failonwarnings', str(epub[1] / 'd2l_gan.epub')]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()[-5000:]


def test_every_link_leads_somewhere_and_nothing_comes_from_outside(packed):
    parsed = pages(packed)
    ids = {name: {e.get('id') for e in page.iter()} for name, page in parsed.items()}
    pictures = 0
    for name, page in parsed.items():
        assert not [e for e in page.iter() if e.tag.endswith('}script')], name
        for element in page.iter():
            pictures += element.tag.endswith('}img')
            for key in ('src', 'href'):
                link = element.get(key)
                if not link or (link.startswith('http') and element.tag.endswith('}a')):
                    continue
                target, _, anchor = link.partition('#')
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
                path = path if target else name
                assert path in packed, f'{link} on {name}'
                assert not anchor or anchor in ids[path], f'{link} on {name}'
    assert pictures > 300


def test_it_has_all_chapters_in_order_and_says_its_language(epub, packed):
    from chapters.__main__ import names

    language, _ = epub
    contents = re.findall(r'href="chapters/(\w+)\.xhtml"', packed['nav.xhtml'].decode())
    assert contents == names()
    about = packed['content.opf'].decode()
    assert f'<dc:language>{language}</dc:language>' in about
    assert f'<dc:title>{TITLES[language]}</dc:title>' in about
    for name in names():
        assert b'id="draw"' not in packed[f'chapters/{name}.xhtml'], 'there are no scripts to draw'
    assert b'id="play"' not in packed['index.xhtml']


def test_it_has_the_formulas_of_the_book(book, epub, packed):
    language, _ = epub
    where, total = book / 'zh' if language == 'zh' else book, 0
    for name, page in pages(packed).items():
        other = where / f'{name[:-6]}.html'
        if not other.exists():
            continue
        text = re.sub(r'\\(begin|end){split}', '', other.read_text(encoding='utf-8'))
        found = FORMULA.findall(text)
        wanted = collections.Counter(' '.join(html.unescape(tex).split()) for tex in found)
        drawn = [e for e in page.iter() if e.get('class') == 'formula']
        got = collections.Counter(' '.join(e.get('alt').split()) for e in drawn)
        assert got == wanted, name
        total += len(drawn)
    assert total > 300


def test_formulas_are_drawn_and_as_large_as_the_text(epub, browser):
    language, out = epub
    browser.get((out / 'chapters/gaussian.xhtml').as_uri())
    wait_for(lambda: browser.execute_script('return [...document.images].every(i => i.complete)'))
    formulas = browser.execute_script(
        "return [...document.querySelectorAll('img.formula')].map(i => [i.alt, i.naturalWidth,"
        ' i.getBoundingClientRect().width / i.naturalWidth])'
    )
    assert [alt for alt, width, _ in formulas if not width] == []
    assert len(formulas) > 50
    wrong = [alt for alt, width, scale in formulas if abs(scale - 1) > 1 / width]  # a round pixel
    assert [alt for alt in wrong if len(alt) < 50] == []  # a long one is fitted to the page
    keep(browser, f'epub-{language}')

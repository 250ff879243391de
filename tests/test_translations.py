"""The Chinese edition: nothing stale or missing; formulas, numbers, code, links as in English."""

import ast
import collections
import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from d2l_gan import digits, pictures, plots, speak, words
from d2l_gan.downloads import Unavailable

import pytest
from PIL import Image

pytest.importorskip('babel')
pytest.importorskip('jupytext')
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / '.book'))
import translation  # noqa: E402

sys.path.pop(0)

NAMES = list(translation.sources())
HAN = '[\u4e00-\u9fff]'
GLOSSARY = [
    (line + '\t').split('\t')[:3]
    for line in (ROOT / '.book/locale/zh/glossary.tsv').read_text(encoding='utf-8').splitlines()
]


@pytest.fixture(scope='module')
def sources():
    return translation.sources()


def parts(text):
    """Return what must be the same in both languages, and the numbers in the rest."""
    # A formula may be named once more, where English has a pronoun; no number may. 百万 is no word.
    text = re.sub(
        r'([\d.,]*\d) ?(million|万|亿)',
        lambda found: str(
            round(
                float(found.group(1).replace(',', ''))
                * {'万': 1e4, '亿': 1e8}.get(found.group(2), 1e6)
            )
        ),
        text,
    )
    text = translation.TITLED.sub(r'`\1`', text)
    return {*translation.SAME.findall(text)}, collections.Counter(
        translation.NUMBER.findall(translation.SAME.sub(' ', text.replace('](', '] (')))
    )


def plain(text):
    """Return the words of a message, without its formulas, code and links."""
    text = translation.TITLED.sub(lambda found: found.group()[1:].partition('<')[0], text)
    return translation.SAME.sub('', text)


@pytest.mark.parametrize('name', NAMES)
def test_a_catalogue_is_whole_and_holds_nothing_else(name, sources):
    said, messages = translation.Translations(name, 'zh'), translation.messages(sources[name])
    missing = [message for message in messages if said.find(message) is None]
    assert missing == [], '`make translations` shows what to translate'
    mask = lambda texts: {translation.NUMBER.sub('#', text) for text in texts}
    assert mask(said) - mask(messages) == set(), '`make translations` takes out what is gone'


@pytest.mark.parametrize('name', NAMES)
def test_formulas_numbers_code_and_links_are_the_same(name):
    pairs = translation.Translations(name, 'zh').items()
    assert [pair for pair in pairs if parts(pair[0]) != parts(pair[1])] == []


def faults(message, said):
    """Yield what is wrong with the Chinese of a translation."""
    prose, told = plain(message), plain(said)
    if not re.search(HAN, told) and len(prose.split()) > 3:
        yield 'not Chinese'
    for term, wanted, never in GLOSSARY:
        flags = 0 if term.isupper() else re.IGNORECASE
        if re.search(rf'\b{term}(e?s)?\b', prose, flags) and not any(
            map(told.count, wanted.split())
        ):
            yield f'{term} is {wanted}'
        yield from (f'never {word}' for word in never.split() if word in told)
    # No space between Chinese and anything else, Chinese punctuation, no familiar "you".
    bare = re.sub(r'\]\(x?\)|[|]|^[\d.]+ |\d[.]\d[.]\d ', '', translation.SAME.sub('x', said))
    wrong = rf'{HAN} +[\w`$]|[\w`$] +{HAN}|{HAN}[,;:?!(]|[,;?!)]{HAN}|[你您"]'
    yield from re.findall(wrong, bare)


@pytest.mark.parametrize('name', NAMES)
def test_it_is_chinese_and_uses_the_glossary_s_terms(name):
    pairs = translation.Translations(name, 'zh').items()
    found = [(*faults(message, said), message, said) for message, said in pairs]
    assert [fault for fault in found if len(fault) > 2] == []


@pytest.mark.parametrize('name', NAMES)
def test_emphasis_and_code_come_through(name):
    markdown_it = pytest.importorskip('markdown_it')
    for said in translation.Translations(name, 'zh').values():
        (inline,) = markdown_it.MarkdownIt().parseInline(re.sub(r'\$[^$]+\$', '$x$', said))
        shown = ''.join(token.content for token in inline.children if token.type == 'text')
        assert not re.search('[*`]', shown), said


def test_readme_in_chinese_is_what_the_catalogue_makes_of_it():
    text = translation.readme('zh')
    kept = (ROOT / 'README.zh.md').read_text(encoding='utf-8')
    assert kept == text, '`make translations` writes it'
    assert '[English](README.md) · **中文**' in text


def test_pictures_with_words_are_chinese_in_chinese():
    pages = {'README': ROOT, 'speed': ROOT / '.book'}
    for page, folder in pages.items():
        english = translation.sources()[page]
        found = [re.findall(r'!\[[^]]*\]\(([^)]*)\)', text)
                 for text in (english, translation.translate(english, page, 'zh'))]  # fmt: skip
        for ours, theirs in zip(*found):
            own = Path(ours).stem != 'emoji'  # which has no words
            assert (theirs != ours) == own == ('zh/' in theirs)
            sizes = []
            for path in (ours, theirs):
                with Image.open(str(folder / path)) as picture:
                    sizes.append((picture.size, getattr(picture, 'n_frames', 1)))
            assert sizes[0] == sizes[1], theirs


def test_chapters_come_apart_and_together_again(sources):
    for text in sources.values():
        assert translation.rewrite(text, lambda message: message).split() == text.split()


def test_messages_of_each_kind():
    text = '\n'.join([
        '# A *title*', 'Two lines', 'of $x$.', '', '- one', '  more', '1. two', '',
        '| ab cd | 1.5 | c=1 |', '| --- | --- |', '', '```python', 'x = 1', '```',
        '```{film} gaussian', 'A film.', '```', '$$x$$',
        '<details><summary>Solution</summary>', '', '   inside', '<!-- no -->', '`only code`',
    ])  # fmt: skip
    assert translation.messages(text) == [
        'A *title*', 'Two lines of $x$.', 'one more', 'two', 'ab cd', 'A film.', 'Solution',
        'inside',
    ]  # fmt: skip
    shouted = translation.rewrite(text, str.upper)
    assert '- ONE MORE\n1. TWO\n' in shouted and '\n   INSIDE\n' in shouted
    assert '| AB CD | 1.5 | c=1 |' in shouted and '\nx = 1\n' in shouted


def test_a_number_measured_again_needs_no_translator(tmp_path, monkeypatch):
    monkeypatch.setattr(translation, 'HERE', tmp_path)
    old = ['It took 3 s, then 40.', 'From 1 to 1.', 'A sentence that will be changed a little.']
    translation.update('toy', '\n\n'.join(old), 'zh')
    path = tmp_path / 'locale/zh/toy.po'
    text = path.read_text(encoding='utf-8')
    for message, said in zip(old, ['先40秒，', '从1到1。', '会改一点的句子。']):
        said = '先3秒，后40秒。' if said.startswith('先') else said
        text = text.replace(f'"{message}"\nmsgstr ""', f'"{message}"\nmsgstr "{said}"')
    path.write_text(text, encoding='utf-8')
    said = translation.Translations('toy', 'zh')
    assert said.say('It took 5.5 s, then 41.') == '先5.5秒，后41秒。'
    assert said.say('From 2 to 2.') == '从2到2。'
    assert said.find('From 1 to 2.') is None  # which of the two is which?
    changed = 'A sentence that was changed a little.'
    assert translation.update('toy', f'It took 4 s, then 1.\n\n{changed}', 'zh') == [changed]
    text = path.read_text(encoding='utf-8')
    assert f'#| msgid "{old[2]}"\n#, fuzzy\nmsgid "{changed}"\nmsgstr "会改一点的句子。"' in text
    assert translation.Translations('toy', 'zh') == {'It took 4 s, then 1.': '先4秒，后1秒。'}


def spoken(node):
    """Yield the strings in a piece of code, with {} for what is filled in."""
    inside, text = list(ast.iter_child_nodes(node)), None
    if isinstance(node, ast.JoinedStr):
        text = ''.join(part.value if isinstance(part, ast.Constant) else '{}'
                       for part in node.values)  # fmt: skip
        inside = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    if text is not None:
        yield from {text, re.sub(r'\{[^{}]*\}', '{}', text)}
    for part in inside:
        yield from spoken(part)


def test_what_is_said_in_code_is_translated_and_nothing_else():
    files = [
        file
        for rooms in ('d2l_gan/**', 'chapters', '.book', 'tests/benchmarks')
        for file in ROOT.glob(f'{rooms}/*.py')
    ]
    trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path in files}
    rows = ''.join(path.read_text() for path in ROOT.glob('.book/results/*.json'))
    known = '\n'.join(text for tree in trees.values() for text in spoken(tree)) + rows
    whole, _ = words.catalogue('zh')
    assert [message for message in whole if message.strip('{}') not in known] == []
    for message, said in whole.items():
        holes = [re.findall(r'\{\w*\}', text) for text in (message, said)]
        assert len(holes[0]) == len(holes[1]), message
    with words.speaking('zh'):
        for path, tree in trees.items():
            for node in ast.walk(tree):
                name = getattr(node, 'func', None) and getattr(node.func, 'id', None)
                if name == 'tell':
                    for text in spoken(node.args[0]):
                        text = text.replace('{}', '1')
                        asked = re.search(r'[a-z]{3,} [a-z]{2,}', text)
                        assert not asked or words.say(text) != text, f'{path.name}: {text}'


def test_lines_are_said_in_the_reader_s_language(monkeypatch, capsys):
    speak.tell('epoch 1/2, loss_D 0.5, 9 examples/sec')
    assert capsys.readouterr().err == 'epoch 1/2, loss_D 0.5, 9 examples/sec\n'
    monkeypatch.setenv('D2L_GAN_LANG', 'zh')
    speak.tell('epoch 1/2, loss_D 0.5, 9 examples/sec\nnobody has translated this')
    said = '第1/2轮，loss_D 0.5, 9 样本/秒\nnobody has translated this\n'
    assert capsys.readouterr().err == said
    table = (
        'digits present                  10               10  each in at least 1 % of the samples'
    )
    row = words.say(table)
    assert row.endswith('每个数字至少占样本的1 %') and row.index('10') == table.index('10') - 5
    monkeypatch.setenv('D2L_GAN_LANG', 'fr')
    with pytest.raises(ValueError, match="`D2L_GAN_LANG` is 'fr'; it must be 'en' or 'zh'"):
        words.say('loss')


def test_a_warning_of_missing_digits_is_said_whole(monkeypatch):
    monkeypatch.setattr(digits.plots, 'pixels', lambda *given: None)
    monkeypatch.setattr(digits.scoring, 'digits_present', lambda *given: 1)
    told = digits.few_digits('digits')(SimpleNamespace(generate=lambda: None))
    with words.speaking('zh'):
        said = words.say(f'For 5 epochs, up to epoch 7, {told}')
    assert '100个样本' in said and '有帮助的是' in said
    assert not re.search('[a-z]{2,} [a-z]{2,}', said)


def test_why_there_is_no_mnist_is_said_in_chinese(monkeypatch, capsys):
    why = 'train-images-idx3-ubyte can be had from no mirror (no answer, ConnectionError); put it'
    fails = mock.Mock(side_effect=Unavailable(why))
    monkeypatch.setattr(pictures.mnist_files, 'load', fails)
    with words.speaking('zh'):
        assert pictures._automatic.__wrapped__(None) == 'digits'
    said = capsys.readouterr().err
    assert '因为从哪个镜像都得不到train-images-idx3-ubyte（没有回应，ConnectionError）。' in said


@pytest.fixture
def figure():
    animator = plots.Animator('epoch', 'loss', ['discriminator'], [1, 2])
    animator.curves([1, 2], [0.7, 0.6])
    animator.axes[0].set_yticks([0.6, 0.7], ['epoch 1', 'epoch 2'])
    return animator.fig


def test_figures_have_chinese_words_and_no_empty_boxes(figure):
    """Warnings are errors, and matplotlib warns of each letter that it has no glyph for."""
    if words.font('zh') is None:
        pytest.skip("needs a Chinese font, such as Debian's package fonts-wqy-microhei")
    english = figure.png()
    with words.speaking('zh'):
        chinese = figure.png()
        with words.lettering(figure):
            assert figure.axes[0].get_xlabel() == '轮'
            ticks = figure.axes[0].yaxis.get_major_formatter().format_ticks([0.6, 0.7])
            assert ticks == ['第1轮', '第2轮']
    assert chinese != english == figure.png()
    assert figure.axes[0].get_xlabel() == 'epoch'


def test_figures_stay_english_where_there_is_no_font(figure, monkeypatch):
    english = figure.png()
    monkeypatch.setattr(words, 'FONTS', ('No such font',))
    words.font.cache_clear()
    try:
        with words.speaking('zh'):
            assert figure.png() == english
    finally:
        words.font.cache_clear()


def test_chinese_notebooks_have_the_same_code(tmp_path, monkeypatch, capsys):
    import jupytext

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('D2L_GAN_LANG', '')  # so that it is put back
    chapter = ROOT / 'chapters' / 'gaussian.py'
    command = ['notebooks.py', '--language', 'zh', str(chapter)]
    monkeypatch.setattr(sys, 'argv', command)
    runpy.run_path(str(ROOT / '.ci' / 'notebooks.py'), run_name='__main__')
    assert capsys.readouterr().out == 'build/notebooks/zh/gaussian.ipynb\n'
    english = jupytext.read(chapter, fmt='py:percent')
    chinese = jupytext.read('build/notebooks/zh/gaussian.ipynb')
    assert [cell.cell_type for cell in chinese.cells] == [cell.cell_type for cell in english.cells]
    for ours, theirs in zip(chinese.cells, english.cells):
        if ours.cell_type == 'code':
            assert ours.source == theirs.source
        else:
            assert re.search(HAN, ours.source)
            code = [
                re.findall(r'```python.*?```', cell.source, re.DOTALL) for cell in (ours, theirs)
            ]
            assert code[0] == code[1]
    monkeypatch.setattr(sys, 'argv', [*command[:2], 'fr', str(chapter)])
    with pytest.raises(SystemExit, match='`LANGUAGE` is fr; it must be en or zh'):
        runpy.run_path(str(ROOT / '.ci' / 'notebooks.py'), run_name='__main__')

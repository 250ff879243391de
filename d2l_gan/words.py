"""Speak the reader's language: `D2L_GAN_LANG=zh` for Chinese, in what is told and in figures.

Code says what it says in English. It is translated on its way out, by the catalogue zh.po: a line
that fits one of its messages, `{}` standing for anything, is said as that message's translation
says it. So a chapter's code has one form for all readers, and no marks of translation in it.
Errors, flags and names of losses stay as they are.
"""

import contextlib
import functools
import json
import os
import re
import unicodedata
from pathlib import Path

from d2l_gan import check

LANGUAGES = 'en', 'zh'
# Families that have Chinese letters, the simplified ones first, on one system or another.
FONTS = (
    'Noto Sans SC', 'Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Hiragino Sans GB',
    'Microsoft YaHei', 'WenQuanYi Micro Hei', 'WenQuanYi Zen Hei', 'SimHei', 'Heiti TC',
    'Arial Unicode MS', 'Noto Sans CJK JP',
)  # fmt: skip
_spoken = []


def language():
    """Return the language that is spoken, 'en' or 'zh'."""
    if _spoken:
        return _spoken[-1]
    return check.choice('D2L_GAN_LANG', os.environ.get('D2L_GAN_LANG') or 'en', LANGUAGES)


@contextlib.contextmanager
def speaking(language):
    """Speak another language for a while."""
    _spoken.append(check.choice('language', language, LANGUAGES))
    try:
        yield
    finally:
        _spoken.pop()


@functools.lru_cache(maxsize=None)
def catalogue(language):
    """Return what is translated: {message: translation}, and [(pattern, translation)] of the rest.

    A message with `{}` is a pattern; those with more text of their own come first.
    """
    path = Path(__file__).with_name(f'{language}.po')
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    found = re.findall(r'^msgid (".+")\nmsgstr (".+")$', text, re.MULTILINE)
    whole = {json.loads(message): json.loads(said) for message, said in found}
    patterns = [
        (re.compile('(.*?)'.join(map(re.escape, message.split('{}')))), said)
        for message, said in sorted(whole.items(), key=lambda pair: -len(pair[0]))
        if '{}' in message
    ]
    return whole, patterns


def say(text):
    """Return `text`, line by line, in the reader's language; what has no translation stays."""
    whole, patterns = catalogue(language())
    return '\n'.join(_line(line, whole, patterns) for line in text.split('\n')) if whole else text


def _line(line, whole, patterns):
    if line in whole:
        return whole[line]
    if not re.search('[A-Za-z]{2}', line):
        return line
    parts = re.split('( {2,}|^ +)', line)
    if len(parts) > 1:
        return _row(parts, whole, patterns)
    for pattern, said in patterns:
        match = pattern.fullmatch(line)
        if match:
            return said.format(*(_line(part, whole, patterns) for part in match.groups()))
    return line


def _row(parts, whole, patterns):
    """Return a row of a table, or an indented line: each part by itself, in the column it had."""
    row, owed = '', 0
    for part in parts:
        if part.isspace():
            row += ' ' * max(1, len(part) + owed)
        else:
            said = _line(part, whole, patterns)
            owed = _width(part) - _width(said)
            row += said
    return row


def _width(text):
    return sum(1 + (unicodedata.east_asian_width(letter) in 'WF') for letter in text)


@functools.lru_cache(maxsize=None)
def font(language):
    """Return a family of this machine that has the letters of a language, None if there is none."""
    from matplotlib import font_manager

    fonts = font_manager.fontManager
    here = {entry.name for entry in fonts.ttflist}
    if not here & {*FONTS}:  # matplotlib knows those fonts that there were when it was first used
        for path in {*font_manager.findSystemFonts()} - {entry.fname for entry in fonts.ttflist}:
            with contextlib.suppress(Exception):  # some cannot be read
                fonts.addfont(path)
        here = {entry.name for entry in fonts.ttflist}
    return next((name for name in FONTS if name in here), None)


@contextlib.contextmanager
def lettering(fig):
    """Have a figure's words in the reader's language meanwhile, where there is a font for it."""
    from matplotlib.text import Text

    family = font(language()) if language() != 'en' else None
    undo = contextlib.ExitStack()
    with undo:
        for text in fig.findobj(Text) if family else ():
            before, families = text.get_text(), text.get_fontfamily()
            if family in families:
                continue  # a figure that is drawn while it is saved
            undo.callback(text.set_fontfamily, families)
            text.set_fontfamily([*families, family])
            said = say(before)
            if said != before:
                undo.callback(text.set_text, before)
                text.set_text(said)
        for axes in fig.axes if family else ():
            for axis in (axes.xaxis, axes.yaxis):  # ticks get their texts while they are drawn
                ticks = axis.get_major_formatter()
                undo.callback(vars(ticks).pop, 'format_ticks', None)
                ticks.format_ticks = functools.partial(_ticks, ticks.format_ticks)
        yield


def _ticks(format_ticks, values):
    return [say(label) for label in format_ticks(values)]

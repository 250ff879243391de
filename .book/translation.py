"""Translate Markdown, message by message, and keep the catalogues in step with what they translate.

A message is what a translator sees as one piece: a heading, a paragraph, an item of a list, a cell
of a table; on one line, with its formulas, code and links. What is only code, formula or number is
none. `.book/translation.py` (`make translations`) brings locale/*/*.po and README.zh.md in step.
"""

import ast
import difflib
import re
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LANGUAGES = ('zh',)  # besides English
LOCALES = {'zh': 'zh_CN'}

# What must be the same in both languages: display maths, maths, code, targets of links, roles.
SAME = re.compile(
    r'\$\$.+?\$\$|\$[^$]+\$|\{[a-z:]+\}(?=`)|`+[^`]+`+|(?<=\]\()[^)]*(?=\))|<https?:[^>]*>',
    re.DOTALL,
)
TITLED = re.compile(r'(?<=\})`[^`<]* <([^`>]*)>`')  # {doc}`the first chapter <chapters/gaussian>`
NUMBER = re.compile(r'\d+(?:[.,]\d+)*')
FENCE = re.compile(r'\s*(`{3,}|~{3,})(.*)')
# A line that is no prose, and one that begins a message: a heading, an item, a term's meaning.
VERBATIM = re.compile(
    r'\s*(<!--.*|\*\*English\*\* .*|</?\w+>|:{3,}.*|\([\w-]+\)=|\$\$.*\$\$|-{3,}|)\s*'
)
START = re.compile(r'(\s*(?:#{1,6}|[-*+]|\d+[.]|:)\s+(?:\[[ x]\] )?|\s*> ?)(.*)')
SUMMARY = re.compile(r'(.*<summary>)(.*?)(</summary>.*)')
OPTION = re.compile(r'(:(?:caption|alt|name): )(.*)')
WORD = re.compile('[A-Za-z]{2}')


def rewrite(text, say):
    """Return a Markdown text in which each message is what `say(message)` returns."""
    head = re.match(r'---\n.*?\n---\n', text, re.DOTALL)
    done, waiting, fence = [head.group()[:-1]] if head else [], [], None

    def flush():
        if waiting:
            prefix, *lines = waiting
            message = ' '.join(line.strip() for line in lines)
            indent = re.match(r'\s*', prefix + lines[0]).group() if not prefix.strip() else ''
            done.append((prefix or indent) + _said(message, say))
            waiting.clear()

    for line in text[head.end() if head else 0 :].split('\n'):
        opening = FENCE.match(line)
        if fence:
            done.append(_inside(line, fence[1], say))
            if opening and opening.group(1).startswith(fence[0]) and not opening.group(2).strip():
                fence = None
        elif ' '.join(waiting).count('$$') % 2:
            waiting.append(line)  # display maths, whatever its lines begin with
        elif opening:
            flush()
            done.append(line)
            fence = opening.group(1), opening.group(2).strip()
        elif line.lstrip().startswith('|'):
            flush()
            done.append('|'.join(_cell(cell, say) for cell in line.split('|')))
        elif SUMMARY.fullmatch(line):
            flush()
            before, inner, after = SUMMARY.fullmatch(line).groups()
            done.append(before + say(inner) + after)
        elif VERBATIM.fullmatch(line) and not (waiting and '$$' in line):
            flush()
            done.append(line)
        else:
            start = START.fullmatch(line)
            if start and waiting and re.match(r'\s*(?!1[.])\d', start.group(1)):
                start = start if re.match(r'\s*\d', waiting[0]) else None  # a number in a text
            if start:
                flush()
            if not waiting:
                waiting.append(start.group(1) if start else '')
                line = start.group(2) if start else line
            waiting.append(line)
            if start and '#' in start.group(1):
                flush()
    flush()
    return '\n'.join(done)


def _said(message, say):
    """Return a message in the other language, or as it is where there is nothing to say."""
    known = re.fullmatch(r'\S*[_=/\d]\S*', message) or not WORD.search(SAME.sub('', message))
    return message if known else say(message)  # a name, a formula, a number


def _cell(cell, say):
    inner = cell.strip()
    return cell.replace(inner, _said(inner, say)) if inner else cell


def _inside(line, info, say):
    """Return a line inside a fence: what a directive shows to readers is translated."""
    option = OPTION.fullmatch(line)
    if option and info.startswith('{'):
        return option.group(1) + say(option.group(2))
    if info.startswith(('{film}', '{play}', '{draw}')) and not line.startswith('`'):
        return _said(line, say)
    if re.match(r'\{(built|scores)\}', info) and '|' in line:
        at = 2 if info.startswith('{built}') else 1
        cells = line.split('|')
        cells[at] = _cell(cells[at], say)
        return '|'.join(cells)
    return line


def messages(text):
    """Return the messages of a Markdown text, each once, in order."""
    found = {}
    rewrite(text, lambda message: found.setdefault(message, message))
    return list(found)


def prose(source):
    """Return the Markdown of a chapter's source: what its cells of prose say, in order."""
    cells = re.split(r'^# %%(.*)\n', source, flags=re.MULTILINE)[1:]
    texts = []
    for kind, cell in zip(cells[::2], cells[1::2]):
        if 'markdown' not in kind:
            continue
        if cell.startswith(('r"""', '"""')):
            texts.append(ast.literal_eval(cell.strip()).strip())
        else:
            texts.append('\n'.join(line[2:] for line in cell.rstrip().split('\n')))
    return texts


def sources():
    """Return {name: Markdown} of all that is translated: README, pages of the book, chapters."""
    from chapters import ORDER

    found = {'README': (ROOT / 'README.md').read_text(encoding='utf-8')}
    for page in sorted([*HERE.glob('*.md'), *HERE.glob('templates/*.md')]):
        found[page.stem] = page.read_text(encoding='utf-8')
    for name in ORDER:
        text = (ROOT / f'chapters/{name}.py').read_text(encoding='utf-8')
        found[name] = '\n\n'.join(prose(text))
    return found


class Translations(dict):
    """The translations of one source: {message: translation}, read from its catalogue.

    A number that has been measured again needs no translator: a message that has other numbers is
    found all the same, and its translation gets them.
    """

    def __init__(self, name, language):
        self.path = HERE / 'locale' / language / f'{name}.po'
        if self.path.exists():
            with self.path.open('rb') as file:
                for message in pofile.read_po(file):
                    if message.id and message.string and not message.fuzzy:
                        self[message.id] = message.string
        self.masked = {NUMBER.sub('#', message): message for message in self}

    def find(self, message):
        """Return the translation of a message, None if there is none."""
        if message in self:
            return self[message]
        known = self.masked.get(NUMBER.sub('#', message))
        if known is None:
            return None
        pairs = set(zip(NUMBER.findall(known), NUMBER.findall(message)))
        new = dict(pairs)
        changed = {old for old in new if new[old] != old}
        if len(new) < len(pairs) or changed - {*NUMBER.findall(self[known])}:
            return None  # one number became two, or a number is said in another way
        return NUMBER.sub(lambda number: new.get(number.group(), number.group()), self[known])

    def say(self, message):
        """Return the translation of a message, or the message where there is none."""
        return self.find(message) or message


def translate(text, name, language):
    """Return the Markdown of source `name` in another language, with pictures in that language."""
    own, folder = HERE / 'locale' / language, ROOT if name == 'README' else HERE
    said = rewrite(text, Translations(name, language).say)
    for path in [*own.glob('*.gif'), *own.glob('*.png')]:
        said = re.sub(rf'(?<=\]\()[\w/]+/{re.escape(path.name)}(?=\))',
                      path.relative_to(folder).as_posix(), said)  # fmt: skip
    return said


def update(name, text, language):
    """Bring a catalogue in step with its source; return the messages that have no translation.

    A message that was changed keeps its old translation, marked as fuzzy, which is not used.
    """
    old, new, missing = Translations(name, language), Catalog(locale=LOCALES[language]), []
    wanted = messages(text)
    spare = [message for message in old if message not in wanted]
    for message in wanted:
        said = old.find(message)
        if said is None:
            missing.append(message)
            near = difflib.get_close_matches(message, spare, 1)
            if near:
                new.add(message, old[near[0]], flags=['fuzzy'], previous_id=near)
                continue
        new.add(message, said or '')
    write(new, old.path)
    return missing


def write(catalogue, path):
    """Write a catalogue, in the order of its source, one line a message."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for message in catalogue:
        if not message.id:
            continue
        lines.append('')
        lines += [f'#| msgid {pofile.normalize(old, width=0)}' for old in message.previous_id]
        lines += ['#, fuzzy'] if message.fuzzy else []
        for key, text in (('msgid', message.id), ('msgstr', message.string)):
            lines.append(f'{key} {pofile.normalize(text or "", width=0)}')
    head = [
        'msgid ""',
        'msgstr ""',
        f'"Language: {catalogue.locale_identifier}\\n"',
        '"Content-Type: text/plain; charset=utf-8\\n"',
    ]
    path.write_text('\n'.join([*head, *lines, '']), encoding='utf-8')


def readme(language):
    """Return README in another language, each leading to the other."""
    text = translate(sources()['README'], 'README', language)
    return text.replace('**English** · [中文](README.zh.md)', '[English](README.md) · **中文**')


def main():
    """Bring everything in step; say what is not translated."""
    for language in LANGUAGES:
        for name, text in sources().items():
            missing = update(name, text, language)
            if missing:
                print(f'{name}.po: {len(missing)} of {len(messages(text))} to translate')
            elif name == 'README':
                (ROOT / f'README.{language}.md').write_text(readme(language), encoding='utf-8')


if __name__ == '__main__':
    main()

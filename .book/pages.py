"""What this book needs of Sphinx and MyST-NB beyond what they do by themselves."""

import ast
import asyncio
import functools
import gettext
import importlib
import json
import os
import re
import shutil
import statistics
import time
from importlib import util
from pathlib import Path

from chapters.__main__ import names, options
from chapters.__main__ import read as read_chapter
from d2l_gan import words

import jupytext
import nbformat
import twice
from docutils import nodes
from docutils.statemachine import StringList
from nbclient import NotebookClient
from sphinx import search
from sphinx.directives.other import TocTree
from sphinx.errors import SphinxError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from translation import Translations, rewrite, translate

logger = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# Chapters as notebooks

# Not for readers, who see the chapter; only for a draft of the book.
DRAFT = """
def _draft(full=run, epochs={epochs}):
    def run(**keywords):
        keywords['num_epochs'] = min(epochs, keywords.get('num_epochs', epochs))
        if {few}:
            keywords['data'] = 'digits'
        return full(**keywords)
    return run

run = _draft()
"""

# Before the chapter's own cells: each figure and film is made for both books at once.
START = """
import os as _os, sys as _sys
_sys.path.append({here!r})
import twice as _twice
_os.chdir({directory!r})
"""
FILM = """
_twice.show_film({film!r})
"""
# Their generators draw digits in the page, too.
DRAW = 'mnist_vanilla', 'mnist_leaky', 'mnist_deep', 'dcgan', 'conditional'
DRAWING = HERE / 'templates/drawing.md'
UNFOLD = ['remove-input', 'hide-output'], 'Watch the training'


def read(text, epochs=0, directory='.', language='en', executed=None, draws=True):
    """Return a chapter as a notebook that runs in `directory`, with a film below each training.

    epochs: if not 0, a draft: `run` trains for so many epochs at most, on few digits.
    executed: if not None, the directory in which it has run already, and is read from.
    draws: whether a reader can draw with its generator.
    """
    notebook = jupytext.reads(text, fmt='py:percent')
    (chapter,) = (name for name in names() if _chapter(name) == text)
    few = any(o.name == 'data' and o.default == 'auto' for o in options(read_chapter(chapter)))
    # What a chapter writes is kept apart from what a reader's own runs have written to build/.
    cells = [_cell(START.format(directory=str(directory), here=str(HERE)), ['remove-cell'])]
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type != 'code':
            continue
        cell.source = re.sub('  # (fmt: skip|noqa).*', '', cell.source)  # not for readers
        if epochs and re.search(r'^def run\(', cell.source, re.MULTILINE):
            cells.append(_cell(DRAFT.format(epochs=epochs, few=few), ['remove-cell']))
        for out in _trainings(cell.source, chapter):
            cells.append(_cell(FILM.format(film=f'{out}/training.gif'), *UNFOLD))
    if chapter in DRAW:
        drawing = DRAWING.read_text(encoding='utf-8').replace('NAME', chapter)
        cells.append(nbformat.v4.new_markdown_cell(drawing))
    notebook.cells = cells
    if executed:
        notebook = shown(notebook, chapter, language, executed)
    if chapter in DRAW and not draws:
        notebook.cells.pop()
    return notebook


async def play(chapter, out, turn, **keywords):
    """Run a chapter and write it to `out`, with what it showed, once it is its `turn`."""
    notebook = read(_chapter(chapter), **keywords)
    quiet = ['--IPKernelApp.log_level=ERROR']
    client = NotebookClient(notebook, timeout=None, kernel_name='python3', extra_arguments=quiet)
    async with turn:
        logger.info('running chapters/%s', chapter)
        start = time.monotonic()
        await client.async_execute()
    logger.info('chapters/%s ran for %.0f s', chapter, time.monotonic() - start)
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, str(out / f'{chapter}.ipynb'))


def shown(notebook, chapter, language, executed):
    """Return a chapter's notebook, in any language, with what it showed in the book that ran it."""
    path = Path(executed) / f'chapters/{chapter}.ipynb'
    done = nbformat.read(path, 4) if path.exists() else nbformat.v4.new_notebook()
    if [cell.source for cell in done.cells] != [cell.source for cell in notebook.cells]:
        raise SphinxError(f'`{path}` is not of this {chapter}.py; `make book` runs it')
    prose, drawing = Translations(chapter, language), Translations('drawing', language)
    named = lambda message: drawing.say(message.replace(chapter, 'NAME')).replace('NAME', chapter)
    say = lambda message: prose.find(message) or named(message)
    for cell in done.cells:
        if cell.cell_type == 'markdown':
            cell.source = cell.source if language == 'en' else rewrite(cell.source, say)
        else:
            for output in cell.outputs:
                if output.output_type == 'stream':
                    output.text = words.say(output.text)
                elif 'data' in output:
                    output.data.update(output.metadata.pop(words.language(), {}))
            prompts = cell.metadata.get('mystnb', {})
            prompts.update({key: words.say(prompt) for key, prompt in prompts.items()})
    return done


def _chapter(name):
    return (ROOT / f'chapters/{name}.py').read_text(encoding='utf-8')


def _cell(source, tags, prompt=None):
    metadata = {'tags': tags}
    if prompt:
        metadata['mystnb'] = {'code_prompt_show': prompt, 'code_prompt_hide': prompt}
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def _trainings(source, chapter):
    """Yield the output directory of each call of `run` that is made when the cell runs."""
    for statement in ast.parse(re.sub('^[%!].*', '', source, flags=re.MULTILINE)).body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            continue
        for call in ast.walk(statement):
            if isinstance(call, ast.Call) and getattr(call.func, 'id', '') == 'run':
                keywords = {keyword.arg: keyword.value for keyword in call.keywords}
                yield ast.literal_eval(keywords.get('out', ast.Constant(f'build/{chapter}')))


class Chapters(TocTree):
    """A toctree of the chapters, in the order of reading."""

    def run(self):
        """Fill in the chapters."""
        found = [f'chapters/{name}' for name in names()]
        found = [name for name in found if name in self.env.found_docs]  # some may be excluded
        self.content = StringList(found, source='')
        return super().run()


# Scores, from the files that the project's commands write


class Scores(SphinxDirective):
    """A table of what `make scores` has measured: build/scores/NAME.json, else results/NAME.json.

    The latter are committed copies, so that a fresh clone's book has numbers as well. A line of
    content is `score | title | which is better | format`: the score with dots for what is nested
    and `.` for a plain number; better is lower or higher, or - where there is no worst.
    """

    required_arguments = 1
    has_content = True

    def run(self):
        """Return the table, and a sentence that says what is in it."""
        name = self.arguments[0]
        paths = [parent / f'{name}.json' for parent in (ROOT / 'build/scores', HERE / 'results')]
        found = [path for path in paths if path.exists()]
        if not found:
            return self.parse_text_to_nodes(
                words.say(f'Not measured yet: `make scores ARGS={name}` does it.')
            )
        self.env.note_dependency(str(found[0]))
        rows = json.loads(found[0].read_text(encoding='utf-8'))
        columns = [[part.strip() for part in line.split('|')] for line in self.content if line]
        lines = [
            '| | ' + ' | '.join(title for _, title, *_ in columns) + ' |',
            '| --- |' + ' ---: |' * len(columns),
        ]
        seeds = set()
        for row, scores in rows.items():
            cells = []
            for key, _, better, form in columns:
                try:
                    values = _values(scores, key)
                except (KeyError, TypeError):
                    raise self.error(f'{found[0]}: {row} has no score {key}') from None
                seeds.add(len(values))
                cell = format(statistics.median(values), form)
                if better != '-' and len(values) > 1:
                    worst = max(values) if better == 'lower' else min(values)
                    cell += f' ({worst:{form}})'
                cells.append(cell)
            lines.append(f'| {words.say(row)} | ' + ' | '.join(cells) + ' |')
        low, high = min(seeds), max(seeds)
        count = f'{low} to {high}' if low < high else f'{low}'
        told = f'Seed 0; `make scores ARGS={name}`.'
        if high > 1:
            told = (
                f'Medians over {count} seeds, the worst seed in brackets; '
                f'`make scores ARGS={name}`.'
            )
        return self.parse_text_to_nodes('\n'.join([*lines, '', words.say(told)]))


def _values(scores, key):
    """Return the list of numbers, one per seed, that `key` leads to."""
    for part in filter(None, key.split('.')):
        scores = [one[part] for one in scores] if isinstance(scores, list) else scores[part]
    return scores if isinstance(scores, list) else [scores]


class Built(SphinxDirective):
    """A table of what the chapters scored while this book was built.

    A line of content is `directory | score | what it is | format`, the directory under build/ of a
    training, the score as in its scores.json, with dots for what is nested.
    """

    has_content = True

    def run(self):
        """Return the table."""
        lines = [words.say('| training | score | |'), '| --- | --- | ---: |']
        for line in filter(None, self.content):
            where, key, title, form = (part.strip() for part in line.split('|'))
            path = Path(self.config.book_runs) / 'build' / where / 'scores.json'
            if path.exists():
                value = json.loads(path.read_text(encoding='utf-8'))
                for part in key.split('.'):
                    value = value[part]
                lines.append(f'| {where} | {title} | {format(value, form)} |')
        epochs = self.config.book_epochs
        note = f'**A draft: each training had `num_epochs={epochs}`.**' if epochs else ''
        return self.parse_text_to_nodes('\n'.join([words.say(note), '', *lines]))


class Film(SphinxDirective):
    """The film of a training that a chapter made while this book was built: directory, caption."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Return the figure."""
        path = Path(self.config.book_runs) / 'build' / self.arguments[0]
        path = (
            path / (twice.LANGUAGE if words.language() == twice.LANGUAGE else '') / 'training.gif'
        )
        if not path.exists():
            return []
        caption = ' '.join(self.content)
        image = nodes.image(uri='/' + os.path.relpath(path, self.env.srcdir), alt=caption)
        return [nodes.figure('', image, nodes.caption(caption, caption))]


def run_chapters(app, env, docnames):
    """Run the chapters, as many at a time as there are processors, before any page is read."""
    if not runs(app):
        return
    shutil.rmtree(app.config.book_runs, ignore_errors=True)
    Path(app.config.book_runs).mkdir(parents=True)
    out = executed(app) / 'chapters'
    given = app.config.nb_custom_formats['.py'][1]
    keywords = {name: given[name] for name in ('epochs', 'directory')}

    async def all_of_them():
        turn = asyncio.Semaphore(os.cpu_count())
        found = [name for name in names() if f'chapters/{name}' in docnames]
        await asyncio.gather(*(play(name, out, turn, **keywords) for name in found))

    asyncio.run(all_of_them())


# Docstrings: a little Markdown in, reStructuredText out; napoleon reads `Args:` and the like


def markdown(app, what, name, obj, options, lines):
    """Turn `code` and $maths$ in a docstring into reStructuredText, before napoleon reads it."""
    module = '.'.join(name.split('.')[:2])
    lines[:] = _inline('\n'.join(lines), module).splitlines()


def _inline(text, module):
    parts = re.split(r'(\$[^$]+\$|`[^`]+`|\*\w[^*]*\*)', text)
    for i, part in enumerate(parts):
        if part.startswith('$'):
            parts[i] = f':math:`{part[1:-1]}`'
        elif part.startswith('`'):
            target = _target(part[1:-1], module)
            parts[i] = f':py:obj:`{part[1:-1]} <{target}>`' if target else f'``{part[1:-1]}``'
        elif not part.startswith('*'):
            parts[i] = re.sub(r'([|*\\]|_\b)', r'\\\1', part)
            if i and re.match(r'\w', part):  # `Adam`s
                parts[i] = '\\ ' + parts[i]
    return ''.join(parts)


def _target(name, module):
    """Return the full name of a documented object that `name` means in `module`, or None."""
    for start in (module, module.rpartition('.')[0]):
        try:
            found = functools.reduce(getattr, name.split('.'), importlib.import_module(start))
        except AttributeError:
            continue
        home = getattr(found, '__module__', None) or ''
        if home.startswith('d2l_gan.') and found.__doc__ and hasattr(found, '__qualname__'):
            return f'{home}.{found.__qualname__}'
    return None


# The book in another language


def spoken(app):
    """Return the language of this book, as the library calls it."""
    return app.config.language.partition('_')[0]


def runs(app):
    """Return whether the chapters run for this book; other languages and EPUBs show the same."""
    return spoken(app) == 'en' and app.builder.name != 'epub'


def executed(app):
    """Return where the notebooks that have run are; books that show the same are in that one."""
    out = Path(app.outdir).resolve()
    return (out if runs(app) else out.parent).with_name('jupyter_execute')


def translated(app, docname, source):
    """Translate a page as it is read; chapters are translated as notebooks."""
    if spoken(app) != 'en' and not docname.startswith('chapters/'):
        source[0] = translate(source[0], docname, spoken(app))


def switch(app, pagename, templatename, context, doctree):
    """Let each page know where it is in the other languages."""
    there = {'zh': f'../{pagename}.html'} if spoken(app) != 'en' else {}
    context['languages'] = [
        ('English', 'en', there.get(spoken(app), '')),
        ('中文', 'zh', '' if spoken(app) == 'zh' else f'zh/{pagename}.html'),
    ]


# What the theme says to readers and nobody has translated.
THEME = {
    'zh': {
        'Back to top': '回到顶部', 'On this page': '本页目录', 'Home': '首页', 'Next': '下一页',
        'Previous': '上一页', 'Made with ': '制作工具：', 'Contents': '目录',
    }
}  # fmt: skip


class Theme(gettext.NullTranslations):
    """Say in another language what the theme says."""

    def __init__(self, language):
        super().__init__()
        self.gettext = lambda message: THEME[language].get(message, message)


class Pairs(search.SearchLanguage):
    """Find Chinese, which has no spaces, by pairs of letters: no dictionary has to know a word."""

    lang, language_name = 'zh', 'Chinese'
    parts = re.compile('[\u4e00-\u9fff]+|[^\\W\u4e00-\u9fff]+')
    js_splitter_code = """
const parts = /[\\u4e00-\\u9fff]+|[^\\s\\p{P}\\u4e00-\\u9fff]+/gu;
var splitQuery = (query) => (query.match(parts) || []).flatMap(
  (part) => /^[\\u4e00-\\u9fff]{2}/.test(part)
    ? Array.from({length: part.length - 1}, (_, i) => part.slice(i, i + 2)) : [part]);
"""

    def split(self, input):
        """Return words, of Chinese each letter and each pair of letters."""
        found = []
        for part in self.parts.findall(input):
            if '\u4e00' <= part[0] <= '\u9fff':
                found += [*part, *(part[i : i + 2] for i in range(len(part) - 1))]
            else:
                found.append(part)
        return found


def configure(app, config):
    """Say the language, and let MathJax come with the book instead of from the network."""
    if spoken(app) != 'en':
        os.environ['D2L_GAN_LANG'] = spoken(app)
    mathjax = Path(util.find_spec('sphinx-mathjax-offline').origin).parent
    config.html_static_path.append(str(mathjax / 'static/mathjax/tex-svg.js'))
    config.mathjax_path = 'tex-svg.js'


def begin(app):
    """Say whether and where chapters run."""
    config = app.config
    config.book_runs = config.book_runs or str(executed(app).parent / 'book-runs')
    config.nb_custom_formats['.py'][1].update(
        directory=config.book_runs, epochs=int(config.book_epochs), language=spoken(app),
        executed=executed(app), draws=app.builder.name != 'epub',
    )  # fmt: skip


def every_page(app, env, added, changed, removed):
    """Read all pages in each build, since they show what the chapters write while it is built."""
    return env.found_docs


def apart(app):
    """Let MyST-NB write its notebooks where it does not overwrite those that have run."""
    if spoken(app) in THEME:
        app.translator.add_fallback(Theme(spoken(app)))
    own = str(executed(app) / Path(app.outdir).name)
    app.env.mystnb_config = app.env.mystnb_config.copy(output_folder=own)


def setup(app):
    """Set this extension up."""
    app.add_config_value('book_epochs', 0, 'env', [int, str])
    app.add_config_value('book_runs', '', '')
    app.add_directive('chapters', Chapters)
    app.add_directive('scores', Scores)
    app.add_directive('built', Built)
    app.add_directive('film', Film)
    app.connect('config-inited', configure)
    app.connect('builder-inited', begin, priority=100)  # before MyST-NB's
    app.connect('builder-inited', apart, priority=900)  # after MyST-NB's
    app.connect('env-get-outdated', every_page)
    app.connect('env-before-read-docs', run_chapters)
    app.connect('source-read', translated)
    app.connect('html-page-context', switch)
    search.languages['zh'] = Pairs
    app.connect('autodoc-process-docstring', markdown, priority=400)  # napoleon has 500
    return {'parallel_read_safe': False}  # the chapters come before what quotes them

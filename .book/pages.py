"""What this book needs of Sphinx and MyST-NB beyond what they do by themselves."""

import ast
import functools
import importlib
import json
import os
import re
import shutil
import statistics
from importlib import util
from pathlib import Path

from chapters.__main__ import names, options
from chapters.__main__ import read as read_chapter

import jupytext
import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.directives.other import TocTree
from sphinx.util.docutils import SphinxDirective

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

FILM = """
import IPython.display as _display
if _os.path.exists({film!r}):
    _display.display(_display.Image({film!r}, alt='The film of this training'))
"""
# Their generators draw digits in the page, too.
DRAW = 'mnist_vanilla', 'mnist_leaky', 'mnist_deep', 'dcgan', 'conditional'
DRAWING = """
## Draw with it

The generator that was trained while this page was made draws in your browser. Noise that is close
together gives pictures that are alike: so a walk from one to another leads through things that are
both, or neither.

```{{draw}} {name}
Where scripts run, it draws here, in the page; so does `python -m chapters {name} --sample 16`.
```
"""
UNFOLD = ['remove-input', 'hide-output'], 'Watch the training'


def read(text, epochs=0, directory='.'):
    """Return a chapter as a notebook that runs in `directory`, with a film below each training.

    epochs: if not 0, a draft: `run` trains for so many epochs at most, on few digits.
    """
    notebook = jupytext.reads(text, fmt='py:percent')
    (chapter,) = (name for name in names() if _chapter(name) == text)
    few = any(o.name == 'data' and o.default == 'auto' for o in options(read_chapter(chapter)))
    # What a chapter writes is kept apart from what a reader's own runs have written to build/.
    cells = [_cell(f'import os as _os\n_os.chdir({str(directory)!r})', ['remove-cell'])]
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
        cells.append(nbformat.v4.new_markdown_cell(DRAWING.format(name=chapter)))
    notebook.cells = cells
    return notebook


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
            return self.parse_text_to_nodes(f'Not measured yet: `make scores ARGS={name}` does it.')
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
            lines.append(f'| {row} | ' + ' | '.join(cells) + ' |')
        count = ' to '.join(str(number) for number in sorted({min(seeds), max(seeds)}))
        told = (
            f'Medians over {count} seeds, the worst seed in brackets'
            if max(seeds) > 1
            else 'Seed 0'
        )
        told += f'; `make scores ARGS={name}`.'
        return self.parse_text_to_nodes('\n'.join([*lines, '', told]))


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
        lines = ['| training | score | |', '| --- | --- | ---: |']
        for line in filter(None, self.content):
            where, key, title, form = (part.strip() for part in line.split('|'))
            path = Path(self.config.book_runs) / 'build' / where / 'scores.json'
            if path.exists():
                value = json.loads(path.read_text(encoding='utf-8'))
                for part in key.split('.'):
                    value = value[part]
                lines.append(f'| {where} | {title} | {format(value, form)} |')
        epochs = self.config.book_epochs
        note = f'**A draft: each training had `num_epochs={epochs}`.**\n\n' if epochs else ''
        return self.parse_text_to_nodes(note + '\n'.join(lines))


class Film(SphinxDirective):
    """The film of a training that a chapter made while this book was built: directory, caption."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Return the figure."""
        path = Path(self.config.book_runs) / 'build' / self.arguments[0] / 'training.gif'
        if not path.exists():
            return []
        caption = ' '.join(self.content)
        image = nodes.image(uri='/' + os.path.relpath(path, self.env.srcdir), alt=caption)
        return [nodes.figure('', image, nodes.caption(caption, caption))]


def chapters_first(app, env, docnames):
    """Read the chapters before the pages that show what they scored."""
    docnames.sort(key=lambda name: (not name.startswith('chapters/'), name))


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


def configure(app, config):
    """Say where chapters run, and let MathJax come with the book instead of from the network."""
    config.book_runs = config.book_runs or str(Path(app.outdir).resolve().parent / 'book-runs')
    reader = config.nb_custom_formats['.py'][1]
    reader.update(directory=config.book_runs, epochs=int(config.book_epochs))
    mathjax = Path(util.find_spec('sphinx-mathjax-offline').origin).parent
    config.html_static_path.append(str(mathjax / 'static/mathjax/tex-svg.js'))
    config.mathjax_path = 'tex-svg.js'


def every_page(app, env, added, changed, removed):
    """Read all pages in each build, since they show what the chapters write while it is built."""
    return env.found_docs


def clear(app):
    """Forget what an earlier book's chapters wrote."""
    shutil.rmtree(app.config.book_runs, ignore_errors=True)
    Path(app.config.book_runs).mkdir(parents=True)


def setup(app):
    """Set this extension up."""
    app.add_config_value('book_epochs', 0, 'env', [int, str])
    app.add_config_value('book_runs', '', '')
    app.add_directive('chapters', Chapters)
    app.add_directive('scores', Scores)
    app.add_directive('built', Built)
    app.add_directive('film', Film)
    app.connect('config-inited', configure)
    app.connect('builder-inited', clear)
    app.connect('env-get-outdated', every_page)
    app.connect('env-before-read-docs', chapters_first)
    app.connect('autodoc-process-docstring', markdown, priority=400)  # napoleon has 500
    return {'parallel_read_safe': False}  # the chapters come before what quotes them

"""Turn chapters into notebooks, and leave alone those that a reader has changed.

`.ci/notebooks.py [--execute] [--fresh] [--language zh] chapters/gaussian.py ...`; the Makefile
calls it. Beside the notebooks, .made.json keeps the checksums of what was made, and of what it was
made from. Those in another language have a folder of their own.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import sys
import threading
from pathlib import Path

import jupytext
import nbformat

BOOK = Path(__file__).resolve().parents[1] / '.book'
FOLDER = Path('build/notebooks')
KERNEL = {'name': 'python3', 'display_name': 'Python 3 (ipykernel)', 'language': 'python'}


def checksum(path):
    """Return the SHA-256 of a file, None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def write(path, text):
    """Write `text` to `path`, whole or not at all."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_text(text, encoding='utf-8')
    os.replace(str(temporary), str(path))


def aside(path):
    """Move a file to the next free name like NAME-mine-1.ipynb, and return it."""
    number = 1
    while (free := path.with_name(f'{path.stem}-mine-{number}{path.suffix}')).exists():
        number += 1
    path.rename(free)
    return free


@contextlib.contextmanager
def alive():
    """Print a dot every two seconds where somebody watches."""
    done = threading.Event()

    def tick():
        while not done.wait(2):
            print('.', end='', file=sys.stderr, flush=True)

    if sys.stderr.isatty():
        threading.Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        if sys.stderr.isatty():
            print(file=sys.stderr)


def translations(chapter, language):
    """Return the translations of a chapter's prose, None for English."""
    if language == 'en':
        return None
    sys.path.insert(0, str(BOOK))
    from translation import LANGUAGES, Translations

    if language not in LANGUAGES:
        sys.exit(f'`LANGUAGE` is {language}; it must be en or {" or ".join(LANGUAGES)}')
    return Translations(chapter.stem, language)


def embed(cell, folder):
    """Put the pictures in `folder` that a cell of text shows into the cell, to travel with it."""
    for name in re.findall(r'\]\(([\w-]+\.png)\)', cell.source):
        raw = base64.b64encode((folder / name).read_bytes()).decode()
        cell.setdefault('attachments', {})[name] = {'image/png': raw}
        cell.source = cell.source.replace(f']({name})', f'](attachment:{name})')


def make(chapter, path, execute, said=None):
    """Write the notebook of `chapter` to `path`, with the outputs of its cells if `execute`."""
    notebook = jupytext.read(chapter, fmt='py:percent')
    if said is not None:
        from translation import rewrite

        for cell in notebook.cells:
            if cell.cell_type == 'markdown':
                cell.source = rewrite(cell.source, said.say)
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            embed(cell, chapter.parent)
    notebook.metadata['kernelspec'] = KERNEL
    if execute:
        from nbclient import NotebookClient

        where = {'metadata': {'path': '.'}}
        client = NotebookClient(notebook, timeout=None, kernel_name='python3', resources=where)
        with alive():
            client.execute()
    write(path, nbformat.writes(notebook) + '\n')


def main():
    """Make what is asked for; say of each notebook where it is, or why it stays as it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--execute', action='store_true')
    parser.add_argument('--fresh', action='store_true')
    parser.add_argument('--language', default='en')
    parser.add_argument('chapters', nargs='+', type=Path)
    settings = parser.parse_args()
    folder = FOLDER if settings.language == 'en' else FOLDER / settings.language
    folder.mkdir(parents=True, exist_ok=True)
    os.environ['D2L_GAN_LANG'] = settings.language  # what a kernel inherits
    record = folder / '.made.json'
    try:
        made = json.loads(record.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        made = {}
    for chapter in settings.chapters:
        path = folder / f'{chapter.stem}.ipynb'
        said = translations(chapter, settings.language)
        source = [checksum(chapter) + (checksum(said.path) or '' if said else ''), settings.execute]
        known, *before = made.get(chapter.stem, [None])
        there = checksum(path)
        changed = there is not None and there != known
        if changed and not settings.fresh:
            print(
                f'{path}: changed by you, so it stays; `make notebooks FRESH=1` makes a fresh one'
            )
            continue
        if changed:
            print(f'{path}: fresh; yours is now {aside(path)}')
        elif there and before in (source, [source[0], True]) and not settings.fresh:
            print(f'{path}: as before')  # an editor that has it open is not disturbed
            continue
        else:
            print(path, flush=True)
        make(chapter, path, settings.execute, said)
        made[chapter.stem] = [checksum(path), *source]
        write(record, json.dumps(made))


if __name__ == '__main__':
    main()

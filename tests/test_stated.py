"""What README, the chapters and the book state as measured comes from `.book/results/`.

`stated.json` there has, for each document, templates of what it says, filled in from the files
beside it, and the numbers that are no measurement: settings, limits, what others published. A
number with a point or a percent sign that is neither fails here, and so does one that differs.
"""

import json
import re
import string
from pathlib import Path

from tests.benchmarks.results import keep

import numpy
import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / '.book' / 'results'
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / 'README.md', *ROOT.glob('.book/*.md'), *ROOT.glob('chapters/[a-z]*.py'))
)
STATED = json.loads((RESULTS / 'stated.json').read_text(encoding='utf-8'))
NUMBER = re.compile(r'(?<![\w.,/-])\d[\d,]*(?:\.\d+(?!\.?\d)%?|%)')


class Runs(list):
    """The same thing of several seeds; a name takes that score of each."""

    def __getitem__(self, key):
        if isinstance(key, int):
            return wrapped(super().__getitem__(key))
        return Runs(one[key] for one in self)

    median = property(lambda self: float(numpy.median(self)))
    quantile90 = property(lambda self: float(numpy.quantile(self, 0.9)))
    least = property(min)
    most = property(max)


def wrapped(found):
    """Return results with lists as `Runs`."""
    if isinstance(found, dict):
        # A template reads [10] as a number.
        return {int(k) if k.isdigit() else k: wrapped(v) for k, v in found.items()}
    return Runs(map(wrapped, found)) if isinstance(found, list) else found


def results():
    """Return {name of a file: what is in it}."""
    return {
        path.stem: wrapped(json.loads(path.read_text(encoding='utf-8')))
        for path in RESULTS.glob('*.json')
    }


def prose(document):
    """Return what a document tells: without code, formulas and links, on one line."""
    text = (ROOT / document).read_text(encoding='utf-8')
    if document.endswith('.py'):
        cells = re.findall(r'^r"""\n(.*?)^"""', text, re.DOTALL | re.MULTILINE)
        comments = re.findall(r'^# (?!%%)(.*)', text, re.MULTILINE)
        text = '\n'.join([*cells, *comments])
    for told in ('bench', 'weather'):  # tables that a command has written there
        text = re.sub(rf'<!-- {told} -->.*?<!-- /{told} -->', '', text, flags=re.DOTALL)
    for other in (r'```.*?```', r'\$\$.*?\$\$', r'\$[^$]*\$', r'(?<=\])\([^)]*\)', r'<[^>\n]*>'):
        text = re.sub(other, ' ', text, flags=re.DOTALL)
    return ' '.join(text.split()).replace(' %', '%').replace('−', '-')


def said(document):
    """Return the sentences that `document` must have, with the numbers of today's results."""
    found = results()
    templates = STATED.get(document, {}).get('measured', [])
    return [string.Formatter().vformat(' '.join(t.split()), (), found) for t in templates]


@pytest.mark.parametrize('document', DOCUMENTS)
def test_what_is_stated_was_measured(document):
    text, missing = prose(document), []
    for sentence in said(document):
        sentence = sentence.replace(' %', '%')
        if sentence not in text:
            missing.append(sentence)
        text = text.replace(sentence, ' ')
    assert not missing, f'{document} does not say: {missing}'
    text = re.sub(r'`[^`]*`', ' ', text)  # flags and settings
    known = {n for where in ('*', document) for n in STATED.get(where, {}).get('given', [])}
    strange = sorted({number.rstrip('.,') for number in NUMBER.findall(text)} - known)
    assert not strange, f'{document}: no result has {strange}'


def test_every_result_says_which_command_of_which_version_made_it():
    made = json.loads((RESULTS / 'made.json').read_text(encoding='utf-8'))
    files = {path.name for path in RESULTS.iterdir()} - {'made.json', 'stated.json'}
    assert files == set(made)
    for name, how in made.items():
        assert how['command'] and re.fullmatch(r'\d+\.\d+\.\d+', how['version']), name
        assert re.fullmatch(r'\d{4}-\d\d-\d\d', how['date']), name


def test_a_result_is_kept_with_what_made_it(tmp_path):
    (tmp_path / 'made.json').write_text('{}')
    (tmp_path / 'scores.json').write_text('{"frechet": 3.5}')
    keep(tmp_path / 'scores.json', 'make chapter-dcgan', 'dcgan', tmp_path)
    assert json.loads((tmp_path / 'dcgan.json').read_text()) == {'frechet': 3.5}
    made = json.loads((tmp_path / 'made.json').read_text())
    assert made['dcgan.json']['command'] == 'make chapter-dcgan'

"""Docstrings are of one style, Google's: a sentence, then `Args:`, `Returns:`, `Raises:`."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob('d2l_gan/**/*.py'), *ROOT.glob('chapters/*.py')])
SECTIONS = ('Args', 'Returns', 'Raises', 'Yields', 'Attributes', 'Source')


def documented(path):
    """Yield (definition, docstring, its arguments or None for any) for functions and classes."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            made = [node] if isinstance(node, ast.FunctionDef) else node.body
            names = set()
            for part in made:
                if isinstance(part, ast.FunctionDef) and (part is node or part.name == '__init__'):
                    args = part.args
                    if args.kwarg:  # it takes any
                        names = None
                        break
                    every = [*args.args, *args.kwonlyargs, args.vararg, args.kwarg]
                    names |= {arg.arg for arg in [*getattr(args, 'posonlyargs', []), *every] if arg}
                elif isinstance(part, ast.AnnAssign):  # the fields of a NamedTuple
                    names.add(part.target.id)
            yield node, ast.get_docstring(node), names


def faults(path):
    """Yield what is not of the style in a file, a sentence each."""
    for node, text, names in documented(path):
        where = f'{path.relative_to(ROOT)}:{node.lineno} {node.name}'
        for line in re.findall(r'^(\w+(?:, \w+)*):(?:\s|$)', text, re.MULTILINE):
            if line not in SECTIONS:
                yield f'{where}: {line!r} is explained outside of Args'
        section = re.search(r'^Args:\n((?:[ \t]+.*\n?|\n)*)', text + '\n', re.MULTILINE)
        heads = re.findall(r'^ {4}([\w*, ]+?):', section.group(1), re.MULTILINE) if section else []
        if names is None:
            continue
        unknown = {name.strip(' *') for head in heads for name in head.split(',')} - names
        if unknown and not any(isinstance(base, ast.Name) for base in getattr(node, 'bases', ())):
            yield f'{where}: Args has {", ".join(sorted(unknown))}, which it does not take'


@pytest.mark.parametrize('path', FILES, ids=lambda path: '/'.join(path.parts[-2:]))
def test_docstrings_are_of_one_style(path):
    assert list(faults(path)) == []


def test_the_reference_has_every_module():
    page = (ROOT / '.book' / 'api.md').read_text(encoding='utf-8')
    found = re.findall(r'automodule:: (\S+)', page)
    listed = set(found)
    assert len(found) == len(listed), 'a module stands there twice'
    # What a package re-exports stands on the package's own page.
    whole = tuple(f'{name}.' for name in re.findall(r'automodule:: (\S+)\n +:imported', page))
    modules = {
        '.'.join(path.relative_to(ROOT).with_suffix('').parts).replace('.__init__', '')
        for path in ROOT.glob('d2l_gan/**/*.py')
    }
    public = {name for name in modules if '.' in name and '._' not in name}
    assert listed <= public
    assert {name for name in public - listed if not name.startswith(whole)} == set()

"""The Makefile finds a Python that works, and setup.py asks for what fits it."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
VERSIONS = ['3.8', '3.9', '3.10', '3.11', '3.12', '3.13']


@pytest.fixture
def settings(monkeypatch):
    """Return what setup.py hands to setuptools."""
    seen = {}
    monkeypatch.setattr(setuptools, 'setup', lambda **keywords: seen.update(keywords))
    runpy.run_path(str(ROOT / 'setup.py'))
    return seen


def required(settings, version, extra=''):
    lines = settings['extras_require'][extra] if extra else settings['install_requires']
    machine = {'python_version': version, 'sys_platform': 'linux', 'platform_machine': 'x86_64'}
    found = [Requirement(line) for line in lines]
    return {
        need.name: str(need.specifier)
        for need in found
        if need.marker is None or need.marker.evaluate(machine)
    }


@pytest.mark.parametrize('version', VERSIONS)
def test_asks_for_what_fits_the_python(settings, version):
    needs = required(settings, version)
    minor = int(version.split('.')[1])
    assert needs.get('mxnet') == (None if minor >= 13 else '==1.9.1')
    assert ({'requests', 'graphviz'} <= set(needs)) == (minor >= 13)
    assert {'numpy', 'matplotlib', 'tqdm', 'pillow', 'click'} <= set(needs)
    assert settings['python_requires'] == '>=3.8'


@pytest.mark.parametrize('version', VERSIONS)
def test_pins_nothing_but_mxnet(settings, version):
    pinned = {
        name
        for name, version in required(settings, version).items()
        if '<' in version or '==' in version
    }
    assert pinned == ({'mxnet'} if version != '3.13' else set())


@pytest.mark.parametrize('version', VERSIONS)
def test_the_textbook_s_package_is_an_extra(settings, version):
    assert 'd2l' not in required(settings, version)
    needs = required(settings, version, 'd2l')
    minor = int(version.split('.')[1])
    assert needs.get('d2l') == (None if minor >= 13 else '==0.16.6' if minor == 12 else '==1.0.3')
    assert {'pandas', 'ipython', 'matplotlib-inline'} <= set(needs) or minor < 13
    assert set(needs) <= set(required(settings, version, 'test'))


def test_no_module_of_the_library_or_the_chapters_imports_the_textbook_s_package():
    for file in [*ROOT.glob('d2l_gan/**/*.py'), *ROOT.glob('chapters/*.py')]:
        names = set()
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or '').partition('.')[0])
        assert not names & {'d2l', 'pandas', 'scipy'}, file


def test_has_the_extras(settings):
    assert {'d2l', 'gpu', 'notebook', 'test', 'book', 'export'} <= set(settings['extras_require'])
    assert required(settings, '3.11', 'gpu') == {'jax': '>=0.4.30'}
    assert required(settings, '3.11', 'mxnet-gpu') == {'mxnet-cu117': '==1.9.1'}


def test_packs_every_package(settings):
    here = {
        '.'.join(path.parent.relative_to(ROOT).parts)
        for top in ('d2l_gan', 'chapters')
        for path in ROOT.glob(f'{top}/**/__init__.py')
    }
    assert set(settings['packages']) == here >= {'d2l_gan', 'chapters'}
    patterns = settings['package_data']['chapters']
    # Git knows what belongs to the chapters; without git there is nothing to compare with.
    done = subprocess.run(['git', 'ls-files', 'chapters'], stdout=subprocess.PIPE, cwd=ROOT)
    files = [Path(line) for line in done.stdout.decode().split()]
    left_out = [
        file
        for file in files
        if file.suffix != '.py' and not any(file.match(pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_version_is_the_package_s(settings):
    import d2l_gan

    assert settings['version'] == d2l_gan.__version__


def test_make_alone_prints_each_target_with_one_sentence():
    text = (ROOT / 'Makefile').read_text()
    phony = re.search(r'^\.PHONY:((?:.*\\\n)*.*)', text, re.M).group(1).replace('\\', '').split()
    done = subprocess.run(['make', '-s'], stdout=subprocess.PIPE, cwd=ROOT, check=True)
    lines = [line.split(None, 2) for line in done.stdout.decode().splitlines()]
    assert [line[0] for line in lines] == ['make'] * len(lines)
    assert {line[1] for line in lines} == (set(phony) - {'FORCE'}) | {'chapter-NAME'}
    for *_, sentence in lines:
        assert sentence[0].isupper() and sentence[-1] == '.'


@pytest.fixture
def path(tmp_path):
    """Return an empty directory that is all of PATH, but for the tools of the scripts."""
    directory = tmp_path / 'with a space'
    directory.mkdir()
    for tool in ('uname', 'cat', 'rm'):
        (directory / tool).symlink_to(shutil.which(tool))
    return directory


def command(directory, name, text):
    (directory / name).write_text(f'#!/bin/sh\n{text}\n')
    (directory / name).chmod(0o755)


def search(path, *arguments):
    done = subprocess.run(
        [str(ROOT / '.ci' / 'python'), *arguments],
        capture_output=True,
        text=True,
        env={'PATH': str(path), 'HOME': str(path), 'TMPDIR': str(path)},
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


REAL = f'exec "{sys.executable}" "$@"'
BROKEN = 'echo "pyenv: python3.11: command not found" >&2; exit 127'


def real():
    """Return what a Python prints of itself, as the search does."""
    return subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.executable)'])


def test_a_python_that_does_not_run_is_passed_over(path):
    command(path, 'python3.11', BROKEN)
    command(path, 'python3.10', 'exit 1')
    command(path, 'python3.12', REAL)
    status, output, errors = search(path)
    assert (status, errors) == (0, '') and output == real().decode().strip()


def test_a_python_of_pyenv_is_found_behind_its_shim(path):
    command(path, 'python3.9', BROKEN)
    folder = path / '.pyenv' / 'versions' / '3.9.18' / 'bin'
    folder.mkdir(parents=True)
    command(folder, 'python', REAL)
    assert search(path, '3.9')[0] == search(path, 'python3.9')[0] == 0


@pytest.mark.parametrize('fake', [None, BROKEN, 'exit 1'])
def test_one_sentence_says_what_to_install(path, fake):
    if fake:
        for version in VERSIONS:
            command(path, f'python{version}', fake)
    status, output, errors = search(path)
    assert (status, output) == (1, '')
    assert errors.startswith('No Python fits: install a 64-bit CPython 3.8 to 3.13 that has venv')
    assert 'apt install python3 python3-venv' in errors and '\n' not in errors


@pytest.mark.parametrize('choice', ['python3.10', '3.10', 'python', '/no/such/python', 'python2.7'])
def test_a_choice_that_does_not_serve_is_named(path, choice):
    command(path, 'python3.10', BROKEN)
    command(path, 'python3.11', REAL)
    status, output, errors = search(path, choice)
    assert (status, output) == (1, '')
    assert errors.startswith(f'PYTHON={choice} does not serve: ') and '\n' not in errors


def test_a_choice_by_path_is_taken(path):
    command(path, 'mine', REAL)
    assert search(path, str(path / 'mine'))[0] == 0


def test_a_python_without_venv_serves_only_with_uv(path):
    (path / 'ensurepip.py').write_text('raise ImportError')
    command(path, 'python3.11', f'PYTHONPATH="{path}" {REAL}')
    assert search(path)[0] == 1
    command(path, 'uv', 'exit 0')
    assert search(path)[0] == 0


def test_a_working_environment_is_kept_and_another_choice_makes_a_new_one(path, tmp_path):
    for file in ('python', 'venv'):
        target = tmp_path / 'checkout' / '.ci' / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / '.ci' / file).read_bytes())
        target.chmod(0o755)
    # A stand-in for uv: makes an "environment" whose Python is the one that was asked for.
    (path / 'mkdir').symlink_to(shutil.which('mkdir'))
    (path / 'ln').symlink_to(shutil.which('ln'))
    command(path, 'uv', 'mkdir -p "$5/bin" && ln -s "$4" "$5/bin/python"')
    command(path, 'one', REAL)
    command(path, 'two', f'[ "$1" = -c ] && [ -n "$2" ] && echo "{path}/two" && exit\n{REAL}')

    def make(choice):
        done = subprocess.run(
            ['.ci/venv', choice],
            capture_output=True,
            text=True,
            cwd=tmp_path / 'checkout',
            env={'PATH': str(path), 'HOME': str(path)},
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert 'Setting up .venv' in make(str(path / 'one'))
    assert make(str(path / 'one')) == make('') == ''
    assert 'two' in make(str(path / 'two'))
    os.unlink(tmp_path / 'checkout' / '.venv' / 'bin' / 'python')  # its Python was uninstalled
    assert 'Setting up .venv' in make(str(path / 'two'))


@pytest.mark.slow
def test_each_worker_collects_the_same_tests():
    """`make test` runs in two processes, which start at other seconds and hash other strings."""
    lists = [
        subprocess.check_output(
            [sys.executable, '-m', 'pytest', '--collect-only', '-q', 'tests'],
            env={**os.environ, 'PYTHONHASHSEED': seed},
            cwd=ROOT,
        ).split(b'\n\n')[0]
        for seed in ('1', '2', '3')
    ]
    assert lists[0].count(b'\n') > 500
    assert lists[0] == lists[1] == lists[2]


@pytest.mark.slow
def test_the_source_distribution_can_be_tested_and_leaves_nothing_behind(tmp_path):
    shutil.copytree(
        ROOT, tmp_path / 'src', symlinks=True,
        ignore=shutil.ignore_patterns('.*venv', '.nox', '.git', 'build', 'dist', '*.egg-info'),
    )  # fmt: skip
    command = [sys.executable, 'setup.py', '-q', 'sdist', '-d', str(tmp_path)]
    subprocess.check_call(command, cwd=tmp_path / 'src', stderr=subprocess.DEVNULL)
    (archive,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(archive) as tar:
        names = {name.partition('/')[2] for name in tar.getnames()}
    assert {'Makefile', '.ci/install', '.ci/notebooks.py', 'tests/conftest.py'} <= names
    assert {'tests/textbook_cells/gan.py', 'd2l_gan/engines/symbol.py'} <= names
    assert not (tmp_path / 'src' / 'build').exists()


def test_the_changelog_begins_with_this_version(settings):
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    newest = re.search('^## (.*)', text, re.MULTILINE).group(1)
    released = re.escape(settings['version']) + r' - \d{4}-\d\d-\d\d'
    assert newest == 'Unreleased' or re.fullmatch(released, newest)

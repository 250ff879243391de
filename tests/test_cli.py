"""`python -m chapters`: each keyword of `run` is a flag, and mistakes are one sentence."""

import importlib
import inspect
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import chapters

import click
import pytest
from click.testing import CliRunner

cli = importlib.import_module('chapters.__main__')
ROOT = Path(__file__).parent.parent

TOY = '''\
# %% [markdown]
r"""
# A toy

Learn $\\mathbf{x}$ from one line. The rest is for later.

More of it.
"""
# %%
EPOCHS = 20
PRIOR: str = 'normal'


# %%
def helper(not_a_flag=1):
    """Stand beside run."""


def run(num_epochs=EPOCHS, batch_size=8, lr_D=0.05, objective='bce', device=None, seed: int = None,
        rate: float = 1, show=False, resume=True, *, out: str = None, depth=-1,
        callbacks=()):
    r"""Train the toy.

    Sets `x: y` nowhere.

    Args:
        num_epochs: how often the data
            are seen.
        lr_D, objective: what D learns by.
        show: open a window.

    Returns:
        depth: not this one.
    """
    if num_epochs == 0:
        raise ValueError('`num_epochs` is 0; it must be at least 1\\nsecond line')
    if num_epochs == -1:
        raise ValueError('a value that is no flag')
    if num_epochs == -2:
        raise RuntimeError('')
    if num_epochs == -3:
        raise FileNotFoundError('no such directory: /nowhere')
    if num_epochs == -4:
        raise KeyboardInterrupt
    if num_epochs == -5:
        raise SystemExit(7)
    assert callbacks == ()
    del callbacks
    print(sorted(locals().items()))
'''


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """Put three chapters in the place of the real ones."""
    for name in ('toy', 'mnist_leaky', 'gaussian'):
        (tmp_path / f'{name}.py').write_text(TOY.replace('A toy', f'About {name}'))
        monkeypatch.delitem(sys.modules, f'chapters.{name}', raising=False)
    (tmp_path / 'empty.py').write_text('"""# Nothing yet"""\n')
    (tmp_path / '_hidden.py').write_text('')
    monkeypatch.setattr(cli, 'HERE', tmp_path)
    monkeypatch.setattr(chapters, '__path__', [str(tmp_path)])
    yield
    for name in ('toy', 'mnist_leaky', 'gaussian'):
        sys.modules.pop(f'chapters.{name}', None)
        chapters.__dict__.pop(name, None)


def call(*arguments):
    """Return the status and everything printed."""
    done = CliRunner().invoke(cli.main, list(map(str, arguments)), prog_name='python -m chapters')
    return done.exit_code, done.output


def test_lists_the_chapters_in_the_order_of_reading(toys):
    status, output = call()
    assert status == 0
    lines = output.splitlines()
    assert lines[:4] == [
        'gaussian        About gaussian',
        'mnist_leaky     About mnist_leaky',
        'empty           Nothing yet',
        'toy             About toy',
    ]
    assert lines[-1] == 'python -m chapters NAME runs one; with --help it explains its flags.'


def test_help_gives_each_keyword_its_default_and_meaning(toys):
    status, output = call('toy', '--help')
    words = ' '.join(output.split())
    assert status == 0
    assert 'About toy Learn $\\mathbf{x}$ from one line. Options:' in words
    assert '--num-epochs INTEGER how often the data are seen. [default: 20]' in words
    assert '--batch-size INTEGER [default: 8]' in words
    assert '--lr-D FLOAT what D learns by. [default: 0.05]' in words
    assert '--objective TEXT what D learns by. [default: bce]' in words
    assert '--device TEXT --seed INTEGER --rate FLOAT [default: 1' in words
    assert '--show / --no-show open a window. [default: no-show]' in words
    assert '--resume / --no-resume [default: resume]' in words
    assert '--out TEXT --depth INTEGER [default: -1]' in words
    assert 'not_a_flag' not in words and 'callbacks' not in words and 'not this one' not in words


def test_passes_the_flags_to_run(toys):
    flags = '--num-epochs 3 --lr-D 1e-3 --seed 1 --device cpu --rate 2 --show --no-resume --out D'
    status, output = call('toy', *flags.split())
    assert status == 0, output
    assert output.strip() == str(
        sorted(
            {
                **{'num_epochs': 3, 'batch_size': 8, 'lr_D': 1e-3, 'objective': 'bce', 'seed': 1},
                **{'device': 'cpu', 'rate': 2.0, 'show': True, 'resume': False, 'out': 'D'},
                'depth': -1,
            }.items()
        )
    )


@pytest.mark.parametrize('name', ['mnist-leaky', 'mnist_leaky', 'MNIST_leaky'])
@pytest.mark.parametrize('flag', ['--lr-D', '--lr_D', '--lr-d'])
def test_takes_hyphens_and_underscores(toys, name, flag):
    status, output = call(name, flag, 7)
    assert status == 0 and "('lr_D', 7.0)" in output


@pytest.mark.parametrize(
    'name, near',
    [('gausian', 'gaussian'), ('mnist-leeky', 'mnist_leaky'), ('Toy-', 'toy'), ('zzz', '')],
)
def test_an_unknown_chapter_gets_the_nearest_name(toys, name, near):
    status, output = call(name)
    assert status == 2
    assert f'There is no chapter {name!r}. Did you mean ' in output and near in output


def test_an_unknown_flag_gets_the_nearest_name(toys):
    status, output = call('toy', '--num-epoch', 3)
    assert status == 2
    assert '--num-epoch' in output and 'Did you mean' in output and '--num-epochs' in output


@pytest.mark.parametrize('value', ['x', '1.5'])
def test_a_value_of_the_wrong_type_is_named(toys, value):
    status, output = call('toy', '--num-epochs', value)
    assert status == 2
    assert f"'--num-epochs': {value!r} is not a valid integer" in output


@pytest.mark.parametrize(
    'num_epochs, status, last',
    [
        (0, 2, 'Error: `num_epochs` is 0; it must be at least 1'),
        (-1, 1, 'Error: a value that is no flag'),
        (-2, 1, 'Error: RuntimeError'),
        (-3, 1, 'Error: no such directory: /nowhere'),
        (-4, 130, 'Stopped.'),
    ],
)
def test_what_goes_wrong_is_one_line(toys, num_epochs, status, last):
    assert call('toy', '--num-epochs', num_epochs) == (status, last + '\n')


@pytest.mark.parametrize('seed', ['-1', '4294967296'])
def test_a_seed_out_of_range_is_named(toys, seed):
    status, output = call('toy', '--seed', seed)
    assert status == 2 and f"Invalid value for '--seed': {seed} is not in the range" in output


def test_an_empty_value_is_refused(toys):
    status, output = call('toy', '--out', '')
    assert status == 2 and "Invalid value for '--out': it is empty." in output


def test_a_closed_stream_is_no_error(toys, monkeypatch):
    monkeypatch.setattr(sys, 'stderr', None)
    monkeypatch.setattr(sys, 'stdout', None)
    cli.start('toy', {'num_epochs': 1, 'callbacks': ()})
    print('nobody reads this', file=sys.stderr)
    sys.stdout.close()
    sys.stderr.close()


def test_a_terminal_is_told_at_once_what_takes_so_long(toys, monkeypatch, capsys):
    cli.start('toy', {'num_epochs': 1})
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    cli.start('toy', {'num_epochs': 1})
    assert capsys.readouterr().err == 'Loading MXNet, then setting up ...\n'


def test_mxnet_that_is_missing_is_one_line_with_the_command(toys, monkeypatch, capsys):
    import chapters.toy

    def run():
        raise ModuleNotFoundError('No module named mxnet', name='mxnet')

    monkeypatch.setattr(chapters.toy, 'run', run)
    with pytest.raises(SystemExit):
        cli.start('toy', {})
    said = capsys.readouterr().err
    assert said.startswith('Error: MXNet is not installed: pip install ') and said.count('\n') == 1


def test_the_command_is_installed():
    entries = [entry for entry in commands() if entry.name == 'd2l-gan']
    assert [entry.value for entry in entries] == ['chapters.__main__:main']
    command = Path(sys.executable).parent / 'd2l-gan'
    done = subprocess.run([str(command)], stdout=subprocess.PIPE, cwd='/', check=True)
    assert b'd2l-gan NAME runs one' in done.stdout


def commands():
    """Return the commands that the installed project brings."""
    return metadata.distribution('d2l_gan').entry_points


def test_an_exit_is_respected(toys):
    assert call('toy', '--num-epochs', -5) == (7, '')


def test_the_development_mode_shows_where(toys, monkeypatch):
    flags = SimpleNamespace(dev_mode=True)
    fake = SimpleNamespace(flags=flags, stdout=sys.stdout, stderr=sys.stderr)
    monkeypatch.setattr(cli, 'sys', fake)
    with pytest.raises(ValueError, match='num_epochs'):
        cli.start('toy', {'num_epochs': 0})


def test_a_chapter_without_run_says_so(toys):
    status, output = call('empty')
    assert status == 2 and 'chapters/empty.py has no run() yet.' in output


SAMPLE = '''

def sample(num=16, seed=0, out=None):
    """Draw so many.

    Not this.
    """
    print('sample', num, seed, out)
'''


def test_sample_is_a_flag_that_stands_for_a_function_of_its_own(toys):
    (cli.HERE / 'toy.py').write_text(TOY + SAMPLE)
    assert '--sample INTEGER RANGE Draw so many. [x>=1]' in ' '.join(
        call('toy', '--help')[1].split()
    )
    assert call('toy', '--sample', 3, '--out', 'D') == (0, 'sample 3 None D\n')
    assert "('num_epochs', 20)" in call('toy')[1]
    status, output = call('toy', '--sample', 0)
    assert status == 2 and "'--sample': 0 is not in the range x>=1" in output


@pytest.mark.parametrize('name', ['mnist_vanilla', 'mnist_leaky', 'mnist_deep'])
def test_shared_keywords_are_explained_where_they_are_shared(name):
    from d2l_gan.digits import fit

    chapter = importlib.import_module(f'chapters.{name}')
    shared = inspect.signature(fit).parameters.values()
    shared = {p.name: p.default for p in shared if p.kind is p.KEYWORD_ONLY}
    own = inspect.signature(chapter.run).parameters.values()
    own = {p.name: p.default for p in own if p.kind is not p.VAR_KEYWORD}
    flags = {option.name: option for option in cli.options(cli.read(name))}
    assert {*flags} == {*own, *shared, 'sample'} - {'callbacks'}
    explained = cli.meanings(inspect.getdoc(fit))
    for flag in {*flags} - {'sample'}:
        assert flags[flag].default == own.get(flag, shared.get(flag))
        if name != 'mnist_deep':
            assert flags[flag].help == explained[flag]


def test_meanings_ends_where_the_section_ends():
    assert cli.meanings('Do.\n\nArgs:\n    a: b: c\n\nReturns:\n    d: e') == {'a': 'b: c'}
    assert cli.meanings('Do.') == {}


def test_every_real_chapter_has_its_flags():
    for name in cli.names():
        chapter = cli.read(name)
        if chapter.run is not None:
            run, common = chapter.run.args, chapter.common
            known = [arg.arg for arg in [*run.args, *run.kwonlyargs]]
            known += [arg.arg for arg in common.args.kwonlyargs] if common else []
            known += ['sample', *cli.only_sample(name)] if chapter.sample else []
            for option in cli.options(chapter):
                assert isinstance(option, click.Option) and option.name in known


def python(*arguments):
    """Run this Python in the checkout; return the status, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
    )
    return done.returncode, done.stdout, done.stderr


def test_listing_loads_neither_mxnet_nor_numpy():
    code = (
        "import sys; sys.argv = ['chapters']\n"
        'import runpy\n'
        "try: runpy.run_module('chapters', run_name='__main__')\n"
        'except SystemExit as end: assert not end.code\n'
        "assert not {'mxnet', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    status, output, errors = python('-c', code)
    assert (status, errors) == (0, '')
    assert 'python -m chapters NAME' in output


def test_an_unknown_chapter_has_status_2_and_no_traceback():
    status, output, errors = python('-m', 'chapters', 'no-such-chapter')
    assert status == 2 and output == ''
    assert 'There is no chapter' in errors and 'Traceback' not in errors

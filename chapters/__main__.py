"""List the chapters, or run one: `python -m chapters gaussian --num-epochs 3`."""

import ast
import difflib
import importlib
import re
import sys
from pathlib import Path

from chapters import ORDER

import click

HERE = Path(__file__).parent


def names():
    """Return the chapters in the order of reading."""
    found = sorted(file.stem for file in HERE.glob('*.py') if not file.stem.startswith('_'))
    return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def read(name):
    """Return a chapter's title, the sentence after it, and its `run`, without importing MXNet."""
    tree = ast.parse((HERE / f'{name}.py').read_text(encoding='utf-8'))
    heading, *paragraphs = (ast.get_docstring(tree) or name).split('\n\n')
    sentence = re.split(r'(?<=[.?!])\s', ' '.join(paragraphs[:1]), maxsplit=1)[0]
    run = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == 'run']
    literals = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            literals[node.targets[0].id] = node.value
    return heading.lstrip('# ').rstrip(), sentence, run[-1] if run else None, literals


def meanings(docstring):
    """Return what the docstring's section `Args:` says of each name."""
    section = re.search(r'^Args:\n((?:[ \t]+.*\n?|\n)*)', docstring + '\n', re.MULTILINE)
    found = {}
    for entry in re.split(r'\n(?=    \S)', section.group(1).rstrip() if section else ''):
        head, _, meaning = entry.strip().partition(':')
        for name in re.findall(r'\w+', head):
            found[name] = ' '.join(meaning.split())
    return found


def options(run, literals):
    """Return a flag for each keyword of `run`, with its default and meaning."""
    explained = meanings(ast.get_docstring(run) or '')
    args = run.args
    pairs = list(zip(reversed(args.args), reversed(args.defaults)))[::-1]
    for arg, default in [*pairs, *zip(args.kwonlyargs, args.kw_defaults)]:
        if arg.arg == 'callbacks':  # callables are for callers in Python
            continue
        if isinstance(default, ast.Name):
            default = literals[default.id]
        value = ast.literal_eval(default)
        kind = {'int': int, 'float': float, 'bool': bool}.get(getattr(arg.annotation, 'id', ''))
        if kind is None:
            kind = type(value) if isinstance(value, (bool, int, float)) else str
        flag = '--' + arg.arg.replace('_', '-')
        if kind is bool:
            flag += '/--no-' + flag[2:]
        meaning = explained.get(arg.arg, '')
        yield click.Option(
            [flag, arg.arg], type=kind, default=value, show_default=value is not None, help=meaning
        )


class Chapters(click.Group):
    """The chapters as commands; `mnist-leaky` and `mnist_leaky` are the same one."""

    def list_commands(self, ctx):
        """Return the chapters' names."""
        return names()

    def get_command(self, ctx, name):
        """Return the command that runs the chapter `name`, None where there is no such chapter."""
        name = name.replace('-', '_').lower()
        if name not in names():
            return None
        title, sentence, run, literals = read(name)
        if run is None:
            raise click.UsageError(f'chapters/{name}.py has no run() yet.')

        def callback(**keywords):
            start(name, keywords)

        settings = {'token_normalize_func': lambda flag: flag.replace('_', '-').lower()}
        return click.Command(
            name,
            context_settings=settings,
            callback=callback,
            params=list(options(run, literals)),
            help=f'{title}\n\n{sentence}',
            short_help=f'{title}. {sentence}',
        )

    def resolve_command(self, ctx, args):
        """Find the chapter in `args`, or fail with the nearest name."""
        if self.get_command(ctx, args[0]) is None:
            known = names()
            near = difflib.get_close_matches(args[0].replace('-', '_'), known, n=1, cutoff=0)
            ctx.fail(f'There is no chapter {args[0]!r}. Did you mean {near[0]!r}?')
        return super().resolve_command(ctx, args)


def start(name, keywords):
    """Run a chapter; what goes wrong by its own rules is one line and not a traceback."""
    try:
        importlib.import_module(f'chapters.{name}').run(**keywords)
    except KeyboardInterrupt:
        click.echo('Stopped.', err=True)
        sys.exit(130)
    except (ValueError, RuntimeError, OSError) as error:
        if sys.flags.dev_mode:  # python -X dev shows where it happened
            raise
        message = (str(error) or type(error).__name__).splitlines()[0]
        click.echo(f'Error: {message}', err=True)
        about_a_flag = isinstance(error, ValueError) and re.match(r'`(\w+)`', message)
        sys.exit(2 if about_a_flag and about_a_flag.group(1) in keywords else 1)


@click.group(cls=Chapters, invoke_without_command=True)
@click.pass_context
def main(ctx):
    """List the chapters, or run one of them with its own flags."""
    if ctx.invoked_subcommand is None:
        for name in names():
            click.echo(f'{name:16}{read(name)[0]}')
        click.echo('\npython -m chapters NAME runs one; with --help it explains its flags.')


if __name__ == '__main__':
    main(prog_name='python -m chapters')

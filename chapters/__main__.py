"""List the chapters, or run one: `python -m chapters gaussian --num-epochs 3`."""

import ast
import contextlib
import difflib
import importlib
import inspect
import itertools
import os
import re
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from chapters import ORDER

import click

HERE = Path(__file__).parent
# Where several processes train together; each is started with the same other flags.
TOGETHER = (
    (
        '--coordinator',
        str,
        'HOST:PORT of process 0, or auto where srun, mpirun or Kubernetes starts.',
    ),
    ('--num-processes', int, 'How many processes train together.'),
    ('--process-id', int, 'Which of them this is, from 0.'),
)


class Chapter(NamedTuple):
    """What can be read of a chapter without running it; functions are nodes of the syntax tree."""

    title: str
    sentence: str  # the one after the title
    run: ast.FunctionDef
    literals: dict  # constants at the top level
    common: ast.FunctionDef  # the function that `run` shares its other keywords with
    sample: ast.FunctionDef


def names():
    """Return the chapters in the order of reading."""
    found = sorted(file.stem for file in HERE.glob('*.py') if not file.stem.startswith('_'))
    return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def read(name):
    """Return the `Chapter` of this name, without importing MXNet."""
    tree = ast.parse((HERE / f'{name}.py').read_text(encoding='utf-8'))
    heading, *paragraphs = (ast.get_docstring(tree) or name).split('\n\n')
    sentence = re.split(r'(?<=[.?!])\s', ' '.join(paragraphs[:1]), maxsplit=1)[0]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    run, literals = functions.get('run'), {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            literals[node.targets[0].id] = node.value
    common = handed_on(tree, run) if run is not None and run.args.kwarg is not None else None
    title = heading.lstrip('# ').rstrip()
    return Chapter(title, sentence, run, literals, common, functions.get('sample'))


def handed_on(tree, run):
    """Return the function of the library that `run` hands its `**common` on to.

    The keywords that `run` has itself, or fills in, are left out of it.
    """
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules = {alias.name: node.module for node in imports for alias in node.names}
    given = lambda node: [keyword.arg for keyword in getattr(node, 'keywords', ())]
    call = next(node for node in ast.walk(run) if None in given(node))  # None stands for **
    package, *path = modules[call.func.id].split('.')
    file = Path(find_spec(package).submodule_search_locations[0], *path).with_suffix('.py')
    functions = ast.parse(file.read_text(encoding='utf-8')).body
    function = next(node for node in functions if getattr(node, 'name', '') == call.func.id)
    args, own = function.args, {*given(call), *(arg.arg for arg in run.args.args)}
    pairs = [(a, b) for a, b in zip(args.kwonlyargs, args.kw_defaults) if a.arg not in own]
    args.kwonlyargs, args.kw_defaults = zip(*pairs)
    return function


def meanings(docstring):
    """Return what the docstring's section `Args:` says of each name."""
    section = re.search(r'^Args:\n((?:[ \t]+.*\n?|\n)*)', docstring + '\n', re.MULTILINE)
    found = {}
    for entry in re.split(r'\n(?=    \S)', section.group(1).rstrip() if section else ''):
        head, _, meaning = entry.strip().partition(':')
        for name in re.findall(r'\w+', head):
            found[name] = ' '.join(meaning.split())
    return found


def options(chapter):
    """Yield a flag for each keyword of a chapter's `run`, with its default and meaning.

    Where there is a function `sample`, the flag --sample stands for it.
    """
    explained, pairs = {}, []
    for function in filter(None, (chapter.common, chapter.run)):
        explained.update(meanings(ast.get_docstring(function) or ''))
        args, own = function.args, list(zip(function.args.kwonlyargs, function.args.kw_defaults))
        if function is chapter.run:
            own = [*zip(args.args[-len(args.defaults) :], args.defaults), *own]
        pairs = own + pairs
    if chapter.sample is not None:
        own = asked({arg.arg for arg, _ in pairs}, chapter.sample)
        explained.update(meanings(ast.get_docstring(chapter.sample)) if own else {})
        pairs += own
    for arg, default in pairs:
        if arg.arg == 'callbacks':  # callables are for callers in Python
            continue
        if isinstance(default, ast.Name):
            default = chapter.literals[default.id]
        value = ast.literal_eval(default)
        kind = {'int': int, 'float': float, 'bool': bool}.get(getattr(arg.annotation, 'id', ''))
        if kind is None:
            kind = type(value) if isinstance(value, (bool, int, float)) else str
        flag = '--' + arg.arg.replace('_', '-')
        if kind is bool:
            flag += '/--no-' + flag[2:]
        meaning = explained.get(arg.arg, '')
        yield click.Option(
            [flag, arg.arg], type=kind, default=value, show_default=value is not None, help=meaning,
            callback=possible,
        )  # fmt: skip
    if chapter.sample is not None:
        meaning = ast.get_docstring(chapter.sample).split('\n\n')[0]
        yield click.Option(['--sample'], type=click.IntRange(1), help=meaning)


def together(chapter):
    """Yield the flags that let several processes train a chapter that can share its batches."""
    if any(option.name == 'devices' for option in options(chapter)):
        for flag, kind, meaning in TOGETHER:
            yield click.Option([flag], type=kind, help=meaning, callback=possible)


def asked(known, sample):
    """Return (argument, default) of what only a chapter's `sample` can be asked, `num` apart."""
    args = sample.args.args
    pairs = zip(args[-len(sample.args.defaults) :], sample.args.defaults)
    return [(arg, default) for arg, default in pairs if arg.arg not in {*known, 'num'}]


def possible(ctx, option, value):
    """Return a flag's value, or fail where no chapter could take it."""
    if value == '':  # as of a variable of the shell that is not set
        raise click.BadParameter('it is empty.')
    if option.name == 'seed' and value is not None and not 0 <= value < 2**32:
        raise click.BadParameter(f'{value} is not in the range 0 to {2**32 - 1}.')
    return value


class Chapters(click.Group):
    """The chapters as commands; `mnist-leaky` and `mnist_leaky` are the same one."""

    def list_commands(self, ctx):
        """Return the chapters' names, and then what plays many of their runs."""
        return [*names(), sweep.name]

    def get_command(self, ctx, name):
        """Return the command that runs the chapter `name`, None where there is no such chapter."""
        name = name.replace('-', '_').lower()
        if name == sweep.name:
            return sweep
        if name not in names():
            return None
        chapter = read(name)
        if chapter.run is None:
            raise click.UsageError(f'chapters/{name}.py has no run() yet.')

        def callback(**keywords):
            start(name, keywords)

        settings = {'token_normalize_func': lambda flag: flag.replace('_', '-').lower()}
        return click.Command(
            name,
            context_settings=settings,
            callback=callback,
            params=[*options(chapter), *together(chapter)],
            help=f'{chapter.title}\n\n{chapter.sentence}',
            short_help=f'{chapter.title}. {chapter.sentence}',
        )

    def resolve_command(self, ctx, args):
        """Find the chapter in `args`, or fail with the nearest name."""
        if self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0].replace('-', '_'), known, n=1, cutoff=0)
            ctx.fail(f'There is no chapter {args[0]!r}. Did you mean {near[0]!r}?')
        return super().resolve_command(ctx, args)


def only_sample(name):
    """Return the keywords of a chapter that say what to sample, not how to run."""
    found = read(name)
    functions = [f for f in (found.common, found.run) if f is not None]
    known = {a.arg for f in functions for a in (*f.args.args, *f.args.kwonlyargs)}
    return [arg.arg for arg, _ in asked(known, found.sample)] if found.sample else []


def start(name, keywords):
    """Run a chapter; what goes wrong by its own rules is one line and not a traceback."""
    for stream in 'stdout', 'stderr':
        if getattr(sys, stream) is None:  # closed, as in `2>&-`: what is said to it is not for us
            setattr(sys, stream, open(os.devnull, 'w'))  # noqa: SIM115 - for as long as we run
    if sys.stderr.isatty():
        click.echo('Loading MXNet, then setting up ...', err=True)
    with in_one_line({*keywords}):  # of which some are taken out on the way
        chapter, sample = importlib.import_module(f'chapters.{name}'), keywords.pop('sample', None)
        joined = [keywords.pop(flag[2:].replace('-', '_'), None) for flag, *_ in TOGETHER]
        if joined[0] is not None:
            importlib.import_module('d2l_gan.cluster').join(*joined, once=True)
        elif joined != [None] * 3:
            raise ValueError('`coordinator` is None; it must say where process 0 is, HOST:PORT')
        if sample is None:
            others = only_sample(name)
            for flag in others:
                if keywords[flag] is not None:
                    raise ValueError(f'`{flag}` is {keywords[flag]}; it must come with --sample')
            chapter.run(**{k: v for k, v in keywords.items() if k not in others})
            if joined[0] is not None and sys.modules['d2l_gan.cluster'].team() is not None:
                sys.modules['d2l_gan.cluster'].team().finish()
        else:
            known = inspect.signature(chapter.sample).parameters
            chapter.sample(sample, **{k: v for k, v in keywords.items() if k in known})


@contextlib.contextmanager
def in_one_line(keywords):
    """Let what goes wrong by our own rules be one line, with status 2 where a flag is to blame."""
    try:
        yield
    except SystemExit as stop:
        end(stop.code, 'it was asked to stop')
    except KeyboardInterrupt:
        click.echo('Stopped.', err=True)
        end(130, 'it was interrupted')
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        if sys.flags.dev_mode:  # python -X dev shows where it happened
            raise
        message = (str(error) or type(error).__name__).splitlines()[0]
        if isinstance(error, ImportError) and error.name == 'mxnet':
            message = sys.modules['d2l_gan._environment'].missing()
        if isinstance(error, ImportError) and error.name == 'jax':
            message = "this chapter needs JAX: pip install 'd2l_gan[xla]'"
        click.echo(f'Error: {message}', err=True)
        about_a_flag = isinstance(error, ValueError) and re.match(r'`(\w+)`', message)
        end(2 if about_a_flag and about_a_flag.group(1) in keywords else 1, message)


def end(status, reason):
    """End this process, and let others that train with it know why."""
    cluster = sys.modules.get('d2l_gan.cluster')
    if cluster is not None and cluster.team() is not None:
        cluster.team().leave(status, reason)
    sys.exit(status)


def seeds_in(ctx, option, text):
    """Return the seeds that '0-99' or '0-4,7' names, in order and each once."""
    found = []
    for part in text.split(','):
        ends = re.fullmatch(r'\s*(\d+)(?:-(\d+))?\s*', part)
        first, last = (int(end or ends.group(1)) for end in ends.groups()) if ends else (1, 0)
        if not first <= last < 2**32:
            raise click.BadParameter(
                f'`seeds` is {text!r}; it must be numbers and ranges such as 0-99 or 0-4,7, below '
                f'{2**32}'
            )
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def settings_in(chapter, changes):
    """Return every combination of what '--set NAME=VALUE,VALUE' names, as a list of dicts.

    A value must be of the type of the chapter's flag; the word default stands for its default.
    """
    flags = {flag.name: flag for flag in options(read(chapter))}
    for own in ('seed', 'out', 'resume', 'show', 'film', 'sample'):  # the sweep's, or of no use
        flags.pop(own, None)
    lists = {}
    for change in changes:
        name, equals, values = change.partition('=')
        name = name.strip().lstrip('-').replace('-', '_')
        if name not in flags:
            near = difflib.get_close_matches(name, flags, n=1)
            hint = f'did you mean {near[0]!r}?' if near else f'there are {", ".join(flags)}'
            raise click.BadParameter(f'`{name}` is no flag to sweep of {chapter}; {hint}')
        if not equals or name in lists:
            rule = 'given once, with all its values' if equals else f'as in {name}=1,2'
            raise click.BadParameter(f'`{name}` is {values!r}; it must be {rule}')
        kind, found = flags[name].type, []
        for value in (value.strip() for value in values.split(',')):
            try:
                if not value:
                    raise click.BadParameter('it is empty')
                default = value == 'default'
                found.append(flags[name].default if default else kind.convert(value, None, None))
            except click.BadParameter:
                rule = {'integer': 'an integer', 'float': 'a number', 'boolean': 'true or false'}
                rule = rule.get(kind.name, 'some text')
                raise click.BadParameter(f'`{name}` is {value!r}; it must be {rule}') from None
        lists[name] = list(dict.fromkeys(found))
    return [dict(zip(lists, values)) for values in itertools.product(*lists.values())]


@click.command('sweep', short_help='Play many runs of a chapter: seeds and settings.')
@click.argument('chapter')
@click.option('--seeds', default='0-9', show_default=True, callback=seeds_in,
              help='Which seeds, as in 0-99 or 0-4,7.')  # fmt: skip
@click.option('--set', 'changes', multiple=True, metavar='NAME=VALUE,...',
              help="Values of one of the chapter's flags; may be given for several flags, and then "
              'every combination is played. The word default stands for what the flag is without.'
              )  # fmt: skip
@click.option('--workers', type=click.IntRange(1), help='Processes of one core each.  [default: '
              'as many as there are cores]')  # fmt: skip
@click.option('--timeout', type=click.FloatRange(0, min_open=True), metavar='SECONDS',
              help='Kill a worker of this machine whose run, or whose group with --together, has '
              'not ended by then, and try once more.')  # fmt: skip
@click.option('--cluster', metavar='ADDRESS', callback=possible,
              help="Play on a Dask cluster instead, as in tcp://scheduler:8786.")  # fmt: skip
@click.option('--together', is_flag=True, help='Play all seeds of a setting side by side, in one '
              "program of XLA, where the chapter can; numbers are those of its engine 'xla'."
              )  # fmt: skip
@click.option('--retry', is_flag=True, help='Play again what has failed.')
@click.option('--out', callback=possible, help='Directory for runs.jsonl and the figure.  [default: '
              'build/sweep/CHAPTER]')  # fmt: skip
def sweep(chapter, seeds, changes, workers, timeout, cluster, together, retry, out):
    """Play a chapter with many seeds and settings.

    Writes runs.jsonl, a line of JSON a run, prints a table and draws sweep.png. What is done is not
    done again: after an interruption, the same command goes on.
    """
    chapter = chapter.replace('-', '_').lower()
    if chapter not in names():
        near = difflib.get_close_matches(chapter, names(), n=1, cutoff=0)
        raise click.UsageError(f'There is no chapter {chapter!r}. Did you mean {near[0]!r}?')
    if cluster and (workers or timeout):
        raise click.UsageError(
            '--workers and --timeout are of this machine; a cluster has its own.'
        )
    settings = settings_in(chapter, changes)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with in_one_line({name for setting in settings for name in setting}):
        from d2l_gan import sweep as library

        run = read(chapter).run
        known = {flag.name for flag in options(read(chapter))}
        extra = {'out': None, **({'film': False} if 'film' in known else {})}
        target = f'chapters.{chapter}:run'
        callbacks = 'callbacks' in {arg.arg for arg in [*run.args.args, *run.args.kwonlyargs]}
        failed = library.command(
            target + '_many' * together, settings, seeds, workers, cluster, out, timeout, retry=retry,
            extra={} if together else extra,
            rehearsal=(target, extra) if callbacks or run.args.kwarg else None,
        )  # fmt: skip
    sys.exit(1 if failed else 0)


@click.group(cls=Chapters, invoke_without_command=True)
@click.pass_context
def main(ctx):
    """List the chapters, or run one of them with its own flags."""
    if ctx.invoked_subcommand is None:
        for name in names():
            click.echo(f'{name:16}{read(name)[0]}')
        click.echo(f'\n{sweep.name:16}{sweep.short_help}')
        click.echo(f'\n{ctx.command_path} NAME runs one; with --help it explains its flags.')


if __name__ == '__main__':
    main(prog_name='python -m chapters')

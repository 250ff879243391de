"""Play many runs, by seeds and settings, and keep one line of JSON for each in runs.jsonl.

A run is known by what plays it, its arguments and its seed, and stands in the file once, however
often the sweep was interrupted. `python -m chapters sweep` is this module as a command.
"""

import ast
import contextlib
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from d2l_gan import files, speak
from d2l_gan.speak import tell

import filelock

NAME = 'runs.jsonl'
SCRATCH = '.scratch'  # in the directory of a sweep: what its runs write and nobody keeps
GROUP = 25  # seeds that one program plays side by side, and that a kill can cost
_alone = threading.Lock()  # seeds and printing belong to a process, so a process plays one run


def key(run):
    """Return what tells a run from all others, as text."""
    return json.dumps([run['target'], run['arguments'], run['seed']], sort_keys=True)


class Runs:
    """The runs in a directory; one process at a time may add to them.

    A line is on the disk before `add` returns. What a kill has left of a line is taken away.

    Args:
        out: the directory.
    """

    def __init__(self, out):
        self.out, self.path = Path(out), Path(out) / NAME
        self.lock = filelock.FileLock(str(self.out / '.lock'), timeout=0)

    def __enter__(self):
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            self.lock.acquire()
        except filelock.Timeout:
            raise RuntimeError(f'`{self.out}` is in use by another sweep') from None
        try:
            self.runs = {key(run): run for run in self._read()}
        except BaseException:
            self.lock.release()
            raise
        return self

    def __exit__(self, *problem):
        """Let another process have the directory."""
        self.lock.release()

    def _read(self):
        """Return the runs in the file, once it ends with a whole line."""
        if not os.path.lexists(self.path):
            files.write_whole(self.path, '')
        if not files.is_ours(self.path):
            raise ValueError(f'`{self.path}` is not a file of ours; another directory may serve')
        *lines, torn = self.path.read_bytes().split(b'\n')
        runs = []
        for number, line in enumerate(lines, 1):
            try:
                runs.append(json.loads(line.decode()))
                key(runs[-1])
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f'`{self.path}` is no list of runs in line {number}; mend or remove that line'
                ) from None
        if torn:
            files.write_whole(self.path, b''.join(line + b'\n' for line in lines))
        return runs

    def add(self, runs):
        """Append runs that have ended, and return when the disk has them."""
        new = {key(run): run for run in runs if key(run) not in self.runs}
        data = ''.join(json.dumps(run, allow_nan=False) + '\n' for run in new.values()).encode()
        with open(self.path, 'r+b') as file:
            end = file.seek(0, os.SEEK_END)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, end)
                raise OSError(f'`{self.path}` cannot be written: {error.strerror}') from error
        self.runs.update(new)

    def forget_failures(self):
        """Take the runs that failed out of the file, so that they are played again."""
        self.runs = {name: run for name, run in self.runs.items() if run['error'] is None}
        lines = (json.dumps(run, allow_nan=False) + '\n' for run in self.runs.values())
        files.write_whole(self.path, ''.join(lines))


class _Enough(Exception):
    """Ends a rehearsal."""


class _Rehearsal:
    """A callback that ends a run before its first step, when all of it has been checked."""

    def begin(self, game):
        raise _Enough

    def __call__(self, game):
        """Do nothing: no epoch is played."""


def _call(target, keywords, extra):
    """Call a function by name, with nothing printed and nothing kept; return what it returns."""
    module, name = target.split(':')
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone)
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        function = getattr(importlib.import_module(module), name)
        if 'mxnet' in sys.modules:
            from mxnet import npx

            npx.set_np()  # it is thread-local, and a cluster's worker has threads
        extra = dict(extra)
        if 'out' in extra:
            extra['out'] = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return function(**keywords, **extra)


def rehearse(target, arguments, seed, extra):
    """Begin a run and stop before its first step; raise what is wrong with its arguments."""
    with contextlib.suppress(_Enough):
        _call(target, {**arguments, 'seed': seed}, {**extra, 'callbacks': (_Rehearsal(),)})


def play(target, arguments, seeds, extra):
    """Play a run, or several seeds side by side; return their lines of runs.jsonl, as dicts.

    Args:
        target: 'module:function'. It is handed `arguments` and `seed`, and returns the scores, or
            what has them as `scores`. Where it is called `run_many`, it is handed `seeds` instead
            and returns the scores of each.
        arguments: what tells this setting from others; JSON.
        seeds: list of ints, one unless they are played side by side.
        extra: further keywords, the same for all runs. `out` is replaced by a directory that is
            removed after the run.
    """
    together, error, found = target.endswith(':run_many'), None, [None] * len(seeds)
    start = time.perf_counter()
    try:
        keywords = {'seeds': seeds} if together else {'seed': seeds[0]}
        result = _call(target, {**arguments, **keywords}, extra)
        found = list(result) if together else [getattr(result, 'scores', result)]
        found = json.loads(json.dumps(found, allow_nan=False, default=float))
        for scores in found:  # these stand beside them
            scores.pop('versions', None)
            scores.pop('seed', None)
    except Exception as problem:
        found, error = [None] * len(seeds), in_short(problem)
    told = {
        'seconds': (time.perf_counter() - start) / len(seeds), 'versions': files.versions(),
        'error': error,
    }  # fmt: skip
    return [line(target, seed, arguments, scores, **told) for seed, scores in zip(seeds, found)]


def line(target, seed, arguments, scores=None, seconds=None, versions=None, error=None):
    """Return what runs.jsonl says of a run, as a dict."""
    return {
        'target': target, 'seed': seed, 'arguments': arguments, 'scores': scores,
        'seconds': seconds, 'versions': versions, 'error': error,
    }  # fmt: skip


def in_short(problem):
    """Return an exception in one line."""
    first = (str(problem).strip() or 'no reason given').splitlines()[0]
    return f'{type(problem).__name__}: {first}'


def sweep(target, settings, seeds, pool, runs, extra=None, retry=False, rehearsal=None):
    """Play what is missing of every setting with every seed; return the lines of all, in order.

    Args:
        target: see `play`.
        settings: list of dicts, the arguments that change.
        seeds: list of ints.
        pool: who plays, a `workers.Local` or `workers.Cluster`.
        runs: an open `Runs`.
        extra: see `play`.
        retry: play again what has failed; otherwise it stays as it is.
        rehearsal: (target, extra) of a run that takes `callbacks`: one of each setting is begun
            first and stopped before its first step, so that what cannot be right is told before
            any run.

    Raises:
        ValueError: for a setting that fails in the rehearsal.
    """
    extra = {} if extra is None else extra
    if retry:
        runs.forget_failures()
    every = [[line(target, seed, setting) for seed in seeds] for setting in settings]
    jobs, fresh = [], []
    for setting, several in zip(settings, every):
        missing = [run['seed'] for run in several if key(run) not in runs.runs]
        size = GROUP if target.endswith(':run_many') else 1
        groups = [missing[i : i + size] for i in range(0, len(missing), size)]
        jobs += [(target, setting, group, extra) for group in groups]
        if missing and len(missing) == len(seeds):
            fresh.append(setting)
    if rehearsal is not None:
        name, keywords = rehearsal
        tried = [(name, setting, seeds[0], keywords) for setting in fresh]
        for _, outcome in pool.outcomes(rehearse, tried):
            if isinstance(outcome, Exception):
                raise outcome
    total = len(settings) * len(seeds)
    done = total - sum(len(group) for _, _, group, _ in jobs)
    if done:
        tell(f'{done} of {total} runs are done already, in `{runs.path}`.')
    with speak.bar(total=total, initial=done, unit=' runs', leave=False) as bar:
        for (_, setting, group, _), outcome in pool.outcomes(play, jobs):
            if isinstance(outcome, ImportError):  # not the run's: the worker lacks this package
                raise RuntimeError(f'a worker cannot import what it must: {outcome}')
            if isinstance(outcome, Exception):
                wrong = in_short(outcome)
                outcome = [line(target, seed, setting, error=wrong) for seed in group]
            runs.add(outcome)
            before, done = done, done + len(group)
            bar.update(len(group))
            if not speak.in_terminal() and (10 * done // total > 10 * before // total):
                tell(f'{done} of {total} runs')
    return [runs.runs[key(run)] for several in every for run in several]


def command(target, settings, seeds, workers, cluster, out, timeout=None, **rules):
    """Do what `python -m chapters sweep` does; return how many runs have failed.

    Args:
        target, settings, seeds: see `sweep`.
        workers: processes of this machine; None takes as many as there are cores.
        cluster: address of a Dask scheduler, or None.
        out: directory; None is build/sweep/CHAPTER.
        timeout: see `workers.Local`.
        rules: further arguments of `sweep`.
    """
    from d2l_gan import _environment, plots, summary
    from d2l_gan import workers as pools

    module, name = target.split(':')
    if name == 'run_many':
        known = _arguments(module, name)
        if known is None:
            raise ValueError(f'`together` must be left out: {module} plays one run at a time')
        for argument in settings[0]:
            if argument not in known:
                raise ValueError(f'`{argument}` must be left out: `together` does not know it')
    out = files.output_dir('sweep') / module.split('.')[-1] if out is None else Path(out)
    with Runs(out) as runs:
        shutil.rmtree(out / SCRATCH, ignore_errors=True)  # of a sweep that was killed
        pool = pools.Cluster(cluster) if cluster else pools.Local(
            workers or _environment.openmp_threads(), out / SCRATCH, timeout
        )  # fmt: skip
        try:
            with pool:
                found = sweep(target, settings, seeds, pool, runs, **rules)
        finally:
            shutil.rmtree(out / SCRATCH, ignore_errors=True)
        tell(summary.table(found), result=True)
        plots.save(summary.figure(found), out / 'sweep.png')
    failed = [run for run in found if run['error'] is not None]
    tell(f'Written: `{runs.path}` and `{out / "sweep.png"}`.')
    if failed:
        first = failed[0]
        tell(
            f'{len(failed)} of {len(found)} runs failed, with seed {first["seed"]} and '
            f'{summary.label(first["arguments"])}: {first["error"]}; --retry plays them again.'
        )
    return len(failed)


def _arguments(module, name):
    """Return the arguments of a module's function, None without; it is read, not run."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding='utf-8'))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return {arg.arg for arg in node.args.args}
    return None

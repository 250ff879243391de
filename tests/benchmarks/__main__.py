"""Time a training step beside the textbook's code and PyTorch, in one go.

Each form of each system is a process of its own, kept alive; in every round each plays for a moment
in turn, so that whatever else the machine does falls on all alike. What is printed are medians over
the rounds, and medians of the ratios within a round. Results go to build/bench/, the table into the
README between its two markers, and the plot of the growth to the book.
"""

import contextlib
import importlib.util
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from d2l_gan import words
from tests.benchmarks.feeding import images_per_second
from tests.benchmarks.systems import SYSTEMS, grown, multiply_adds

import click

ROOT = Path(__file__).parents[2]
OUT = ROOT / 'build' / 'bench'
TORCH = 'torch==2.13.0'
FORMS = {
    'textbook': "the textbook's code",
    'updates': 'ours, update by update',
    'static': 'ours, compiled',
    'xla': 'ours, on XLA',
    'jit': 'JAX by hand, jit a step',
    'scan': 'JAX by hand, scan',
    'given': 'JAX by hand, scan, our noise',
    'eager': 'PyTorch',
    'fused': 'PyTorch, fused Adam',
    'last': 'PyTorch, channels last',
    'compiled': 'PyTorch, compiled',
}
PYTORCH = 'eager', 'fused', 'last', 'compiled'  # the last two have fused Adam, too
PRODUCTS = 'multiply', 'product'  # of large matrices: PyTorch's and MXNet's
PICTURES = 'textbook', 'updates', 'static', *PYTORCH, *PRODUCTS  # the forms of convolutions
# What `engine='xla'` must gain over 'symbol', with JAX 0.7 or newer and with 0.4.
XLA = {
    'gaussian': (6, 12), 'sine': (2, 1.6), 'mnist_leaky': (1.1, 0.95), 'mnist_deep': (1.1, 0.95),
}  # fmt: skip
# (system, threads) -> what must hold: ratio of two forms' times, at least so much.
TARGETS = [
    ('gaussian', 'textbook', 12), ('gaussian', 'eager', 3.5), ('sine', 'eager', 2),
    ('mnist_leaky', 'textbook', 2.2), ('mnist_leaky', 'eager', 1.3),
]  # fmt: skip


def pytorch(cuda=False):
    """Return the interpreter of an environment with PyTorch, made if need be; None if it cannot."""
    home = OUT / ('torch-cuda' if cuda else 'torch')
    python = home / 'bin' / 'python'
    if not (home / 'ready').exists():
        candidates = [sys.executable, *(shutil.which(f'python3.{n}') for n in (11, 12, 13, 10))]
        test = 'import sys; sys.exit(sys.version_info < (3, 10))'
        able = [p for p in candidates if p and subprocess.call([p, '-c', test]) == 0]
        if not able:
            click.echo('PyTorch 2.13 needs Python 3.10 or newer, and there is none here', err=True)
            return None
        kind = 'CUDA' if cuda else 'the CPU'
        click.echo(f'Installing {TORCH} for {kind} into {home.relative_to(ROOT)}', err=True)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.check_call([able[0], '-m', 'venv', str(home)])
        index = ['--extra-index-url', 'https://download.pytorch.org/whl/cpu', '--retries', '1']
        pip = [str(python), '-m', 'pip', 'install', '--quiet', TORCH, 'numpy']
        if subprocess.call(pip) and (cuda or subprocess.call(pip + index)):
            click.echo('PyTorch could not be installed: its columns stay empty', err=True)
            return None
        (home / 'ready').touch()
    return str(python)


class Player:
    """A process that plays one form of one system, on the `device` if it can."""

    def __init__(self, form, system, threads, torch=None, device='cpu', **env):
        modules = {'textbook': 'textbook', 'updates': 'ours', 'static': 'ours', 'xla': 'ours',
                   'jit': 'by_hand', 'scan': 'by_hand', 'given': 'by_hand',
                   'product': 'ours', 'free': 'ours'}  # fmt: skip
        python = sys.executable if form in modules else torch
        module = f'tests.benchmarks.{modules.get(form, "pytorch")}'
        self.said, self.form = tempfile.TemporaryFile('w+'), form  # noqa: SIM115 - see close
        self.process = subprocess.Popen(
            [python, '-W', 'ignore', '-m', module, json.dumps(system), form, device],
            cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
            env=dict(os.environ, OMP_NUM_THREADS=str(threads), NPROC=str(threads),  # XLA's
                     PYTHONPATH=str(ROOT), **env),
        )  # fmt: skip

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            last = ['nothing', *self.said.read().split('\n')]
            raise RuntimeError(f'{self.form} ended early: {[s for s in last if s.strip()][-1]}')
        return json.loads(line)

    def play(self, seconds):
        """Return microseconds per step, and the process's peak memory."""
        print(seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.said.close()


def race(system, forms, threads, torch, rounds, seconds, device='cpu', optional=()):
    """Return {form: {'us': one per round, 'memory': MB}}; without those `optional` that fail."""
    found = {form: {'us': []} for form in forms}
    with contextlib.ExitStack() as stack:
        players = {}
        for form in forms:
            players[form] = Player(form, system, threads, torch, device)
            stack.callback(players[form].close)
        for form, player in players.items():  # they have started side by side
            try:
                player.answer()
            except RuntimeError as error:
                if form not in optional:
                    raise
                click.echo(error, err=True)
                del found[form]
        forms = [*found]
        for n in range(rounds):
            order = forms[n % len(forms) :] + forms[: n % len(forms)]
            for form in order:
                answer = players[form].play(seconds)
                found[form]['us'].append(answer['us'])
                found[form]['memory'] = answer['memory'] / 1024
    return found


def starts(system, rounds):
    """Return seconds until an epoch is over: compiled by MXNet, by XLA, and by XLA once more.

    Medians over the rounds; each has a process and a cache directory of its own, but for the last,
    which finds what the one before has compiled.
    """
    found = {'static': [], 'first': [], 'second': []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            for name, times in found.items():
                form = 'static' if name == 'static' else 'xla'
                player = Player(form, system, 1, XDG_CACHE_HOME=cache)
                times.append(player.answer()['first'])
                player.close()
    return {name: statistics.median(times) for name, times in found.items()}


def ratio(race, form, to):
    """Return the median over the rounds of how many times longer `form` takes than `to`."""
    return statistics.median(a / b for a, b in zip(race[form]['us'], race[to]['us']))


def median(race, form):
    return statistics.median(race[form]['us']) if form in race else float('nan')


def floor(system, race, products=PRODUCTS):
    """Return microseconds for a step's multiply-adds at the rate of the fastest matrix product."""
    fastest = min(median(race, form) for form in products if form in race)
    return multiply_adds(system) / 1024**3 * fastest


CHAPTER = """
import json, sys, time
start = time.perf_counter()
from chapters import gaussian
imported = time.perf_counter()
result = gaussian.run(out=sys.argv[1])
done = time.perf_counter()
games = sum(1000 / result.history.examples_per_sec)
print(json.dumps([imported - start, games, done - imported - games]))
"""


IMPORT = """
import sys, time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""


def chapter(rounds):
    """Return medians of where the time of the Gaussian chapter's command goes, in seconds.

    And that of `import d2l_gan.train`, and, in the same rounds, of MXNet alone, as MXNet does it.
    """
    command, parts, train, mxnet = [], [], [], []
    for _ in range(rounds):
        for module, times in ('d2l_gan.train', train), ('mxnet', mxnet):
            # What a new NumPy lacks must be there; the rest of the import is left as it is.
            code = IMPORT.format(module)
            if module == 'mxnet':
                code = 'import numpy\nfrom d2l_gan import _environment\n' + code.replace(
                    'start =', 'sys.meta_path.remove(_environment._Finder)\nstart =', 1
                )
            done = subprocess.run(
                [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
            )
            times.append(float(done.stdout))
        with tempfile.TemporaryDirectory() as out:
            run = {'cwd': ROOT, 'capture_output': True, 'text': True, 'check': True}
            start = time.perf_counter()
            subprocess.run([sys.executable, '-m', 'chapters', 'gaussian', '--out', out], **run)
            command.append(time.perf_counter() - start)
            answer = subprocess.run([sys.executable, '-c', CHAPTER, out], **run).stdout
            parts.append(json.loads(answer.splitlines()[-1]))
    imports, games, rest = (statistics.median(p) for p in zip(*parts))
    return {
        'command': statistics.median(command), 'imports': imports, 'training': games,
        'figures': rest, 'train': statistics.median(train), 'mxnet': statistics.median(mxnet),
    }  # fmt: skip


def growth(torch, rounds, seconds):
    """Return ({'batch_size': {n: {form: examples/s}}, 'hidden': ...}, least lead), on one thread.

    The least lead: how many times as long the next best form takes where ours leads by least.
    """
    leads = []
    forms = ['updates', 'static'] + (['eager', 'fused'] if torch else [])
    found = {}
    for name, sizes in (
        ('batch_size', (8, 32, 128, 512, 2048)),
        ('hidden', (64, 128, 256, 512, 1024, 2048)),
    ):
        for n in sizes:
            system = grown(**{name: n})
            played = race(system, forms, 1, torch, rounds, seconds)
            rates = {form: 1e6 * system['batch_size'] / median(played, form) for form in forms}
            found.setdefault(name, {})[n] = rates
            leads.append(min(ratio(played, form, 'static') for form in forms if form != 'static'))
            click.echo(f'{name:>10} {n:>5}: ' + rates_in_words(rates))
    return found, min(leads)


def rates_in_words(rates):
    return ', '.join(f'{FORMS[form]} {rate:,.0f}' for form, rate in rates.items()) + ' examples/s'


def draw(found, file):
    """Plot how cost grows with the batch and with the width of the hidden layers."""
    from matplotlib import ticker
    from matplotlib.figure import Figure

    fig = Figure(figsize=(8, 3.2), layout='constrained')
    for axes, (name, points) in zip(fig.subplots(1, 2), found.items()):
        for form in next(iter(points.values())):
            axes.plot(list(points), [rates[form] for rates in points.values()], marker='.',
                      label=FORMS[form])  # fmt: skip
        axes.set(xscale='log', yscale='log', ylabel='examples/s',
                 xlabel={'batch_size': 'batch size', 'hidden': 'hidden units'}[name])  # fmt: skip
        axes.set_xticks(list(points), [str(n) for n in points])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with words.lettering(fig):
        fig.savefig(file)


def table(results):
    """Return the tables of the README, in Markdown: of dense networks, and of convolutions."""
    kinds = {}
    for name, by_threads in results['systems'].items():
        kinds.setdefault('picture' in SYSTEMS[name], {})[name] = by_threads
    return '\n\n'.join(_table(systems) for systems in kinds.values())


def _table(systems):
    played = [by_threads['1'] for by_threads in systems.values()]
    forms = [f for f in FORMS if any(f in race for race in played)]
    lines = [
        '| system, threads | ' + ' | '.join(FORMS[form] for form in forms) + ' | floor |',
        '| --- |' + ' ---: |' * (len(forms) + 1),
    ]
    for name, by_threads in systems.items():
        for threads, played in by_threads.items():
            cells = [
                f'{median(played, form):,.0f}'
                + (f' ({in_digits(ratio(played, form, "static"))}×)' if form != 'static' else '')
                if form in played
                else ''
                for form in forms
            ]
            least = floor(SYSTEMS[name], played) if {*PRODUCTS} & {*played} else None
            cells.append(
                '' if least is None else f'{least:,.3g}' if least < 100 else f'{least:,.0f}'
            )
            lines.append(f'| {name}, {threads} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def in_digits(number):
    """Return a ratio with as many digits as tell it from 1."""
    return f'{number:.1f}' if number >= 1.05 else f'{number:.2f}'


def starts_in_words(found):
    """Return a paragraph on what `starts` has found for each system, or '' without."""
    if not found:
        return ''
    rows = [f'{name} ' + ', '.join(f'{t:.1f}' for t in row.values()) for name, row in found.items()]
    return f"""
XLA compiles a game when it first meets it, and keeps that. Seconds until the first
epoch is over, with MXNet, with XLA for the first time, and for the second: {'; '.join(rows)}.
"""


def page(results):
    """Return what the README says between its markers."""
    parts, memory = results['chapter'], results['memory']
    text = f"""
Microseconds a step, median of {results['rounds']} interleaved rounds on {results['machine']}; in
brackets, how many times as long as ours, compiled. The floor is the arithmetic alone: the
multiply-adds of a step at the rate of the quicker large matrix product, PyTorch's or MXNet's.

{table(results)}

Peak memory of a run, as multiples of the textbook's: {memory}.
Feeding MNIST in batches of 100: {results['feeding']['Batches']:,.0f} images/s, with Gluon's
`DataLoader` {results['feeding']['DataLoader']:,.0f}.
Over batches of 8 to 2048 and hidden layers of 64 to 2048 units, on one thread, the next best form
takes at least {results['lead']:.2f} times as long as ours, compiled.
{starts_in_words(results.get('starts', {}))}
The whole command `python -m chapters gaussian` takes {parts['command']:.1f} s:
{parts['imports']:.1f} s to import, {parts['training']:.1f} s to train for 20 epochs,
{parts['figures']:.1f} s for set-up, figures, film and scores. `import d2l_gan.train` takes
{parts['train']:.1f} s, `import mxnet` without it {parts['mxnet']:.1f} s.

`make bench` measures all this anew and writes it here.
"""
    return text.strip()


def check(results):
    """Yield (sentence, whether it holds) for each target."""
    one = {name: by_threads['1'] for name, by_threads in results['systems'].items()}
    for name, form, least in TARGETS:
        if form in one.get(name, {}):
            found = ratio(one[name], form, 'static')
            yield f'{name}: {found:.1f} times as fast as {form}, wanted {least}', found >= least
    for name, played in one.items():
        rivals = [form for form in PYTORCH if form in played and 'picture' in SYSTEMS[name]]
        if rivals:
            found = min(ratio(played, form, 'static') for form in rivals)
            yield f'{name}: {found:.2f} times as fast as the best PyTorch, wanted 1.2', found >= 1.2
    for name, (new, old) in XLA.items():
        if 'xla' in one.get(name, {}):
            least = old if metadata.version('jax').startswith('0.4') else new
            found = ratio(one[name], 'static', 'xla')
            yield (
                f'{name}: XLA {found:.2f} times as fast as compiled, wanted {least}',
                found >= least,
            )
            for form in 'scan', 'given':
                beside = ratio(one[name], form, 'xla')
                yield f'{name}: XLA {beside:.2f} of {FORMS[form]}, wanted 0.87', beside >= 0.87
    for name, times in results.get('starts', {}).items():
        paid = times['second'] - times['static']
        yield f'{name}: a second start on XLA pays {paid:.2f} s, wanted at most 0.5', paid <= 0.5
    if 'multiply' in one.get('mnist_leaky', {}):
        played = one['mnist_leaky']
        over = median(played, 'static') / floor(SYSTEMS['mnist_leaky'], played, ['multiply'])
        yield f'mnist_leaky: {over:.2f} times the floor of PyTorch, wanted at most 1.5', over <= 1.5
        every = list(results['systems']['mnist_leaky'].values())[-1]
        found = min(ratio(every, form, 'static') for form in ('eager', 'fused'))
        yield f'mnist_leaky, all threads: {found:.2f} of the better PyTorch, wanted 1', found >= 1
    for name, played in one.items():
        found = played['static']['memory'] / played['textbook']['memory']
        yield f'{name}: {found:.2f} of the memory, wanted at most 1.3', found <= 1.3
    seconds = results['chapter']['command']
    lead, rate = results['lead'], results['feeding']['Batches']
    yield f'growth: at worst {lead:.2f} times as fast as the next best, wanted 1', lead >= 1
    yield f'feeding: {rate:,.0f} images/s, wanted 250,000', rate >= 250_000
    yield f'the chapter takes {seconds:.1f} s, wanted at most 5.5', seconds <= 5.5
    share = results['chapter']['train'] / results['chapter']['mxnet']
    yield f'd2l_gan.train takes {share:.2f} of the import of MXNet, wanted 0.7', share <= 0.7


def suited(forms, name):
    """Return those of some forms that a system is timed in."""
    dense = [form for form in forms if form not in ('last', 'compiled')]
    return [f for f in forms if f in PICTURES] if 'picture' in SYSTEMS[name] else dense


def machine():
    """Return the processor's name and the number of threads."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        found = re.search(r'model name\s*: (.*)', Path('/proc/cpuinfo').read_text())
        name = found.group(1) if found else name
    return f'{name}, {os.cpu_count()} hardware threads'


@click.command()
@click.option('--rounds', default=5, show_default=True, help='interleaved rounds')
@click.option('--seconds', default=0.6, show_default=True, help='that each form plays in a round')
@click.option('--system', 'systems', multiple=True, type=click.Choice(list(SYSTEMS)),
              help='only this one; leaves README and JSON alone')  # fmt: skip
@click.option(
    '--threads', multiple=True, type=click.IntRange(1), help='only so many, with --system'
)
def main(rounds, seconds, systems, threads):
    """Time a training step beside the textbook's code and PyTorch."""
    OUT.mkdir(parents=True, exist_ok=True)
    torch = pytorch()
    missing = set() if torch else {*PYTORCH}
    missing |= set() if importlib.util.find_spec('jax') else {'xla', 'jit', 'scan', 'given'}
    forms = [f for f in FORMS if f not in missing] + ['multiply'] * bool(torch) + ['product']
    threads = sorted(set(systems and threads) or {1, os.cpu_count()})
    results = {'machine': machine(), 'rounds': rounds, 'systems': {}}
    for name in systems or SYSTEMS:
        for n in threads:
            played = race(SYSTEMS[name], suited(forms, name), n, torch, rounds, seconds)
            results['systems'].setdefault(name, {})[str(n)] = played
            times = (f'{f} {median(played, f):,.0f} us ({ratio(played, f, "static"):.2f})'
                     for f in played)  # fmt: skip
            click.echo(f'{name}, {n} threads: ' + ', '.join(times))
    if systems:
        return
    results['memory'] = ', '.join(
        f'{name} {p["1"]["static"]["memory"] / p["1"]["textbook"]["memory"]:.2f}'
        for name, p in results['systems'].items()
    )
    if 'xla' in forms:
        results['starts'] = {name: starts(SYSTEMS[name], 3) for name in XLA}
    results['chapter'] = chapter(3)
    results['feeding'] = images_per_second()
    results['growth'], results['lead'] = growth(torch, 3, seconds / 2)
    draw(results['growth'], ROOT / '.book' / 'results' / 'growth.png')
    with words.speaking('zh'):
        draw(results['growth'], ROOT / '.book' / 'locale' / 'zh' / 'growth.png')
    results['targets'] = dict(check(results))
    (OUT / 'bench.json').write_text(json.dumps(results, indent=1))
    text = page(results)
    click.echo('\n' + text + '\n')
    for sentence, holds in results['targets'].items():
        click.echo(f'{"ok " if holds else "NOT"}  {sentence}')
    write_readme(text)


def write_readme(text, readme=ROOT / 'README.md'):
    """Put `text` between the two markers of the README, if it has them."""
    old = readme.read_text(encoding='utf-8')
    between = re.compile(r'(<!-- bench -->\n).*?(<!-- /bench -->)', re.DOTALL)
    new = between.sub(lambda found: found[1] + text + '\n' + found[2], old)
    if new != old:
        readme.write_text(new, encoding='utf-8')


if __name__ == '__main__':
    main()

"""Keep what a command has measured: what README, the chapters and the book state comes from there.

`python -m tests.benchmarks.results build/scores/ladder.json 'make scores ARGS=ladder'` copies the
file to `.book/results/` and notes the command, its version and the day in `made.json` there.
"""

import datetime
import json
from pathlib import Path

from d2l_gan import __version__, files

import click

RESULTS = Path(__file__).parents[2] / '.book' / 'results'


def keep(file, command, name=None, results=RESULTS):
    """Copy a file of results, under another name if one is given; note what made it."""
    file, made = Path(file), results / 'made.json'
    name = (name or file.stem) + file.suffix
    content, known = file.read_bytes(), json.loads(made.read_text(encoding='utf-8'))
    files.write_whole(results / name, content)
    day = datetime.date.today().isoformat()
    known[name] = {'command': command, 'version': __version__, 'date': day}
    files.write_json(made, dict(sorted(known.items())))


@click.command()
@click.argument('file', type=click.Path(exists=True, dir_okay=False))
@click.argument('command')
@click.option('--name', help='that it is kept under, without its ending')
def main(file, command, name):
    """Keep a FILE that COMMAND has written."""
    keep(file, command, name)


if __name__ == '__main__':
    main()

"""Play each chapter for a moment and return its numbers: the same before and after a move."""

import json
import sys
import tempfile
from pathlib import Path

from d2l_gan import train as train_module

RUNS = {
    'gaussian': {'num_epochs': 3},
    'sine': {'num_epochs': 3},
    'sine-waves': {'num_epochs': 3, 'data': 'waves', 'stop': 'never', 'objective': 'hinge'},
    'gaussian-average': {
        'num_epochs': 3, 'average': 0.99, 'objective': 'least_squares', 'init_std': 0.5,
    },
    'gaussian-wasserstein': {'num_epochs': 3, 'objective': 'wasserstein'},
    'mnist_vanilla': {'num_epochs': 2, 'data': 'digits', 'num_examples': 500},
    'mnist_leaky': {'num_epochs': 2, 'data': 'digits', 'num_examples': 550},
    'mnist_deep': {'num_epochs': 2, 'data': 'digits', 'steps': 12, 'decay': True},
    'static_graph': {'num_epochs': 2, 'steps': 1, 'rounds': 1},
}  # fmt: skip
NOISY = ('examples_per_sec', 'versions', 'microseconds', 'difference')


def quiet(found):
    """Return `found` without what depends on the clock."""
    if isinstance(found, dict):
        return {key: quiet(value) for key, value in found.items() if key not in NOISY}
    return found


def play(name, keyword, value):
    """Return the history and scores.json of the run `name`; `train` is forced by a keyword."""
    import importlib

    chapter = importlib.import_module('chapters.' + name.split('-')[0])
    own = train_module.train
    forced = lambda *args, **keywords: own(*args, **{**keywords, keyword: value})
    holders = [m for m in list(sys.modules.values()) if getattr(m, 'train', None) is own]
    for module in holders:
        module.train = forced
    try:
        with tempfile.TemporaryDirectory() as out:
            result = chapter.run(**RUNS[name], seed=0, out=out)
            scores = json.loads((Path(out) / 'scores.json').read_text())
    finally:
        for module in holders:
            module.train = own
    return {'history': quiet(result.history.to_dict()), 'scores': quiet(scores)}


if __name__ == '__main__':
    keyword, *values = sys.argv[2:]
    values = [{'True': True, 'False': False}.get(value, value) for value in values]
    found = {
        name: {
            form: play(name, keyword, value) for form, value in zip(('compiled', 'book'), values)
        }
        for name in RUNS
    }
    Path(sys.argv[1]).write_text(json.dumps(found, indent=1))

"""Every rung of the ladder plays the same game, and the last one is the fastest."""

from chapters import static_graph

import numpy
import pytest
from mxnet import gluon, np, npx

npx.set_np()


def weights(rung, steps=20):
    step, nets = static_graph.prepare(rung)
    X, Z = (np.random.normal(size=(steps, 8, 2)) for _ in 'XZ')
    for i in range(steps):
        step(X[i], Z[i])
    values = [p.data().asnumpy() for net in nets for p in net.collect_params().values()]
    return numpy.concatenate([v.reshape(-1) for v in values])


@pytest.mark.parametrize('rung', static_graph.rungs()[1:])
def test_every_rung_is_the_same_game(rung):
    ours, book = weights(rung), weights(static_graph.book)
    assert numpy.linalg.norm(ours - book) < 1e-5 * numpy.linalg.norm(book)


@pytest.mark.slow
def test_dispatch_hardly_depends_on_size_while_arrays_are_small():
    found = static_graph.dispatch((10, 100, 10_000_000), seconds=0.02)
    assert found[100] < found[10_000_000] / 5


def test_the_graphs_hold_what_is_said():
    D, G = static_graph.symbols(*static_graph.networks(), gluon.loss.SigmoidBCELoss())
    assert static_graph.operators(D).count('FullyConnected') == 7
    assert static_graph.operators(G).count('FullyConnected') == 4
    assert len(static_graph.operators(D)) + len(static_graph.operators(G)) > 40


@pytest.mark.slow
def test_run_measures_trains_and_writes(tmp_path):
    result = static_graph.run(num_epochs=2, steps=20, rounds=2, out=tmp_path)
    assert list(result.scores['microseconds']) == [rung.__name__ for rung in static_graph.rungs()]
    times = result.scores['microseconds']
    assert times['compiled'] < times['book'] / 4
    assert result.scores['difference'] < 1e-4
    assert len(result.history) == 2
    assert {f.name for f in tmp_path.iterdir()} >= {'ladder.png', 'training.png', 'scores.json'}

"""A saved game is played on, and sampled from, where MXNet cannot be imported."""

import json
import subprocess
import sys

from d2l_gan.archive import CheckpointError

import numpy
import pytest
from mxnet import np, npx

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan.engines import xla  # noqa: E402
from d2l_gan.xla import saved  # noqa: E402
from tests import test_xla  # noqa: E402
from tests.marks import slow  # noqa: E402

npx.set_np()
RATES = {'D': 0.01, 'G': 0.005}
CODE = """
import json, sys
sys.modules['mxnet'] = None
from d2l_gan.xla import saved
import numpy
game = saved.load(sys.argv[1])
before = game.sample(4).tolist()
losses = game.play(numpy.random.default_rng(0).normal(size=(43, 2)), 3, 8)
print(json.dumps([before, [list(map(float, pair)) for pair in losses], game.sample(4).tolist()]))
"""


@pytest.mark.parametrize('settings', [
    {'average': 0.9, 'objective': 'hinge'},
    slow({'networks': lambda: test_xla.small(norm=True), 'first': 'G'}),
])  # fmt: skip
def test_a_saved_game_trains_and_samples_with_jax_alone(tmp_path, settings):
    players = test_xla.game(xla.XLA, dtype='float32', **settings)
    test_xla.play(players, 20, dtype='float32')
    saved.save(tmp_path / 'game', players, RATES, 2)
    code = [sys.executable, '-c', CODE, str(tmp_path / 'game')]
    done = subprocess.run(code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, losses, after = json.loads(done.stdout)

    Z = np.array(numpy.random.default_rng(0).standard_normal((4, 2)), dtype='float32')
    net_G = players.players['G'][0]
    with xla.adapter.swapped(net_G, players.averages):
        numpy.testing.assert_allclose(before, net_G(Z).asnumpy(), atol=1e-5)
    assert numpy.isfinite(losses).all()
    assert abs(numpy.array(after) - before).max() > 1e-4


def test_its_steps_are_those_of_the_engine(tmp_path):
    players = test_xla.game(xla.XLA, dtype='float32', rates=(0.01, 0.005), average=0.9)
    test_xla.play(players, 20, dtype='float32')
    saved.save(tmp_path / 'game', players, RATES, 2)
    game, X = saved.load(tmp_path / 'game'), numpy.zeros((8, 2), 'float32')
    random = numpy.random.default_rng(0)
    random.permutation(8)
    Z = game.noise(random, 1, 8)[0]
    losses = game.play(X, 1, 8)
    players.play([(np.array(X), None)], lambda _: np.array(Z))
    columns = players.read()
    assert losses[0] == pytest.approx((columns['loss_D'], columns['loss_G']), abs=1e-5)
    for name in 'DG':
        for path, p in players.players[name][0]._collect_params_with_prefix().items():
            numpy.testing.assert_allclose(
                game.state[name]['weights'][path], p.data().asnumpy(), atol=1e-6
            )
    for path, average in players.averages.items():
        numpy.testing.assert_allclose(game.state['average'][path], average.asnumpy(), atol=1e-6)


def test_what_is_no_game_is_refused(tmp_path):
    (tmp_path / 'game').write_bytes(b'no game')
    with pytest.raises(CheckpointError, match='game'):
        saved.load(tmp_path / 'game')
    with pytest.raises(ValueError, match='a prior of its own cannot be saved'):
        saved.save(tmp_path / 'game', test_xla.game(xla.XLA), RATES, 2, prior=abs)

"""Several devices that share each batch play the game of one."""

import os
import re
import subprocess
import sys

import d2l_gan.xla
from d2l_gan import data
from d2l_gan.train import train
from tests.marks import first_alone, slow

import mxnet as mx
import numpy
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan.engines import xla  # noqa: E402
from d2l_gan.xla import runtime  # noqa: E402
from tests import test_xla as one  # noqa: E402

npx.set_np()
programs = one.programs  # a fixture: keep what is compiled among these tests


def sharing(*game):
    return xla.XLA(*game, jax_devices=runtime.several('cpu', range(4)))


def pictures(D_norm=True):
    """Return a small pair of DCGAN's form, pictures of 8 x 8."""
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_G.add(
        nn.HybridLambda(lambda F, Z: Z.reshape((-1, 3, 1, 1))),
        nn.Conv2DTranspose(4, 4, use_bias=False), nn.BatchNorm(), nn.Activation('relu'),
        nn.Conv2DTranspose(1, 4, 2, 1), nn.Activation('tanh'),
    )  # fmt: skip
    net_D.add(nn.Conv2D(4, 4, 2, 1, use_bias=False))
    if D_norm:
        net_D.add(nn.BatchNorm())
    net_D.add(nn.Activation('tanh'), nn.Conv2D(1, 4))
    return net_D, net_G


def packed():
    net_D, net_G = one.small()
    net_D.pack = 2
    return net_D, net_G


GAMES = {
    'norm': {'networks': lambda: one.small(norm=True), 'average': 0.9},
    'pictures': {'networks': pictures, 'shape': (1, 8, 8), 'latent_dim': 3, 'average': 0.9},
    'merged': {'networks': lambda: pictures(False), 'shape': (1, 8, 8), 'latent_dim': 3},
    'packs': {'networks': packed, 'batch': 16, 'first': 'G'},
    'pairs': {'networks': lambda: one.small(norm=True), 'objective': 'relativistic', 'batch': 12},
    'condition': {'networks': lambda: tuple(map(one.Told, one.small())), 'condition': 2},
}


@pytest.mark.parametrize('name', first_alone(GAMES))
def test_fifty_steps_on_four_devices_are_those_of_one(name):
    """Their last batches are of half the size, which four divide or do not."""
    networks = GAMES[name].get('networks', one.small)
    settings = {key: value for key, value in GAMES[name].items() if key != 'networks'}
    players = [one.game(engine, networks, **settings) for engine in (xla.XLA, sharing)]
    for a, b in zip(*(one.play(player, 50, **settings) for player in players)):
        assert max(abs(a[column] - b[column]) for column in a) < 1e-8
    assert one.apart(*map(one.state, players)) < 1e-8


@pytest.mark.parametrize(
    'networks, shape',
    [(one.small, (2,)), slow(pictures, (1, 8, 8))],
    ids=['dense', 'pictures'],
)
def test_only_sums_travel_between_the_devices(networks, shape):
    """No example, and nothing that is computed of one, leaves the device that has it."""
    players = one.game(sharing, networks, shape=shape, latent_dim=3)
    players.flat = players.gathered()
    players.pool(numpy.ones((3, 8, *shape)), numpy.ones((3, 8, 3)), None, None)
    (program,) = players.programs.values()
    travelling = re.findall(r' (all-\w+|collective-\w+|reduce-scatter)\(', program.as_text())
    assert set(travelling) == {'all-reduce'}
    shard = program.input_shardings[0][1]['X'].shard_shape((3, 8, *shape))
    assert shard == (3, 2, *shape)


def run(networks=one.small, epochs=5, **settings):
    """Play a game of 43 points in float64, of six steps an epoch; return its history and nets."""
    mx.random.seed(4)
    X, nets = numpy.random.default_rng(0).normal(size=(43, 2)), networks()
    for net in nets:
        net.initialize(init.Normal(0.3))
        net(np.ones((8, 2)))
        net.cast('float64')
    history = train(
        *nets, data.Batches(X, 8), epochs, 0.01, 0.01, 2, X, seed=0, initializer=None,
        callbacks=settings.pop('callbacks', []), **settings,
    )  # fmt: skip
    return history, nets


def weights(nets):
    return {
        f'{i}/{name}': p.data().asnumpy()
        for i, net in enumerate(nets)
        for name, p in net._collect_params_with_prefix().items()
    }


class Write:
    """Write into what a game has, as a callback that restores a checkpoint does."""

    def __call__(self, game):
        for name, array in game.arrays().items():
            array[:] = array * (1.01 if 'variance' in name else 0.99)


@pytest.mark.parametrize(
    'settings',
    first_alone([{'average': 0.9}, {'first': 'G', 'objective': 'wasserstein'}]),
    ids=['average', 'clipped'],
)
def test_the_textbook_s_contexts_sum_their_gradients(settings):
    """The last batch of an epoch has three examples, so that one of four contexts has none."""
    (alone, a), (shared, b) = (
        run(engine='textbook', callbacks=[Write()], **more, **settings)
        for more in ({}, {'devices': 'cpu(0),cpu(1),cpu(2),cpu(3)'})
    )
    for column in alone.columns[:-1]:
        assert abs(alone[column] - shared[column]).max() < 1e-8
    assert one.apart(weights(a), weights(b)) < 1e-8
    assert all(p.list_ctx() == [mx.cpu()] for net in b for p in net.collect_params().values())
    if alone.average:
        assert one.apart(alone.average, shared.average) < 1e-8


def test_each_context_of_the_textbook_s_normalises_its_own_shard():
    networks = lambda: one.small(norm=True)
    (alone, a), (shared, b) = (run(networks, 1, engine='textbook', devices=more) for more in (1, 2))
    assert abs(alone.loss_D - shared.loss_D).max() > 1e-6  # which the chapter explains
    statistics = weights(b)['1/1.running_mean']
    assert one.apart({'': weights(a)['1/1.running_mean']}, {'': statistics}) < 0.5


@pytest.mark.slow
def test_train_shares_batches_by_number_and_by_name():
    seen = []
    whole, nets = run(engine='xla', callbacks=[Write()])
    for devices in (4, '4', ['cpu(0)', 'cpu(2)']):
        found, others = run(devices=devices, callbacks=[Write(), seen.append])
        for column in whole.columns[:-1]:
            assert abs(whole[column] - found[column]).max() < 1e-8
        assert one.apart(weights(nets), weights(others)) < 1e-8
    used = [[device.id for device in game.engine.sharing.mesh.devices] for game in seen[::5]]
    assert used == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2]]


@pytest.mark.parametrize(
    'settings, told',
    [
        ({'devices': 0}, '`devices` is 0; it must be how many devices, or the names of some'),
        ({'devices': 'cpu'}, "`devices` is ['cpu']; it must be how many"),
        ({'devices': ['cpu(0)', 'gpu(0)']}, '; it must be how many'),
        ({'devices': ['cpu(1)', 'cpu(1)']}, '; it must be how many'),
        ({'devices': True}, '`devices` is True; it must be how many'),
        ({'devices': 3}, '`devices` is 3; it must be a divisor of the size of a batch, 8'),
        ({'devices': 2, 'engine': 'symbol'}, "'symbol'; it must be 'xla' or 'textbook' where"),
        ({'devices': 'cpu(0),cpu(1)', 'device': 'cpu'}, "'cpu'; it must be left out, since"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared(settings, told):
    with pytest.raises(ValueError) as error:
        run(**settings)
    assert told in str(error.value)


def test_more_devices_than_there_are():
    with pytest.raises(RuntimeError, match='`devices` asks for number 7, and JAX has 4 .*=8'):
        run(devices=8)
    with pytest.raises(RuntimeError, match="`devices` asks for number 1, and JAX has 0 .*'gpu'"):
        run(devices=2, device='gpu')


def test_without_jax_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'd2l_gan.xla.runtime', None)
    monkeypatch.delattr(d2l_gan.xla, 'runtime')
    with pytest.raises(
        ValueError, match=r"`devices` is 2, which needs JAX, pip install 'd2l_gan\["
    ):
        run(devices=2)


@pytest.mark.slow
@pytest.mark.parametrize('told', [{}, {'JAX_NUM_CPU_DEVICES': '4'}])  # which JAX 0.4 is deaf to
def test_a_cpu_is_parted_before_jax_starts_and_the_environment_is_left_alone(told):
    code = (
        'import os\n'
        'from tests.test_sharing import run\n'
        'os.environ.pop("XLA_FLAGS", None)\n'
        'history, _ = run(devices=2)\n'
        'assert "XLA_FLAGS" not in os.environ\n'
        'print(history.loss_D[-1])'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True,
        env={**os.environ, **told},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout) - run(engine='xla')[0].loss_D[-1]) < 1e-8

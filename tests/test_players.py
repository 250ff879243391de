"""The loop serves other games than two players: here an autoencoder, one network with one loss."""

import copy
import pickle
import subprocess
import sys

from d2l_gan import data, train
from d2l_gan.callbacks import Checkpoint, Figure, Film, Progress
from d2l_gan.engines import Engine, NotFinite, adapter
from d2l_gan.game import Game
from d2l_gan.noise import seeded

import mxnet as mx
import numpy
import pytest
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()


class Reconstruct(Engine):
    """Teach one network to give back what it is shown."""

    columns = ('loss_AE', 'largest')

    def __init__(self, net, trainer):
        super().__init__({'AE': (net, trainer)}, mx.cpu())
        self.net, self.trainer, self.loss, self.kept = net, trainer, gluon.loss.L2Loss(), []

    def step(self, X, Z, condition=None):
        with autograd.record():
            loss = self.loss(self.net(X), X)
        loss.backward()
        self.trainer.step(len(X))
        self.kept.append(loss)

    def read(self):
        kept, self.kept = [loss.asnumpy() for loss in self.kept], []
        for number, loss in enumerate(kept, 1):
            if not numpy.isfinite(loss).all():
                raise NotFinite('loss_AE', number, loss.sum())
        everything = numpy.concatenate(kept)
        return {'loss_AE': everything.mean(), 'largest': everything.max()}


def autoencoder(num_epochs=4, callbacks=(), X=None, seed=1, rate=0.01):
    """Train it on points of the plane that lie on a line; return history and game."""
    X = data.gaussian(64)[0] if X is None else X
    net = nn.HybridSequential()
    net.add(nn.Dense(1), nn.Dense(2))
    with seeded(seed, 0):
        net.initialize(init.Xavier())
        net(X[:2])
    engine = Reconstruct(net, adapter.adam(net, rate))
    game = Game(engine, data.Batches(X, 8), X, num_epochs, seed, {'AE': rate})
    return train.play(game, list(callbacks)), game


def test_one_player_is_trained_by_the_same_loop():
    seen = []
    history, game = autoencoder(30, [lambda game: seen.append(game.epoch)])
    assert seen == list(range(1, 31))
    assert history.columns == ('loss_AE', 'largest', 'examples_per_sec')
    assert history.loss_AE[-1] < 0.2 * history.loss_AE[0]
    assert history.loss_AE[-1] <= history.largest[-1]
    assert game.steps == 30 * 8


def test_its_checkpoint_resumes_bit_for_bit(tmp_path):
    whole, game = autoencoder(4)
    autoencoder(2, [Checkpoint(tmp_path)])
    resumed, again = autoencoder(4, [Checkpoint(tmp_path, resume=True)])
    assert numpy.array_equal(whole.loss_AE, resumed.loss_AE)
    assert game.counters() == again.counters() == {'steps': 32, 'AE': 32}
    for name, array in game.arrays().items():
        assert numpy.array_equal(array.asnumpy(), again.arrays()[name].asnumpy()), name


def test_its_columns_are_shown(tmp_path, capsys):
    callbacks = [Progress(), Figure(tmp_path), Film(tmp_path), Checkpoint(tmp_path)]
    history, _ = autoencoder(2, callbacks)
    out, err = capsys.readouterr()
    assert (
        out == f'loss_AE {history.loss_AE[1]:.3f}, {history.examples_per_sec[1]:.0f} examples/sec\n'
    )
    assert err.startswith(f'epoch 1/2, loss_AE {history.loss_AE[0]:.3f}, ')
    assert (tmp_path / 'training.png').exists() and (tmp_path / 'training.gif').exists()


def test_its_loss_is_named_when_it_is_not_finite():
    with pytest.raises(FloatingPointError, match='loss_AE became .*smaller `lr_AE` than 1e.30'):
        autoencoder(3, rate=1e30)


def test_its_history_copies_and_pickles():
    history, _ = autoencoder(2)
    for other in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert other.columns == history.columns
        assert numpy.array_equal(other.loss_AE, history.loss_AE)
        assert other.to_dict() == history.to_dict()


class Slow(Engine):
    """Count how far Python runs ahead of a device that takes its time."""

    columns = ('loss',)

    def __init__(self, work):
        super().__init__({}, mx.cpu())
        self.work, self.told, self.most = work, 0, 0
        self.A = np.ones((work, work)) / work

    def step(self, X, Z, condition=None):
        self.A = np.dot(self.A, self.A)
        self.told += 1
        self.most = max(self.most, self.told)

    def wait(self):
        super().wait()
        self.told = 0

    def read(self):
        return {'loss': 0.0}


def test_python_is_never_far_ahead_of_the_device():
    engine = Slow(1024)  # 10 to 30 ms a step
    engine.play([(np.zeros((8, 2)), None)] * 60, lambda size: None)
    assert engine.most <= 32
    engine = Slow(8)
    engine.play([(np.zeros((2**16, 8)), None)] * 100, lambda size: None)  # 2 MB a batch
    assert 1 < engine.most <= 4


def test_an_epoch_that_fails_in_the_middle_is_over_at_once():
    def stop_after(number):
        for i in range(100):
            if i == number:
                raise KeyboardInterrupt
            yield np.zeros((8, 2)), None

    engine = Slow(512)
    with pytest.raises(KeyboardInterrupt):
        engine.play(stop_after(7), lambda size: None)
    assert engine.steps == 7


PEAK = """
import resource, sys
from d2l_gan.train import train
import numpy
from mxnet import np, npx
from mxnet.gluon import nn
npx.set_np()

class Lazy:
    def __iter__(self):
        for _ in range(int(sys.argv[1])):
            yield (np.array(numpy.random.uniform(-1, 1, (64, 12288)).astype('float32')),)

net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
net_D.add(nn.Dense(64, activation='relu'), nn.Dense(1))
net_G.add(nn.Dense(64, activation='relu'), nn.Dense(12288))
data = numpy.zeros((4, 12288), 'float32')
train(net_D, net_G, Lazy(), 1, 1e-4, 1e-4, 8, data, seed=0, engine=sys.argv[2], callbacks=[])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['textbook', 'symbol'])
def test_memory_does_not_depend_on_the_length_of_an_epoch(engine):
    def peak(batches):  # of 3 MB, made one by one; the lesser of two, as allocators vary by 5 %
        command = [sys.executable, '-c', PEAK, str(batches), engine]
        runs = [subprocess.check_output(command, text=True).splitlines() for _ in range(2)]
        return min(int(lines[-1]) for lines in runs)

    assert peak(400) < 1.1 * peak(50)

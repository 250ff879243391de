"""The textbook's own code: the loop of section 20.1 with the installed d2l's two updates."""

import json
import sys
import time

import d2l_gan  # noqa: F401 - for NumPy's names alone, before MXNet
from tests.benchmarks.meter import Meter
from tests.benchmarks.systems import LEARNING_RATE

from d2l import mxnet as d2l
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()


def network(layers):
    net = nn.Sequential()
    for units, activation in layers:
        if activation == 'leaky':
            net.add(nn.Dense(units), nn.LeakyReLU(0.01))
        else:
            net.add(nn.Dense(units, activation=activation))
    return net


def train(net_D, net_G, data_iter, lr_D, lr_G, latent_dim, minimax, prior, meter):
    loss = gluon.loss.SigmoidBCELoss()
    loss_G = (lambda Y, ones: -loss(Y, 1 - ones)) if minimax else loss
    net_D.initialize(init=init.Normal(0.02), force_reinit=True)
    net_G.initialize(init=init.Normal(0.02), force_reinit=True)
    trainer_D = gluon.Trainer(net_D.collect_params(), 'adam', {'learning_rate': lr_D})
    trainer_G = gluon.Trainer(net_G.collect_params(), 'adam', {'learning_rate': lr_G})
    draw = (
        np.random.normal if prior == 'normal' else lambda a, b, size: np.random.uniform(-b, b, size)
    )
    more = True
    while more:
        timer, steps = time.perf_counter(), 0
        metric = d2l.Accumulator(3)
        for X in data_iter:
            batch_size = X.shape[0]
            Z = draw(0, 1, size=(batch_size, *latent_dim))
            metric.add(
                d2l.update_D(X, Z, net_D, net_G, loss, trainer_D),
                d2l.update_G(Z, net_D, net_G, loss_G, trainer_G),
                batch_size,
            )
            steps += 1
        more = meter(steps, time.perf_counter() - timer)


def main():
    s = json.loads(sys.argv[1])
    if 'picture' in s:
        from chapters.dcgan import networks

        colours, size = s['picture']
        net_D, net_G = networks(colours, size, s['channels'])
        shape, latent_dim = (colours, size, size), (s['latent_dim'], 1, 1)
    else:
        net_D, net_G = network(s['D']), network(s['G'])
        shape, latent_dim = (s['width'],), (s['latent_dim'],)
    X = np.random.uniform(-1, 1, size=(s['num_examples'], *shape))
    train(
        net_D, net_G, d2l.load_array((X,), s['batch_size']), LEARNING_RATE, LEARNING_RATE,
        latent_dim, s['objective'] == 'minimax', s['prior'], Meter(),
    )  # fmt: skip


if __name__ == '__main__':
    main()

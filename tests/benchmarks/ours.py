"""`d2l_gan.train.train`, compiled or not."""

import json
import sys
import time

from chapters import dcgan
from d2l_gan import data, losses
from d2l_gan.train import train
from tests.benchmarks.meter import Meter
from tests.benchmarks.systems import LEARNING_RATE

from mxnet import np, npx
from mxnet.gluon import nn

npx.set_np()


def network(layers):
    net = nn.HybridSequential()
    for units, activation in layers:
        if activation == 'leaky':
            net.add(nn.Dense(units), nn.LeakyReLU(0.01))
        else:
            net.add(nn.Dense(units, activation=activation))
    return net


def game(s):
    """Return net_D, net_G, the shape of an example and that of its noise."""
    if 'picture' in s:
        colours, size = s['picture']
        nets = dcgan.networks(colours, size, s['channels'], book=False)
        return (*nets, (colours, size, size), (s['latent_dim'], 1, 1))
    return network(s['D']), network(s['G']), (s['width'],), s['latent_dim']


def multiply(meter, num=1024):
    """Time `num` ** 3 multiply-adds as one step, with the product that dense layers have."""
    a, b = (np.random.normal(size=(num, num)) for _ in range(2))
    more = True
    while more:
        timer = time.perf_counter()
        npx.fully_connected(a, b, num_hidden=num, no_bias=True).wait_to_read()
        more = meter(1, time.perf_counter() - timer)


def main():
    s, form, device = json.loads(sys.argv[1]), *sys.argv[2:4]
    if form == 'product':
        return multiply(Meter())
    net_D, net_G, shape, latent_dim = game(s)
    if form in ('xla', 'free'):
        from d2l_gan.xla import runtime  # so that the start that is timed does not import JAX
    if form == 'free':  # let the compiler do what it would do of itself
        runtime.options = lambda device: None
    X = np.random.uniform(-1, 1, size=(s['num_examples'], *shape))
    batches, meter, began = data.Batches(X, s['batch_size']), Meter(), time.perf_counter()

    def measure(game):
        nonlocal began
        if not meter(len(batches), time.perf_counter() - began):  # seeding it is part of an epoch
            game.stop('measured')
        began = time.perf_counter()

    rates = LEARNING_RATE, LEARNING_RATE
    train(
        net_D, net_G, batches, 10**6, *rates, latent_dim, X,
        objective=losses.objective(s['objective'], label_smoothing=s['smoothing']),
        prior=s['prior'], first=s['first'], seed=0,
        engine={'static': 'symbol', 'xla': 'xla', 'free': 'xla'}.get(form, 'textbook'),
        device=device if form in ('xla', 'free') else 'cpu', callbacks=[measure],
    )  # fmt: skip


if __name__ == '__main__':
    main()

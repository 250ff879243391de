"""The same chapters in eager PyTorch, written as the book's PyTorch tab writes them."""

import json
import os
import sys
import time

from tests.benchmarks.meter import Meter
from tests.benchmarks.systems import LEARNING_RATE

import torch
from torch import nn

ACTIVATIONS = {'tanh': nn.Tanh, 'relu': nn.ReLU, 'sigmoid': nn.Sigmoid, 'leaky': nn.LeakyReLU}


def network(inputs, layers):
    modules = []
    for units, activation in layers:
        modules.append(nn.Linear(inputs, units))
        if activation:
            modules.append(ACTIVATIONS[activation]())
        inputs = units
    return nn.Sequential(*modules)


def convolutions(colours, size, width, latent_dim):
    """Return D and G as `chapters.dcgan.networks` has them."""
    way = [size]
    while way[0] > 4:
        way.insert(0, (way[0] + 1) // 2)
    kernels = [3 if n % 2 else 4 for n in way[1:]]
    widths = [width * 2**i for i in range(len(kernels))]
    G, inputs = [], latent_dim
    for out, how in zip(widths[::-1], [(way[0], 1, 0), *((k, 2, 1) for k in kernels)]):
        G += [nn.ConvTranspose2d(inputs, out, *how, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        inputs = out
    G += [nn.ConvTranspose2d(width, colours, kernels[-1], 2, 1), nn.Tanh()]
    D, inputs = [], colours
    for out, kernel in zip(widths, kernels[::-1]):
        D += [nn.Conv2d(inputs, out, kernel, 2, 1), nn.LeakyReLU(0.2)]
        inputs = out
    return nn.Sequential(*D, nn.Conv2d(inputs, 1, way[0])), nn.Sequential(*G)


def update_D(X, Z, net_D, net_G, loss, trainer_D, real):
    batch_size = X.shape[0]
    ones = torch.full((batch_size,), real, device=X.device)
    zeros = torch.zeros((batch_size,), device=X.device)
    trainer_D.zero_grad()
    real_Y = net_D(X)
    fake_X = net_G(Z)
    fake_Y = net_D(fake_X.detach())
    loss_D = loss(real_Y, ones.reshape(real_Y.shape)) + loss(fake_Y, zeros.reshape(fake_Y.shape))
    loss_D = loss_D / 2
    loss_D.backward()
    trainer_D.step()
    return loss_D


def update_G(Z, net_D, net_G, loss, trainer_G, minimax):
    batch_size = Z.shape[0]
    trainer_G.zero_grad()
    fake_X = net_G(Z)
    fake_Y = net_D(fake_X)
    if minimax:
        zeros = torch.zeros((batch_size,), device=Z.device)
        loss_G = -loss(fake_Y, zeros.reshape(fake_Y.shape))
    else:
        ones = torch.ones((batch_size,), device=Z.device)
        loss_G = loss(fake_Y, ones.reshape(fake_Y.shape))
    loss_G.backward()
    trainer_G.step()
    return loss_G


def train(net_D, net_G, data_iter, s, form, meter):
    fused = form != 'eager'
    latent = (s['latent_dim'], 1, 1) if 'picture' in s else (s['latent_dim'],)
    like = {'memory_format': torch.channels_last} if form in ('last', 'compiled') else {}
    net_D, net_G = net_D.to(**like), net_G.to(**like)
    loss = nn.BCEWithLogitsLoss(reduction='sum')
    for net in (net_D, net_G):
        for w in net.parameters():
            nn.init.normal_(w, 0, 0.02)
    trainer_D = torch.optim.Adam(net_D.parameters(), lr=LEARNING_RATE, fused=fused)
    trainer_G = torch.optim.Adam(net_G.parameters(), lr=LEARNING_RATE, fused=fused)
    if form == 'compiled':
        net_D, net_G = torch.compile(net_D), torch.compile(net_G)
    more = True
    while more:
        timer, steps, sums = time.perf_counter(), 0, [0.0, 0.0]
        for (X,) in data_iter:
            X, size = X.to(**like), (X.shape[0], *latent)
            Z = torch.normal(0, 1, size) if s['prior'] == 'normal' else torch.rand(size) * 2 - 1
            loss_D = update_D(X, Z, net_D, net_G, loss, trainer_D, 1 - s['smoothing'])
            loss_G = update_G(Z, net_D, net_G, loss, trainer_G, s['objective'] == 'minimax')
            sums = [sums[0] + float(loss_D), sums[1] + float(loss_G)]
            steps += 1
        more = meter(steps, time.perf_counter() - timer)


def multiply(meter, num=1024):
    """Time `num` ** 3 multiply-adds as one step, with PyTorch's matrix product."""
    a, b, out = torch.randn(num, num), torch.randn(num, num), torch.empty(num, num)
    more = True
    while more:
        timer = time.perf_counter()
        torch.mm(a, b, out=out)
        more = meter(1, time.perf_counter() - timer)


def main():
    s, form = json.loads(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    if form == 'multiply':
        return multiply(Meter())
    if 'picture' in s:
        colours, size = s['picture']
        shape = (colours, size, size)
        nets = convolutions(colours, size, s['channels'], s['latent_dim'])
    else:
        shape, nets = (s['width'],), (network(s['width'], s['D']), network(s['latent_dim'], s['G']))
    X = torch.rand(s['num_examples'], *shape) * 2 - 1
    data_iter = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X), s['batch_size'], shuffle=True
    )
    return train(*nets, data_iter, s, form, Meter())


if __name__ == '__main__':
    main()

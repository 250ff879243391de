"""The same chapters in PyTorch, written as the book's PyTorch tab writes them, and quicker ones.

'eager' is the tab's; 'fused' has another Adam and reads its losses once an epoch; 'last' has the
channels last; 'compiled' is compiled as well, and 'graph' a whole step that CUDA plays again. On a
GPU all but the first have their examples there.
"""

import json
import os
import sys
import time

from tests.benchmarks.meter import Meter
from tests.benchmarks.systems import LEARNING_RATE, halvings

import numpy
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


def convolutions(s):
    """Return D and G as `chapters.dcgan.networks` has them."""
    colours, way, kernels, widths = halvings(s)
    G, inputs = [], s['latent_dim']
    for out, how in zip(widths[::-1], [(way[0], 1, 0), *((k, 2, 1) for k in kernels)]):
        G += [nn.ConvTranspose2d(inputs, out, *how, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        inputs = out
    G += [nn.ConvTranspose2d(inputs, colours, kernels[-1], 2, 1), nn.Tanh()]
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


def draw(s, size, device):
    """Return noise from the prior, (size, ...)."""
    shape = (size, s['latent_dim'], 1, 1) if 'picture' in s else (size, s['latent_dim'])
    if s['prior'] == 'normal':
        return torch.normal(0, 1, shape, device=device)
    return torch.rand(shape, device=device) * 2 - 1


def train(net_D, net_G, data_iter, s, form, meter, device):
    fused = form != 'eager'
    last = 'picture' in s and form in ('last', 'compiled', 'graph')
    like = {'memory_format': torch.channels_last} if last else {}
    net_D, net_G = net_D.to(device, **like), net_G.to(device, **like)
    loss = nn.BCEWithLogitsLoss(reduction='sum')
    for net in (net_D, net_G):
        for w in net.parameters():
            nn.init.normal_(w, 0, 0.02)
    how = {'lr': LEARNING_RATE, 'fused': fused, 'capturable': form == 'graph'}
    trainer_D = torch.optim.Adam(net_D.parameters(), **how)
    trainer_G = torch.optim.Adam(net_G.parameters(), **how)
    if form == 'compiled':
        net_D, net_G = torch.compile(net_D), torch.compile(net_G)

    def step(X):
        Z = draw(s, len(X), device)
        loss_D = update_D(X, Z, net_D, net_G, loss, trainer_D, 1 - s['smoothing'])
        loss_G = update_G(Z, net_D, net_G, loss, trainer_G, s['objective'] == 'minimax')
        return torch.stack([loss_D.detach(), loss_G.detach()])

    if fused and device == 'cuda':
        data_iter = Shuffled(data_iter.dataset.tensors[0].to(device, **like), s['batch_size'])
    if form == 'graph':
        step = captured(step, next(iter(data_iter))[0].to(**like))
    more = True
    while more:
        timer, steps, sums = time.perf_counter(), 0, 0
        for (X,) in data_iter:
            losses = step(X.to(device, **like))
            # The book reads both losses in each step; who wants to be quick does so at the end.
            sums = sums + (losses if fused else numpy.array(losses.tolist()))
            steps += 1
        sums.tolist()
        more = meter(steps, time.perf_counter() - timer)


class Shuffled:
    """Batches (X,) of examples that lie on a device, in a new order each time."""

    def __init__(self, X, batch_size):
        self.X, self.batch_size = X, batch_size

    def __iter__(self):
        order = torch.randperm(len(self.X), device=self.X.device)
        for rows in order.split(self.batch_size):
            yield (self.X[rows],)


def captured(step, X):
    """Return a step that CUDA plays as one graph, on whatever is copied into X."""
    stream, main = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(main)
    with torch.cuda.stream(stream):
        for _ in range(3):  # whatever is made at first must be there
            step(X)
    main.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step(X)

    def replay(batch):
        X.copy_(batch)
        graph.replay()
        return losses

    replay(X.clone())
    assert torch.isfinite(losses).all(), losses
    return replay


def multiply(meter, num=1024):
    """Time `num` ** 3 multiply-adds as one step, with PyTorch's matrix product."""
    a, b, out = torch.randn(num, num), torch.randn(num, num), torch.empty(num, num)
    more = True
    while more:
        timer = time.perf_counter()
        torch.mm(a, b, out=out)
        more = meter(1, time.perf_counter() - timer)


def main():
    s, form, device = json.loads(sys.argv[1]), *sys.argv[2:4]
    device = 'cuda' if device == 'gpu' else device
    torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    torch.backends.cudnn.allow_tf32 = False  # float32, as everywhere here
    if form == 'multiply':
        return multiply(Meter())
    if 'picture' in s:
        colours, size = s['picture']
        shape, nets = (colours, size, size), convolutions(s)
    else:
        shape, nets = (s['width'],), (network(s['width'], s['D']), network(s['latent_dim'], s['G']))
    X = torch.rand(s['num_examples'], *shape) * 2 - 1
    data_iter = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X), s['batch_size'], shuffle=True
    )
    return train(*nets, data_iter, s, form, Meter(), device)


if __name__ == '__main__':
    main()

"""Print what MXNet computes here, to compare with other machines: tests.here [--short]."""

import json
import sys
import tempfile

from chapters import gaussian
from d2l_gan import devices

import numpy
from mxnet import autograd, gluon, np, npx

npx.set_np()


def step(*layers, shape):
    """Return the parameters of `layers` after a step of SGD, from fixed weights and inputs."""
    random = numpy.random.RandomState(0)
    net = gluon.nn.HybridSequential()
    net.add(*layers)
    net.initialize()
    X = np.array(random.normal(size=shape).astype('float32'))
    net(X)
    parameters = net.collect_params().values()
    for parameter in parameters:
        parameter.set_data(np.array(random.normal(size=parameter.shape).astype('float32')))
    with autograd.record():
        loss = (net(X) ** 2).mean()
    loss.backward()
    gluon.Trainer(net.collect_params(), 'sgd', {'learning_rate': 0.1}).step(1)
    return [loss.tolist(), *(parameter.data().reshape(-1).tolist() for parameter in parameters)]


def linear_algebra():
    """Return what LAPACK finds of one matrix, in forms that have no choice of signs."""
    A = np.array(numpy.random.RandomState(0).normal(size=(5, 5)).astype('float32'))
    S = np.dot(A, A.T) + np.eye(5)
    U, singular, V = np.linalg.svd(A)
    found = {
        'svd': singular, 'svd, multiplied': np.dot(U * singular, V), 'A': A,
        'gesv': np.linalg.solve(S, A), 'potrf': np.linalg.cholesky(S), 'getri': np.linalg.inv(S),
        'syevd': np.linalg.eigvalsh(S), 'getrf': np.linalg.slogdet(S)[1].reshape(1),
    }  # fmt: skip
    return {name: array.tolist() for name, array in found.items()}


def numbers(short=False):
    """Return lists by name, those of the first chapter's first two epochs among them."""
    nn = gluon.nn
    dense = step(nn.Dense(7, 'relu'), nn.Dense(3), shape=(4, 6))
    convolution = step(
        nn.Conv2D(4, 3, padding=1, activation='relu'), nn.Conv2DTranspose(2, 4, 2, 1),
        shape=(2, 3, 8, 8),
    )  # fmt: skip
    devices.device('cpu')
    tiny = np.full(4, 1e-30) * 1e-10
    found = {'Dense': dense, 'Conv2D': convolution, 'denormals': tiny.tolist(), **linear_algebra()}
    if not short:
        with tempfile.TemporaryDirectory() as out:
            history = gaussian.run(num_epochs=2, out=out).history
        found.update(loss_D=history.loss_D.tolist(), loss_G=history.loss_G.tolist())
    return found


if __name__ == '__main__':
    print(json.dumps(numbers(short=sys.argv[1:] == ['--short'])))

"""Each translated operator, beside MXNet's own: what it gives, and its gradients, in float64."""

import json
import subprocess
import sys

import numpy
import pytest
from mxnet import autograd, gluon, init, np, npx, sym
from mxnet.gluon import nn

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan import graph  # noqa: E402
from d2l_gan.xla import operators, runtime, translate  # noqa: E402

from jax.test_util import check_grads  # noqa: E402

npx.set_np()


@pytest.fixture(autouse=True)
def float64():
    with runtime.precision('float64'):
        yield


def translated(net):
    found = graph.trace(net, 'X')
    return translate.Network(found.nodes, found.outputs)


def compare(net, shape, X=None, training=True, dtype='float64', tolerance=1e-10, slope='mxnet'):
    """Let MXNet and the translation compute net(X) and its gradients for a random weighting."""
    rng = numpy.random.default_rng(0)
    X = np.array(rng.normal(size=shape) if X is None else X, dtype='float32')
    net.initialize(init.Uniform(0.7), force_reinit=True)
    if not all(p.shape and min(p.shape) > 0 for p in net.collect_params().values()):
        net(X)  # MXNet initialises in float32 alone
    net.cast(dtype)
    X = X.astype(dtype)
    for name, p in net.collect_params().items():
        if name.endswith('running_var') or (name.endswith('gamma') and p.grad_req != 'null'):
            p.set_data(np.array(rng.uniform(0.5, 1.5, p.shape)))
        if name.endswith(('beta', 'running_mean', 'bias')) and p.grad_req != 'null':
            p.set_data(np.array(rng.normal(size=p.shape)))
    parameters = graph.trace(net, 'X').parameters
    before = {name: jax.numpy.array(p.data().asnumpy()) for name, p in parameters.items()}
    if slope == 'mxnet':
        X.attach_grad()
    with autograd.record(train_mode=training):
        Y = net(X)
    weighting = rng.normal(size=Y.shape)
    if slope in ('mxnet', 'parameters'):
        Y.backward(np.array(weighting, dtype=dtype), train_mode=training)
    network = translated(net)

    def function(values):
        (Y,), moves = network(values, training=training)
        return (Y * weighting).sum(), (Y, translate.move(before, moves))

    values = dict(before, X=jax.numpy.array(X.asnumpy()))
    gradients, (ours, moved) = jax.jit(jax.grad(function, has_aux=True))(values)
    close(ours, Y, tolerance)
    if slope == 'differences':
        check_grads(lambda X: function(dict(values, X=X))[0], (values['X'],), 1)
    if slope not in ('mxnet', 'parameters'):
        return
    if slope == 'mxnet':
        close(gradients['X'], X.grad, tolerance)
    for name, p in parameters.items():
        if p.grad_req != 'null':
            close(gradients[name], p.grad(), tolerance)
        close(moved[name], p.data(), tolerance)


def close(ours, theirs, tolerance=1e-10):
    theirs = theirs.asnumpy() if hasattr(theirs, 'asnumpy') else theirs
    numpy.testing.assert_allclose(numpy.asarray(ours), theirs, rtol=tolerance, atol=tolerance)


LAYERS = {
    'Dense': (lambda: nn.Dense(3, activation='tanh'), (4, 5)),
    'Dense flattens': (lambda: nn.Dense(3), (4, 2, 5)),
    'Dense of the last axis': (lambda: nn.Dense(3, flatten=False, use_bias=False), (4, 2, 5)),
    'Conv1D': (lambda: nn.Conv1D(4, 3, 2, 1), (2, 3, 9)),
    'Conv2D': (lambda: nn.Conv2D(6, (3, 2), (2, 1), (1, 0)), (2, 4, 8, 7)),
    'Conv2D in groups': (lambda: nn.Conv2D(6, 3, 1, 1, groups=2, use_bias=False), (2, 4, 5, 5)),
    'Conv2D dilated': (lambda: nn.Conv2D(2, 3, 1, 2, dilation=2), (2, 4, 8, 7)),
    'Conv3D': (lambda: nn.Conv3D(2, 2, 2), (2, 3, 4, 5, 6)),
    'Conv1DTranspose': (lambda: nn.Conv1DTranspose(4, 3, 2, 1), (2, 3, 5)),
    'Conv2DTranspose': (lambda: nn.Conv2DTranspose(5, 4, 2, 1, use_bias=False), (2, 3, 4, 4)),
    'Conv2DTranspose adj': (lambda: nn.Conv2DTranspose(5, 3, 2, 1, 1), (2, 3, 4, 4)),
    'Conv2DTranspose groups': (lambda: nn.Conv2DTranspose(6, 3, 2, groups=2), (2, 4, 4, 3)),
    'BatchNorm': (nn.BatchNorm, (6, 3)),
    'BatchNorm of images': (lambda: nn.BatchNorm(momentum=0.7, epsilon=1e-3), (3, 4, 5, 5)),
    'BatchNorm last axis': (lambda: nn.BatchNorm(axis=-1), (3, 5, 4)),
    'BatchNorm without scale': (lambda: nn.BatchNorm(scale=False, center=False), (6, 3)),
    'BatchNorm global': (lambda: nn.BatchNorm(use_global_stats=True), (6, 3)),
    'LayerNorm': (nn.LayerNorm, (4, 6)),
    'LayerNorm of an axis': (lambda: nn.LayerNorm(axis=1, epsilon=1e-2), (4, 6, 3)),
    'Dropout of nothing': (lambda: nn.Dropout(0), (4, 6)),
    'LeakyReLU': (lambda: nn.LeakyReLU(0.2), (4, 6)),
    'ELU': (lambda: nn.ELU(0.7), (4, 6)),
    'SELU': (nn.SELU, (4, 6)),
    'GELU': (nn.GELU, (4, 6)),
    'PReLU': (nn.PReLU, (4, 6)),
    'PReLU of channels': (lambda: nn.PReLU(in_channels=3), (4, 3, 5)),
    'Swish': (nn.Swish, (4, 6)),
    **{f'Activation {name}': (lambda name=name: nn.Activation(name), (4, 6))
       for name in ('relu', 'sigmoid', 'tanh', 'softrelu', 'softsign')},
    'MaxPool1D': (lambda: nn.MaxPool1D(2), (2, 3, 7)),
    'MaxPool2D': (lambda: nn.MaxPool2D(3, 2, 1), (2, 3, 7, 6)),
    'MaxPool2D full': (lambda: nn.MaxPool2D(2, 2, ceil_mode=True), (2, 3, 7, 6)),
    'MaxPool3D': (lambda: nn.MaxPool3D(2), (2, 3, 4, 4, 4)),
    'AvgPool2D': (lambda: nn.AvgPool2D(2), (2, 3, 6, 6)),
    'AvgPool2D padded': (lambda: nn.AvgPool2D(3, 2, 1), (2, 3, 7, 6)),
    'AvgPool2D full': (lambda: nn.AvgPool2D(3, 2, 1, ceil_mode=True), (2, 3, 8, 6)),
    'AvgPool2D without padding': (
        lambda: nn.AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 8, 6)),
    'GlobalAvgPool2D': (nn.GlobalAvgPool2D, (2, 3, 5, 4)),
    'GlobalMaxPool2D': (nn.GlobalMaxPool2D, (2, 3, 5, 4)),
    'GlobalAvgPool1D': (nn.GlobalAvgPool1D, (2, 3, 5)),
    'Flatten': (nn.Flatten, (2, 3, 4)),
}  # fmt: skip


@pytest.mark.parametrize('name', LAYERS)
def test_layer_computes_and_learns_as_in_mxnet(name):
    make, shape = LAYERS[name]
    rounded = name in ('SELU', 'GELU')  # in float32 on the way
    slope = 'differences' if name == 'SELU' else 'mxnet'  # whose own is wrong below 0
    compare(make(), shape, tolerance=1e-6 if rounded else 1e-10, slope=slope)


@pytest.mark.parametrize('name', ['BatchNorm', 'BatchNorm without scale', 'Dense'])
def test_layer_outside_of_record_is_that_of_mxnet(name):
    make, shape = LAYERS[name]
    compare(make(), shape, training=False)


FUNCTIONS = {
    'reshape -2 -4': lambda F, x: F.npx.reshape(x, (-2, 4, -4)),
    'reshape -5': lambda F, x: F.npx.reshape(x, (-5, -2)),
    'reshape -6': lambda F, x: F.npx.reshape(x, (-2, -6, 2, -1, -2)),
    'reshape -1': lambda F, x: F.npx.reshape(x, (-1, 3)),
    'reshape reversed': lambda F, x: F.npx.reshape(x, (-1, -2), reverse=True),
    'np.reshape': lambda F, x: F.np.reshape(x, (-1, 8)),
    'x.reshape': lambda F, x: x.reshape((3, -1)),
    'reshape_like': lambda F, x: F.npx.reshape_like(x.reshape((-1,)), x),
    'transpose': lambda F, x: F.np.transpose(x, (2, 0, 1)),
    'x.T': lambda F, x: x.T,
    'swapaxes': lambda F, x: F.np.swapaxes(x, 0, 2),
    'moveaxis': lambda F, x: F.np.moveaxis(x, 0, 2),
    'slice': lambda F, x: x[:, 1:3],
    'slice with a step': lambda F, x: x[:, ::2, -2:],
    'an index': lambda F, x: x[:, 0],
    'npx.slice': lambda F, x: F.npx.slice(x, (0, 1), (1, 3)),
    'mean': lambda F, x: F.np.mean(x, axis=1),
    'mean over all': lambda F, x: x.mean() + x,
    'sum': lambda F, x: F.np.sum(x, axis=(0, 2), keepdims=True),
    'max': lambda F, x: F.np.max(x, axis=1),
    'min': lambda F, x: x.min(axis=1),
    'var': lambda F, x: F.np.var(x, axis=0),
    'exp': lambda F, x: F.np.exp(x),
    'log': lambda F, x: F.np.log(F.np.abs(x) + 1),
    'log1p': lambda F, x: F.np.log1p(F.np.square(x)),
    'expm1': lambda F, x: F.np.expm1(x),
    'sqrt': lambda F, x: 1 / F.np.sqrt(x * x + 0.1),
    'sin': lambda F, x: F.np.sin(x) * F.np.cos(2 - x),
    'tanh': lambda F, x: F.np.tanh(x),
    'arctan': lambda F, x: F.np.arctan(x),
    'clip': lambda F, x: F.np.clip(x, -0.5, 0.5),
    'arithmetic': lambda F, x: (1 - x) * (x + 2) / (x * x + 3) - x / 2 - (-x),
    'scalars on the left': lambda F, x: 2 / (1 + x**2) + 3 - 2**x,
    'power': lambda F, x: (x * x + 1) ** x,
    'maximum': lambda F, x: F.np.maximum(x, -x / 2) + F.np.minimum(x, 0.3) * F.np.maximum(x, 0),
    'comparison': lambda F, x: F.np.where(x > 0.1, x, 2 * x),
    'comparison as a factor': lambda F, x: (x > 0) * x,
    'concatenate': lambda F, x: F.np.concatenate([x, x * x], axis=1),
    'stack': lambda F, x: F.np.stack([x, 2 * x], axis=1),
    'split': lambda F, x: F.np.split(x, 2, axis=1)[1],
    'split at places': lambda F, x: F.np.split(x, (1, 3), axis=1)[1],
    'expand_dims': lambda F, x: F.np.squeeze(F.np.expand_dims(x, 1), 1),
    'repeat': lambda F, x: F.np.repeat(x, 2, axis=1),
    'tile': lambda F, x: F.np.tile(x, (2, 1, 1)),
    'broadcast_to': lambda F, x: F.np.broadcast_to(x[:, :1], (2, 4, 6)),
    'zeros and ones': lambda F, x: x * F.np.ones_like(x) + F.np.zeros_like(x),
    'relu, sigmoid': lambda F, x: F.npx.relu(x) * F.npx.sigmoid(x),
    'softmax': lambda F, x: F.npx.softmax(x, axis=1),
    'log_softmax': lambda F, x: F.npx.log_softmax(x),
    'erf': lambda F, x: F.npx.erf(x),
    'dot': lambda F, x: F.np.dot(x, x[0].T),
    'einsum': lambda F, x: F.np.einsum('ijk,ilk->ijl', x, x),
    'batch_dot': lambda F, x: F.npx.batch_dot(x, x, transpose_b=True),
    'pad': lambda F, x: F.np.pad(x, ((0, 0), (0, 0), (1, 2))),
    'flip': lambda F, x: F.np.flip(x, 1),
    'layers by hand': lambda F, x: F.npx.leaky_relu(x, act_type='leaky', slope=0.1),
    'two heads': lambda F, x: F.np.concatenate([x[:, 0:1], x[:, -1:]], 1),
}


@pytest.mark.parametrize('name', FUNCTIONS)
def test_function_computes_and_has_the_slope_of_mxnets(name):
    compare(
        nn.HybridLambda(FUNCTIONS[name]), (2, 4, 6),
        tolerance=1e-6 if name in ('erf', 'layers by hand') else 1e-10,
        slope='differences' if name == 'var' else 'mxnet',  # MXNet has none for it
    )  # fmt: skip


class Norm(gluon.HybridBlock):
    def __init__(self, name, size, **attrs):
        super().__init__()
        self.kind, self.attrs = name, attrs
        with self.name_scope():
            self.gamma = self.params.get('gamma', shape=(size,), init='ones')
            self.beta = self.params.get('beta', shape=(size,), init='zeros')

    def hybrid_forward(self, F, x, gamma, beta):
        inputs = (a.as_nd_ndarray() for a in (x, gamma, beta))
        return getattr(F, self.kind)(*inputs, **self.attrs).as_np_ndarray()


def test_instance_norm_is_that_of_mxnet():
    norm = Norm('InstanceNorm', 3, eps=1e-4)
    compare(norm, (2, 3, 5, 5), dtype='float32', tolerance=1e-5)  # which it has alone


def test_group_norm_is_that_of_mxnet():
    compare(Norm('GroupNorm', 2, num_groups=2, eps=1e-4), (2, 4, 5, 5))


def test_branches_are_joined_as_in_mxnet():
    def join(F, x):
        parts = x.as_nd_ndarray(), (x * x).as_nd_ndarray()
        return F.concat(*parts, dim=1).as_np_ndarray()

    compare(nn.HybridLambda(join), (3, 4))


def test_embedding_takes_the_nearest_row_as_in_mxnet():
    net = nn.HybridSequential()
    net.add(nn.Embedding(5, 3), nn.Dense(2))
    index = [[0, 4], [3, 3], [1, 2]]
    compare(net, (3, 2), X=index, slope='parameters')  # an index has none


def test_one_hot_and_take_are_those_of_mxnet():
    index = [0, 2, 1, 1]
    compare(nn.HybridLambda(lambda F, x: F.npx.one_hot(x, 3) * 2), (4,), X=index,
            slope=None)  # fmt: skip
    compare(nn.HybridLambda(lambda F, x: F.npx.pick(F.npx.one_hot(x, 3), x)), (4,), X=index,
            slope=None)  # fmt: skip


@pytest.mark.parametrize(
    ('dimensions', 'attrs'),
    [(3, {'stride': (2, 2, 2), 'pad': (1, 1, 0)}), (2, {'stride': (2, 1), 'dilate': (2, 2)})],
)
def test_deconvolution_is_the_gradient_of_a_convolution(dimensions, attrs):
    # MXNet has neither of these two on a CPU.
    rng = numpy.random.default_rng(0)
    small, kernel = (4, 3, 3)[:dimensions], (3, 2, 2)[:dimensions]
    weight, Y = rng.normal(size=(4, 2, *kernel)), rng.normal(size=(2, 4, *small))
    deconvolution, convolution = (operators.OPERATORS[n] for n in ('Deconvolution', 'Convolution'))
    X = deconvolution(Y, weight, kernel=kernel, num_filter=2, **attrs)
    forward, backward = jax.vjp(
        lambda X: convolution(X, weight, kernel=kernel, num_filter=4, no_bias=True, **attrs), X
    )
    assert forward.shape == Y.shape
    close(X, backward(Y)[0])


@pytest.mark.parametrize('target', [(7, 8), (6, 7)])
def test_deconvolution_reaches_its_target_shape_as_in_mxnet(target):
    class Deconvolution(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.weight = self.params.get('weight', shape=(3, 2, 4, 4))

        def hybrid_forward(self, F, x, weight):
            return F.npx.deconvolution(
                x, weight, kernel=(4, 4), stride=(2, 2), num_filter=2, target_shape=target,
                pad=(1, 1), no_bias=True,
            )  # fmt: skip

    compare(Deconvolution(), (2, 3, 3, 4))


def test_batch_norm_in_two_places_moves_its_statistics_in_the_order_of_the_backward_pass():
    net, norm = nn.HybridSequential(), nn.BatchNorm()
    net.add(norm, nn.HybridLambda(lambda F, x: x * x), norm)
    compare(net, (6, 3))


def test_dropout_keeps_the_mean_and_the_share():
    network = translated(nn.Dropout(0.3))
    X = jax.numpy.ones((100, 100))
    (Y,), _ = network({'X': X}, jax.random.PRNGKey(0))
    kept = numpy.asarray(Y) > 0
    assert network.random
    assert abs(kept.mean() - 0.7) < 0.02
    close(numpy.unique(Y), [0, 1 / 0.7], 1e-7)
    (Y,), _ = network({'X': X}, training=False)
    close(Y, X)


def test_dropout_of_whole_channels_drops_them_whole():
    network = translated(nn.Dropout(0.5, axes=(2, 3)))
    (Y,), _ = network({'X': jax.numpy.ones((8, 16, 3, 3))}, jax.random.PRNGKey(1))
    channels = numpy.asarray(Y).reshape(128, 9)
    assert (channels == channels[:, :1]).all()
    assert 0.3 < (channels[:, 0] > 0).mean() < 0.7


def test_logistic_regression_output_is_its_own_loss_as_in_mxnet():
    x = sym.var('X').as_nd_ndarray()
    head = sym.LogisticRegressionOutput(x, sym.var('label').as_nd_ndarray(), grad_scale=0.5)
    X, label = numpy.random.default_rng(0).normal(size=(2, 4, 1))
    arrays = {'X': np.array(X, dtype='float64'), 'label': np.array(label, dtype='float64')}
    gradient = np.zeros((4, 1), dtype='float64')
    executor = head.bind(
        ctx=None or np.zeros(1).ctx,
        args={name: a.as_nd_ndarray() for name, a in arrays.items()},
        args_grad={'X': gradient.as_nd_ndarray()},
        grad_req={'X': 'write', 'label': 'null'},
    )
    (Y,) = executor.forward(is_train=True)
    executor.backward()
    nodes = [
        dict(node, inputs=[entry[:2] for entry in node['inputs']])
        for node in json.loads(head.tojson())['nodes']
    ]
    network = translate.Network(nodes)

    def function(X):
        (Y,), _ = network({'X': X, 'label': label})
        return Y.sum(), Y

    ours, Y_ours = jax.grad(function, has_aux=True)(X)
    close(Y_ours, Y)
    close(ours, gradient)


def test_all_operators_without_a_translation_are_named_at_once():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.HybridLambda(lambda F, x: F.np.cumsum(x, 1)),
            nn.HybridLambda(lambda F, x: F.npx.pooling(x, kernel=(1,), pool_type='lp')),
            nn.HybridLambda(lambda F, x: F.npx.topk(x)))  # fmt: skip
    with pytest.raises(translate.Unsupported) as error:
        translated(net)
    for name in ('cumsum', 'Pooling(pool_type=lp)', 'topk'):
        assert name in str(error.value)
    assert 'FullyConnected' not in str(error.value)


def test_slopes_at_a_kink_are_those_of_mxnet():
    for name in ('relu, sigmoid', 'clip', 'layers by hand'):
        compare(nn.HybridLambda(FUNCTIONS[name]), (1, 3, 1), X=[[[0], [0.5], [-0.5]]])


def test_attributes_are_read_as_values():
    assert translate._value('(1, 2)') == (1, 2)
    assert translate._value('[None, 1]') == (None, 1)
    assert translate._value('relu') == 'relu'
    assert translate._value([1]) == (1,)


def test_the_table_has_every_operator_of_a_saved_generator():
    from d2l_gan import generator

    assert set(generator.OPERATORS) <= set(operators.OPERATORS)


def test_a_network_is_translated_without_mxnet():
    code = (
        'import sys\n'
        'sys.modules["mxnet"] = None\n'
        'from d2l_gan.xla import translate\n'
        'import jax.numpy as np\n'
        'nodes = [{"op": "null", "name": "X", "inputs": []},\n'
        '         {"op": "_npi_exp", "name": "exp", "inputs": [[0, 0]]}]\n'
        'print(float(translate.Network(nodes)({"X": np.zeros(1)})[0][0][0]))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '1.0\n'

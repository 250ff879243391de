"""Generators of every likely layer, saved and exported: the same numbers, or a reason."""

import json

from d2l_gan import archive, graph
from d2l_gan.archive import CheckpointError
from d2l_gan.export import export_onnx
from d2l_gan.generator import load_generator, save_generator

import numpy
import pytest
from mxnet import autograd, np, npx
from mxnet.gluon import nn

npx.set_np()


def function(f):
    return nn.HybridLambda(f)


def reshape(*shape):
    return function(lambda F, x: x.reshape((-1, *shape)))


PICTURES = [nn.Dense(32), reshape(2, 4, 4)]
ROWS = [nn.Dense(24), reshape(4, 6)]
LAYERS = {
    'dense': [nn.Dense(5, activation='relu'), nn.Dense(3, use_bias=False)],
    'dense, rows': [*ROWS, nn.Dense(3, flatten=False, activation='softsign')],
    'dense, rows, no bias': [*ROWS, nn.Dense(3, flatten=False, use_bias=False)],
    'dense, flattening': [*ROWS, nn.Dense(3)],
    'batch norm': [nn.Dense(5), nn.BatchNorm(), nn.Activation('tanh')],
    'batch norm, last axis': [*ROWS, nn.BatchNorm(axis=-1)],
    'batch norm, third axis': [*PICTURES, nn.BatchNorm(axis=2)],
    'batch norm, no scale': [nn.Dense(5), nn.BatchNorm(scale=False, center=False)],
    'layer norm': [*ROWS, nn.LayerNorm()],
    'deconvolution': [
        *PICTURES, nn.Conv2DTranspose(3, 4, 2, 1), nn.BatchNorm(),
        nn.Conv2DTranspose(1, 3, 2, 1, output_padding=1, use_bias=False, activation='tanh'),
    ],
    'deconvolution, 1d': [*ROWS, nn.Conv1DTranspose(2, 3, 2)],
    'deconvolution, groups': [*PICTURES, nn.Conv2DTranspose(4, 3, groups=2)],
    'convolution': [*PICTURES, nn.Conv2D(3, 3, 1, 1, activation='relu'), nn.Conv2D(4, 2, 2)],
    'convolution, dilated': [*PICTURES, nn.Conv2D(2, 2, dilation=2, groups=2, use_bias=False)],
    'convolution, 1d': [*ROWS, nn.Conv1D(3, 3, 2, 1)],
    'convolution, 3d': [nn.Dense(54), reshape(2, 3, 3, 3), nn.Conv3D(2, 2)],
    'deconvolution, 3d': [nn.Dense(16), reshape(2, 2, 2, 2), nn.Conv3DTranspose(2, 2, 2)],
    'pooling': [*PICTURES, nn.MaxPool2D(2, 1), nn.AvgPool2D(3, 1, 1)],
    'pooling, without edges': [*PICTURES, nn.AvgPool2D(3, 1, 1, count_include_pad=False)],
    'pooling, rounding up': [*PICTURES, nn.MaxPool2D(3, 2, ceil_mode=True)],
    'pooling, global': [*PICTURES, nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(2)],
    'pooling, global, 1d': [*ROWS, nn.GlobalMaxPool1D()],
    'leaky': [nn.Dense(5), nn.LeakyReLU(0.3)],
    'elu': [nn.Dense(5), nn.ELU(0.7), nn.Dropout(0.5)],
    'selu': [nn.Dense(5), nn.SELU()],
    'gelu': [nn.Dense(5), nn.GELU()],
    'prelu': [nn.Dense(5), nn.PReLU()],
    'prelu, channels': [*PICTURES, nn.PReLU(in_channels=2)],
    'swish': [nn.Dense(5), nn.Swish()],
    'sigmoid, softrelu': [nn.Dense(5, activation='sigmoid'), nn.Activation('softrelu')],
    'softmax': [nn.Dense(5), function(lambda F, x: F.npx.softmax(x))],
    'arithmetic': [
        nn.Dense(5), function(lambda F, x: 1 - 2 * x + x * x / (3 + F.np.abs(x)) - x**2 / 2),
    ],
    'functions': [
        nn.Dense(5),
        function(lambda F, x: F.np.sqrt(F.np.exp(F.np.sin(x)) + F.np.square(F.np.cos(x))) - x),
    ],
    'scalars first': [nn.Dense(5), function(lambda F, x: 2 / (3 + F.npx.sigmoid(x)) + 2**x)],
    'clip': [nn.Dense(5), function(lambda F, x: F.np.clip(x, -0.01, 0.01))],
    'concat': [nn.Dense(6), function(lambda F, x: F.np.concatenate([x, -x, F.np.tanh(x)], axis=1))],
    'stack': [nn.Dense(6), function(lambda F, x: F.np.stack([x, F.npx.relu(x)], axis=1))],
    'transpose': [*PICTURES, function(lambda F, x: F.np.transpose(x, (0, 2, 3, 1)))],
    'slices': [*PICTURES, function(lambda F, x: x[:, 0:1, 1:, ::2])],
    'expand, squeeze': [
        nn.Dense(5), function(lambda F, x: F.np.squeeze(F.np.expand_dims(x, 1), 1)),
    ],
    'mean': [*PICTURES, function(lambda F, x: x - x.mean(axis=(2, 3), keepdims=True))],
    'reshape': [nn.Dense(12), function(lambda F, x: F.npx.reshape(x, (-2, 3, 4)))],
}  # fmt: skip


def made(layers, *inputs):
    net = nn.HybridSequential() if isinstance(layers, list) else layers
    if isinstance(layers, list):
        net.add(*layers)
    net.initialize(force_reinit=True)
    with autograd.record():  # so that running statistics are not those of the start
        y = net(*inputs)
    y.backward()
    return net


def session(path):
    runtime = pytest.importorskip('onnxruntime')
    return runtime.InferenceSession(str(path), providers=['CPUExecutionProvider'])


@pytest.mark.parametrize('name', LAYERS)
def test_saved_and_exported_it_gives_the_same(tmp_path, name):
    net = made(LAYERS[name], np.random.normal(size=(9, 4)))
    save_generator(tmp_path / 'g', net, 4)
    loaded, Z = load_generator(tmp_path / 'g', 'cpu'), np.random.normal(size=(7, 4))
    assert (loaded(Z) == net(Z)).all()
    pytest.importorskip('onnx')
    export_onnx(net, tmp_path / 'g.onnx', 4)
    for batch in (1, 7):
        (found,) = session(tmp_path / 'g.onnx').run(None, {'Z': Z[:batch].asnumpy()})
        expected = net(Z[:batch]).asnumpy()
        assert found.shape == expected.shape
        assert abs(found - expected).max() < 1e-5 * max(1, abs(expected).max())


class Conditional(nn.HybridBlock):
    def __init__(self, one_hot=False):
        super().__init__()
        self.one_hot, self.out = one_hot, nn.HybridSequential()
        self.embed = None if one_hot else nn.Embedding(4, 3)
        self.out.add(nn.Dense(6), nn.BatchNorm(), nn.Dense(8, activation='tanh'), reshape(2, 2, 2))

    def hybrid_forward(self, F, Z, label):
        told = F.npx.one_hot(label, 4) if self.one_hot else self.embed(label)
        return self.out(F.np.concatenate([F.npx.batch_flatten(Z), told], axis=1))


@pytest.mark.parametrize('one_hot', [False, True])
@pytest.mark.parametrize('dtype', ['float32', 'int32'])
def test_conditions_and_noise_of_a_shape(tmp_path, one_hot, dtype):
    Z, labels = np.random.normal(size=(6, 5, 1, 1)), np.array([0, 1, 2, 3, 0, 1], dtype=dtype)
    net = made(Conditional(one_hot), Z, labels)
    save_generator(tmp_path / 'g', net, (5, 1, 1), condition=labels)
    loaded = load_generator(tmp_path / 'g')
    assert (loaded(Z, labels) == net(Z, labels)).all()
    assert loaded.sample(6, condition=labels).shape == (6, 2, 2, 2)
    with pytest.raises(ValueError, match='`condition` is None; this generator takes one for each'):
        loaded.sample(6)
    pytest.importorskip('onnx')
    export_onnx(net, tmp_path / 'g.onnx', (5, 1, 1), condition=labels)
    given = {'Z': Z.asnumpy(), 'condition': labels.asnumpy()}
    (found,) = session(tmp_path / 'g.onnx').run(None, given)
    assert abs(found - net(Z, labels).asnumpy()).max() < 1e-5


@pytest.mark.parametrize(
    'layers, sentence',
    [
        ([*PICTURES, nn.AvgPool2D(3, 2, ceil_mode=True)], 'Pooling.* averages over windows'),
        ([*PICTURES, nn.LayerNorm(axis=1)], 'LayerNorm.* normalises axis 1'),
        ([nn.Dense(5), function(lambda F, x: x - x.mean())], '_npi_mean.* the mean of all'),
        ([nn.Dense(5), function(lambda F, x: F.np.expand_dims(x, 0))], 'expand_dims.* first axis'),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(tmp_path, layers, sentence):
    pytest.importorskip('onnx')
    net = made(layers, np.random.normal(size=(9, 4)))
    with pytest.raises(ValueError, match='`net_G` cannot be exported: .*' + sentence):
        export_onnx(net, tmp_path / 'g.onnx', 4)
    assert not (tmp_path / 'g.onnx').exists()


def test_a_second_output_is_refused(tmp_path):
    net = made([nn.Dense(6), function(lambda F, x: F.np.split(x, 2, axis=1)[1])], np.ones((2, 4)))
    with pytest.raises(ValueError, match='`net_G` uses _split_v2'):
        save_generator(tmp_path / 'g', net, 4)


FORGED = {
    'stride 0': ('deconvolution', 'Deconvolution', {'stride': [0, 0]}, '`stride`'),
    'kernel 0': ('pooling', 'Pooling', {'kernel': [0, 0]}, '`kernel`'),
    'groups 0': ('convolution', 'Convolution', {'num_group': 0}, '`num_group`'),
    'pad -1': ('convolution', 'Convolution', {'pad': [-1, -1]}, '`pad`'),
    'huge': ('deconvolution', 'Deconvolution', {'stride': [1024, 1024], 'pad': [0, 0]}, 'numbers'),
    'axes': ('transpose', '_np_transpose', {'axes': [0, 0, 0, 0]}, 'has axes'),
    'step': ('slices', 'slice', {'step': [1, 0, 1, 1]}, 'step of 0'),
    'axis': ('batch norm, third axis', 'BatchNorm', {'axis': 1}, 'vectors that do not fit'),
    'slopes': ('prelu, channels', 'LeakyReLU', {}, 'slopes that do not fit'),
}


@pytest.mark.parametrize('name', FORGED)
def test_a_forged_file_does_no_harm(tmp_path, name):
    layers, op, change, sentence = FORGED[name]
    save_generator(tmp_path / 'g', made(LAYERS[layers], np.random.normal(size=(9, 4))), 4)
    header, arrays = archive.parse((tmp_path / 'g').read_bytes())
    node = next(node for node in header['nodes'] if node['op'] == op)
    node['attrs'].update(change)
    if name == 'slopes':
        parameter = header['nodes'][node['inputs'][1]]['name']
        arrays = dict(arrays, **{parameter: numpy.ones(3, 'float32')})
    (tmp_path / 'g').write_bytes(archive.pack(header, arrays))
    with pytest.raises(CheckpointError, match=f'g` .*{sentence}'):
        load_generator(tmp_path / 'g')


def test_a_file_of_the_first_version_is_still_read(tmp_path):
    """It had plain numbers and names in its header, and neither shapes nor conditions."""
    arrays = {'dense0_weight': numpy.ones((2, 4), 'f4'), 'dense0_bias': numpy.ones(2, 'f4')}
    nodes = [dict(op='null', name=n, attrs={}, inputs=[]) for n in ('Z', *arrays)]
    attrs = {'num_hidden': 2, 'no_bias': False, 'flatten': True}
    nodes.append(dict(op='FullyConnected', name='dense0_fwd', attrs=attrs, inputs=[0, 1, 2]))
    header = {'kind': 'generator', 'latent_dim': 4, 'nodes': nodes, 'prior': 'normal'}
    (tmp_path / 'g').write_bytes(archive.pack(json.loads(json.dumps(header)), arrays))
    assert (load_generator(tmp_path / 'g')(np.ones((3, 4))) == 5).all()


def test_every_operator_in_the_table_is_tried():
    tried = {'Embedding', 'one_hot', 'Cast'}
    for layers in LAYERS.values():
        net = nn.HybridSequential()
        net.add(*layers)
        tried |= {node.op for node in graph.trace(net).operators()}
    like_others = {'power', 'log', 'negative', 'subtract_scalar', 'radd_scalar', 'rmultiply_scalar'}
    assert set(graph.OPERATORS) - tried <= {f'_npi_{name}' for name in like_others}

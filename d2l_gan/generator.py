"""Save a generator alone: its layers and its prior, enough to draw samples without its chapter."""

import ast
import contextlib
import json
from pathlib import Path

from d2l_gan import devices
from d2l_gan.archive import CheckpointError, naming, read, write
from d2l_gan.files import numbered, write_whole
from d2l_gan.noise import PRIORS, seeded
from d2l_gan.speak import tell

import numpy
from mxnet import autograd, np, npx, sym

NAME = 'generator-{:06d}'
# What a saved generator may consist of: {operator of MXNet: (function, its attributes)}.
OPERATORS = {
    'FullyConnected': (npx.fully_connected, 'num_hidden no_bias flatten'),
    'BatchNorm': (npx.batch_norm, 'axis eps momentum fix_gamma use_global_stats'),
    'Activation': (npx.activation, 'act_type'),
    'LeakyReLU': (npx.leaky_relu, 'act_type slope'),
    '_npx_relu': (npx.relu, ''),
    '_npx_sigmoid': (npx.sigmoid, ''),
    '_npi_tanh': (np.tanh, ''),
    'Dropout': (npx.dropout, 'p axes cudnn_off'),
    'Flatten': (npx.batch_flatten, ''),
    '_npx_reshape': (npx.reshape, 'newshape'),
    '_np_reshape': (np.reshape, 'newshape'),
}


def _trace(net):
    """Return the operators of `net` in order, and {name: array} of its parameters."""
    try:
        output = net(sym.var('Z').as_np_ndarray())
        graph = json.loads(output.tojson())
    except Exception as error:
        raise ValueError('`net_G` must be a HybridBlock or a Sequential of them') from error
    nodes = []
    for node in graph['nodes']:
        op, attrs = node['op'], node.get('attrs', {})
        if op != 'null' and op not in OPERATORS:
            raise ValueError(f'`net_G` uses {op}; it may use {", ".join(OPERATORS)}')
        for key, value in attrs.items():
            with contextlib.suppress(ValueError, SyntaxError):  # a word, such as relu
                attrs[key] = ast.literal_eval(value)
        nodes.append({'op': op, 'name': node['name'], 'attrs': {} if op == 'null' else attrs,
                      'inputs': [i[0] for i in node['inputs']]})  # fmt: skip
    return nodes, {p.name: p.list_data()[0] for p in net.collect_params().values()}


def save_generator(path, net_G, latent_dim, prior='normal'):
    """Write `net_G`, alone but with all that drawing samples needs, to `path`.

    Args:
        net_G: a Sequential of Gluon's layers or a HybridBlock.
        prior: as for `train.train`.
    """
    nodes, arrays = _trace(net_G)
    header = {
        'kind': 'generator', 'latent_dim': latent_dim, 'nodes': nodes,
        'prior': prior if isinstance(prior, str) else None,
    }  # fmt: skip
    write(path, header, arrays)


def load_generator(path, device=None):
    """Return the `Generator` saved at `path`; raise CheckpointError if the file is damaged."""
    device = devices.device(device)
    header, arrays = read(path, 'generator')
    with naming(path):
        if not 0 < header['latent_dim'] < 1 << 20:
            raise CheckpointError(f'has `latent_dim` {header["latent_dim"]}')
        generator = Generator(header, arrays, device)
        generator(np.zeros((2, generator.latent_dim), ctx=device)).wait_to_read()
    return generator


def latest_generator(directory, device=None):
    """Return the newest `Generator` in `directory` that is whole, as the callback keeps them."""
    error = CheckpointError(f'`{directory}` holds no generator')
    earlier = Path(directory).parent / 'earlier'
    if any(earlier.glob('*/generators')):
        error = CheckpointError(f'{error}; those of earlier runs are in `{earlier}`')
    for path in reversed(list(numbered(directory, NAME).values())):
        try:
            return load_generator(path, device)
        except CheckpointError as problem:
            error = problem
            tell(f'{error}.')
    raise error


class Generator:
    """A generator without its chapter: `generator(Z)` -> X, `generator.sample(16)` -> X."""

    def __init__(self, header, arrays, device):
        self.latent_dim, self.prior, self.device = header['latent_dim'], header['prior'], device
        self.arrays = {k: np.array(v, dtype=v.dtype, ctx=device) for k, v in arrays.items()}
        self.nodes = header['nodes']

    def __call__(self, Z):
        """Return X for the noise Z, (batch, latent_dim)."""
        return self.run(Z)[-1]

    def sample(self, num, seed=0):
        """Return `num` samples; the same `seed`, the same samples."""
        if self.prior not in PRIORS:
            raise ValueError('the prior was a function of its own; call the generator with noise')
        with seeded(seed, 0):
            return self(PRIORS[self.prior]((num, self.latent_dim), self.device))

    def run(self, Z):
        """Return the outputs of all operators, in order."""
        values, known = [], dict(self.arrays, Z=Z)
        with autograd.pause():
            for node in self.nodes:
                if node['op'] == 'null':
                    values.append(known[node['name']])
                    continue
                function, names = OPERATORS[node['op']]
                attrs = {key: node['attrs'][key] for key in names.split() if key in node['attrs']}
                inputs = [values[i] for i in node['inputs']]
                if node['op'] == 'BatchNorm':  # the one that MXNet does not check by itself
                    channels = inputs[0].shape[attrs['axis']]
                    if any(vector.shape != (channels,) for vector in inputs[1:]):
                        raise CheckpointError(f'has vectors that do not fit {channels} channels')
                values.append(function(*inputs, **attrs))
        return values


def export_onnx(net_G, path, latent_dim):
    """Write `net_G` to `path` as ONNX (opset 13): input Z, (batch, latent_dim), output X.

    Needs onnx, which the extra `export` installs.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, arrays = _trace(net_G)
    generator = Generator({'latent_dim': latent_dim, 'prior': None, 'nodes': nodes}, arrays, None)
    values = generator.run(np.zeros((2, latent_dim)))
    tensors, made = [], []

    def make(kind, inputs, output, **attrs):
        made.append(helper.make_node(kind, inputs, [output], **attrs))

    names = ['Z' if node['name'] == 'Z' else f'{i}' for i, node in enumerate(nodes[:-1])] + ['X']
    for output, node, value in zip(names, nodes, values):
        op, attrs, inputs = node['op'], node['attrs'], [names[j] for j in node['inputs']]
        name = attrs.get('act_type', op.split('_')[-1])
        if op == 'null' and output != 'Z':
            tensors.append(numpy_helper.from_array(value.asnumpy(), output))
        elif name in ('Flatten', 'reshape'):
            shape = numpy.array([-1, *value.shape[1:]])  # the batch may have any size
            tensors.append(numpy_helper.from_array(shape, f'shape of {output}'))
            make('Reshape', [*inputs, f'shape of {output}'], output)
        elif op == 'FullyConnected':
            make('Flatten', inputs[:1], f'flat for {output}')
            make('Gemm', [f'flat for {output}', *inputs[1:]], output, transB=1)
        elif op == 'BatchNorm':
            make('BatchNormalization', inputs, output, epsilon=attrs['eps'])
        elif name in ('leaky', 'elu'):
            make({'leaky': 'LeakyRelu', 'elu': 'Elu'}[name], inputs, output, alpha=attrs['slope'])
        elif op != 'null':
            make({'softrelu': 'Softplus'}.get(name, name.title()), inputs, output)
    graph = helper.make_graph(
        made,
        'generator',
        [helper.make_tensor_value_info('Z', TensorProto.FLOAT, ['batch', latent_dim])],
        [helper.make_tensor_value_info('X', TensorProto.FLOAT, ['batch', *value.shape[1:]])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    checker.check_model(model)
    write_whole(path, model.SerializeToString())

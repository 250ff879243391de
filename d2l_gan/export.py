"""Write a generator as ONNX, for other programs; what cannot be written is refused by name."""

from d2l_gan import graph
from d2l_gan.files import write_whole

import numpy

# Operators that have the same meaning in ONNX, or need an attribute renamed.
SAME = {
    'relu': 'Relu', 'sigmoid': 'Sigmoid', 'tanh': 'Tanh', 'softrelu': 'Softplus',
    'softsign': 'Softsign', 'selu': 'Selu', 'exp': 'Exp', 'log': 'Log', 'sqrt': 'Sqrt',
    'absolute': 'Abs', 'negative': 'Neg', 'sin': 'Sin', 'cos': 'Cos', 'add': 'Add',
    'subtract': 'Sub', 'multiply': 'Mul', 'true_divide': 'Div', 'power': 'Pow',
    'Dropout': 'Identity',
}  # fmt: skip
RESHAPING = ('Flatten', '_np_reshape', '_npx_reshape', 'expand_dims', '_np_squeeze')
TOLERANCE = 1e-4  # of the largest number


def export_onnx(net_G, path, latent_dim, condition=None):
    """Write `net_G` to `path` as ONNX (opset 17): inputs Z and condition, output X.

    The batch may have any size. Needs onnx, which the extra `export` installs. Where onnxruntime
    is there as well, the model is run and compared before it is written.

    Args:
        net_G: as for `generator.save_generator`.
        path: where to.
        latent_dim: width of the noise, or its shape.
        condition: for a generator that takes one, some of them, (n, ...).

    Raises:
        ValueError: where a layer cannot be written, or the model gives something else; it names
            the layer.
    """
    from onnx import checker

    writer = Writer(net_G, latent_dim, condition)
    model = writer.model()
    checker.check_model(model)
    writer.compare(model.SerializeToString())
    write_whole(path, model.SerializeToString())


class Writer:
    """Write one operator after the other; see `export_onnx` for the arguments."""

    def __init__(self, net_G, latent_dim, condition):
        from d2l_gan.generator import Generator, described

        from mxnet import np
        from onnx import TensorProto, helper, numpy_helper

        self.types, self.helper, self.to_tensor = TensorProto, helper, numpy_helper.from_array
        nodes, arrays = described(net_G, condition is not None)
        header = {'latent_dim': latent_dim, 'prior': None, 'nodes': nodes}
        generator = Generator(header, arrays, next(iter(arrays.values())).ctx)
        shape = latent_dim if isinstance(latent_dim, tuple) else (latent_dim,)
        random = numpy.random.RandomState(0)
        self.nodes, self.inputs, self.values = nodes, [], []
        for batch in (2, 3):  # two sizes tell what depends on the batch
            inputs = [np.array(random.normal(size=(batch, *shape)), dtype=generator.dtype)]
            if condition is not None:
                inputs.append(np.concatenate([condition[:1]] * batch))
            inputs = [a.as_in_ctx(generator.device) for a in inputs]
            self.inputs.append({n: a.asnumpy() for n, a in zip(('Z', 'condition'), inputs)})
            self.values.append(generator.run(*inputs))
        self.tensors, self.made = [], []

    def make(self, kind, inputs, output=None, **attrs):
        """Add a node; return the name of its output."""
        output = output or f'{self.output} {len(self.made)}'
        self.made.append(self.helper.make_node(kind, list(inputs), [output], **attrs))
        return output

    def constant(self, value, dtype='int64'):
        """Add a constant; return its name."""
        name = f'constant {len(self.tensors)}'
        self.tensors.append(self.to_tensor(numpy.asarray(value, dtype), name))
        return name

    def model(self):
        """Return the model."""
        inputs = self.inputs[0]
        names = [n['name'] if n['name'] in inputs else f'{i}' for i, n in enumerate(self.nodes)]
        names[-1] = 'X'
        for i, node in enumerate(self.nodes):
            self.output, self.node, self.value = names[i], node, self.values[0][i]
            if node['op'] != 'null':
                self.shapes = [self.values[0][j].shape for j in node['inputs']]
                self.write([names[j] for j in node['inputs']])
            elif node['name'] not in inputs:
                self.tensors.append(self.to_tensor(self.value.asnumpy(), names[i]))
        ends = [
            self.helper.make_tensor_value_info(
                name, self.helper.np_dtype_to_tensor_dtype(a.dtype), ['batch', *a.shape[1:]]
            )
            for name, a in dict(inputs, X=self.value.asnumpy()).items()
        ]
        made = self.helper.make_graph(self.made, 'generator', ends[:-1], ends[-1:], self.tensors)
        opset = [self.helper.make_opsetid('', 17)]
        return self.helper.make_model(made, opset_imports=opset, ir_version=8)

    def compare(self, model):
        """Raise ValueError where onnxruntime, if it is there, gives something else."""
        try:
            import onnxruntime
        except ImportError:
            return
        session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        for inputs, values in zip(self.inputs, self.values):
            (found,), expected = session.run(None, inputs), values[-1].asnumpy()
            if found.shape != expected.shape or not (
                abs(found - expected).max() <= TOLERANCE * max(1, abs(expected).max())
            ):
                raise ValueError(
                    f'`net_G` gives {expected.shape} and the ONNX model something else, '
                    f'{found.shape}; it cannot be exported'
                )

    def refuse(self, reason):
        """Raise ValueError that names the layer."""
        raise ValueError(
            f'`net_G` cannot be exported: {self.node["name"]} ({self.node["op"]}) {reason}'
        )

    def write(self, x):
        """Write the present operator, given the names of its inputs."""
        op, attrs = self.node['op'], self.node['attrs']
        word = attrs.get('act_type', op.split('_')[-1])
        writer = getattr(self, f'write_{op}', None)
        if writer is not None:
            writer(x, **{k: v for k, v in attrs.items() if k in graph.OPERATORS[op][1].split()})
        elif op in RESHAPING:
            one, other = (run[self.nodes.index(self.node)].shape for run in self.values)
            if one[1:] != other[1:]:
                self.refuse('moves examples out of the first axis')
            self.make('Reshape', [x[0], self.constant([-1, *one[1:]])], self.output)
        elif op.endswith('_scalar'):
            word = op[len('_npi_') : -len('_scalar')]
            pair = [x[0], self.constant(attrs['scalar'], self.value.dtype)]
            if word not in SAME:
                word, pair = word[1:], pair[::-1]  # rsubtract: scalar - x
            self.make(SAME[word], pair, self.output)
        elif op == '_npi_true_divide':
            self.make('Div', x, self.output)
        elif op == '_npi_square':
            self.make('Mul', [x[0], x[0]], self.output)
        elif word in SAME or op in SAME:
            self.make(SAME.get(op) or SAME[word], x, self.output)
        else:
            self.refuse('has no counterpart here')

    def write_FullyConnected(self, x, num_hidden, no_bias=False, flatten=True):
        if len(self.shapes[0]) == 2 or flatten:
            self.make('Gemm', [self.make('Flatten', x[:1]), *x[1:]], self.output, transB=1)
            return
        weight = self.make('Transpose', x[1:2], perm=[1, 0])
        product = self.make('MatMul', [x[0], weight], self.output if no_bias else None)
        if not no_bias:
            self.make('Add', [product, x[2]], self.output)

    def write_Convolution(self, x, kernel, num_filter, kind='Conv', no_bias=False, num_group=1,
                          layout=None, stride=None, dilate=None, pad=None, **more):  # fmt: skip
        n = len(kernel)
        self.make(
            kind, x, self.output, kernel_shape=kernel, strides=stride or (1,) * n, group=num_group,
            dilations=dilate or (1,) * n, pads=(pad or (0,) * n) * 2, **more,
        )  # fmt: skip

    def write_Deconvolution(self, x, kernel, adj=None, **attrs):
        adj = adj or (0,) * len(kernel)
        self.write_Convolution(x, kernel, kind='ConvTranspose', output_padding=adj, **attrs)

    def write_Pooling(self, x, kernel=(), pool_type='max', global_pool=False, stride=None, pad=None,
                      pooling_convention='valid', count_include_pad=True, layout=None):  # fmt: skip
        if pool_type not in ('max', 'avg'):
            self.refuse(f'pools by {pool_type}')
        kind = {'max': 'MaxPool', 'avg': 'AveragePool'}[pool_type]
        if global_pool:
            self.make(f'Global{kind}', x, self.output)
            return
        n = len(kernel)
        stride, pad = stride or (1,) * n, pad or (0,) * n
        floor = [(s + 2 * p - k) // t + 1
                 for s, p, k, t in zip(self.shapes[0][2:], pad, kernel, stride)]  # fmt: skip
        more = {}
        if tuple(floor) != self.value.shape[2:]:
            if kind == 'AveragePool':
                self.refuse('averages over windows that are not full')
            more['ceil_mode'] = 1
        if kind == 'AveragePool':
            more['count_include_pad'] = int(count_include_pad)
        self.make(kind, x, self.output, kernel_shape=kernel, strides=stride, pads=pad * 2, **more)

    def write_BatchNorm(self, x, axis=1, eps=1e-3, fix_gamma=True, **_):
        n = len(self.shapes[0])
        if fix_gamma:
            gamma = self.constant(numpy.ones(self.shapes[1]), self.value.dtype)
            x = [x[0], gamma, *x[2:]]
        if n == 1 or axis % n == 1:
            self.make('BatchNormalization', x, self.output, epsilon=eps)
            return
        perm = list(range(n))
        perm[1], perm[axis] = perm[axis], perm[1]  # its own inverse
        first = self.make('Transpose', x[:1], perm=perm)
        normal = self.make('BatchNormalization', [first, *x[1:]], epsilon=eps)
        self.make('Transpose', [normal], self.output, perm=perm)

    def write_LayerNorm(self, x, axis=-1, eps=1e-5):
        if axis % len(self.shapes[0]) != len(self.shapes[0]) - 1:
            self.refuse(f'normalises axis {axis}; it must be the last')
        self.make('LayerNormalization', x, self.output, axis=-1, epsilon=eps)

    def write_Embedding(self, x, **_):
        ids = self.make('Cast', x[:1], to=self.types.INT64)
        self.make('Gather', [x[1], ids], self.output)

    def write_LeakyReLU(self, x, act_type='leaky', slope=0.25):
        if act_type == 'gelu':  # x (1 + erf(x / sqrt 2)) / 2
            half, root = (self.constant(v, self.value.dtype) for v in (0.5, 0.5**0.5))
            one = self.constant(1, self.value.dtype)
            erf = self.make('Erf', [self.make('Mul', [x[0], root])])
            share = self.make('Mul', [self.make('Add', [erf, one]), half])
            self.make('Mul', [x[0], share], self.output)
        elif act_type == 'prelu':
            ones = (1,) * (len(self.shapes[0]) - 2)
            shape = self.constant([*self.shapes[1], *ones])
            self.make('PRelu', [x[0], self.make('Reshape', [x[1], shape])], self.output)
        elif act_type == 'selu':
            self.make('Selu', x, self.output)
        else:
            kind = {'leaky': 'LeakyRelu', 'elu': 'Elu'}[act_type]
            self.make(kind, x, self.output, alpha=slope)

    def write_softmax(self, x, axis=-1):
        self.make('Softmax', x, self.output, axis=axis)

    def write__np_transpose(self, x, axes=None):
        self.make('Transpose', x, self.output, **({'perm': axes} if axes else {}))

    def write__npi_concatenate(self, x, axis=0):
        self.make('Concat', x, self.output, axis=axis)

    def write__npi_stack(self, x, axis=0):
        where = self.constant([axis])
        self.make('Concat', [self.make('Unsqueeze', [a, where]) for a in x], self.output, axis=axis)

    def write_slice(self, x, begin, end, step=None):
        step = step or (None,) * len(begin)
        found = [(i, b, e, s or 1) for i, (b, e, s) in enumerate(zip(begin, end, step))]
        found = [f for f in found if f[1:] != (None, None, 1)]
        far = 2**31 - 1
        starts = [b if b is not None else 0 if s > 0 else far for _, b, _, s in found]
        ends = [e if e is not None else far if s > 0 else -far for _, _, e, s in found]
        axes, steps = [f[0] for f in found], [f[3] for f in found]
        self.make('Slice', [x[0], *map(self.constant, (starts, ends, axes, steps))], self.output)

    def write_one_hot(self, x, depth):
        ids = self.make('Cast', x, to=self.types.INT64)
        values = self.constant([0, 1], self.value.dtype)
        self.make('OneHot', [ids, self.constant(depth), values], self.output)

    def write_clip(self, x, a_min, a_max):
        bounds = [self.constant(v, self.value.dtype) for v in (a_min, a_max)]
        self.make('Clip', [x[0], *bounds], self.output)

    def write_Cast(self, x, dtype):
        to = self.helper.np_dtype_to_tensor_dtype(numpy.dtype(dtype))
        self.make('Cast', x, self.output, to=to)

    def write__npi_mean(self, x, axis=None, keepdims=False):
        if axis is None:
            self.refuse('takes the mean of all examples')
        axes = [axis] if isinstance(axis, int) else list(axis)
        self.make('ReduceMean', x, self.output, axes=axes, keepdims=int(keepdims))

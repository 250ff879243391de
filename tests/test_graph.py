"""A network is traced into the operators that it runs, or it is said which block cannot be."""

from d2l_gan import graph

import pytest
from mxnet import npx
from mxnet.gluon import nn

npx.set_np()


class Conditional(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(10, 4), nn.HybridSequential()
        self.out.add(nn.Dense(3), nn.BatchNorm(), nn.LeakyReLU(0.2))

    def hybrid_forward(self, F, Z, label):
        return self.out(F.np.concatenate([Z, self.embed(label)], axis=1))


class Untraceable(nn.HybridBlock):
    def hybrid_forward(self, F, x):
        return x * x.shape[0]


def test_a_network_of_two_inputs():
    net = Conditional()
    found = graph.trace(net, 'Z', 'label')
    assert found.inputs == ('Z', 'label')
    ops = [node.op for node in found.operators()]
    assert ops == ['Embedding', '_npi_concatenate', 'FullyConnected', 'BatchNorm', 'LeakyReLU']
    assert set(found.parameters) == set(net._collect_params_with_prefix())
    assert found.aux == ('out.1.running_mean', 'out.1.running_var')
    assert found.outputs == [(len(found.nodes) - 1, 0)]
    embedding = next(node for node in found.nodes if node.op == 'Embedding')
    assert [found.nodes[i].name for i, _ in embedding.inputs] == ['label', 'embed.weight']
    assert found.nodes[-1].attrs == {'act_type': 'leaky', 'slope': 0.2}


def test_the_block_that_takes_no_symbol_is_named():
    inner = nn.HybridSequential()
    inner.add(nn.Dense(3), Untraceable())
    for outer in (nn.Sequential(), nn.HybridSequential()):
        outer.add(nn.Dense(2), inner)
        with pytest.raises(graph.NoGraph, match='`1.1`, a Untraceable, takes no symbol: .*shape'):
            graph.trace(outer)
    with pytest.raises(graph.NoGraph, match='^Untraceable takes no symbol'):
        graph.trace(Untraceable())

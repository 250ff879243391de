"""The systems that are timed, in numbers that every framework can build from."""

# All learn this slowly, so that no player collapses while it is timed: a collapsed one computes
# with denormal numbers, for which PyTorch takes up to twice the time and ours does not.
LEARNING_RATE = 1e-6

SYSTEMS = {
    'gaussian': {
        'latent_dim': 2, 'G': [(2, None)], 'D': [(5, 'tanh'), (3, 'tanh'), (1, None)], 'width': 2,
        'batch_size': 8, 'num_examples': 1000, 'objective': 'bce',
        'prior': 'normal', 'first': 'D', 'smoothing': 0.0,
    },
    'sine': {
        'latent_dim': 5, 'G': [(64, 'relu'), (128, 'relu'), (16, None)],
        'D': [(64, 'relu'), (256, 'relu'), (1, None)], 'width': 16, 'batch_size': 64,
        'num_examples': 3200, 'objective': 'minimax',
        'prior': 'normal', 'first': 'G', 'smoothing': 0.0,
    },
    'mnist_leaky': {
        'latent_dim': 100, 'G': [(128, 'leaky'), (784, 'tanh')], 'D': [(128, 'leaky'), (1, None)],
        'width': 784, 'batch_size': 100, 'num_examples': 6000,
        'objective': 'bce', 'prior': 'uniform', 'first': 'D', 'smoothing': 0.1,
    },
    'mnist_deep': {
        'latent_dim': 100, 'G': [(128, 'relu'), (256, 'relu'), (784, 'sigmoid')],
        'D': [(256, 'relu'), (128, 'relu'), (1, None)], 'width': 784, 'batch_size': 32,
        'num_examples': 3200, 'objective': 'bce', 'prior': 'normal',
        'first': 'D', 'smoothing': 0.0,
    },
}  # fmt: skip


def grown(batch_size=100, hidden=128):
    """Return mnist_leaky with another batch size or hidden width, for the cost's growth."""
    system = dict(SYSTEMS['mnist_leaky'], batch_size=batch_size)
    system['num_examples'] = batch_size * max(4, min(60, 6000 // batch_size))
    return dict(system, G=[(hidden, 'leaky'), (784, 'tanh')], D=[(hidden, 'leaky'), (1, None)])


def multiply_adds(system):
    """Return the multiply-adds of one step that no form of it can do without.

    G forward once; D forward on real and fake, and its weights' gradients; D on fake once more,
    since it has moved, and the gradient of its input; the gradients of G's weights. The gradient of
    a layer's input costs as much as the layer, and the first layer's is needed for fake_X alone.
    """

    def sizes(inputs, layers):
        return [a * b for a, b in zip([inputs] + [n for n, _ in layers], [n for n, _ in layers])]

    G, D = sizes(system['latent_dim'], system['G']), sizes(system['width'], system['D'])
    step_D = 2 * (sum(D) + sum(D) + sum(D[1:]))
    step_G = sum(D) + sum(D) + sum(G) + sum(G[1:])
    return system['batch_size'] * (sum(G) + step_D + step_G)

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
    'dcgan_colour': {
        'latent_dim': 100, 'picture': (3, 32), 'channels': 16, 'batch_size': 64,
        'num_examples': 640, 'objective': 'bce', 'prior': 'normal', 'first': 'D', 'smoothing': 0.0,
    },
    'dcgan_grey': {
        'latent_dim': 100, 'picture': (1, 28), 'channels': 32, 'batch_size': 100,
        'num_examples': 600, 'objective': 'bce', 'prior': 'normal', 'first': 'D', 'smoothing': 0.0,
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

    if 'picture' in system:
        (G, D), colours = convolutions(system), system['picture'][0]
        first = colours * system['channels'] * (4 * ((system['picture'][1] + 1) // 2)) ** 2
        step_D, step_G = 2 * (3 * D - first), 2 * D + 2 * G
        return system['batch_size'] * (G + step_D + step_G)

    def sizes(inputs, layers):
        return [a * b for a, b in zip([inputs] + [n for n, _ in layers], [n for n, _ in layers])]

    G, D = sizes(system['latent_dim'], system['G']), sizes(system['width'], system['D'])
    step_D = 2 * (sum(D) + sum(D) + sum(D[1:]))
    step_G = sum(D) + sum(D) + sum(G) + sum(G[1:])
    return system['batch_size'] * (sum(G) + step_D + step_G)


def halvings(system):
    """Return the colours, the sides of G's pictures, its kernels between them, and D's widths."""
    colours, *way = system['picture']
    while way[0] > 4:
        way.insert(0, (way[0] + 1) // 2)
    kernels = [3 if n % 2 else 4 for n in way[1:]]
    return colours, way, kernels, [system['channels'] * 2**i for i in range(len(kernels))]


def convolutions(system):
    """Return the multiply-adds of a picture in G and in D: those of `chapters.dcgan.networks`."""
    colours, way, kernels, widths = halvings(system)
    channels = widths[::-1] + [colours]
    # Of each layer between two pictures, the smaller one's pixels and the kernel, 3 or 4 wide.
    pairs = zip(way, kernels, channels, channels[1:])
    between = sum(n * n * a * b * kernel**2 for n, kernel, a, b in pairs)
    ends = way[0] ** 2 * channels[0]
    return between + ends * system['latent_dim'], between + ends

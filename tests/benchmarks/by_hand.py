"""The chapters' games written by hand in JAX: a jit per step, or one scan per epoch.

Both draw noise with JAX, where it is drawn while the step runs. The form 'given' is the scan again,
with the order and the noise that the other forms of the game have: seeded anew each epoch, and
drawn by MXNet. Convolutions are for GPUs, and have their channels last, as JAX has them.
"""

import itertools
import json
import sys
import time

from tests.benchmarks.meter import Meter
from tests.benchmarks.systems import LEARNING_RATE, halvings

import jax
import jax.numpy as jnp

ACTIVATIONS = {
    'relu': jax.nn.relu,
    'tanh': jnp.tanh,
    'sigmoid': jax.nn.sigmoid,
    'leaky': lambda x: jax.nn.leaky_relu(x, 0.01),
    None: lambda x: x,
}
BETAS = 0.9, 0.999


def players(keys, s):
    """Return the weights of D and G, and the functions (weights, examples or noise) -> result."""
    if 'picture' in s:
        return convolutions(keys, s)
    nets = network(keys[0], s['width'], s['D']), network(keys[1], s['latent_dim'], s['G'])
    return nets, [lambda w, x, name=name: apply(w, s[name], x) for name in 'DG']


def convolutions(keys, s):
    """Return what `players` does for `chapters.dcgan.networks`, without the moving statistics."""
    colours, way, kernels, widths = halvings(s)
    down = zip([colours, *widths], [*widths, 1], [*kernels[::-1], way[0]])
    up = zip([s['latent_dim'], *widths[::-1]], [*widths[::-1], colours], [way[0], *kernels])
    nets = []
    for key, shapes in zip(keys, (down, up)):
        draw = lambda key, a, b, k: 0.02 * jax.random.normal(key, (k, k, a, b))
        sizes = list(shapes)
        kernel = [draw(k, *one) for k, one in zip(jax.random.split(key, len(sizes)), sizes)]
        nets.append([(w, jnp.ones(w.shape[-1]), jnp.zeros(w.shape[-1])) for w in kernel])
    nets[0] = [(w, bias) for w, _, bias in nets[0]]

    def D(weights, x):
        for i, (w, bias) in enumerate(weights):
            last = i == len(weights) - 1
            how = ((1, 1), 'VALID') if last else ((2, 2), [(1, 1)] * 2)
            x = jax.lax.conv_general_dilated(x, w, *how, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
            x = x + bias if last else jax.nn.leaky_relu(x + bias, 0.2)
        return x.reshape(-1, 1)

    def G(weights, z):
        x = z[:, None, None]
        for i, (w, scale, shift) in enumerate(weights):
            stride, edge = (2, w.shape[0] - 2) if i else (1, w.shape[0] - 1)
            x = jax.lax.conv_transpose(x, w, (stride, stride), [(edge, edge)] * 2)
            if i == len(weights) - 1:
                return jnp.tanh(x + shift)
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            x = jax.nn.relu((x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + shift)

    return nets, [D, G]


def network(key, inputs, layers):
    weights = []
    for units, _ in layers:
        key, own = jax.random.split(key)
        weights.append((0.02 * jax.random.normal(own, (inputs, units)), jnp.zeros(units)))
        inputs = units
    return weights


def apply(weights, layers, x):
    for (weight, bias), (_, activation) in zip(weights, layers):
        x = ACTIVATIONS[activation](x @ weight + bias)
    return x


def cross_entropy(logit, label):
    return (jax.nn.softplus(logit) - label * logit).mean()


def adam(player, gradient, t):
    weights, means, squares = player
    means = jax.tree_util.tree_map(lambda m, g: m + (1 - BETAS[0]) * (g - m), means, gradient)
    squares = jax.tree_util.tree_map(
        lambda v, g: v + (1 - BETAS[1]) * (g * g - v), squares, gradient
    )
    rate = LEARNING_RATE * jnp.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
    weights = jax.tree_util.tree_map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8), weights, means, squares
    )
    return weights, means, squares


def game(s, play_D, play_G):
    """Return the function (state, (X, Z or None)) -> (state, losses): a step."""
    size = s['batch_size'], s['latent_dim']

    def loss_D(D, X, fake_X):
        Y = play_D(D, jnp.concatenate([X, fake_X]))
        real_Y, fake_Y = jnp.split(Y, 2)
        return (cross_entropy(real_Y, 1 - s['smoothing']) + cross_entropy(fake_Y, 0)) / 2

    def loss_G(G, D, Z):
        fake_Y = play_D(D, play_G(G, Z))
        return (
            -cross_entropy(fake_Y, 0) if s['objective'] == 'minimax' else cross_entropy(fake_Y, 1)
        )

    def step(state, given):
        D, G, t, key = state
        X, Z = given
        if Z is None:
            key, own = jax.random.split(key)
            normal = s['prior'] == 'normal'
            Z = jax.random.normal(own, size) if normal else jax.random.uniform(own, size, minval=-1)
        t = t + 1
        found_D, gradient = jax.value_and_grad(loss_D)(D[0], X, play_G(G[0], Z))
        D = adam(D, gradient, t)
        found_G, gradient = jax.value_and_grad(loss_G)(G[0], D[0], Z)
        G = adam(G, gradient, t)
        return (D, G, t, key), (found_D, found_G)

    return step


def given(s, X):
    """Yield the pools (X, Z) of an epoch after the other, as `engine='xla'` is given them."""
    from d2l_gan import data
    from d2l_gan.engines import pools
    from d2l_gan.noise import Noise, seeded

    from mxnet import cpu, np, npx

    npx.set_np()
    batches = data.Batches(np.array(X), s['batch_size'])
    noise = Noise(s['prior'], s['latent_dim'], cpu())
    for epoch in itertools.count(1):
        with seeded(0, epoch):
            noise.forget()
            found = [(X, pools.noise(noise, X.shape[1], len(X)))
                     for X, _ in pools.gathered(batches, False)]  # fmt: skip
        yield found


def main():
    s, form, device = json.loads(sys.argv[1]), *sys.argv[2:4]
    jax.config.update('jax_default_device', jax.devices(device)[0])
    jax.config.update('jax_default_matmul_precision', 'highest')  # float32, as everywhere here
    meter, (key, *keys) = Meter(), jax.random.split(jax.random.PRNGKey(0), 4)
    shape = (*s['picture'][1:] * 2, s['picture'][0]) if 'picture' in s else (s['width'],)
    X = jax.random.uniform(keys[0], (s['num_examples'], *shape), minval=-1)
    nets, functions = players(keys[1:], s)
    step = game(s, *functions)
    zeros = [jax.tree_util.tree_map(jnp.zeros_like, net) for net in nets]
    state = *((net, zero, zero) for net, zero in zip(nets, zeros)), jnp.float32(0), key
    batches = s['num_examples'] // s['batch_size']

    @jax.jit
    def shuffled(key):
        rows = jax.random.permutation(key, len(X))[: batches * s['batch_size']]
        return X[rows].reshape(batches, s['batch_size'], *shape)

    one, epoch = jax.jit(step), jax.jit(lambda state, X: jax.lax.scan(step, state, X))
    pools = given(s, X) if form == 'given' else None
    more = True
    while more:
        timer = time.perf_counter()
        key, own = jax.random.split(key)
        if form == 'given':
            for pool in next(pools):
                state, losses = epoch(state, pool)
        elif form == 'scan':
            state, losses = epoch(state, (shuffled(own), None))
        else:
            losses = []
            for batch in shuffled(own):
                state, found = one(state, (batch, None))
                losses.append(found)
        jax.block_until_ready((state, losses))
        more = meter(batches, time.perf_counter() - timer)


if __name__ == '__main__':
    main()

"""The adversarial game on JAX: both updates, and the loop over a pool of batches.

The arithmetic is that of `train.update_D` and `train.update_G` with Gluon's Adam, written as one
function without side effects, which XLA compiles whole: many small operators become a few loops,
and Python is asked once per pool of batches instead of hundreds of times per step.
"""

import functools
from typing import Any, NamedTuple, Optional

import jax
import jax.numpy as jnp
import numpy
from jax import lax

from .operators import single
from .translate import move

KINDS = 'weights', 'mean', 'variance', 'still'  # of a player's arrays


class Adam(NamedTuple):
    """The constants of a player's optimizer, under Gluon's names."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    wd: float = 0.0
    clip_gradient: Optional[float] = None


class Rules(NamedTuple):
    """Describe a game; see `train.train` and `losses.Objective`.

    Args:
        net_D, net_G: `translate.Network`s of the inputs X, Z and, if there is one, condition.
        loss_D, loss_G: (logits (n, 1), labels (n, 1)) -> (n,).
        adam_D, adam_G: `Adam`s.
        pairs: whether the verdict on an example is D's logit less that on its partner.
        merge: whether D may judge real and fake examples in one batch.
        penalty: what `penalties.penalty` returns, or None; it joins the real and the fake part of
            D's loss, so it is halved with them.
        noisy: whether a step draws anything.
        unroll: how many steps of D the generator looks ahead; see `Game.ahead`.
        alternate: let real and fake examples take turns in that one batch, so that none has to move
            to another device.
    """

    net_D: Any
    net_G: Any
    loss_D: Any
    loss_G: Any
    adam_D: Adam = Adam()
    adam_G: Adam = Adam()
    first: str = 'D'
    clip: Optional[float] = None
    boundary: float = 0.0
    pack: int = 1
    pairs: bool = False
    merge: bool = True
    penalty: Any = None
    noisy: bool = False
    unroll: int = 0
    alternate: bool = False


def adam(constants, player, gradients, rate, examples):
    """Return a player after one update of Gluon's Adam.

    The epsilon is added to the root of the uncorrected moment: both corrections are in the rate.
    MXNet keeps the constants as float32, so that is what they are here in float64 as well.
    """
    beta1, beta2 = numpy.float32(constants.beta1), numpy.float32(constants.beta2)
    rest1, rest2 = float(1 - beta1), float(1 - beta2)
    beta1, beta2, epsilon = float(beta1), float(beta2), single(constants.epsilon)
    after = dict(player, weights={}, mean={}, variance={})
    for name, weight in player['weights'].items():
        gradient = gradients[name] * single(1 / examples) + single(constants.wd) * weight
        if constants.clip_gradient is not None:
            bound = single(constants.clip_gradient)
            gradient = jnp.clip(gradient, -bound, bound)
        mean = beta1 * player['mean'][name] + rest1 * gradient
        # The scale of a step is a given, also to a generator that looks ahead through it.
        square = lax.stop_gradient(jnp.square(gradient))
        variance = beta2 * player['variance'][name] + rest2 * square
        after['weights'][name] = weight - rate * mean / (jnp.sqrt(variance) + epsilon)
        after['mean'][name], after['variance'][name] = mean, variance
    return after


class Game:
    """Play steps of a game by its `Rules`.

    The state is {'D': player, 'G': player, 'average': G's running average or {}}, and a player
    {'weights': ..., 'mean': ..., 'variance': ..., 'still': what no gradient moves}, with Adam's
    moments in the middle, each {name: array}.
    """

    def __init__(self, rules):
        self.rules = rules

    def step(self, state, X, Z, condition, rates, key):
        """Return the state after both updates, and the verdicts (3, n): on real and fake as D saw
        them before its update, on fake as G's update did. They are logits, or differences of them.

        Args:
            rates: (D's, G's, the average's).
        """
        rules = self.rules
        keys = jax.random.split(key, 5) if key is not None else [None] * 5
        given = X, condition, rates  # for G's update
        fake_X, backward, moves_G = self.generate(state, Z, condition, keys[0])
        if rules.first == 'G':
            state, again_Y = self.update_G(state, fake_X, backward, moves_G, *given, keys[1])
        state, real_Y, fake_Y = self.update_D(state, X, fake_X, condition, rates[0], keys[2])
        if rules.first == 'D':
            if rules.net_G.random:  # drawn anew, as the book has it; else it would be the same
                fake_X, backward, moves_G = self.generate(state, Z, condition, keys[3])
            state, again_Y = self.update_G(state, fake_X, backward, moves_G, *given, keys[4])
        if state['average']:
            weights = dict(state['G']['still'], **state['G']['weights'])
            state['average'] = {
                name: (1 - rates[2]) * average + rates[2] * weights[name]
                for name, average in state['average'].items()
            }
        return state, jnp.stack([real_Y, fake_Y, again_Y])

    def generate(self, state, Z, condition, key):
        """Return fake_X, the function from its gradient to that of G's weights, and moves."""

        def generate(weights):
            values = dict(state['G']['still'], **weights, Z=Z, condition=condition)
            (X,), moves = self.rules.net_G(values, key)
            return X, moves

        return jax.vjp(generate, state['G']['weights'], has_aux=True)

    def judge(self, state, weights, X, condition, key):
        """Return D's logits (n, 1), one for each example or pack of them, and moves."""
        values = {'X': X, 'condition': condition}
        if self.rules.pack > 1:
            values = {name: self.packed(a) for name, a in values.items() if a is not None}
        (Y,), moves = self.rules.net_D(dict(state['D']['still'], **weights, **values), key)
        return Y.reshape(-1, 1), moves

    def packed(self, X):
        """Return X, (batch, channels, ...), as (packs, pack * channels, ...), without a rest."""
        pack, channels = self.rules.pack, X.shape[1] if X.ndim > 1 else 1
        return X[: len(X) // pack * pack].reshape(-1, pack * channels, *X.shape[2:])

    def joined(self, X, fake_X):
        """Return two batches as one, both without a rest that fills no pack."""
        pack, whole = self.rules.pack, len(X) // self.rules.pack * self.rules.pack
        parts = X[:whole], fake_X[:whole]
        if not self.rules.alternate:
            return jnp.concatenate(parts)
        packs = [part.reshape(-1, pack, *part.shape[1:]) for part in parts]
        return jnp.stack(packs, axis=1).reshape(2 * whole, *X.shape[1:])

    def parted(self, Y):
        """Return the logits on the two batches of `joined`, each (n, 1)."""
        if not self.rules.alternate:
            return jnp.split(Y, 2)
        Y = Y.reshape(-1, 2, 1)
        return Y[:, 0], Y[:, 1]

    def gradients_D(self, state, X, fake_X, condition, key):
        """Return the gradients of D's loss, and its verdicts on real and fake, and moves."""
        rules = self.rules
        keys = jax.random.split(key, 3) if key is not None else [None] * 3

        def loss(weights):
            judge = functools.partial(self.judge, state, weights)
            if rules.merge:
                both = None if condition is None else self.joined(condition, condition)
                Y, moves = judge(self.joined(X, fake_X), both, keys[0])
                real_Y, fake_Y = self.parted(Y)
            else:
                real_Y, moves = judge(X, condition, keys[0])
                fake_Y, more = judge(fake_X, condition, keys[1])
                moves = moves + more
            if rules.pairs:
                real_Y, fake_Y = real_Y - fake_Y, fake_Y - real_Y
            real = rules.loss_D(real_Y, jnp.ones_like(real_Y)).sum()
            fake = rules.loss_D(fake_Y, jnp.zeros_like(fake_Y)).sum()
            total = real + fake
            if rules.penalty is not None:
                slope = rules.penalty(lambda X: judge(X, condition, keys[0])[0], X, fake_X, keys[2])
                total = total + len(real_Y) * slope
            return total / 2, (real_Y[:, 0], fake_Y[:, 0], moves)  # halved, as in the book

        return jax.grad(loss, has_aux=True)(state['D']['weights'])

    def update_D(self, state, X, fake_X, condition, rate, key):
        rules = self.rules
        gradients, (real_Y, fake_Y, moves) = self.gradients_D(state, X, fake_X, condition, key)
        player = adam(rules.adam_D, state['D'], gradients, rate, len(real_Y))
        if rules.clip is not None:
            bound = single(rules.clip)
            player['weights'] = {
                name: jnp.clip(weight, -bound, bound) for name, weight in player['weights'].items()
            }
        player['still'] = move(player['still'], moves)
        return dict(state, D=player), real_Y, fake_Y

    def ahead(self, state, X, fake_X, condition, rate, key):
        """Return D's weights after `unroll` more steps on the same batch, a function of fake_X.

        Metz et al. 2017, arXiv:1611.02163: G asks how its samples fare once D has answered them.
        """
        for i in range(self.rules.unroll):
            here = None if key is None else jax.random.fold_in(key, i)
            gradients, (Y, *_) = self.gradients_D(state, X, fake_X, condition, here)
            state = dict(state, D=adam(self.rules.adam_D, state['D'], gradients, rate, len(Y)))
        return state['D']['weights']

    def update_G(self, state, fake_X, backward, moves_G, X, condition, rates, key):
        rules = self.rules
        keys = jax.random.split(key) if key is not None and rules.pairs else [key, None]

        def loss(fake_X):
            # Judged afresh: the discriminator has just moved, so its old verdict is stale.
            weights = self.ahead(state, X, fake_X, condition, rates[0], key)
            judge = functools.partial(self.judge, state, weights)
            Y, moves = judge(fake_X, condition, keys[0])
            if rules.pairs:
                real_Y, more = judge(X, condition, keys[1])
                Y, moves = Y - real_Y, more + moves
            return rules.loss_G(Y, jnp.ones_like(Y)).sum(), (Y[:, 0], moves)

        gradient, (fake_Y, moves_D) = jax.grad(loss, has_aux=True)(fake_X)
        player = adam(rules.adam_G, state['G'], backward(gradient)[0], rates[1], len(fake_Y))
        player['still'] = move(player['still'], moves_G)
        D = dict(state['D'], still=move(state['D']['still'], moves_D))
        return dict(state, D=D, G=player), fake_Y

    def judge_notes(self, logits):
        """Return what a history needs of a step's verdicts, (3, n), as sums over its examples.

        They are loss_D, loss_G, D(x), D(G(z)), and the examples that D told apart, halved.
        """
        real_Y, fake_Y, again_Y = logits[:, :, None]
        ones, zeros, boundary = jnp.ones_like(real_Y), jnp.zeros_like(real_Y), self.rules.boundary
        loss_D = (self.rules.loss_D(real_Y, ones) + self.rules.loss_D(fake_Y, zeros)) / 2
        right = (real_Y > boundary).sum() + (fake_Y <= boundary).sum()
        return jnp.stack([
            loss_D.sum(), self.rules.loss_G(again_Y, ones).sum(), jax.nn.sigmoid(real_Y).sum(),
            jax.nn.sigmoid(fake_Y).sum(), right.astype(logits.dtype) / 2,
        ])  # fmt: skip

    def play(self, state, pool, notes, start, stop):
        """Return the state and the notes after the steps from `start` to before `stop`.

        Args:
            pool: {'X': (steps, batch, ...), 'Z': likewise, 'condition': likewise or None, 'rates':
                (steps, 3), 'key': JAX's key of the pool, or None}.
            notes: (steps, 3, n), where the logits are noted.
        """

        return lax.fori_loop(start, stop, functools.partial(self.one, pool), (state, notes))

    def one(self, pool, i, carry):
        """Return (state, notes) after step i of a pool; see `play`."""
        state, notes = carry
        here = {
            name: None if a is None else lax.dynamic_index_in_dim(a, i, keepdims=False)
            for name, a in pool.items() if name != 'key'
        }  # fmt: skip
        key = None if pool['key'] is None else jax.random.fold_in(pool['key'], i)
        state, logits = self.step(state, key=key, **here)
        return state, lax.dynamic_update_index_in_dim(notes, logits, i, 0)

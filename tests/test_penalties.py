"""Slopes of D that are penalised, and steps of D that G looks ahead, beside closed forms."""

import functools

from d2l_gan.engines import adapter
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook

import numpy
import pytest
from mxnet import np, npx
from mxnet.gluon import nn

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan.engines import CannotPlay, xla  # noqa: E402
from d2l_gan.xla import play, runtime, saved  # noqa: E402
from d2l_gan.xla.penalties import NAMES, penalty  # noqa: E402
from tests import test_xla  # noqa: E402
from tests.marks import first_alone  # noqa: E402

import jax.numpy as jnp  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

npx.set_np()
KEY = numpy.array([0, 1], 'uint32')


@pytest.fixture(autouse=True)
def float64():
    with runtime.precision('float64'):
        yield


def examples(seed=0, shape=(16, 3)):
    X, fake_X = numpy.random.default_rng(seed).normal(size=(2, *shape))
    return jnp.array(X), jnp.array(fake_X)


def test_of_a_linear_discriminator():
    w = jnp.array([[1.0], [-2.0], [2.0]])  # of length 3

    def value(name, w):
        return penalty(name, 0.5)(lambda X: X @ w + 1, *examples(), KEY)

    for name, known, slope in (
        ('r1', 0.5 / 2 * 9, 0.5 * w), ('r2', 0.5 / 2 * 9, 0.5 * w), ('r1+r2', 0.5 * 9, w),
        ('zero', 0.5 / 2 * 9, 0.5 * w),
        ('gradient', 0.5 * (3 - 1) ** 2, 0.5 * 2 * (3 - 1) * w / 3),
    ):  # fmt: skip
        assert float(value(name, w)) == pytest.approx(known)
        numpy.testing.assert_allclose(jax.grad(functools.partial(value, name))(w), slope)


def test_of_a_quadratic_discriminator():
    A, (X, fake_X) = jnp.diag(jnp.array([1.0, 2.0, 3.0])), examples()

    def judge(X):
        return jnp.einsum('ni,ij,nj->n', X, A, X)[:, None]  # with the slope 2 A x

    for name, at in (('r1', X), ('r2', fake_X)):
        known = 0.1 / 2 * jnp.square(2 * at @ A).sum(axis=1).mean()
        assert float(penalty(name, 0.1)(judge, X, fake_X, KEY)) == pytest.approx(float(known))
    between = penalty('gradient', 10.0)(judge, X, X, KEY)
    known = 10 * jnp.square(jnp.sqrt(jnp.square(2 * X @ A).sum(axis=1)) - 1).mean()
    assert float(between) == pytest.approx(float(known))


@pytest.mark.parametrize('name', NAMES)
def test_slopes_of_the_penalty_by_finite_differences(name):
    rng = numpy.random.default_rng(1)
    weights = tuple(jnp.array(rng.normal(size=shape)) for shape in ((12, 5), (5, 1)))

    def value(weights):
        def judge(X):
            return jnp.tanh(X.reshape(len(X), -1) @ weights[0]) @ weights[1]

        return penalty(name, 2.0)(judge, *examples(shape=(6, 3, 2, 2)), KEY)

    check_grads(value, (weights,), 1, modes=['rev'])


def test_a_flat_discriminator_has_a_finite_gradient_penalty():
    def value(w):
        return penalty('gradient', 1.0)(lambda X: X @ w, *examples(), KEY)

    found, slope = jax.value_and_grad(value)(jnp.zeros((3, 1)))
    assert float(found) == 1
    assert numpy.isfinite(slope).all()


def test_a_pack_has_one_slope():
    X, fake_X = examples(shape=(6, 2))
    w = jnp.array([[1.0], [2.0], [2.0], [4.0]])  # of length 5, over two examples side by side
    found = penalty('r1', 2.0)(lambda X: X.reshape(-1, 4) @ w, X, fake_X, KEY)
    assert float(found) == pytest.approx(25)


def linear():
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_D.add(nn.Dense(1))
    net_G.add(nn.Dense(2))
    return net_D, net_G


@pytest.mark.parametrize('name', ['r1', 'r2'])
def test_a_step_moves_by_the_penalty_halved_as_the_book_halves_its_loss(name):
    made = functools.partial(xla.XLA, penalty=(name, 0.4))
    book, ours = (test_xla.game(engine, linear) for engine in (Textbook, made))
    weight = book.players['D'][0][0].weight.data().asnumpy()
    X, Z = np.ones((8, 2), dtype='float64'), np.full((8, 2), 0.5, dtype='float64')
    for players in (book, ours):
        players.play([(X, None)], lambda _: Z)
    means = [adapter.moments(players.players['D'][1], 0)[0].asnumpy() for players in (book, ours)]
    numpy.testing.assert_allclose(means[1] - means[0], 0.1 * 0.4 * weight / 2, rtol=1e-6)


@pytest.mark.parametrize(
    'settings',
    first_alone([
        {'networks': test_xla.pictures, 'shape': (1, 6, 6), 'latent_dim': 3},
        {'networks': test_xla.packs, 'first': 'G'},
        {'networks': test_xla.told, 'condition': 3},
    ]),
    ids=['pictures', 'packs', 'condition'],
)  # fmt: skip
def test_differences_of_slopes_are_the_derivatives(settings):
    for name in ('r1', 'r2', 'r1+r2'):
        ours, xlas = (
            test_xla.game(functools.partial(engine, penalty=(name, 0.4)), **settings)
            for engine in (Symbol, xla.XLA)
        )
        for players in (ours, xlas):
            test_xla.play(players, 10, **settings)
        assert test_xla.apart(*map(test_xla.state, (ours, xlas))) < 1e-7


@pytest.mark.slow
def test_train_takes_a_penalty_and_chooses_the_engine_that_can():
    for name in NAMES:
        history, weights = test_xla.run('auto', 2, penalty=name, penalty_weight=0.1)
        assert numpy.isfinite(history.loss_D).all()
        again, same = test_xla.run('xla', 2, penalty=name, penalty_weight=0.1)
        assert test_xla.apart(weights, same) == 0
        _, other = test_xla.run('xla', 2, penalty=name, penalty_weight=5.0)
        assert test_xla.apart(weights, other) > 1e-4


class Dirac:
    """A network of one number: D(x) = psi x, or G(z) = theta."""

    moving, random = (), False

    def __init__(self, name, given):
        self.name, self.given = name, given

    def __call__(self, values, key):
        return (values[self.name] * values[self.given],), ()


def dirac(psi=0.7, theta=0.4, beta2=0.99, **rules):
    """Return the rules of a Dirac-GAN and its state, of Adams that know of no gradient yet."""
    loss, constants = saved.Loss(0.0), play.Adam(0.0, beta2)
    networks = Dirac('psi', 'X'), Dirac('theta', 'Z')
    rules = play.Rules(*networks, loss, loss, constants, constants, **rules)
    state = {
        player: {
            'weights': {name: jnp.full((1, 1), value)}, 'mean': {name: jnp.zeros((1, 1))},
            'variance': {name: jnp.full((1, 1), 0.02)}, 'still': {},
        }
        for player, name, value in (('D', 'psi', psi), ('G', 'theta', theta))
    }  # fmt: skip
    return play.Game(rules), dict(state, average={})


def slope_of_G(game, state, rate):
    """Return the gradient of G's loss in theta: with beta1 0 it is what Adam remembers."""
    ones = jnp.ones((4, 1))
    X, backward, moves = game.generate(state, ones, None, None)
    after, _ = game.update_G(state, X, backward, moves, -0.5 * ones, None, (rate, 0.1, 0), None)
    return float(after['G']['mean']['theta'][0, 0])


def test_g_looks_one_step_of_d_ahead_as_worked_by_hand():
    psi, theta, x, rate = 0.7, 0.4, -0.5, 0.3
    sigmoid = lambda t: 1 / (1 + numpy.exp(-t))
    gradient = (theta * sigmoid(psi * theta) - x * sigmoid(-psi * x)) / 2
    scale = numpy.sqrt(0.99 * 0.02 + 0.01 * gradient**2) + 1e-8
    ahead = psi - rate * gradient / scale
    bend = sigmoid(psi * theta) * (1 + theta * psi * sigmoid(-psi * theta)) / 2
    known = -sigmoid(-ahead * theta) * (ahead - theta * rate * bend / scale)
    assert slope_of_G(*dirac(unroll=1), rate) == pytest.approx(known, rel=1e-6)
    assert slope_of_G(*dirac(), rate) == pytest.approx(-psi * sigmoid(-psi * theta), rel=1e-6)


def test_three_steps_ahead_by_finite_differences():
    sigmoid = lambda t: 1 / (1 + numpy.exp(-t))

    def fares(theta, psi=0.7, x=-0.5):  # G's loss once D has answered it three times
        for _ in range(3):
            gradient = (theta * sigmoid(psi * theta) - x * sigmoid(-psi * x)) / 2
            psi -= 0.3 * gradient / (numpy.sqrt(0.02) + 1e-8)
        return numpy.log1p(numpy.exp(-psi * theta))

    known = (fares(0.4 + 1e-5) - fares(0.4 - 1e-5)) / 2e-5
    # Adam with a beta2 of 1 has a scale that stays, as G takes it to do.
    assert slope_of_G(*dirac(unroll=3, beta2=1.0), 0.3) == pytest.approx(known, rel=1e-6)


def test_what_cannot_be_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="`unroll` is 2, which needs `engine` 'xla', and it is"):
        test_xla.run('textbook', 1, unroll=2)
    with pytest.raises(ValueError, match='`unroll` is -1; it must be an integer >= 0'):
        test_xla.run('xla', 1, unroll=-1)
    with pytest.raises(
        ValueError, match="`penalty` is 'r1', which needs `engine` 'xla' or 'symbol', and it is"
    ):
        test_xla.run('textbook', 1, penalty='r1')
    with pytest.raises(ValueError, match="`penalty` is 'r3'; it must be one of"):
        test_xla.run('xla', 1, penalty='r3')
    with pytest.raises(ValueError, match='`penalty_weight` is 0; it must be finite and > 0'):
        test_xla.run('xla', 1, penalty='r1', penalty_weight=0)
    with pytest.raises(CannotPlay, match='`net_D` mixes examples, as BatchNorm does'):
        made = functools.partial(xla.XLA, penalty=('r1', 1.0))
        test_xla.game(made, lambda: test_xla.small(norm=True))

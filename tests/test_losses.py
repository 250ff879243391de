"""The losses against float64 closed forms, at every logit where a formula can go wrong."""

import itertools

from d2l_gan import losses
from d2l_gan.engines import adapter
from d2l_gan.engines.symbol import Symbol
from d2l_gan.engines.textbook import Textbook

import mxnet as mx
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()

LOGITS = numpy.array([0, 1e-3, -1e-3, 1, -1, 20, -20, 50, -50, 1000, -1000], dtype='float32')
DOUBLE = LOGITS.astype('float64')  # the closed forms see the float32 logits exactly


def softplus(x):
    return numpy.logaddexp(0, x)


def sigmoid(x):
    return 0.5 * (1 + numpy.tanh(x / 2))


def cross_entropy(x, y):
    return y * softplus(-x) + (1 - y) * softplus(x), (1 - y) * sigmoid(x) - y * sigmoid(-x)


def minimax(x, y):
    value, slope = cross_entropy(x, 1 - y)
    return -value, -slope


def hinge(x, y):
    margin = 1 - (2 * y - 1) * x
    return numpy.maximum(0, margin), numpy.where(margin > 0, 1 - 2 * y, 0)


FORMS = {
    'sigmoid': (losses.SigmoidLoss(), cross_entropy),
    'smoothed': (losses.SigmoidLoss(0.1), lambda x, y: cross_entropy(x, 0.9 * y)),
    'minimax': (losses.MinimaxLoss(), minimax),
    'least_squares': (losses.LeastSquaresLoss(), lambda x, y: ((x - y) ** 2 / 2, x - y)),
    'hinge': (losses.HingeLoss(), hinge),
    'wasserstein': (losses.WassersteinLoss(), lambda x, y: ((1 - 2 * y) * x, 1 - 2 * y + 0 * x)),
}
each_form = pytest.mark.parametrize('loss, form', FORMS.values(), ids=FORMS)


def value_and_slope(loss, x, y):
    pred = np.array(x, dtype='float32')
    pred.attach_grad()
    with autograd.record():
        value = loss(pred, np.array(y, dtype='float32'))
    value.backward()
    return value.asnumpy(), pred.grad.asnumpy()


def symbolic_value_and_slope(loss, x, y):
    pred, label = (mx.sym.var(name).as_np_ndarray() for name in ('pred', 'label'))
    graph = loss(pred, label)
    shape = graph.infer_shape(pred=x.shape, label=y.shape)[1][0]
    slope = np.zeros(x.shape)
    executor = graph.bind(
        mx.cpu(),
        {'pred': np.array(x, dtype='float32'), 'label': np.array(y, dtype='float32')},
        args_grad={'pred': slope},
        grad_req={'pred': 'write', 'label': 'null'},
    )
    value = executor.forward(is_train=True)[0]
    executor.backward(np.ones(shape))
    assert value.shape == shape
    return value.asnumpy(), slope.asnumpy()


@pytest.mark.parametrize('play', [value_and_slope, symbolic_value_and_slope])
@each_form
def test_values_and_gradients_agree_with_the_closed_form(loss, form, play):
    for y in (0.0, 1.0):
        value, slope = play(loss, LOGITS[:, None], numpy.full((len(LOGITS), 1), y, 'float32'))
        true_value, true_slope = form(DOUBLE, y)
        numpy.testing.assert_allclose(value, true_value, rtol=2e-6, atol=1e-9)
        numpy.testing.assert_allclose(slope[:, 0], true_slope, rtol=2e-6, atol=1e-9)


@each_form
def test_a_batch_may_mix_real_and_fake(loss, form):
    x = numpy.concatenate([LOGITS, LOGITS])
    y = numpy.repeat(numpy.array([1, 0], 'float32'), len(LOGITS))
    true_value, true_slope = form(x.astype('float64'), y)
    for play in (value_and_slope, symbolic_value_and_slope):
        value, slope = play(loss, x[:, None], y)
        assert (
            value.shape == y.shape
        )  # (N, 1) logits against (N,) labels: no (N, N) by broadcasting
        numpy.testing.assert_allclose(value, true_value, rtol=2e-6, atol=1e-9)
        numpy.testing.assert_allclose(slope[:, 0], true_slope, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize('smoothing', [0.0, 0.1, 0.49])
@settings(max_examples=60, deadline=None)
@given(x=st.floats(-1e4, 1e4, width=32), y=st.sampled_from([0.0, 1.0]))
def test_cross_entropy_is_never_negative_and_minimax_never_positive(smoothing, x, y):
    value, slope = value_and_slope(losses.SigmoidLoss(smoothing), [[x]], [y])
    assert value[0] >= 0 and numpy.isfinite(value[0]) and abs(slope[0, 0]) <= 1
    value, slope = value_and_slope(losses.MinimaxLoss(), [[x]], [y])
    assert value[0] <= 0 and numpy.isfinite(value[0]) and abs(slope[0, 0]) <= 1


def test_gluon_loss_is_the_same_but_at_zero():
    x, y = numpy.array([[0.7], [-3.0]], 'float32'), numpy.array([1, 0], 'float32')
    for ours, gluons in zip(
        value_and_slope(losses.SigmoidLoss(), x, y),
        value_and_slope(gluon.loss.SigmoidBCELoss(), x, y),
    ):
        numpy.testing.assert_allclose(ours, gluons, rtol=2e-6)
    # The reason why SigmoidLoss exists. If this fails, MXNet was mended: mend the docstring too.
    zero, one = numpy.zeros((1, 1), 'float32'), numpy.ones(1, 'float32')
    assert value_and_slope(gluon.loss.SigmoidBCELoss(), zero, one)[1] == -1
    assert value_and_slope(losses.SigmoidLoss(), zero, one)[1] == -0.5


@pytest.mark.parametrize('shape', [(4,), (4, 1), (4, 3), (4, 1, 2, 2)])
@each_form
def test_the_result_is_one_mean_per_example(loss, form, shape):
    x = numpy.linspace(-2, 2, int(numpy.prod(shape))).reshape(shape).astype('float32')
    y = numpy.broadcast_to(numpy.array([0, 1, 1, 0]).reshape((4,) + (1,) * (len(shape) - 1)), shape)
    true = form(x.astype('float64'), y)[0].reshape(4, -1).mean(axis=1)
    for play in (value_and_slope, symbolic_value_and_slope):
        numpy.testing.assert_allclose(play(loss, x, y.astype('float32'))[0], true, rtol=1e-5)


class Judged(nn.HybridBlock):
    """A network and a loss in one graph."""

    def __init__(self, loss):
        super().__init__()
        self.net, self.loss = nn.HybridSequential(), loss
        self.net.add(nn.Dense(3, activation='tanh'), nn.Dense(1))

    def hybrid_forward(self, F, X, label):
        return self.loss(self.net(X), label)


@pytest.mark.parametrize('name', losses.OBJECTIVES)
def test_every_objective_runs_in_a_hybridized_graph(name):
    both = losses.objective(name)
    assert both.name == name
    X, label = np.random.normal(size=(6, 2)), np.array([1, 1, 1, 0, 0, 0])
    for loss in both[1:3]:
        graph = Judged(loss)
        graph.initialize(init.Xavier())
        want = graph(X, label).asnumpy()
        graph.hybridize(static_alloc=True, static_shape=True)
        numpy.testing.assert_allclose(graph(X, label).asnumpy(), want, rtol=1e-6)


@pytest.mark.parametrize(
    'name, equal, loss_D, loss_G',
    [
        ('bce', 0.0, numpy.log(2), numpy.log(2)),
        ('non_saturating', 0.0, numpy.log(2), numpy.log(2)),
        ('minimax', 0.0, numpy.log(2), -numpy.log(2)),
        ('label_smoothing', numpy.log(0.45 / 0.55), 0.6881, 0.7985),
        ('least_squares', 0.5, 0.125, 0.125),
        ('hinge', 0.3, 1.0, -0.3),
        ('wasserstein', 2.0, 0.0, -2.0),
        ('relativistic', 0.0, numpy.log(2), numpy.log(2)),
    ],
)
def test_the_equilibrium_in_the_docstring_is_one(name, equal, loss_D, loss_G):
    """D's slopes on real and fake cancel there, and the losses are the stated ones."""
    both = losses.objective(name)
    x, one, zero = numpy.array([[equal + 1e-7]], 'float32'), [1.0], [0.0]
    (real, up), (fake, down) = (value_and_slope(both.loss_D, x, y) for y in (one, zero))
    assert abs(up + down).item() < 1e-6
    assert (real + fake).item() / 2 == pytest.approx(loss_D, abs=1e-4)
    assert value_and_slope(both.loss_G, x, one)[0].item() == pytest.approx(loss_G, abs=1e-4)


def test_minimax_is_a_zero_sum_game_and_starves_where_d_is_sure():
    both = losses.objective('minimax')
    x = numpy.array([[-8.0], [0.5], [3.0]], 'float32')
    numpy.testing.assert_allclose(
        both.loss_G(np.array(x), np.ones(3)).asnumpy(),
        -both.loss_D(np.array(x), np.zeros(3)).asnumpy(),
    )
    slope = {
        name: value_and_slope(losses.objective(name).loss_G, x, numpy.ones(3))[1][0, 0]
        for name in ('minimax', 'non_saturating')
    }
    # D(G(z)) = 1/3000: next to nothing is left of minimax's gradient, all of the other's.
    assert -4e-4 < slope['minimax'] < 0 and slope['non_saturating'] < -0.999


def test_smoothing_touches_only_the_real_label_of_d():
    both = losses.objective('label_smoothing', label_smoothing=0.2)
    x = LOGITS[:5, None]
    plain = losses.SigmoidLoss()
    for loss, y, same in [
        (both.loss_D, 1, False),
        (both.loss_D, 0, True),
        (both.loss_G, 1, True),
        (losses.objective('label_smoothing').loss_D, 1, False),  # 0.1 without being asked
        (losses.objective('non_saturating').loss_D, 1, True),
        (losses.objective('minimax', 0.1).loss_D, 1, False),
        (losses.objective('bce', 0.1).loss_D, 1, False),
    ]:
        a, b = (value_and_slope(f, x, numpy.full(5, float(y)))[1] for f in (loss, plain))
        assert numpy.allclose(a, b) is same


@pytest.mark.parametrize('name', ['least_squares', 'hinge', 'wasserstein'])
def test_a_chapter_with_smoothing_plays_every_objective(name):
    x, one = np.array([[0.3]]), np.ones(1)
    smooth, plain = losses.objective(name, 0.1), losses.objective(name)
    assert smooth.loss_D(x, one) == plain.loss_D(x, one)
    assert losses.objective(plain, 0.1) is plain


def test_pairs_in_closed_form():
    """D(x) = a x, G(z) = z + b: the loss is log(1 + e^-a(x - z - b)), so both slopes are known."""
    a, b, x, z = 0.7, 0.3, numpy.array([1.0, -2.0, 0.5]), numpy.array([0.1, 0.2, -1.0])
    apart = x - z - b
    for engine in (Textbook, Symbol):
        net_D, net_G = nn.Dense(1, use_bias=False), Shift()
        net_D.initialize(init.Constant(a))
        net_G.initialize(init.Constant(b))
        X, Z = np.array(x[:, None], dtype='float32'), np.array(z[:, None], dtype='float32')
        net_D(net_G(Z))
        trainers = [adapter.adam(net, 1e-6) for net in (net_D, net_G)]
        pairs = losses.objective('relativistic')
        made = engine(net_D, net_G, *trainers, pairs, 'D', mx.cpu(), (X, Z, None))
        made.step(X, Z)
        ((loss_D, loss_G, real_Y, fake_Y),) = made.notes()
        numpy.testing.assert_allclose(loss_D, softplus(-a * apart), rtol=1e-5)
        numpy.testing.assert_allclose(loss_G, softplus(a * apart), rtol=1e-4)
        numpy.testing.assert_allclose(real_Y, a * apart, rtol=1e-5)
        numpy.testing.assert_allclose(fake_Y, -a * apart, rtol=1e-5)
        for trainer, slope in (
            (trainers[0], -apart * sigmoid(-a * apart)), (trainers[1], -a * sigmoid(a * apart)),
        ):  # fmt: skip
            mean = adapter.moments(trainer, 0)[0].asnumpy().item()  # 0.1 of the first gradient
            assert mean == pytest.approx(0.1 * slope.mean(), rel=1e-4)


class Shift(nn.HybridBlock):
    """Add a number to learn."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.bias = self.params.get('by', shape=(1,))

    def hybrid_forward(self, F, x, bias):
        return F.np.add(x, bias)


def test_what_objective_accepts():
    mine = losses.HingeLoss()
    assert isinstance(losses.objective().loss_D, gluon.loss.SigmoidBCELoss)  # the book's
    assert losses.objective(mine) == losses.Objective('HingeLoss', mine, mine)
    pair = losses.objective(('wasserstein', mine))
    assert pair.name == 'wasserstein / HingeLoss' and pair.loss_G is mine and pair.clip == 0.01
    assert losses.objective(pair) is pair
    assert [n for n in losses.OBJECTIVES if losses.objective(n).clip] == ['wasserstein']


@pytest.mark.parametrize(
    'arguments, error, text',
    [
        (('hinge!',), ValueError, "`objective` is 'hinge!'; it must be one of 'bce', .*'hinge'"),
        (('qqq',), ValueError, "`objective` is 'qqq'; it must be one of .* or 'relativistic'$"),
        ((3,), TypeError, '`objective` is 3; it must be a name'),
        (((1, 2, 3),), TypeError, 'it must be a name'),
        (('bce', 0.5), ValueError, r'`label_smoothing` is 0.5; it must be in \[0, 0.5\)'),
        (('bce', -0.1), ValueError, r'`label_smoothing` is -0.1; it must be in'),
        (('bce', float('nan')), ValueError, '`label_smoothing` is nan'),
        ((('relativistic', 'bce'),), ValueError, 'it must be of two that both judge pairs'),
        (('hinge', 0.5), ValueError, r'`label_smoothing` is 0.5; it must be in \[0, 0.5\)'),
    ],
)
def test_errors_name_the_argument_its_value_and_the_rule(arguments, error, text):
    with pytest.raises(error, match=text):
        losses.objective(*arguments)


def test_every_docstring_says_formula_equilibrium_and_paper():
    for cls in (getattr(losses, n) for n in dir(losses) if n[0].isupper() and n.endswith('Loss')):
        assert all(word in cls.__doc__ for word in ('$', 'At equilibrium', 'arXiv:')), cls


def test_names_are_distinct_games():
    x, y = numpy.array([[0.3]], 'float32'), numpy.ones(1)
    seen = [
        tuple(float(loss(np.array(x), np.array(y))) for loss in losses.objective(n)[1:3])
        for n in losses.OBJECTIVES
        if n not in ('non_saturating', 'relativistic')  # 'bce', otherwise written, and on pairs
    ]
    assert all(a != b for a, b in itertools.combinations(seen, 2))

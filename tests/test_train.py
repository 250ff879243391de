"""The two updates and the training, against the textbook's own functions and against themselves."""

import json
import subprocess
import sys
import threading

from d2l_gan import data, losses, train
from d2l_gan.engines.textbook import Textbook
from d2l_gan.game import History
from d2l_gan.noise import Noise, seeded

import mxnet as mx
import numpy
import pytest
from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()


def networks(kind=nn.HybridSequential):
    net_D, net_G = kind(), kind()
    net_G.add(nn.Dense(2))
    net_D.add(nn.Dense(5, activation='tanh'), nn.Dense(3, activation='tanh'), nn.Dense(1))
    return net_D, net_G


def initialized(seed=0):
    mx.random.seed(seed)
    nets = networks(nn.Sequential)
    for net in nets:
        net.initialize(init.Normal(0.5), force_reinit=True)
        net(np.zeros((1, 2)))
    return nets


def trainers(net_D, net_G):
    return tuple(
        gluon.Trainer(list(net.collect_params().values()), 'adam', {'learning_rate': rate})
        for net, rate in ((net_D, 0.05), (net_G, 0.005))
    )


def values(net):
    return [p.data().asnumpy().copy() for p in net.collect_params().values()]


def equal(one, other):
    return all(numpy.array_equal(a, b) for a, b in zip(one, other))


def play(num_epochs=2, nets=None, examples=64, **keywords):
    X = data.gaussian(examples)[0]
    nets = nets or networks()
    keywords = dict({'seed': 3, 'callbacks': []}, **keywords)
    history = train.train(*nets, data.Batches(X, 8), num_epochs, 0.05, 0.005, 2, X, **keywords)
    return history, values(nets[0]) + values(nets[1])


def test_updates_equal_the_textbooks_over_50_steps():
    from d2l import mxnet as d2l

    X = data.gaussian(400)[0]
    loss = gluon.loss.SigmoidBCELoss()
    results = []
    for module in (d2l, train):
        nets = initialized()
        opponents = trainers(*nets)
        mx.random.seed(5)
        found = []
        for i in range(50):
            Z = np.random.normal(0, 1, (8, 2))
            found.append(module.update_D(X[8 * i : 8 * i + 8], Z, *nets, loss, opponents[0]))
            found.append(module.update_G(Z, *nets, loss, opponents[1]))
        results.append((found, values(nets[0]) + values(nets[1])))
    assert all(type(loss) is float for loss in results[1][0])
    assert results[0][0] == results[1][0]
    assert equal(results[0][1], results[1][1])


def test_each_update_moves_only_its_own_network():
    net_D, net_G = initialized()
    trainer_D, trainer_G = trainers(net_D, net_G)
    X, Z, loss = data.gaussian(8)[0], np.random.normal(0, 1, (8, 2)), gluon.loss.SigmoidBCELoss()
    D, G = values(net_D), values(net_G)
    train.update_D(X, Z, net_D, net_G, loss, trainer_D)
    assert equal(values(net_G), G)
    assert not equal(values(net_D), D)
    D = values(net_D)
    train.update_G(Z, net_D, net_G, loss, trainer_G)
    assert equal(values(net_D), D)
    assert not equal(values(net_G), G)


def test_the_textbooks_cells_run_unchanged():
    from d2l import mxnet as d2l

    X = data.gaussian(100)[0]
    net_D, net_G = networks(nn.Sequential)
    data_iter = d2l.load_array((X,), 8)
    lr_D, lr_G, latent_dim, num_epochs = 0.05, 0.005, 2, 2
    history = train.train(
        net_D, net_G, data_iter, num_epochs, lr_D, lr_G, latent_dim, X[:100].asnumpy()
    )
    assert len(history) == 2


def test_history_is_one_value_an_epoch_and_json():
    history, _ = play(3)
    for field in history.columns:
        assert history[field].shape == (3,)
        assert numpy.isfinite(history[field]).all()
    assert ((history.accuracy_D >= 0) & (history.accuracy_D <= 1)).all()
    again = History()
    again.from_dict(json.loads(json.dumps(history.to_dict())))
    assert numpy.array_equal(again.loss_D, history.loss_D)
    assert again.seed == 3
    with pytest.raises(AttributeError, match='loss_D, loss_G'):
        history.loss_X  # noqa: B018


def test_history_agrees_with_the_floats_of_the_updates():
    X = data.gaussian(64)[0]
    nets = networks()
    play(1, nets, engine='textbook')  # shapes become known
    history, after = play(1, nets, engine='textbook')
    with seeded(3, 0):
        for net in nets:
            net.initialize(init.Normal(0.02), force_reinit=True)
    opponents, loss = trainers(*nets), gluon.loss.SigmoidBCELoss()
    total_D = total_G = right = 0
    with seeded(3, 1):
        noise = Noise('normal', 2, mx.cpu())
        for (batch,) in data.Batches(X, 8):
            Z = noise(8)
            right += float((nets[0](batch) > 0).sum() + (nets[0](nets[1](Z)) <= 0).sum())
            total_D += train.update_D(batch, Z, *nets, loss, opponents[0])
            total_G += train.update_G(Z, *nets, loss, opponents[1])
    assert equal(after, values(nets[0]) + values(nets[1]))
    assert history.loss_D[0] == pytest.approx(total_D / 64, rel=1e-6)
    assert history.loss_G[0] == pytest.approx(total_G / 64, rel=1e-6)
    assert history.accuracy_D[0] == pytest.approx(right / 128)


@pytest.mark.parametrize('engine', ['textbook', 'symbol'])
def test_same_seed_same_bits_in_one_process(engine):
    first, weights = play(engine=engine)
    for _ in range(9):
        nn.Dense(1)  # names now count from dense10, which sorts before dense9
    second, again = play(engine=engine)
    assert equal(weights, again)
    assert numpy.array_equal(first.loss_D, second.loss_D)
    assert numpy.array_equal(first.loss_G, second.loss_G)
    other, different = play(engine=engine, seed=4)
    assert not equal(weights, different)


def test_same_seed_same_bits_with_known_and_unknown_shapes():
    nets = networks()
    _, weights = play(nets=nets)
    _, again = play(nets=nets)
    assert equal(weights, again)


def in_digits():
    """Return all bits of a training as text."""
    history, weights = play()
    losses = history.loss_D.tolist(), history.loss_G.tolist()
    return f'{losses} {[w.tobytes().hex() for w in weights]}'


def test_same_seed_same_bits_in_another_process():
    code = 'from tests.test_train import in_digits; print(in_digits())'
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == in_digits()
    assert len(done.stdout) > 200


def test_callers_numpy_state_is_not_disturbed():
    numpy.random.seed(11)
    before = numpy.random.get_state()[1].copy()
    play()
    assert numpy.array_equal(numpy.random.get_state()[1], before)


def test_no_seed_follows_mxnets_generator_and_is_told():
    mx.random.seed(2)
    first, _ = play(seed=None)
    mx.random.seed(2)
    second, _ = play(seed=None)
    third, _ = play(seed=None)
    assert first.seed == second.seed != third.seed
    assert numpy.array_equal(first.loss_D, second.loss_D)


def test_trains_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(play()[0].loss_D))
    thread.start()
    thread.join()
    assert numpy.array_equal(found[0], play()[0].loss_D)


def test_everything_goes_to_the_device():
    seen = []

    def look(game):
        seen.append(game.fixed_Z.ctx)
        seen.append(game.generate().ctx)

    nets = networks()
    play(1, nets, device='cpu(1)', callbacks=[look])
    seen += [p.data().ctx for net in nets for p in net.collect_params().values()]
    assert set(seen) == {mx.cpu(1)}


def test_a_gpu_that_is_not_there_fails_before_any_work():
    if mx.context.num_gpus():
        pytest.skip('this machine has a GPU')
    nets = initialized()
    before = values(nets[0])
    with pytest.raises(RuntimeError, match='gpu'):
        play(nets=nets, device='gpu')
    assert equal(before, values(nets[0]))


class Spy:
    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def begin(self, game):
        self.calls.append(('begin', game.epoch))

    def __call__(self, game):
        self.calls.append(('epoch', game.epoch, len(game.history)))
        if game.epoch == self.stop_at:
            game.stop('enough')

    def end(self, game):
        self.calls.append(('end', game.epoch))


def test_callbacks_see_each_epoch_and_may_stop():
    spy = Spy(stop_at=2)
    history, _ = play(5, callbacks=[spy])
    assert spy.calls == [('begin', 0), ('epoch', 1, 1), ('epoch', 2, 2), ('end', 2)]
    assert history.stopped == 'enough'


def test_callbacks_end_on_an_exception_too():
    spy = Spy()

    def fail(game):
        raise KeyError('mine')

    with pytest.raises(KeyError):
        play(callbacks=[spy, fail])
    assert spy.calls[-1] == ('end', 1)


@pytest.mark.parametrize('engine', ['textbook', 'symbol'])
def test_the_running_average_is_the_formulas(engine):
    kept = []
    nets = networks()

    def keep(game):
        kept.append(values(nets[1])[0])
        with game.averaged():
            kept.append(values(nets[1])[0])
        assert numpy.array_equal(values(nets[1])[0], kept[-2])

    # One step an epoch, so that the callback sees every step.
    play(6, nets, examples=8, average=0.5, callbacks=[keep], engine=engine)
    mean = None
    for t, (weight, average) in enumerate(zip(kept[::2], kept[1::2]), 1):
        rate = 1 - min(0.5, (1 + t) / (10 + t))
        if mean is not None:
            mean = mean + rate * (weight - mean)
            numpy.testing.assert_allclose(average, mean, rtol=1e-5, atol=1e-7)
        mean = average


def test_linear_decay_lowers_both_rates_to_zero():
    rates = []
    play(4, decay=True, callbacks=[lambda game: rates.append(game.trainer_D.learning_rate)])
    assert rates == pytest.approx([0.05, 0.0375, 0.025, 0.0125])


def test_first_G_lets_D_judge_the_fakes_that_G_was_updated_on():
    X, loss = data.gaussian(8)[0], gluon.loss.SigmoidBCELoss()
    Z = np.random.normal(0, 1, (8, 2))
    net_D, net_G = initialized()
    trainer_D, trainer_G = trainers(net_D, net_G)
    game = net_D, net_G, trainer_D, trainer_G, losses.objective('bce'), 'G', mx.cpu()
    Textbook(*game).step(X, Z)
    result = values(net_D)

    net_D, net_G = initialized()
    trainer_D, trainer_G = trainers(net_D, net_G)
    old_X = net_G(Z)
    train.update_G(Z, net_D, net_G, loss, trainer_G)
    with autograd.record():
        step = (loss(net_D(X), np.ones(8)) + loss(net_D(old_X), np.zeros(8))) / 2
    step.backward()
    trainer_D.step(8)
    assert equal(result, values(net_D))


def test_wasserstein_clips_the_weights_of_D_only():
    nets = networks()
    play(2, nets, objective='wasserstein', engine='textbook')
    assert max(abs(v).max() for v in values(nets[0])) <= 0.01
    assert max(abs(v).max() for v in values(nets[1])) > 0.01


def test_priors():
    with seeded(0, 1):
        Z = Noise('uniform', 5, mx.cpu())(1000).asnumpy()
    assert -1 <= Z.min() < -0.9 and 0.9 < Z.max() <= 1
    ones = Noise(lambda shape, device: np.ones(shape, ctx=device), 3, mx.cpu())
    assert ones(7).shape == (7, 3)


def test_noise_in_chunks_never_repeats_a_row():
    noise = Noise('normal', 2, mx.cpu())
    rows = numpy.concatenate([noise(n).asnumpy() for n in (3, 8, 5000, 60000, 8, 3)])
    assert len(numpy.unique(rows[:, 0])) > 0.99 * len(rows)


X64 = numpy.zeros((64, 2), 'float32')
BAD = [
    ({'num_epochs': 0}, '`num_epochs` is 0; it must be an integer >= 1'),
    ({'num_epochs': 2.5}, '`num_epochs` is 2.5; it must be'),
    ({'num_epochs': True}, '`num_epochs` is True; it must be'),
    ({'lr_D': 0}, '`lr_D` is 0; it must be finite and > 0'),
    ({'lr_D': '0.1'}, "`lr_D` is '0.1'; it must be finite and > 0"),
    ({'lr_G': float('nan')}, '`lr_G` is nan; it must be finite and > 0'),
    ({'lr_G': float('inf')}, '`lr_G` is inf; it must be finite and > 0'),
    ({'latent_dim': 0}, '`latent_dim` is 0; it must be an integer >= 1'),
    ({'beta1': 1.0}, '`beta1` is 1.0; it must be in'),
    ({'beta2': -0.1}, '`beta2` is -0.1; it must be in'),
    ({'decay': 'cosine'}, "`decay` is 'cosine'; it must be False or True"),
    ({'average': 1}, '`average` is 1; it must be in'),
    ({'first': 'X'}, "`first` is 'X'; it must be 'D' or 'G'"),
    ({'seed': -1}, '`seed` is -1; it must be'),
    ({'engine': 'yes'}, "`engine` is 'yes'; it must be"),
    ({'prior': 'cauchy'}, "`prior` is 'cauchy'; it must be"),
    ({'objective': 'hinged'}, "'hinged'"),
    ({'data': X64[0]}, r'`data` has shape \(2,\); it must be an array'),
    ({'data': X64[:0]}, r'`data` has shape \(0, 2\); it must have at least one row'),
    ({'data': X64 + numpy.nan}, r'`data` is nan at \(0, 0\); it must be finite'),
    ({'data': X64 - numpy.inf}, r'`data` is -inf at \(0, 0\); it must be finite'),
    ({'data_iter': []}, '`data_iter` is empty; it must give at least one batch'),
    ({'data_iter': iter([(X64,)])}, '`data_iter` is a list_iterator, exhausted after one pass'),
    ({'data_iter': [(X64 + numpy.nan,)]}, r'`data_iter` is nan at \(0, 0\)'),
    ({'data_iter': [(X64[:0],)]}, '`data_iter` has shape'),
    ({'data_iter': [(numpy.zeros((8, 3), 'float32'),)]}, r'`net_G` makes examples of shape \(2,\)'),
]


@pytest.mark.parametrize(('change', 'message'), BAD, ids=[str(list(c)[0]) for c, _ in BAD])
def test_bad_input_fails_before_training(change, message):
    nets = initialized()
    before = values(nets[0]) + values(nets[1])
    arguments = dict(
        net_D=nets[0], net_G=nets[1], data_iter=[(X64[:8],)], num_epochs=1, lr_D=0.1, lr_G=0.1,
        latent_dim=2, data=X64, callbacks=[],
    )  # fmt: skip
    arguments.update(change)
    with pytest.raises(ValueError, match=message):
        train.train(**arguments)
    assert equal(before, values(nets[0]) + values(nets[1]))


def test_data_iter_must_be_iterable():
    with pytest.raises(TypeError, match='`data_iter` is a int; it must be an iterable'):
        train.train(*networks(), 5, 1, 0.1, 0.1, 2, X64, callbacks=[])


def test_networks_that_do_not_meet():
    net_D, net_G = initialized()
    message = r'`latent_dim` is 3; `net_G` must take noise that wide.*shape \(2, 2\)'
    with pytest.raises(ValueError, match=message):
        train.train(net_D, net_G, [(X64[:8],)], 1, 0.1, 0.1, 3, X64, callbacks=[])
    wide = nn.Dense(3)
    with pytest.raises(ValueError, match='it must give one logit for each'):
        train.train(wide, net_G, [(X64[:8],)], 1, 0.1, 0.1, 2, X64, callbacks=[])
    narrow = nn.Dense(1, in_units=7)
    with pytest.raises(ValueError, match='`net_D` must take the batches'):
        train.train(narrow, net_G, [(X64[:8],)], 1, 0.1, 0.1, 2, X64, callbacks=[])


def test_no_weights_and_no_initializer():
    with pytest.raises(ValueError, match='`net_G` must take noise that wide|initialize'):
        play(initializer=None)


def test_initializer_none_keeps_the_weights_as_the_start():
    nets = initialized()
    before = values(nets[1])
    play(1, nets, examples=8, initializer=None, seed=1)
    moved = max(abs(a - b).max() for a, b in zip(before, values(nets[1])))
    assert 0 < moved < 0.01  # one step of Adam at 0.005


@pytest.mark.parametrize('engine', ['textbook', 'symbol'])
def test_a_loss_that_is_not_finite_names_epoch_step_and_player(engine):
    class Poisoned:
        """Give a NaN in step 3 of the second pass that trains."""

        passes = 0  # the first pass is train's own look at a batch

        def __iter__(self):
            self.passes += 1
            for i in range(4):
                X = numpy.ones((8, 2), 'float32')
                if (self.passes, i) == (3, 2):
                    X[0, 0] = numpy.nan
                yield (np.array(X),)

    with pytest.raises(FloatingPointError, match='loss_D became nan in epoch 2, step 3; .*`lr_D`'):
        train.train(*networks(), Poisoned(), 3, 0.05, 0.005, 2, X64, engine=engine, callbacks=[])


def test_an_infinite_loss_of_G_is_named():
    objective = losses.Objective(
        'late', gluon.loss.SigmoidBCELoss(), lambda pred, label: pred * 1e38 * 1e38, None
    )
    with pytest.raises(FloatingPointError, match='loss_G became -?inf in epoch 1, step 1'):
        play(objective=objective, engine='textbook')


def test_accuracy_is_counted_at_the_objectives_own_boundary():
    def half(game):
        found.append((game.history.accuracy_D[0], game.history.mean_D_real[0]))

    found = []
    # D's first outputs are near 0: below least squares' boundary, 1/2, so all are called fake.
    play(1, examples=8, objective='least_squares', callbacks=[half])
    assert found[0][0] == 0.5
    assert found[0][1] == pytest.approx(0.5, abs=0.05)


def test_hyperparameters_tell_other_labels_apart():
    found = []

    def keep(game):
        found.append(game.hyperparameters)

    play(1, callbacks=[keep])
    play(1, callbacks=[keep], objective='label_smoothing')
    assert [h['label_smoothing'] for h in found] == [0, 0.1]


def test_noise_in_pools_is_that_of_as_many_calls():
    rng = numpy.random.default_rng(0)
    for trial in range(4):
        prior, width = ('normal', 'uniform')[trial % 2], int(rng.integers(1, 400))
        plan = [(int(size), int(steps)) for size, steps in rng.integers(1, 100, (4, 2))]
        found = []
        for pooled in (False, True, None):  # None: in turns
            noise = Noise(prior, width, mx.cpu())
            mx.random.seed(trial)
            for number, (size, steps) in enumerate(plan):
                if pooled or (pooled is None and number % 2):
                    rows = noise.pool(size, steps).reshape((-1, width)).asnumpy()
                else:
                    rows = numpy.concatenate([noise(size).asnumpy() for _ in range(steps)])
                found.append(rows)
        whole, pools, turns = (numpy.concatenate(found[i : i + 4]) for i in (0, 4, 8))
        assert (whole == pools).all() and (whole == turns).all()

"""The game on JAX is the textbook's, to its rounding, and Gluon's arrays are true."""

import functools
import importlib
import itertools
import json
import subprocess
import sys
import types

from d2l_gan import data, devices, engines, losses
from d2l_gan.callbacks import Checkpoint
from d2l_gan.engines import CannotPlay, NotFinite, adapter, pools
from d2l_gan.engines.textbook import Textbook
from d2l_gan.train import train

import mxnet as mx
import numpy
import pytest
from mxnet import gluon, init, np, npx
from mxnet.gluon import nn

jax = pytest.importorskip('jax', reason='needs JAX (the extra xla)')
from d2l_gan.engines import xla  # noqa: E402
from d2l_gan.xla import runtime  # noqa: E402
from tests import test_checkpoint as saved  # noqa: E402
from tests.marks import first_alone  # noqa: E402

npx.set_np()


@pytest.fixture(autouse=True, scope='module')
def programs(tmp_path_factory):
    """Keep what is compiled among these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, 'cache_dir', lambda: tmp_path_factory.getbasetemp())
        yield


def small(norm=False, dropout=0, block=nn.HybridSequential):
    net_D, net_G = block(), block()
    for net, width in ((net_D, 1), (net_G, 2)):
        net.add(nn.Dense(6, use_bias=not norm))
        if norm:
            net.add(nn.BatchNorm())
        net.add(nn.Activation('tanh'))
        if dropout:
            net.add(nn.Dropout(dropout))
        net.add(nn.Dense(width, use_bias=not norm))
    return net_D, net_G


def game(engine, networks=small, objective='bce', first='D', shape=(2,), latent_dim=2, batch=8,
         dtype='float64', rates=(0.01, 0.005), std=0.3, average=None, condition=None,
         **constants):  # fmt: skip
    """Return an engine whose players start the same way each time."""
    mx.random.seed(1)
    nets, trainers = networks(), []
    X, Z = np.ones((batch, *shape)), np.ones((batch, latent_dim))
    for net, x, rate in ((nets[0], X, rates[0]), (nets[1], Z, rates[1])):
        net.initialize(init.Normal(std))
        x = adapter.packed(x, getattr(net, 'pack', 1))
        net(x) if condition is None else net(x, np.ones((batch, condition)))
        net.cast(dtype)
        trainers.append(adapter.adam(net, rate))
        for name, value in constants.items():
            setattr(trainers[-1]._optimizer, name, value)
    sample = X.astype(dtype), Z.astype(dtype), None
    if condition is not None:
        sample = *sample[:2], np.ones((batch, condition), dtype=dtype)
    made = engine(*nets, *trainers, losses.objective(objective), first, mx.cpu(), sample)
    if average is not None:
        made.start_averages(average)
    return made


def play(players, steps=50, start=0, shape=(2,), latent_dim=2, batch=8, dtype='float64',
         condition=None, **_):  # fmt: skip
    """Play steps, in epochs of ten whose last batch is smaller; return what is read of each."""
    random, columns = numpy.random.RandomState(2), []

    def draw(*shape):
        return np.array(random.normal(size=shape), dtype=dtype)

    for epoch in range(steps // 10):
        sizes = [batch] * 9 + [batch // 2]
        Z = iter([draw(size, latent_dim) for size in sizes])
        X = [(draw(size, *shape), condition and draw(size, condition)) for size in sizes]
        if epoch >= start // 10:
            assert players.play(X, lambda _, Z=Z: next(Z)) == sum(sizes)
            columns.append(players.read())
    return columns


def state(players):
    """Return {name: NumPy array} of all that training moves."""
    found = {
        f'{name}/{path}': array.asnumpy()
        for name, (net, trainer) in players.players.items()
        for path, array in adapter.arrays(net, trainer).items()
    }
    found.update({f'average/{name}': a.asnumpy() for name, a in players.averages.items()})
    return found


def apart(a, b):
    """Return the largest difference, relative to the largest number of the same array."""
    assert a.keys() == b.keys()
    return max(abs(a[n] - b[n]).max() / max(abs(a[n]).max(), 1e-30) for n in a)


def compare(networks=small, steps=20, tolerance=1e-8, **settings):
    """Play both games and hold them together; return the one on JAX."""
    book, ours = (game(engine, networks, **settings) for engine in (Textbook, xla.XLA))
    for a, b in zip(*(play(players, steps, **settings) for players in (book, ours))):
        assert a.keys() == b.keys()
        assert max(abs(a[name] - b[name]) for name in a) < tolerance
    assert apart(state(book), state(ours)) < tolerance
    for name in 'DG':
        assert adapter.updates(ours.players[name][1]) == steps
    assert ours.steps == book.steps == steps
    return ours


CHAPTERS = [
    ('gaussian', {'rates': (0.05, 0.005)}),
    ('sine', {'shape': (16,), 'latent_dim': 5, 'batch': 16, 'objective': 'minimax', 'first': 'G'}),
    ('mnist_vanilla', {'shape': (784,), 'latent_dim': 100}),
    ('mnist_leaky', {'shape': (784,), 'latent_dim': 100, 'objective': 'label_smoothing'}),
    ('mnist_deep', {'shape': (28, 28, 1), 'latent_dim': 100}),
]


@pytest.mark.parametrize(
    'chapter, settings',
    [
        pytest.param(*given, id=given[0], marks=[pytest.mark.slow] * (given[0] != 'gaussian'))
        for given in CHAPTERS
    ],
)
def test_fifty_steps_of_every_chapter_are_the_same_game(chapter, settings):
    networks = importlib.import_module(f'chapters.{chapter}').networks
    compare(networks, 50, average=0.9, tolerance=1e-8, **settings)


@pytest.mark.slow
def test_float32_to_its_own_rounding():
    networks = importlib.import_module('chapters.mnist_leaky').networks
    compare(networks, 50, shape=(784,), latent_dim=100, batch=100, rates=(2e-3, 2e-3),
            dtype='float32', tolerance=1e-4)  # fmt: skip


@pytest.mark.slow  # but 'bce', which the chapter on a Gaussian plays above
@pytest.mark.parametrize('objective', losses.OBJECTIVES)
def test_every_objective_is_the_same_game(objective):
    compare(objective=objective, first='G' if objective in ('hinge', 'minimax') else 'D')


@pytest.mark.parametrize('first', first_alone(['D', 'G']))
@pytest.mark.parametrize('objective', first_alone(['bce', 'relativistic']))
def test_batch_norm_with_its_running_statistics(objective, first):
    networks = lambda: small(norm=True)
    assert not compare(networks, objective=objective, first=first, average=0.9).rules.merge


@pytest.mark.slow
def test_layers_that_mix_examples_see_real_and_fake_apart():
    class Mean(nn.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.np.concatenate([x, x - x.mean(axis=0, keepdims=True)], axis=1)

    def networks():
        net_D, net_G = small()
        mixing = nn.HybridSequential()
        mixing.add(Mean(), nn.Dense(4, activation='tanh'), nn.Dense(1))
        return mixing, net_G

    assert not compare(networks).rules.merge


class Image(nn.HybridBlock):
    def hybrid_forward(self, F, x):
        return x.reshape((-1, 4, 3, 3))


def pictures():
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_D.add(nn.Conv2D(4, 3, 2, 1), nn.Activation('softrelu'), nn.Conv2D(1, 3))
    net_G.add(nn.Dense(36, use_bias=False), nn.BatchNorm(), nn.Activation('relu'), Image(),
              nn.Conv2DTranspose(1, 4, 2, 1))  # fmt: skip
    return net_D, net_G


@pytest.mark.slow
def test_convolutions():
    compare(pictures, shape=(1, 6, 6), latent_dim=3)


class Told(nn.HybridBlock):
    """Hand an input and its condition, side by side, to a network."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def hybrid_forward(self, F, x, condition):
        return self.net(F.np.concatenate([x, condition], axis=1))


def told():
    return tuple(map(Told, small()))


@pytest.mark.slow
@pytest.mark.parametrize('objective', ['bce', 'relativistic'])
def test_conditions(objective):
    compare(told, condition=3, objective=objective)


def packs():
    net_D, net_G = small()
    net_D.pack = 2
    return net_D, net_G


@pytest.mark.parametrize('objective', first_alone(['bce', 'relativistic']))
def test_packs_of_examples(objective):
    ours = compare(packs, objective=objective)
    assert ours.rules.pack == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    'constants', [{'beta1': 0.5}, {'epsilon': 1e-3}, {'wd': 0.1}, {'clip_gradient': 0.01}]
)
def test_constants_of_adam(constants):
    compare(**constants)


@pytest.mark.slow
def test_frozen_parameters_stay():
    def networks():
        net_D, net_G = small()
        net_D[0].weight.grad_req = 'null'
        return net_D, net_G

    compare(networks)


def test_learning_rates_change_between_epochs_and_nothing_is_compiled_for_it():
    book, ours = (game(engine) for engine in (Textbook, xla.XLA))
    for rate in (0.02, 0.001):
        for players in (book, ours):
            for _, trainer in players.players.values():
                trainer.set_learning_rate(rate)
            play(players, 10)
    assert apart(state(book), state(ours)) < 1e-8
    assert len(ours.programs) == 2  # for full batches and for the last


@pytest.mark.slow
def test_dropout_drops_and_learns_and_plays_again_exactly():
    def once(**settings):
        numpy.random.seed(3)
        players = game(xla.XLA, lambda: small(dropout=0.5), **settings)
        columns = play(players, 20)
        return columns, state(players)

    columns, found = once()
    again, found_again = once()
    assert columns == again
    assert apart(found, found_again) == 0
    assert apart(found, state(game(xla.XLA, lambda: small(dropout=0.5)))) > 0.01
    assert columns[0]['loss_D'] != columns[1]['loss_D']


@pytest.mark.slow
def test_what_is_written_into_gluons_arrays_holds():
    one, other = game(xla.XLA, average=0.5), game(xla.XLA, average=0.5)
    play(one, 20)
    for name, (net, trainer) in other.players.items():
        mine = adapter.arrays(*one.players[name])
        for path, array in adapter.arrays(net, trainer).items():
            array[:] = mine[path].asnumpy()
        adapter.set_updates(trainer, 20)
    for name, array in other.averages.items():
        array[:] = one.averages[name]
    other.steps = 20
    for players in (one, other):
        play(players, 40, start=20)
    assert apart(state(one), state(other)) == 0


def test_an_engine_goes_on_where_another_stopped():
    book, mixed = (game(engine) for engine in (Textbook, Textbook))
    play(book, 40)
    play(mixed, 20)
    nets = [mixed.players[name] for name in 'DG']
    (net_D, trainer_D), (net_G, trainer_G) = nets
    sample = np.ones((8, 2), dtype='float64'), np.ones((8, 2), dtype='float64'), None
    ours = xla.XLA(
        net_D, net_G, trainer_D, trainer_G, losses.objective('bce'), 'D', mx.cpu(), sample
    )
    play(ours, 40, start=20)
    assert apart(state(book), state(ours)) < 1e-8


def run(engine, epochs=3, callbacks=(), **settings):
    net_D, net_G = small()
    X = numpy.random.default_rng(0).normal(size=(43, 2)).astype('float32')
    history = train(
        net_D, net_G, data.Batches(X, 8), epochs, 0.01, 0.01, 2, X, engine=engine, seed=0,
        callbacks=list(callbacks), initializer=init.Normal(0.3), **settings,
    )  # fmt: skip
    return history, {k: p.data().asnumpy() for k, p in net_G._collect_params_with_prefix().items()}


def test_train_draws_the_same_batches_noise_and_weights():
    (book, a), (ours, b) = (run(engine, average=0.9) for engine in ('textbook', 'xla'))
    for column in ours.columns[:-1]:
        assert abs(book[column] - ours[column]).max() < 1e-5
    assert apart(a, b) < 1e-4
    assert apart(book.average, ours.average) < 1e-4


@pytest.mark.slow
def test_an_iterable_of_batches_is_played_as_a_batches_is():
    X = numpy.random.default_rng(0).normal(size=(43, 2)).astype('float32')
    whole, one_by_one = [], []
    for found, source in ((whole, data.Batches(X, 8)), (one_by_one, Wrapped(data.Batches(X, 8)))):
        net_D, net_G = small()
        history = train(
            net_D, net_G, source, 2, 0.01, 0.01, 2, X, engine='xla', seed=0, callbacks=[]
        )
        found.append(history.to_dict())
    for found in whole + one_by_one:
        found.pop('examples_per_sec')
    assert whole == one_by_one


class Wrapped:
    def __init__(self, source):
        self.source = source

    def __iter__(self):
        return iter(self.source)


@pytest.mark.slow
def test_long_epochs_are_played_in_pools(monkeypatch):
    whole = run('xla')
    monkeypatch.setattr(pools, 'STEPS', 2)
    parts = run('xla')
    assert whole[0].to_dict()['loss_D'] == parts[0].to_dict()['loss_D']
    assert apart(whole[1], parts[1]) == 0


def test_calls_are_short_enough_to_be_interrupted(monkeypatch):
    players, calls = game(xla.XLA), []
    play(players, 10)
    for key, program in list(players.programs.items()):
        players.programs[key] = lambda *a, program=program: (
            calls.append(a[-1] - a[-2]) or program(*a)
        )
    monkeypatch.setattr(xla, 'SECONDS', 1e-9)
    play(players, 20, start=10)
    play(players, 30, start=20)
    assert calls[-9:] == [1] * 9


@pytest.mark.parametrize(
    'settings',
    first_alone([{'average': 0.9}, {'objective': 'relativistic', 'first': 'G'}]),
    ids=['average', 'pairs'],
)
def test_a_loop_in_python_is_the_same_game(monkeypatch, settings):
    monkeypatch.setattr(runtime, 'slowed_by_loops', lambda *given: True)
    ours = compare(**settings)
    monkeypatch.setattr(xla, 'SECONDS', 1e-9)  # calls of one step, where those were of up to 16
    again = game(xla.XLA, **settings)
    play(again, 20)
    assert apart(state(ours), state(again)) == 0
    dropout = functools.partial(small, dropout=0.5)
    one, same = (game(xla.XLA, networks=dropout) for _ in range(2))
    assert play(one, 3) == play(same, 3)


def test_loops_are_slow_for_large_states_on_old_compilers_and_for_convolutions(monkeypatch):
    small, large = (numpy.zeros(size, 'uint8') for size in (2**20, 2**20 + 1))
    cpu, gpu = (types.SimpleNamespace(platform=platform) for platform in ('cpu', 'gpu'))
    monkeypatch.setattr(jax, '__version_info__', (0, 4, 30))
    given = (large, False, cpu), (small, False, cpu), (large, False, gpu), (small, True, gpu)
    assert [runtime.slowed_by_loops(*one) for one in given] == [True, False, False, False]
    monkeypatch.setattr(jax, '__version_info__', (0, 7, 1))
    assert not runtime.slowed_by_loops(large, False, cpu)
    assert runtime.slowed_by_loops(small, True, cpu)


def test_an_interrupt_leaves_the_state_of_the_last_call(monkeypatch):
    monkeypatch.setattr(runtime, 'slowed_by_loops', lambda *given: True)
    ours, kept = game(xla.XLA), []
    ours.ahead, compile_step = 4, ours.compile_step

    def broken(*args):
        program = compile_step(*args)

        def until(flat, pool, notes, start, stop):
            found = program(flat, pool, notes, start, stop)
            if start:
                kept.append(numpy.asarray(flat))
                raise KeyboardInterrupt
            return found

        return until

    monkeypatch.setattr(ours, 'compile_step', broken)
    before = ours.gathered()
    with pytest.raises(KeyboardInterrupt):
        play(ours, 10)
    assert ours.steps == 4
    assert (ours.gathered() == kept[0]).all() and (kept[0] != before).any()


def test_a_loss_that_is_not_finite_is_told_with_its_step():
    players = game(xla.XLA)
    X = [(np.ones((8, 2), dtype='float64'), None) for _ in range(5)]
    X[3][0][2, 1] = numpy.inf
    players.play(X, lambda batch: np.ones((batch, 2), dtype='float64'))
    with pytest.raises(NotFinite, match='loss_[DG] became (nan|-?inf) in step 4') as error:
        players.read()
    assert error.value.step == 4


def test_all_that_is_not_translated_is_named_before_anything_moves():
    def networks():
        net_D, net_G = small()
        net_D.add(nn.HybridLambda(lambda F, x: F.np.cumsum(x, 1)),
                  nn.HybridLambda(lambda F, x: F.npx.topk(x, ret_typ='value')))  # fmt: skip
        return net_D, net_G

    with pytest.raises(CannotPlay, match='cumsum.*topk'):
        game(xla.XLA, networks)


def test_losses_and_parameters_that_it_cannot_serve():
    class Loss(gluon.Block):
        def forward(self, pred, label):
            return pred * float(label.sum())

    with pytest.raises(CannotPlay, match='Loss'):
        game(xla.XLA, objective=Loss())
    with pytest.raises(CannotPlay, match='must be Adam'):
        players = game(Textbook)
        (net_D, trainer_D), (net_G, _) = (players.players[name] for name in 'DG')
        sgd = gluon.Trainer(net_G.collect_params(), 'sgd')
        sample = (np.ones((8, 2), dtype='float64'),) * 2 + (None,)
        xla.XLA(net_D, net_G, trainer_D, sgd, losses.objective('bce'), 'D', mx.cpu(), sample)


def test_without_jax_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, 'd2l_gan.engines.xla')
    monkeypatch.delattr(engines, 'xla', raising=False)
    monkeypatch.setitem(sys.modules, 'jax', None)
    with pytest.raises(ValueError, match=r"`engine` is 'xla', but .*pip install 'd2l_gan\[xla\]'"):
        run('xla')


def test_what_is_compiled_is_kept_and_jaxs_settings_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, 'cache_dir', lambda: tmp_path)
    before = dict(jax.config.values)
    run('xla', epochs=1)
    kept = sorted(path.name for path in tmp_path.rglob('*') if path.is_file())
    assert any(name.startswith('jit_program') for name in kept)
    assert dict(jax.config.values) == before
    assert jax.numpy.ones(1, 'float32').dtype == 'float32'


@pytest.mark.slow
def test_a_fresh_process_plays_the_same_bits():
    code = (
        'import json, sys\n'
        'from tests.test_xla import run\n'
        'history, weights = run("xla", 2)\n'
        'print(json.dumps([history.to_dict()["loss_D"], weights["0.weight"].tolist()]))'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True
    )
    history, weights = run('xla', 2)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [history.to_dict()['loss_D'], weights['0.weight'].tolist()]


def test_pools_of_batches_of_one_size(monkeypatch):
    monkeypatch.setattr(pools, 'STEPS', 3)
    sizes = [4, 4, 4, 4, 2, 4]
    X = [(np.full((size, 2), i, dtype='float32'), None) for i, size in enumerate(sizes)]
    found = [pool.shape for pool, _ in pools.of(X)]
    assert found == [(3, 4, 2), (1, 4, 2), (1, 2, 2), (1, 4, 2)]
    numbers = list(itertools.chain(*(pool[:, 0, 0] for pool, _ in pools.of(X))))
    assert numbers == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize('rows', [3, 40, 42])
@pytest.mark.parametrize('conditional', [False, True])
def test_pools_are_the_batches_that_are_iterated(monkeypatch, rows, conditional):
    monkeypatch.setattr(pools, 'STEPS', 4)
    X, y = np.arange(2.0 * rows).reshape(-1, 2), np.arange(1.0 * rows)
    told = {'condition': y} if conditional else {}
    batches = data.Batches(X.astype('float32'), 4, **told)
    feed = types.SimpleNamespace(data_iter=batches, conditional=conditional)
    numpy.random.seed(0)
    whole = list(pools.of(feed))
    numpy.random.seed(0)
    alone = list(batches)
    assert max(len(X) for X, _ in whole) <= 4
    pooled = [pair for X, y in whole for pair in zip(X, [None] * len(X) if y is None else y)]
    assert len(pooled) == len(alone) == len(batches)
    for found, expected in zip(pooled, alone):
        assert found[0].tolist() == expected[0].tolist()
        assert (found[1].tolist() if conditional else found[1]) == (
            expected[1].tolist() if conditional else None
        )


def test_auto_takes_jax_for_long_games_without_convolutions(monkeypatch):
    def chosen(networks=small, steps=engines.LONG, shape=(2,)):
        net_D, net_G = networks()
        X, Z = np.ones((8, *shape)), np.ones((8, 2))
        for net, x in ((net_D, X), (net_G, Z)):
            net.initialize()
            net(x)
        trainers = adapter.adam(net_D, 0.1), adapter.adam(net_G, 0.1)
        given = net_D, net_G, *trainers, losses.objective('bce'), 'D', mx.cpu(), (X, Z, None)
        return type(engines.choose('auto', *given, steps=steps)).__name__

    def convolutions():
        net_D, net_G = small()
        image = nn.HybridSequential()
        image.add(nn.HybridLambda(lambda F, x: x.reshape((-1, 1, 1, 2))), nn.Conv2D(3, 1), net_D)
        return image, net_G

    assert chosen() == 'XLA'
    assert chosen(steps=engines.LONG - 1) == chosen(steps=None) == 'Symbol'
    assert chosen(convolutions) == 'Symbol'
    monkeypatch.setitem(sys.modules, 'jax', None)
    assert chosen() == 'Symbol'


@pytest.mark.parametrize(
    'settings', first_alone([{'average': 0.9}, {'nets': 'norm'}]), ids=['average', 'norm']
)
def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path, settings):
    def game(play, *args):
        norm = {'nets': saved.networks(norm=True)} if settings.get('nets') else settings
        return play(*args, engine='xla', **norm)

    whole = saved.state(game(saved.play, 4))
    game(saved.broken_off, tmp_path, 2, 4)
    assert saved.state(game(saved.play, 4, Checkpoint(tmp_path, resume=True))) == whole


@pytest.mark.parametrize('first, then', [('symbol', 'xla'), ('xla', 'textbook')])
def test_a_checkpoint_goes_on_in_another_engine(tmp_path, first, then):
    whole = saved.play(4, engine='textbook')
    saved.broken_off(tmp_path, 2, 4, engine=first)
    other = saved.play(4, Checkpoint(tmp_path, resume=True), engine=then)
    for column in whole.history.columns[:-1]:
        assert abs(whole.history[column] - other.history[column]).max() < 1e-4
    assert whole.counters() == other.counters()


@pytest.mark.slow
def test_a_gpu_of_jaxs_serves_whatever_mxnet_was_built_for(monkeypatch):
    """The CPU stands in for it: what lies where is the same."""
    whole, cpus = run('xla'), runtime.devices('cpu')
    monkeypatch.setattr(runtime, 'devices', lambda kind: cpus if kind == 'cpu' else [])
    with pytest.raises(RuntimeError, match='`device` is "gpu"; only "cpu" is here'):
        run('xla', device='gpu')
    monkeypatch.setattr(runtime, 'devices', lambda kind: jax.devices('cpu'))
    chosen = []
    for engine, device in (('xla', 'gpu'), ('auto', 'gpu(0)'), ('xla', None)):
        history, weights = run(
            engine, device=device, callbacks=[lambda game: chosen.append(game.engine)]
        )
        assert apart(whole[1], weights) == 0
        assert whole[0].to_dict()['loss_D'] == history.to_dict()['loss_D']
    assert {type(players) for players in chosen} == {xla.XLA}
    with pytest.raises(RuntimeError, match='`device` is "gpu\\(7\\)"'):
        run('xla', device='gpu(7)')


def test_what_gluon_has_lies_on_the_cpu_for_a_gpu_that_jax_alone_has(monkeypatch):
    monkeypatch.setattr(runtime, 'devices', lambda kind: jax.devices('cpu'))
    X = numpy.ones((4, 2))
    assert data.Batches(X, 2, device='gpu').array.ctx == mx.cpu()
    assert data.Batches(np.array(X), 2, device=mx.gpu(0)).array.ctx == mx.cpu()
    told = "JAX has gpu\\(0\\).*, for the engines 'xla' and 'auto'"
    for call in (lambda: data.Batches(X, 2, device='gpu(7)'), lambda: devices.device('gpu')):
        with pytest.raises(RuntimeError, match=told):
            call()


def test_on_a_gpu_the_same_seed_is_to_have_the_same_bits():
    """The compiler knows the option by this name; the CPU's does not mind it."""
    told = runtime.options(types.SimpleNamespace(platform='gpu'))
    assert told['xla_gpu_deterministic_ops'] is True
    assert jax.jit(lambda x: 2 * x).lower(1.0).compile(told)(3.0) == 6
    assert runtime.options(jax.devices('cpu')[0]) is None


def test_a_precision_is_chosen_whose_switch_has_no_truth_value(monkeypatch):
    """JAX 0.11's has none."""

    class Switch:
        __bool__ = None

        def __call__(self, wide):
            return wide

    monkeypatch.setattr(jax, 'enable_x64', Switch(), raising=False)
    assert runtime.precision('float64') is True
    assert runtime.precision('float32') is False

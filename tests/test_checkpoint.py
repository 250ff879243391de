"""Checkpoints: exact, whole or not at all, and never taken for what they are not."""

import ast
import errno
import json
import os
import re
import signal
import threading
from pathlib import Path

from d2l_gan import archive, checkpoint, data, export, generator, train
from d2l_gan.archive import CheckpointError
from d2l_gan.callbacks import Checkpoint, Generators
from tests.marks import slow

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mxnet import np, npx, random
from mxnet.gluon import nn

npx.set_np()
X = data.gaussian(24)[0]


def networks(hidden=3, norm=False):
    for _ in range(9):  # names count up in a process: dense9 sorts after dense10
        nn.Dense(1)
    net_D, net_G = nn.Sequential(), nn.Sequential()
    net_D.add(nn.Dense(hidden, activation='tanh'), nn.Dense(1))
    net_G.add(nn.Dense(2))
    if norm:
        net_G.add(nn.BatchNorm(), nn.Dense(2))
    return net_D, net_G


def play(
    num_epochs, *callbacks, nets=None, real=X, lr_D=0.05, seed=3, latent_dim=2, **settings
):  # fmt: skip
    games = []
    train.train(
        *(nets or networks()), data.Batches(real, 8), num_epochs, lr_D, 0.01, latent_dim, real,
        seed=seed, callbacks=[games.append, *callbacks], **settings,
    )  # fmt: skip
    return games[-1] if games else None


def state(game):
    """Return all that must not differ, as bytes."""
    found = {name: array.asnumpy().tobytes() for name, array in game.arrays().items()}
    history = game.history.to_dict()
    history.pop('examples_per_sec')
    return found, game.counters(), history, game.epoch, game.fixed_Z.asnumpy().tobytes()


def files(out):
    """Return the names of a run's checkpoints."""
    return sorted(path.name for path in Path(out, 'checkpoints').glob('*'))


def file_of(out, epoch):
    return Path(out, 'checkpoints', f'epoch-{epoch:06d}.ckpt')


class Stop:
    """Break off after an epoch, as if the process had died: nothing more is written."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, game):
        if game.epoch == self.epoch:
            raise ZeroDivisionError


def broken_off(directory, epoch, num_epochs=5, nets=None, **settings):
    with pytest.raises(ZeroDivisionError):
        play(num_epochs, Checkpoint(directory), Stop(epoch), nets=nets, **settings)


# The file


@given(
    hnp.arrays(
        st.sampled_from(['<f2', '<f4', '<f8', '<i4', '<i8', 'i1', 'u1', '>f4']),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    ),
    st.text(),
)
@settings(max_examples=30, deadline=None)
def test_what_is_packed_is_parsed_bit_for_bit(array, text):
    header, arrays = archive.parse(archive.pack({'text': text}, {'a': array, 'b': array}))
    assert header['text'] == text
    for back in arrays.values():
        assert back.shape == array.shape
        assert back.astype(array.dtype).tobytes() == array.tobytes()


def test_every_flipped_bit_is_noticed():
    whole = archive.pack({'kind': 'run'}, {'a': numpy.arange(5.0), 'b': numpy.zeros((0, 3))})
    archive.parse(whole)
    for i in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[i // 8] ^= 1 << i % 8
        with pytest.raises(CheckpointError):
            archive.parse(bytes(damaged))


def test_every_cut_and_every_extra_byte_is_noticed():
    whole = archive.pack({'kind': 'run'}, {'a': numpy.arange(5.0)})
    for i in range(len(whole)):
        with pytest.raises(CheckpointError):
            archive.parse(whole[:i])
    with pytest.raises(CheckpointError, match='2 bytes too many'):
        archive.parse(whole + b'\0\0')


def forged(header, body=b'', version=archive.VERSION):
    """Return a file whose checksum is right but whose header is not ours."""
    text = json.dumps(header).encode()
    head = archive.PREFIX.pack(archive.MAGIC, version, len(text)) + text
    return head + archive.hashlib.sha256(head).digest() + body


def test_a_newer_format_is_named():
    with pytest.raises(CheckpointError, match='has format 2; this d2l_gan reads format 1'):
        archive.parse(forged({'anything': 'at all'}, version=2))


@pytest.mark.parametrize('shape', [[1 << 40], [-1], ['3'], [2.0], [1] * 99, 7, None])
def test_a_forged_shape_allocates_nothing(tmp_path, shape):
    part = {'name': 'a', 'dtype': '<f8', 'shape': shape, 'sha256': ''}
    (tmp_path / 'x').write_bytes(forged({'kind': 'run', 'parts': [part]}))
    with pytest.raises(CheckpointError, match='x` is (damaged|cut short)'):
        archive.read(tmp_path / 'x', 'run')


@pytest.mark.parametrize('header', [[], {}, {'parts': 3}, {'parts': [{}]}, {'parts': []}, None])
def test_a_forged_header_is_refused(tmp_path, header):
    (tmp_path / 'x').write_bytes(forged(header))
    with pytest.raises(CheckpointError, match='header makes no sense'):
        archive.read(tmp_path / 'x', 'run')


def test_objects_cannot_be_packed():
    part = {'name': 'a', 'dtype': '|O', 'shape': [1], 'sha256': ''}
    with pytest.raises(CheckpointError, match='type |O'):
        archive.parse(forged({'parts': [part]}, b'12345678'))


def test_nothing_here_unpickles():
    for module in (checkpoint, generator, archive):
        tree = ast.parse(Path(module.__file__).read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {'pickle', 'eval', 'exec', 'load_states', 'load', 'marshal', 'dill'}


# Going on


@pytest.mark.parametrize('engine', ['symbol', 'textbook'])
@pytest.mark.parametrize(
    'extra', [{}, {'average': 0.9, 'prior': 'uniform'}, {'decay': True, 'first': 'G'}]
)
@pytest.mark.parametrize('k', [1, slow(2), slow(3), 4])
def test_n_epochs_are_k_epochs_and_the_rest(tmp_path, k, extra, engine):
    extra = dict(extra, engine=engine)
    broken_off(tmp_path, k, **extra)
    assert state(play(5, Checkpoint(tmp_path, resume=True), **extra)) == state(play(5, **extra))


def test_running_statistics_go_on_too(tmp_path):
    broken_off(tmp_path, 2, nets=networks(norm=True), engine='textbook')
    resumed = play(
        5, Checkpoint(tmp_path, resume=True), nets=networks(norm=True), engine='textbook'
    )
    assert state(resumed) == state(play(5, nets=networks(norm=True), engine='textbook'))


def used():
    """Return convolutions with the same weights each time, in an order that oneDNN likes."""
    random.seed(0)
    net_D, net_G = nn.HybridSequential(), nn.HybridSequential()
    net_D.add(nn.Conv2D(16, 4, 2, 1), nn.Conv2D(1, 4))
    net_G.add(nn.Conv2DTranspose(16, 4), nn.Conv2DTranspose(1, 4, 2, 1))
    for net, shape in ((net_G, (2, 3, 1, 1)), (net_D, (2, 1, 8, 8))):
        net.initialize()
        net(np.ones(shape)).wait_to_read()
    return net_D, net_G


def test_convolutions_that_have_been_used_go_on(tmp_path):
    how = {'real': data.gaussian(24 * 32)[0].reshape(24, 1, 8, 8), 'latent_dim': (3, 1, 1)}
    how.update(initializer=None, engine='xla')
    whole = play(3, nets=used(), **how)
    broken_off(tmp_path, 1, 3, nets=used(), **how)
    assert state(play(3, Checkpoint(tmp_path, resume=True), nets=used(), **how)) == state(whole)


def test_more_epochs_are_more_of_the_same(tmp_path):
    play(2, Checkpoint(tmp_path))
    resumed = play(5, Checkpoint(tmp_path, resume=True))
    assert state(resumed) == state(play(5))


def test_a_complete_training_is_not_repeated(tmp_path, capsys):
    whole = play(3, Checkpoint(tmp_path))
    assert play(3, Checkpoint(tmp_path, resume=True)) is None
    assert 'Going on after epoch 3, from' in capsys.readouterr().err
    assert state(whole)[2]['loss_D'] == whole.history.loss_D.tolist()


def test_the_epoch_is_restored_before_other_callbacks_begin(tmp_path):
    broken_off(tmp_path, 2)
    seen = []

    class Spy:
        def begin(self, game):
            seen.append((game.epoch, len(game.history)))

        def __call__(self, game):
            pass

    play(5, Spy(), Checkpoint(tmp_path, resume=True))
    assert seen == [(2, 2)]


def test_an_empty_directory_starts_at_the_start_and_says_so(tmp_path, capsys):
    assert state(play(2, Checkpoint(tmp_path / 'new', resume=True))) == state(play(2))
    assert (
        'checkpoints` holds no checkpoint; starting with the first epoch.'
        in capsys.readouterr().err
    )


def test_a_new_training_moves_the_old_one_aside(tmp_path, capsys):
    play(3, Checkpoint(tmp_path))
    old = file_of(tmp_path, 3).read_bytes()
    play(1, Checkpoint(tmp_path))
    assert files(tmp_path) == ['epoch-000001.ckpt']
    assert file_of(tmp_path / 'earlier' / '1', 3).read_bytes() == old
    said = f'What an earlier run has left in `{tmp_path}` is now in `{tmp_path / "earlier" / "1"}`.'
    assert capsys.readouterr().err == said + '\n'
    play(2, Checkpoint(tmp_path, resume=True))
    assert files(tmp_path) == ['epoch-000001.ckpt', 'epoch-000002.ckpt']


@pytest.mark.parametrize('keep, kept', [(3, [5, 6, 7]), (1, [7]), (9, [1, 2, 3, 4, 5, 6, 7])])
def test_the_last_few_stay(tmp_path, keep, kept):
    play(7, Checkpoint(tmp_path, keep=keep))
    assert files(tmp_path) == [f'epoch-{epoch:06d}.ckpt' for epoch in kept]


def test_a_checkpoint_holds_what_it_should(tmp_path):
    game = play(2, Checkpoint(tmp_path), average=0.9)
    header, arrays = archive.read(file_of(tmp_path, 2), 'run')
    assert header['epoch'] == 2
    assert header['hyperparameters']['lr_D'] == 0.05
    assert header['hyperparameters']['seed'] == header['history']['seed'] == 3
    assert header['versions']['mxnet'] == '1.9.1'
    assert header['counters'] == {'steps': 6, 'D': 6, 'G': 6}
    assert 'Dense(2 -> 3, Activation(tanh))' in header['networks']['net_D']
    assert set(arrays) == {*game.arrays(), 'fixed_Z', *game.history.columns}
    assert all(len(part['sha256']) == 64 for part in header['parts'])


# Refusals


def refused(tmp_path, sentence, epochs=5, **settings):
    """Check that the only file there is refused, in one sentence, and nothing was touched."""
    before = files(tmp_path)
    with pytest.raises(CheckpointError) as error:
        play(epochs, Checkpoint(tmp_path, resume=True), **settings)
    assert sentence in str(error.value)
    assert '\n' not in str(error.value)
    assert files(tmp_path) == before


def test_another_network_is_refused(tmp_path):
    broken_off(tmp_path, 2)
    sentence = '`net_D`: `(0): Dense(2 -> 3, Activation(tanh))` where this one has `(0): Dense(2 ->'
    refused(tmp_path, sentence, nets=networks(hidden=4))
    refused(tmp_path, 'is of another `net_G`: `)` where', nets=networks(norm=True))


@pytest.mark.parametrize(
    'sentence, settings',
    [
        ('`lr_D` was 0.05 and is now 0.1', {'lr_D': 0.1}),
        ('`seed` was 3 and is now 4', {'seed': 4}),
        ("`objective` was 'bce' and is now 'hinge'", {'objective': 'hinge'}),
        ("`first` was 'D' and is now 'G'", {'first': 'G'}),
        ('`average` was None and is now 0.5', {'average': 0.5}),
        ('other data', {'real': data.gaussian(24, seed=1)[0]}),
        ('is of epoch 2; `num_epochs` is only 1', {'epochs': 1}),
    ],
)
def test_another_training_is_refused(tmp_path, sentence, settings):
    broken_off(tmp_path, 2)
    (file_of(tmp_path, 1)).unlink()
    refused(tmp_path, sentence, **settings)


def test_decaying_rates_fix_the_number_of_epochs(tmp_path):
    broken_off(tmp_path, 2, decay=True)
    refused(tmp_path, '`num_epochs` was 5 and is now 6', epochs=6, decay=True)


def test_a_refused_file_touches_nothing(tmp_path):
    play(2, Checkpoint(tmp_path))
    path = file_of(tmp_path, 2)
    header, arrays = archive.parse(path.read_bytes())
    last = list(arrays)[-1]
    for change in (
        {last: arrays[last][:1]}, {last: arrays[last].astype('float32')}, {'fixed_Z': numpy.ones(3)}
    ):  # fmt: skip
        path.write_bytes(archive.pack(header, {**arrays, **change}))
        game = play(1)
        before = state(game)
        game.num_epochs, game.hyperparameters['num_epochs'] = 2, 2
        with pytest.raises(CheckpointError, match='it must be'):
            checkpoint.restore(path, game)
        assert state(game) == before


@pytest.mark.parametrize('damage', ['flip', 'cut', 'swap', 'empty', 'other', 'newer'])
def test_a_damaged_file_is_named_and_the_one_before_is_used(tmp_path, capsys, damage):
    broken_off(tmp_path, 3)
    newest, older = file_of(tmp_path, 3), file_of(tmp_path, 2)
    whole = newest.read_bytes()
    if damage == 'swap':
        newest.write_bytes(older.read_bytes())
    else:
        newest.write_bytes({
            'flip': whole[:2000] + bytes([whole[2000] ^ 4]) + whole[2001:],
            'cut': whole[:-1],
            'empty': b'',
            'other': b'\x80\x04K\x01.' * 99,  # a pickle
            'newer': forged({}, version=9),
        }[damage])  # fmt: skip
    assert state(play(5, Checkpoint(tmp_path, resume=True))) == state(play(5))
    said = capsys.readouterr().err
    sentence = {
        'flip': 'is damaged', 'cut': 'is cut short', 'empty': 'is cut short',
        'swap': 'holds what was written as `epoch-000002.ckpt`', 'other': 'is no file of d2l_gan',
        'newer': 'has format 9',
    }[damage]  # fmt: skip
    refused = tmp_path / 'checkpoints' / 'refused'
    assert f'epoch-000003.ckpt` {sentence}' in said
    assert f'; it is now in `{refused}`.' in said
    assert f'Going on after epoch 2, from `{older}`' in said
    assert os.listdir(refused) == ['epoch-000003.ckpt']
    assert files(tmp_path) == [*(f'epoch-00000{i}.ckpt' for i in (3, 4, 5)), 'refused']


def test_where_no_file_is_good_nothing_starts(tmp_path):
    broken_off(tmp_path, 2)
    for path in tmp_path.rglob('*.ckpt'):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match='000002.ckpt` is cut short: .* no older file can be'):
        play(5, Checkpoint(tmp_path, resume=True))
    play(1, Checkpoint(tmp_path))  # the lock was given back


@pytest.mark.parametrize('value', [0, -1, 1.5, None])
def test_wrong_arguments_are_refused(value):
    with pytest.raises(ValueError, match=f'`keep` is {value}; it must be an integer >= 1'):
        Checkpoint('somewhere', keep=value)


def test_versions_that_differ_are_told(tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(archive.VERSIONS, 'numpy', '0.9')
        broken_off(tmp_path, 2)
    play(3, Checkpoint(tmp_path, resume=True))
    assert 'was written with numpy 0.9; the last digits may now differ' in capsys.readouterr().err


def test_another_jax_is_told(tmp_path, capsys, monkeypatch):
    xla = pytest.importorskip('d2l_gan.engines.xla', reason='needs JAX (the extra xla)')
    broken_off(tmp_path, 1, engine='xla')
    monkeypatch.setattr(xla.XLA, 'jax', '9.9')
    broken_off(tmp_path, 2, engine='xla')
    play(3, Checkpoint(tmp_path, resume=True), engine='textbook')
    play(4, Checkpoint(tmp_path, resume=True), engine='xla')
    play(5, Checkpoint(tmp_path, resume=True), engine='xla')
    told = re.findall('was written with (.*);', capsys.readouterr().err)
    assert told == ['jax 9.9', 'no jax']


# The directory


def test_what_a_kill_left_behind_is_removed(tmp_path):
    directory = tmp_path / 'checkpoints'
    directory.mkdir()
    mine = '.epoch-000001.ckpt.abc', '.epoch-1.ckpt.abcdefgh', 'notes.txt'
    for name in ('.epoch-000001.ckpt.ab_d12x8', *mine):
        (directory / name).write_bytes(b'half')
    play(1, Checkpoint(tmp_path))
    assert files(tmp_path) == sorted(['epoch-000001.ckpt', *mine])


def test_one_directory_is_for_one_training(tmp_path):
    class Second:
        def __call__(self, game):
            with pytest.raises(CheckpointError, match='is in use by another run'):
                play(1, Checkpoint(tmp_path / '.' / '..' / tmp_path.name))
            raise ZeroDivisionError

    for _ in range(2):  # an exception gives it back
        with pytest.raises(ZeroDivisionError):
            play(1, Checkpoint(tmp_path), Second())
    play(1, Checkpoint(tmp_path))


def test_an_error_while_writing_names_the_path(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, 'No space left on device')

    def at_two(game):
        if game.epoch == 2:
            monkeypatch.setattr(os, 'fsync', full)

    with pytest.raises(CheckpointError, match='000002.ckpt` cannot be written: No space left'):
        play(3, at_two, Checkpoint(tmp_path))
    monkeypatch.undo()
    assert files(tmp_path) == ['epoch-000001.ckpt']
    assert state(play(3, Checkpoint(tmp_path, resume=True))) == state(play(3))


def test_a_removed_directory_is_an_error_and_is_not_made_again(tmp_path):
    def at_two(game):
        if game.epoch == 2:
            (tmp_path / 'a').rename(tmp_path / 'b')

    with pytest.raises(CheckpointError, match='a` was removed while it was in use'):
        play(3, at_two, Checkpoint(tmp_path / 'a'))
    assert os.listdir(tmp_path) == ['b']
    assert state(play(3, Checkpoint(tmp_path / 'b', resume=True))) == state(play(3))


def test_a_file_where_the_directory_should_be_is_an_error(tmp_path):
    (tmp_path / 'a').write_text('')
    with pytest.raises(CheckpointError, match='a` cannot be written: File exists'):
        play(1, Checkpoint(tmp_path / 'a'))


# Signals


class Send:
    """Send this process a signal in the middle of an epoch."""

    def __init__(self, batches, *numbers, epoch=2):
        self.batches, self.numbers, self.epoch, self.passes = batches, numbers, epoch, 0

    def __iter__(self):
        self.passes += 1
        for i, batch in enumerate(self.batches):
            if self.passes == self.epoch + 1 and i == 1:  # the first pass is looked at by `train`
                for number in self.numbers:
                    os.kill(os.getpid(), number)
            yield batch


def interrupted(tmp_path, *numbers, **settings):
    train.train(
        *networks(), Send(data.Batches(X, 8), *numbers, **settings), 5, 0.05, 0.01, 2, X, seed=3,
        callbacks=[Checkpoint(tmp_path)],
    )  # fmt: skip


@pytest.mark.parametrize(
    'number, exception, code',
    [(signal.SIGINT, KeyboardInterrupt, ()), (signal.SIGTERM, SystemExit, (143,))],
)
def test_a_signal_lets_the_epoch_end_and_saves_it(tmp_path, capsys, number, exception, code):
    before = signal.getsignal(number)
    with pytest.raises(exception) as info:
        interrupted(tmp_path, number)
    assert info.value.args == code
    assert signal.getsignal(number) is before
    assert files(tmp_path) == ['epoch-000001.ckpt', 'epoch-000002.ckpt']
    said = capsys.readouterr().err
    assert 'Stopping when this epoch is complete' in said
    assert f'Stopped after epoch 2 of 5, saved in `{tmp_path / "checkpoints"}`' in said
    assert 'resume=True' in said and '--resume' in said
    assert state(play(5, Checkpoint(tmp_path, resume=True))) == state(play(5))


@pytest.mark.parametrize(
    'second, exception', [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_second_signal_stops_at_once(tmp_path, second, exception):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(exception):
        interrupted(tmp_path, signal.SIGINT, second)
    assert files(tmp_path) == ['epoch-000001.ckpt']
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_after_the_last_epoch_is_not_lost(tmp_path):
    class Late:
        def __call__(self, game):
            if game.epoch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        play(2, Checkpoint(tmp_path), Late())


def test_ignored_signals_stay_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupted(tmp_path, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert files(tmp_path)[-1] == 'epoch-000005.ckpt'


def test_another_thread_leaves_signals_alone(tmp_path):
    seen = []

    def work():
        play(1, lambda game: seen.append(signal.getsignal(signal.SIGINT)), Checkpoint(tmp_path))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


# The generator alone


def generator_of(*layers, latent_dim=4):
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize()
    with train.autograd.record():  # so that running statistics are not those of the start
        net(np.random.normal(size=(9, latent_dim)))
    return net


def chapters_layers():
    return [
        [nn.Dense(2)],
        [nn.Dense(64, activation='relu'), nn.Dense(128, activation='relu'), nn.Dense(16)],
        [nn.Dense(8, activation='relu'), nn.Dense(12, activation='sigmoid')],
        [nn.Dense(8), nn.LeakyReLU(0.01), nn.Dense(12, activation='tanh')],
        [nn.Dense(12), nn.HybridLambda(lambda F, x: F.npx.reshape(x, (-2, 3, 4)))],
        [nn.Dense(12), nn.HybridLambda(lambda F, x: x.reshape((-1, 3, 4)))],
        [nn.Dense(8, use_bias=False), nn.BatchNorm(), nn.ELU(0.7), nn.Dropout(0.3), nn.Dense(3)],
        [nn.Dense(8, activation='softrelu'), nn.Flatten(), nn.SELU(), nn.BatchNorm(scale=False)],
        [nn.Dense(6), nn.HybridLambda(lambda F, x: F.np.tanh(F.npx.relu(F.npx.sigmoid(x))))],
    ]


@pytest.mark.parametrize('i', range(9))
def test_a_saved_generator_needs_no_chapter(tmp_path, i):
    net = generator_of(*chapters_layers()[i])
    generator.save_generator(tmp_path / 'g', net, 4, 'uniform')
    loaded = generator.load_generator(tmp_path / 'g', 'cpu')
    Z = np.random.uniform(-1, 1, (7, 4))
    assert (loaded(Z) == net(Z)).all()
    assert loaded.sample(3).shape == net(Z[:3]).shape
    assert (loaded.sample(3, seed=1) == loaded.sample(3, seed=1)).all()
    assert (loaded.sample(3, seed=1) != loaded.sample(3, seed=2)).any()


@pytest.mark.parametrize('i', range(9))
def test_onnx_gives_the_same(tmp_path, i):
    pytest.importorskip('onnx')
    runtime = pytest.importorskip('onnxruntime')
    net = generator_of(*chapters_layers()[i])
    export.export_onnx(net, tmp_path / 'g.onnx', 4)
    session = runtime.InferenceSession(str(tmp_path / 'g.onnx'))
    for batch in (1, 7):
        Z = np.random.normal(size=(batch, 4))
        (found,) = session.run(None, {'Z': Z.asnumpy()})
        assert found.shape == net(Z).shape
        assert abs(found - net(Z).asnumpy()).max() < 1e-4


def test_a_sequential_can_be_saved_too(tmp_path):
    net = networks(norm=True)[1]
    net.initialize()
    Z = np.random.normal(size=(3, 2))
    X = net(Z)
    generator.save_generator(tmp_path / 'g', net, 2)
    assert (generator.load_generator(tmp_path / 'g')(Z) == X).all()


def test_a_prior_of_ones_own_is_not_saved(tmp_path):
    net = generator_of(nn.Dense(2))
    generator.save_generator(tmp_path / 'g', net, 4, lambda shape, device: np.ones(shape))
    loaded = generator.load_generator(tmp_path / 'g')
    assert loaded(np.ones((3, 4))).shape == (3, 2)
    with pytest.raises(ValueError, match='call the generator with noise'):
        loaded.sample(3)


class Own(nn.Block):
    def forward(self, x):
        return np.concatenate([x, x])


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(ValueError, match='`net_G` must be a HybridBlock'):
        generator.save_generator(tmp_path / 'g', Own(), 4)
    net = generator_of(nn.Dense(2), nn.HybridLambda(lambda F, x: F.np.cbrt(x)))
    with pytest.raises(
        ValueError, match=r'`net_G` uses _npi_cbrt \(in .*\); it may use FullyConnected'
    ):
        generator.save_generator(tmp_path / 'g', net, 4)
    assert os.listdir(tmp_path) == []


def test_a_training_is_no_generator(tmp_path):
    play(1, Checkpoint(tmp_path))
    with pytest.raises(CheckpointError, match='000001.ckpt` holds a run, not a generator'):
        generator.load_generator(file_of(tmp_path, 1))


def test_the_generators_of_the_last_epochs_stay(tmp_path, capsys):
    play(6, Generators(tmp_path, keep=9))
    game = play(3, Generators(tmp_path, keep=2), average=0.5)
    directory = tmp_path / 'generators'
    assert sorted(os.listdir(directory)) == ['generator-000002', 'generator-000003']
    newest = generator.latest_generator(directory)
    Z = np.random.normal(size=(5, 2))
    assert (newest(Z) == game.generate(Z)).all()
    assert (newest(Z) != game.net_G(Z)).any()
    (directory / 'generator-000003').write_bytes(b'')
    assert (generator.latest_generator(directory)(Z) != newest(Z)).any()
    assert 'generator-000003` is cut short.' in capsys.readouterr().err
    (directory / 'generator-000002').unlink()
    with pytest.raises(CheckpointError, match='is cut short'):
        generator.latest_generator(directory)
    with pytest.raises(CheckpointError, match='none` holds no generator'):
        generator.latest_generator(tmp_path / 'none')

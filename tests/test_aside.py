"""An earlier run is moved aside as a whole, and strangers' files are left alone."""

import os
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

from chapters import gaussian
from d2l_gan import data, train
from d2l_gan.archive import CheckpointError
from d2l_gan.callbacks import Checkpoint, Figure, Film, Generators, Samples, aside
from d2l_gan.generator import latest_generator
from tests.fakes import files_in

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from mxnet import npx
from mxnet.gluon import nn

npx.set_np()
X = data.gaussian(24)[0]


def play(out, *more, resume=False, epochs=3, seed=3):
    """Train with all that writes; return the losses."""
    net_D, net_G = nn.Dense(1), nn.HybridSequential()
    net_G.add(nn.Dense(2))
    history = train.train(
        net_D, net_G, data.Batches(X, 8), epochs, 0.05, 0.01, 2, X, seed=seed,
        callbacks=[Figure(out), Film(out), Samples(out, shape=(1, 2)), Generators(out), *more,
                   Checkpoint(out, resume)],
    )  # fmt: skip
    return history.loss_D.tolist(), history.loss_G.tolist()


def stop(game):
    if game.epoch == 1:
        raise ZeroDivisionError


def left(out):
    """Return {path: content} of what a run has left, without what earlier runs have."""
    found = {str(path): content for path, content in files_in(Path(out)).items()}
    return {k: v for k, v in found.items() if k != '.lock' and not k.startswith('earlier')}


WRITTEN = {
    'training.png', 'training.gif', 'last_epoch.png', 'progress.png', 'losses.png',
    *(f'frames/00000{i}.png' for i in (1, 2, 3)),
    *(f'samples/epoch-00000{i}.npz' for i in (1, 2, 3)),
    *(f'generators/generator-00000{i}' for i in (1, 2, 3)),
    *(f'checkpoints/epoch-00000{i}.ckpt' for i in (1, 2, 3)),
}  # fmt: skip


@pytest.fixture(scope='module')
def complete(tmp_path_factory):
    """Return the directory of a complete run, to be copied, and its losses."""
    out = tmp_path_factory.mktemp('complete')
    losses = play(out)
    assert set(left(out)) == WRITTEN
    return SimpleNamespace(out=out, losses=losses)


@pytest.fixture
def out(tmp_path, complete):
    shutil.copytree(complete.out, tmp_path / 'out')
    return tmp_path / 'out'


def test_a_run_that_is_stopped_leaves_its_own_alone(out, blank, capsys):
    first = left(out)
    with pytest.raises(ZeroDivisionError):
        play(out, stop, seed=4)
    assert left(out / 'earlier' / '1') == first
    assert set(left(out)) == {
        'frames/000001.png', 'samples/epoch-000001.npz', 'generators/generator-000001',
        'training.png',
    }  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert said == [f'What an earlier run has left in `{out}` is now in `{out}/earlier/1`.']
    play(out, epochs=1, seed=5)
    assert left(out / 'earlier' / '1') == first
    assert 'training.png' in left(out / 'earlier' / '2')
    assert 'checkpoints/epoch-000001.ckpt' in left(out)


def test_the_same_run_again_is_the_same_again(out):
    first = left(out)
    play(out)
    assert left(out / 'earlier' / '1') == first
    found = left(out)
    assert found.keys() == first.keys()
    for name in found:
        if name.endswith(('.png', '.gif', '.npz')):  # the others know speed, names of layers
            assert found[name] == first[name]


def test_a_resumed_run_moves_nothing(out, blank):
    play(out, resume=True, epochs=4)
    assert not (out / 'earlier').exists()
    assert 'frames/000001.png' in left(out)


class Killed(BaseException):
    """End a call where it stands, as SIGKILL would: nothing here catches it, nothing tidies up."""


def die_at(call, k):
    """Call until the k-th renaming, and return whether there was one."""
    calls = []

    def dying(rename):
        def counted(*paths):
            calls.append(paths)
            if len(calls) == k:
                raise Killed
            rename(*paths)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for name in ('replace', 'rename'):
            patch.setattr(os, name, dying(getattr(os, name)))
        try:
            call()
        except Killed:
            return True
    return False


def test_killed_anywhere_nothing_is_lost_or_mixed(out, tmp_path):
    first, k, died = left(out), 0, True
    while died:
        k += 1
        path = tmp_path / f'{k}'
        shutil.copytree(out, path)
        died = die_at(lambda path=path: aside.set_aside(path), k)
        # Those who go on get back what they had ...
        back = tmp_path / f'{k} back'
        shutil.copytree(path, back)
        assert died == (not (path / 'earlier' / '1').exists())
        die_at(lambda back=back: aside.put_back(back), k // 2)
        aside.put_back(back)
        assert left(back) == (first if died else {})
        # ... and those who begin anew find it in one place.
        aside.set_aside(path)
        assert left(path) == {}
        assert left(path / 'earlier' / '1') == first
        assert os.listdir(path / 'earlier') == ['1']
    assert k == len(first) + 2


def test_a_missing_generator_names_the_earlier_ones(out, blank):
    with pytest.raises(ZeroDivisionError):
        play(out, lambda game: 1 / 0)  # before the first generator
    shutil.rmtree(out / 'generators')
    sentence = f'generators` holds no generator; those of earlier runs are in `{out}/earlier`'
    with pytest.raises(CheckpointError, match=sentence):
        latest_generator(out / 'generators')
    assert latest_generator(out / 'earlier' / '1' / 'generators').sample(2).shape == (2, 2)


def test_a_chapter_keeps_its_earlier_scores(tmp_path, blank):
    gaussian.run(num_epochs=1, out=tmp_path)
    first = (tmp_path / 'scores.json').read_text()
    gaussian.run(num_epochs=1, out=tmp_path, seed=1, film=False)
    assert (tmp_path / 'earlier' / '1' / 'scores.json').read_text() == first
    assert (tmp_path / 'scores.json').read_text() != first
    assert not (tmp_path / 'training.gif').exists()


# Strangers

NEARLY = [
    'frames/000001 (1).png', 'frames/1.png', 'frames/0000002.png', 'frames/000002.png~',
    'frames/Thumbs.db', 'samples/epoch-000001 (1).npz', 'samples/epoch-1.npz',
    'samples/epoch-.npz', 'samples/.DS_Store', 'generators/generator-00001',
    'generators/generator-000009.bak', 'generators/generator-', 'checkpoints/epoch-000003.ckpt.old',
    'checkpoints/epoch-\u0663.ckpt', 'checkpoints/epoch--00001.ckpt', 'notes.txt', 'earlier/mine',
    'earlier/2 (copy)',
]  # fmt: skip
EXACTLY = sorted(WRITTEN - {'checkpoints/epoch-000002.ckpt'})
KINDS = ['directory', 'full directory', 'pipe', 'link', 'dangling link']


def put(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == 'file' or kind == 'unreadable':
        path.write_bytes(b'mine')
        path.chmod(0o644 if kind == 'file' else 0)
    elif 'directory' in kind:
        path.mkdir()
        if kind == 'full directory':
            (path / 'mine').write_bytes(b'mine')
    elif kind == 'pipe':
        os.mkfifo(path)
    else:
        target = path.parent.parent / 'elsewhere'
        if kind == 'link':
            target.write_bytes(b'mine')
        path.symlink_to(target)


def looks(path):
    status = path.lstat()
    return stat.S_IFMT(status.st_mode), status.st_ino, status.st_size, status.st_mtime_ns


@settings(
    max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@example({}, {f'samples/epoch-{epoch:06}.npz': 'directory' for epoch in (1, 2, 3)})
@example({}, {f'frames/{epoch:06}.png': 'dangling link' for epoch in (1, 2, 3)})
@given(
    st.dictionaries(
        st.sampled_from(NEARLY), st.sampled_from(['file', 'unreadable', *KINDS]), max_size=8
    ),
    st.dictionaries(st.sampled_from(EXACTLY), st.sampled_from(KINDS), max_size=6),
)
def test_strangers_are_left_alone_and_harm_nothing(
    tmp_path_factory, complete, blank, nearly, exactly
):
    out = tmp_path_factory.mktemp('litter')
    for name, kind in {**nearly, **exactly}.items():
        put(out / name, kind)
    strangers = {path: looks(path) for path in out.rglob('*') if path.name != 'earlier'}
    strangers = {p: seen for p, seen in strangers.items() if p.parent != out or p.is_file()}
    with pytest.raises(ZeroDivisionError):
        play(out, stop)
    assert play(out, resume=True) == complete.losses
    assert {path: looks(path) for path in strangers} == strangers
    missing = set(exactly)
    if {name for name in WRITTEN if name.startswith('samples/')} <= missing:
        missing |= {'last_epoch.png', 'progress.png'}  # there is nothing to draw them from
    if {name for name in WRITTEN if name.startswith('frames/')} <= missing:
        missing.add('training.gif')
    assert WRITTEN - missing <= set(left(out))
    if not {name for name in WRITTEN if 'generators' in name} <= set(exactly):
        latest_generator(out / 'generators')
    assert play(out) == complete.losses
    assert {path: looks(path) for path in strangers} == strangers


def test_damaged_files_under_our_names_harm_nothing(tmp_path, blank, capsys):
    with pytest.raises(ZeroDivisionError):
        play(tmp_path, lambda game: game.epoch == 2 and 1 / 0)
    for name in ('frames/000001.png', 'samples/epoch-000001.npz', 'generators/generator-000001'):
        (tmp_path / name).write_bytes(b'not what you think')
    play(tmp_path, resume=True)
    said = capsys.readouterr().err
    assert '000001.png` is not a picture of this run; the film goes without it.' in said
    assert 'epoch-000001.npz` holds no samples of this run; the pictures go without it.' in said
    assert set(left(tmp_path)) == WRITTEN

"""The convolutional chapter on pictures of your own."""

import json

from chapters import dcgan
from chapters.__main__ import main
from d2l_gan import features, files
from d2l_gan.archive import CheckpointError
from d2l_gan.downloads import DataError

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image

pytestmark = pytest.mark.usefixtures('blank')


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'cache'
    monkeypatch.setattr(files, 'cache_dir', lambda: path)


@pytest.fixture(scope='module')
def mine(tmp_path_factory):
    """Return a folder with 290 pictures in two folders."""
    path, random = tmp_path_factory.mktemp('mine'), numpy.random.RandomState(0)
    for name in ('discs', 'squares'):
        (path / name).mkdir()
        for i in range(145):
            small = random.randint(256, size=(4, 4, 3)).astype('uint8')
            Image.fromarray(small).resize((20, 24)).save(path / name / f'{i}.png')
    return path


@pytest.mark.parametrize('grey', [False, True])
def test_one_epoch_of_256_pictures(mine, tmp_path, monkeypatch, grey):
    monkeypatch.setattr(features, 'MOST', 1000)
    if grey:
        for name in sorted(mine.glob('*/*')):
            target = tmp_path / 'grey' / name.relative_to(mine)
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(name).convert('L').save(target)
        mine = tmp_path / 'grey'
    keywords = {'size': 16, 'width': 4, 'num_epochs': 1, 'num_examples': 256, 'film': False}
    result = dcgan.run(data=str(mine), out=tmp_path / 'out', **keywords)
    scores = json.loads((tmp_path / 'out/scores.json').read_text())
    assert {'frechet', 'real_frechet', 'memorised', 'nearest'} <= set(scores)
    assert (scores['data'], scores['epochs'], scores['num_real']) == ('pictures', 1, 290)
    assert scores['frechet'] > scores['real_frechet'] > 0
    assert numpy.isfinite(result.history.loss_G).all()
    shape = (16, 16) if grey else (16, 16, 3)
    images = dcgan.sample(30, out=tmp_path / 'out')
    assert images.shape == (30, *shape)
    assert 0 <= images.min() < images.max() <= 1
    with Image.open(tmp_path / 'out/growth.gif') as film:
        assert film.size == (2 * (4 * 16 + 3 * 2),) * 2
    with numpy.load(tmp_path / 'out/samples/epoch-000001.npz') as saved:
        assert saved['images'].shape == (16, *shape)


def test_defaults_fit_the_pictures(mine, monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(dcgan, 'fit', lambda *args, **keywords: seen.update(keywords))
    monkeypatch.setattr(dcgan, 'grow', lambda out: None)
    dcgan.run(data=str(mine), out=tmp_path)
    assert (seen['num_epochs'], seen['real'].size, seen['real'].flip) == (40, 64, True)
    assert seen['real'].names == ('discs', 'squares')
    dcgan.run(data=str(mine), size=32, batch_size=8, flip=False, num_examples=80, out=tmp_path)
    assert (seen['num_epochs'], seen['real'].size, seen['real'].flip) == (400, 32, False)
    dcgan.run(data='digits', out=tmp_path)
    assert seen['num_epochs'] == 12


@pytest.mark.parametrize('flags, message', [
    (['--data', 'nowhere'], "`data` is 'nowhere', which does not exist"),
    (['--data', __file__], 'it must be a folder or a zip of pictures'),
    (['--data', 'MINE', '--size', '7'], '`size` is 7; it must be an integer >= 8'),
    (['--data', 'digits', '--size', '32'], '`size` is 32; it must be 28 for digits'),
    (['--data', 'digits', '--dropout', '1'], '`dropout` is 1.0; it must be in [0, 1)'),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence(mine, tmp_path, flags, message):
    flags = [str(mine) if flag == 'MINE' else flag for flag in flags]
    answer = CliRunner().invoke(main, ['dcgan', *flags, '--out', str(tmp_path / 'out')])
    assert answer.exit_code in (1, 2)
    assert message in answer.output
    assert 'Traceback' not in answer.output


def test_no_pictures_are_no_run(tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='which has no PNG, JPEG, GIF or WebP'):
        dcgan.run(data=str(tmp_path / 'empty'), out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_pokemon_are_the_books_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path))
    (tmp_path / 'pokemon.zip').write_bytes(b'another')
    with pytest.raises(DataError, match="pokemon.zip is not the book's pokemon.zip"):
        dcgan.run(data='pokemon', out=tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_goes_on_as_if_it_had_not_stopped_and_only_with_the_same_pictures(mine, tmp_path):
    keywords = {'size': 16, 'width': 2, 'num_examples': 64, 'film': False, 'score': False}
    keywords.update(decay=False, data=str(mine))
    dcgan.run(num_epochs=1, out=tmp_path / 'a', **keywords)
    dcgan.run(num_epochs=2, out=tmp_path / 'a', resume=True, **keywords)
    dcgan.run(num_epochs=2, out=tmp_path / 'b', **keywords)
    a, b = (dcgan.sample(3, out=tmp_path / name) for name in 'ab')
    numpy.testing.assert_array_equal(a, b)
    keywords['data'] = str(mine / 'discs')
    with pytest.raises(CheckpointError, match='is of a run on other data'):
        dcgan.run(num_epochs=3, out=tmp_path / 'b', resume=True, **keywords)

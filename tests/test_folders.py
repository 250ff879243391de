"""Pictures of any folder or zip: what is in them comes out right, and nothing else gets in."""

import hashlib
import http.server
import importlib.util
import io
import json
import os
import re
import struct
import threading
import warnings
import zipfile
from pathlib import Path

from d2l_gan import files, folders, picture_files
from d2l_gan.downloads import DataError, Unavailable
from d2l_gan.picture_files import Unreadable, decode

import numpy
import pytest
from mxnet import np
from PIL import Image

# pooch leaves the connection of an answer like 404 to the garbage collector.
pytestmark = pytest.mark.filterwarnings('ignore:unclosed:ResourceWarning')
KINDS = ['PNG', 'JPEG', 'GIF', 'WEBP']


def encoded(image, kind='PNG', **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(colour, size=(12, 12), mode='RGB'):
    return Image.new(mode, size, colour)


def some(num=30, kinds=('PNG',)):
    """Return {name: bytes} of so many pictures in folders a, b, c, each of its own colour."""
    return {
        f'{"abc"[i % 3]}/{i:03}.{kinds[i % len(kinds)].lower()}': encoded(
            plain((i * 8, 255 - i * 8, i)), kinds[i % len(kinds)]
        )
        for i in range(num)
    }


def in_folder(path, content):
    for name, raw in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


def in_zip(path, content):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        for name, raw in content.items():
            file.writestr(name, raw)
    return path


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path / 'cache')
    monkeypatch.delenv('D2L_GAN_DATA', raising=False)
    return tmp_path / 'cache' / 'pictures'


@pytest.mark.parametrize('kind', [in_folder, in_zip])
def test_pictures_of_a_folder_and_of_a_zip(tmp_path, kind):
    path = kind(tmp_path / 'mine', {f'set/{name}': raw for name, raw in some().items()})
    found = folders.Pictures(path, 8)
    assert (len(found), found.channels, found.pixels.shape) == (30, 3, (30, 3, 8, 8))
    assert found.names == ('a', 'b', 'c')
    assert found.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    colours = sorted((i * 8, 255 - i * 8, i) for i in range(30))
    assert sorted(map(tuple, found.pixels[:, :, 3, 3].tolist())) == colours
    assert found.pixels[:10, 2, 0, 0].tolist() == list(range(0, 30, 3))  # in the order of names
    assert sorted([*found.train, *found.held_out]) == list(range(30))
    assert len(found.held_out) == 3
    assert not found.pixels.flags.writeable


def test_they_are_decoded_once_and_anew_when_one_changes(tmp_path, cache, monkeypatch, capsys):
    path = in_folder(tmp_path / 'mine', some())
    folders.Pictures(path, 8)
    assert 'Decoding 30 pictures of mine, once.' in capsys.readouterr().err
    monkeypatch.setattr(picture_files, 'decode', None)
    folders.Pictures(path, 8)
    assert capsys.readouterr().err == ''
    assert len(list(cache.iterdir())) == 1
    monkeypatch.undo()
    monkeypatch.setattr(files, 'cache_dir', lambda: cache.parent)
    os.utime(path / 'a/000.png', (1, 1))
    folders.Pictures(path, 8)
    folders.Pictures(path, 9)
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize('damage', [
    lambda raw: raw[:-1], lambda raw: raw[1:], lambda raw: raw[:-60] + b'x' + raw[-59:],
    lambda raw: b'', lambda raw: bytes(len(raw)),
])  # fmt: skip
def test_a_damaged_cache_is_made_anew(tmp_path, cache, damage):
    path = in_folder(tmp_path / 'mine', some())
    before = folders.Pictures(path, 8).pixels.copy()
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(damage(whole))
    assert (folders.Pictures(path, 8).pixels == before).all()
    assert kept.read_bytes() == whole


def test_an_interrupted_decoding_leaves_nothing(tmp_path, cache, monkeypatch):
    path, seen = in_zip(tmp_path / 'mine.zip', some()), []

    def interrupted(*args):
        seen.append(args)
        if len(seen) == 7:
            raise KeyboardInterrupt
        return decode(*args)

    monkeypatch.setattr(picture_files, 'decode', interrupted)
    with pytest.raises(KeyboardInterrupt):
        folders.Pictures(path, 8)
    assert list(cache.iterdir()) == []


def test_what_a_killed_run_has_left_is_removed_once_it_is_old(tmp_path, cache):
    path = in_folder(tmp_path / 'mine', some())
    folders.Pictures(path, 8)
    (kept,) = cache.iterdir()
    kept.unlink()
    old, new = (cache / f'.{kept.name}.{end}' for end in ('abcdefgh', 'ijklmnop'))
    for left in (old, new):
        left.write_bytes(b'half')
    os.utime(old, (1, 1))
    folders.Pictures(path, 8)
    assert sorted(cache.iterdir()) == sorted([kept, new])


def test_what_is_no_picture_is_passed_over(tmp_path):
    junk = {'__MACOSX/a/._000.png': b'x', '.hidden/1.png': b'x', 'a/.DS_Store': b'x',
            'readme.txt': b'x', 'a/deep/er/more.png': encoded(plain('red'))}  # fmt: skip
    for kind in (in_folder, in_zip):
        found = folders.Pictures(kind(tmp_path / kind.__name__, {**some(), **junk}), 8)
        assert (len(found), found.broken, found.names) == (31, {}, ('a', 'b', 'c'))


def test_broken_pictures_are_counted_and_named(tmp_path, capsys):
    whole = encoded(Image.effect_noise((40, 40), 90))
    broken = {'b/half.png': whole[: len(whole) // 2], 'b/none.png': b'', 'a/text.jpg': b'hello',
              'c/other.png': encoded(plain('red'), 'BMP')}  # fmt: skip
    path = in_folder(tmp_path / 'mine', {**some(), **broken})
    for _ in range(2):  # the second time from the cache
        found = folders.Pictures(path, 8)
        assert len(found) == 30
        assert set(found.broken) == set(broken)
        told = capsys.readouterr().err
        assert (
            "cannot be read: 'a/text.jpg' (it is no PNG, JPEG, GIF or WebP), 'b/half.png'" in told
        )
        assert 'and 1 more.' in told


def test_links_and_pipes_in_a_folder(tmp_path):
    path = in_folder(tmp_path / 'mine', some())
    os.symlink(path / 'a/000.png', path / 'a/link.png')
    os.symlink(path / 'nowhere', path / 'a/lost.png')
    os.symlink(path, path / 'again')  # round and round
    os.mkfifo(path / 'a/pipe.png')
    found = folders.Pictures(path, 8)
    assert len(found) == 31
    assert set(found.broken) == {'a/lost.png', 'a/pipe.png'}
    assert found.broken['a/pipe.png'] == 'it is no file'


def test_a_link_in_a_zip_is_left_out(tmp_path):
    path = in_zip(tmp_path / 'mine.zip', some())
    with zipfile.ZipFile(path, 'a') as file:
        info = zipfile.ZipInfo('a/link.png')
        info.external_attr = 0o120777 << 16
        file.writestr(info, '/etc/passwd')
    assert folders.Pictures(path, 8).broken == {'a/link.png': 'it is a link'}


def flagged(raw, flag=1):
    """Return a zip whose entries say that they are encrypted."""
    raw = bytearray(raw)
    for magic, place in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        start = -1
        while (start := raw.find(magic, start + 1)) >= 0:
            raw[start + place] |= flag
    return bytes(raw)


def repeated(raw):
    """Return a zip whose directory names its first file many times over."""
    end = raw.rindex(b'PK\x05\x06')
    size, start = struct.unpack_from('<II', raw, end + 12)
    (name,) = struct.unpack_from('<H', raw, start + 28)
    entry = raw[start : start + 46 + name]
    names = [entry[:-7] + f'{i:03}'.encode() + entry[-4:] for i in range(200)]
    tail = struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, 200, 200, len(names) * len(entry), start, 0)
    return raw[:start] + b''.join(names) + tail


NOISE = encoded(Image.effect_noise((90, 90), 90))


@pytest.mark.parametrize('name, change, reason', [
    ('../../evil.png', None, r"its entry '../../evil.png' leads out of the folder"),
    ('/etc/evil.png', None, 'leads out of the folder'),
    ('a\\..\\evil.png', None, 'leads out of the folder'),
    ('C:\\evil.png', None, 'leads out of the folder'),
    ('../evil.txt', None, 'leads out of the folder'),
    ('a/x.png', flagged, 'it is encrypted; unpack it'),
    ('a/bomb.png', None, r"its entry 'a/bomb.png' unpacks to 5,000,000 bytes from .*, as no pict"),
    ('a/x000.png', repeated, 'its entries overlap'),
])  # fmt: skip
def test_a_zip_that_nobody_should_read(tmp_path, cache, name, change, reason):
    content = {name: bytes(5_000_000) if 'bomb' in name else NOISE, **some()}
    path = in_zip(tmp_path / 'mine.zip', content)
    if change:
        path.write_bytes(change(path.read_bytes()))
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(DataError, match=f"`data` is '.*mine.zip', which is not read: .*{reason}"):
        folders.Pictures(path, 8)
    assert sorted(tmp_path.rglob('*')) == before


def test_a_zip_of_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, 'MOST_TOTAL', 1000)
    with pytest.raises(DataError, match='it unpacks to .* bytes; 1,000 are the most'):
        folders.Pictures(in_zip(tmp_path / 'mine.zip', some()), 8)


def test_a_damaged_zip(tmp_path):
    path = in_zip(tmp_path / 'mine.zip', some())
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match='it must be a folder or a zip of pictures'):
        folders.Pictures(path, 8)
    damaged = bytearray(raw)
    damaged[raw.index(b'a/000.png') + 9 + 30] ^= 255  # in the compressed picture
    path.write_bytes(damaged)
    assert set(folders.Pictures(path, 8).broken) == {'a/000.png'}


@pytest.mark.parametrize('content, reason', [
    ({}, 'which has no PNG, JPEG, GIF or WebP; it must have at least 20'),
    ({'a.png': encoded(plain('red'))}, 'with 1 readable pictures; it must have at least 20'),
    ({'a.png': b''}, 'with 0 readable pictures'),
    (None, "'.*mine', which does not exist"),
    (b'hello', 'it must be a folder or a zip of pictures .File is not a zip file'),
])  # fmt: skip
def test_what_has_no_pictures_is_one_sentence(tmp_path, content, reason):
    path = tmp_path / 'mine'
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
        in_folder(path, content)
    with pytest.raises(DataError, match=f'^`data` is .*{reason}'):
        folders.Pictures(path, 8)


@pytest.mark.parametrize('keywords, message', [
    ({'size': 3}, '`size` is 3; it must be an integer >= 4'),
    ({'size': 8.5}, '`size` is 8.5; it must be an integer'),
    ({'channels': 2}, '`channels` is 2; it must be'),
    ({'num_examples': 28}, '`num_examples` is 28; it must be from 1 to 27'),
    ({'flip': 'yes'}, "`flip` is 'yes'"),
])  # fmt: skip
def test_arguments_that_cannot_be_are_refused(tmp_path, keywords, message):
    with pytest.raises(ValueError, match=message):
        folders.Pictures(in_folder(tmp_path / 'mine', some()), **{'size': 8, **keywords})


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / 'cache').write_bytes(b'a file where the directory should be')
    with pytest.raises(DataError, match='cannot keep the decoded pictures .*XDG_CACHE_HOME'):
        folders.Pictures(in_folder(tmp_path / 'mine', some()), 8)


# ---- One picture -----------------------------------------------------------------------------


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size', [(8, 8), (40, 24), (24, 400), (5, 3)])
def test_every_kind_and_size(kind, size):
    found = decode(encoded(plain((250, 130, 10), size), kind), 8)
    assert (found.shape, found.dtype) == ((3, 8, 8), numpy.uint8)
    assert abs(found.astype(int) - numpy.array([250, 130, 10])[:, None, None]).max() < 6


def test_it_is_cropped_to_its_middle():
    image = plain('red', (30, 10))
    image.paste('blue', (10, 0, 20, 10))
    assert (decode(encoded(image), 10) == numpy.array([0, 0, 255])[:, None, None]).all()


def test_it_is_made_smaller_without_aliases():
    """Stripes of one pixel become grey, not stripes of another width."""
    stripes = numpy.zeros((64, 64), 'uint8')
    stripes[:, ::2] = 255
    assert abs(decode(encoded(Image.fromarray(stripes)), 24)[:, :, 2:-2] - 127.0).max() < 30


@pytest.mark.parametrize('mode, colour', [
    ('RGBA', (255, 0, 0, 0)), ('LA', (0, 0)), ('P', None), ('RGB', None),
])  # fmt: skip
def test_what_is_transparent_becomes_white(mode, colour):
    options = {}
    if mode in ('P', 'RGB'):
        image = plain(0 if mode == 'P' else (9, 9, 9), mode=mode)
        options['transparency'] = 0 if mode == 'P' else (9, 9, 9)
    else:
        image = plain(colour, mode=mode)
    assert (decode(encoded(image, **options), 8) == 255).all()


def test_half_transparent_is_half_white():
    found = decode(encoded(plain((0, 0, 0, 128), mode='RGBA')), 8)
    assert abs(found.astype(int) - 127).max() <= 1


def test_sixteen_bits_and_one_bit_keep_their_grey():
    deep = Image.fromarray(numpy.full((9, 9), 0x8000, 'uint16'))
    assert (decode(encoded(deep), 8) == 128).all()
    assert (decode(encoded(plain(1, mode='1')), 8, channels=1) == 255).all()
    assert decode(encoded(deep), 8, channels=1).shape == (1, 8, 8)


def test_the_first_frame_of_a_film():
    raw = encoded(plain('red'), 'GIF', save_all=True, append_images=[plain('blue')])
    assert decode(raw, 8)[:, 4, 4].tolist() == [255, 0, 0]


def test_a_photograph_stands_upright():
    image = plain('red', (20, 20))
    image.paste('blue', (0, 0, 20, 10))  # blue above; turned a quarter to the right it is right
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(encoded(image, 'JPEG', exif=exif, quality=95), 8)
    assert found[2, 4, 6] > 200 > 60 > found[2, 4, 1]


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch):
    monkeypatch.setattr(picture_files, 'MOST_PIXELS', 100)
    with pytest.raises(Unreadable, match='it has 12 x 12 pixels'):
        decode(encoded(plain('red')), 8)
    monkeypatch.setattr(picture_files, 'MOST_BYTES', 10)
    with pytest.raises(Unreadable, match='it has more than 10 bytes'):
        decode(encoded(plain('red')), 8)


@pytest.mark.parametrize('kind', KINDS)
def test_damage_is_one_reason_and_no_warning(kind):
    whole = encoded(Image.effect_noise((30, 30), 90).convert('RGB'), kind)
    random, refused = numpy.random.RandomState(0), 0
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for _ in range(60):
            raw = bytearray(whole[: random.randint(len(whole))])
            for place in random.randint(max(len(raw), 1), size=4 if len(raw) > 4 else 0):
                raw[place] = random.randint(256)
            try:
                assert decode(bytes(raw), 8).shape == (3, 8, 8)
            except Unreadable as error:
                refused += 1
                assert 'object at 0x' not in str(error)
    assert refused > 30


def test_names_are_labels_below_what_all_share():
    assert picture_files.folders(['x/a/1.png', 'x/b/2.png', 'x/b/c/3.png']) == ['a', 'b', 'b']
    assert picture_files.folders(['1.png', 'b/2.png']) == ['.', 'b']
    assert picture_files.folders(['x/1.png', 'x/2.png']) == ['.', '.']


# ---- Batches ---------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    return folders.Pictures(in_folder(tmp_path / 'mine', some(40, KINDS)), 8)


def test_batches_are_the_pictures_in_a_new_order_each_epoch(pictures):
    batches = folders.Batches(pictures, 9, steps=4)
    epochs = [numpy.concatenate([X.asnumpy() for (X,) in batches]) for _ in range(2)]
    expected = pictures.take(pictures.train) / 127.5 - 1
    assert epochs[0].dtype == numpy.float32
    assert (epochs[0] != epochs[1]).any()
    key = lambda X: sorted(map(bytes, numpy.round(X * 1000).astype('int16')))
    assert key(epochs[0]) == key(epochs[1]) == key(expected)
    assert len(batches) == 4


def test_an_epoch_is_a_pass_or_a_hundred_steps(pictures, tmp_path):
    assert len(pictures.batches(9)) == 100
    few = folders.Pictures(tmp_path / 'mine', 8, num_examples=20)
    assert [len(X) for (X,) in few.batches(8)] == [8, 8]
    assert [len(X) for (X,) in few.batches(64)] == [64]  # more than there are: some come again


def test_conditions_belong_to_their_pictures(pictures):
    pictures.condition = pictures.pixels[:, 2, 0, 0].astype('float32')
    for X, condition in pictures.batches(9, steps=5):
        shown = (X[:, 2, 0, 0] + 1) * 127.5
        assert float(np.abs(shown - condition).max()) < 1e-3


def test_flipped_pictures_are_half_of_them(tmp_path):
    image = plain('white')
    image.paste('black', (0, 0, 6, 12))
    content = {f'{i:03}.png': encoded(image) for i in range(20)}
    path = in_folder(tmp_path / 'halves', content)
    flipped = folders.Pictures(path, 12, flip=True)
    assert flipped.channels == 1  # all are grey
    left = np.concatenate([X[:, 0, 0, 0] for (X,) in flipped.batches(100, steps=10)])
    assert 400 < float((left > 0).sum()) < 600
    assert folders.Pictures(path, 12, channels=3).X.shape == (18, 3, 12, 12)


def test_a_large_set_stays_on_the_disk(tmp_path, monkeypatch):
    """A gigabyte is fed, and hardly any of it stays in memory."""
    path = in_folder(tmp_path / 'mine', some(20))
    one = numpy.random.RandomState(0).randint(256, size=(3, 128, 128)).astype('uint8')

    def many(source, size, channels, file):
        num = 6000  # 295 MB

        def write(out):
            for _ in range(num):
                out.write(one.tobytes())
            out.write(bytes(4 * num))
            raw = json.dumps({'num': num, 'names': ['.'], 'broken': {}, 'grey': False,
                              'bytes': out.tell()}).encode()  # fmt: skip
            tail = folders.TAIL.pack(len(raw), hashlib.sha256(raw).digest(), folders.MAGIC)
            out.write(raw + tail)

        files.write_whole(file, write)

    monkeypatch.setattr(folders, '_decode', many)
    found = folders.Pictures(path, 128)
    before = resident()
    for (X,) in found.batches(64):
        assert (X[0].asnumpy() == folders.symmetric(one)).all()
    assert resident() - before < 200


def resident():
    """Return the megabytes of memory that this process holds."""
    try:
        with open('/proc/self/status') as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith('VmRSS'))
    except OSError:
        pytest.skip('needs /proc')


# ---- The book's Pokémon ----------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch, tmp_path):
    """Serve what the test puts into `answer`, in place of the book's address."""
    answer, asked = [b''], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header('Content-Length', str(len(answer[0])))
            self.end_headers()
            self.wfile.write(answer[0])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(folders, 'POKEMON', f'http://127.0.0.1:{server.server_port}/pokemon.zip')
    raw = in_zip(tmp_path / 'true.zip', some()).read_bytes()
    monkeypatch.setattr(folders, 'POKEMON_SHA1', hashlib.sha1(raw).hexdigest())
    yield answer, asked, raw
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_books_file_is_fetched_once_and_verified(shop, tmp_path, capsys):
    answer, asked, raw = shop
    answer[0] = raw
    for _ in range(2):
        assert len(folders.pokemon(8)) == 30
    assert asked == ['/pokemon.zip']
    (tmp_path / 'cache/pokemon/pokemon.zip').write_bytes(raw[:-1])
    assert len(folders.pokemon(8)) == 30
    assert len(asked) == 2
    assert 'is damaged: fetching it again' in capsys.readouterr().err


@pytest.mark.parametrize(
    'bad', [lambda raw: raw[:-9], lambda raw: raw + b'x', lambda raw: b'<html>']
)
def test_another_file_than_the_books_is_refused_and_not_kept(shop, tmp_path, bad):
    answer, asked, raw = shop
    answer[0] = bad(raw)
    with pytest.raises(
        Unavailable, match='^pokemon can be .* no mirror .its checksum is not the b'
    ):
        folders.pokemon(8, patience=0.5)
    assert list((tmp_path / 'cache/pokemon').iterdir()) == []
    assert not (tmp_path / 'cache/pictures').exists()


def test_the_users_own_file_comes_first(shop, tmp_path, monkeypatch):
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path))
    (tmp_path / 'pokemon.zip').write_bytes(shop[2])
    assert len(folders.pokemon(8)) == 30
    (tmp_path / 'pokemon.zip').write_bytes(b'another')
    with pytest.raises(DataError, match="pokemon.zip is not the book's pokemon.zip: its checksum"):
        folders.pokemon(8)
    assert shop[1] == []


def test_the_address_and_the_checksum_are_the_books():
    found = importlib.util.find_spec('d2l')
    path = found and Path(found.origin).with_name('mxnet.py')
    if path is None or not path.exists():
        pytest.skip('needs the book')
    text = path.read_text(encoding='utf-8')
    (sha1,) = re.findall(r"DATA_HUB\['pokemon'\] = .*'pokemon.zip',\s*'(\w+)'", text)
    (base,) = re.findall(r"DATA_URL = 'http:(.*)'", text)
    assert (f'https:{base}pokemon.zip', sha1) == (folders.POKEMON, folders.POKEMON_SHA1)

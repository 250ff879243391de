"""Data is what its docstring says, verified before use, and fed fast."""

import gc
import gzip
import hashlib
import http.server
import random
import sys
import threading
import time

from d2l_gan import data, files, mnist_files, pictures

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mxnet import np, npx

npx.set_np()

# pooch leaves the connection of an answer like 404 to the garbage collector.
pytestmark = pytest.mark.filterwarnings('ignore:unclosed:ResourceWarning')

# ---- Gaussian and curves ---------------------------------------------------------------------


def test_gaussian_has_the_mean_and_covariance_of_its_matrices():
    points, A, b = data.gaussian(num=200_000, seed=3)
    A, b = A.asnumpy(), b.asnumpy()
    assert A.tolist() == [[1, 2], [pytest.approx(-0.1), 0.5]]
    assert b.tolist() == [1, 2]
    assert points.dtype == numpy.float32
    assert numpy.allclose(points.asnumpy().mean(axis=0), b, atol=0.02)
    assert numpy.allclose(numpy.cov(points.asnumpy().T), A.T @ A, atol=0.05)


def test_gaussian_depends_on_its_seed_alone_and_touches_no_global_generator():
    numpy.random.seed(5)
    expected = numpy.random.random()
    numpy.random.seed(5)
    first, again, other = data.gaussian(seed=1), data.gaussian(seed=1), data.gaussian(seed=2)
    assert numpy.random.random() == expected
    assert first[0].shape == (1000, 2)
    assert (first[0] == again[0]).all()
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize('num', [0, -1, 2.5, True, 'ten'])
def test_a_number_of_rows_that_is_none_is_refused(num):
    with pytest.raises(ValueError, match=r'`num` is .*; it must be an integer >= 1'):
        data.gaussian(num)


# ---- Batches ---------------------------------------------------------------------------------


def rows(batches):
    return numpy.concatenate([X.asnumpy() for (X,) in batches])


@pytest.mark.parametrize('gather', [1, 50, 2**22])
def test_an_epoch_holds_every_row_once_in_a_new_order(gather, monkeypatch):
    monkeypatch.setattr(data, '_GATHER', gather)
    array = numpy.arange(46, dtype='float32').reshape(23, 2)
    batches = data.Batches(array, 5)
    first, second = rows(batches), rows(batches)
    assert len(batches) == 5 == len(list(batches))
    assert batches.num_examples == 23
    assert [len(X) for (X,) in batches] == [5, 5, 5, 5, 3]
    assert not (first == second).all()
    for epoch in (first, second):
        assert (epoch[epoch[:, 0].argsort()] == array).all()


def test_the_order_follows_numpys_global_generator_alone():
    batches = data.Batches(np.arange(30.0), 4)
    epochs = []
    for _ in range(2):
        numpy.random.seed(8)
        epochs.append(rows(batches))
    assert (epochs[0] == epochs[1]).all()
    numpy.random.seed(8)
    assert (epochs[0] == numpy.random.permutation(30)).all()


def test_two_passes_at_once_do_not_disturb_each_other():
    batches = data.Batches(np.arange(12.0), 3)
    one, two = iter(batches), iter(batches)
    mixed = [(next(one)[0], next(two)[0]) for _ in range(4)]
    for side in zip(*mixed):
        assert sorted(numpy.concatenate([X.asnumpy() for X in side])) == list(range(12))


def test_steps_are_full_batches_and_reshuffle_when_the_rows_run_out():
    batches = data.Batches(np.arange(10.0), 4, steps=5)
    assert [len(X) for (X,) in batches] == [4] * 5
    counts = numpy.bincount(rows(batches).astype(int))
    assert counts.tolist() == [2] * 10


def test_drawing_with_replacement_repeats_rows():
    batches = data.Batches(np.arange(1000.0), 100, steps=10, replace=True)
    distinct = len(set(rows(batches)))
    assert 580 < distinct < 690  # 1000 (1 - 1/e) = 632
    assert len(batches) == 10
    assert len(rows(data.Batches(np.arange(7.0), 3, replace=True))) == 7


def test_a_batch_keeps_dtype_shape_and_device():
    (X,) = next(iter(data.Batches(numpy.zeros((6, 28, 28, 1)), 4, device='cpu')))
    assert (X.shape, X.dtype, str(X.ctx)) == ((4, 28, 28, 1), numpy.float64, 'cpu(0)')
    (X,) = next(iter(data.Batches(np.zeros((6, 2)), 9)))
    assert X.shape == (6, 2)


def not_finite(value):
    array = numpy.zeros((4, 2), 'float32')
    array[2, 1] = value
    return array


@pytest.mark.parametrize(
    ('array', 'keywords', 'message'),
    [
        (numpy.zeros((3, 2)), {'batch_size': 0}, '`batch_size` is 0'),
        (numpy.zeros((3, 2)), {'batch_size': 1.5}, '`batch_size` is 1.5'),
        (numpy.zeros((3, 2)), {'batch_size': 2, 'steps': 0}, '`steps` is 0'),
        (numpy.zeros((0, 2)), {'batch_size': 2}, r'`array` has shape \(0, 2\)'),
        (numpy.float32(3), {'batch_size': 2}, r'`array` has shape \(\)'),
        (numpy.zeros((3, 2), int), {'batch_size': 2}, '`array` has dtype int64; it must be float'),
        (not_finite(numpy.nan), {'batch_size': 2}, r'`array` is nan at \(2, '),
        (not_finite(numpy.inf), {'batch_size': 2}, r'`array` is inf at \(2, '),
        (numpy.zeros((3, 2)), {'batch_size': 2, 'device': 'tpu'}, "`device` is 'tpu'"),
    ],
)
def test_what_cannot_be_fed_is_refused(array, keywords, message):
    with pytest.raises(ValueError, match=message):
        data.Batches(array, **keywords)


# ---- IDX files -------------------------------------------------------------------------------


def idx_bytes(array):
    head = bytes([0, 0, 8, array.ndim]) + numpy.array(array.shape, '>u4').tobytes()
    return head + array.tobytes()


def content_of(array):
    return mnist_files.Content(array.shape, hashlib.sha256(idx_bytes(array)).hexdigest())


SMALL = numpy.random.default_rng(0).integers(0, 256, (5, 28, 28), 'uint8')
PLAIN = idx_bytes(SMALL)
SIZE = len(PLAIN)
ZIPPED = gzip.compress(PLAIN, mtime=0)
CONTENT = content_of(SMALL)
HTML = b'<!DOCTYPE html><title>403 Forbidden</title>' + b' ' * 100


@pytest.mark.parametrize(
    'raw', [PLAIN, ZIPPED, gzip.compress(PLAIN, 1, mtime=0)], ids=['plain', 'zipped', 'zipped fast']
)
def test_a_true_file_is_decoded_compressed_or_not(raw):
    array = mnist_files.decode(raw, CONTENT)
    assert (array == SMALL).all()
    assert array.dtype == numpy.uint8


def with_header(*values):
    return bytes(values) + PLAIN[len(values) :]


@pytest.mark.parametrize(
    ('raw', 'reason'),
    [
        (b'', 'no IDX file'),
        (HTML, 'it begins with b.<!DOCTYPE html>'),
        (PLAIN[:-1], f'it holds {SIZE - 1} bytes, not {SIZE}'),
        (PLAIN + b'\0', f'it holds more than {SIZE} bytes, not {SIZE}'),
        (with_header(0, 0, 9), 'no IDX file'),
        (with_header(0, 0, 8, 1), 'no IDX file'),
        (with_header(0, 0, 8, 3, 0, 0, 0, 6), r'its dimensions are not \(5, 28, 28\)'),
        (PLAIN[:50] + bytes([PLAIN[50] ^ 1]) + PLAIN[51:], 'its checksum is wrong'),
        (ZIPPED[:-9], 'end too early|holds [0-9]+ bytes'),
        (ZIPPED[:-1], 'end too early'),
        (ZIPPED[:40] + bytes([ZIPPED[40] ^ 255]) + ZIPPED[41:], 'compression is damaged'),
        (ZIPPED[:-8] + bytes(8), 'compression is damaged'),
        (b'\x1f\x8b' + HTML, 'compression is damaged'),
        (gzip.compress(HTML, mtime=0), 'it begins with b.<!DOCTYPE html>'),
        (gzip.compress(PLAIN + bytes(10**7), mtime=0), f'more than {SIZE} bytes'),
    ],
    # Bytes would name the tests themselves, and gzip puts the current second into them.
    ids=[
        'nothing',
        'page',
        'too short',
        'too long',
        'other dtype',
        'other rank',
        'other dimensions',
        'one bit',
        'no trailer',
        'no last byte',
        'damaged stream',
        'other checksum',
        'page as gzip',
        'zipped page',
        'too much',
    ],
)
def test_each_kind_of_damage_has_its_reason(raw, reason):
    with pytest.raises(mnist_files.DataError, match=reason):
        mnist_files.decode(raw, CONTENT)


def test_a_bomb_is_not_decompressed(monkeypatch):
    import tracemalloc

    bomb = gzip.compress(PLAIN + bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(mnist_files.DataError, match=f'more than {SIZE} bytes'):
        mnist_files.decode(bomb, CONTENT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def damage(raw, kind, at, value):
    """Return the file's bytes with one flip, cut, insertion, overwriting or deletion."""
    at = min(at, len(raw))
    flipped = bytes(byte ^ (value[0] if value else 1) for byte in raw[at : at + 1])
    return (
        raw[:at]
        + (
            flipped + raw[at + 1 :],
            b'',
            value + raw[at:],
            value + raw[at + len(value) :],
            raw[at + 1 + len(value) :],
        )[kind]
    )


def right_or_refused(raw):
    try:
        array = mnist_files.decode(raw, CONTENT)
    except mnist_files.DataError as error:
        assert 10 < len(str(error)) < 200
    else:
        assert (array == SMALL).all()


thorough = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
places = st.integers(0, 40) | st.integers(0, SIZE)
hits = st.tuples(st.integers(0, 4), places, st.binary(max_size=20))


@settings(thorough, max_examples=200)
@given(st.sampled_from([PLAIN, ZIPPED]), st.lists(hits, min_size=1, max_size=3))
def test_damaged_files_give_the_right_array_or_the_one_error(raw, damages):
    for hit in damages:
        raw = damage(raw, *hit)
    right_or_refused(raw)


@settings(thorough, max_examples=490)
@given(st.integers(0, 2**32))
def test_9800_more_damaged_files_do_so(seed):
    dice = random.Random(seed)
    for _ in range(20):
        raw = dice.choice([PLAIN, ZIPPED])
        for _ in range(dice.randint(1, 3)):
            value = bytes(dice.getrandbits(8) for _ in range(dice.randint(0, 20)))
            raw = damage(raw, dice.randint(0, 4), dice.randint(0, dice.choice([40, SIZE])), value)
        right_or_refused(raw)


# ---- Where the files come from ---------------------------------------------------------------

LABELS = numpy.arange(5, dtype='uint8')
SET = {
    f'{part}-{kind}-ubyte': array
    for part in ('train', 't10k')
    for kind, array in (('images-idx3', SMALL), ('labels-idx1', LABELS))
}
NAME = 'train-images-idx3-ubyte'


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Let MNIST be the small set, nowhere to be had; return the directory of the cache."""
    monkeypatch.setattr(
        mnist_files, 'FILES', {name: content_of(array) for name, array in SET.items()}
    )
    monkeypatch.setattr(mnist_files, 'MIRRORS', ())
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path / 'cache')
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)
    monkeypatch.delenv('D2L_GAN_DATA', raising=False)
    pictures._automatic.cache_clear()
    yield tmp_path / 'cache' / 'mnist'
    pictures._automatic.cache_clear()


def put(directory, end='.gz', **replaced):
    directory.mkdir(parents=True, exist_ok=True)
    for name, array in SET.items():
        raw = idx_bytes(array)
        (directory / f'{name}{end}').write_bytes(gzip.compress(raw) if end else raw)


@pytest.fixture
def mirror(monkeypatch, small):
    """Serve what the test puts into `answers`: path -> [(status, body), ...], the last for ever."""
    answers, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            plan = answers.get(self.path, [(404, HTML)])
            status, body = plan.pop(0) if len(plan) > 1 else plan[0]
            self.send_response(status)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body if status != 206 else body[: len(body) // 2])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    base = f'http://127.0.0.1:{server.server_port}'
    monkeypatch.setattr(mnist_files, 'MIRRORS', (f'{base}/a/', f'{base}/b/', f'{base}/c/'))
    yield answers, asked
    server.shutdown()
    thread.join()
    server.server_close()
    gc.collect()


@pytest.mark.parametrize('end', ['', '.gz'])
def test_the_users_directory_comes_first(small, tmp_path, monkeypatch, end):
    put(tmp_path / 'own', end)
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path / 'own'))
    assert (mnist_files.load(NAME) == SMALL).all()
    assert not small.exists()


def test_a_damaged_file_of_the_users_is_an_error_and_is_left_alone(small, tmp_path, monkeypatch):
    put(tmp_path / 'own')
    path = tmp_path / 'own' / f'{NAME}.gz'
    path.write_bytes(HTML)
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path / 'own'))
    for load in (lambda: mnist_files.load(NAME), data.images):
        with pytest.raises(
            mnist_files.DataError, match='is not the MNIST file it is named for'
        ) as caught:
            load()
        assert str(path) in str(caught.value)
        assert 'delete it' in str(caught.value)
    assert path.read_bytes() == HTML


def test_the_users_directory_may_be_named_from_home(small, tmp_path, monkeypatch):
    put(tmp_path / 'mnist')
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('D2L_GAN_DATA', '~/mnist')
    assert (mnist_files.load(NAME) == SMALL).all()


@pytest.mark.parametrize('name', ['nowhere', 'file', '~/mnits'])
@pytest.mark.parametrize('source', ['auto', 'mnist'])
def test_a_missing_directory_of_the_users_is_named(small, tmp_path, monkeypatch, name, source):
    put(small)
    (tmp_path / 'file').write_text('')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('D2L_GAN_DATA', name)
    message = f'`D2L_GAN_DATA` is {name!r}; it must be a directory, or not be set'
    with pytest.raises(mnist_files.DataError, match=f'^{message}$'):
        data.images(source)


def test_a_directory_in_place_of_a_file_is_the_one_error(small, tmp_path, monkeypatch):
    (tmp_path / 'own' / NAME).mkdir(parents=True)
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path / 'own'))
    with pytest.raises(mnist_files.DataError, match='cannot be read'):
        mnist_files.load(NAME)


def test_the_cache_comes_second(small, tmp_path, monkeypatch):
    put(small)
    (tmp_path / 'empty').mkdir()
    monkeypatch.setenv('D2L_GAN_DATA', str(tmp_path / 'empty'))
    assert (mnist_files.load(NAME) == SMALL).all()


def test_a_download_is_kept_and_asked_for_once(small, mirror):
    answers, asked = mirror
    answers[f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    for _ in range(2):
        assert (mnist_files.load(NAME) == SMALL).all()
    assert asked == [f'/a/{NAME}.gz']
    assert [path.name for path in small.iterdir()] == [f'{NAME}.gz']


def test_a_damaged_file_in_the_cache_is_fetched_again(small, mirror, capsys):
    put(small)
    path = small / f'{NAME}.gz'
    path.write_bytes(ZIPPED[:-20])
    mirror[0][f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    assert (mnist_files.load(NAME) == SMALL).all()
    assert path.read_bytes() == ZIPPED
    assert 'fetching it again' in capsys.readouterr().err


BOMB = gzip.compress(PLAIN + bytes(10**6), mtime=0)


@pytest.mark.parametrize(
    'bad',
    [(404, b''), (503, HTML), (200, HTML), (200, ZIPPED[:-5]), (206, ZIPPED), (200, BOMB),
     (200, bytes(10**6)), (200, gzip.compress(idx_bytes(SMALL + 1), mtime=0))],
)  # fmt: skip
def test_a_bad_mirror_is_passed_over(small, mirror, bad):
    answers, asked = mirror
    answers[f'/a/{NAME}.gz'] = [bad]
    answers[f'/b/{NAME}.gz'] = [(200, ZIPPED)]
    assert (mnist_files.load(NAME) == SMALL).all()
    assert asked == [f'/a/{NAME}.gz', f'/b/{NAME}.gz']


def test_a_mirror_that_recovers_is_asked_again(small, mirror):
    answers, asked = mirror
    answers[f'/b/{NAME}.gz'] = [(503, b''), (503, b''), (200, ZIPPED)]
    assert (mnist_files.load(NAME) == SMALL).all()
    assert len(asked) == 8


def test_what_no_mirror_has_is_one_error_with_the_reasons_and_leaves_nothing(small, mirror):
    mirror[0][f'/b/{NAME}.gz'] = [(200, HTML)]
    with pytest.raises(mnist_files.Unavailable) as caught:
        mnist_files.load(NAME, patience=0.5)
    message = str(caught.value)
    assert message.startswith(f'{NAME} can be had from no mirror (http://127.0.0.1')
    assert 'HTTP status 404' in message
    assert 'no IDX file' in message
    assert 'D2L_GAN_DATA' in message
    assert [*small.iterdir()] == []


@pytest.mark.parametrize('tty', [True, False])
def test_without_a_network_there_is_one_sentence_and_no_bar(small, monkeypatch, capsys, tty):
    # Nobody listens at port 9 of this machine.
    mirrors = tuple(f'http://127.0.0.1:9/{letter}/' for letter in 'abcd')
    monkeypatch.setattr(mnist_files, 'MIRRORS', mirrors)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: tty)
    assert data.images('auto')[2] == 'digits'
    out, err = capsys.readouterr()
    assert out == ''
    assert err == (
        "These are scikit-learn's 1,797 digits, since train-images-idx3-ubyte can be had from no "
        'mirror (no answer, ConnectionError).\n'
    )


@pytest.mark.parametrize('tty', [True, False])
def test_a_download_has_a_bar_in_a_terminal(small, mirror, monkeypatch, capsys, tty):
    mirror[0][f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: tty)
    mnist_files.load(NAME)
    assert ('100%' in capsys.readouterr().err) == tty


def test_a_mirror_that_drips_is_given_up(small, mirror, monkeypatch):
    monkeypatch.setattr(mnist_files, 'SLOWEST', -1)
    mirror[0][f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    with pytest.raises(mnist_files.Unavailable, match='it is too slow'):
        mnist_files.load(NAME, patience=0.5)


def test_a_cache_that_cannot_be_written_costs_a_warning_only(small, mirror, monkeypatch):
    small.parent.parent.mkdir(exist_ok=True)
    small.parent.write_bytes(b'a file where the directory should be')
    mirror[0][f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    with pytest.warns(UserWarning, match=f'{NAME} is not kept'):
        assert (mnist_files.load(NAME) == SMALL).all()


def test_eight_downloads_at_once_leave_one_whole_file(small, mirror):
    mirror[0][f'/a/{NAME}.gz'] = [(200, ZIPPED)]
    arrays = []
    threads = [
        threading.Thread(target=lambda: arrays.append(mnist_files.load(NAME))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arrays) == 8
    assert all((array == SMALL).all() for array in arrays)
    assert [path.read_bytes() for path in small.iterdir()] == [ZIPPED]


def test_the_mirrors_are_at_least_three_and_secure():
    assert len({mirror.split('/')[2] for mirror in mnist_files.MIRRORS}) >= 3
    assert all(
        mirror.startswith('https://') and mirror.endswith('/') for mirror in mnist_files.MIRRORS
    )


# ---- MNIST and the digits --------------------------------------------------------------------


@pytest.mark.parametrize('flat', [True, False])
@pytest.mark.parametrize(('scale', 'low'), [('unit', 0), ('symmetric', -1)])
def test_scale_shape_and_type_are_as_asked(small, scale, low, flat):
    put(small)
    images, labels = data.mnist('test', scale, flat)
    assert images.shape == ((5, 784) if flat else (5, 28, 28, 1))
    assert (images.dtype, labels.dtype) == (numpy.float32, numpy.int32)
    assert labels.asnumpy().tolist() == [0, 1, 2, 3, 4]
    expected = low + (1 - low) * (SMALL.reshape(images.shape) / 255)
    assert numpy.allclose(images.asnumpy(), expected, atol=1e-6)


@pytest.mark.parametrize('load', [data.mnist, data.digits])
def test_unknown_splits_and_scales_are_refused_before_any_work(small, load):
    message = "`split` is 'dev'; it must be one of 'train', 'validation', 'test' or 'all_train'"
    with pytest.raises(ValueError, match=message):
        load('dev')
    with pytest.raises(ValueError, match="`scale` is 'z'; it must be .unit. or .symmetric."):
        load('test', 'z')


def test_the_real_set_is_split_without_overlap(mnist):
    (images, labels), train, validation, (test_images, test_labels) = (
        [array.asnumpy() for array in data.mnist(split)]
        for split in ('all_train', 'train', 'validation', 'test')
    )
    assert (images.shape, train[0].shape) == ((60000, 784), (50000, 784))
    assert (validation[0].shape, test_images.shape) == ((10000, 784), (10000, 784))
    assert (images[:50000] == train[0]).all()
    assert (images[50000:] == validation[0]).all()
    assert (labels[50000:] == validation[1]).all()
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert (float(images.min()), float(images.max())) == (0, 1)
    assert float(images.mean()) == pytest.approx(0.1307, abs=1e-4)


def test_one_flipped_bit_of_the_real_set_is_noticed(mnist):
    name = 't10k-images-idx3-ubyte'
    true = idx_bytes(mnist_files.load(name))
    flipped = bytearray(true)
    flipped[4_000_000] ^= 1
    with pytest.raises(mnist_files.DataError, match='its checksum is wrong'):
        mnist_files.decode(bytes(flipped), mnist_files.FILES[name])


def test_the_bundled_digits_are_the_same_ones_at_28_pixels():
    from sklearn.datasets import load_digits

    parts = [data.digits(split) for split in ('train', 'validation', 'test')]
    assert [len(images) for images, _ in parts] == [1197, 300, 300]
    assert len(data.digits('all_train')[0]) == 1497
    images = numpy.concatenate([images.asnumpy() for images, _ in parts]).reshape(-1, 28, 28)
    labels = numpy.concatenate([labels.asnumpy() for _, labels in parts])
    small, expected = load_digits(return_X_y=True)
    assert (labels == expected).all()
    assert (images.min(), images.max()) == (0, 1)
    border = images.copy()
    border[:, 4:24, 4:24] = 0
    assert not border.any()
    # Shrunk again to 8 x 8, each is nearer to its original than to any other.
    weights = numpy.kron(numpy.eye(8), numpy.ones((1, 5))).reshape(8, 20, 2).sum(axis=2)
    back = numpy.einsum('ij,njk,lk->nil', weights, images[:200, 4:24, 4:24], weights)
    back = back.reshape(200, 64) / back.max()
    distance = numpy.linalg.norm(back[:, None] - small[None, :200] / 16, axis=2)
    assert (distance.argmin(axis=1) == numpy.arange(200)).mean() > 0.98


def test_images_names_the_set_it_took(small, capsys):
    images, _, name = data.images('auto', 'test', 'symmetric')
    assert (name, images.shape, float(images.min())) == ('digits', (300, 784), -1)
    assert "These are scikit-learn's 1,797 digits" in capsys.readouterr().err
    put(small)
    assert data.images('auto', 'train')[2] == 'digits'  # decided once, for every split
    assert data.images('mnist', 'train')[2] == 'mnist'
    pictures._automatic.cache_clear()
    assert data.images('auto', 'train')[2] == 'mnist'
    assert data.images('digits', 'train')[2] == 'digits'
    assert capsys.readouterr() == ('', '')
    with pytest.raises(ValueError, match="`source` is 'cifar'; it must be"):
        data.images('cifar')


def test_insisting_on_mnist_without_it_is_an_error(small):
    with pytest.raises(mnist_files.DataError, match='can be had from no mirror .none is listed'):
        data.images('mnist')


def test_the_benchmark_of_feeding_knows_both_ways():
    from tests.benchmarks import feeding

    rates = feeding.images_per_second(num=300, width=4, epochs=1)
    assert {*rates} == {'Batches', 'DataLoader'} and min(rates.values()) > 0


def test_each_row_keeps_its_condition():
    X = numpy.arange(20, dtype='float32').reshape(10, 2)
    y = numpy.arange(10)
    for batches in (data.Batches(X, 4, condition=y), data.Batches(X, 4, steps=7, condition=y)):
        for rows_, labels in batches:
            assert (rows_[:, 0].asnumpy() == 2 * labels.asnumpy()).all()
    with pytest.raises(
        ValueError, match=r'`condition` is \(9,\); it must be one for each of the 10'
    ):
        data.Batches(X, 4, condition=y[:9])

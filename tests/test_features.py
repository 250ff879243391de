"""Scores of pictures of any kind: what is worse has a greater distance, and copies are noticed."""

from types import SimpleNamespace

from d2l_gan import features, metrics

import numpy
import pytest
from PIL import Image, ImageFilter


def drawn(num, size=32, seed=0):
    """Return so many pictures of striped discs and bars, (n, 3, size, size) in [0, 1]."""
    random, found = numpy.random.RandomState(seed), []
    y, x = numpy.mgrid[:size, :size] / size
    for _ in range(num):
        colour, ground = random.uniform(size=(2, 3, 1, 1))
        a, b, r = random.uniform(0.25, 0.75, 2).tolist() + [random.uniform(0.1, 0.35)]
        stripes = 0.6 + 0.4 * ((size * (x if r < 0.2 else y)) // 2 % 2)
        disc = (x - a) ** 2 + (y - b) ** 2 < r**2
        bar = (abs(x - a) < r / 3) & (abs(y - b) < r)
        found.append(numpy.where(disc if random.uniform() < 0.6 else bar, colour * stripes, ground))
    return numpy.float32(found)


@pytest.fixture(scope='module')
def real():
    return drawn(400)


@pytest.fixture(scope='module')
def far(real):
    learned = features.Features(real)
    of_real = learned(real)
    return lambda images: metrics.frechet(learned(images), of_real)


def blurred(images, radius):
    blur = ImageFilter.GaussianBlur(radius)
    pictures = (255 * images).astype('uint8').transpose(0, 2, 3, 1)
    found = [numpy.asarray(Image.fromarray(picture).filter(blur)) for picture in pictures]
    return numpy.float32(found).transpose(0, 3, 1, 2) / 255


def test_blur_noise_and_collapse_are_worse_than_other_real_pictures(real, far):
    random = numpy.random.RandomState(1)
    half = real[::2]
    other = far(half)
    noisy = lambda sd: (half + random.normal(0, sd, half.shape)).clip(0, 1)
    repeated = lambda num: half[:num][random.randint(num, size=len(half))]
    blur = [far(blurred(half, radius)) for radius in (1, 2, 4)]
    noise = [far(noisy(sd)) for sd in (0.05, 0.1, 0.2)]
    collapse = [far(repeated(num)) for num in (50, 10, 1)]
    for worse in (blur, noise, collapse):
        assert other < worse[0] < worse[1] < worse[2]
    assert far(drawn(400, seed=7)) < min(blur[2], noise[2], collapse[2])
    assert far(real) == pytest.approx(0, abs=1e-3)


def test_a_distance_is_in_percent_of_what_real_pictures_vary(real):
    found = features.Features(real)(real)
    assert found.shape == (400, 64)
    assert found.var(axis=0, ddof=1).sum() == pytest.approx(100, rel=1e-3)
    assert abs(found.mean(axis=0)).max() < 1e-3


def test_features_depend_on_pictures_and_seed_alone(real):
    numpy.random.seed(3)
    first = features.Features(real[:50])(real[:5])
    assert (first == features.Features(real[:50])(real[:5])).all()
    assert (first != features.Features(real[:50], seed=1)(real[:5])).any()
    grey = real.mean(axis=1)
    assert features.Features(grey[:50])(grey[:5]).shape == (5, min(64, 50))


@pytest.mark.parametrize('shape', [(9, 12, 12), (9, 12, 12, 3), (9, 3, 12, 12), (9, 1, 12, 12)])
def test_channels_are_found_where_they_are(shape):
    assert features.channels_first(numpy.ones(shape)).shape == (9, 3 if 3 in shape else 1, 12, 12)


@pytest.mark.parametrize('images, message', [
    (numpy.ones((4, 5, 5)), r'`images` has shape \(4, 1, 5, 5\); it must be'),
    (numpy.ones((4, 2, 9, 9)), r'`images` has shape'),
    (numpy.ones((4, 9)), r'`images` has shape \(4, 9\)'),
    (2 * numpy.ones((4, 9, 9)), r'`images` run from 2 to 2; they must be in \[0, 1\]'),
    (numpy.full((4, 9, 9), numpy.nan), '`images` has NaN'),
])  # fmt: skip
def test_what_is_no_picture_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        features.channels_first(images)


def test_few_pictures_are_refused(real):
    with pytest.raises(ValueError, match="`images` is '19 pictures'; it must be at least 20"):
        features.Features(real[:19])


class Pictures(SimpleNamespace):
    def __len__(self):
        return len(self.images)

    def unit(self, rows):
        return self.images[rows]


@pytest.fixture(scope='module')
def pictures(real):
    rows = numpy.random.RandomState(0).permutation(len(real))
    return Pictures(images=real, pixels=real, held_out=rows[:40], train=rows[40:])


def test_new_pictures_are_not_taken_for_copies_and_copies_are(pictures, real):
    new = features.picture_scores(drawn(200, seed=5).transpose(0, 2, 3, 1), pictures)
    assert new['memorised'] < 0.1 > new['real_memorised']
    assert new['nearest'] == pytest.approx(new['real_nearest'], rel=0.3)
    assert new['frechet'] < 3 * new['real_frechet']
    assert (new['num_samples'], new['num_real']) == (200, 400)


def test_copies_are_noticed(pictures, real):
    copies = numpy.concatenate([real[pictures.train], real[pictures.train[:1]]])
    copies[::2] = (copies[::2] + 0.02).clip(0, 1)
    scores = features.picture_scores(copies, pictures)
    assert scores['memorised'] > 0.97
    assert scores['nearest'] < 0.2 * scores['real_nearest']
    assert '361 samples' in features.table(scores)
    assert '0.0%' in features.table(scores)


def test_pictures_of_another_size_are_refused(pictures):
    with pytest.raises(ValueError, match=r'`images` are \(3, 16, 16\); they must be as the real'):
        features.picture_scores(drawn(9, size=16), pictures)
    with pytest.raises(ValueError, match=r'`images` are \(1, 32, 32\)'):
        features.picture_scores(numpy.ones((9, 32, 32)), pictures)


def test_of_large_pictures_fewer_are_scored(pictures):
    assert features.most(pictures) == 10_000
    large = Pictures(pixels=numpy.zeros((2, 3, 256, 256), 'uint8'))
    assert features.most(large) == 170  # 128 MB of float32


def test_large_pictures_are_looked_at_in_steps():
    large = drawn(30, size=70)
    assert features.Features(large)(large).shape == (30, 30)
    assert features._small(large).shape == (30, 3 * 35 * 35)


def test_agreement_is_that_of_a_judge_and_falls_to_chance(real):
    real = real[::2]
    kinds = real[:, 0, 1, 1] > 0.5  # is there red in the ground?
    pictures = SimpleNamespace(
        pixels=(255 * real).astype('uint8'), labels=kinds.astype('int32'), names=('none', 'red'),
        unit=lambda rows: real[rows], train=numpy.arange(150), held_out=numpy.arange(150, 200),
    )  # fmt: skip
    rows = numpy.arange(150, 200)
    found = features.labelled_scores(real[rows], kinds[rows].astype(int), pictures)
    assert found['agreement'] == pytest.approx(found['real_agreement']) and found['agreement'] > 0.7
    dealt = numpy.random.RandomState(0).permutation(kinds[rows]).astype(int)
    wrong = features.labelled_scores(real[rows], dealt, pictures)
    assert found['chance'] == 0.5 and abs(wrong['agreement'] - 0.5) < 0.2
    first = [numpy.flatnonzero(kinds == kind)[0] for kind in (0, 1)] * 10
    one_each = features.labelled_scores(real[first], kinds[first].astype(int), pictures)
    assert one_each['variety'] < 1e-6
    assert 'by chance 50%' in features.labelled_table(found)

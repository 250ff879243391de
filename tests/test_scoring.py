"""Generated digits are scored beside real ones, whose scores are kept; the classifier is, too."""

import json
import math

from d2l_gan import archive, classifier, data, files, metrics, scoring

import mxnet as mx
import numpy
import pytest
from mxnet import np, npx

npx.set_np()


def image_like(rng, num, dims=784):
    return rng.uniform(0, 1, (num, dims)).astype('float32') * (rng.random((num, dims)) < 0.2)


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp('cache')


@pytest.fixture
def few(monkeypatch, cache):
    """Let the real images be a few bundled digits, and the classifier be kept among these tests."""
    rows = {'train': slice(300), 'validation': slice(300, 400), 'test': slice(400, 500)}
    images, labels = data.digits('train')

    def some(source, split, flat=True):
        part = images[rows[split]]
        return part if flat else part.reshape(-1, 28, 28, 1), labels[rows[split]], 'digits'

    monkeypatch.setattr(data, 'images', some)
    monkeypatch.setattr(files, 'cache_dir', lambda: cache)
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 20)
    classifier.classifier.cache_clear()
    yield images.asnumpy()
    classifier.classifier.cache_clear()


def test_the_classifier_learns_once_and_is_kept(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path)
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 5)
    first = classifier.Classifier('digits')
    assert first.accuracy > 0.2
    kept = tmp_path / 'classifier-digits.d2l_gan'
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    learn = classifier.Classifier.learn
    fails = lambda *args, **keywords: pytest.fail('learns again')
    monkeypatch.setattr(classifier.Classifier, 'learn', fails)
    second = classifier.Classifier('digits')
    assert second.accuracy == first.accuracy
    for one, other in zip(first.read(few[:20]), second.read(few[:20])):
        assert (one == other).all()

    raw = bytearray(kept.read_bytes())
    raw[len(raw) // 2] ^= 4
    kept.write_bytes(raw)
    monkeypatch.setattr(classifier.Classifier, 'learn', learn)
    third = classifier.Classifier('digits')
    assert 'learning to read digits again' in capsys.readouterr().err
    assert (third.read(few[:20])[0] == first.read(few[:20])[0]).all()
    assert kept.read_bytes() != bytes(raw)


def test_learning_and_reading_leave_the_global_generators_alone(few, monkeypatch):
    def draw(use):
        mx.random.seed(3)
        numpy.random.seed(3)
        use()
        return float(np.random.normal()), float(numpy.random.normal())

    expected = draw(lambda: None)
    assert draw(lambda: scoring.digit_scores(few[:50], 'digits')) == expected
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 2)
    learner, labels = classifier.Reader(), numpy.zeros(len(few))
    assert draw(lambda: learner.learn(few, labels, 1)) == expected


def test_probabilities_and_features_have_their_shapes(few):
    judge = classifier.classifier('digits')
    probabilities, features = judge.read(few[:7].reshape(7, 28, 28))
    assert (probabilities.shape, features.shape) == ((7, 10), (7, 64))
    assert numpy.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert features.min() == 0


def test_new_real_digits_copies_noise_and_one_digit_are_told_apart(few):
    new = scoring.digit_scores(few[500:1100], 'digits')
    copies = scoring.digit_scores(few[:300], 'digits')
    noise = scoring.digit_scores(image_like(numpy.random.default_rng(1), 300), 'digits')
    one = scoring.digit_scores(numpy.repeat(few[500:501], 200, axis=0), 'digits')
    assert new['digits_present'] == 10 > one['digits_present'] == 1
    assert one['class_kl'] == pytest.approx(math.log(10))
    assert one['classifier_score'] == pytest.approx(1)
    assert new['class_kl'] < 0.1
    assert new['frechet'] < min(one['frechet'], noise['frechet'])
    assert new['parzen'] > one['parzen'] > noise['parzen']
    assert new['memorised'] < 0.4
    assert (copies['memorised'], copies['nearest']) == (1, 0)
    for shared in ('frechet', 'parzen', 'parzen_se', 'parzen_sigma'):
        assert copies[shared] == pytest.approx(copies['real'][shared])
    assert sum(new['digit_counts']) == new['num_samples'] == 600
    assert scoring.digits_present(few[500:1100], 'digits') == 10


def kept_scores(cache):
    return sorted(cache.glob('real-digits-*.d2l_gan'))


def test_the_scores_of_real_digits_are_kept_and_read_only_if_they_are_whole(
    few, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path)
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 2)
    first = scoring.real_scores('digits')
    (path,) = kept_scores(tmp_path)
    whole, judge = path.read_bytes(), scoring._judge
    monkeypatch.setattr(scoring, '_judge', lambda *_: pytest.fail('scores them again'))
    assert scoring.real_scores('digits') == first
    assert json.loads(json.dumps(first)) == first
    monkeypatch.setattr(scoring, '_judge', judge)
    flipped = bytes([*whole[:200], whole[200] ^ 4, *whole[201:]])
    for damaged in (b'', whole[:-9], whole + b'0', flipped, b'{}', archive.pack({'kind': 'a'}, {})):
        path.write_bytes(damaged)
        assert scoring.real_scores('digits') == first
        assert path.read_bytes() == whole
    path.write_bytes(archive.pack({'kind': scoring.KIND, 'making': 'other', 'scores': {}}, {}))
    assert scoring.real_scores('digits') == first
    path.unlink()
    path.mkdir()
    assert scoring.real_scores('digits') == first
    assert 'scores real digits anew' in capsys.readouterr().err


def test_other_images_another_classifier_and_other_versions_are_scored_themselves(
    few, tmp_path, monkeypatch
):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path)
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 2)
    scoring.real_scores('digits')
    images = data.images
    monkeypatch.setattr(data, 'images', lambda *args: (images(*args)[0] * 0.5, None, None))
    scoring.real_scores('digits')
    assert len(kept_scores(tmp_path)) == 2
    judge = classifier.classifier('digits')
    judge.params[-1].set_data(judge.params[-1].data() + 1)
    scoring.real_scores('digits')
    assert len(kept_scores(tmp_path)) == 3
    monkeypatch.setattr(files, 'versions', lambda: {'numpy': '9'})
    scoring.real_scores('digits')
    assert len(kept_scores(tmp_path)) == 4


def test_each_image_is_read_once_for_all_scores(few, tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path)
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 2)
    expected = scoring.real_scores('digits')
    (path,) = kept_scores(tmp_path)
    path.unlink()
    numbers, read = [], classifier.Classifier.read
    count = lambda self, images: (numbers.append(len(images)), read(self, images))[1]
    monkeypatch.setattr(classifier.Classifier, 'read', count)
    scores = scoring.digit_scores(few[500:550], 'digits')
    assert sorted(numbers) == [50, 100, 300]  # the samples, the test images, those to train on
    assert scores['real'] == expected
    del numbers[:]
    assert scoring.digit_scores(few[500:550], 'digits') == scores
    assert sorted(numbers) == [50, 100]


SIZES = {'train': 2000, 'validation': 500}


def test_memorised_is_the_share_of_copies_blurred_or_not():
    rng = numpy.random.default_rng(10)
    sets = {name: rng.random((num, 9), 'float32') for name, num in SIZES.items()}
    new, copies = rng.random((2000, 9), 'float32'), sets['train']
    for blur in (0, 0.02):
        blurred = rng.normal(0, blur, (4000, 9)).astype('float32')
        for share, rows in ((0, new), (1, copies), (0.5, numpy.concatenate([new, copies]))):
            found = scoring._nearness(rows + blurred[: len(rows)], sets)['memorised']
            assert found == pytest.approx(share, abs=0.15)


def test_scores_are_json_and_words(few, tmp_path):
    scores = scoring.digit_scores(np.array(few[:200]).reshape(-1, 28, 28, 1), 'digits')
    files.write_json(tmp_path / 'scores.json', scores)
    text = scoring.table(scores)
    assert text.startswith('200 samples ')
    assert f'{scores["parzen"]:.2f} +- {scores["parzen_se"]:.2f}' in text
    assert 'each in at least 1 % of the samples' in text
    scores['digit_counts'] = [100, 100] + [0] * 8
    assert 'missing: 2, 3, 4, 5, 6, 7, 8, 9' in scoring.table(scores)
    assert max(map(len, text.splitlines())) < 110


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        (numpy.zeros((3, 700)), r'`images` has shape \(3, 700\); it must be'),
        (numpy.zeros((0, 784)), r'`images` has shape \(0, 784\)'),
        (numpy.full((3, 784), -0.5), '`images` run from -0.5 to -0.5; they must be in .0, 1.:'),
        (numpy.full((3, 784), 255), 'run from 255 to 255'),
        (numpy.full((3, 784), math.nan), '`images` has NaN'),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        scoring.digit_scores(images, 'digits')


@pytest.mark.slow
def test_the_classifier_reads_99_of_100_and_real_images_score_as_published(
    mnist, tmp_path, monkeypatch
):
    monkeypatch.setattr(files, 'cache_dir', lambda: tmp_path)
    classifier.classifier.cache_clear()
    images = data.mnist('train')[0].asnumpy()[:10_000]
    scores = scoring.digit_scores(images, 'mnist')
    assert scores['classifier_accuracy'] >= 0.99
    assert scores['parzen'] == pytest.approx(241, abs=1)
    assert scores['digits_present'] == 10
    assert 9.7 < scores['real']['classifier_score'] < 10
    assert scores['memorised'] == 1
    assert scores['real']['memorised'] < 0.06
    classifier.classifier.cache_clear()


# ---- Digits that were asked for ----------------------------------------------------------------


@pytest.fixture
def labelled(few):
    """Return the 300 bundled digits for validation and what they show."""
    images, labels, _ = data.images('digits', 'validation')
    return images.asnumpy(), labels.asnumpy()


def test_what_real_digits_teach_is_what_the_classifier_has_learned(few):
    images, labels, _ = data.images('digits', 'train')
    expected = classifier.classifier('digits').accuracy
    assert metrics.train_on_fake(images, labels, 'digits') == expected > 0.7
    again = metrics.train_on_fake(images, labels, 'digits', seed=1)
    assert again != expected and abs(again - expected) < 0.2


def test_noise_and_wrong_labels_teach_nothing(few, monkeypatch):
    monkeypatch.setitem(classifier.EPOCHS, 'digits', 3)
    images, labels, _ = data.images('digits', 'train')
    rng = numpy.random.default_rng(0)
    noise = rng.random((len(labels), 784), 'float32')
    for fakes, told in ((noise, labels.asnumpy()), (images, rng.permutation(labels.asnumpy()))):
        assert metrics.train_on_fake(fakes, told, 'digits') < 0.35


def test_variety_within_is_the_variance_of_each_digit(labelled):
    images, labels = labelled
    found = metrics.variety_within(images, labels)
    for digit in range(10):
        rows = images[labels == digit].astype('float64')
        assert found[digit] == pytest.approx(((rows - rows.mean(axis=0)) ** 2).sum() / len(rows))
    one_each = images[[numpy.flatnonzero(labels == digit)[0] for digit in range(10)] * 3]
    assert numpy.allclose(metrics.variety_within(one_each, [*range(10)] * 3), 0, atol=1e-9)
    assert numpy.isnan(metrics.variety_within(images[:2], [0, 1])[2:]).all()


def test_controls_fail_where_they_should(labelled, monkeypatch):
    images, labels = labelled
    monkeypatch.setattr(metrics, 'train_on_fake', lambda *args: 0.5)
    real = scoring.labelled_scores(images, labels, 'digits')
    assert real['agreement'] > 0.7 < real['variety']
    permuted = numpy.random.default_rng(0).permutation(labels)
    wrong = scoring.labelled_scores(images, permuted, 'digits')
    assert wrong['agreement'] < 0.25 and wrong['variety'] > real['variety']
    one_each = [numpy.flatnonzero(labels == digit)[0] for digit in range(10)] * 10
    same = scoring.labelled_scores(images[one_each], labels[one_each], 'digits')
    assert same['variety'] < 1e-6
    assert numpy.mean(same['agreement_by_digit']) == pytest.approx(same['agreement'])
    assert 'read as the digit asked for' in scoring.labelled_table(same)


@pytest.mark.parametrize('images, labels, message', [
    (numpy.ones((3, 100)), [1, 2, 3], r'`images` is \(3, 100\); it must be \(n, 784\)'),
    (numpy.full((3, 784), 2.0), [1, 2, 3], r'with pixels in \[0, 1\]'),
    (numpy.ones((3, 784)), [1, 2], r'`labels` is \(2,\); it must be \(3,\), whole numbers'),
    (numpy.ones((3, 784)), [1, 2, 10], 'whole numbers from 0 to 9'),
])  # fmt: skip
def test_labelled_digits_that_are_none_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.train_on_fake(images, labels, 'digits')

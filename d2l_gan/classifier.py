"""Read digits with a small convolutional network: the judge of what a generator draws."""

import functools

import numpy
from mxnet import autograd, cpu, gluon, init, np, npx
from mxnet.gluon import nn
from mxnet.util import use_np

from . import archive, check, data, files, speak

KIND = 'digit classifier, recipe 1'  # a new recipe needs a new number, or kept networks stay
BATCH_SIZE, LR, EPOCHS = 100, 0.003, {'mnist': 5, 'digits': 40}


@functools.lru_cache(maxsize=2)
def classifier(source='mnist'):
    """Return the `Classifier` of `source`, 'mnist' or 'digits', made once in a process."""
    return Classifier(source)


@use_np
class Reader:
    """A network for ten digits that has learned nothing yet, after LeNet (LeCun et al. 1998).

    Two convolutions and 64 features. It draws nothing from the global generators of MXNet and
    NumPy, so a run that is scored on the way goes on as if it were not. It computes on the CPU.
    """

    def __init__(self):
        self.body, self.head = nn.HybridSequential(), nn.Dense(10)
        self.body.add(
            nn.Conv2D(16, kernel_size=5, padding=2),  # (n, 16, 28, 28)
            nn.MaxPool2D(), nn.Activation('relu'),
            nn.Conv2D(32, kernel_size=5, padding=2),  # (n, 32, 14, 14)
            nn.MaxPool2D(), nn.Activation('relu'),
            nn.Dense(64, activation='relu'),  # the features
        )  # fmt: skip
        for net in (self.body, self.head):
            net.initialize(init.Zero(), ctx=cpu())
            net.hybridize()
        self.head(self.body(np.zeros((1, 1, 28, 28), ctx=cpu())))  # now all shapes are known
        params = {**self.body.collect_params(), **self.head.collect_params()}
        self.params = list(params.values())

    def learn(self, images, labels, epochs, seed=0, title='learning to read digits, once'):
        """Learn from labelled images, moved about by up to two pixels.

        Args:
            images: (n, ...), 784 pixels each, in [0, 1], NumPy's.
            labels: (n,), what they show, NumPy's.
            epochs: passes over them.
            seed: of the weights, the order and the moves.
            title: what the progress bar says.
        """
        images, rng = images.reshape(-1, 1, 28, 28), numpy.random.default_rng(seed)
        for param in self.params:
            if len(param.shape) > 1:  # He et al. 2015; biases stay 0
                scale = (2 / numpy.prod(param.shape[1:])) ** 0.5
                param.set_data(np.array(rng.normal(0, scale, param.shape), dtype='float32'))
        trainer = gluon.Trainer(self.params, 'adam', {'learning_rate': LR})
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        starts = [*range(0, len(images), BATCH_SIZE)] * epochs
        for step, start in enumerate(speak.bar(starts, desc=title)):
            if start == 0:
                order = rng.permutation(len(images))
            rows = order[start : start + BATCH_SIZE]
            shift = rng.integers(-2, 3, size=2)  # borders are empty, so a roll is a shift
            X = np.array(numpy.roll(images[rows], shift, axis=(2, 3)), ctx=cpu())
            y = np.array(labels[rows], ctx=cpu())
            trainer.set_learning_rate(LR * (1 - step / len(starts)))
            with autograd.record():
                error = loss(self.head(self.body(X)), y)
            error.backward()
            trainer.step(len(rows))

    def test(self, source):
        """Return the share of the test images of `source` that are read correctly."""
        images, labels, _ = data.images(source, 'test')
        found = self.read(images.asnumpy())[0].argmax(axis=1)
        return float((found == labels.asnumpy()).mean())

    def read(self, images):
        """Return probabilities (n, 10) and features (n, 64), both NumPy's.

        Args:
            images: (n, ...), 784 pixels each, in [0, 1].
        """
        images = numpy.asarray(images, 'float32').reshape(-1, 1, 28, 28)
        probabilities, features = [], []
        for start in range(0, len(images), 500):
            body = self.body(np.array(images[start : start + 500], ctx=cpu()))
            features.append(body.asnumpy())
            probabilities.append(npx.softmax(self.head(body)).asnumpy())
        return numpy.concatenate(probabilities), numpy.concatenate(features)


class Classifier(Reader):
    """Tell the ten digits apart, having learned from real ones.

    It learns from the 50,000 training images alone, in about a minute on two cores, and is kept in
    the cache with its checksum; where that file is missing or damaged, it learns anew. On 'digits'
    it does the same with the 1,197. `accuracy` is the share of test images that it reads correctly:
    at least 0.99 for 'mnist'.

    It was taught digits only: an image of something else is read as some digit, often surely.

    Args:
        source: the digits to learn from, 'mnist' or 'digits'.
    """

    def __init__(self, source='mnist'):
        super().__init__()
        self.source = source
        path = files.cache_dir() / f'classifier-{source}.d2l_gan'
        try:
            header, arrays = archive.read(path, KIND)
            for param, array in zip(self.params, arrays.values()):
                param.set_data(np.array(array, ctx=cpu()))
            self.accuracy = header['accuracy']
        except archive.CheckpointError as problem:
            if path.exists():
                speak.tell(f'{problem}: learning to read digits again')
            images, labels, _ = data.images(source, 'train')
            self.learn(images.asnumpy(), labels.asnumpy(), EPOCHS[source])
            self.accuracy = self.test(source)
            arrays = {str(number): param.data() for number, param in enumerate(self.params)}
            try:
                archive.write(path, {'kind': KIND, 'accuracy': self.accuracy}, arrays)
            except archive.CheckpointError as problem:
                speak.tell(f'{problem}: the next program learns to read digits anew')


def train_on_fake(images, labels, source='mnist', seed=0):
    """Return the accuracy, on real test images, of a classifier that has learned from fakes alone.

    Esteban et al. 2017 (train on synthetic, test on real); Ravuri and Vinyals 2019. The classifier
    has the layers and the recipe of the one that judges here, so that with the real training images
    and seed 0 this is `Classifier.accuracy`, exactly. A digit that is drawn wrongly and a way of
    writing that is never drawn both cost. But copies of the training images do as well as new
    digits, and it says nothing of what a classifier can do without: noise, fog, frequent errors
    that are the same for all digits.

    Args:
        images: (n, ...), 784 pixels each, in [0, 1]; n as many as there are real ones, to compare.
        labels: (n,), the digits that were asked for, 0 to 9.
        source: whose test images, 'mnist' or 'digits'.
        seed: of the classifier's weights and the order of the images.
    """
    check.choice('source', source, tuple(EPOCHS))
    reader, title = Reader(), 'learning to read from fakes'
    reader.learn(*check.labelled(images, labels), EPOCHS[source], seed, title)
    return reader.test(source)

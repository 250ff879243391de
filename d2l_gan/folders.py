"""Pictures of your own: any folder or zip, decoded once, mapped, and fed lazily."""

import contextlib
import hashlib
import json
import math
import mmap
import os
import struct
import time
from pathlib import Path

from d2l_gan import check, data, devices, downloads, features, files, picture_files
from d2l_gan.downloads import DataError
from d2l_gan.speak import bar, tell

import numpy
import PIL
from mxnet import np

LEAST = 20  # pictures; fewer would leave none to hold out
HELD_OUT = 10  # one in so many is never trained on
STEPS = 100  # at least, in an epoch: a pass over few pictures is too short for a picture of it
MAGIC, TAIL = b'd2l_gan pictures 1\n', struct.Struct('<Q32s19s')  # length, sha256, MAGIC

POKEMON = 'https://d2l-data.s3-accelerate.amazonaws.com/pokemon.zip'
POKEMON_SHA1 = 'c065c0e2593b8b161a2d7873e42418bf6a21106c'


class Pictures:
    """Real pictures to train on, of any number: they stay in a file until they are needed.

    The file lies in this user's cache, where it may be deleted; it is mapped, (num_examples,
    channels, size, size), bytes. One picture in 10, the same in every run, is held out.

    - labels, names: each picture's folder, int32 (num_examples,), as a number into the sorted names
      of folders; below the folders that all pictures share, so both are trivial where there is one.
    - broken: {name of a file that cannot be read: why}; these are left out.
    - train, held_out: numbers of the pictures that are trained on, and of the others.
    - channels: 1 if all pictures are grey, else 3.
    - title: what the set is called.
    - condition: None, or (num_examples, ...), what networks are told of each picture; with `told`
      the number of its folder, one of so many `kinds`.
    - spread: width of the noise that is scored.

    Args:
        path: a folder, with whatever folders in it, or a zip, of PNG, JPEG, GIF and WebP.
        size: pixels of a side, to which pictures are cropped and resized.
        channels: 1 makes colours grey, 3 keeps grey pictures in three channels; None looks.
        num_examples: train on so many only, and pass over them once in an epoch; None takes all.
        flip: show D every other picture, drawn anew, in a mirror.
        told: whether networks are told the folder.
        spread: see above.

    Raises:
        DataError: in one sentence, for what cannot be read or has fewer than 20 pictures.
    """

    what, source, shape, condition = 'pictures', 'pictures', None, None

    def __init__(
        self, path, size=64, channels=None, num_examples=None, flip=False, told=False, spread=1.0
    ):  # fmt: skip
        self.size = check.whole('size', size, least=4)
        check.choice('channels', channels, (None, 1, 3))
        self.flip = check.choice('flip', flip, (False, True))
        kept = 1 if channels == 1 else 3
        with picture_files.opened(path) as source:
            self.title = source.path.resolve().name
            if not source.names:
                raise DataError(
                    f'`data` is {str(path)!r}, which has no PNG, JPEG, GIF or WebP; it must have '
                    f'at least {LEAST}'
                )
            cache = _cached(source, size, kept)
            if _told(cache) is None:
                _decode(source, size, kept, cache)
        found = _told(cache)  # not what networks are told
        self.names, self.broken = tuple(found['names']), found['broken']
        self._tell_broken()
        if found['num'] < LEAST:
            raise DataError(
                f'`data` is {str(path)!r} with {found["num"]} readable pictures; it must have at '
                f'least {LEAST}'
            )
        shape = found['num'], kept, size, size
        with open(cache, 'rb') as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = math.prod(shape)
        self.pixels = numpy.frombuffer(self._memory, 'uint8', count).reshape(shape)
        self.labels = numpy.frombuffer(self._memory, '<i4', shape[0], count + -count % 4)
        self.channels = channels or (1 if found['grey'] else 3)
        self.pixels = self.pixels[:, : self.channels]
        order = numpy.random.RandomState(0).permutation(len(self))
        held_out, train = numpy.split(order, [len(order) // HELD_OUT])
        if num_examples is not None and not 0 < num_examples <= len(train):
            check.fail('num_examples', num_examples, f'from 1 to {len(train)}')
        self.held_out, self.train = numpy.sort(held_out), numpy.sort(train[:num_examples])
        self.whole, self.kinds, self.spread = num_examples is None, len(self.names), spread
        if told and self.kinds < 2:
            raise DataError(
                f'`data` is {str(path)!r}, in one folder; it must have one for each kind'
            )
        self.condition = np.array(self.labels, dtype='float32') if told else None

    def __len__(self):
        return len(self.pixels)

    def _tell_broken(self):
        if self.broken:
            some = [f'{name!r} ({why})' for name, why in [*self.broken.items()][:3]]
            more = f' and {len(self.broken) - 3:,} more' if len(self.broken) > 3 else ''
            tell(f'Left out, since they cannot be read: {", ".join(some)}{more}.')

    def take(self, rows):
        """Return some pictures, by their numbers, as bytes (n, channels, size, size)."""
        found = self.pixels[rows]
        if hasattr(mmap, 'MADV_DONTNEED'):  # the pages leave this process, not the machine's memory
            self._memory.madvise(mmap.MADV_DONTNEED)
        return found

    def unit(self, rows):
        """Return some pictures as scores take them: (n, channels, size, size), in [0, 1]."""
        return self.take(rows).astype('float32') / 255

    @property
    def X(self):
        """Return 100 pictures to show, evenly spread over the folders, in [-1, 1], on the CPU."""
        spread = numpy.linspace(0, len(self.train) - 1, min(100, len(self.train)))
        return np.array(symmetric(self.take(self.train[spread.astype(int)])))

    def batches(self, batch_size, steps=None, device=None):
        """Return `Batches` of the pictures in `train`: an epoch is a pass, or 100 steps if longer.

        Args:
            batch_size, steps, device: as for `data.Batches`; all batches are full.
        """
        if steps is None:
            steps = max(1, len(self.train) // check.whole('batch_size', batch_size))
            steps = max(steps, STEPS) if self.whole else steps
        return Batches(self, batch_size, steps, device)

    @property
    def scored(self):
        """Return how many new pictures are scored."""
        return features.most(self)

    def signs(self, scale):
        """Return no further signs of a collapse; `digits.fit` asks."""
        return {}

    def score(self, images):
        """Return scores of new pictures, as of `plots.pixels`, and a table of them in words."""
        scores = features.picture_scores(images, self)
        return scores, features.table(scores)

    def score_labelled(self, draw):
        """Return scores of pictures that were asked for by folder, and a table of them in words.

        Args:
            draw: callable, how many -> pictures, as of `plots.pixels`, and their labels.
        """
        scores = features.labelled_scores(*draw(min(self.scored, 100 * self.kinds)), self)
        return scores, features.labelled_table(scores)


def symmetric(pixels):
    """Return bytes as float32 in [-1, 1]."""
    found = pixels.astype('float32')
    found *= numpy.float32(2 / 255)
    found -= 1
    return found


class Batches(data.Batches):
    """Iterate over shuffled batches (X,) or (X, condition) of pictures, X in [-1, 1].

    A batch is taken from the file and converted when its turn comes.

    Args:
        pictures: a `Pictures`.
        batch_size, steps, device: as for `Pictures.batches`.
    """

    def __init__(self, pictures, batch_size, steps, device=None):
        numbers = pictures.train.astype('float64')[:, None]  # batches of these come first
        condition = pictures.condition
        if condition is not None:
            condition = condition[pictures.train]
        super().__init__(numbers, batch_size, steps, condition=condition)
        self.pictures, self.to = pictures, devices.home(device)

    def __iter__(self):
        for numbers, *condition in super().__iter__():
            X = symmetric(self.pictures.take(numbers.asnumpy()[:, 0].astype(int)))
            if self.pictures.flip:
                mirrored = numpy.random.random(len(X)) < 0.5
                X[mirrored] = X[mirrored, :, :, ::-1]
            yield (np.array(X, ctx=self.to), *condition)


def pokemon(size=64, channels=None, num_examples=None, flip=False, patience=30):
    """Return the `Pictures` of the book's section on DCGAN: 40,597 sprites of 721 species.

    Looks for pokemon.zip in the directory D2L_GAN_DATA, then in the cache, then at the book's
    address. Its SHA-1 must be the book's.

    Args:
        size, channels, num_examples, flip: as for `Pictures`.
        patience: as for `downloads.fetch`.
    """
    how = size, channels, num_examples, flip
    own = Path(os.environ.get('D2L_GAN_DATA') or 'nowhere').expanduser() / 'pokemon.zip'
    if own.exists():
        return _verified(own, *how)
    path = files.cache_dir() / 'pokemon' / 'pokemon.zip'
    if path.exists():
        with contextlib.suppress(DataError):
            return _verified(path, *how)
        tell(f'{path} is damaged: fetching it again')
        with contextlib.suppress(OSError):
            path.unlink()
    return downloads.fetch(
        path, [POKEMON], verify, lambda path: _verified(Path(path), *how),
        "go online, or put the book's pokemon.zip into a directory and its name into D2L_GAN_DATA",
        most=2**29, seconds=1800, patience=patience,
    )  # fmt: skip


def verify(raw):
    """Raise DataError unless bytes are the book's pokemon.zip."""
    if hashlib.sha1(raw).hexdigest() != POKEMON_SHA1:
        raise DataError("its checksum is not the book's")


def _verified(path, *how):
    try:
        verify(path.read_bytes())
    except DataError as error:
        raise DataError(f"{path} is not the book's pokemon.zip: {error}; delete it") from None
    return Pictures(path, *how)


# ---- The file -----------------------------------------------------------------------------------


def _cached(source, size, channels):
    """Return where pictures of a source are kept, a name made of all that they depend on."""
    making = [MAGIC.decode(), size, channels, PIL.__version__, source.making]
    key = hashlib.sha256(json.dumps(making).encode()).hexdigest()[:24]
    return files.cache_dir() / 'pictures' / f'{key}.pictures'


def _told(path):
    """Return what the end of a file says of its pictures; None where it is missing or damaged."""
    with contextlib.suppress(OSError, ValueError, struct.error), open(path, 'rb') as file:
        end = file.seek(-TAIL.size, os.SEEK_END)
        length, digest, magic = TAIL.unpack(file.read())
        if magic == MAGIC and length <= end:
            file.seek(end - length)
            raw = file.read(length)
            if hashlib.sha256(raw).digest() == digest:
                told = json.loads(raw)
                return told if told['bytes'] == end - length else None
    return None


def _decode(source, size, channels, path):
    """Write all pictures of a source to `path`, then their labels, then what is told of them."""
    tell(f'Decoding {len(source.names):,} pictures of {source.path.name}, once.')
    _tidy(path)
    kept, broken, grey = [], {}, True

    def write(file):
        nonlocal grey
        for name in bar(source.names, 'pictures', leave=False):
            try:
                pixels = picture_files.decode(source.read(name), size, channels)
            except Exception as error:  # of a zip's many, and a disk's
                broken[name] = str(error) or type(error).__name__
                continue
            file.write(pixels.tobytes())
            kept.append(name)
            grey = grey and bool((pixels == pixels[:1]).all())
        file.write(bytes(-file.tell() % 4))
        folders = picture_files.folders(kept) if kept else []
        names = sorted({*folders})
        numbers = {name: number for number, name in enumerate(names)}
        file.write(numpy.array([numbers[folder] for folder in folders], '<i4').tobytes())
        told = {'num': len(kept), 'names': names, 'broken': broken, 'grey': grey}
        raw = json.dumps({**told, 'bytes': file.tell()}).encode()
        file.write(raw + TAIL.pack(len(raw), hashlib.sha256(raw).digest(), MAGIC))

    try:
        files.write_whole(path, write)
    except OSError as error:
        raise DataError(
            f'{path.parent} cannot keep the decoded pictures ({error.strerror}); set '
            'XDG_CACHE_HOME to a directory with room'
        ) from None


def _tidy(path):
    """Remove what a run that was killed an hour ago, or more, had half decoded."""
    with contextlib.suppress(OSError):
        for left in files.half_written(path.parent, path.name):
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()

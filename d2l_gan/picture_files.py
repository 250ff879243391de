"""The pictures in a folder or a zip: which there are, and one of them decoded.

A zip is read where it lies. Nothing of it is unpacked, so that nothing can be left half unpacked,
and no name in it is ever used as a path.
"""

import io
import os
import re
import stat
import warnings
import zipfile
from pathlib import Path, PurePosixPath

from d2l_gan.downloads import DataError

import numpy
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = {'.png': 'PNG', '.jpg': 'JPEG', '.jpeg': 'JPEG', '.gif': 'GIF', '.webp': 'WEBP'}
MOST_PIXELS = 2**26  # of one picture
MOST_BYTES = 2**28  # of one file
MOST_TOTAL = 2**35  # bytes of all pictures in a zip, unpacked
# Pictures are compressed already, so a zip hardly makes them smaller. What shrinks to a hundredth
# and is no trifle is a bomb.
MOST_RATIO, TRIFLE = 100, 2**20


class Unreadable(ValueError):
    """Say why one picture is left out."""


def opened(path):
    """Return a `Folder` or a `Zip` at `path`, to be used in a `with`.

    Raises:
        DataError: where it is neither.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise DataError(f'`data` is {str(path)!r}, which does not exist')
    if not path.is_file():
        raise DataError(f'`data` is {str(path)!r}; it must be a folder or a zip of pictures')
    return Zip(path)


def _is_picture(name):
    """Return whether a name is a picture's, and not a hidden file or what macOS adds to a zip."""
    path = PurePosixPath(name)
    junk = any(part.startswith('.') or part == '__MACOSX' for part in path.parts)
    return not junk and path.suffix.lower() in FORMATS


class Folder:
    """The pictures in a folder and the folders in it; links to files count, to folders do not.

    `names` are sorted, with `/` between folders; `making` is what the content depends on.
    """

    def __init__(self, path):
        self.path, self.making = path, [str(path.resolve())]
        found = {}
        for folder, _, files in os.walk(path):
            for file in files:
                full = Path(folder, file)
                name = full.relative_to(path).as_posix()
                if _is_picture(name):
                    found[name] = self._stamp(full)
        self.names = sorted(found)
        self.making += [[name, *found[name]] for name in self.names]

    @staticmethod
    def _stamp(path):
        try:
            status = path.stat()
        except OSError:  # a link that leads nowhere: it is named when it is read
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def read(self, name):
        """Return the bytes of a picture."""
        path = self.path / name
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise Unreadable('it is no file')
        with open(path, 'rb') as file:
            return file.read(MOST_BYTES + 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Zip:
    """The pictures in a zip, as in `Folder`.

    Raises:
        DataError: for what is no zip, is encrypted, leads out of its folder, or is a bomb.
    """

    def __init__(self, path):
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(
                f'`data` is {str(path)!r}; it must be a folder or a zip of pictures '
                f'({getattr(error, "strerror", None) or error})'
            ) from None
        try:
            self.found = {info.filename: info for info in self.zip.infolist() if _is_one(info)}
            self._judge()
        except BaseException:
            self.zip.close()
            raise
        self.names = sorted(self.found)
        self.making = [
            [name, info.CRC, info.file_size]
            for name, info in ((name, self.found[name]) for name in self.names)
        ]

    def _judge(self):
        """Raise DataError for a zip that nobody should read."""
        infos = self.found.values()
        for info in self.zip.infolist():
            if re.match(r'[/\\]|[A-Za-z]:[/\\]', info.filename) or '..' in re.split(
                r'[/\\]', info.filename
            ):
                self._refuse(f'its entry {info.filename!r} leads out of the folder it is in')
        for info in infos:
            if info.flag_bits & 1:
                self._refuse('it is encrypted; unpack it, and name the folder')
            if info.file_size > max(TRIFLE, MOST_RATIO * info.compress_size):
                self._refuse(
                    f'its entry {info.filename!r} unpacks to {info.file_size:,} bytes from '
                    f'{info.compress_size:,}, as no picture does'
                )
        total, packed = (sum(getattr(i, n) for i in infos) for n in ('file_size', 'compress_size'))
        if total > MOST_TOTAL:
            self._refuse(f'it unpacks to {total:,} bytes; {MOST_TOTAL:,} are the most')
        if packed > self.path.stat().st_size:
            self._refuse('its entries overlap')

    def _refuse(self, why):
        raise DataError(f'`data` is {str(self.path)!r}, which is not read: {why}')

    def read(self, name):
        """Return the bytes of a picture."""
        info = self.found[name]
        if stat.S_ISLNK(info.external_attr >> 16):
            raise Unreadable('it is a link')
        return self.zip.read(info) if info.file_size <= MOST_BYTES else bytes(MOST_BYTES + 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.zip.close()


def _is_one(info):
    return not info.is_dir() and _is_picture(info.filename)


def folders(names):
    """Return for each name the folder that it is in, below those that all names share.

    A name that lies beside folders has '.'.
    """
    parents = [name.split('/')[:-1] for name in names]
    shared = len(os.path.commonprefix(parents))
    return [(parent[shared:] or ['.'])[0] for parent in parents]


def decode(raw, size, channels=3):
    """Return a picture as bytes (channels, size, size): cropped to its middle, and made smaller.

    The first frame of a film is taken; what is transparent becomes white. Lanczos' filter takes
    every pixel into account that a smaller picture has no room for.

    Args:
        raw: the bytes of a PNG, JPEG, GIF or WebP file.
        size: of the square, in pixels.
        channels: 3 for colour, 1 for grey.

    Raises:
        Unreadable: with the reason.
    """
    if len(raw) > MOST_BYTES:
        raise Unreadable(f'it has more than {MOST_BYTES:,} bytes')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of a large picture, of odd remarks in a file
            with Image.open(io.BytesIO(raw), formats=[*{*FORMATS.values()}]) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Unreadable(f'it has {image.width} x {image.height} pixels')
                return _square(image, size, channels)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable('it is no PNG, JPEG, GIF or WebP') from None
    except Exception as error:  # each format has its own for a damaged file
        raise Unreadable(f'it is damaged: {error}') from None


def _square(image, size, channels):
    image.draft(None, (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I'):  # 16 bits, of which `convert` would cut off the upper 8
        image = Image.fromarray((numpy.asarray(image) // 256).clip(0, 255).astype('uint8'))
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    image = image.convert('L' if channels == 1 else 'RGB')
    square = ImageOps.fit(image, (size, size), Image.LANCZOS)
    return numpy.asarray(square).reshape(size, size, channels).transpose(2, 0, 1)

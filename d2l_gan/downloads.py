"""Fetch a file from the first address that sends it whole and right, and keep it."""

import io
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path


class DataError(RuntimeError):
    """Say in one sentence which file is missing or damaged, and what to do about it."""


class Unavailable(DataError):
    """Say that a file is neither here nor at an address that answers."""


class _Bounded(io.BytesIO):
    """Take what a mirror sends, up to a size and a moment: a mirror may be slow, or lie."""

    def __init__(self, most, seconds):
        super().__init__()
        self.most, self.deadline = most, time.monotonic() + seconds

    def write(self, chunk):
        if self.tell() + len(chunk) > self.most:
            raise DataError(f'it sends more than {self.most} bytes')
        if time.monotonic() > self.deadline:
            raise DataError('it is too slow')
        return super().write(chunk)


def fetch(path, addresses, verify, read, advice, *, most, seconds, patience=30):
    """Return `read` of a file from the first address that has it, once it is kept at `path`.

    Pooch speaks HTTP, draws the bar, tries again after a pause, and keeps the file whole or not at
    all. It knows one address a file, though, takes whatever is sent, and verifies archives, which
    differ among mirrors where their content is the same: so `first_mirror` downloads for it.

    Args:
        path: where it is kept; where that cannot be written, it is read and forgotten.
        addresses: URLs, asked in turn; when all have failed, again after 1, 2, 3, ... seconds.
        verify: callable (bytes) that raises `DataError` unless they are what is wanted.
        read: callable (path).
        advice: what a reader can do where no address has it.
        most: bytes that are taken.
        seconds: that one download may last.
        patience: seconds after which no further address is asked.

    Raises:
        Unavailable: with each address's reason.
    """
    import pooch

    problems, deadline, what = {}, time.monotonic() + patience, path.stem
    bar = sys.stderr is not None and sys.stderr.isatty()
    http = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**12, timeout=(4, 15))

    def first_mirror(_url, path, _pooch):
        for address in addresses:
            if time.monotonic() > deadline:
                break
            sent = _Bounded(most, seconds)
            try:
                http(address, sent, None)
                verify(sent.getvalue())
            except (OSError, DataError) as error:  # OSError: whatever `requests` raises
                status = getattr(getattr(error, 'response', None), 'status_code', None)
                reason = f'HTTP status {status}' if status else f'no answer, {type(error).__name__}'
                problems[os.path.dirname(address) + '/'] = (
                    str(error) if type(error) is DataError else reason
                )
            else:
                return Path(path).write_bytes(sent.getvalue())
        raise ValueError('no mirror has it')  # which lets pooch try again

    def kept_in(directory):
        pooch.get_logger().setLevel('WARNING')  # it would name one mirror, whichever is asked
        pauses = int((2 * patience + 0.25) ** 0.5 - 0.5)  # so many of 1, 2, 3, ... seconds fit
        store = pooch.create(directory, '', registry={path.name: None}, retry_if_failed=pauses)
        return read(store.fetch(path.name, downloader=first_mirror))

    try:
        try:
            return kept_in(path.parent)
        except OSError as error:
            warnings.warn(f'{what} is not kept, but fetched anew: {error}', stacklevel=3)
            with tempfile.TemporaryDirectory() as directory:
                return kept_in(directory)
    except ValueError:
        whys = {*problems.values()} or {'none is listed'}
        if len(whys) > 1:
            whys = [f'{mirror} {why}' for mirror, why in problems.items()]
        raise Unavailable(
            f'{what} can be had from no mirror ({", ".join(whys)}); {advice}'
        ) from None

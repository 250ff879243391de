"""A file is the old one or the new one, never half of one."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from d2l_gan import __version__, files

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    'data, expected',
    [
        (b'\x00\xff', b'\x00\xff'),
        ('Grüße\n', 'Grüße\n'.encode()),
        (lambda file: file.write(b'from a callable'), b'from a callable'),
    ],
)
def test_writes_and_makes_parents(tmp_path, data, expected):
    path = tmp_path / 'a' / 'b c' / 'file'
    files.write_whole(path, data)
    assert path.read_bytes() == expected
    assert os.listdir(path.parent) == ['file']


def test_is_readable_by_others_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        files.write_whole(tmp_path / 'file', b'')
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / 'file').stat().st_mode) == 0o644


def test_keeps_the_old_file_where_writing_fails(tmp_path):
    path = tmp_path / 'file'
    files.write_whole(path, 'old')

    def fails(file):
        file.write(b'half of the new')
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        files.write_whole(path, fails)
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']


def test_keeps_the_old_file_where_renaming_fails(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    files.write_whole(path, 'old')
    monkeypatch.setattr(os, 'replace', lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(path, 'new')
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']


def test_reaches_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda handle: (done.append('fsync'), fsync(handle)))
    monkeypatch.setattr(os, 'replace', lambda *paths: (done.append('replace'), replace(*paths)))
    files.write_whole(tmp_path / 'file', b'data')
    assert done == ['fsync', 'replace', 'fsync']


def test_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / 'file'
    size = 300_000
    code = f"""
from d2l_gan import files
for byte in range(256):
    files.write_whole({str(path)!r}, bytes([byte]) * {size})
"""
    for delay in (0.0, 0.02, 0.05):
        writer = subprocess.Popen([sys.executable, '-c', code], cwd=ROOT)
        while not path.exists():
            time.sleep(0.001)
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        data = path.read_bytes()
        assert len(data) == size and len(set(data)) == 1
        path.unlink()


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)


@given(st.dictionaries(st.text(), st.lists(numbers) | st.text() | st.booleans() | st.none()))
def test_json_comes_back_as_it_was(tmp_path_factory, obj):
    path = tmp_path_factory.mktemp('json') / 'scores.json'
    files.write_json(path, obj)
    assert json.loads(path.read_text(encoding='utf-8')) == obj


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_json_refuses_what_is_no_json(tmp_path, value):
    with pytest.raises(ValueError, match='Out of range float'):
        files.write_json(tmp_path / 'scores.json', {'w2': value})
    assert os.listdir(tmp_path) == []


def test_caches_where_the_user_s_caches_are(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    directory = files.cache_dir()
    assert directory.name == 'd2l_gan'
    if sys.platform == 'linux':
        assert directory == tmp_path / 'd2l_gan'


def test_outputs_go_under_build():
    assert files.output_dir('gaussian') == Path('build/gaussian')


def test_versions_are_those_that_are_imported():
    import matplotlib
    import mxnet
    import numpy

    found = files.versions()
    assert list(found) == ['python', 'numpy', 'mxnet', 'd2l', 'matplotlib', 'd2l_gan']
    assert found['python'] == '.'.join(map(str, sys.version_info[:3]))
    assert (found['numpy'], found['mxnet']) == (numpy.__version__, mxnet.__version__)
    assert (found['matplotlib'], found['d2l_gan']) == (matplotlib.__version__, __version__)
    json.dumps(found)


def test_a_version_that_is_missing_is_none(monkeypatch):
    def missing(name):
        raise files.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(files.metadata, 'version', missing)
    assert files.versions()['d2l'] is None

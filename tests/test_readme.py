"""The snippets of README run as they stand."""

import re
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / 'README.md').read_text(encoding='utf-8')
SNIPPETS = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)


@pytest.mark.parametrize('number', range(len(SNIPPETS)))
def test_each_snippet_runs(number, tmp_path, monkeypatch, capsys):
    if 'export_onnx' in SNIPPETS[number]:
        pytest.importorskip('onnx')
    if 'xla' in SNIPPETS[number]:
        pytest.importorskip('jax')
    monkeypatch.chdir(tmp_path)
    numpy.save('mine.npy', numpy.random.RandomState(0).normal(size=(200, 3)))
    exec(
        compile(SNIPPETS[number], f'snippet {number} of README.md', 'exec'), {'__name__': 'snippet'}
    )


def test_there_are_snippets_for_what_is_claimed():
    assert len(SNIPPETS) >= 4
    for word in (
        'numpy.load',
        'callbacks=',
        'resume=',
        'export_onnx',
        'latent_dim',
        'pack',
        'train_many',
    ):
        assert any(word in snippet for snippet in SNIPPETS), word

"""A name becomes a context, or an error that says what is there."""

import sys

from d2l_gan import devices

import mxnet as mx
import numpy
import pytest


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that sets how many GPUs there seem to be."""
    return lambda number: monkeypatch.setattr(mx.context, 'num_gpus', lambda: number)


@pytest.mark.parametrize(
    'spec, kind, number',
    [('cpu', 'cpu', 0), ('cpu(0)', 'cpu', 0), ('cpu(1)', 'cpu', 1), (mx.cpu(1), 'cpu', 1)],
)
def test_names_a_cpu(spec, kind, number):
    found = devices.device(spec)
    assert (found.device_type, found.device_id) == (kind, number)
    assert float(mx.np.ones(3, ctx=found).sum()) == 3


@pytest.mark.parametrize('spec', ['gpu', 'gpu(0)', 'gpu(1)', mx.gpu(1)])
def test_names_a_gpu_that_is_there(gpus, spec):
    gpus(2)
    found = devices.device(spec)
    assert found == mx.gpu(1 if '1' in str(spec) else 0)


def test_default_is_the_textbook_s_answer(gpus):
    d2l = pytest.importorskip('d2l.mxnet')
    assert devices.device() == d2l.try_gpu()
    gpus(0)
    assert devices.device() == mx.cpu()
    gpus(1)
    assert devices.device() == mx.gpu(0)


@pytest.mark.parametrize('spec', ['GPU', 'tpu', 'cpu(-1)', 'gpu()', 'gpu(0', '', 'cpu:0', 0, 1.5])
def test_refuses_what_names_no_device(spec):
    with pytest.raises(ValueError) as error:
        devices.device(spec)
    assert str(error.value) == (
        f'`device` is {spec!r}; it must be "cpu", "gpu", one with a number as in "gpu(1)", '
        'or an MXNet context'
    )


@pytest.mark.parametrize('spec', ['cpu(99999999999)', 'cpu(1000)', mx.cpu(70000)])
def test_refuses_a_number_that_no_machine_has(spec):
    with pytest.raises(ValueError, match=r'`device` is .*; its number must be below 1000'):
        devices.device(spec)


@pytest.mark.parametrize('spec', ['gpu', 'gpu(0)', mx.gpu(0)])
def test_a_cpu_build_names_the_extra(gpus, monkeypatch, spec):
    gpus(0)
    monkeypatch.setattr(mx.runtime.Features, 'is_enabled', lambda self, name: False)
    with pytest.raises(RuntimeError) as error:
        devices.device(spec)
    assert str(error.value) == (
        f'`device` is "{spec}"; only "cpu" is here, because this MXNet is built without GPUs; '
        "with an NVIDIA GPU on Linux, install the extra: pip install 'd2l_gan[gpu]'"
    )


def test_a_gpu_build_without_a_driver_points_at_the_driver(monkeypatch):
    def no_driver():
        raise mx.MXNetError('CUDA driver version is insufficient')

    monkeypatch.setattr(mx.context, 'num_gpus', no_driver)
    monkeypatch.setattr(mx.runtime.Features, 'is_enabled', lambda self, name: name == 'CUDA')
    assert devices.device() == mx.cpu()
    with pytest.raises(RuntimeError, match='no NVIDIA driver or GPU answers .*nvidia-smi'):
        devices.device('gpu')


def test_a_gpu_too_many_lists_those_that_are_there(gpus):
    gpus(2)
    with pytest.raises(RuntimeError) as error:
        devices.device('gpu(2)')
    assert str(error.value) == (
        '`device` is "gpu(2)"; it must be one of the devices that are here: '
        '"cpu", "gpu(0)", "gpu(1)"'
    )


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux alone')
@pytest.mark.parametrize('spec', ['cpu(0)', 'cpu(3)'])
def test_mxnet_flushes_denormals_and_numpy_does_not(spec):
    device = devices.device(spec)
    tiny = mx.np.full((4,), 1e-30, ctx=device)
    assert float((tiny * 1e-10).max()) == 0
    assert float((tiny * 1e-7).max()) > 0
    assert (numpy.full(4, 1e-30, 'float32') * numpy.float32(1e-10)).max() > 0

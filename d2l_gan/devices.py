"""Turn "cpu", "gpu" or "gpu(1)" into a context, with a clear error before any work is done."""

import re

import mxnet as mx


def num_gpus():
    """Return how many GPUs this MXNet can use: 0 on a CPU build and without a driver."""
    try:
        return mx.context.num_gpus()
    except mx.MXNetError:  # a GPU build on a machine without a driver
        return 0


def device(spec=None):
    """Return the context that `spec` names.

    `spec` is "cpu", "cpu(1)", "gpu", "gpu(0)", a Context, or None: the first GPU if there is one,
    else the CPU, which is the answer of the textbook's `try_gpu` (section 6.7).

    Raises ValueError where `spec` names no device, RuntimeError where that GPU is not there.
    """
    if spec is None:
        return mx.gpu(0) if num_gpus() else mx.cpu()
    if isinstance(spec, mx.Context):
        name = str(spec)
        kind, number = spec.device_type, spec.device_id
    else:
        name = spec
        match = re.fullmatch(r'(cpu|gpu)(?:\((\d+)\))?', spec) if isinstance(spec, str) else None
        if not match:
            raise ValueError(
                f'`device` is {spec!r}; it must be "cpu", "gpu", one with a number as in "gpu(1)", '
                'or an MXNet context'
            )
        kind, number = match.group(1), int(match.group(2) or 0)
    if kind == 'gpu' and number >= num_gpus():
        raise RuntimeError(f'`device` is "{name}"; {_what_is_there()}')
    return spec if isinstance(spec, mx.Context) else mx.Context(kind, number)


def _what_is_there():
    found = num_gpus()
    if found:
        names = ', '.join(f'"gpu({number})"' for number in range(found))
        return f'it must be one of the devices that are here: "cpu", {names}'
    if mx.runtime.Features().is_enabled('CUDA'):
        return (
            'only "cpu" is here: this MXNet is built for GPUs, but no NVIDIA driver or GPU answers '
            '(does `nvidia-smi` list one?)'
        )
    return (
        'only "cpu" is here, because this MXNet is built without GPUs; '
        "with an NVIDIA GPU on Linux, install the extra: pip install 'd2l_gan[gpu]'"
    )

"""Turn "cpu", "gpu" or "gpu(1)" into a context, with a clear error before any work is done.

On Linux, MXNet's CPU threads are told to take numbers below 1.2e-38 for 0. The gradients and
moments of a player that is losing go down there, and an x86-64 processor takes some 50 times as
long for each of them. NumPy, which works in Python's own thread, keeps them.
"""

import ctypes
import os
import platform
import re
import sys
from typing import NamedTuple

from d2l_gan import check, cluster

import mxnet as mx
from mxnet.base import _LIB, check_call

_flushing = set()  # CPU contexts that do
# Which word of fenv_t, and which of its bits: MXCSR's FTZ and DAZ, FPCR's FZ.
_FLUSH = {'x86_64': (7, 0x8040), 'aarch64': (0, 1 << 24)}


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
    if number >= 1000:  # MXNet makes room for as many, and threads for the one
        raise ValueError(f'`device` is {str(name)!r}; its number must be below 1000')
    if kind == 'cpu':
        flush_denormals(number)
    return spec if isinstance(spec, mx.Context) else mx.Context(kind, number)


def home(spec=None):
    """Return the context of what Gluon has for a `spec` as of `device`.

    That of a GPU which JAX alone has is the CPU.
    """
    return device('cpu' if of_jax(spec, 'auto') else spec)


class Where(NamedTuple):
    """Where a game is played.

    `contexts` are MXNet's: the first has all that callbacks look at, more of them share each batch.
    `jax_devices` are JAX's, which share each batch if they are several; none for JAX's first CPU.
    """

    contexts: list
    jax_devices: list = ()

    @property
    def count(self):
        """Return how many share a batch."""
        return max(len(self.contexts), len(self.jax_devices))

    def given(self):
        """Return what an engine has to be told, by keyword."""
        several = {'contexts': self.contexts} if len(self.contexts) > 1 else {}
        return {**several, 'jax_devices': list(self.jax_devices)}

    def share(self, batch_size):
        """Raise ValueError where so many examples cannot be shared evenly."""
        if batch_size % self.count:
            check.fail('devices', self.count, f'a divisor of the size of a batch, {batch_size}')


def where(one=None, several=None, engine='auto'):
    """Return `Where` a game is played, for `device`, `devices` and `engine` as of `train.train`.

    Raises:
        ValueError: where one of them names no device, or the engine plays on one alone.
        RuntimeError: where a device is not there.
    """
    kind, numbers = (None, [0]) if several is None else _asked(several, one)
    together = cluster.team() is not None
    if together and engine in ('textbook', 'symbol'):
        check.fail('engine', engine, "'xla' where several processes play together")
    if len(numbers) == 1 and not together:
        spec = f'{kind}({numbers[0]})' if kind else one
        gpu = of_jax(spec, engine)
        return Where([device('cpu' if gpu else spec)], [gpu] if gpu else [])
    if engine == 'symbol':
        check.fail('engine', engine, "'xla' or 'textbook' where `devices` are several")
    if engine == 'textbook':
        kind = kind or ('gpu' if num_gpus() else 'cpu')
        return Where([device(f'{kind}({number})') for number in numbers])
    try:
        from d2l_gan.xla import runtime
    except ImportError:
        raise ValueError(
            f"`devices` is {several!r}, which needs JAX, pip install 'd2l_gan[xla]', or the "
            "`engine` 'textbook'"
        ) from None
    if several is None and one is not None:
        kind, numbers = _asked([str(one) if '(' in str(one) else f'{one}(0)'], None)
    return Where([device('cpu')], runtime.several(kind, numbers))


def _asked(several, one):
    """Return the kind of devices, None for whatever is there, and their numbers."""
    if isinstance(several, str):
        several = several.strip()
        several = int(several) if several.isdigit() else re.split(r'\s*,\s*', several)
    if isinstance(several, int) and several is not True and several > 0:
        return one if one is None else str(one).partition('(')[0], list(range(several))
    names = several if isinstance(several, (list, tuple)) else ()
    found = [re.fullmatch(r'(cpu|gpu)\((\d+)\)', str(name)) for name in names]
    kinds = {match and match.group(1) for match in found}
    if len(kinds) != 1 or None in kinds or len({*map(str, names)}) < len(names):
        rule = 'how many devices, or the names of some of one kind, as in "gpu(0),gpu(1)"'
        check.fail('devices', several, rule)
    if one is not None:
        check.fail('device', one, 'left out, since `devices` has names')
    return kinds.pop(), [int(match.group(2)) for match in found]


def of_jax(spec, engine):
    """Return the GPU that JAX is to compute on, whatever MXNet was built for, or None.

    `spec` is as for `device`. A GPU that MXNet can use itself is JAX's only where the `engine` is
    'xla'; so is the first GPU where `spec` is None.
    """
    match = re.fullmatch(r'gpu(?:\((\d+)\))?', 'gpu' if spec is None else str(spec))
    number = int(match.group(1) or 0) if match else 0
    ours = engine == 'xla' or (engine == 'auto' and spec is not None and number >= num_gpus())
    if not match or not ours:
        return None
    try:
        from d2l_gan.xla import runtime
    except ImportError:  # JAX is an extra
        return None
    return dict(enumerate(runtime.devices('gpu'))).get(number)


def _of_jax():
    """Return what JAX has beside it, in brackets, or ''."""
    numbers = range(num_gpus(), num_gpus() + 10)
    found = [f'gpu({number})' for number in numbers if of_jax(f'gpu({number})', 'xla')]
    return f" (JAX has {', '.join(found)}, for the engines 'xla' and 'auto')" if found else ''


def _what_is_there():
    found = num_gpus()
    if found:
        names = ', '.join(f'"gpu({number})"' for number in range(found))
        return f'it must be one of the devices that are here: "cpu", {names}{_of_jax()}'
    if mx.runtime.Features().is_enabled('CUDA'):
        return (
            'only "cpu" is here: this MXNet is built for GPUs, but no NVIDIA driver or GPU answers '
            '(does `nvidia-smi` list one?)'
        )
    return 'only "cpu" is here, because this MXNet is built without GPUs' + (
        _of_jax() or "; with an NVIDIA GPU on Linux, install the extra: pip install 'd2l_gan[gpu]'"
    )


class _Context(ctypes.Structure):
    _fields_ = [('kind', ctypes.c_int), ('number', ctypes.c_int32)]


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
def _flush(*_):
    libm, state = ctypes.CDLL('libm.so.6'), (ctypes.c_uint32 * 8)()  # fenv_t
    libm.fegetenv(state)
    word, bits = _FLUSH[platform.machine()]
    state[word] |= bits
    libm.fesetenv(state)


def flush_denormals(number=0):
    """Let the thread of cpu(number), and those that it starts, take denormal numbers for 0."""
    able = sys.platform == 'linux' and platform.machine() in _FLUSH
    if number in _flushing or not able or os.environ.get('MXNET_ENGINE_TYPE') == 'NaiveEngine':
        return
    _flushing.add(number)
    context = _Context(mx.cpu().device_typeid, number)
    engine = ctypes.byref(context), None, 0, None, 0, None, 0, None
    check_call(_LIB.MXEnginePushSync(_flush, None, None, *engine))  # it calls _flush in that thread
    mx.nd.waitall()


flush_denormals()  # before OpenMP starts threads of its own

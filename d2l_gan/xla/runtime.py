"""JAX itself: its threads, its precision, and the programs that it has compiled before.

JAX keeps its settings per process, and the process may be somebody else's. So what is set here is
set back as soon as it has had its effect.
"""

import contextlib
import hashlib
import os
import platform

from d2l_gan.files import cache_dir

import jax
from jax.experimental.compilation_cache import compilation_cache


@contextlib.contextmanager
def _environment(**values):
    """Let environment variables that are not set have these values inside a `with` block."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def devices(kind):
    """Return JAX's devices of a kind, 'cpu' or 'gpu', that this process has; [] for none.

    The first call starts JAX, if nobody has; its CPU then has as many threads as OpenMP is to have.
    """
    threads = os.environ.get('OMP_NUM_THREADS', '')
    with _environment(**({'NPROC': threads} if threads.isdigit() else {})):
        try:
            return jax.local_devices(backend=kind)
        except RuntimeError:  # of another kind than what JAX was installed for
            return []


def several(kind, numbers):
    """Return JAX's devices of these numbers, of a kind, or of GPUs where there are any.

    Where several processes play together, they are those of each process, one after the other.

    A CPU is one device, unless JAX is told before it starts to part it into more; so that is done.

    Raises:
        RuntimeError: where not all of them are there.
    """
    flags = os.environ.get('XLA_FLAGS', '')
    # JAX 0.4 does not know the variable, and its configuration has no such name.
    told = 'JAX_NUM_CPU_DEVICES' in os.environ and hasattr(jax.config, 'jax_num_cpu_devices')
    if 'host_platform_device_count' not in flags and not told:
        flags += f' --xla_force_host_platform_device_count={max(numbers) + 1}'
    before = os.environ.get('XLA_FLAGS')
    os.environ['XLA_FLAGS'] = flags
    try:
        found = dict(enumerate((devices('gpu') if kind != 'cpu' else []) or devices(kind or 'cpu')))
    finally:
        if before is None:
            del os.environ['XLA_FLAGS']
        else:
            os.environ['XLA_FLAGS'] = before
    if not {*numbers} <= {*found}:
        here = {device.platform for device in found.values()} or {kind}
        raise RuntimeError(
            f'`devices` asks for number {max(numbers)}, and JAX has {len(found)} of the kind '
            f'{here.pop()!r}; a CPU is parted before JAX starts: set XLA_FLAGS='
            f'--xla_force_host_platform_device_count={max(numbers) + 1}'
        )
    if jax.process_count() == 1:
        return [found[number] for number in numbers]
    everyone = jax.devices(found[0].platform)
    places = [[d for d in everyone if d.process_index == i] for i in range(jax.process_count())]
    if min(map(len, places)) <= max(numbers):
        raise RuntimeError(f'`devices` asks for number {max(numbers)}; not every process has it')
    return [place[number] for place in places for number in numbers]


def precision(dtype):
    """Return a context in which JAX computes with `dtype`, though that be float64."""
    wide = str(dtype) == 'float64'
    # Asked for by name: a setting of JAX 0.11 has no truth value.
    switch = jax.enable_x64 if hasattr(jax, 'enable_x64') else jax.experimental.enable_x64
    return switch(wide)


def options(device):
    """Return what the compiler is to be told for a device of JAX's, as it names that, or None.

    For a GPU XLA tries kernels, and takes whichever was the quickest that time; some of them add up
    in any order. The same seed is to have the same bits, so it is told not to, whatever that costs:
    `make gpu` times both.
    """
    return {'xla_gpu_deterministic_ops': True} if device.platform == 'gpu' else None


def slowed_by_loops(state, convolves, device):
    """Return whether a game takes longer in XLA's loop than it does a step at a call.

    On a CPU, convolutions do: in a loop the DCGAN's step took six to ten times as long with JAX
    0.4.30, 0.11 and 0.12. And the compiler of JAX 0.4 copies in each turn what a step moves: with
    JAX 0.4.30 the deep chapter's step took half as long again. That of JAX 0.7 does not.

    Args:
        state: an array that holds what moves.
        convolves: whether there are convolutions.
        device: JAX's.
    """
    copies = jax.__version_info__ < (0, 5) and state.nbytes > 2**20
    return device.platform == 'cpu' and (convolves or copies)


def _directory():
    """Return where this machine keeps its programs: another processor may not run them."""
    known = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
        known += sorted({line for line in file if line.startswith(('flags', 'Features', 'model'))})
    return cache_dir() / 'xla' / hashlib.sha256('\n'.join(known).encode()).hexdigest()[:16]


@contextlib.contextmanager
def keeping():
    """Keep what is compiled inside a `with` block for the next process, and use what was kept.

    A cache that somebody has set up already is used instead.
    """
    wanted = {
        'jax_compilation_cache_dir': str(_directory()),
        'jax_persistent_cache_min_compile_time_secs': 0,
        'jax_persistent_cache_min_entry_size_bytes': -1,
    }
    if jax.config.jax_compilation_cache_dir:
        yield
        return
    before = {name: getattr(jax.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # it looks at the settings once
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()

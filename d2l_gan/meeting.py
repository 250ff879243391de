"""Where the processes of a game meet: what the launcher knows, and the addresses they listen on."""

import contextlib
import functools
import inspect
import os
import socket


def launched(seconds):
    """Return what JAX knows from whoever has started this process: address, number and rank.

    JAX would listen on all addresses there; asked before, it is handed the one.
    """
    from jax._src.clusters import ClusterEnv

    find = ClusterEnv.auto_detect_unset_distributed_params
    names = inspect.signature(find).parameters  # newer versions have one more
    found = find(**{**dict.fromkeys(names), 'initialization_timeout': seconds})[:3]
    if None in found:
        raise ValueError(
            "`coordinator` is 'auto', and JAX finds no Slurm, Open MPI or Kubernetes here; say "
            'HOST:PORT, `num_processes` and `process_id`'
        )
    return found


def free(coordinator, host, port):
    """Return where process 0 is to listen, or raise RuntimeError: JAX would share the port."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        raise RuntimeError(
            f'`coordinator` is {coordinator!r}, where process 0 cannot listen: {error.strerror}'
        ) from error
    nodes = int(os.environ.get('SLURM_STEP_NUM_NODES', 1))
    if nodes > 1 and address[0] != host and address[0].startswith('127.'):
        return f'[::]:{port}'  # a name that leads elsewhere on the other nodes, as Debian sets it
    return coordinator


def let_gloo_listen(host, port):
    """Let gloo listen where this machine would reach the coordinator from, and nowhere else.

    By itself it takes what the machine's name leads to: a rehearsal at 127.0.0.1 would be open to
    the whole network. JAX has no argument for it, but what it calls has.
    """
    from jax._src.lib import xla_client

    with contextlib.suppress(OSError):  # a name that is not known yet
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # which sends nothing
            here = probe.getsockname()[0]
        make = xla_client._xla.make_gloo_tcp_collectives
        xla_client._xla.make_gloo_tcp_collectives = functools.partial(make, hostname=here)

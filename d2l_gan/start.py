"""Before the first step: one look at a batch, the networks meet, and the weights are drawn.

What cannot be right is said here, by the name of the argument that is to blame, before anything
has moved.
"""

import warnings

from d2l_gan import check, graph
from d2l_gan.engines import adapter
from d2l_gan.noise import NUM_FIXED, PRIORS, Noise, seeded

import mxnet as mx
import numpy
from mxnet import MXNetError, gluon, np


def settle():
    """Wait for whatever was told to MXNet before; raise RuntimeError if that had failed."""
    try:
        mx.nd.waitall()
    except MXNetError as error:
        raise RuntimeError(
            f'an operation that was started before this call has failed: {first_line(error)}'
        ) from error


def first_line(error):
    """Return the sentence in an error of MXNet, without its stack of C++."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if 'Check failed' in line or 'Error' in line] or lines
    return told[0] if told else type(error).__name__


def separate(net_D, net_G):
    """Raise ValueError where the players share a parameter: each update would move both."""
    shared = {id(p): name for name, p in net_D.collect_params().items()}
    for p in net_G.collect_params().values():
        if id(p) in shared:
            raise ValueError(
                f'`net_D` and `net_G` share `{shared[id(p)]}`; each must have parameters of its own'
            )


def split(batch):
    """Return (X, condition) of a batch, which is X, (X,) or (X, condition), as MXNet's arrays."""
    parts = batch if isinstance(batch, (list, tuple)) else (batch,)
    parts = [part if isinstance(part, np.ndarray) else as_array(part) for part in parts[:2]]
    return parts[0], parts[1] if len(parts) == 2 else None


def as_array(part):
    """Return NumPy's or another array as MXNet's, of its own dtype."""
    part = numpy.asarray(part)
    return np.array(part, dtype=part.dtype)


def first_batch(data_iter, conditional):
    """Return (X, condition) of the first batch, once it is found to be one."""
    try:
        batches = iter(data_iter)
    except TypeError as error:
        raise TypeError(
            f'`data_iter` is a {type(data_iter).__name__}; it must be an iterable of batches'
        ) from error
    if batches is data_iter:
        raise ValueError(
            f'`data_iter` is a {type(data_iter).__name__}, exhausted after one pass; it must '
            'start anew in each epoch, as what `d2l.load_array` returns does'
        )
    for batch in batches:
        X, condition = split(batch)
        check.rows('data_iter', X, least=2)
        if not conditional:
            return X, None
        if condition is None or len(condition) != len(X):
            shape = None if condition is None else condition.shape
            raise ValueError(
                f'`data_iter` gives {len(X)} examples with conditions of shape {shape}; networks '
                'that take a condition need batches (X, condition), one for each example'
            )
        return X, condition
    raise ValueError('`data_iter` is empty; it must give at least one batch')


def conditional(net_D, net_G):
    """Return whether the players take a condition; raise ValueError where only one does."""
    D, G = adapter.takes_condition(net_D), adapter.takes_condition(net_G)
    if D != G:
        one, other = ('net_D', 'net_G') if D else ('net_G', 'net_D')
        raise ValueError(f'`{one}` takes a condition and `{other}` does not; both must, or neither')
    return D


def prepare(net_D, net_G, data_iter, latent_dim, prior, initializer, seed, device):
    """Let the networks meet on the first batch and draw their weights.

    Returns:
        The sample (X, Z, condition) that shows the shapes, the `Noise`, the fixed latent batch and
        its conditions, None without.
    """
    settle()
    separate(net_D, net_G)
    if not callable(PRIORS.get(prior, prior) if isinstance(prior, str) else prior):
        check.fail('prior', prior, f'a callable or one of {list(PRIORS)}')
    with seeded(seed, 0):
        X, condition = first_batch(data_iter, conditional(net_D, net_G))
    noise = Noise(prior, latent_dim, device, X.dtype)
    X, condition = (a if a is None else a.as_in_ctx(device) for a in (X, condition))
    with seeded(seed, 0):
        for name, net in (('net_D', net_D), ('net_G', net_G)):
            if adapter.has_weights(net):
                # They still stand: a wrong call must not cost a trained network.
                net.collect_params().reset_ctx(device)
            else:
                draw(name, net, initializer, device)
            fits(name, net, X)
        Z = meet(net_D, net_G, X, condition, noise, initializer)
        noise.forget()
    with seeded(seed, 0):  # again, since shapes that were unknown until now have drawn numbers
        for name, net in (('net_D', net_D), ('net_G', net_G)):
            if initializer is not None:
                draw(name, net, initializer, device)
        fixed_Z = noise(NUM_FIXED).copy()
    fixed = condition
    if condition is not None:
        fixed = np.concatenate([condition] * -(-NUM_FIXED // len(condition)))[:NUM_FIXED]
    return (X, Z, condition), noise, fixed_Z, fixed


def draw(name, net, initializer, device):
    """Initialise a network; raise ValueError where there is no initializer, or it fails."""
    if initializer is None:
        try:
            for p in net.collect_params().values():
                p.list_ctx()
        except RuntimeError as error:
            raise ValueError(
                f'`initializer` is None, but `{name}` has no weights yet; initialize it, or leave '
                '`initializer` out'
            ) from error
        return
    net.initialize(init=initializer, force_reinit=True, ctx=device)
    found = [p for p in net.collect_params().values() if numpy.prod(p.shape or 0) > 0]
    if not all(bool(np.isfinite(p.data()).all()) for p in found):
        probe(initializer, found[0].dtype)


def probe(initializer, dtype):
    """Raise ValueError where an initializer cannot draw finite weights of some dtype."""
    told = initializer.dumps() if hasattr(initializer, 'dumps') else repr(initializer)
    weight = gluon.Parameter('weight', shape=(3, 3), dtype=dtype)
    try:
        weight.initialize(initializer)
        weight.data().wait_to_read()
    except (MXNetError, ValueError) as error:
        double = numpy.dtype(dtype) == 'float64'
        cast = '; MXNet draws float32: initialize, cast, then `initializer=None`' if double else ''
        raise ValueError(
            f'`initializer` is {told}; it fails ({first_line(error)}){cast}'
        ) from error
    if not bool(np.isfinite(weight.data()).all()):
        raise ValueError(f'`initializer` is {told}; the weights that it draws must be finite')


def fits(name, net, X):
    """Raise ValueError where a network's weights and the examples differ in dtype."""
    for p in net.collect_params().values():
        if numpy.dtype(p.dtype) != X.dtype:
            raise ValueError(
                f'`data_iter` gives {X.dtype} and `{name}` has {numpy.dtype(p.dtype)} weights; '
                f"cast the examples, X.astype('{numpy.dtype(p.dtype)}'), or the network, "
                f"{name}.cast('{X.dtype}')"
            )


def meet(net_D, net_G, X, condition, noise, initializer):
    """Let G make two examples, D judge a batch; return the noise, or raise ValueError."""
    Z = noise(len(X))
    if not isinstance(Z, np.ndarray) or Z.shape != (len(X), *noise.shape):
        told = f'{type(Z).__module__}.{type(Z).__name__}', getattr(Z, 'shape', None)
        raise ValueError(
            f'`prior` returned a {told[0]} of shape {told[1]}; it must return an array of MXNet, '
            f'of the shape that it is asked for'
        )
    inputs = [a for a in (Z, condition) if a is not None]
    latent = noise.shape if len(noise.shape) > 1 else noise.shape[0]
    rule = f'`latent_dim` is {latent}; `net_G` must take noise that wide'
    fake_X = forward(net_G, inputs, rule, initializer)
    if fake_X.shape[1:] != X.shape[1:]:
        raise ValueError(
            f'`net_G` makes examples of shape {fake_X.shape[1:]}; they must have the shape of the '
            f'examples in `data_iter`, {X.shape[1:]}'
        )
    pack = getattr(net_D, 'pack', 1)
    rows = check.whole('net_D.pack', pack) and len(X) // pack
    if rows == 0:
        raise ValueError(f'`net_D.pack` is {pack}; a batch has only {len(X)} examples')
    rule = f'`net_D` must take the batches of `data_iter`, whose shape is {X.shape}'
    packed = (adapter.packed(a, pack) for a in (X, condition) if a is not None)
    real_Y = forward(net_D, list(packed), rule, initializer)
    if real_Y.size != rows or real_Y.shape[0] != rows:
        raise ValueError(
            f'`net_D` gives shape {real_Y.shape} for {rows} examples; it must give one logit '
            'for each'
        )
    return Z


def forward(net, inputs, rule, initializer):
    """Return net(*inputs), computed; where that fails raise ValueError with what is to blame."""
    try:
        Y = net(*inputs)
        Y.wait_to_read()
    except (MXNetError, AssertionError, RuntimeError, ValueError, TypeError) as error:
        if initializer is not None:
            probe(initializer, inputs[0].dtype)
        widths = [p.shape for p in net.collect_params().values() if p.shape]
        raise ValueError(
            f'{rule}, but its first weight has shape {widths[0] if widths else "unknown"} '
            f'({first_line(error)})'
        ) from error
    return Y


def tell_sigmoid(net_D, objective):
    """Warn where D ends in a sigmoid although the objective takes logits."""
    if objective.name == 'least_squares':  # its labels are 0 and 1, as a sigmoid's answers
        return
    try:
        names = ('X', 'condition')[: 1 + adapter.takes_condition(net_D)]
        last = graph.trace(net_D, *names).operators()[-1]
    except (graph.NoGraph, IndexError):  # what has no graph is looked at no further
        return
    if last.op == '_npx_sigmoid' or last.attrs.get('act_type') == 'sigmoid':
        warnings.warn(
            f'`net_D` ends in a sigmoid, but `objective` {objective.name!r} takes logits and '
            'applies one itself: leave the last sigmoid out',
            stacklevel=3,
        )


class Feed:
    """Iterate over an epoch's (X, condition), on the game's device.

    The condition is None where none is asked. An engine that takes many batches at once may look at
    `data_iter`, where they come from.
    """

    def __init__(self, game):
        self.data_iter, self.device, self.watchers = game.data_iter, game.device, game.watchers
        self.conditional = game.fixed_condition is not None

    def __iter__(self):
        for batch in self.data_iter:
            for watch in self.watchers[:]:
                watch()
            X, condition = split(batch)
            if len(X) == 0:
                raise ValueError(f'`data_iter` gave an empty batch, of shape {X.shape}')
            condition = condition.as_in_ctx(self.device) if self.conditional else None
            yield X.as_in_ctx(self.device), condition


def blame(game, error):
    """Return what to raise for a loss that is not finite: were the examples finite?"""
    with seeded(game.seed, game.epoch + 1):  # the same order again
        for number, (X, _) in enumerate(Feed(game), 1):
            if number == error.step:
                if not numpy.isfinite(X.asnumpy()).all():
                    return ValueError(
                        f'`data_iter` gave NaN or infinity in epoch {game.epoch + 1}, batch '
                        f'{number}; examples must be finite'
                    )
                break
    player = error.column.replace('loss_', '')
    return FloatingPointError(
        f'{error.column} became {error.value} in epoch {game.epoch + 1}, step {error.step}; a '
        f'smaller `lr_{player}` than {game.rates.get(player)} may keep it finite'
    )

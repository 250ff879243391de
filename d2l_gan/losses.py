r"""Adversarial losses on logits, as Gluon losses: `loss(pred, label)`.

Conventions, the same for every loss here:

- `pred` is what `net_D` returns: one *logit* $x$ per example. The probability of being real is
  $\sigma(x) = 1/(1 + e^{-x})$.
- `label` is 1 where D should answer "real" and 0 where it should answer "fake". `update_D` passes
  ones with real examples and zeros with fakes; `update_G` passes ones with fakes, because G wants
  them taken for real. A batch may mix both labels.
- The result has the shape `(batch,)`. `loss_D` in a history is the book's: *half* the sum of the
  real and the fake part.

"At equilibrium" below means that G's distribution is the data's and D does its best against it.
"""

from typing import NamedTuple

from d2l_gan import check

from mxnet import gluon


class _LogitLoss(gluon.loss.Loss):
    """Shape the label like the prediction, apply a formula, average each example's logits."""

    def __init__(self, **kwargs):
        super().__init__(weight=None, batch_axis=0, **kwargs)

    def hybrid_forward(self, F, pred, label):
        # Without this, (N, 1) logits against (N,) labels would broadcast to (N, N) without a word.
        label = F.npx.reshape_like(label, pred)
        return F.npx.batch_flatten(self.formula(F, pred, label)).mean(axis=1)

    def formula(self, F, pred, label):
        """Return the loss of each logit; `F` is `mx.nd` when run at once, `mx.sym` in a graph."""
        raise NotImplementedError


def _softplus(F, x):
    # log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), and -|x| = x - 2 max(x, 0). exp cannot overflow,
    # and the slope is right to all digits, also at exactly 0, whatever slope relu is given there.
    positive = F.npx.relu(x)
    return positive + F.np.log1p(F.np.exp(x - 2 * positive))


def _cross_entropy(F, pred, label):
    return label * _softplus(F, -pred) + (1 - label) * _softplus(F, pred)


class SigmoidLoss(_LogitLoss):
    r"""Binary cross-entropy: $-y' \log \sigma(x) - (1 - y') \log(1 - \sigma(x))$.

    Here $y' = (1 - s) y$. For D it is the loss of the original game; for G (`label` 1) it is the
    *non-saturating* loss $-\log \sigma(x)$. The same function as `gluon.loss.SigmoidBCELoss`, but
    its gradient is also right at a logit of exactly 0, and rounding never makes it negative.

    `label_smoothing` $s \in [0, 0.5)$ is one-sided: only "real" is softened, from 1 to $1 - s$.
    Softening "fake" as well would reward D for keeping G's mistakes where they are; smoothing G's
    labels would ask G to be less convincing. So give it to D only.

    At equilibrium $\sigma(x) = (1 - s)/2$. Without smoothing D's loss (halved, as in the book) and
    G's are both $\log 2 = 0.6931$; with $s = 0.1$ they are 0.6881 and 0.7985.

    Raises ValueError if `label_smoothing` is not in [0, 0.5).

    Goodfellow et al. 2014, arXiv:1406.2661; one-sided smoothing: Salimans et al. 2016,
    arXiv:1606.03498.
    """

    def __init__(self, label_smoothing=0.0, **kwargs):
        super().__init__(**kwargs)
        self.label_smoothing = check.number('label_smoothing', label_smoothing, '[0, 0.5)')

    def formula(self, F, pred, label):
        return _cross_entropy(F, pred, label * (1 - self.label_smoothing))


class MinimaxLoss(_LogitLoss):
    r"""The generator's side of the zero-sum game: $\log(1 - \sigma(x))$ for label 1.

    For label 0 it is $\log \sigma(x)$: always exactly the negative of D's cross-entropy for the
    opposite label, so it is never positive. The slope of G's is $-\sigma(x)$: where D is sure that
    a sample is fake ($\sigma(x)$ near 0), G gets next to no gradient. This is why it is also
    called the *saturating* loss.

    At equilibrium: G's loss is $-\log 2 = -0.6931$ (D's is 0.6931, halved as in the book).

    Goodfellow et al. 2014, arXiv:1406.2661, equation 1.
    """

    def formula(self, F, pred, label):
        return -_cross_entropy(F, pred, 1 - label)


class LeastSquaresLoss(_LogitLoss):
    r"""Half the squared distance of D's raw output to the label: $(x - y)^2 / 2$, for D and G.

    Here $x$ itself, without a sigmoid, is D's estimate. A fake far on the right side of the
    boundary still has a gradient, because being far from 1 costs in both directions.

    At equilibrium: $x = 1/2$, and D's loss (halved, as in the book) and G's are both $1/8 = 0.125$.

    Mao et al. 2017, arXiv:1611.04076 (with a = 0, b = c = 1).
    """

    def formula(self, F, pred, label):
        return 0.5 * F.np.square(pred - label)


class HingeLoss(_LogitLoss):
    r"""The discriminator's hinge: $\max(0, 1 - x)$ for label 1, $\max(0, 1 + x)$ for label 0.

    D stops caring about an example once it is on its right side by a margin of 1. G's loss that
    goes with it is the plain score $-x$ (`WassersteinLoss`). At the margin itself the slope is
    taken to be 0.

    At equilibrium: D's loss (halved, as in the book) is 1, reached by every constant $x$ in $[-1,
    1]$; G's loss is that $-x$.

    Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957.
    """

    def formula(self, F, pred, label):
        return F.npx.relu(1 + (1 - 2 * label) * pred)


class WassersteinLoss(_LogitLoss):
    r"""The critic's score: $-x$ for label 1, $+x$ for label 0; for G (label 1) it is $-x$.

    It estimates a distance only if D cannot grow steep, so after each of D's steps every weight of
    D is clipped to $[-c, c]$ (`Objective.clip`, 0.01 in the paper). A gradient penalty is kinder
    than clipping, but needs gradients of gradients, which MXNet 1.9.1 gets wrong.

    At equilibrium: D's loss is 0; its negative, doubled to undo the book's halving, estimates the
    distance (up to D's steepness). G's loss is D's arbitrary offset and means nothing alone.

    Arjovsky et al. 2017, arXiv:1701.07875.
    """

    def formula(self, F, pred, label):
        return (1 - 2 * label) * pred


class Objective(NamedTuple):
    """Define a game: its name and a loss for each player.

    `clip` bounds D's weights after each of its updates (None: no bound); an output of D above
    `boundary` calls an example real. With `pairs`, D judges each example beside a partner of the
    other kind: its verdict, which losses and history take for the logit, is D(x) - D(partner).
    For cross-entropy both players then minimise -log sigmoid(D(mine) - D(yours)), and at
    equilibrium both losses are log 2. A D that calls everything real gains nothing by it, and G
    is drawn to each real example, not only to D's side of a boundary.

    The pairs are from Jolicoeur-Martineau 2018, arXiv:1807.00734 (RpGAN), and why they cover all
    modes is from Sun, Fang and Schwing 2020, arXiv:2011.04926.
    """

    name: str
    loss_D: gluon.Block
    loss_G: gluon.Block
    clip: float = None
    boundary: float = 0.0
    pairs: bool = False

    def verdicts(self, real_Y, fake_Y):
        """Return what the losses are told of D's logits on real and fake examples."""
        return (real_Y - fake_Y, fake_Y - real_Y) if self.pairs else (real_Y, fake_Y)


def _objectives(smoothing):
    plain, D = SigmoidLoss(), SigmoidLoss(smoothing)
    bce = gluon.loss.SigmoidBCELoss()
    squares, score = LeastSquaresLoss(), WassersteinLoss()
    return {
        # The book's game. Gluon's own loss, so that its numbers are the book's to the last bit.
        'bce': Objective('bce', D if smoothing else bce, bce),
        'non_saturating': Objective('non_saturating', D, plain),
        'label_smoothing': Objective('label_smoothing', D, plain),
        'minimax': Objective('minimax', D, MinimaxLoss()),
        'least_squares': Objective('least_squares', squares, squares, boundary=0.5),
        'hinge': Objective('hinge', HingeLoss(), score),
        'wasserstein': Objective('wasserstein', score, score, clip=0.01),
        'relativistic': Objective('relativistic', D, plain, pairs=True),
    }


OBJECTIVES = tuple(_objectives(0.0))


def objective(spec='bce', label_smoothing=0.0):
    """Return the `Objective` that `spec` stands for.

    Args:
        spec: a name in `OBJECTIVES`, a Gluon loss (for both players), a pair (loss for D, loss for
            G) of names or losses, or an `Objective`.
        label_smoothing: softens D's label for real examples, in [0, 0.5), in the cross-entropy
            games that are given by name; for 'label_smoothing', 0 stands for 0.1. The other games
            have no probability to soften, and play as they do without it.

    Raises:
        ValueError: for an unknown name, a smoothing out of its range, or a relativistic loss for
            one player only.
        TypeError: for anything that is no loss.
    """
    if isinstance(spec, str):
        check.choice('objective', spec, OBJECTIVES)
        if spec == 'label_smoothing':
            label_smoothing = label_smoothing or 0.1
        return _objectives(label_smoothing)[spec]
    if isinstance(spec, Objective):
        return spec
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        D, G = (objective(s) for s in spec)
        if D.pairs != G.pairs:
            check.fail('objective', spec, 'of two that both judge pairs, or neither')
        return Objective(f'{D.name} / {G.name}', D.loss_D, G.loss_G, D.clip, D.boundary, D.pairs)
    if isinstance(spec, gluon.Block):
        return Objective(type(spec).__name__, spec, spec)
    raise TypeError(
        f'`objective` is {spec!r}; it must be a name ({", ".join(OBJECTIVES)}), a Gluon loss, '
        'or a pair of them: (loss for D, loss for G)'
    )

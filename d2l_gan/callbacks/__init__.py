"""What happens once an epoch, one job each; a list of them reads like a sentence.

`[Progress(), Figure(out), Film(out), Samples(out), Collapse(), Checkpoint(out)]`

A callback is a callable that is handed the `Game` after each epoch. It may have `begin(game)` and
`end(game)`. `begin` is called from last to first: so a `Checkpoint`, which comes last, restores the
game before the others see it, and saves an epoch when they have done their work.
"""

from d2l_gan.callbacks.checkpoint import Checkpoint
from d2l_gan.callbacks.collapse import Collapse
from d2l_gan.callbacks.estimate import Estimate
from d2l_gan.callbacks.figure import Figure
from d2l_gan.callbacks.film import Film
from d2l_gan.callbacks.generators import Generators
from d2l_gan.callbacks.progress import Progress
from d2l_gan.callbacks.samples import Samples

__all__ = [
    'Checkpoint', 'Collapse', 'Estimate', 'Figure', 'Film', 'Generators', 'Progress', 'Samples',
]  # fmt: skip

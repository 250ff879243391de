"""Keep the generators of the last epochs, each by itself."""

from pathlib import Path

from d2l_gan import files
from d2l_gan.generator import NAME, save_generator


class Generators:
    """Save the generator after each epoch under `out`, as generators/generator-000012.

    Args:
        out: the directory of the run.
        keep: how many epochs' generators stay.
    """

    def __init__(self, out, keep=3):
        self.directory, self.keep = Path(out) / 'generators', keep

    def __call__(self, game):
        """Save the generator, with averaged weights if there are."""
        path = self.directory / NAME.format(game.epoch)
        if files.is_free(path):
            with game.averaged():
                prior = game.hyperparameters['prior']
                save_generator(path, game.net_G, game.latent_dim, prior, game.fixed_condition)
        found = files.numbered(self.directory, NAME)
        last = [epoch for epoch in found if epoch <= game.epoch][-self.keep :]
        for epoch, old in found.items():
            if epoch not in last:  # those after it are of a longer, earlier run
                old.unlink()

"""Keep what the generator draws in each epoch from the same noise, and show how it came about."""

from pathlib import Path

from d2l_gan import files, plots

import numpy

NAME = 'epoch-{:06d}.npz'


class Samples:
    """Keep some pictures of each epoch, always from the same noise, and show them at the end.

    Under `out`, samples/epoch-000012.npz has `images`, (num, height, width) or (num, height, width,
    3), in [0, 1]. At the end last_epoch.png shows the last ones, progress.png ten moments,
    losses.png the losses.

    Args:
        out: the directory of the run.
        scale, shape: how the generator's pictures are coded, as for `plots.pixels`.
        title: what the pictures are called.
        num: how many of each epoch are kept, a square number.
    """

    def __init__(self, out, scale='unit', shape=None, title=None, num=16):
        self.out, self.directory = Path(out), Path(out) / 'samples'
        self.scale, self.shape, self.title, self.num = scale, shape, title, num

    def __call__(self, game):
        """Keep an epoch's pictures, and remove those that an earlier, longer run has left."""
        for epoch, path in files.numbered(self.directory, NAME).items():
            if epoch >= game.epoch:
                path.unlink()
        images = plots.pixels(game.generate()[: self.num], self.scale, self.shape)
        write = lambda file: numpy.savez_compressed(file, images=images)
        files.write_whole(self.directory / NAME.format(game.epoch), write)

    def end(self, game):
        """Draw the pictures once the run has come to its end."""
        if game.epoch < game.num_epochs and game.history.stopped is None:
            return  # interrupted
        shown = {}
        for epoch, path in files.numbered(self.directory, NAME).items():
            with numpy.load(path) as saved:
                shown[epoch] = saved['images']
        last, side = max(shown), int(self.num**0.5)
        title = ', '.join(filter(None, [self.title, f'epoch {last}']))
        for name, figure in (
            ('last_epoch', plots.view_samples(shown[last], side, side, title)),
            ('progress', plots.progress_grid(shown, title=self.title)),
            ('losses', plots.training_losses(game.history)),
        ):
            plots.save(figure, self.out / f'{name}.png')
            plots.show(figure)

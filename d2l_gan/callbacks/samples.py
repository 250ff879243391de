"""Keep what the generator draws in each epoch from the same noise, and show how it came about."""

from pathlib import Path

from d2l_gan import files, plots
from d2l_gan.speak import tell

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
        path = self.directory / NAME.format(game.epoch)
        if files.is_free(path):
            files.write_whole(path, lambda file: numpy.savez_compressed(file, images=images))

    def end(self, game):
        """Draw the pictures once the run has come to its end."""
        if game.epoch < game.num_epochs and game.history.stopped is None:
            return  # interrupted
        shown, figures = dict(self._kept()), {}
        if shown:  # none, if strangers' files have all their names
            last, side = max(shown), int(self.num**0.5)
            title = f'{self.title}, epoch {last}' if self.title else f'epoch {last}'
            figures['last_epoch'] = plots.view_samples(shown[last], side, side, title)
            figures['progress'] = plots.progress_grid(shown, title=self.title)
        figures['losses'] = plots.training_losses(game.history)
        for name, figure in figures.items():
            if files.is_free(self.out / f'{name}.png'):
                plots.save(figure, self.out / f'{name}.png')
            plots.show(figure)

    def _kept(self):
        """Give (epoch, images) of each file that is what this callback writes."""
        form = None
        for epoch, path in reversed(list(files.numbered(self.directory, NAME).items())):
            try:
                with numpy.load(path) as saved:
                    images = saved['images']
                form = form or images.shape
                if images.shape == form and len(images) == self.num and images.dtype.kind == 'f':
                    yield epoch, images
                    continue
            except Exception:  # each format has its own for a damaged file
                pass
            tell(f'`{path}` holds no samples of this run; the pictures go without it.')

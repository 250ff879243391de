"""Islands in a latent space, ways through it for pictures, and the codes of given ones."""

import base64
import io
from pathlib import Path

from d2l_gan import check, plots, speak
from d2l_gan.speak import tell

import numpy
from mxnet import autograd, np, npx, optimizer
from mxnet.gluon import nn

WIDGET = 'application/vnd.jupyter.widget-view+json'
ENLARGED = 6  # pixels of the screen for each pixel of a picture, each way


class Islands(nn.HybridBlock):
    """Make a corner of a simplex of the first numbers of the noise, and keep the others.

    Normal noise is of one piece, and a continuous generator makes one piece of it. In front of it,
    this block makes as many as there are corners: the largest of `num` numbers says at which one
    the noise is, the numbers that are left say where around it. Source: mixtures as priors of GANs,
    Gurumurthy et al. 2017, arXiv:1706.02071; why one piece is not enough, Khayatkhoei et al. 2018,
    arXiv:1806.00880.

    Args:
        num: corners of the simplex.
        distance: of a corner from 0. That of normal numbers is about the root of their number.
    """

    def __init__(self, num=40, distance=6.0):
        super().__init__()
        self.num, self.distance = num, distance

    def hybrid_forward(self, F, Z):
        """Return noise of the shape of Z, (batch, latent_dim, ...), more than num wide."""
        first = F.npx.slice(Z, (None, None), (None, self.num))
        others = F.npx.slice(Z, (None, self.num), (None, None))
        # A softmax so steep that it hardly ever decides for two; the gradient needs no way through.
        corner = self.distance * F.npx.softmax(1000 * first, axis=1)
        return F.np.concatenate([corner, others], axis=1)


def between(a, b, share, way='straight'):
    """Return the noise at a share, 0 to 1, of the way from a to b.

    Halfway between two independent draws of 100 normal numbers, both about 10 long, the straight
    way comes down to a length of 7, where hardly any noise that G has learned from lies. The
    spherical one keeps to the great circle and to their length. Source: White 2016,
    arXiv:1609.04468.

    Args:
        a, b: noise, NumPy arrays of one shape.
        share: a number, or an array that fits.
        way: 'straight' or 'spherical'.
    """
    if check.choice('way', way, ('straight', 'spherical')) == 'straight':
        return (1 - share) * a + share * b
    cosine = numpy.vdot(a, b) / (numpy.linalg.norm(a) * numpy.linalg.norm(b))
    angle = numpy.arccos(numpy.clip(cosine, -1, 1))
    if numpy.sin(angle) < 1e-6:  # one direction, or opposite ones, between which there is no way
        return between(a, b, share)
    return (numpy.sin((1 - share) * angle) * a + numpy.sin(share * angle) * b) / numpy.sin(angle)


def picture(net_G, z, scale='unit', shape=None):
    """Return the picture net_G(z), enlarged, as uint8.

    Args:
        net_G: callable, noise (1, ...) -> one picture.
        z: noise, a NumPy array of the shape that net_G takes.
        scale, shape: how the picture is coded, as for `plots.pixels`.
    """
    npx.set_np()  # it is thread-local, and a slider may be heard in another thread
    X = net_G(np.array(z[None], dtype='float32'))
    return plots.mosaic(X, 1, 1, scale, shape).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def play(net_G, Z, path, scale='unit', shape=None, way='straight'):
    """Show sliders in a notebook, and the same as a film where nobody can move them.

    An executed notebook keeps both, and whatever displays it chooses: JupyterLab the sliders, a
    page of a book the film.

    Args:
        net_G, scale, shape: as for `picture`.
        Z: noise, (n, ...), two rows or more.
        path: where the film goes.
        way: as for `between`.
    """
    latent_film(net_G, Z, path, scale, shape, way=way)
    if not speak.in_notebook():
        return tell(f'The film is `{path}`.')
    from IPython.display import display

    shown = {'image/gif': base64.b64encode(Path(path).read_bytes()).decode()}
    try:
        model = latent_slider(net_G, Z, scale, shape, way).model_id
        shown[WIDGET] = {'version_major': 2, 'version_minor': 0, 'model_id': model}
    except ImportError as error:
        tell(f'This is the film only; {error}')
    return display(shown, raw=True)


def latent_film(net_G, Z, path, scale='unit', shape=None, steps=15, way='straight'):
    """Write a GIF of the way from each row of the noise Z to the next, and back to the first.

    Each way has `steps` pictures; halfway between two digits it leads through things that are both
    or neither. The other arguments are those of `play`.
    """
    rows = [*numpy.asarray(Z), numpy.asarray(Z)[0]]
    ways = [
        between(a, b, t, way) for a, b in zip(rows, rows[1:]) for t in numpy.arange(steps) / steps
    ]
    plots.film([picture(net_G, z, scale, shape) for z in ways], path, milliseconds=60)


def latent_slider(net_G, Z, scale='unit', shape=None, way='straight'):
    """Return sliders, for a notebook, that move z while the picture net_G(z) follows.

    One slider goes from the first row of Z to the second; the other adds a number to one component
    of z. The arguments are those of `play`.

    Raises:
        ImportError: without ipywidgets, with what to do.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("sliders need ipywidgets: pip install 'd2l_gan[notebook]'") from error
    from PIL import Image

    first, second = numpy.asarray(Z)[:2]
    share = ipywidgets.FloatSlider(0, min=0, max=1, step=0.01, description='way')
    component = ipywidgets.IntSlider(0, min=0, max=first.size - 1, description='component')
    added = ipywidgets.FloatSlider(0, min=-3, max=3, step=0.05, description='add')
    image = ipywidgets.Image(format='png')

    def draw(_=None):
        z = between(first, second, share.value, way)
        z.flat[component.value] += added.value
        file = io.BytesIO()
        shown = picture(net_G, z, scale, shape)
        Image.fromarray(shown).save(file, 'PNG', compress_level=1)
        image.value = file.getvalue()

    for slider in (share, component, added):
        slider.observe(draw, 'value')
    draw()
    return ipywidgets.HBox([image, ipywidgets.VBox([share, component, added])])


def invert(net_G, X, Z, steps=300, lr=0.05, condition=None):
    """Return codes of which net_G makes what is as near to X as Adam can find, and the errors.

    Zhu et al. 2016; Lipton and Tripathi 2017. What is left of the error is what net_G cannot draw,
    or what this search has not found: try other starts, and keep each picture's best.

    Args:
        net_G: callable, noise -> pictures, a saved `Generator` too.
        X: what is to be drawn, (n, ...).
        Z: where to start, (n, ...).
        steps: of Adam.
        lr: its rate, which falls to 0.
        condition: (n, ...), for a generator that takes one.

    Returns:
        Z, and for each picture the squared error, summed over its pixels, (n,); both NumPy's.
    """
    Z, more, adam = np.array(Z), () if condition is None else (condition,), optimizer.Adam(lr)
    update = optimizer.get_updater(adam)
    Z.attach_grad()
    for step in range(steps):
        with autograd.record(train_mode=False):
            error = ((net_G(Z, *more) - X) ** 2).reshape((len(Z), -1)).sum(axis=1)
        error.backward()
        adam.set_learning_rate(lr * (1 - step / steps))
        update(0, Z.grad, Z)
    error = ((net_G(Z, *more) - X) ** 2).reshape((len(Z), -1)).sum(axis=1)
    return Z.asnumpy(), error.asnumpy()

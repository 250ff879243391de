"""Play with a generator of digits: sliders in a notebook, and the same as a short film."""

import base64
import io
from pathlib import Path

from d2l_gan import plots

import numpy
from mxnet import np, npx

WIDGET = 'application/vnd.jupyter.widget-view+json'
ENLARGED = 6  # pixels of the screen for each pixel of a digit, each way


def picture(net_G, z):
    """Return the digit net_G(z), (168, 168) of uint8; z: (latent_dim,), a NumPy array."""
    npx.set_np()  # it is thread-local, and a slider may be heard in another thread
    Z = np.array(z, dtype='float32').reshape(1, -1)
    return plots.mosaic(net_G(Z), 1, 1).repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def play(net_G, Z, path):
    """Show sliders in a notebook, and the same as a film where nobody can move them.

    Z: noise, (n, latent_dim), two rows or more. `path` gets the film. An executed notebook keeps
    both, and whatever displays it chooses: JupyterLab the sliders, a page of a book the film.
    """
    latent_film(net_G, Z, path)
    if not plots.in_notebook():
        return plots.tell(f'The film is `{path}`.')
    from IPython.display import display

    shown = {'image/gif': base64.b64encode(Path(path).read_bytes()).decode()}
    try:
        model = latent_slider(net_G, Z).model_id
        shown[WIDGET] = {'version_major': 2, 'version_minor': 0, 'model_id': model}
    except ImportError as error:
        plots.tell(f'This is the film only; {error}')
    return display(shown, raw=True)


def latent_film(net_G, Z, path, steps=15):
    """Write a GIF of the way from each row of the noise Z, (n, latent_dim), to the next, and back.

    The way is straight in the latent space, in `steps` pictures; halfway between two digits it
    leads through things that are both or neither.
    """
    rows = [*numpy.asarray(Z), numpy.asarray(Z)[0]]
    ways = [
        (1 - t) * a + t * b for a, b in zip(rows, rows[1:]) for t in numpy.arange(steps) / steps
    ]
    plots.film([picture(net_G, z) for z in ways], path, milliseconds=60)


def latent_slider(net_G, Z):
    """Return sliders, for a notebook, that move z while the digit net_G(z) follows.

    Z: noise, (2, latent_dim). One slider goes from the first row to the second; the other adds a
    number to one component of z. Raises ImportError, with what to do, without ipywidgets.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("sliders need ipywidgets: pip install 'd2l_gan[notebook]'") from error
    from PIL import Image

    first, second = numpy.asarray(Z)[:2]
    way = ipywidgets.FloatSlider(0, min=0, max=1, step=0.01, description='way')
    component = ipywidgets.IntSlider(0, min=0, max=len(first) - 1, description='component')
    added = ipywidgets.FloatSlider(0, min=-3, max=3, step=0.05, description='add')
    image = ipywidgets.Image(format='png')

    def draw(_=None):
        z = (1 - way.value) * first + way.value * second
        z[component.value] += added.value
        file = io.BytesIO()
        Image.fromarray(picture(net_G, z)).save(file, 'PNG', compress_level=1)
        image.value = file.getvalue()

    for slider in (way, component, added):
        slider.observe(draw, 'value')
    draw()
    return ipywidgets.HBox([image, ipywidgets.VBox([way, component, added])])

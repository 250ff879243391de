"""Digits that are drawn in the page, by the generator that a chapter trained in this build."""

import base64
import json
import shutil
from pathlib import Path

from d2l_gan import files, words
from d2l_gan.archive import CheckpointError, host
from d2l_gan.generator import latest_generator

import numpy
from docutils import nodes
from games import add_scripts
from mxnet import np
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

DRAW = ['words.js', 'page.js', 'generator.js', 'draw.js']
# What generator.js computes, for one example at a time; tests compare it with MXNet.
OPERATORS = {
    'FullyConnected', 'Deconvolution', 'BatchNorm', 'Activation', 'LeakyReLU', 'Flatten', 'Dropout',
    '_npx_reshape', '_np_reshape', '_npx_relu', '_npx_sigmoid', '_npi_tanh', 'one_hot',
    '_npi_concatenate', '_npi_add_scalar', '_npi_subtract_scalar', '_npi_multiply_scalar',
    '_npi_true_divide_scalar', 'softmax', 'slice',
}  # fmt: skip
TRIED, ERROR = 64, 2 / 255  # pictures, and what rounded weights may change of a pixel
LARGEST = 1_500_000  # bytes of a file
DIRECTIONS, PIXELS = 4, 28 * 28


def script(generator, name, bits=None):
    """Return a generator as a script: its operators, and its weights in few bits.

    Args:
        generator: a `d2l_gan.generator.Generator` of grey pictures.
        name: under which the script leaves it in the page.
        bits: 8, 16 or 32 for all weights; None takes 8 wherever the pictures stay the same, within
            2/255 of a pixel's range, and 16 elsewhere.

    Raises:
        ValueError: for what generator.js cannot compute, a prior that has no name, a large file.
    """
    unknown = {node['op'] for node in generator.nodes} - OPERATORS - {'null'}
    if unknown:
        raise ValueError(f'the generator uses {", ".join(sorted(unknown))}')
    for node in generator.nodes:
        if node['op'] == 'slice' and (len(node['attrs']['begin']) > 2 or node['attrs'].get('step')):
            raise ValueError('the generator slices more than channels, or with a step')
    if generator.prior not in ('normal', 'uniform'):
        raise ValueError('the prior was a function of its own')
    # Read before anything runs: oneDNN turns weights round in place, and 1.9.1 not always back.
    arrays = {key: host(array).astype('float32') for key, array in generator.arrays.items()}
    Z, condition = _noise(generator, 1)
    outputs = generator.run(Z, condition)
    if outputs[-1].size != PIXELS:
        raise ValueError(f'the generator makes {outputs[-1].size} numbers, not {PIXELS}')
    symmetric = generator.scale == 'symmetric'
    chosen = _bits(generator, arrays, symmetric) if bits is None else dict.fromkeys(arrays, bits)
    model = {
        'latent': int(numpy.prod(generator.latent_dim)), 'prior': generator.prior,
        'conditional': condition is not None, 'symmetric': symmetric,
        'directions': _directions(generator, arrays, Z, outputs),
        'nodes': [
            {'op': node['op'], 'name': node['name'], 'inputs': node['inputs'],
             'attrs': node['attrs'], 'shape': list(outputs[i].shape[1:])}
            for i, node in enumerate(generator.nodes)
        ],
        'arrays': {key: _packed(array, chosen[key]) for key, array in arrays.items()},
    }  # fmt: skip
    text = json.dumps(model, separators=(',', ':'))
    if bits is None and len(text) > LARGEST:
        raise ValueError(f'the generator would be a file of {len(text)} bytes')
    return f'(window.GENERATORS = window.GENERATORS || {{}})[{json.dumps(name)}] = {text};\n'


def _noise(generator, num):
    """Return noise and, where one is needed, conditions for so many examples."""
    shape = np.empty(generator.latent_dim).shape
    Z = numpy.random.default_rng(0).uniform(-1, 1, (num, *shape))
    if generator.prior == 'normal':
        Z = numpy.random.default_rng(0).normal(size=(num, *shape))
    told = None if generator.condition is None else np.arange(num) % 10
    return np.array(Z, dtype='float32'), told


def _rounded(array, bits):
    """Return whole numbers and the scale of each row: `array` is about their product."""
    rows = array.reshape(len(array), -1)
    most = 2 ** (bits - 1) - 1
    scale = numpy.abs(rows).max(axis=1, keepdims=True) / numpy.float32(most)
    scale[scale == 0] = 1
    return numpy.rint(rows / scale).astype(f'<i{bits // 8}'), scale.astype('<f4')


def _packed(array, bits):
    """Return an array as generator.js unpacks it."""
    text = lambda a: base64.b64encode(a.tobytes()).decode()
    if bits == 32 or array.ndim < 2:
        return {'bits': 32, 'data': text(array.astype('<f4'))}
    whole, scale = _rounded(array, bits)
    return {'bits': bits, 'data': text(whole), 'scale': text(scale)}


def _bits(generator, arrays, symmetric):
    """Return {name: 8 or 16}: 8 where it changes no pixel by more than ERROR, the largest first."""
    Z, condition = _noise(generator, TRIED)
    draw = lambda: host(generator(Z, condition)) / (2 if symmetric else 1)
    before, kept, bits = draw(), dict(generator.arrays), dict.fromkeys(arrays, 16)
    try:
        for few in (16, 8):
            for key in sorted(arrays, key=lambda key: -arrays[key].size):
                if arrays[key].ndim < 2:
                    continue
                last = generator.arrays[key]
                whole, scale = _rounded(arrays[key], few)
                generator.arrays[key] = np.array((whole * scale).reshape(arrays[key].shape))
                if few == 16 or numpy.abs(draw() - before).max() <= ERROR:
                    bits[key] = few
                else:
                    generator.arrays[key] = last
        if numpy.abs(draw() - before).max() > ERROR:
            raise ValueError('the generator does not bear weights of 16 bits')
    finally:
        generator.arrays = kept
    return bits


def _directions(generator, arrays, Z, outputs):
    """Return the directions of noise to which the first layer answers most, unit vectors.

    They are the singular vectors of its weights, for the numbers that reach it as they are: those
    that choose an island have no direction. Source: Shen and Zhou 2021, arXiv:2007.06600.
    """
    first = next(n for n in generator.nodes if n['op'] in ('FullyConnected', 'Deconvolution'))
    W = arrays[generator.nodes[first['inputs'][1]]['name']].astype('float64')
    rows = W.reshape(len(W), -1).T if first['op'] == 'Deconvolution' else W
    whole, given = host(Z).ravel(), host(outputs[first['inputs'][0]]).ravel()[: Z.size]
    found = numpy.linalg.svd(rows[:, : Z.size] * (whole == given))[2][:DIRECTIONS]
    found *= numpy.sign(found[numpy.arange(len(found)), numpy.abs(found).argmax(axis=1)])[:, None]
    return found.round(4).tolist()


class Draw(SphinxDirective):
    """A chapter's generator, to draw with; the content is for a browser without scripts."""

    required_arguments = 1
    has_content = True

    def run(self):
        """Return the place that the script fills, or a sentence if nothing was trained."""
        (name,) = self.arguments
        runs = Path(self.config.book_runs) / 'build'
        try:
            text = script(latest_generator(runs / name / 'generators'), name)
        except (CheckpointError, ValueError) as error:
            logging.getLogger(__name__).info('%s: nothing to draw with: %s', name, error)
            told = f'This page was made without a generator: `make chapter-{name}` trains one.'
            return self.parse_text_to_nodes(words.say(told))
        files.write_whole(runs.parent / 'browser' / f'draw-{name}.js', text)
        add_scripts(self.env, DRAW)
        place = nodes.container(ids=['draw'], classes=['draw', f'of-{name}'])
        place += self.parse_content_to_nodes()
        return [place]


def bring(app, error):
    """Put the generators beside the other scripts, from where a page loads them when asked."""
    static = Path(app.outdir) / '_static'
    for path in Path(app.config.book_runs).glob('browser/*.js'):
        if static.is_dir():  # it is not, where no pages are made
            shutil.copy(str(path), str(static))


def setup(app):
    """Set this extension up."""
    app.add_directive('draw', Draw)
    app.connect('build-finished', bring)
    return {'parallel_read_safe': False}  # generators are looked for once their chapter has run

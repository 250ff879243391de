// The forward pass of a trained generator, for one example: what `script` in drawing.py writes down
// is run here, operator by operator, by MXNet's rules. tests/test_drawing.py compares the two.
(function () {
'use strict';

const sigmoid = x => 1 / (1 + Math.exp(-x));
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const ACTIVATIONS = {
  relu: x => Math.max(x, 0), sigmoid, tanh: Math.tanh, softrelu: softplus,
  softsign: x => x / (1 + Math.abs(x)),
};
const map = f => ([x], {attrs}) => x.map(v => f(v, attrs.scalar));
const same = ([x]) => x;

const OPERATORS = {
  FullyConnected([x, W, c], {shape: [n]}) {
    const out = new Float32Array(n), m = x.length;
    for (let i = 0; i < n; i++) {
      let sum = c ? c[i] : 0;
      for (let j = 0; j < m; j++) sum += W[i * m + j] * x[j];
      out[i] = sum;
    }
    return out;
  },

  // Each number of the input, times a kernel, is added to the output around its place.
  Deconvolution([x, W, c], {attrs, shape: [channels, height, width]}, [[from, rows, columns]]) {
    const {kernel: [kh, kw], stride: [sh, sw] = [1, 1], pad: [ph, pw] = [0, 0]} = attrs;
    const sums = new Float64Array(channels * height * width);
    for (let i = 0; i < from; i++) {
      for (let o = 0; o < channels; o++) {
        const kernel = (i * channels + o) * kh * kw, plane = o * height * width;
        for (let r = 0; r < rows; r++) {
          for (let s = 0; s < columns; s++) {
            const value = x[(i * rows + r) * columns + s];
            if (value === 0) continue;
            for (let k = 0; k < kh; k++) {
              const y = r * sh - ph + k;
              if (y < 0 || y >= height) continue;
              for (let l = 0; l < kw; l++) {
                const z = s * sw - pw + l;
                if (z >= 0 && z < width) {
                  sums[plane + y * width + z] += value * W[kernel + k * kw + l];
                }
              }
            }
          }
        }
      }
    }
    const out = Float32Array.from(sums), size = height * width;
    return c ? out.map((v, i) => v + c[Math.floor(i / size)]) : out;
  },

  BatchNorm([x, gamma, beta, mean, variance], {attrs, shape}) {
    const size = shape.slice(1).reduce((a, b) => a * b, 1), {eps = 1e-3, fix_gamma = true} = attrs;
    return x.map((v, i) => {
      const k = Math.floor(i / size), scale = fix_gamma ? 1 : gamma[k];
      return scale * (v - mean[k]) / Math.sqrt(variance[k] + eps) + beta[k];
    });
  },

  Activation: ([x], {attrs}) => x.map(ACTIVATIONS[attrs.act_type]),
  LeakyReLU([x], {attrs: {act_type = 'leaky', slope = 0.25}}) {
    if (act_type !== 'leaky') throw new Error(`LeakyReLU is ${act_type}`);
    return x.map(v => v > 0 ? v : slope * v);
  },
  one_hot: ([[y]], {attrs}) => Float32Array.from({length: attrs.depth}, (_, i) => Number(i === y)),
  softmax([x]) { // over the channels of one pixel
    const most = Math.max(...x), powers = x.map(v => Math.exp(v - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map(v => v / sum);
  },
  slice([x], {attrs: {begin, end}}, [[channels, ...sides]]) { // of the channels
    const size = sides.reduce((a, b) => a * b, 1);
    return x.slice((begin[1] ?? 0) * size, (end[1] ?? channels) * size);
  },
  _npi_concatenate: inputs => Float32Array.from(inputs.flatMap(x => [...x])),
  _npx_relu: map(ACTIVATIONS.relu), _npx_sigmoid: map(sigmoid), _npi_tanh: map(Math.tanh),
  _npi_add_scalar: map((x, s) => x + s), _npi_subtract_scalar: map((x, s) => x - s),
  _npi_multiply_scalar: map((x, s) => x * s), _npi_true_divide_scalar: map((x, s) => x / s),
  Flatten: same, Dropout: same, _npx_reshape: same, _np_reshape: same, // of one example
};

function bytes(text) {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0)).buffer;
}

// An array as it was packed: whole numbers of few bits, with a scale for each row.
function unpack({bits, data, scale}) {
  if (bits === 32) return new Float32Array(bytes(data));
  const whole = new (bits === 8 ? Int8Array : Int16Array)(bytes(data));
  const scales = new Float32Array(bytes(scale)), width = whole.length / scales.length;
  return Float32Array.from(whole, (v, i) => v * scales[Math.floor(i / width)]);
}

class Generator {
  constructor(model) {
    Object.assign(this, model);
    this.arrays = Object.fromEntries(
      Object.entries(model.arrays).map(([name, array]) => [name, unpack(array)]));
  }

  // Return the output for the noise z, flat; digit: what it is told, if it is told any.
  run(z, digit = 0) {
    const known = Object.assign({Z: Float32Array.from(z), condition: [digit]}, this.arrays);
    const values = [];
    for (const node of this.nodes) {
      const inputs = node.inputs.map(i => values[i]);
      const shapes = node.inputs.map(i => this.nodes[i].shape);
      values.push(
        node.op === 'null' ? known[node.name] : OPERATORS[node.op](inputs, node, shapes));
    }
    return values[values.length - 1];
  }

  // Return the picture for the noise z, as numbers in [0, 1].
  picture(z, digit) {
    const out = this.run(z, digit);
    return this.symmetric ? out.map(v => (v + 1) / 2) : out;
  }
}

window.Drawing = {Generator, OPERATORS};
})();

// The Gaussian GAN of the first chapter: its arithmetic, in plain JavaScript and without a page.
// The names are the chapter's, the update rule is that of update_D, update_G and Gluon's Adam, and
// tests/test_front.py compares twenty epochs of it with engine='textbook'.
(function () {
'use strict';

const A = [[1, 2], [-0.1, 0.5]], b = [1, 2]; // the truth: X A + b, with X standard normal
const NUM_POINTS = 1000, BATCH_SIZE = 8, WIDTHS = {D: [2, 5, 3, 1], G: [2, 2]};
const DEFAULTS = {
  lr_D: 0.05, lr_G: 0.005, objective: 'bce', prior: 'normal', beta1: 0.9, init_std: 0.02, seed: 0,
};

const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = x => 1 / (1 + Math.exp(-x));

// Cross-entropy of a logit against a label, and its slope.
const entropy = (x, y) => y * softplus(-x) + (1 - y) * softplus(x);
const slope = (x, y) => sigmoid(x) - y;

// D: of its logits on a real and a fake example, the loss and its slopes for both. G: of the logit
// on a fake example (and, for pairs, on a real one), its loss and slope. `balance`: the losses of
// players of whom neither can win; above `boundary`, D's answer is "real".
function crossEntropy(label) {
  return (r, f) => [
    (entropy(r, label) + entropy(f, 0)) / 2, slope(r, label) / 2, slope(f, 0) / 2,
  ];
}
const nonSaturating = f => [softplus(-f), slope(f, 1)], score = f => [-f, -1];
const at = (D, G) => ({D, G});
const OBJECTIVES = {
  bce: {D: crossEntropy(1), G: nonSaturating, balance: at(Math.LN2, Math.LN2)},
  label_smoothing: {D: crossEntropy(0.9), G: nonSaturating, balance: at(0.6881, 0.7985)},
  minimax: {
    D: crossEntropy(1), G: f => [-softplus(f), -sigmoid(f)], balance: at(Math.LN2, -Math.LN2),
  },
  least_squares: {
    D: (r, f) => [((r - 1) ** 2 + f ** 2) / 4, (r - 1) / 2, f / 2],
    G: f => [(f - 1) ** 2 / 2, f - 1], balance: at(1 / 8, 1 / 8), boundary: 0.5,
  },
  hinge: {
    D: (r, f) => [
      (Math.max(0, 1 - r) + Math.max(0, 1 + f)) / 2, r < 1 ? -0.5 : 0, f > -1 ? 0.5 : 0,
    ],
    G: score, balance: at(1, 0),
  },
  wasserstein: {D: (r, f) => [(f - r) / 2, -0.5, 0.5], G: score, balance: at(0, 0), clip: 0.01},
  relativistic: {
    D: (r, f) => [softplus(f - r), -sigmoid(f - r), sigmoid(f - r)],
    G: (f, r) => [softplus(r - f), -sigmoid(r - f)], balance: at(Math.LN2, Math.LN2), pairs: true,
  },
};
const PRIORS = {normal: random => random.normal(), uniform: random => 2 * random.share() - 1};

// What is random: seeded here, and not as in Python, so a seed means another game there.
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
    this.spare = null;
  }

  share() { // splitmix, 32 bits: enough for points on a screen
    let x = this.state = (this.state + 0x9e3779b9) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  }

  normal() { // Box and Muller: two at a time
    if (this.spare !== null) {
      const spare = this.spare;
      this.spare = null;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.share())), angle = 2 * Math.PI * this.share();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  order(num) {
    const order = Array.from({length: num}, (_, i) => i);
    for (let i = num - 1; i > 0; i--) {
      const j = Math.floor(this.share() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

// Dense layers, tanh between them: a layer is {W: rows, c: biases}.
function network(widths, draw) {
  return widths.slice(1).map((width, i) => ({
    W: Array.from({length: width}, () => Array.from({length: widths[i]}, draw)),
    c: new Array(width).fill(0),
  }));
}

const alike = net => net.map(({W, c}) => ({W: W.map(row => row.map(() => 0)), c: c.map(() => 0)}));

// Return what goes into each layer, and at the end what comes out of the last.
function forward(net, x) {
  const kept = [x];
  net.forEach(({W, c}, i) => {
    const from = kept[i];
    kept.push(W.map((row, j) => {
      let sum = c[j];
      for (let k = 0; k < row.length; k++) sum += row[k] * from[k];
      return i < net.length - 1 ? Math.tanh(sum) : sum;
    }));
  });
  return kept;
}

// Return the slope with respect to the input; add those of the weights to `gradients`, if given.
function backward(net, kept, slopes, gradients) {
  for (let i = net.length - 1; i >= 0; i--) {
    const {W} = net[i], from = kept[i], back = from.map(() => 0);
    for (let j = 0; j < W.length; j++) {
      const out = kept[i + 1][j], d = slopes[j] * (i < net.length - 1 ? 1 - out * out : 1);
      for (let k = 0; k < from.length; k++) back[k] += d * W[j][k];
      if (!gradients) continue;
      for (let k = 0; k < from.length; k++) gradients[i].W[j][k] += d * from[k];
      gradients[i].c[j] += d;
    }
    slopes = back;
  }
  return slopes;
}

// Gluon's Adam: epsilon joins the root of the uncorrected moment, as both corrections are in the
// rate; and MXNet keeps its constants as 32-bit numbers.
class Adam {
  constructor(net) {
    this.net = net;
    this.mean = alike(net);
    this.variance = alike(net);
    this.steps = 0;
  }

  step(gradients, examples, lr, beta1) {
    const {fround, sqrt} = Math, beta2 = 0.999, t = ++this.steps;
    const rate = fround(lr * sqrt(1 - beta2 ** t) / (1 - beta1 ** t));
    const b1 = fround(beta1), b2 = fround(beta2), rest1 = fround(1 - b1), rest2 = fround(1 - b2);
    const scale = fround(1 / examples), epsilon = fround(1e-8);
    const move = (w, m, v, d) => {
      for (let i = 0; i < w.length; i++) {
        if (Array.isArray(w[i])) {
          move(w[i], m[i], v[i], d[i]);
        } else {
          const g = scale * d[i];
          m[i] = b1 * m[i] + rest1 * g;
          v[i] = b2 * v[i] + rest2 * g * g;
          w[i] -= rate * m[i] / (sqrt(v[i]) + epsilon);
        }
      }
    };
    this.net.forEach((layer, i) => {
      for (const key of ['W', 'c']) {
        move(layer[key], this.mean[i][key], this.variance[i][key], gradients[i][key]);
      }
    });
  }
}

// The squared Wasserstein-2 distance between the Gaussians of F1 z + m1 and F2 z + m2, exactly: the
// sum of the singular values of a 2 x 2 matrix M is the root of |M|^2 + 2 |det M|.
function distance(F1, m1, F2, m2) {
  let squares = 0, moved = 0;
  const M = [[0, 0], [0, 0]];
  for (let i = 0; i < 2; i++) {
    moved += (m1[i] - m2[i]) ** 2;
    for (let j = 0; j < 2; j++) {
      squares += F1[i][j] ** 2 + F2[i][j] ** 2;
      for (let k = 0; k < 2; k++) M[j][k] += F1[i][j] * F2[i][k];
    }
  }
  const det = Math.abs(M[0][0] * M[1][1] - M[0][1] * M[1][0]);
  const overlap = Math.sqrt(M.flat().reduce((sum, x) => sum + x * x, 0) + 2 * det);
  return moved + Math.max(0, squares - 2 * overlap);
}

const ROOT = [[A[0][0], A[1][0]], [A[0][1], A[1][1]]]; // of the true covariance: A^T

// How far the points themselves are from the truth: nobody who has seen them knows better.
function floor(points) {
  const n = points.length, mean = [0, 1].map(i => points.reduce((s, p) => s + p[i], 0) / n);
  const cov = (i, j) =>
    points.reduce((s, p) => s + (p[i] - mean[i]) * (p[j] - mean[j]), 0) / (n - 1);
  const l = Math.sqrt(cov(0, 0)), m = cov(0, 1) / l;
  return distance([[l, 0], [m, Math.sqrt(cov(1, 1) - m * m)]], mean, ROOT, b);
}

class Game {
  constructor(settings) {
    this.settings = Object.assign({}, DEFAULTS, settings);
    this.reset();
  }

  // Draw points and weights anew: the same seed and settings, the same game.
  reset(seed = this.settings.seed) {
    this.settings.seed = seed;
    const random = this.random = new Random(seed);
    this.points = Array.from({length: NUM_POINTS}, () => {
      const x = [random.normal(), random.normal()];
      return [0, 1].map(i => x[0] * A[0][i] + x[1] * A[1][i] + b[i]);
    });
    const draw = () => this.settings.init_std * random.normal();
    this.begin(network(WIDTHS.D, draw), network(WIDTHS.G, draw));
    this.feed = {
      order: () => random.order(NUM_POINTS),
      noise: () => [0, 1].map(() => PRIORS[this.settings.prior](random)),
    };
  }

  // Play a game that is given: points [[x, y]], order [[row numbers] per epoch], noise [[z] per
  // epoch], weights {D: [{W, c}], G: [{W, c}]}, and settings as in DEFAULTS.
  load({points, order, noise, weights, settings = {}}) {
    Object.assign(this.settings, DEFAULTS, settings);
    this.points = points;
    this.begin(...['D', 'G'].map(name => JSON.parse(JSON.stringify(weights[name]))));
    let epoch = -1, row = 0;
    this.feed = {
      order: () => (row = 0, order[++epoch]), noise: () => noise[epoch][row++],
    };
  }

  begin(net_D, net_G) {
    Object.assign(this, {net_D, net_G, trainer_D: new Adam(net_D), trainer_G: new Adam(net_G)});
    Object.assign(this, {epoch: 0, steps: 0, order: null, taken: 0, sums: {D: 0, G: 0}});
    this.last_D = this.last_G = undefined;
    this.history = {loss_D: [], loss_G: [], distance: []};
    this.floor = floor(this.points);
  }

  // Play n steps: a batch for each player, D first.
  step(n = 1) {
    for (; n > 0; n--) {
      if (!this.order) {
        this.order = this.feed.order();
        if (!this.order) return; // what was given has been played
        Object.assign(this, {taken: 0, sums: {D: 0, G: 0}});
      }
      const rows = this.order.slice(this.taken, this.taken + BATCH_SIZE);
      const X = rows.map(row => this.points[row]), Z = X.map(() => this.feed.noise());
      this.sums.D += this.last_D = this.update_D(X, Z);
      this.sums.G += this.last_G = this.update_G(X, Z);
      this.last_D /= X.length;
      this.last_G /= X.length;
      this.taken += rows.length;
      this.steps++;
      if (this.taken === this.order.length) {
        this.epoch++;
        this.history.loss_D.push(this.sums.D / this.taken);
        this.history.loss_G.push(this.sums.G / this.taken);
        this.history.distance.push(this.distance());
        this.order = null;
      }
    }
  }

  update_D(X, Z) {
    const {lr_D, beta1, objective} = this.settings, {D, clip} = OBJECTIVES[objective];
    const gradients = alike(this.net_D);
    let sum = 0;
    X.forEach((x, i) => {
      const real = forward(this.net_D, x), fake = forward(this.net_D, this.generate(Z[i]));
      const [loss, of_real, of_fake] = D(real[real.length - 1][0], fake[fake.length - 1][0]);
      backward(this.net_D, real, [of_real], gradients);
      backward(this.net_D, fake, [of_fake], gradients);
      sum += loss;
    });
    this.trainer_D.step(gradients, X.length, lr_D, beta1);
    if (clip) {
      const clipped = w => Array.isArray(w) ? w.map(clipped) : Math.max(-clip, Math.min(clip, w));
      this.net_D.forEach(layer => Object.assign(layer, {W: clipped(layer.W), c: clipped(layer.c)}));
    }
    return sum;
  }

  update_G(X, Z) {
    const gradients = alike(this.net_G), {lr_G, beta1} = this.settings;
    let sum = 0;
    Z.forEach((z, i) => {
      const made = forward(this.net_G, z);
      const [loss, slopes] = this.pull(made[made.length - 1], X[i]);
      backward(this.net_G, made, slopes, gradients);
      sum += loss;
    });
    this.trainer_G.step(gradients, Z.length, lr_G, beta1);
    return sum;
  }

  // Return G's loss at a generated point, and its slope there; x: its partner, if D judges pairs.
  pull(fake, x) {
    const {G, pairs} = OBJECTIVES[this.settings.objective], kept = forward(this.net_D, fake);
    const [loss, d] = G(kept[kept.length - 1][0], pairs ? this.judge(x) : 0);
    return [loss, backward(this.net_D, kept, [d])];
  }

  judge(x) {
    const kept = forward(this.net_D, x);
    return kept[kept.length - 1][0];
  }

  generate(z) {
    const kept = forward(this.net_G, z);
    return kept[kept.length - 1];
  }

  // The squared Wasserstein-2 distance to the truth; for uniform noise of the mean and covariance
  // alone, below which the whole distance cannot be.
  distance() {
    const {W, c} = this.net_G[0], sd = this.settings.prior === 'normal' ? 1 : Math.sqrt(1 / 3);
    return distance(W.map(row => row.map(w => sd * w)), c, ROOT, b);
  }

  state() {
    const {settings, epoch, steps, history, floor} = this;
    const losses = {D: this.last_D, G: this.last_G}; // of the last step, a mean over its batch
    const weights = {D: this.net_D, G: this.net_G}, distance = this.distance();
    const all = {settings, epoch, steps, weights, losses, distance, history, floor};
    return JSON.parse(JSON.stringify(all));
  }
}

window.GaussianGAN = {
  Game, Random, OBJECTIVES, PRIORS, DEFAULTS, ROOT, MEAN: b, sigmoid,
  STEPS: NUM_POINTS / BATCH_SIZE,
};
})();

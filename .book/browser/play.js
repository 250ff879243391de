// The game of the front page: what game.js computes, drawn and played.
(function () {
'use strict';

const {Game, Random, OBJECTIVES, PRIORS, DEFAULTS, ROOT, MEAN, STEPS, sigmoid} = window.GaussianGAN;
const {h, button, field, calm} = window.page;
const words = window.words, root = document.getElementById('play');
if (!root) return;

const EPOCHS = 20, WINDOW = 25, SHOWN = 100; // epochs of a run, steps of a dot in a chart, points
const VIEW = {x: [-3.4, 5.4], y: [-4.6, 8.6]}, GRID = 56, EDGE = {left: 40, bottom: 22};
const PRESETS = {
  book: {lr_D: 0.05, lr_G: 0.005, objective: 'bce', prior: 'normal', beta1: 0.9, init_std: 0.02},
  closer: {
    lr_D: 0.05, lr_G: 0.005, objective: 'least_squares', prior: 'normal', beta1: 0.5,
    init_std: 0.5,
  },
};
const SPEEDS = [0.2, 1, 2, 10];
const model = new Game(DEFAULTS);
let running = false, ends = EPOCHS, due = 0, before = null, drawn = -1, said = 0;
let series = [], sums = {D: 0, G: 0, n: 0}, fixed = [];

// The page

const fields = {};
function named(name, input, ...output) {
  input.id = `play-${name}`;
  fields[name] = input;
  return field(words[name], input, ...output);
}

function choice(name, labels, change) {
  const options = Object.entries(labels).map(([value, text]) => h('option', {value}, text));
  return named(name, h('select', {onchange: event => change(event.target.value)}, ...options));
}

// A slider of powers: its steps are equal factors.
function slider(name, least, most) {
  const output = h('span', {class: 'value', 'aria-hidden': 'true'});
  const input = h('input', {
    type: 'range', min: Math.log10(least), max: Math.log10(most), step: 'any',
    oninput: () => set({[name]: Number((10 ** input.value).toPrecision(2))}),
    onkeydown: event => { // "any" has no step of its own for the keys
      const way = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1}[event.key];
      if (!way) return;
      event.preventDefault();
      input.value = Number(input.value) + way / 10;
      input.dispatchEvent(new Event('input'));
    },
  });
  input.show = value => {
    input.value = Math.log10(value);
    output.textContent = String(value);
    input.setAttribute('aria-valuetext', String(value));
  };
  return named(name, input, output);
}

function swatch(kind, text, value = '') {
  return h('li', {}, h('span', {class: `mark ${kind}`, 'aria-hidden': 'true'}), `${text} `, value);
}

const canvas = () => h('canvas', {role: 'img'});
const plane = canvas(), lossChart = canvas(), distanceChart = canvas();
const playButton = button('', () => running ? pause() : play(), {class: 'primary'});
const verdict = h('p', {class: 'verdict'}), look = h('p', {class: 'look'});
const told = h('p', {class: 'told', 'aria-live': 'polite'});
const readD = h('b'), readG = h('b'), readDistance = h('b');

function build() {
  const seed = named('seed', h('input', {
    type: 'number', min: 0, max: 999999, step: 1, inputmode: 'numeric',
    onchange: () => reset(Math.max(0, Math.floor(Number(fields.seed.value)) || 0)),
  }));
  const speeds = Object.fromEntries(SPEEDS.map((rate, i) => [i, words.speeds(rate)]));
  root.replaceChildren(
    h('div', {class: 'plane'}, plane, h('ul', {class: 'legend'},
      swatch('dot real', words.real), swatch('dot fake', words.fake),
      swatch('line real', words.truth), swatch('line fake', words.learned),
      swatch('line fence', words.fence), swatch('line pull', words.pull))),
    h('div', {class: 'buttons'},
      playButton,
      button(words.step, () => { pause(); advance(1); update(true); }),
      button(words.epoch, () => { pause(); advance(STEPS - model.steps % STEPS); update(true); }),
      button(words.reset, () => reset(model.settings.seed)),
      seed),
    h('div', {class: 'told-all'}, verdict, look, told),
    h('div', {class: 'charts'},
      h('div', {class: 'chart'}, h('p', {class: 'name'}, words.losses), lossChart,
        h('ul', {class: 'legend'},
          swatch('line real', words.loss_D, readD),
          swatch('line fake dashed', words.loss_G, readG))),
      h('div', {class: 'chart'},
        h('p', {class: 'name'}, words.distance, ' ', readDistance), distanceChart)),
    h('div', {class: 'settings'},
      choice('preset', words.presets, name => name in PRESETS && set(PRESETS[name])),
      slider('lr_D', 0.0005, 0.5), slider('lr_G', 0.0005, 0.5),
      choice('objective', words.objectives, objective => set({objective})),
      choice('prior', words.priors, prior => set({prior})),
      slider('beta1', 0.1, 0.99), slider('init_std', 0.01, 1),
      choice('speed', speeds, () => {})));
  root.setAttribute('role', 'group');
  root.setAttribute('aria-label', words.game);
  fields.speed.value = calm.matches ? 1 : 2;
}

// The rules: most settings hold from the next step; the first weights need a new game.
function set(settings) {
  const anew = 'init_std' in settings && settings.init_std !== model.settings.init_std;
  Object.assign(model.settings, settings);
  if (settings.prior) drawNoise();
  if (anew) return reset(model.settings.seed);
  sync();
  update();
}

function drawNoise() {
  const random = new Random(1);
  fixed = Array.from({length: SHOWN}, () => [0, 1].map(() => PRIORS[model.settings.prior](random)));
}

function clear() {
  running = false;
  Object.assign(sums, {D: 0, G: 0, n: 0});
  [series, ends, due, before, drawn, said] = [[], EPOCHS, 0, null, -1, 0];
  drawNoise();
  sync();
  update();
}

function reset(seed) {
  model.reset(seed);
  clear();
}

function advance(n) {
  for (; n > 0; n--) {
    const steps = model.steps;
    model.step();
    if (model.steps === steps) return;
    sums.D += model.last_D;
    sums.G += model.last_G;
    if (++sums.n === WINDOW) {
      const [D, G] = [sums.D / WINDOW, sums.G / WINDOW];
      series.push({x: model.steps / STEPS, D, G, distance: model.distance()});
      Object.assign(sums, {D: 0, G: 0, n: 0});
    }
  }
}

function play() {
  if (model.epoch >= ends) ends = model.epoch + EPOCHS;
  [running, before] = [true, null];
  update();
  requestAnimationFrame(frame);
}

function pause() {
  if (!running) return;
  running = false;
  update(true);
}

function frame(now) {
  if (!running) return;
  const seconds = before === null ? 0 : Math.min((now - before) / 1000, 0.1);
  before = now;
  due += seconds * SPEEDS[fields.speed.value] * STEPS;
  const start = performance.now();
  while (due >= 1 && model.epoch < ends && performance.now() - start < 10) {
    advance(1);
    due--;
  }
  due = Math.min(due, STEPS); // a slow machine plays more slowly, and owes nothing
  if (model.epoch >= ends || !Number.isFinite(model.distance())) {
    running = false;
    return update(true);
  }
  // Where motion is unwelcome, the picture changes once an epoch.
  if (!calm.matches || model.epoch !== drawn) update();
  drawn = model.epoch;
  requestAnimationFrame(frame);
}

// What is said

function judged() {
  const distance = model.distance(), off = Math.sqrt(distance), floor = Math.sqrt(model.floor);
  if (!Number.isFinite(off)) return {rank: 3, text: words.lost};
  const rank = off <= 2 * floor ? 0 : off <= 0.25 ? 1 : off <= 0.5 ? 2 : 3;
  const say = model.settings.prior === 'normal' ? words.verdict : words.least;
  return {rank, text: say(words.verdicts[rank], off.toFixed(off < 0.1 ? 3 : 2))};
}

function lookAt(rank) {
  if (!model.steps) return 'start';
  if (rank < 2) return model.settings.prior === 'uniform' ? 'uniform' : 'done';
  const {balance} = OBJECTIVES[model.settings.objective];
  const last = series[series.length - 1] || {D: model.last_D, G: model.last_G};
  const apart = Math.abs(last.D - balance.D) + Math.abs(last.G - balance.G);
  if (apart < 0.1 && model.steps >= STEPS / 5) return 'even';
  return model.distance() > 4 ? 'wins' : 'chase';
}

const number = x => x === undefined ? '' : x.toFixed(Math.abs(x) < 0.1 ? 4 : 3);

// Let the controls show the settings.
function sync() {
  const {settings} = model;
  for (const name of ['lr_D', 'lr_G', 'beta1', 'init_std']) fields[name].show(settings[name]);
  for (const name of ['objective', 'prior', 'seed']) fields[name].value = settings[name];
  const same = rules => Object.entries(rules).every(([key, value]) => settings[key] === value);
  fields.preset.value = Object.keys(PRESETS).find(name => same(PRESETS[name])) || 'mine';
}

function update(aloud) {
  const {last_D, last_G} = model, {rank, text} = judged();
  const epoch = words.at(Math.floor(model.steps / STEPS));
  playButton.textContent = running ? words.pause : !model.steps ? words.play : words.on;
  root.dataset.running = running;
  verdict.textContent = epoch + text;
  look.textContent = words.look[lookAt(rank)];
  readD.textContent = number(last_D);
  readG.textContent = number(last_G);
  readDistance.textContent = number(model.distance());
  // A screen reader hears the verdict when the reader did something, and every fifth epoch.
  const fifth = Math.floor(model.epoch / 5);
  if (aloud || (running && fifth !== said)) told.textContent = epoch + text;
  said = fifth;
  const mean = model.net_G[0].c.map(x => x.toFixed(1)).join(', ');
  const labels = [
    [plane, words.planeLabel(mean, text)],
    [lossChart, words.lossLabel(number(last_D), number(last_G))],
    [distanceChart, words.distanceLabel(number(model.distance()), number(model.floor))],
  ];
  if (!running) for (const [element, label] of labels) element.setAttribute('aria-label', label);
  draw();
}

// What is drawn

let colours = {};
function readColours() {
  const style = getComputedStyle(root), names = ['real', 'fake', 'ink', 'faint', 'paper', 'fence'];
  colours = Object.fromEntries(names.map(n => [n, style.getPropertyValue(`--${n}`).trim()]));
  const hidden = document.createElement('canvas').getContext('2d');
  for (const name of ['real', 'fake']) { // as numbers, for the shades
    hidden.fillStyle = colours[name];
    const hex = hidden.fillStyle;
    colours[`${name}RGB`] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
  }
}

// Return a context in pixels of the page, cleared; null while the canvas has no size.
function paper(canvas) {
  const {clientWidth: width, clientHeight: height} = canvas, ratio = window.devicePixelRatio || 1;
  if (!width || !height) return null;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = '11px system-ui, sans-serif';
  return Object.assign(context, {across: width, down: height});
}

function line(context, points, colour, width = 1.5, dash = []) {
  context.beginPath();
  points.forEach(([x, y], i) => i ? context.lineTo(x, y) : context.moveTo(x, y));
  context.setLineDash(dash);
  Object.assign(context, {strokeStyle: colour, lineWidth: width, lineJoin: 'round'});
  context.stroke();
  context.setLineDash([]);
}

function label(context, text, x, y, align = 'left', colour = colours.faint) {
  Object.assign(context, {fillStyle: colour, textAlign: align, textBaseline: 'middle'});
  context.fillText(text, x, y);
}

const minus = number => String(number).replace('-', '−');

// What D thinks of each place: (GRID + 1)^2 numbers in (0, 1), row by row from the top.
const thought = new Float64Array((GRID + 1) ** 2);
function think(shown) {
  const [one, two, three] = model.net_D, hidden = new Float64Array(one.c.length);
  let i = 0;
  for (let row = 0; row <= GRID; row++) {
    const y = VIEW.y[1] + (VIEW.y[0] - VIEW.y[1]) * row / GRID;
    for (let column = 0; column <= GRID; column++) {
      const x = VIEW.x[0] + (VIEW.x[1] - VIEW.x[0]) * column / GRID;
      for (let j = 0; j < hidden.length; j++) {
        hidden[j] = Math.tanh(one.c[j] + one.W[j][0] * x + one.W[j][1] * y);
      }
      let out = three.c[0];
      for (let j = 0; j < two.c.length; j++) {
        let sum = two.c[j];
        for (let k = 0; k < hidden.length; k++) sum += two.W[j][k] * hidden[k];
        out += three.W[0][j] * Math.tanh(sum);
      }
      thought[i++] = out;
    }
  }
  // Some losses leave D's zero or its size open: there it is set by the points that are shown.
  const {boundary = 0, pairs, clip} = OBJECTIVES[model.settings.objective];
  let centre = boundary, gain = boundary ? 4 : 1;
  if (pairs || clip) {
    const all = shown.map(x => model.judge(x));
    centre = all.reduce((sum, x) => sum + x, 0) / all.length;
    if (clip) gain = 2 / Math.max(1e-9, ...all.map(x => Math.abs(x - centre)));
  }
  for (i = 0; i < thought.length; i++) thought[i] = sigmoid(gain * (thought[i] - centre));
}

const shades = document.createElement('canvas');
shades.width = shades.height = GRID + 1;
function shade(context, left, top, width, height) {
  const image = new ImageData(GRID + 1, GRID + 1);
  thought.forEach((p, i) => {
    const colour = p > 0.5 ? colours.realRGB : colours.fakeRGB;
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = colour[k];
    image.data[4 * i + 3] = 120 * Math.abs(2 * p - 1);
  });
  shades.getContext('2d').putImageData(image, 0, 0);
  const cell = [width / GRID, height / GRID]; // a shade is centred on its grid point
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.drawImage(
    shades, left - cell[0] / 2, top - cell[1] / 2, width + cell[0], height + cell[1]);
  context.restore();
}

// Where D's thought crosses a level: each cell of the grid adds a piece of the line.
function contour(context, level, place) {
  const at = (row, column) => thought[row * (GRID + 1) + column] - level;
  context.beginPath();
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const below = (i, j) => at(row + i, column + j) < 0, one = below(0, 0);
      if (below(0, 1) === one && below(1, 1) === one && below(1, 0) === one) continue;
      const corners = [[0, 0], [0, 1], [1, 1], [1, 0]].map(([i, j]) => [row + i, column + j]);
      const cut = [];
      corners.forEach(([i, j], n) => {
        const [k, l] = corners[(n + 1) % 4], a = at(i, j), c = at(k, l);
        if (a < 0 === c < 0) return;
        const t = a / (a - c);
        cut.push(place(j + t * (l - j), i + t * (k - i)));
      });
      for (let n = 0; n + 1 < cut.length; n += 2) {
        context.moveTo(...cut[n]);
        context.lineTo(...cut[n + 1]);
      }
    }
  }
  context.stroke();
}

// Where two standard deviations are; of uniform noise, where all is.
function outline(F, m) {
  const spin = Array.from({length: 61}, (_, i) => [2 * Math.cos(i * Math.PI / 30),
    2 * Math.sin(i * Math.PI / 30)]);
  const square = [[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]];
  const around = F !== ROOT && model.settings.prior === 'uniform' ? square : spin;
  return around.map(z => [0, 1].map(i => m[i] + F[i][0] * z[0] + F[i][1] * z[1]));
}

function drawPlane() {
  const context = paper(plane);
  if (!context) return;
  const left = EDGE.left, width = context.across - left - 1, height = context.down - EDGE.bottom;
  const X = x => left + width * (x - VIEW.x[0]) / (VIEW.x[1] - VIEW.x[0]);
  const Y = y => height * (VIEW.y[1] - y) / (VIEW.y[1] - VIEW.y[0]);
  const place = ([x, y]) => [X(x), Y(y)];
  const real = model.points.slice(0, SHOWN), fake = fixed.map(z => model.generate(z));
  think([...real, ...fake]);
  shade(context, left, 0, width, height);
  for (let x = -2; x <= 4; x += 2) label(context, minus(x), X(x), height + 12, 'center');
  for (let y = -4; y <= 8; y += 2) label(context, minus(y), left - 7, Y(y), 'right');
  context.save();
  context.beginPath();
  context.rect(left, 0, width, height);
  context.clip();
  const grid = (column, row) => [left + width * column / GRID, height * row / GRID];
  for (const [level, thick] of [[0.25, 0.6], [0.75, 0.6], [0.5, 2]]) {
    Object.assign(context, {strokeStyle: colours.fence, lineWidth: thick});
    contour(context, level, grid);
  }
  fake.forEach((x, i) => { // downhill on G's loss
    const [dx, dy] = model.pull(x, real[i % real.length])[1], size = Math.hypot(dx, dy);
    if (i % 2 || size < 1e-4) return;
    const from = place(x), to = place([x[0] - dx, x[1] - dy]);
    const way = [to[0] - from[0], to[1] - from[1]], long = 26 * size / (size + 0.15);
    line(context, [from, way.map((d, j) => from[j] + long * d / Math.hypot(...way))],
      colours.ink, 0.9);
  });
  for (const [points, colour] of [[real, colours.real], [fake, colours.fake]]) {
    Object.assign(context, {fillStyle: colour, strokeStyle: colours.paper, lineWidth: 0.7});
    for (const point of points) {
      context.beginPath();
      context.arc(...place(point), 3.2, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }
  const {W, c} = model.net_G[0];
  line(context, outline(ROOT, MEAN).map(place), colours.real, 2, [6, 4]);
  line(context, outline(W, c).map(place), colours.fake, 2.2);
  context.restore();
  Object.assign(context, {strokeStyle: colours.faint, lineWidth: 0.7});
  context.strokeRect(left, 0.5, width, height - 0.5);
}

// A chart over epochs: `rows` of [y, text] are thin lines across, `lines` of [key, colour, dash].
function chart(canvas, least, most, scale, ticks, rows, lines) {
  const context = paper(canvas);
  if (!context) return;
  const left = EDGE.left, right = context.across - 8, height = context.down - EDGE.bottom;
  const last = Math.max(EPOCHS, ends);
  const X = epoch => left + (right - left) * epoch / last;
  const Y = y => {
    const share = (scale(y) - scale(least)) / (scale(most) - scale(least));
    return 6 + (height - 10) * (1 - Math.max(0, Math.min(1, share)));
  };
  for (const y of ticks) {
    line(context, [[left, Y(y)], [right, Y(y)]], colours.faint, 0.2);
    label(context, minus(y), left - 6, Y(y), 'right');
  }
  for (const epoch of [0, last / 4, last / 2, 3 * last / 4]) {
    label(context, String(epoch), X(epoch), height + 12, 'center');
  }
  label(context, words.axis(last), right + 8, height + 12, 'right');
  for (const [y, text] of rows) {
    line(context, [[left, Y(y)], [right, Y(y)]], colours.faint, 1, [2, 3]);
    label(context, text, right - 2, Y(y) - 8, 'right');
  }
  for (const [key, colour, dash] of lines) {
    line(context, series.map(s => [X(s.x), Y(s[key])]), colour, 2, dash);
  }
}

function drawCharts() {
  const {balance} = OBJECTIVES[model.settings.objective];
  const all = series.flatMap(s => [s.D, s.G]).filter(Number.isFinite);
  const least = Math.min(0, ...all), most = Math.max(1.5 * balance.D, 0.3, ...all);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 50, 200].find(s => (most - least) / s < 6) || most;
  const ticks = [];
  for (let y = Math.ceil(least / step) * step; y <= most; y += step) {
    ticks.push(Number(y.toFixed(2)));
  }
  const lines = [['D', colours.real, []], ['G', colours.fake, [5, 3]]];
  const rows = [[balance.D, words.balance]];
  if (Math.abs(balance.G - balance.D) > 0.2) rows.push([balance.G, '']);
  chart(lossChart, least, most, y => y, ticks, rows, lines);
  chart(distanceChart, 0.001, 20, Math.log10, [0.001, 0.01, 0.1, 1, 10],
    [[0.0625, words.close], [model.floor, words.floor]], [['distance', colours.ink, []]]);
}

function draw() {
  drawPlane();
  drawCharts();
}

const repaint = () => {
  readColours();
  draw();
};

build();
readColours();
clear();
new ResizeObserver(draw).observe(root);
new MutationObserver(repaint).observe(document.body, {attributeFilter: ['data-theme']});
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);

window.game = {
  play, pause, reset,
  step: (n = 1) => { pause(); advance(n); update(true); },
  state: () => model.state(),
  load: given => { model.load(given); clear(); },
};
})();

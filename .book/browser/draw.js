// Draw with the generator that a chapter trained: what generator.js computes, in the page.
(function () {
'use strict';

const {h, button, field} = window.page;
const root = document.getElementById('draw'), words = window.words.drawing;
if (!root) return;
const name = /\bof-(\w+)/.exec(root.className)[1];
const folder = document.currentScript.src.replace(/[^/]*$/, '');
const SIDE = 28, CELLS = 7, SPREAD = 4; // pixels, pictures on a map's side, reach of a slider
let generator, corners, digit = 3, place = [0, 0], turned = [], mapping = 0;

const large = h('canvas', {
  class: 'large', width: SIDE, height: SIDE, role: 'img', 'aria-label': words.picture,
});
const map = h('canvas', {width: CELLS * SIDE, height: CELLS * SIDE});
const knob = h('span', {class: 'knob'});
const pad = h('div', {class: 'pad', 'aria-hidden': 'true'}, map, knob);
const digits = Array.from({length: 10}, (_, i) =>
  button(String(i), () => { digit = i; draw(true); }, {'aria-label': words.digit(i)}));

const fields = [];
function slider(text, least, change) {
  const value = h('span', {class: 'value', 'aria-hidden': 'true'});
  const input = h('input', {
    id: `draw-${fields.length}`, type: 'range', min: least, max: 1, step: 0.01, value: 0,
    oninput: () => {
      change(Number(input.value));
      draw();
    },
  });
  fields.push({input, show: () => value.textContent = Number(input.value).toFixed(2)});
  return field(text, input, value);
}

// Four samples are the corners of the map. Between them, normal noise is mixed so that it stays as
// long as noise is: the weights' squares add up to 1. Of uniform noise the plain mean is taken.
function mixed([x, y]) {
  const shares = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
  const length = generator.prior === 'normal' ? Math.hypot(...shares) : 1;
  return corners[0].map((_, i) =>
    shares.reduce((sum, share, k) => sum + share / length * corners[k][i], 0));
}

function noise() {
  return mixed(place).map((z, i) =>
    generator.directions.reduce((sum, d, k) => sum + SPREAD * turned[k] * d[i], z));
}

function paint(canvas, z, column = 0, row = 0) {
  const picture = generator.picture(z, digit), image = new ImageData(SIDE, SIDE);
  picture.forEach((v, i) => {
    const grey = Math.round(255 * Math.max(0, Math.min(1, v)));
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  canvas.getContext('2d').putImageData(image, column * SIDE, row * SIDE);
}

// The map is drawn in pieces, so that nobody waits for it; a newer one takes the place of an older.
function draw(all) {
  const number = all ? ++mapping : mapping, cells = all ? CELLS * CELLS : 0;
  const some = cell => {
    const start = performance.now();
    for (; cell < cells && number === mapping && performance.now() - start < 12; cell++) {
      const column = cell % CELLS, row = Math.floor(cell / CELLS);
      paint(map, mixed([column, row].map(i => i / (CELLS - 1))), column, row);
    }
    if (cell < cells && number === mapping) requestAnimationFrame(() => some(cell));
  };
  some(0);
  paint(large, noise());
  [knob.style.left, knob.style.top] = place.map(x => `${100 * (x * (CELLS - 1) + 0.5) / CELLS}%`);
  fields.forEach(({show}) => show());
  digits.forEach((button, i) => button.setAttribute('aria-pressed', i === digit));
  if (generator.conditional) large.setAttribute('aria-label', words.pictureOf(digit));
}

function another() {
  const draws = () => {
    if (generator.prior === 'uniform') return 2 * Math.random() - 1;
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  };
  corners = [0, 1, 2, 3].map(() => Array.from({length: generator.latent}, draws));
  [place, turned] = [[0, 0], generator.directions.map(() => 0)];
  fields.forEach(({input}) => input.value = 0);
  draw(true);
}

function point(event) {
  if (event.type === 'pointermove' && !event.buttons) return;
  const {left, top, width, height} = pad.getBoundingClientRect();
  const within = x => Math.max(0, Math.min(1, (CELLS * x - 0.5) / (CELLS - 1)));
  place = [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  place.forEach((share, i) => fields[i].input.value = share);
  if (event.type === 'pointerdown') pad.setPointerCapture(event.pointerId);
  draw();
}

function build() {
  generator = new window.Drawing.Generator(window.GENERATORS[name]);
  for (const type of ['pointerdown', 'pointermove']) pad.addEventListener(type, point);
  const walk = [0, 1].map(i => slider(words.walk[i], 0, share => place[i] = share));
  const turn = generator.directions.map((_, k) =>
    slider(words.direction(k + 1), -1, share => turned[k] = share));
  const first = button(words.another, another, {class: 'primary'});
  const told = h('div', {class: 'buttons', role: 'group', 'aria-label': words.digits}, ...digits);
  root.replaceChildren(
    h('div', {class: 'pictures'}, large, pad),
    h('div', {class: 'buttons'}, first), ...generator.conditional ? [told] : [],
    h('div', {class: 'sliders'}, ...walk, ...turn),
    h('p', {class: 'note'}, words.note));
  another();
  first.focus({preventScroll: true});
}

// The weights come when they are asked for, from the book's own folder, by a script: a page that
// is opened from a file may fetch nothing.
function load() {
  if (document.getElementById('draw-weights')) return;
  status.textContent = words.loading;
  document.head.append(h('script', {
    id: 'draw-weights', src: `${folder}draw-${name}.js`, onload: build, onerror: event => {
      event.target.remove();
      status.textContent = words.missing;
    },
  }));
}

const status = h('p', {role: 'status'});
root.setAttribute('role', 'group');
root.setAttribute('aria-label', words.group);
root.replaceChildren(
  h('div', {class: 'buttons'}, button(words.load, load, {class: 'primary'})), status);
window.drawing = {picture: () => Array.from(generator.picture(noise(), digit))};
})();

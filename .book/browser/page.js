// What the scripts of the book's pages make their elements with.
(function () {
'use strict';

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const button = (text, onclick, more) => h('button', {type: 'button', onclick, ...more}, text);
const field = (label, input, ...output) =>
  h('div', {class: 'field'}, h('label', {for: input.id}, label), input, ...output);
const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

window.page = {h, button, field, calm};
})();

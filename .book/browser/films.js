// The films of the chapters: they play until they are paused, and stand where motion is unwelcome.
(function () {
'use strict';

const {h, button, calm} = window.page, words = window.words.films;
const cards = document.querySelector('.cards');
if (!cards || !cards.querySelector('.film')) return;

const toggle = button('', () => show(!cards.classList.contains('playing')));
function show(playing) {
  cards.classList.toggle('playing', playing);
  toggle.textContent = playing ? words.pause : words.play;
}

cards.before(h('div', {class: 'films'}, toggle));
calm.addEventListener('change', () => show(!calm.matches));
show(!calm.matches);
})();

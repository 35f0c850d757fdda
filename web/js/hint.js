// What nobody finds alone: a picture that is held comes off the wall. Said once, to those who have not found out.

import { say } from './strings.js';

const KEY = 'tadne.hinted';
/** The first pictures are looked at by then. */
const SETTLED_MS = 7000;
const SHOWN_MS = 14_000;

/** @param {import('./wall.js').Wall} wall */
export function hint(wall) {
  const note = document.getElementById('hint');
  let known;
  try {
    known = localStorage.getItem(KEY);
  } catch {
    // Nothing can be remembered here: then it is better not said than said at every visit.
    known = 'yes';
  }
  if (known) return;
  const done = () => {
    note.hidden = true;
    note.textContent = '';
    try {
      localStorage.setItem(KEY, 'yes');
    } catch {
      // It is said again next time.
    }
  };
  // Whoever lifts a picture knows.
  wall.view.addEventListener('lifted', done, { once: true });
  note.addEventListener('click', done);
  const show = () => {
    if (note.hidden && document.querySelector('dialog[open]')) return void setTimeout(show, SETTLED_MS);
    if (localStorage.getItem(KEY)) return;
    note.hidden = false;
    note.textContent = say(matchMedia('(hover: hover)').matches ? 'hint.mouse' : 'hint.touch');
    setTimeout(done, SHOWN_MS);
  };
  setTimeout(show, SETTLED_MS);
}

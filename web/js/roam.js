// The wall by keyboard: one stop of the Tab key, from which arrows go from picture to picture.

import { announce } from './controls.js';
import { STEPS, foreign } from './input.js';
import { say } from './strings.js';

/**
 * The stop is the picture in the middle. The wall follows the focus, and stands still as long as a picture is focused
 * by keyboard. B takes a picture, and on another one blends the two.
 * @param {import('./wall.js').Wall} wall
 * @typedef {import('./tile.js').Tile} Tile
 * @param {{obstructed: () => number, blend: (a: Tile, b: Tile) => void}} actions
 */
export function roam(wall, { obstructed, blend }) {
  const { view, camera } = wall;
  let byKeyboard = false;
  let here = null;
  let taken = null;

  const focus = (tile) => {
    if (here) here.element.tabIndex = -1;
    here = tile;
    tile.element.tabIndex = 0;
    tile.element.focus({ preventScroll: true });
    wall.reveal(tile.cell, obstructed());
  };

  document.addEventListener('keydown', () => (byKeyboard = true), true);
  document.addEventListener('pointerdown', () => (byKeyboard = false), true);

  // The sentinel takes the Tab key and hands it to the picture that is in the middle at that time.
  const door = view.querySelector('.door');
  door.addEventListener('focus', () => focus(wall.centre()));

  view.addEventListener('focusin', (event) => {
    if (event.target === door) return;
    door.tabIndex = -1;
    camera.hold('focus', byKeyboard);
    wall.wake();
  });
  view.addEventListener('focusout', (event) => {
    if (view.contains(event.relatedTarget)) return;
    if (here) here.element.tabIndex = -1;
    door.tabIndex = 0;
    camera.hold('focus', false);
    wall.wake();
  });

  view.addEventListener('keydown', (event) => {
    const tile = event.target.closest('.tile')?.tile;
    if (!tile || foreign(event)) return;
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      const next = wall.tileAt({ x: tile.cell.x + step.x, y: tile.cell.y + step.y });
      if (next) focus(next);
    } else if (event.key.toLowerCase() === 'b') {
      if (taken && wall.tileAt(taken.cell) === taken.tile && taken.tile !== tile) {
        blend(taken.tile, tile);
        taken = null;
      } else {
        taken = { tile, cell: tile.cell };
        announce(say('blend.taken', { name: tile.alt }));
      }
    }
  });
}

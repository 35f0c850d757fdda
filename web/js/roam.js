// The wall by keyboard: one stop of the Tab key, from which arrows go from picture to picture.

import { announce } from './controls.js';
import { part, within } from './dom.js';
import { STEPS, foreign } from './input.js';
import { say } from './strings.js';

/**
 * The stop is the picture in the middle. The wall follows the focus, and stands still as long as a picture is focused
 * by keyboard. B takes a picture, and on another one blends the two; Escape puts it back.
 * @param {import('./wall.js').Wall} wall
 * @typedef {import('./tile.js').Tile} Tile
 * @typedef {{recipe: import('./recipe.js').Recipe, psi: number}} Picture
 * @typedef {Picture & {cell: import('./wall.js').Cell}} Taken
 * @param {{blend: (a: Picture, b: Picture) => void, keep: (tile: Tile) => void}} actions
 */
export function roam(wall, { blend, keep }) {
  const { view, camera } = wall;
  let byKeyboard = false;
  /** Whether the picture that had the focus last got it by keyboard. */
  let roams = false;
  /** @type {Tile | null} */
  let here = null;
  /**
   * The picture that is taken: its place on the wall may have scrolled away.
   * @type {Taken | null}
   */
  let taken = null;

  /** @param {import('./tile.js').Tile} tile */
  const focus = (tile) => {
    if (here) here.element.tabIndex = -1;
    here = tile;
    tile.element.tabIndex = 0;
    tile.element.focus({ preventScroll: true });
    wall.reveal(tile.cell);
  };
  /** @param {Taken | null} picture */
  const take = (picture) => {
    taken = picture;
    wall.take(picture?.cell ?? null);
  };

  document.addEventListener('keydown', () => (byKeyboard = true), true);
  document.addEventListener('pointerdown', () => (byKeyboard = roams = false), true);

  // The sentinel takes the Tab key and hands it to the picture that is in the middle at that time.
  const door = part(view, '.door');
  door.addEventListener('focus', () => focus(wall.centre()));

  view.addEventListener('focusin', (event) => {
    if (event.target === door) return;
    // Whatever brought the focus here, the Tab key and the arrows go on from it.
    const tile = within(event, '.tile')?.tile;
    if (tile && tile !== here) {
      if (here) here.element.tabIndex = -1;
      here = tile;
      tile.element.tabIndex = 0;
    }
    door.tabIndex = -1;
    roams = byKeyboard;
    camera.hold('focus', roams);
    wall.wake();
  });
  const left = () => {
    if (here) here.element.tabIndex = -1;
    door.tabIndex = 0;
    camera.hold('focus', false);
    wall.wake();
  };
  view.addEventListener('focusout', (event) => {
    if (event.relatedTarget instanceof Node && view.contains(event.relatedTarget)) return;
    left();
  });
  // Larger pictures are fewer: with one that is taken down the focus goes, and not every browser tells.
  view.addEventListener('laidout', () => {
    if (!here || here.element.isConnected) return;
    left();
    here = null;
    if (roams && document.activeElement === document.body) focus(wall.centre());
  });

  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !taken || document.querySelector('dialog[open]')) return;
    take(null);
    announce(say('blend.put-back'));
  });

  view.addEventListener('keydown', (event) => {
    const tile = within(event, '.tile')?.tile;
    if (!tile || foreign(event)) return;
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      const next = wall.tileAt({ x: tile.cell.x + step.x, y: tile.cell.y + step.y });
      if (next) focus(next);
    } else if (event.key.toLowerCase() === 'f') {
      keep(tile);
    } else if (event.key.toLowerCase() === 'b') {
      const { recipe, psi, cell } = tile;
      if (!taken) {
        take({ recipe, psi, cell });
        announce(say('blend.taken', { name: tile.alt }));
      } else if (cell.x === taken.cell.x && cell.y === taken.cell.y) {
        take(null);
        announce(say('blend.put-back'));
      } else {
        const first = taken;
        take(null);
        blend(first, tile);
      }
    }
  });
}

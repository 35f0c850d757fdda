// Hands on the wall: drag with momentum, two fingers, the wheel, and the keys that work everywhere.

import { ZOOM_STEP } from './controls.js';
import { within } from './dom.js';
import { Lift } from './lift.js';

/** Less movement than this (CSS pixels) is a click. */
const CLICK_SLOP = 6;
/** Momentum is the speed of the last part of a drag. */
const RECENT_MS = 90;
const LINE_PX = 40;
/** How a pointer ends. */
const ENDS = /** @type {const} */ (['pointerup', 'pointercancel']);
/** Two taps of a finger within this time are a double tap. */
const TAP_MS = 240;

/**
 * Where the arrow keys lead, in cells.
 * @type {Record<string, {x: number, y: number} | undefined>}
 */
export const STEPS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/**
 * Whether a key is pressed for something of the browser's.
 * @param {KeyboardEvent | MouseEvent} event
 */
export const foreign = (event) => event.ctrlKey || event.metaKey || event.altKey;

/**
 * @typedef {import('./tile.js').Tile} Tile
 * @typedef {{open: (tile: Tile) => void, keep: (tile: Tile) => void, blend: (a: Tile, b: Tile) => void,
 *   togglePause: () => void}} Actions
 * @typedef {{x: number, y: number, at: number}} Step where a hand was, and when
 */

/**
 * @param {import('./wall.js').Wall} wall
 * @param {Actions} actions
 */
export function listen(wall, actions) {
  hands(wall, actions);
  wheel(wall);
  keys(wall, actions);
  /** @type {{tile: Tile, timer: number} | null} */
  let tapped = null;
  wall.view.addEventListener('click', (event) => {
    const tile = within(event, '.tile')?.tile;
    // A new tab is the visitor's to open.
    if (!tile || foreign(event) || event.shiftKey) return;
    event.preventDefault();
    if (event.pointerType !== 'touch') return actions.open(tile);
    // A second tap keeps the picture; one that stays alone opens it.
    if (tapped?.tile === tile) {
      clearTimeout(tapped.timer);
      tapped = null;
      actions.keep(tile);
      return;
    }
    clearTimeout(tapped?.timer);
    const { cell } = tile;
    const timer = setTimeout(() => {
      tapped = null;
      if (tile.cell === cell) actions.open(tile);
    }, TAP_MS);
    tapped = { tile, timer };
  });
}

/**
 * One pointer drags the wall, or a picture it has rested on; two pull it larger or smaller.
 * @param {import('./wall.js').Wall} wall
 * @param {Actions} actions
 */
function hands(wall, actions) {
  const { view, camera } = wall;
  /** @type {Map<number, {x: number, y: number}>} */
  const pointers = new Map();
  const lift = new Lift(wall, actions);
  /** @type {{x: number, y: number, moved: boolean, trail: Step[]} | null} */
  let drag = null;
  /** @type {{x: number, y: number, length: number} | null} */
  let pinch = null;

  const span = () => {
    const [a, b] = pointers.values();
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.max(20, Math.hypot(a.x - b.x, a.y - b.y)) };
  };

  view.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || pointers.size === 2) return;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    camera.stop();
    camera.hold('hand', true);
    if (pointers.size === 1) {
      drag = { x: event.clientX, y: event.clientY, moved: false, trail: [] };
      // A press that has not become a drag is not captured, so that a click finds its picture; it may end anywhere.
      for (const kind of ENDS) addEventListener(kind, release);
      lift.rest(event, within(event, '.tile')?.tile);
    } else {
      lift.cancel();
      pinch = span();
      pointers.forEach((_, id) => view.setPointerCapture(id));
      view.classList.add('dragged');
    }
  });

  view.addEventListener('pointermove', (event) => {
    const pointer = pointers.get(event.pointerId);
    if (!pointer) return;
    // A button that was let go where nobody could tell us.
    if (event.pointerType === 'mouse' && event.buttons === 0) return release(event);
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    if (lift.carrying) {
      lift.carry(event.clientX, event.clientY);
    } else if (lift.dropped) {
      // The picture was put back; the hand that still is down does nothing more.
    } else if (pinch) {
      [pointer.x, pointer.y] = [event.clientX, event.clientY];
      const now = span();
      camera.shift(pinch.x - now.x, pinch.y - now.y);
      wall.zoom(now.length / pinch.length, now.x, now.y, false);
      pinch = now;
      return;
    } else if (drag) {
      if (!drag.moved) {
        if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < CLICK_SLOP) return;
        drag.moved = true;
        lift.cancel();
        view.setPointerCapture(event.pointerId);
        view.classList.add('dragged');
        [pointer.x, pointer.y] = [event.clientX, event.clientY];
        camera.shift(drag.x - event.clientX, drag.y - event.clientY);
      } else {
        camera.shift(-dx, -dy);
      }
      drag.trail.push({ x: event.clientX, y: event.clientY, at: event.timeStamp });
      while (drag.trail[0].at < event.timeStamp - RECENT_MS) drag.trail.shift();
    }
    [pointer.x, pointer.y] = [event.clientX, event.clientY];
    wall.wake();
  });

  /** @param {PointerEvent} event */
  function release(event) {
    if (!pointers.delete(event.pointerId)) return;
    const pinched = pinch !== null;
    if (pinched) {
      pinch = null;
      // The finger that stays goes on dragging from where it is.
      const [left] = pointers.values();
      if (left) drag = { ...left, moved: true, trail: [] };
    }
    if (pointers.size > 0) return;
    for (const kind of ENDS) removeEventListener(kind, release);
    camera.hold('hand', false);
    view.classList.remove('dragged');
    const carried = lift.release(event.type === 'pointerup');
    if (carried || drag?.moved || pinched) {
      // The click that follows belongs to the gesture.
      /** @param {MouseEvent} click */
      const swallow = (click) => {
        click.preventDefault();
        click.stopPropagation();
      };
      view.addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => view.removeEventListener('click', swallow, { capture: true }), 0);
    }
    if (drag?.moved && !carried) coast(camera, drag.trail, event.timeStamp);
    drag = null;
    wall.wake();
  }
  view.addEventListener('dragstart', (event) => event.preventDefault());
  view.addEventListener('contextmenu', (event) => lift.carrying && event.preventDefault());
}

/**
 * Lets the wall go on at the speed of the hand, unless the hand had come to rest.
 * @param {import('./camera.js').Camera} camera
 * @param {Step[]} trail
 * @param {number} now
 */
function coast(camera, trail, now) {
  const [from, to] = [trail[0], trail.at(-1)];
  if (!from || !to || now - to.at > RECENT_MS) return;
  const seconds = (to.at - from.at) / 1000;
  if (seconds > 0.01) camera.push((from.x - to.x) / seconds, (from.y - to.y) / seconds);
}

/** @param {import('./wall.js').Wall} wall */
function wheel(wall) {
  wall.view.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const unit = [1, LINE_PX, wall.height][event.deltaMode];
      const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
      // Two fingers pulled apart on a touch pad arrive as a wheel with Ctrl.
      const pull = Math.exp(Math.min(60, Math.max(-60, -dy)) / 150);
      if (event.ctrlKey) wall.zoom(pull, event.clientX, event.clientY, false);
      else if (event.shiftKey && dx === 0) wall.camera.glide(dy, 0);
      else wall.camera.glide(dx, dy);
      wall.wake();
    },
    { passive: false },
  );
}

/**
 * Keys that work wherever the focus is, except in controls that need them themselves.
 * @param {import('./wall.js').Wall} wall
 * @param {Pick<Actions, 'togglePause'>} actions
 */
function keys(wall, { togglePause }) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || foreign(event) || document.querySelector('dialog[open]')) return;
    const control = within(event, 'input, button, summary, select, textarea, .placard a');
    const typing = within(event, 'textarea, input:not([type="range"], [type="checkbox"])');
    if (event.key === ' ' && (!control || (control instanceof HTMLInputElement && control.type === 'range'))) {
      event.preventDefault();
      if (!event.repeat) togglePause();
    } else if (!typing && (event.key === '+' || event.key === '=')) {
      wall.zoom(ZOOM_STEP);
    } else if (!typing && event.key === '-') {
      wall.zoom(1 / ZOOM_STEP);
    }
    const step = STEPS[event.key];
    if (step && !control) {
      event.preventDefault();
      wall.camera.glide(step.x * wall.lattice.pitchX, step.y * wall.lattice.pitchY);
      wall.wake();
    }
  });
}

// Hands on the wall: drag with momentum, wheel, arrow keys, Space, and walking from picture to picture by keyboard.

/** Less movement than this (CSS pixels) is a click. */
const CLICK_SLOP = 6;
/** Momentum is the speed of the last part of a drag. */
const RECENT_MS = 90;
const LINE_PX = 40;

const STEPS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/**
 * @param {import('./wall.js').Wall} wall
 * @param {{open: (tile: import('./tile.js').Tile) => void, togglePause: () => void, obstructed: () => number}} actions
 */
export function listen(wall, actions) {
  drag(wall);
  wheel(wall);
  keys(wall, actions);
  walk(wall, actions);
  wall.view.addEventListener('click', (event) => {
    const tile = event.target.closest('.tile')?.tile;
    // A new tab is the visitor's to open.
    if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    actions.open(tile);
  });
}

function drag(wall) {
  const { view, camera } = wall;
  let grip = null;

  view.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || grip) return;
    camera.stop();
    camera.hold('hand', true);
    grip = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: false, trail: [] };
  });

  view.addEventListener('pointermove', (event) => {
    if (event.pointerId !== grip?.id) return;
    if (!grip.moved) {
      if (Math.hypot(event.clientX - grip.x, event.clientY - grip.y) < CLICK_SLOP) return;
      grip.moved = true;
      view.setPointerCapture(grip.id);
      view.classList.add('dragged');
    }
    camera.shift(grip.x - event.clientX, grip.y - event.clientY);
    [grip.x, grip.y] = [event.clientX, event.clientY];
    grip.trail.push({ x: event.clientX, y: event.clientY, at: event.timeStamp });
    while (grip.trail[0].at < event.timeStamp - RECENT_MS) grip.trail.shift();
    wall.wake();
  });

  const release = (event) => {
    if (event.pointerId !== grip?.id) return;
    const { moved, trail } = grip;
    grip = null;
    camera.hold('hand', false);
    view.classList.remove('dragged');
    if (moved) {
      // The click that follows belongs to the drag.
      const swallow = (click) => {
        click.preventDefault();
        click.stopPropagation();
      };
      view.addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => view.removeEventListener('click', swallow, { capture: true }), 0);
      const [from, to] = [trail[0], trail.at(-1)];
      const seconds = (to.at - from.at) / 1000;
      const resting = event.timeStamp - to.at > RECENT_MS;
      if (seconds > 0.01 && !resting) camera.push((from.x - to.x) / seconds, (from.y - to.y) / seconds);
    }
    wall.wake();
  };
  view.addEventListener('pointerup', release);
  view.addEventListener('pointercancel', release);
  view.addEventListener('dragstart', (event) => event.preventDefault());
}

function wheel(wall) {
  wall.view.addEventListener(
    'wheel',
    (event) => {
      // Ctrl and the wheel zoom the page: not ours.
      if (event.ctrlKey) return;
      event.preventDefault();
      const unit = [1, LINE_PX, wall.height][event.deltaMode];
      const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
      if (event.shiftKey && dx === 0) wall.camera.glide(dy, 0);
      else wall.camera.glide(dx, dy);
      wall.wake();
    },
    { passive: false },
  );
}

/** Keys that work wherever the focus is, except in controls that need them themselves. */
function keys(wall, { togglePause }) {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    const control = event.target.closest?.('input, button, summary, select, textarea, .placard a');
    if (event.key === ' ' && (!control || control.type === 'range')) {
      event.preventDefault();
      if (!event.repeat) togglePause();
    }
    const step = STEPS[event.key];
    if (step && !control) {
      event.preventDefault();
      wall.camera.glide(step.x * wall.lattice.pitchX, step.y * wall.lattice.pitchY);
      wall.wake();
    }
  });
}

/**
 * The wall is one stop of the Tab key: the picture in the middle. Arrows go from picture to picture, the wall follows,
 * and stands still as long as a picture is focused by keyboard.
 */
function walk(wall, { obstructed }) {
  const { view, camera } = wall;
  let byKeyboard = false;
  let here = null;

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
    const step = STEPS[event.key];
    if (!tile || !step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = wall.tileAt({ x: tile.cell.x + step.x, y: tile.cell.y + step.y });
    if (next) focus(next);
  });
}

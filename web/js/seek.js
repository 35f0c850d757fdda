// Ways to places: a seed by its number, any picture, another wall; and the wall without the panel.

import { fetched } from './again.js';
import { announce } from './controls.js';
import { find } from './dom.js';
import { possible } from './easel.js';
import { creature, isSeed, ofSeed, single } from './recipe.js';
import { go, roomOf } from './router.js';
import { anyWall, change, remember, settings } from './settings.js';
import { say } from './strings.js';

/** Without a hand that moves, the way back to the panel goes away. */
const IDLE_MS = 3000;

/** @param {import('./wall.js').Wall} wall */
export function seek(wall) {
  const field = find('seek-seed');
  /** Opens a picture; behind it the wall goes to where it hangs, so that its neighbours are those on the wall. */
  const open = (/** @type {import('./recipe.js').Creature} */ one) => {
    if (isSeed(one)) wall.seek(one.seed);
    go(roomOf(single(one)));
  };
  find('seek').addEventListener('submit', (event) => {
    event.preventDefault();
    const one = creature(field.value.trim().toLowerCase());
    field.setAttribute('aria-invalid', String(!one));
    if (one) return open(one);
    announce(say('seek.unknown'));
    field.focus();
  });
  field.addEventListener('input', () => field.removeAttribute('aria-invalid'));
  find('seek-any').addEventListener('click', () => open(ofSeed(anyWall()).a));
  find('seek-wall').addEventListener('click', () => {
    // Back returns to the wall that was left.
    remember();
    try {
      history.pushState(null, '', location.href);
    } catch {
      // Browsers refuse many in a row: Back leads to the wall before, then.
    }
    change({ wall: anyWall(), at: { x: 0, y: 0 } });
    remember();
    wall.goThere();
    announce(say('seek.wall.spoken'));
  });
  bare(wall);
}

/**
 * The search for a face like a picture of the visitor's: asked for by a button, or by dropping a file onto the page.
 * @param {import('./wall.js').Wall} wall
 */
export function seekFace(wall) {
  if (!possible) return;
  const button = find('to-lookalike');
  button.hidden = false;
  /** @type {Promise<import('./lookalike.js').Lookalike> | null} */
  let made = null;
  /**
   * The search covers the wall, which waits.
   * @param {boolean} yes
   */
  const hold = (yes) => {
    wall.camera.hold('search', yes);
    wall.wake();
  };
  find('lookalike').addEventListener('close', () => hold(false));
  /** @param {File} [file] */
  const open = async (file) => {
    made ??= fetched('./lookalike.js', () => import('./lookalike.js')).then(({ Lookalike }) => new Lookalike());
    try {
      (await made).show(file);
      hold(true);
    } catch {
      // It could not be fetched: the next attempt asks again.
      made = null;
      announce(say('status.offline'));
    }
  };
  button.addEventListener('click', () => open());
  document.addEventListener('dragover', (event) => event.dataTransfer?.types.includes('Files') && event.preventDefault());
  document.addEventListener('drop', (event) => {
    const [file] = event.dataTransfer?.files ?? [];
    if (!file || event.defaultPrevented) return;
    // Else the browser would leave the page for the file.
    event.preventDefault();
    if (!document.querySelector('dialog[open]')) open(file);
  });
}

/**
 * The wall alone: as large as the screen where the browser allows it, and remembered.
 * @param {import('./wall.js').Wall} wall
 */
function bare(wall) {
  const back = find('unbare');
  const root = document.documentElement;
  let idle = 0;
  const dress = () => {
    root.classList.toggle('bare', settings.bare);
    back.hidden = !settings.bare;
    wall.wake();
  };
  /** @param {boolean} yes */
  const set = (yes) => {
    change({ bare: yes });
    dress();
    if (!yes && document.fullscreenElement === root) document.exitFullscreen();
    announce(say(yes ? 'bare.on' : 'bare.off'));
    (yes ? back : find('bare')).focus();
  };
  find('bare').addEventListener('click', () => {
    set(true);
    root.requestFullscreen?.().catch(() => {});
  });
  back.addEventListener('click', () => set(false));
  // Who leaves the full screen with the browser's own key wants the panel back.
  document.addEventListener('fullscreenchange', ({ target }) => {
    if (target === root && !document.fullscreenElement && settings.bare && !document.querySelector('dialog[open]')) set(false);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && settings.bare && !document.querySelector('dialog[open]')) set(false);
  });
  const awake = () => {
    root.classList.remove('idle');
    clearTimeout(idle);
    idle = setTimeout(() => root.classList.add('idle'), IDLE_MS);
  };
  for (const kind of ['pointermove', 'pointerdown', 'keydown']) document.addEventListener(kind, awake);
  awake();
  dress();
}

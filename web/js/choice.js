// "Draw in this browser": the visitor's choice, or a measurement's where the visitor made none.

import { announce } from './controls.js';
import { find } from './dom.js';
import { atelier, changes, dismiss, drawHere, here, possible } from './easel.js';
import { hosted, saving } from './settings.js';
import { say } from './strings.js';

const KEY = 'tadne.draws';
/** The first screen is there by then, and the server's pace known. */
const SETTLED_MS = 5000;
/** Milliseconds a picture; a server that is quicker is not worth a download of megabytes. */
const SLOW_MS = 15;
/** The browser must be so much faster to be chosen. */
const MARGIN = 0.8;

const remembered = () => {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
};

/** Milliseconds a picture of this browser, all workers together. */
export async function ownPace() {
  const studio = await atelier();
  const rounds = 4;
  const round = () => Promise.all(Array.from({ length: studio.workers }, (_, seed) => studio.draw(String(seed), 1)));
  await round();
  const start = performance.now();
  for (let index = 0; index < rounds; index += 1) await round();
  return (performance.now() - start) / (rounds * studio.workers);
}

/**
 * @param {import('./wall.js').Wall} wall
 * @param {import('./loader.js').Loader} loader
 * @param {import('./living.js').Living} living
 */
export function offer(wall, loader, living) {
  const box = find('draw-here');
  const button = find('living');
  const dress = () => {
    box.checked = here();
    button.hidden = !possible;
    button.setAttribute('aria-pressed', String(living.wanders));
  };
  const trouble = () => {
    find('status').hidden = false;
    find('status').textContent = say('draw.failed');
    announce(say('draw.failed'));
    dress();
  };
  find('draw-control').hidden = hosted || !possible;
  changes.addEventListener('change', () => {
    dress();
    wall.renew();
  });
  /** @param {boolean} yes */
  const switchTo = async (yes) => {
    // Not `disabled`, which would take the focus away from whoever has just pressed it.
    box.setAttribute('aria-disabled', 'true');
    try {
      await drawHere(yes);
      return true;
    } catch {
      trouble();
      return false;
    } finally {
      box.removeAttribute('aria-disabled');
    }
  };
  box.addEventListener('click', (event) => box.hasAttribute('aria-disabled') && event.preventDefault());
  box.addEventListener('change', async () => {
    const yes = box.checked;
    if (!(await switchTo(yes))) return;
    if (!yes) living.wander(false);
    dress();
    announce(say(yes ? 'draw.on' : 'draw.off'));
    try {
      localStorage.setItem(KEY, yes ? 'browser' : 'server');
    } catch {
      // Then it is asked again next time.
    }
  });
  button.addEventListener('click', async () => {
    const yes = !living.wanders;
    if (yes && !here() && !(await switchTo(true))) return;
    living.wander(yes);
    dress();
    announce(say(yes ? 'living.on' : 'living.off'));
  });
  dress();
  if (hosted) atelier().catch(trouble);
  else if (possible && remembered() === 'browser') switchTo(true);
  else if (possible && !remembered() && !saving) setTimeout(() => measure(loader, switchTo), SETTLED_MS);
}

/**
 * Moves the drawing into the browser if that is faster than what the server has shown; else the workers it was measured with go.
 * @param {import('./loader.js').Loader} loader
 * @param {(yes: boolean) => unknown} switchTo
 */
async function measure(loader, switchTo) {
  const pace = loader.pace();
  if (pace === undefined || pace <= SLOW_MS || here()) return;
  const own = await ownPace().catch(() => Infinity);
  if (own < MARGIN * pace && !remembered()) switchTo(true);
  else dismiss();
}

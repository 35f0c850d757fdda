// Giving pictures away: links, the system's share sheet, the clipboard, animations and films made of several pictures.

import { pictureAddress, spelledPsi } from './address.js';
import { announce } from './controls.js';
import { around, part, within } from './dom.js';
import { blobOf } from './easel.js';
import { animation, hand } from './files.js';
import { film } from './film.js';
import { canvasOf } from './picture.js';
import { fileName, single, title } from './recipe.js';
import { addressOf } from './router.js';
import { FOR_OTHERS, model } from './settings.js';
import { say } from './strings.js';

/** Pictures from one of a line to the next, and how long each is seen; those of the line itself are seen longer. */
const BETWEEN = 10;
const FRAME_MS = 90;
const STAY_MS = 700;
/** How long a button says that it worked. */
const SAID_MS = 2200;

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages without https have no clipboard; an element's selection can be copied all the same.
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'unseen';
    (document.querySelector('dialog[open]') ?? document.body).append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
}

/**
 * A picture as a PNG, enlarged so that it is something to look at where it arrives.
 * @param {import('./router.js').RoomPlace} place
 */
async function pngOf({ recipe, psi, noise }) {
  const size = Math.min(1024, 4 * Math.max(model.width, model.height));
  return blobOf(await canvasOf(pictureAddress(recipe, psi, { kind: 'png', size, noise })), 'png');
}

/** @typedef {import('./files.js').Shown} Shown */

/**
 * From one end of a line of creatures to the other, with so many steps from each to the next.
 * @param {import('./recipe.js').Creature[]} line
 * @param {import('./router.js').RoomPlace} place how they are drawn
 * @param {number} steps
 */
async function along(line, { psi, noise }, steps) {
  /** @type {Shown[]} */
  const pictures = [];
  /**
   * @param {import('./recipe.js').Recipe} one
   * @param {number} ms
   */
  const add = async (one, ms) =>
    pictures.push({ canvas: await canvasOf(pictureAddress(one, psi, { noise })), ms });
  for (const [index, one] of line.entries()) {
    await add(single(one), STAY_MS);
    const next = line[index + 1];
    for (let step = 1; next && step < steps; step += 1) {
      await add({ kind: 'blend', a: one, b: next, percent: Math.round((100 * step) / steps) }, FRAME_MS);
    }
  }
  return pictures;
}

/**
 * The line of descent of a creature: from its seed, or the found face, to itself, child by child.
 * @param {import('./router.js').RoomPlace} place
 */
function lineage(place) {
  const { a } = place.recipe;
  const line = Array.from({ length: a.path.length + 1 }, (_, length) => ({ ...a, path: a.path.slice(0, length) }));
  return along(line, place, BETWEEN);
}

/**
 * From one creature of a blend to the other.
 * @param {import('./router.js').RoomPlace} place
 */
async function crossing(place) {
  const { recipe } = place;
  if (recipe.kind !== 'blend') throw new Error('not a blend');
  return along([recipe.a, recipe.b], place, 2 * BETWEEN);
}

/** Whether the system can be asked to share. */
const sheet = typeof navigator.share === 'function';
const clipboard = typeof ClipboardItem === 'function' && Boolean(navigator.clipboard?.write);

/**
 * The room's ways to give its picture away.
 * @param {HTMLElement} room
 * @param {() => import('./room.js').RoomPlace} place what the room shows now
 * @param {(words: string) => void} note says what did not work where it is seen
 */
export function share(room, place, note) {
  const link = () => new URL(addressOf(place(), FOR_OTHERS), location.href).href;
  /** @param {string} name */
  const button = (name) => part(room, `[data-share="${name}"]`);
  /**
   * Says on a button what became of it.
   * @param {string} name
   * @param {string} words
   */
  const tell = (name, words) => {
    announce(words);
    const label = button(name).querySelector('span') ?? button(name);
    const usual = (label.dataset.words ??= label.textContent ?? '');
    label.textContent = words;
    setTimeout(() => (label.textContent = usual), SAID_MS);
  };
  /** @type {Record<string, () => Promise<void>>} */
  const acts = {
    async copy() {
      tell('copy', say((await copy(link())) ? 'room.copied' : 'room.not-copied'));
    },
    async sheet() {
      const { recipe, psi } = place();
      const address = { title: title(recipe), url: link() };
      const file = await pngOf(place())
        .then((png) => new File([png], `tadne-${fileName(recipe)}-psi-${spelledPsi(psi)}.png`, { type: png.type }))
        .catch(() => null);
      const whole = file && { ...address, files: [file] };
      await navigator.share(whole && navigator.canShare?.(whole) ? whole : address);
    },
    async picture() {
      // The clipboard takes a promise: asked for at once, while the press still counts.
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': pngOf(place()) })]);
      note(say('share.picture.copied'));
      announce(say('share.picture.copied'));
    },
    line: () => move('line', lineage, animation),
    'line.mp4': () => move('line', lineage, film),
    'morph.mp4': () => move('morph', crossing, film),
  };
  /**
   * Hands over moving pictures.
   * @param {string} name
   * @param {(place: import('./router.js').RoomPlace) => Promise<Shown[]>} draw
   * @param {(pictures: Shown[]) => Promise<Blob>} write
   */
  const move = async (name, draw, write) => {
    note(say('share.making'));
    const shown = place();
    const made = await write(await draw(shown));
    hand(made, `tadne-${fileName(shown.recipe)}-${name}.${made.type.split('/')[1]}`);
    note(say('share.made'));
  };
  button('sheet').hidden = !sheet;
  around(button('picture'), 'li').hidden = !clipboard;
  room.addEventListener('click', async (event) => {
    const name = within(event, '[data-share]')?.dataset.share;
    if (!name) return;
    try {
      await acts[name]();
    } catch (error) {
      // Who closes the share sheet has not failed.
      if (!(error instanceof Error && error.name === 'AbortError')) note(say('share.failed'));
    }
  });
}

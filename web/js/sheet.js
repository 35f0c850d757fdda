// Many pictures on one sheet, as a picture: favourites with their names, or the levels of a recipe.

import { pictureAddress } from './address.js';
import { paperOf } from './dom.js';
import { atelier, blobOf, paint } from './easel.js';
import { LEVELS } from './levels.js';
import { canvasOf } from './picture.js';
import { title } from './recipe.js';
import { model } from './settings.js';
import { numbers } from './strings.js';

/** Pixels between pictures and around them, and for a line of words. */
const GAP = 16;
const WORDS = 30;
const LANES = 4;
const MONTAGE_COLUMNS = 6;

/**
 * Runs a task for each of a list, a few at a time.
 * @template One
 * @param {One[]} list
 * @param {(one: One, index: number) => Promise<void>} task
 */
async function each(list, task) {
  let next = 0;
  const lane = async () => {
    while (next < list.length) await task(list[next], next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/**
 * Favourites on a sheet that is about as wide as it is high, each with its name below it.
 * @param {import('./store.js').Kept[]} list
 * @returns {Promise<Blob>} a PNG
 */
export async function contactSheet(list) {
  const columns = Math.ceil(Math.sqrt(list.length));
  const rows = Math.ceil(list.length / columns);
  // A sheet stays below the 16 megapixels that phones allow.
  const most = Math.floor(3800 / Math.max(columns, rows)) - GAP - WORDS;
  const width = Math.max(48, Math.min(2 * model.width, most));
  const height = Math.round((width * model.height) / model.width);
  const canvas = document.createElement('canvas');
  canvas.width = GAP + columns * (width + GAP);
  canvas.height = GAP + rows * (height + WORDS + GAP);
  const paper = paperOf(canvas);
  const style = getComputedStyle(document.documentElement);
  paper.fillStyle = style.getPropertyValue('--room');
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.fillStyle = style.getPropertyValue('--soft');
  paper.font = `${Math.max(10, Math.round(width / 18))}px ${style.fontFamily}`;
  paper.textBaseline = 'middle';
  paper.imageSmoothingQuality = 'high';
  await each(list, async ({ recipe, psi }, index) => {
    const left = GAP + (index % columns) * (width + GAP);
    const top = GAP + Math.floor(index / columns) * (height + WORDS + GAP);
    paper.drawImage(await canvasOf(pictureAddress(recipe, psi)), left, top, width, height);
    paper.fillText(`${title(recipe)} · ${numbers.tenths(psi)}`, left, top + height + WORDS / 2, width);
  });
  return blobOf(canvas, 'png');
}

/**
 * The levels of a recipe side by side, as the server's montages, drawn here.
 * @param {string} name
 */
export async function montage(name) {
  const studio = await atelier();
  const canvas = document.createElement('canvas');
  canvas.width = MONTAGE_COLUMNS * studio.width;
  canvas.height = Math.ceil(LEVELS.length / MONTAGE_COLUMNS) * studio.height;
  const paper = paperOf(canvas);
  await each(LEVELS, async (psi, index) => {
    const one = document.createElement('canvas');
    paint(one, await studio.draw(name, psi));
    const [column, row] = [index % MONTAGE_COLUMNS, Math.floor(index / MONTAGE_COLUMNS)];
    paper.drawImage(one, column * studio.width, row * studio.height);
  });
  return blobOf(canvas, 'png');
}

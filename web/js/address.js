// The addresses of files: pictures of any recipe, animations, archives.

import { model, saving } from './settings.js';
import { spell, spellCreature } from './recipe.js';

/**
 * Creativity as addresses spell it: as short as it can be, but with a decimal.
 * @param {number} psi
 */
export const spelledPsi = (psi) => {
  const text = psi.toFixed(2);
  return text.endsWith('0') ? text.slice(0, -1) : text;
};

/**
 * The address of a picture. The model's name in the query keeps a browser from showing another model's pictures, which
 * it may hold for a year.
 * @param {import('./recipe.js').Recipe} recipe
 * @param {number} psi
 * @param {{kind?: string, size?: number, noise?: boolean}} [how]
 */
export function pictureAddress(recipe, psi, { kind = 'webp', size = 0, noise = true } = {}) {
  const parts = [`psi=${spelledPsi(psi)}`];
  if (size) parts.push(`size=${size}`);
  if (!noise) parts.push('noise=off');
  parts.push(`m=${model.name}`);
  return `/api/v1/pictures/${spell(recipe)}.${kind}?${parts.join('&')}`;
}

/** The sizes below a model's own that are asked for, in eighths of that. */
const EIGHTHS = [2, 3, 4, 5, 6];

/**
 * A picture that suits a place of so many CSS pixels: of the model's own size where that is large enough, else one that
 * the model's lens redraws, and for models without one is enlarged more carefully than browsers do; a small one for
 * visitors who save data. Always a JPEG, which has a quarter of the bytes of a lossless picture and looks the same in its
 * place; downloads are lossless.
 * @param {import('./recipe.js').Recipe} recipe
 * @param {number} psi
 * @param {number} across
 */
export function suitableAddress(recipe, psi, across, how = {}) {
  const own = Math.max(model.width, model.height);
  if (saving) return pictureAddress(recipe, psi, { ...how, kind: 'jpg', size: Math.min(own, 96) });
  // Screens of more pixels to the same length are held no closer to the eye.
  const pixels = across * Math.min(devicePixelRatio || 1, 2);
  const times = [8, 4, 2].find((times) => pixels > own * 0.8 * times) ?? 1;
  if (times === 1) {
    // A place needs no more pixels than it has: from a large model a smaller picture, in steps that caches can share.
    const smaller = EIGHTHS.map((eighths) => (own / 8) * eighths).find((size) => size >= Math.max(64, pixels));
    return pictureAddress(recipe, psi, { ...how, kind: 'jpg', size: Math.round(smaller ?? 0) });
  }
  return pictureAddress(recipe, psi, { ...how, kind: 'jpg', size: Math.min(1024, own * times) });
}

/**
 * Files made of several pictures of a recipe: `sweeps` with `webp` or `png`, `levels` with `zip`.
 * @param {string} kind
 * @param {import('./recipe.js').Recipe} recipe
 * @param {string} ending
 */
export const fileAddress = (kind, recipe, ending) => `/api/v1/${kind}/${spell(recipe)}.${ending}?m=${model.name}`;

/**
 * An animation from one end of a blend to the other and back, as the server makes it.
 * @param {import('./recipe.js').Two} blend
 * @param {number} psi
 * @param {string} ending
 */
export const morphAddress = (blend, psi, ending) =>
  `/api/v1/morphs/${spellCreature(blend.a)}~${spellCreature(blend.b)}.${ending}?psi=${spelledPsi(psi)}&m=${model.name}`;

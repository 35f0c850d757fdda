// Names of pictures, as the server reads them: seeds (42), found ones (0w2e66007f81), descendants (42-3b7), edited ones (42@0p15),
// blends (42~77~35), mixtures (42_77_5).

import { model } from './settings.js';
import { say } from './strings.js';

const LARGEST_SEED = 0xffff_ffff_ffff_ffffn;
export const LONGEST_PATH = 64;
/** Tenths of a standard deviation that a picture can be moved along a direction, at most. */
const FARTHEST_EDIT = 40;

/**
 * @typedef {{seed: string, w?: string, path: string, edits?: number[]}} Creature the seed in decimal digits (a u64 does not
 *   fit a number); the w that was found, in place of the seed's own, in hexadecimal digits: four of a scale and two of each
 *   number; which child was taken in each generation, a hexadecimal digit each; and how far it is moved along each of the
 *   model's directions, in tenths of a standard deviation
 * @typedef {{kind: 'single', a: Creature} | {kind: 'blend', a: Creature, b: Creature, percent: number}
 *   | {kind: 'mix', a: Creature, b: Creature, layer: number}} Recipe
 * @typedef {Exclude<Recipe, {kind: 'single'}>} Two recipes of two pictures
 */

/**
 * @param {string} text
 * @returns {Creature | null}
 */
export function creature(text) {
  // How many numbers a w of this model has is not known here: whoever draws refuses one of another model.
  const match = /^(\d{1,20})(?:w([0-9a-f]{4}(?:[0-9a-f]{2}){1,1024}))?(?:-([0-9a-f]{1,64}))?((?:@\d{1,3}[pm]\d{1,3})*)$/.exec(text);
  if (!match || BigInt(match[1]) > LARGEST_SEED) return null;
  /** @type {number[]} */
  const edits = [];
  for (const [, direction, sign, tenths] of match[4].matchAll(/@(\d+)([pm])(\d+)/g)) {
    const [place, amount] = [Number(direction), Number(tenths)];
    // In rising order, each once; this model has no more.
    if (place < edits.length || place >= model.directions.length || amount === 0 || amount > FARTHEST_EDIT) return null;
    while (edits.length < place) edits.push(0);
    edits.push(sign === 'm' ? -amount : amount);
  }
  const [, seed, w, path = ''] = match;
  return { seed: BigInt(seed).toString(), ...(w && { w }), path, ...(edits.length > 0 && { edits }) };
}

/**
 * @param {Creature} a
 * @returns {Recipe}
 */
export const single = (a) => ({ kind: 'single', a });

/**
 * @param {string | number} seed
 * @returns {Recipe}
 */
export const ofSeed = (seed) => single({ seed: String(seed), path: '' });

/**
 * @param {string} text
 * @returns {Recipe | null}
 */
export function parse(text) {
  const kind = text.includes('~') ? 'blend' : text.includes('_') ? 'mix' : 'single';
  const parts = text.split(/[~_]/);
  const a = creature(parts[0]);
  if (!a) return null;
  if (kind === 'single') return single(a);
  const b = creature(parts[1] ?? '');
  if (!b || parts.length !== 3 || !/^\d{1,3}$/.test(parts[2])) return null;
  const amount = Number(parts[2]);
  if (amount > (kind === 'blend' ? 100 : 255)) return null;
  return kind === 'blend' ? { kind, a, b, percent: amount } : { kind, a, b, layer: amount };
}

/**
 * Whether this model can draw it: a mixture cannot change hands beyond the last layer.
 * @param {Recipe} recipe
 */
export const isPossible = (recipe) => recipe.kind !== 'mix' || recipe.layer <= model.layers;

/**
 * What follows the origin in a creature's text: its path and its edits.
 * @param {Creature} creature
 */
const rest = ({ path, edits = [] }) =>
  (path ? `-${path}` : '') +
  edits.map((tenths, place) => (tenths ? `@${place}${tenths < 0 ? 'm' : 'p'}${Math.abs(tenths)}` : '')).join('');

/**
 * Whether anything of it is edited.
 * @param {Creature} creature
 */
export const isEdited = ({ edits = [] }) => edits.some((tenths) => tenths !== 0);

/**
 * Whether it is what a seed gives, and nothing else.
 * @param {Creature} creature
 */
export const isSeed = (creature) => !creature.w && creature.path === '' && !isEdited(creature);

/** @param {Creature} creature */
export const spellCreature = (creature) => creature.seed + (creature.w ? `w${creature.w}` : '') + rest(creature);

/**
 * What a found w is known by: its first digits after the scale. All of them would fill a page.
 * @param {string} w
 */
const brief = (w) => w.slice(4, 12);

/**
 * A creature as names of files spell it: these are 255 letters long at most.
 * @param {Creature} creature
 */
export const fileCreature = (creature) => (creature.w ? `found-${brief(creature.w)}` : creature.seed) + rest(creature);

/**
 * @param {Recipe} recipe
 * @param {(creature: Creature) => string} each spells one of its creatures
 */
function spelled(recipe, each) {
  const a = each(recipe.a);
  if (recipe.kind === 'single') return a;
  const b = each(recipe.b);
  return recipe.kind === 'blend' ? `${a}~${b}~${recipe.percent}` : `${a}_${b}_${recipe.layer}`;
}

/** @param {Recipe} recipe */
export const spell = (recipe) => spelled(recipe, spellCreature);

/**
 * A recipe as names of files spell it.
 * @param {Recipe} recipe
 */
export const fileName = (recipe) => spelled(recipe, fileCreature);

/** @param {Creature} one */
function shown(one) {
  const seed = one.path ? one.seed : one.seed.padStart(5, '0');
  return (one.w ? `w${brief(one.w)}` : seed) + (one.path && `-${one.path}`) + (isEdited(one) ? '*' : '');
}

/**
 * What a picture is called, in the visitor's language.
 * @param {Recipe} recipe
 */
export function title(recipe) {
  const a = shown(recipe.a);
  if (recipe.kind === 'single') {
    if (recipe.a.path) return say('title.child', { name: a });
    // Without the letter, which tells it from a seed among other names.
    return recipe.a.w ? say('title.found', { name: a.slice(1) }) : say('title.seed', { seed: a });
  }
  const b = shown(recipe.b);
  return recipe.kind === 'blend' ? say('title.blend', { a, b }) : say('title.mix', { a, b });
}

/**
 * The seed so many places on, or null beyond the ends.
 * @param {string} seed
 * @param {number} step
 */
export function seedBeside(seed, step) {
  const other = BigInt(seed) + BigInt(step);
  return other < 0n || other > LARGEST_SEED ? null : other.toString();
}

/**
 * A seed that follows from another and looks as if drawn by lot (SplitMix64).
 * @param {string} seed
 */
export function seedAfter(seed) {
  const mask = LARGEST_SEED;
  let z = (BigInt(seed) + 0x9e3779b97f4a7c15n) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
  // Short numbers are easier on the eye, and there are enough of them.
  return ((z ^ (z >> 31n)) % 1_000_000_000n).toString();
}

// Which view the address shows, and going from one to another with Back and Forward intact.

import { adopt, defaults, pageAddress, pagePath, remember, settings, wallAddress } from './settings.js';
import { creature, isPossible, parse, spell, spellCreature } from './recipe.js';
import { spelledPsi } from './address.js';

/**
 * @typedef {{view: 'wall'} | {view: 'collection', shared?: import('./store.js').Kept[]}
 *   | {view: 'walk', from: import('./recipe.js').Creature, psi: number, favourites?: boolean}
 *   | RoomPlace} Place
 * @typedef {{view: 'room', recipe: import('./recipe.js').Recipe, psi: number, tool: Tool, noise: boolean}} RoomPlace
 * @typedef {'levels' | 'children' | 'edit' | 'like' | 'blend' | 'mix'} Tool what a picture is played with
 */

/** Those for a single picture. */
const TOOLS = /** @type {const} */ (['levels', 'children', 'edit', 'like']);

/**
 * What a kind of recipe is played with if the address does not say.
 * @param {import('./recipe.js').Recipe} recipe
 */
export const usualTool = (recipe) => (recipe.kind === 'single' ? 'levels' : recipe.kind);

/**
 * Pictures that a link to a collection can carry, and the most letters that it takes for them: a found one takes 520. The server reads 5,120, but not all that
 * links go through takes such long ones.
 */
const MOST_SHARED = 60;
const LONGEST_SHARED = 1500;

/**
 * Pictures as a part of an address: `42.110*7~9~50.80`, creativity in hundredths.
 * @param {import('./store.js').Kept[]} list
 */
const spellShared = (list) => list.map(({ recipe, psi }) => `${spell(recipe)}.${Math.round(psi * 100)}`).join('*');

/**
 * As many of the first of them as a link carries. What counts are the letters in the address, where some become three.
 * @param {import('./store.js').Kept[]} list
 */
export function sharable(list) {
  const shared = list.slice(0, MOST_SHARED);
  while (String(new URLSearchParams({ shared: spellShared(shared) })).length > LONGEST_SHARED) shared.pop();
  return shared;
}

/** @param {string} text */
function parseShared(text) {
  return text.split('*').slice(0, MOST_SHARED).flatMap((/** @type {string} */ word) => {
    const [, name, hundredths] = /^([^.]+)\.(\d{1,3})$/.exec(word) ?? [];
    const recipe = name ? parse(name) : null;
    const psi = Number(hundredths) / 100;
    return recipe && isPossible(recipe) && psi <= 2 ? [{ recipe, psi }] : [];
  });
}

/**
 * A name in an address as it was meant: some programs encode what need not be encoded.
 * @param {string} [name]
 */
function decoded(name = '') {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** @returns {Place} what the address shows now */
export function here() {
  const query = new URLSearchParams(location.search);
  const given = Number.parseFloat(query.get('psi') ?? '');
  const psi = Number.isFinite(given) ? Math.min(2, Math.max(0, given)) : defaults.psi;
  const [, kind, spelled] = /^\/(p|walk)\/([^/]+)$/.exec(pagePath()) ?? [];
  const name = decoded(spelled);
  if (kind === 'p') {
    const recipe = parse(name);
    const tool = TOOLS.find((known) => known === query.get('tool'));
    if (recipe && isPossible(recipe)) {
      return {
        view: 'room',
        recipe,
        psi,
        tool: tool ?? usualTool(recipe),
        noise: query.get('noise') !== 'off',
      };
    }
  }
  if (kind === 'walk') {
    const from = creature(name);
    if (from) return { view: 'walk', from, psi, favourites: query.get('through') === 'favourites' };
  }
  if (pagePath() === '/collection') return { view: 'collection', shared: parseShared(query.get('shared') ?? '') };
  return { view: 'wall' };
}

/**
 * @param {Place} place
 * @param {object} [how] `FOR_OTHERS`
 */
export function addressOf(place, how) {
  if (place.view === 'room') {
    /** @type {Record<string, string>} */
    const parts = { psi: spelledPsi(place.psi) };
    if (place.tool !== usualTool(place.recipe)) parts.tool = place.tool;
    if (!place.noise) parts.noise = 'off';
    return pageAddress(`/p/${spell(place.recipe)}`, parts, how);
  }
  if (place.view === 'walk') {
    /** @type {Record<string, string>} */
    const parts = { psi: spelledPsi(place.psi) };
    if (place.favourites) parts.through = 'favourites';
    return pageAddress(`/walk/${spellCreature(place.from)}`, parts, how);
  }
  if (place.view !== 'collection') return wallAddress(how);
  return pageAddress('/collection', place.shared?.length ? { shared: spellShared(sharable(place.shared)) } : {}, how);
}

/**
 * A room for a picture, as seen with the wall's creativity.
 * @param {import('./recipe.js').Recipe} recipe
 * @param {number} [psi]
 * @param {Tool} [tool]
 * @returns {RoomPlace}
 */
export const roomOf = (recipe, psi = settings.psi, tool = usualTool(recipe)) => ({
  view: 'room',
  recipe,
  psi,
  tool,
  noise: true,
});

/** A hand on a slider writes the address so many milliseconds apart: Safari allows a hundred changes in ten seconds. */
const APART_MS = 200;
/** How long a browser that refused to change the address is left alone. */
const REFUSED_MS = 1000;
/** For what is to happen to the address in a while. */
let timer = 0;
/** When a change of it was last tried. */
let tried = -APART_MS;
/**
 * What it does not say yet.
 * @type {Place | null}
 */
let due = null;

/** @type {((place: Place) => void)[]} */
const followers = [];
/**
 * What an entry of the history knows: how many entries back the wall is (nothing if we did not come from it), and the
 * shelf its picture was taken from, with how many entries back that is.
 * @returns {{wall?: number, shelf?: {name: string, back: number}}}
 */
const entry = () => history.state ?? {};

/** @param {(place: Place) => void} follower called now and whenever the address shows something else */
export function follow(follower) {
  followers.push(follower);
}

const tell = () => {
  // What was due belongs to the entry that was left.
  clearTimeout(timer);
  due = null;
  if (adopt()) dispatchEvent(new Event('otherwall'));
  // The wall may have moved behind the view that covered it.
  if (pagePath() === '/') remember();
  const place = here();
  followers.forEach((follower) => follower(place));
};

/** The shelf, `favourites` or `history`, that the picture in view was taken from, if it was. */
export const shelf = () => entry().shelf?.name ?? null;

/**
 * Goes to a place; Back returns to the one before.
 * @param {Place} place
 * @param {string} [from] the shelf that its picture is taken from
 */
export function go(place, from) {
  remember();
  write();
  const { wall, shelf: taken } = entry();
  /** @type {ReturnType<typeof entry>} */
  const state = {};
  if (pagePath() === '/') state.wall = 1;
  else if (wall) state.wall = wall + 1;
  if (from) state.shelf = { name: from, back: 1 };
  else if (taken) state.shelf = { ...taken, back: taken.back + 1 };
  if (place.view === 'collection') delete state.shelf;
  push(state, addressOf(place), () => go(place, from));
}

/**
 * Adds an entry to the history and shows what it says.
 * @param {ReturnType<typeof entry> | null} state
 * @param {string} address
 * @param {() => void} again called in a while if the browser refuses
 */
function push(state, address, again) {
  try {
    history.pushState(state, '', address);
  } catch {
    clearTimeout(timer);
    timer = setTimeout(again, REFUSED_MS);
    return;
  }
  tell();
}

/**
 * Changes the address of the same place, at once or in a moment: a slider moved, a neighbour was looked at.
 * @param {Place} place
 */
export function amend(place) {
  due = place;
  clearTimeout(timer);
  const wait = tried + APART_MS - performance.now();
  if (wait > 0) timer = setTimeout(write, wait);
  else write();
}

/** Writes what the address does not say yet. */
function write() {
  clearTimeout(timer);
  if (!due) return;
  tried = performance.now();
  try {
    history.replaceState(history.state, '', addressOf(due));
    due = null;
  } catch {
    // The last one is made when the browser allows it again.
    timer = setTimeout(write, REFUSED_MS);
  }
}

/** Back to where the view was opened from: the shelf, or the wall; by the way we came if we came from there. */
export function leave() {
  if (pagePath() === '/') return;
  write();
  const { wall, shelf: taken } = entry();
  const back = taken?.back ?? wall;
  if (back) history.go(-back);
  else push(null, wallAddress(), leave);
}

/** Starts to listen, and shows what the address says; a wall's address says all of it from the first moment. */
export function start() {
  addEventListener('popstate', tell);
  addEventListener('pagehide', write);
  tell();
}

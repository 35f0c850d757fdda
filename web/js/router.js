// Which view the address shows, and going from one to another with Back and Forward intact.

import { defaults, pageAddress, pagePath, settings, wallAddress } from './settings.js';
import { creature, parse, spell, spellCreature } from './recipe.js';
import { spelledPsi } from './address.js';

/**
 * @typedef {{view: 'wall'} | {view: 'collection'} | {view: 'walk', from: import('./recipe.js').Creature, psi: number}
 *   | {view: 'room', recipe: import('./recipe.js').Recipe, psi: number, tool: string, noise: boolean}} Place
 */

const TOOLS = ['levels', 'children'];

/** What a kind of recipe is played with if the address does not say. */
export const usualTool = (recipe) => (recipe.kind === 'single' ? 'levels' : recipe.kind);

/** @returns {Place} what the address shows now */
export function here() {
  const query = new URLSearchParams(location.search);
  const given = Number.parseFloat(query.get('psi') ?? '');
  const psi = Number.isFinite(given) ? Math.min(2, Math.max(0, given)) : defaults.psi;
  const [, kind, name] = /^\/(p|walk)\/([^/]+)$/.exec(pagePath()) ?? [];
  if (kind === 'p') {
    const recipe = parse(name);
    const tool = query.get('tool');
    if (recipe) {
      return {
        view: 'room',
        recipe,
        psi,
        tool: TOOLS.includes(tool) ? tool : usualTool(recipe),
        noise: query.get('noise') !== 'off',
      };
    }
  }
  if (kind === 'walk') {
    const from = creature(name);
    if (from) return { view: 'walk', from, psi };
  }
  if (pagePath() === '/collection') return { view: 'collection' };
  return { view: 'wall' };
}

/** @param {Place} place */
export function addressOf(place) {
  if (place.view === 'room') {
    const parts = { psi: spelledPsi(place.psi) };
    if (place.tool !== usualTool(place.recipe)) parts.tool = place.tool;
    if (!place.noise) parts.noise = 'off';
    return pageAddress(`/p/${spell(place.recipe)}`, parts);
  }
  if (place.view === 'walk') return pageAddress(`/walk/${spellCreature(place.from)}`, { psi: spelledPsi(place.psi) });
  return place.view === 'collection' ? pageAddress('/collection') : wallAddress();
}

/** A room for a picture, as seen with the wall's creativity. */
export const roomOf = (recipe, psi = settings.psi, tool = usualTool(recipe)) => ({
  view: 'room',
  recipe,
  psi,
  tool,
  noise: true,
});

/** How long a browser that refused to change the address is left alone. */
const REFUSED_MS = 1000;
let retry;

const followers = [];
/** Views between the wall and the one that is shown: how far Back is from the wall. */
const depth = () => history.state?.depth ?? 0;

/** @param {(place: Place) => void} follower called now and whenever the address shows something else */
export function follow(follower) {
  followers.push(follower);
}

const tell = () => {
  clearTimeout(retry);
  const place = here();
  followers.forEach((follower) => follower(place));
};

/** Goes to a place; Back returns to the one before. */
export function go(place) {
  history.pushState({ depth: depth() + 1 }, '', addressOf(place));
  tell();
}

/** Changes the address of the same place: a slider moved, a neighbour was looked at. */
export function amend(place) {
  clearTimeout(retry);
  try {
    history.replaceState(history.state, '', addressOf(place));
  } catch {
    // Safari and Firefox refuse more than about ten changes a second: the last one is made when they allow it again.
    retry = setTimeout(() => amend(place), REFUSED_MS);
  }
}

/** Back to the wall, the way we came if we came from it. */
export function leave() {
  if (pagePath() === '/') return;
  if (depth() > 0) {
    history.go(-depth());
  } else {
    history.replaceState(null, '', wallAddress());
    tell();
  }
}

/** Starts to listen, and shows what the address says. */
export function start() {
  addEventListener('popstate', tell);
  tell();
}

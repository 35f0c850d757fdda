// Children of a picture: sixteen small steps around it; one is picked, and its children follow. The path leads back.

import { suitableAddress } from './address.js';
import { within } from './dom.js';
import { refill } from './lists.js';
import { thumbnail } from './picture.js';
import { LONGEST_PATH, single, spell, title } from './recipe.js';
import { addressOf } from './router.js';
import { numbers, say } from './strings.js';

const COUNT = 16;
const THUMBNAIL = 96;

export class Children {
  /** @param {(some: Partial<import('./router.js').RoomPlace>, pushed: boolean) => void} change */
  constructor(change) {
    this.grid = document.getElementById('children');
    this.path = document.getElementById('path');
    this.drawn = '';
    for (const list of [this.grid, this.path]) {
      list.addEventListener('click', (event) => {
        const creature = within(event, 'a')?.creature;
        if (!creature || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        change({ recipe: single(creature), tool: 'children' }, true);
      });
    }
  }

  /** @param {import('./room.js').RoomPlace} place */
  render(place) {
    const { recipe, psi } = place;
    const drawn = addressOf(place);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const { path } = recipe.a;
    const line = [...path].map((_, index) => ({ ...recipe.a, path: path.slice(0, index + 1) }));
    const items = [{ ...recipe.a, path: '' }, ...line].map((ancestor, index) => {
      const item = this.#link(place, ancestor, 48);
      if (index === path.length) item.querySelector('a')?.setAttribute('aria-current', 'page');
      return item;
    });
    refill(this.path, items);
    this.path.scrollLeft = this.path.scrollWidth;
    const more = path.length < LONGEST_PATH ? COUNT : 0;
    const children = Array.from({ length: more }, (_, child) => ({ ...recipe.a, path: path + child.toString(16) }));
    refill(
      this.grid,
      children.map((child) => this.#link(place, child, THUMBNAIL)),
      () => this.path.querySelector('li:last-child a'),
    );
    this.grid.setAttribute('aria-label', say('children.of', { name: title(recipe), psi: numbers.tenths(psi) }));
  }

  /**
   * @param {import('./router.js').RoomPlace} place
   * @param {import('./recipe.js').Creature} creature
   * @param {number} side
   */
  #link(place, creature, side) {
    const recipe = single(creature);
    const link = document.createElement('a');
    link.creature = creature;
    link.href = addressOf({ ...place, recipe, tool: 'children' });
    // The text of a found one would cover the window.
    link.title = creature.w ? title(recipe) : spell(recipe);
    const alt = say('picture.alt', { name: title(recipe), psi: numbers.tenths(place.psi) });
    link.append(thumbnail(suitableAddress(recipe, place.psi, side, { noise: place.noise }), alt, side));
    const item = document.createElement('li');
    item.append(link);
    return item;
  }
}

// More like this one, and the kinds of faces that there are, each by an example.

import { suitableAddress } from './address.js';
import { find, within } from './dom.js';
import { alike } from './easel.js';
import { refill } from './lists.js';
import { thumbnail } from './picture.js';
import { ofSeed, single, spell, spellCreature, title } from './recipe.js';
import { addressOf } from './router.js';
import { numbers, say } from './strings.js';

const LIKE = 12;
const KINDS = 24;
const THUMBNAIL = 96;

export class Likes {
  /** @param {(some: Partial<import('./router.js').RoomPlace>, pushed: boolean) => void} change */
  constructor(change) {
    this.like = find('like');
    this.kinds = find('kinds');
    /** @type {AbortController | null} */
    this.looking = null;
    /** @type {WeakMap<Element, import('./recipe.js').Recipe>} what each link leads to */
    this.leads = new WeakMap();
    this.drawn = '';
    /** @type {Promise<string[]> | null} the same for every picture */
    this.examples = null;
    for (const list of [this.like, this.kinds]) {
      list.addEventListener('click', (event) => {
        const link = within(event, 'a');
        const recipe = link && this.leads.get(link);
        if (!recipe || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        change({ recipe, tool: 'like' }, true);
      });
    }
  }

  /** @param {import('./room.js').RoomPlace} place */
  async render(place) {
    const { recipe, psi, noise } = place;
    const drawn = `${spell(recipe)} ${psi} ${noise}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.looking?.abort();
    const looking = (this.looking = new AbortController());
    this.like.setAttribute('aria-label', say('like.of', { name: title(single(recipe.a)) }));
    try {
      this.examples ??= alike('', KINDS);
      const [like, kinds] = await Promise.all([alike(spellCreature(recipe.a), LIKE, looking.signal), this.examples]);
      if (looking.signal.aborted) return;
      refill(this.like, like.map((seed) => this.#link(place, seed)));
      refill(this.kinds, kinds.map((seed) => this.#link(place, seed)));
      find('kinds-title').hidden = kinds.length === 0;
    } catch (error) {
      if (looking.signal.aborted) return;
      // Asked again when the tool is next shown.
      console.warn(error);
      this.drawn = '';
      this.examples = null;
    }
  }

  /**
   * @param {import('./router.js').RoomPlace} place
   * @param {string} seed
   */
  #link(place, seed) {
    const recipe = ofSeed(seed);
    const link = document.createElement('a');
    this.leads.set(link, recipe);
    link.href = addressOf({ ...place, recipe, tool: 'like' });
    link.title = title(recipe);
    const alt = say('picture.alt', { name: title(recipe), psi: numbers.tenths(place.psi) });
    link.append(thumbnail(suitableAddress(recipe, place.psi, THUMBNAIL, { noise: place.noise }), alt, THUMBNAIL));
    const item = document.createElement('li');
    item.append(link);
    return item;
  }
}

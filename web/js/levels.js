// The montage in the room: the same picture at the 18 levels of creativity, each a way to it.

import { suitableAddress } from './address.js';
import { within } from './dom.js';
import { refill } from './lists.js';
import { thumbnail } from './picture.js';
import { isSeed, spell, title } from './recipe.js';
import { addressOf } from './router.js';
import { hosted, pageAddress } from './settings.js';
import { numbers, say } from './strings.js';

/** 0.3 to 2.0 in steps of 0.1, as the original had them. */
export const LEVELS = Array.from({ length: 18 }, (_, index) => (index + 3) / 10);

const THUMBNAIL = 96;

export class Levels {
  /** @param {(some: Partial<import('./router.js').RoomPlace>) => void} change */
  constructor(change) {
    this.list = document.getElementById('levels');
    this.link = document.getElementById('montage-link');
    this.drawn = '';
    this.list.addEventListener('click', (event) => {
      const level = within(event, 'a')?.dataset.psi;
      if (!level || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      change({ psi: Number(level) });
    });
  }

  /** @param {import('./room.js').RoomPlace} place */
  render(place) {
    const { recipe, psi, noise } = place;
    const drawn = `${spell(recipe)} ${noise}`;
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      refill(
        this.list,
        LEVELS.map((level) => this.#item(place, level)),
      );
    }
    const line = this.link.parentElement;
    if (line) line.hidden = hosted || recipe.kind !== 'single' || !isSeed(recipe.a);
    this.link.href = pageAddress('/slider.html', { seed: recipe.a.seed.padStart(5, '0') });
    for (const link of this.list.querySelectorAll('a')) {
      link.setAttribute('aria-current', String(Math.abs(Number(link.dataset.psi) - psi) < 0.024));
    }
  }

  /**
   * @param {import('./router.js').RoomPlace} place
   * @param {number} level
   */
  #item(place, level) {
    const item = document.createElement('li');
    const link = document.createElement('a');
    const value = document.createElement('span');
    const { recipe, noise } = place;
    const psi = numbers.tenths(level);
    link.href = addressOf({ ...place, psi: level });
    link.dataset.psi = String(level);
    value.className = 'psi-value';
    value.textContent = psi;
    value.setAttribute('aria-hidden', 'true');
    const alt = say('picture.alt', { name: title(recipe), psi });
    link.append(thumbnail(suitableAddress(recipe, level, THUMBNAIL, { noise }), alt, THUMBNAIL), value);
    item.append(link);
    return item;
  }
}

// The first figure: one seed as creativity grows. The pictures are the model's own, and another seed is a click away.

import { pictureAddress } from './address.js';
import { thumbnail } from './picture.js';
import { ofSeed, seedAfter, title } from './recipe.js';
import { addressOf, go, roomOf } from './router.js';
import { numbers, say } from './strings.js';

const STEPS = [0.3, 0.7, 1.1, 1.5, 2];
const THUMBNAIL = 96;

export class Growth {
  /** @param {HTMLElement} figure with an `ol` and a button in it */
  constructor(figure) {
    this.list = figure.querySelector('ol');
    this.seed = '42';
    this.#draw();
    figure.querySelector('[data-act="another"]').addEventListener('click', () => {
      this.seed = seedAfter(this.seed);
      this.#draw();
    });
    this.list.addEventListener('click', (event) => {
      const place = event.target.closest('a')?.place;
      if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(place);
    });
  }

  #draw() {
    const recipe = ofSeed(this.seed);
    const items = STEPS.map((psi) => {
      const link = document.createElement('a');
      link.place = roomOf(recipe, psi);
      link.href = addressOf(link.place);
      const alt = say('picture.alt', { name: title(recipe), psi: numbers.tenths(psi) });
      const value = document.createElement('span');
      value.setAttribute('aria-hidden', 'true');
      value.textContent = numbers.tenths(psi);
      link.append(thumbnail(pictureAddress(recipe, psi), alt, THUMBNAIL), value);
      const item = document.createElement('li');
      item.append(link);
      return item;
    });
    this.list.replaceChildren(...items);
  }
}

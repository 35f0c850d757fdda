// Sliders for what of a face can be edited: the directions that the model holds. The amounts are part of the picture's name.

import { mark } from './controls.js';
import { find } from './dom.js';
import { isEdited, single, title } from './recipe.js';
import { model } from './settings.js';
import { numbers, say } from './strings.js';

/** Tenths of a standard deviation, both ways: farther, most faces come apart. */
const FARTHEST = 30;

export class Edits {
  /** @param {(some: Partial<import('./router.js').RoomPlace>, pushed?: boolean) => void} change */
  constructor(change) {
    /** @type {import('./room.js').RoomPlace | null} */
    this.place = null;
    this.change = change;
    this.list = find('edits');
    this.sliders = model.directions.map((name, place) => this.#slider(name, place));
    this.reset = find('edit-reset');
    this.reset.addEventListener('click', () => {
      if (!this.place) return;
      const { seed, w, path } = this.place.recipe.a;
      change({ recipe: single({ seed, w, path }) }, true);
    });
  }

  /**
   * @param {string} name
   * @param {number} place
   */
  #slider(name, place) {
    const slider = document.createElement('input');
    slider.type = 'range';
    slider.id = `edit-${place}`;
    slider.min = String(-FARTHEST);
    slider.max = String(FARTHEST);
    slider.step = '1';
    slider.autocomplete = 'off';
    const label = document.createElement('label');
    label.htmlFor = slider.id;
    // Other models may have directions that this page has no words for.
    const words = say(`edit.${name}`);
    label.textContent = words === `edit.${name}` ? name : words;
    const value = document.createElement('output');
    value.htmlFor.add(slider.id);
    value.setAttribute('aria-live', 'off');
    const item = document.createElement('li');
    item.className = 'control';
    item.append(label, value, slider);
    slider.addEventListener('input', () => this.#edit());
    this.list.append(item);
    return { slider, value };
  }

  #edit() {
    if (!this.place) return;
    const { seed, w, path } = this.place.recipe.a;
    // What the hand sees is what counts: the picture may not have followed yet.
    const changed = this.sliders.map(({ slider }) => slider.valueAsNumber);
    while (changed.at(-1) === 0) changed.pop();
    this.change({ recipe: single({ seed, w, path, ...(changed.length > 0 && { edits: changed }) }) });
  }

  /** @param {import('./room.js').RoomPlace} place */
  render(place) {
    this.place = place;
    const { a } = place.recipe;
    this.sliders.forEach(({ slider, value }, index) => {
      const tenths = a.edits?.[index] ?? 0;
      slider.value = String(tenths);
      const amount = numbers.tenths(Math.abs(tenths) / 10);
      const words = tenths === 0 ? '0' : `${tenths < 0 ? '\u2212' : '+'}${amount}`;
      value.textContent = words;
      slider.setAttribute('aria-valuetext', words);
      mark(slider);
    });
    // Not `disabled`, which would take the focus away from whoever has just pressed it.
    this.reset.setAttribute('aria-disabled', String(!isEdited(a)));
    this.list.setAttribute('aria-label', title(place.recipe));
  }
}

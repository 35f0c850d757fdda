// Two pictures and a slider: blending them, or giving the one the colours of the other.

import { suitableAddress } from './address.js';
import { mark } from './controls.js';
import { find, within } from './dom.js';
import { refill } from './lists.js';
import { thumbnail } from './picture.js';
import { creature, ofSeed, seedAfter, single, spellCreature, title } from './recipe.js';
import { addressOf, roomOf } from './router.js';
import { model } from './settings.js';
import { favourites, history } from './store.js';
import { numbers, say } from './strings.js';

const CANDIDATES = 12;
const THUMBNAIL = 96;
/** The share of the layers, from the coarsest on, that give pose and shape. */
const SHAPE = 0.4;

/** @typedef {import('./router.js').RoomPlace & {recipe: import('./recipe.js').Two}} PairPlace a room for two pictures */

/**
 * @param {import('./router.js').RoomPlace} place
 * @returns {place is PairPlace}
 */
const isPair = (place) => place.recipe.kind !== 'single';

export class Pair {
  /** @param {(some: Partial<import('./router.js').RoomPlace>, pushed?: boolean) => void} change */
  constructor(change) {
    this.change = change;
    /** @type {PairPlace | null} */
    this.place = null;
    this.draw = String(Math.floor(Math.random() * 1e9));
    this.drawn = '';
    this.slider = find('pair-amount');
    this.slider.addEventListener('input', () => {
      const { recipe } = this.#shown;
      const amount = this.slider.valueAsNumber;
      const part = recipe.kind === 'blend' ? { percent: amount } : { layer: model.layers - amount };
      change({ recipe: { ...recipe, ...part } });
    });
    find('pair-swap').addEventListener('click', () => {
      const { recipe } = this.#shown;
      const swapped = { a: recipe.b, b: recipe.a };
      const part = recipe.kind === 'blend' ? { percent: 100 - recipe.percent } : {};
      change({ recipe: { ...recipe, ...swapped, ...part } });
    });
    find('pair-others').addEventListener('click', () => {
      this.draw = seedAfter(this.draw);
      this.drawn = '';
      this.render(this.#shown);
    });
    find('candidates').addEventListener('click', (event) => {
      const chosen = within(event, 'button')?.creature;
      if (chosen) change({ recipe: { ...this.#shown.recipe, b: chosen } });
    });
    // Either picture alone, in this room.
    for (const side of /** @type {const} */ (['a', 'b'])) {
      find(`pair-${side}`).addEventListener('click', (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        change({ recipe: single(this.#shown.recipe[side]), tool: 'levels' }, true);
      });
    }
    find('pair-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const field = find('pair-seed');
      const chosen = creature(field.value.trim().toLowerCase());
      field.setAttribute('aria-invalid', String(!chosen));
      if (chosen) change({ recipe: { ...this.#shown.recipe, b: chosen } });
      else field.focus();
    });
  }

  /** What the room shows: nobody can touch this before it shows something. */
  get #shown() {
    if (!this.place) throw new Error('no pair is shown');
    return this.place;
  }

  /**
   * A recipe of the other kind from the same pictures; the second one is drawn by lot if there is none.
   * @param {import('./recipe.js').Recipe} recipe
   * @param {'blend' | 'mix'} kind
   * @returns {import('./recipe.js').Two}
   */
  turn(recipe, kind) {
    if (recipe.kind === kind) return recipe;
    const b = recipe.kind === 'single' ? this.#others(recipe.a)[0] : recipe.b;
    return kind === 'blend'
      ? { kind, a: recipe.a, b, percent: 50 }
      : { kind, a: recipe.a, b, layer: Math.round(model.layers * SHAPE) };
  }

  /** @param {import('./router.js').RoomPlace} place a room for two pictures */
  render(place) {
    if (!isPair(place)) throw new Error('a pair is of two pictures');
    this.place = place;
    const { recipe, psi } = place;
    const blending = recipe.kind === 'blend';
    const [a, b] = [recipe.a, recipe.b].map((one) => title(single(one)));
    find('pair-hint').textContent = say(blending ? 'blend.hint' : 'mix.hint');
    find('pair-label').textContent = say(blending ? 'blend.slider' : 'mix.slider');
    find('pair-left').textContent = say(blending ? 'blend.left' : 'mix.left');
    find('pair-right').textContent = say(blending ? 'blend.right' : 'mix.right');
    this.slider.min = '0';
    this.slider.max = String(blending ? 100 : model.layers);
    const amount = blending ? recipe.percent : model.layers - recipe.layer;
    this.slider.value = String(amount);
    const share = numbers.plain(Math.round((100 * amount) / Number(this.slider.max)));
    this.slider.setAttribute('aria-valuetext', say(blending ? 'blend.spoken' : 'mix.spoken', { share, a, b }));
    mark(this.slider);
    const drawn = `${spellCreature(recipe.a)} ${spellCreature(recipe.b)} ${psi}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.#dress(find('pair-a'), recipe.a, 'A');
    this.#dress(find('pair-b'), recipe.b, 'B');
    refill(
      find('candidates'),
      this.#others(recipe.a).map((other) => this.#candidate(other, recipe.b)),
    );
  }

  /**
   * @param {import('./recipe.js').Creature} one
   * @param {number} side
   */
  #picture(one, side) {
    const { psi, noise } = this.#shown;
    const recipe = single(one);
    const alt = say('picture.alt', { name: title(recipe), psi: numbers.tenths(psi) });
    return thumbnail(suitableAddress(recipe, psi, side, { noise }), alt, side);
  }

  /**
   * @param {HTMLAnchorElement} link
   * @param {import('./recipe.js').Creature} one
   * @param {string} letter
   */
  #dress(link, one, letter) {
    const letters = document.createElement('span');
    letters.textContent = letter;
    link.href = addressOf(roomOf(single(one), this.#shown.psi));
    link.replaceChildren(this.#picture(one, THUMBNAIL), letters);
  }

  /**
   * @param {import('./recipe.js').Creature} one
   * @param {import('./recipe.js').Creature} chosen
   */
  #candidate(one, chosen) {
    const button = document.createElement('button');
    button.type = 'button';
    button.creature = one;
    button.setAttribute('aria-pressed', String(spellCreature(one) === spellCreature(chosen)));
    button.append(this.#picture(one, THUMBNAIL));
    const item = document.createElement('li');
    item.append(button);
    return item;
  }

  /**
   * Who could be the second: favourites, what was opened lately, and strangers.
   * @param {import('./recipe.js').Creature} a
   */
  #others(a) {
    const known = [...favourites.entries.slice(0, 4), ...history.entries.slice(0, 8)];
    const creatures = new Map();
    /** @param {import('./recipe.js').Creature} one */
    const add = (one) => {
      if (spellCreature(one) !== spellCreature(a)) creatures.set(spellCreature(one), one);
    };
    known.filter(({ recipe }) => recipe.kind === 'single').slice(0, 6).forEach(({ recipe }) => add(recipe.a));
    for (let seed = this.draw; creatures.size < CANDIDATES; ) {
      seed = seedAfter(seed);
      add(ofSeed(seed).a);
    }
    return [...creatures.values()];
  }
}

// Favourites and history, kept by this browser and nobody else. Without storage they last as long as the page.

import { parse, spell } from './recipe.js';

const MOST_FAVOURITES = 2000;
const MOST_HISTORY = 120;
const FORMAT = 'tadne-favourites';

/** @typedef {{recipe: import('./recipe.js').Recipe, psi: number}} Kept */

/** What a favourite is known by. */
const identity = ({ recipe, psi }) => `${spell(recipe)} ${psi.toFixed(2)}`;

/** Entries of a list that came from storage or a file: only what is whole, each once. */
function sound(list, most) {
  const found = new Map();
  for (const entry of Array.isArray(list) ? list : []) {
    const recipe = typeof entry?.recipe === 'string' ? parse(entry.recipe) : null;
    const psi = Number(entry?.psi);
    if (recipe && psi >= 0 && psi <= 2) found.set(identity({ recipe, psi }), { recipe, psi });
    if (found.size === most) break;
  }
  return [...found.values()];
}

const plain = (list) => list.map(({ recipe, psi }) => ({ recipe: spell(recipe), psi }));

class Shelf extends EventTarget {
  /**
   * @param {string} key
   * @param {number} most
   */
  constructor(key, most) {
    super();
    this.key = key;
    this.most = most;
    this.#read();
    // Another tab of this browser changed it.
    addEventListener('storage', (event) => {
      if (event.key !== key && event.key !== null) return;
      this.#read();
      this.dispatchEvent(new Event('change'));
    });
  }

  #read() {
    try {
      this.entries = sound(JSON.parse(localStorage.getItem(this.key) ?? '[]'), this.most);
    } catch {
      this.entries = [];
    }
  }

  #write(entries) {
    this.entries = entries.slice(0, this.most);
    try {
      localStorage.setItem(this.key, JSON.stringify(plain(this.entries)));
    } catch {
      // Private windows and full disks: the list lives on in this page.
    }
    this.dispatchEvent(new Event('change'));
  }

  has(kept) {
    return this.entries.some((entry) => identity(entry) === identity(kept));
  }

  /** Puts an entry first. */
  add(kept) {
    this.#write([kept, ...this.entries.filter((entry) => identity(entry) !== identity(kept))]);
  }

  remove(kept) {
    this.#write(this.entries.filter((entry) => identity(entry) !== identity(kept)));
  }

  clear() {
    this.#write([]);
  }

  /** The shelf as the text of a file. */
  export() {
    return JSON.stringify({ format: FORMAT, version: 1, favourites: plain(this.entries) }, null, 2);
  }

  /**
   * Adds what a file holds and this shelf does not.
   * @returns {number} how many were new; -1 if the text is no such file
   */
  import(text) {
    let file;
    try {
      file = JSON.parse(text);
    } catch {
      return -1;
    }
    if (file?.format !== FORMAT || !Array.isArray(file.favourites)) return -1;
    const fresh = sound(file.favourites, this.most).filter((entry) => !this.has(entry));
    if (fresh.length > 0) this.#write([...this.entries, ...fresh]);
    return fresh.length;
  }
}

export const favourites = new Shelf('tadne.favourites', MOST_FAVOURITES);
export const history = new Shelf('tadne.history', MOST_HISTORY);

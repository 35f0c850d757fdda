// Favourites and history, kept by this browser and nobody else. Without storage they last as long as the page.

import { isPossible, parse, spell } from './recipe.js';

export const MOST_FAVOURITES = 2000;
const MOST_HISTORY = 120;
const FORMAT = 'tadne-favourites';

/** @typedef {{recipe: import('./recipe.js').Recipe, psi: number}} Kept */

/**
 * What a favourite is known by.
 * @param {Kept} kept
 */
const identity = ({ recipe, psi }) => `${spell(recipe)} ${psi.toFixed(2)}`;

/**
 * Entries of a list that came from storage or a file: only what is whole, each once.
 * @param {unknown} list
 * @param {number} most
 */
function sound(list, most) {
  /** @type {Map<string, Kept>} */
  const found = new Map();
  for (const entry of Array.isArray(list) ? list : []) {
    const recipe = typeof entry?.recipe === 'string' ? parse(entry.recipe) : null;
    const psi = Number(entry?.psi);
    if (recipe && isPossible(recipe) && psi >= 0 && psi <= 2) found.set(identity({ recipe, psi }), { recipe, psi });
    if (found.size >= most) break;
  }
  return [...found.values()];
}

/** @param {Kept[]} list */
const plain = (list) => list.map(({ recipe, psi }) => ({ recipe: spell(recipe), psi }));

class Shelf extends EventTarget {
  /**
   * @param {string} key
   * @param {number} most
   * @param {boolean} [lossy] whether the oldest entries make room for new ones
   */
  constructor(key, most, lossy = false) {
    super();
    this.lossy = lossy;
    this.key = key;
    this.most = most;
    /** @type {Kept[]} */
    this.entries = [];
    /** @type {Set<string>} */
    this.known = new Set();
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
    this.#index();
  }

  /** The wall asks for every picture that it hangs. */
  #index() {
    this.known = new Set(this.entries.map(identity));
  }

  /** @param {Kept[]} entries */
  #write(entries) {
    this.entries = entries.slice(0, this.most);
    this.#index();
    try {
      localStorage.setItem(this.key, JSON.stringify(plain(this.entries)));
    } catch {
      // Private windows and full disks: the list lives on in this page.
    }
    this.dispatchEvent(new Event('change'));
  }

  /** @param {Kept} kept */
  has(kept) {
    return this.known.has(identity(kept));
  }

  /**
   * Puts an entry first. A shelf that is `lossy` drops its oldest when it is full, any other takes no more.
   * @param {Kept} kept
   * @returns {boolean} whether it is on the shelf now
   */
  add(kept) {
    const others = this.entries.filter((entry) => identity(entry) !== identity(kept));
    if (others.length >= this.most && !this.lossy) return false;
    this.#write([kept, ...others]);
    return true;
  }

  /**
   * Takes an entry out; gives where it was, for `restore`.
   * @param {Kept} kept
   */
  remove(kept) {
    const at = this.entries.findIndex((entry) => identity(entry) === identity(kept));
    this.#write(this.entries.filter((_, index) => index !== at));
    return at;
  }

  /**
   * Puts an entry back to where it was.
   * @param {Kept} kept
   * @param {number} at
   */
  restore(kept, at) {
    if (!this.has(kept)) this.#write(this.entries.toSpliced(at, 0, kept));
  }

  /**
   * The entry before or after another one; nothing beyond the ends, or if that is not on the shelf.
   * @param {Kept} kept
   * @param {number} step
   */
  beside(kept, step) {
    const at = this.entries.findIndex((entry) => identity(entry) === identity(kept));
    return at < 0 ? null : (this.entries[at + step] ?? null);
  }

  clear() {
    this.#write([]);
  }

  /** The shelf as the text of a file. */
  export() {
    return JSON.stringify({ format: FORMAT, version: 1, favourites: plain(this.entries) }, null, 2);
  }

  /**
   * Adds what a file holds and this shelf does not, as far as there is room.
   * @param {string} text
   * @returns {{added: number, left: number} | null} how many were new, and how many of those found no room; nothing if the
   *   text is no such file
   */
  import(text) {
    let file;
    try {
      file = JSON.parse(text);
    } catch {
      return null;
    }
    if (file?.format !== FORMAT || !Array.isArray(file.favourites)) return null;
    const fresh = sound(file.favourites, Infinity).filter((entry) => !this.has(entry));
    const fitting = fresh.slice(0, this.most - this.entries.length);
    if (fitting.length > 0) this.#write([...this.entries, ...fitting]);
    return { added: fitting.length, left: fresh.length - fitting.length };
  }
}

export const favourites = new Shelf('tadne.favourites', MOST_FAVOURITES);
export const history = new Shelf('tadne.history', MOST_HISTORY, true);

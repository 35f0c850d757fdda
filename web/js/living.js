// Pictures that change while one looks: every tile follows the hand on the creativity slider, and a living wall's pictures
// wander in their neighbourhood. Only where this browser draws; each tile keeps one canvas, painted again and again.

import { atelier, here } from './easel.js';
import { spell } from './recipe.js';

/** Radians a second along a picture's way: a child of it is reached in half a minute or so. */
const PACE = 0.09;
/** The hand rests when it has not moved for so long. */
const REST_MS = 220;

export class Living {
  /** @param {import('./wall.js').Wall} wall */
  constructor(wall) {
    this.wall = wall;
    this.wanders = false;
    /** Whether the visitor stopped what moves. */
    this.still = false;
    /**
     * The creativity under the hand, while there is one on the slider.
     * @type {number | null}
     */
    this.psi = null;
    /** @type {WeakMap<import('./tile.js').Tile, {recipe: import('./recipe.js').Recipe, way: number, at: number}>} how far each tile's picture has wandered */
    this.ways = new WeakMap();
    /** @type {Set<import('./tile.js').Tile>} */
    this.busy = new Set();
    this.timer = 0;
    this.waiting = 0;
    document.addEventListener('visibilitychange', () => this.#pump());
  }

  /**
   * Lets the pictures wander, or calls them home.
   * @param {boolean} yes
   */
  wander(yes) {
    this.wanders = yes;
    // Who asks for life on a wall that stands still wants to see it; the pause button stops it again.
    this.still = false;
    if (yes) this.#pump();
    else this.wall.renew();
  }

  /**
   * Follows a hand; `settled` is called when it rests.
   * @param {number} psi
   * @param {() => void} settled
   */
  follow(psi, settled) {
    this.psi = psi;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.psi = null;
      settled();
    }, REST_MS);
    this.#pump();
  }

  /** Whether something should be changing now. */
  get #moves() {
    if (!here() || document.hidden || document.querySelector('dialog[open]')) return false;
    return this.psi !== null || (this.wanders && !this.still);
  }

  async #pump() {
    if (!this.#moves) return this.#later();
    const studio = await atelier().catch(() => null);
    if (!studio) return;
    // A hand gets all workers, each with the next job at hand; wandering takes half of them.
    const most = this.psi === null ? Math.max(1, studio.workers >> 1) : 2 * studio.workers;
    while (this.#moves && this.busy.size < most) {
      const tile = this.#next();
      if (!tile) return this.#later();
      this.#repaint(studio, tile);
    }
  }

  /** Looks again in a while: there is nothing to do now, but there may be. */
  #later() {
    if (this.waiting || !(this.wanders || this.psi !== null) || document.hidden) return;
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      this.#pump();
    }, 100);
  }

  /** The tile in view that has waited longest for a picture it does not have. */
  #next() {
    let best = null;
    for (const tile of this.wall.inView()) {
      if (this.busy.has(tile) || !tile.picture) continue;
      if (!this.wanders && tile.shown === this.#psiOf(tile)) continue;
      if (!best || this.#state(tile).at < this.#state(best).at) best = tile;
    }
    return best;
  }

  /** @param {import('./tile.js').Tile} tile */
  #psiOf(tile) {
    return this.psi === null ? tile.psi : this.wall.psiAt(tile.cell, this.psi);
  }

  /** @param {import('./tile.js').Tile} tile */
  #state(tile) {
    let state = this.ways.get(tile);
    if (state?.recipe !== tile.recipe) {
      state = { recipe: tile.recipe, way: 0, at: performance.now() - 1000 * Math.random() };
      this.ways.set(tile, state);
    }
    return state;
  }

  /**
   * @param {import('./atelier.js').Atelier} studio
   * @param {import('./tile.js').Tile} tile
   */
  async #repaint(studio, tile) {
    this.busy.add(tile);
    const state = this.#state(tile);
    const now = performance.now();
    // However long a tile was not drawn, it goes on from where it was.
    if (this.wanders) state.way += PACE * Math.min(1, (now - state.at) / 1000);
    state.at = now;
    const psi = this.#psiOf(tile);
    try {
      const pixels = await studio.draw(spell(state.recipe), psi, { wander: this.wanders ? state.way : 0 });
      if (tile.recipe === state.recipe && (this.wanders || this.psi !== null)) tile.repaint(pixels, psi);
    } catch {
      // It is tried again, but not at once: what fails without taking time would keep the page from everything else.
      this.busy.delete(tile);
      return this.#later();
    }
    this.busy.delete(tile);
    this.#pump();
  }
}

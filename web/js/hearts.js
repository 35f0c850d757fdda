// Keeping pictures from the wall itself: a heart on the picture under the mouse, a double tap, a key; and a small heart
// on what is kept.

import { announce } from './controls.js';
import { within } from './dom.js';
import { favourites } from './store.js';
import { say } from './strings.js';

/** As long as the beat in css/wall.css. */
const BEAT_MS = 700;

export class Hearts {
  /**
   * @param {import('./wall.js').Wall} wall
   * @param {(words: string) => void} tell shows words where everybody sees them
   */
  constructor(wall, tell) {
    this.wall = wall;
    this.tell = tell;
    this.button = document.getElementById('heart');
    /** The tile under the mouse. */
    this.tile = null;
    wall.layer.append(this.button);
    const { view } = wall;
    view.addEventListener('pointerover', (event) => {
      if (event.pointerType !== 'mouse' || within(event, '#heart')) return;
      this.#hover(view.matches('.dragged, .carrying') ? null : within(event, '.tile')?.tile);
    });
    view.addEventListener('pointerleave', () => this.#hover(null));
    // The heart is not a part of the wall that could be dragged.
    this.button.addEventListener('pointerdown', (event) => event.stopPropagation());
    this.button.addEventListener('click', (event) => {
      event.stopPropagation();
      if (this.tile) this.toggle(this.tile);
    });
    view.addEventListener('hung', ({ detail }) => {
      this.#dress(detail);
      if (detail === this.tile) this.#hover(null);
    });
    favourites.addEventListener('change', () => this.#dressAll());
    this.#dressAll();
  }

  /**
   * Keeps a tile's picture, or lets it go.
   * @param {import('./tile.js').Tile} tile
   */
  toggle(tile) {
    const { recipe, psi } = tile;
    const kept = favourites.has({ recipe, psi });
    if (kept) favourites.remove({ recipe, psi });
    else if (!favourites.add({ recipe, psi })) {
      this.tell(say('collection.full'));
      announce(say('collection.full'));
      return;
    }
    announce(say(kept ? 'room.unkept.spoken' : 'room.kept.spoken'));
    tile.element.classList.remove('beating');
    if (kept) return;
    tile.element.classList.add('beating');
    setTimeout(() => tile.element.classList.remove('beating'), BEAT_MS);
  }

  /** @param {import('./tile.js').Tile | null} [tile] */
  #hover(tile) {
    this.tile = tile ?? null;
    this.button.hidden = !this.tile;
    if (!this.tile) return;
    this.button.style.transform = this.tile.element.style.transform;
    this.#dress(this.tile);
  }

  /** @param {import('./tile.js').Tile} tile */
  #dress(tile) {
    const { recipe, psi } = tile;
    const kept = favourites.has({ recipe, psi });
    tile.element.classList.toggle('kept', kept);
    if (tile !== this.tile) return;
    this.button.setAttribute('aria-pressed', String(kept));
    const words = say(kept ? 'room.unkeep' : 'room.keep');
    this.button.setAttribute('aria-label', words);
    this.button.title = words;
  }

  #dressAll() {
    for (const tile of this.wall.tiles.values()) this.#dress(tile);
  }
}

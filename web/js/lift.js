// Taking a picture off the wall: a hand that rests on it lifts it, and laying it on another blends the two.

import { likeness } from './picture.js';
import { model } from './settings.js';

/** How long a hand has to rest. */
const REST_MS = 380;
/** A hand that has moved less than this has not carried anything. */
const STAY_PX = 8;

export class Lift {
  /**
   * @param {import('./wall.js').Wall} wall
   * @typedef {import('./tile.js').Tile} Tile
   * @param {{blend: (a: Tile, b: Tile) => void, open: (tile: Tile) => void}} actions
   */
  constructor(wall, { blend, open }) {
    this.wall = wall;
    this.blend = blend;
    this.open = open;
    this.timer = 0;
    /**
     * The picture that is carried: its tile, its likeness under the hand, and the tile below.
     * @type {{tile: Tile, picture: HTMLCanvasElement, over: Tile | null, from: {x: number, y: number}, stayed: boolean} | null}
     */
    this.carrying = null;
    /** Whether a key put back what the hand, which is still down, had lifted. */
    this.dropped = false;
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.carrying) return;
      event.preventDefault();
      this.cancel();
      this.dropped = true;
    });
  }

  /**
   * A hand is laid on a tile.
   * @param {PointerEvent} event
   * @param {Tile} [tile] nothing beside the pictures
   */
  rest(event, tile) {
    this.cancel();
    this.dropped = false;
    if (!tile?.picture) return;
    const { pointerId, clientX, clientY } = event;
    this.timer = setTimeout(() => this.#lift(pointerId, tile, clientX, clientY), REST_MS);
  }

  /**
   * @param {number} pointerId
   * @param {import('./tile.js').Tile} tile
   * @param {number} x
   * @param {number} y
   */
  #lift(pointerId, tile, x, y) {
    const { view } = this.wall;
    // The wall may have moved on and taken the picture down.
    if (!tile.picture) return;
    const picture = likeness(tile.picture, model.width, model.height);
    picture.className = 'lifted';
    view.append(picture);
    tile.element.classList.add('taken');
    view.classList.add('carrying');
    view.setPointerCapture(pointerId);
    this.carrying = { tile, picture, over: null, from: { x, y }, stayed: true };
    this.carry(x, y);
    view.dispatchEvent(new Event('lifted'));
  }

  /**
   * The hand moves.
   * @param {number} x
   * @param {number} y
   */
  carry(x, y) {
    const { carrying } = this;
    if (!carrying) return;
    const { picture, over, tile, from } = carrying;
    if (Math.hypot(x - from.x, y - from.y) > STAY_PX) carrying.stayed = false;
    const { camera, lattice } = this.wall;
    const [left, top] = [x - lattice.tileWidth / 2, y - lattice.tileHeight / 2];
    picture.style.transform = `translate(${left}px, ${top}px) rotate(-3deg)`;
    // What lies over the wall hides the pictures below: nothing is laid on what cannot be seen.
    const onWall = this.wall.view.contains(document.elementFromPoint(x, y));
    const found = onWall ? this.wall.tileAt(lattice.nearest(camera.x + x, camera.y + y)) : null;
    const below = found === tile ? null : (found ?? null);
    if (below === over) return;
    over?.element.classList.remove('under');
    carrying.over = below;
    below?.element.classList.add('under');
  }

  /** The hand goes away before it has lifted anything, or does something else. */
  cancel() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.carrying) this.#putDown();
  }

  /**
   * The hand opens.
   * @param {boolean} laidDown whether it lays down what it carries; else that is put back
   * @returns {boolean} whether it had carried a picture
   */
  release(laidDown) {
    clearTimeout(this.timer);
    this.timer = 0;
    // What was put back by a key has been carried all the same.
    if (!this.carrying) return this.dropped;
    const { tile, over, stayed } = this.carrying;
    this.#putDown();
    if (laidDown && over) this.blend(tile, over);
    // A slow click is a click.
    else if (laidDown && stayed) this.open(tile);
    return true;
  }

  #putDown() {
    if (!this.carrying) return;
    const { tile, over, picture } = this.carrying;
    this.carrying = null;
    picture.remove();
    tile.element.classList.remove('taken');
    over?.element.classList.remove('under');
    this.wall.view.classList.remove('carrying');
  }
}

// One place on the wall: a link with a picture in it. It is used again for another cell when it has left the view.

import { suitableAddress } from './address.js';
import { paint } from './easel.js';
import { release } from './picture.js';
import { spell, title } from './recipe.js';
import { addressOf, roomOf } from './router.js';
import { numbers, say } from './strings.js';

/** A little longer than the fade in css/wall.css. */
const FADED_MS = 520;

export class Tile {
  /**
   * @param {import('./loader.js').Loader} loader
   * @param {(tile: Tile) => number} urgency how soon this tile's picture is needed; smaller is sooner
   * @param {{x: number, y: number}} cell the first to hang here, by `assign`
   * @param {import('./recipe.js').Recipe} recipe
   * @param {number} psi
   */
  constructor(loader, urgency, cell, recipe, psi) {
    this.loader = loader;
    this.urgency = () => urgency(this);
    this.cell = cell;
    this.recipe = recipe;
    /** The creativity that is wished for. */
    this.psi = psi;
    /** @type {number | null} the creativity of the picture in view, if there is one */
    this.shown = null;
    /** What the picture is called, in words. */
    this.alt = '';
    /** @type {string | null} the address of the picture that is here or on its way */
    this.wished = null;
    this.element = document.createElement('a');
    this.element.className = 'tile';
    this.element.draggable = false;
    this.element.tabIndex = -1;
    this.element.tile = this;
  }

  /**
   * Hangs another cell's picture here, in a place of so many pixels across.
   * @param {{x: number, y: number}} cell
   * @param {import('./recipe.js').Recipe} recipe
   * @param {number} psi
   * @param {number} across
   * @param {boolean} strange
   */
  assign(cell, recipe, psi, across, strange) {
    this.cell = cell;
    release([...this.element.children]);
    this.shown = null;
    this.element.classList.remove('filled');
    // The frame's tone until the picture is there: every place its own, all of them quiet.
    this.element.style.setProperty('--hue', String(Number(BigInt(recipe.a.seed) % 360n)));
    this.wished = null;
    this.become(recipe, psi, across, strange);
  }

  /**
   * Another picture at the same place. The one in view stays until its successor is ready.
   * @param {import('./recipe.js').Recipe} recipe
   * @param {number} psi
   * @param {number} across
   * @param {boolean} strange
   */
  become(recipe, psi, across, strange) {
    // The same one stays the same object: what wanders goes on from where it was.
    if (spell(recipe) !== spell(this.recipe)) this.recipe = recipe;
    this.element.classList.toggle('strange', strange);
    this.wish(psi, across);
  }

  /**
   * Whether the picture is taken, to be blended with another one.
   * @param {boolean} taken
   */
  take(taken) {
    this.element.classList.toggle('held', taken);
  }

  /**
   * The same picture at another creativity or size. The picture in view stays until its successor is ready.
   * @param {number} psi
   * @param {number} across
   */
  wish(psi, across) {
    const address = suitableAddress(this.recipe, psi, across);
    if (address === this.wished) return;
    this.wished = address;
    this.psi = psi;
    this.alt = say('picture.alt', { name: title(this.recipe), psi: numbers.tenths(psi) });
    this.element.href = addressOf(roomOf(this.recipe, psi));
    this.element.setAttribute('aria-label', this.alt);
    this.loader.want(this, address);
  }

  /** The picture in view, if there is one. */
  get picture() {
    return /** @type {HTMLImageElement | HTMLCanvasElement | null} */ (this.element.lastElementChild);
  }

  /**
   * Called by the loader.
   * @param {HTMLImageElement | HTMLCanvasElement} picture
   */
  show(picture) {
    if (picture instanceof HTMLImageElement) picture.alt = '';
    picture.draggable = false;
    picture.dataset.psi = this.psi.toFixed(1);
    this.shown = this.psi;
    const before = [...this.element.children];
    // Of a quick series only the newest old picture needs to shine through the fade.
    release(before.slice(0, -1));
    this.element.append(picture);
    this.element.classList.add('filled');
    setTimeout(() => {
      if (picture.isConnected) release(before);
    }, FADED_MS);
  }

  /**
   * Asks again for the picture it shows: another draws it now.
   * @param {number} across
   */
  renew(across) {
    this.wished = null;
    this.wish(this.psi, across);
  }

  /**
   * The same picture, a little changed: painted over the one in view, without a fade.
   * @param {ImageData} pixels
   * @param {number} psi
   */
  repaint(pixels, psi) {
    let canvas = this.picture;
    if (!(canvas instanceof HTMLCanvasElement)) {
      canvas = document.createElement('canvas');
      canvas.className = 'painted';
      release([...this.element.children]);
      this.element.append(canvas);
    }
    paint(canvas, pixels);
    canvas.dataset.psi = psi.toFixed(2);
    this.shown = psi;
    // What the hand shows on its way is not what is wished for, so a hand that comes back to that is to ask for it again.
    if (psi !== this.psi) this.wished = null;
  }

  /** Gives up what it is waiting for. */
  retire() {
    this.loader.forget(this);
    this.element.remove();
  }
}

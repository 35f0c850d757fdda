// One place on the wall: a link with a picture in it. It is used again for another cell when it has left the view.

import { pictureAddress, spelledPsi, spelledSeed } from './settings.js';
import { numbers, say } from './strings.js';

/** A little longer than the fade in css/wall.css. */
const FADED_MS = 520;

export class Tile {
  /**
   * @param {import('./loader.js').Loader} loader
   * @param {string} kind the pictures' file ending
   * @param {(tile: Tile) => number} urgency how soon this tile's picture is needed; smaller is sooner
   */
  constructor(loader, kind, urgency) {
    this.loader = loader;
    this.kind = kind;
    this.urgency = () => urgency(this);
    this.cell = null;
    this.seed = null;
    this.psi = null;
    this.element = document.createElement('a');
    this.element.className = 'tile';
    this.element.draggable = false;
    this.element.tabIndex = -1;
    this.element.tile = this;
  }

  /** Hangs another cell's picture here. */
  assign(cell, seed, psi) {
    this.cell = cell;
    this.seed = seed;
    this.element.replaceChildren();
    this.element.classList.remove('filled');
    // The frame's tone until the picture is there: every place its own, all of them quiet.
    this.element.style.setProperty('--hue', String(seed % 360));
    this.#wish(psi);
  }

  /** The same seed at another creativity. The picture in view stays until its successor is ready. */
  recreate(psi) {
    if (psi !== this.psi) this.#wish(psi);
  }

  #wish(psi) {
    this.psi = psi;
    this.alt = say('picture.alt', { seed: spelledSeed(this.seed), psi: numbers.tenths(psi) });
    this.element.href = pictureAddress(this.seed, psi, 'png');
    this.element.setAttribute('aria-label', this.alt);
    this.loader.want(this, pictureAddress(this.seed, psi, this.kind));
  }

  /** Called by the loader. */
  show(picture, address) {
    picture.alt = this.alt;
    picture.draggable = false;
    picture.dataset.address = address;
    picture.dataset.psi = spelledPsi(this.psi);
    const before = [...this.element.children];
    // Of a quick series only the newest old picture needs to shine through the fade.
    before.slice(0, -1).forEach((old) => old.remove());
    this.element.append(picture);
    this.element.classList.add('filled');
    setTimeout(() => {
      if (picture.isConnected) before.forEach((old) => old.remove());
    }, FADED_MS);
  }

  /** Gives up what it is waiting for. */
  retire() {
    this.loader.forget(this);
    this.element.remove();
  }
}

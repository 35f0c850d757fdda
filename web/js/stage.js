// One picture, large. It follows a hand on a slider: what is wanted last is shown next, each fading into the other, and
// when the hand rests the small picture gives way to one that the server enlarged with care.

import { pictureAddress, suitableAddress } from './address.js';
import { around, part } from './dom.js';
import { fetchPicture, likeness } from './picture.js';
import { model, saving } from './settings.js';

/** A hand that has not moved for this long rests. */
const REST_MS = 160;
/** A little longer than the fade in css/room.css. */
const FADED_MS = 260;
const AGAIN_MS = 2500;

/**
 * Gives a picture, an image or a canvas that was drawn here, its text; an empty one for what is on its way out.
 * @param {Element} picture
 * @param {string} text
 */
function name(picture, text) {
  if (picture instanceof HTMLImageElement) picture.alt = text;
  if (!(picture instanceof HTMLCanvasElement)) return;
  picture.setAttribute('role', text ? 'img' : 'presentation');
  picture.setAttribute('aria-label', text);
}

export class Stage {
  /** @param {HTMLElement} element with .stage-frame, .stage-glow and .stage-trouble in it */
  constructor(element) {
    this.element = element;
    this.frame = part(element, '.stage-frame');
    this.glow = part(element, '.stage-glow');
    this.trouble = part(element, '.stage-trouble');
    /**
     * What is to be shown: two addresses of a picture, the second better than the first, and its text.
     * @type {{small: string, large: string, alt: string} | null}
     */
    this.wanted = null;
    /** @type {string | null} the address of the picture in view */
    this.shown = null;
    /** Whether what is shown is a picture in hand, in place of the one that is wanted. */
    this.lent = false;
    this.busy = false;
    /** Ends the fetch under way. */
    this.control = new AbortController();
    this.timer = 0;
    part(this.trouble, 'button').addEventListener('click', () => this.#pump());
    addEventListener('online', () => this.#pump());
  }

  /**
   * @param {import('./recipe.js').Recipe} recipe
   * @param {number} psi
   * @param {boolean} noise
   * @param {string} alt
   */
  show(recipe, psi, noise, alt) {
    const small = pictureAddress(recipe, psi, { kind: 'jpg', noise });
    if (this.wanted?.small === small) return;
    // For whoever saves data that one is enough.
    const large = saving ? small : suitableAddress(recipe, psi, this.frame.clientWidth || 512, { noise });
    this.wanted = { small, large, alt };
    this.element.setAttribute('aria-busy', 'true');
    clearTimeout(this.timer);
    this.#pump();
  }

  /**
   * Shows a picture that is in hand already, the same one in less detail, until the wanted one is here.
   * @param {HTMLImageElement | HTMLCanvasElement} picture
   * @param {string} alt
   */
  lend(picture, alt) {
    const canvas = likeness(picture, model.width, model.height);
    canvas.dataset.address = '';
    this.#hang(canvas, alt);
    this.shown = null;
    this.lent = true;
  }

  /** Forgets what is shown, so that the next picture does not grow out of an old one. */
  clear() {
    this.control.abort();
    this.control = new AbortController();
    this.busy = false;
    this.wanted = null;
    this.shown = null;
    this.lent = false;
    clearTimeout(this.timer);
    this.frame.replaceChildren();
    this.glow.replaceChildren();
    this.trouble.hidden = true;
  }

  /** Takes the trouble back, and the focus from the button in it. */
  #calm() {
    const focused = this.trouble.contains(document.activeElement);
    this.trouble.hidden = true;
    if (focused) part(around(this.element, 'dialog'), '[data-close]').focus();
  }

  /** Fetches what is wanted now; if something else is wanted by then, that follows. */
  async #pump() {
    if (this.busy || !this.wanted) return;
    const { small, large, alt } = this.wanted;
    const address = this.shown === small || this.shown === large ? large : small;
    if (address === this.shown) return;
    this.busy = true;
    clearTimeout(this.timer);
    const { signal } = this.control;
    try {
      // Whoever steps from picture to picture waits for this one, not for the small ones around it.
      const picture = await fetchPicture(address, signal, 'high');
      // It belongs to a room that was left.
      if (signal.aborted) return;
      this.#calm();
      // What follows a hand on a slider is shown on the way; a picture that is in view already is not covered by others.
      if (this.wanted && (this.wanted.small === small || !this.lent)) this.#hang(picture, alt);
    } catch {
      if (signal.aborted) return;
      this.trouble.hidden = false;
      this.timer = setTimeout(() => this.#pump(), AGAIN_MS);
      return;
    } finally {
      // A room that was opened meanwhile has its own fetch.
      if (!signal.aborted) this.busy = false;
    }
    if (!this.wanted) return;
    if (this.wanted.small !== small) {
      this.#pump();
    } else if (this.shown === large) {
      this.element.setAttribute('aria-busy', 'false');
    } else {
      this.timer = setTimeout(() => this.#pump(), REST_MS);
    }
  }

  /**
   * @param {HTMLImageElement | HTMLCanvasElement} picture
   * @param {string} alt
   */
  #hang(picture, alt) {
    this.shown = picture.dataset.address ?? null;
    this.lent = false;
    const before = [...this.frame.children];
    before.slice(0, -1).forEach((old) => old.remove());
    before.forEach((old) => name(old, ''));
    name(picture, alt);
    picture.className = 'stage-picture';
    this.frame.append(picture);
    // A few pixels are enough for what is blurred beyond recognition.
    const light = likeness(picture, 32, Math.round((32 * model.height) / model.width));
    const lights = [...this.glow.children];
    lights.slice(0, -1).forEach((old) => old.remove());
    this.glow.append(light);
    setTimeout(() => {
      if (picture.isConnected) before.forEach((old) => old.remove());
      if (light.isConnected) lights.forEach((old) => old.remove());
    }, FADED_MS);
  }
}

// Find a face: a picture of the visitor's own, and the nearest one that this wall has. All of it happens in this browser; nothing is sent.

import { pictureAddress } from './address.js';
import { announce } from './controls.js';
import { find, paperOf, part, within } from './dom.js';
import { atelier, paint } from './easel.js';
import { features, nearest, SIDE } from './nearest.js';
import { fetchPicture, thumbnail } from './picture.js';
import { parse, title } from './recipe.js';
import { addressOf, go, roomOf } from './router.js';
import { numbers, say } from './strings.js';

/** Pixels of the pictures that are drawn to be compared. */
const SMALL = 64;
/** A hand that moves the picture rests after so long. */
const REST_MS = 350;
const THUMBNAIL = 76;
/** The psi that is searched at. */
const PSI = 1;

/** A square canvas of `side` pixels, and what it is painted with. @param {number} side */
function sheet(side) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  return paperOf(canvas, { willReadFrequently: true });
}

export class Lookalike {
  constructor() {
    this.dialog = find('lookalike');
    this.given = find('lookalike-given');
    this.found = find('lookalike-found');
    this.closer = find('lookalike-closer');
    this.way = find('lookalike-way');
    this.stop = find('lookalike-stop');
    /** @type {ImageBitmap | null} the visitor's picture */
    this.picture = null;
    /** The middle of the square that is compared, as shares of the picture's width and height. */
    this.middle = { x: 0.5, y: 0.5 };
    /** @type {AbortController | null} */
    this.looking = null;
    /** @type {AbortController | null} */
    this.coming = null;
    /** @type {import('./router.js').RoomPlace | null} the room of the nearest picture */
    this.place = null;
    this.rest = 0;
    this.paper = sheet(SMALL);
    this.small = sheet(SIDE);
    this.dialog.addEventListener('click', (event) => {
      if (within(event, '[data-close]')) this.dialog.close();
    });
    this.dialog.addEventListener('close', () => this.#end());
    find('lookalike-file').addEventListener('change', ({ target }) => {
      const [file] = /** @type {HTMLInputElement} */ (target).files ?? [];
      if (file) this.take(file);
      // The same file again is a choice as well.
      /** @type {HTMLInputElement} */ (target).value = '';
    });
    this.dialog.addEventListener('dragover', (event) => event.preventDefault());
    this.dialog.addEventListener('drop', (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.take(file);
    });
    this.closer.addEventListener('input', () => this.#move(0, 0));
    this.stop.addEventListener('click', () => this.#end());
    this.found.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !this.place) return;
      event.preventDefault();
      this.dialog.close();
      go(this.place);
    });
    this.given.addEventListener('pointermove', (event) => {
      if (event.buttons !== 1 || !this.picture) return;
      const { side, width, height } = this.#square();
      const scale = side / this.given.clientWidth;
      this.#move((-event.movementX * scale) / width, (-event.movementY * scale) / height);
    });
  }

  /** Opens it. @param {File} [file] a picture that is in hand already */
  show(file) {
    if (!this.dialog.open) this.dialog.showModal();
    if (file) this.take(file);
  }

  /**
   * Takes the visitor's picture, whatever the browser can read.
   * @param {File} file
   */
  async take(file) {
    this.#end();
    try {
      this.picture = await createImageBitmap(file);
    } catch {
      this.#say(say('lookalike.unreadable'));
      return;
    }
    // Of tall pictures the face is mostly in the upper part.
    this.middle = { x: 0.5, y: this.picture.height > 1.2 * this.picture.width ? 0.35 : 0.5 };
    this.closer.value = '1';
    find('lookalike-crop').hidden = false;
    this.#move(0, 0);
  }

  /** The square of the picture that is compared, in its pixels. */
  #square() {
    const { width, height } = /** @type {ImageBitmap} */ (this.picture);
    const side = Math.min(width, height) / this.closer.valueAsNumber;
    return { left: this.middle.x * width - side / 2, top: this.middle.y * height - side / 2, side, width, height };
  }

  /**
   * Moves the square, and looks again once the hand rests.
   * @param {number} x a share of the picture's width
   * @param {number} y a share of its height
   */
  #move(x, y) {
    if (!this.picture) return;
    const square = this.#square();
    /**
     * @param {number} at
     * @param {number} length
     */
    const inside = (at, length) => Math.min(1 - square.side / 2 / length, Math.max(square.side / 2 / length, at));
    this.middle = { x: inside(this.middle.x + x, square.width), y: inside(this.middle.y + y, square.height) };
    const { left, top, side } = this.#square();
    const paper = paperOf(this.given);
    paper.imageSmoothingQuality = 'high';
    paper.drawImage(this.picture, left, top, side, side, 0, 0, this.given.width, this.given.height);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.#look(), REST_MS);
  }

  /** Looks for the picture that is nearest to the square. */
  async #look() {
    this.#end();
    const looking = (this.looking = new AbortController());
    const { signal } = looking;
    this.way.replaceChildren();
    this.stop.hidden = false;
    this.#say(say('lookalike.ready'));
    try {
      const studio = await atelier();
      signal.throwIfAborted();
      const target = features(this.#pixels(this.given));
      const best = await nearest(target, async (name) => {
        paint(this.paper.canvas, await studio.draw(name, PSI, { size: SMALL, signal }));
        return this.#pixels(this.paper.canvas);
      }, {
        lanes: 2 * studio.workers,
        signal,
        nearer: ({ name }) => this.#hang(name),
        looked: (share) => this.#say(say('lookalike.looking', { percent: numbers.plain(Math.floor(100 * share)) })),
      });
      this.#finish(best.name);
    } catch (error) {
      if (signal.aborted) return;
      console.warn(error);
      this.#say(say('lookalike.failed'));
    } finally {
      if (this.looking === looking) this.#end();
    }
  }

  /** A canvas as it is compared: small. @param {HTMLCanvasElement} canvas */
  #pixels(canvas) {
    this.small.imageSmoothingQuality = 'high';
    this.small.drawImage(canvas, 0, 0, SIDE, SIDE);
    return this.small.getImageData(0, 0, SIDE, SIDE).data;
  }

  /** Shows a nearer picture, and adds it to the way there. @param {string} name */
  #hang(name) {
    const recipe = parse(name);
    if (!recipe) return;
    this.place = roomOf(recipe, PSI);
    this.found.href = addressOf(this.place);
    this.found.title = title(recipe);
    this.found.setAttribute('aria-label', say('lookalike.open', { name: title(recipe) }));
    // The one before is not waited for any more; this one is, also when the search has ended.
    this.coming?.abort();
    const { signal } = (this.coming = new AbortController());
    fetchPicture(pictureAddress(recipe, PSI), signal).then(
      (picture) => {
        if (signal.aborted) return;
        picture.setAttribute('aria-hidden', 'true');
        this.found.replaceChildren(picture);
      },
      (error) => signal.aborted || console.warn(error),
    );
    const item = document.createElement('li');
    item.append(thumbnail(pictureAddress(recipe, PSI, { kind: 'jpg', size: SMALL }), title(recipe), THUMBNAIL));
    this.way.append(item);
  }

  /** @param {string} name */
  #finish(name) {
    const recipe = parse(name);
    const words = say('lookalike.found', { name: recipe ? title(recipe) : name });
    this.#say(words);
    announce(words);
  }

  /** @param {string} text */
  #say(text) {
    find('lookalike-state').textContent = text;
  }

  /** Ends the search; what was found stays. */
  #end() {
    clearTimeout(this.rest);
    this.looking?.abort();
    this.looking = null;
    // The focus does not vanish with the button.
    if (document.activeElement === this.stop) (this.place ? this.found : part(this.dialog, '[data-close]')).focus();
    this.stop.hidden = true;
  }
}

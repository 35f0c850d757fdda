// The first figure: one seed as creativity grows. It plays by itself, each level melting into the next, or follows the
// slider below it; the row under the slider shows five of the levels side by side, each a way to its room.

import { suitableAddress } from './address.js';
import { describeCreativity } from './controls.js';
import { paperOf, part, within } from './dom.js';
import { Motion } from './motion.js';
import { fetchPicture, sizeOf, thumbnail } from './picture.js';
import { ofSeed, seedAfter, title } from './recipe.js';
import { addressOf, go, roomOf } from './router.js';
import { numbers, say } from './strings.js';

/** The levels of a montage, which a server that showed one has drawn already. */
const LOW = 0.3;
const HIGH = 2;
const LEVELS = Array.from({ length: 18 }, (_, index) => (3 + index) / 10);
/** Which of them hang in the row. */
const ROW = [0.3, 0.7, 1.1, 1.5, 2];
const THUMBNAIL = 96;
/** From the lowest level to the highest and back. */
const ROUND_S = 14;

export class Growth {
  /** @param {HTMLElement} figure with a canvas, a slider, an `ol` and two buttons in it */
  constructor(figure) {
    this.canvas = part(figure, 'canvas');
    this.paper = paperOf(this.canvas);
    this.slider = part(figure, 'input');
    this.value = part(figure, 'output');
    this.list = part(figure, 'ol');
    this.seed = '';
    /**
     * The pictures of the levels, as far as they have come.
     * @type {(HTMLImageElement | HTMLCanvasElement | null)[]}
     */
    this.pictures = [];
    /** What is said of the picture in view. */
    this.told = '';
    /** Where in its round it is, 0 to 1: up in the first half, down in the second. */
    this.phase = 0;
    /** Between levels while it plays; a level when a hand chose it. */
    this.psi = LOW;
    this.seen = false;
    this.slider.addEventListener('input', () => this.#choose(this.slider.valueAsNumber));
    part(figure, '[data-act="another"]').addEventListener('click', () => this.#hang(seedAfter(this.seed)));
    this.list.addEventListener('click', (event) => {
      const place = within(event, 'a')?.place;
      if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(place);
    });
    new IntersectionObserver((entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      this.seen = true;
      this.#fetch();
    }).observe(this.canvas);
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) this.#settle(1);
    this.#hang('42');
    this.motion = new Motion(this.canvas, part(figure, '[data-act="toggle"]', HTMLButtonElement), (seconds) => this.#advance(seconds));
  }

  /**
   * Shows another seed.
   * @param {string} seed
   */
  #hang(seed) {
    this.seed = seed;
    const recipe = ofSeed(seed);
    this.pictures = [];
    this.fetching = false;
    const items = ROW.map((psi) => {
      const link = document.createElement('a');
      link.place = roomOf(recipe, psi);
      link.href = addressOf(link.place);
      const alt = say('picture.alt', { name: title(recipe), psi: numbers.tenths(psi) });
      const value = document.createElement('span');
      value.setAttribute('aria-hidden', 'true');
      value.textContent = numbers.tenths(psi);
      link.append(thumbnail(suitableAddress(recipe, psi, THUMBNAIL), alt, THUMBNAIL), value);
      const item = document.createElement('li');
      item.append(link);
      return item;
    });
    this.list.replaceChildren(...items);
    this.#fetch();
    this.#draw();
  }

  /** Fetches the levels one after the other, once they are looked at. A level that does not come is passed over. */
  async #fetch() {
    const { seed, pictures } = this;
    if (this.fetching || !this.seen) return;
    this.fetching = true;
    const across = this.canvas.clientWidth;
    for (const [index, psi] of LEVELS.entries()) {
      const picture = await fetchPicture(suitableAddress(ofSeed(seed), psi, across)).catch(() => null);
      if (seed !== this.seed) return;
      pictures[index] = picture;
      this.#draw();
    }
  }

  /**
   * A hand on the slider stops the play and shows a level.
   * @param {number} psi
   */
  #choose(psi) {
    this.motion.play(false);
    this.#settle(psi);
    this.#draw();
  }

  /**
   * Stands at a level, from which it would go on upwards.
   * @param {number} psi
   */
  #settle(psi) {
    this.psi = psi;
    this.phase = (psi - LOW) / (HIGH - LOW) / 2;
  }

  /** @param {number} seconds */
  #advance(seconds) {
    this.phase = (this.phase + seconds / ROUND_S) % 1;
    const up = 1 - Math.abs(2 * this.phase - 1);
    this.psi = LOW + (HIGH - LOW) * up;
    this.#draw();
  }

  /** The picture between two levels: the lower one, and over it as much of the upper one as is due. */
  #draw() {
    const { paper, canvas, pictures } = this;
    const at = (this.psi - LOW) * 10;
    const below = Math.min(LEVELS.length - 1, Math.floor(at + 1e-6));
    const lower = pictures.slice(0, below + 1).findLast(Boolean);
    if (lower) {
      const { width, height } = sizeOf(lower);
      if (canvas.width !== width) [canvas.width, canvas.height] = [width, height];
      paper.globalAlpha = 1;
      paper.drawImage(lower, 0, 0);
      const upper = pictures[below + 1];
      if (upper && at - below > 1e-6) {
        paper.globalAlpha = at - below;
        paper.drawImage(upper, 0, 0);
      }
    } else {
      paper.clearRect(0, 0, canvas.width, canvas.height);
    }
    this.#tell();
  }

  /** The value beside the slider, and for those who cannot see the picture what it is. */
  #tell() {
    const psi = Math.round(this.psi * 10) / 10;
    const told = `${this.seed} ${psi}`;
    if (told === this.told) return;
    this.told = told;
    this.slider.value = String(psi);
    describeCreativity(this.slider, this.value);
    this.canvas.setAttribute('aria-label', say('picture.alt', { name: title(ofSeed(this.seed)), psi: numbers.tenths(psi) }));
  }
}

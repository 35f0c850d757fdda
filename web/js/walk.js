// A walk without end: picture turns into picture, full screen. The way is decided by the seed it starts from.

import { fetchPicture, likeness, sizeOf } from './picture.js';
import { pictureAddress, spelledPsi } from './address.js';
import { announce, describeCreativity, dressPause } from './controls.js';
import { find, paperOf, part, within } from './dom.js';
import { animation, hand } from './files.js';
import { film, filmed } from './film.js';
import { fileCreature, seedAfter, single, spellCreature, title } from './recipe.js';
import { addressOf, amend, go, leave, roomOf } from './router.js';
import { saving } from './settings.js';
import { favourites } from './store.js';
import { say } from './strings.js';

/** From one picture to the next, and the moment each is looked at before it turns. */
const LEG_MS = 4600;
const PAUSE_SHARE = 0.18;
/** Pictures that are drawn on the way; between them the screen cross-fades. */
const STEPS = saving ? 10 : 25;
const LANES = 4;
/** Without movement of a hand the controls go away. */
const IDLE_MS = 3200;
const LONGEST_FRAME_MS = 60;

/**
 * Slow at both ends.
 * @param {number} t
 */
const ease = (t) => t * t * (3 - 2 * t);

/** @typedef {Extract<import('./router.js').Place, {view: 'walk'}>} WalkPlace */

/**
 * A frame, an image or a canvas, as a canvas.
 * @param {HTMLImageElement | HTMLCanvasElement} frame
 */
function copyOf(frame) {
  const { width, height } = sizeOf(frame);
  return likeness(frame, width, height);
}

/** The pictures between two creatures, fetched in order. */
class Leg {
  /**
   * @param {import('./recipe.js').Creature} from
   * @param {import('./recipe.js').Creature} to
   * @param {number} psi
   * @param {(trouble: boolean) => void} onTrouble
   */
  constructor(from, to, psi, onTrouble) {
    this.from = from;
    this.to = to;
    this.psi = psi;
    /** @type {(HTMLImageElement | HTMLCanvasElement | null)[]} */
    this.frames = new Array(STEPS + 1).fill(null);
    this.control = new AbortController();
    this.next = 0;
    this.onTrouble = onTrouble;
    for (let lane = 0; lane < LANES; lane += 1) this.#fetch();
  }

  async #fetch() {
    while (this.next <= STEPS && !this.control.signal.aborted) {
      const index = this.next;
      this.next += 1;
      const percent = Math.round((100 * index) / STEPS);
      /** @type {import('./recipe.js').Recipe} */
      const recipe = { kind: 'blend', a: this.from, b: this.to, percent };
      const address = pictureAddress(recipe, this.psi, { kind: 'jpg' });
      for (let wait = 300; !this.frames[index] && !this.control.signal.aborted; wait = Math.min(8000, wait * 2)) {
        try {
          this.frames[index] = await fetchPicture(address, this.control.signal);
          this.onTrouble(false);
        } catch {
          if (this.control.signal.aborted) return;
          this.onTrouble(true);
          await new Promise((done) => setTimeout(done, wait));
        }
      }
    }
  }

  /**
   * The two pictures around a place from 0 to 1, and how far it is between them; nothing until they are here.
   * @param {number} t
   */
  at(t) {
    const place = t * STEPS;
    const index = Math.min(STEPS - 1, Math.floor(place));
    const [a, b] = [this.frames[index], this.frames[index + 1]];
    return a && b ? { a, b, mix: place - index } : null;
  }

  stop() {
    this.control.abort();
  }
}

export class Walk {
  constructor() {
    this.dialog = find('walk');
    /** All that is in it: no browser makes a dialog as large as the screen. */
    this.screen = find('walk-screen');
    this.canvas = part(this.dialog, 'canvas');
    this.paper = paperOf(this.canvas);
    this.trouble = part(this.dialog, '.walk-trouble');
    this.here = find('walk-here');
    this.slider = find('walk-psi');
    /** @type {WalkPlace | null} */
    this.place = null;
    this.paused = false;
    /** @type {Leg | null} */
    this.leg = null;
    /** @type {Leg | null} */
    this.following = null;
    this.elapsed = 0;
    /** @type {number | null} */
    this.last = null;
    this.frame = 0;
    this.#listen();
  }

  #listen() {
    const { dialog } = this;
    dialog.addEventListener('close', () => this.place && leave());
    dialog.addEventListener('click', (event) => {
      if (within(event, '[data-close]')) dialog.close();
    });
    find('walk-pause').addEventListener('click', () => this.#pause(!this.paused));
    find('walk-save').addEventListener('click', () => this.#save(find('walk-save'), animation));
    find('walk-film').hidden = filmed === undefined;
    find('walk-film').addEventListener('click', () => this.#save(find('walk-film'), film));
    find('walk-full').hidden = !document.fullscreenEnabled;
    find('walk-full').addEventListener('click', () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else this.screen.requestFullscreen().catch(() => {});
    });
    this.here.addEventListener('click', (event) => {
      event.preventDefault();
      if (this.leg) go(roomOf(single(this.leg.from), this.#shown.psi));
    });
    dialog.addEventListener('keydown', (event) => {
      // On a button the key presses it; the one that has the focus at first is the pause.
      if (event.key !== ' ' || within(event, 'button')) return;
      event.preventDefault();
      this.#pause(!this.paused);
    });
    this.slider.addEventListener('change', () => {
      const psi = this.slider.valueAsNumber;
      if (this.leg) this.#begin({ ...this.#shown, from: this.leg.from, psi });
    });
    this.slider.addEventListener('input', () => this.#dressSlider());
    for (const kind of ['pointermove', 'pointerdown', 'keydown', 'focusin']) dialog.addEventListener(kind, () => this.#awake());
    new ResizeObserver(() => this.#fit()).observe(this.canvas);
    document.addEventListener('visibilitychange', () => this.#wake());
  }

  /** Where the walk is: nobody can touch this before it is shown. */
  get #shown() {
    if (!this.place) throw new Error('no walk is shown');
    return this.place;
  }

  /** Shows the controls, for as long as a hand moves and a little longer. */
  #awake() {
    const { dialog } = this;
    dialog.classList.remove('idle');
    clearTimeout(this.idle);
    this.idle = setTimeout(() => dialog.classList.toggle('idle', !this.paused), IDLE_MS);
  }

  /** @param {WalkPlace} place */
  show(place) {
    if (!this.dialog.open) this.dialog.showModal();
    this.#pause(matchMedia('(prefers-reduced-motion: reduce)').matches);
    this.#begin(place);
    this.#awake();
  }

  hide() {
    this.place = null;
    this.#drop();
    if (document.fullscreenElement === this.screen) document.exitFullscreen();
    this.dialog.close();
  }

  /** @param {WalkPlace} place */
  #begin(place) {
    this.#drop();
    this.place = place;
    this.slider.value = String(place.psi);
    this.#dressSlider(place.psi);
    this.elapsed = 0;
    this.#take(this.#legFrom(place.from));
    this.#fit();
    this.#wake();
  }

  /** @param {number} [psi] where the slider stands, if not told */
  #dressSlider(psi) {
    describeCreativity(this.slider, find('walk-psi-value'), psi);
  }

  #drop() {
    this.leg?.stop();
    this.following?.stop();
    this.leg = null;
    this.following = null;
  }

  /** @param {import('./recipe.js').Creature} from */
  #legFrom(from) {
    const to = this.#after(from);
    return new Leg(from, to, this.#shown.psi, (/** @type {boolean} */ trouble) => (this.trouble.hidden = !trouble));
  }

  /**
   * Where the walk goes from a creature: to the next favourite, or by lot.
   * @param {import('./recipe.js').Creature} from
   */
  #after(from) {
    if (this.#shown.favourites) {
      const stops = favourites.entries.flatMap(({ recipe }) => (recipe.kind === 'single' ? [recipe.a] : [recipe.a, recipe.b]));
      const at = stops.findIndex((stop) => spellCreature(stop) === spellCreature(from));
      const next = stops[(at + 1) % stops.length];
      if (next && spellCreature(next) !== spellCreature(from)) return next;
    }
    return { seed: seedAfter(from.seed), path: '' };
  }

  /**
   * The stretch from this picture to the next, and back.
   * @param {HTMLElement} button that was pressed
   * @param {(pictures: import('./files.js').Shown[]) => Promise<Blob>} write
   */
  async #save(button, write) {
    const { leg } = this;
    if (!leg || button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    announce(say('share.making'));
    try {
      const last = STEPS;
      for (let tries = 0; leg.frames.some((frame) => !frame) && tries < 100; tries += 1) {
        await new Promise((done) => setTimeout(done, 100));
      }
      const frames = leg.frames.filter((frame) => frame !== null);
      if (frames.length < leg.frames.length) throw new Error('not all pictures have come');
      const pictures = frames.map((frame, index) => ({ canvas: copyOf(frame), ms: index % last === 0 ? 700 : 110 }));
      const made = await write([...pictures, ...pictures.slice(1, -1).reverse()]);
      hand(made, `tadne-walk-${fileCreature(leg.from)}~${fileCreature(leg.to)}.${made.type.split('/')[1]}`);
      announce(say('share.made'));
    } catch {
      announce(say('share.failed'));
    } finally {
      button.removeAttribute('aria-busy');
    }
  }

  /**
   * Sets out on a leg, and lets the address name where it starts.
   * @param {Leg} leg
   */
  #take(leg) {
    this.leg = leg;
    this.following = null;
    const place = { ...this.#shown, from: leg.from };
    this.place = place;
    amend(place);
    const name = title(single(leg.from));
    document.title = `${say('walk.title')} · ${say('site.title')}`;
    this.here.textContent = say('walk.here', { a: name, b: title(single(leg.to)) });
    this.here.href = addressOf(roomOf(single(leg.from), place.psi));
    this.dialog.dataset.from = spellCreature(leg.from);
    this.dialog.dataset.psi = spelledPsi(place.psi);
  }

  /** @param {boolean} paused */
  #pause(paused) {
    this.paused = paused;
    dressPause(find('walk-pause'), paused);
    this.#wake();
  }

  /** As many pixels as the screen has, up to where more cannot be seen. */
  #fit() {
    const side = Math.min(2048, Math.round(this.canvas.clientWidth * Math.min(2, devicePixelRatio || 1)));
    if (side === 0 || this.canvas.width === side) return;
    this.canvas.width = side;
    this.canvas.height = Math.round((side * this.canvas.clientHeight) / this.canvas.clientWidth);
    this.#draw();
  }

  #wake() {
    if (this.frame || !this.leg || document.hidden) return;
    this.frame = requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {number} now */
  #tick(now) {
    this.frame = 0;
    if (!this.leg || document.hidden) {
      this.last = null;
      return;
    }
    const dt = this.last === null ? 0 : Math.min(LONGEST_FRAME_MS, now - this.last);
    this.last = now;
    // Until the pictures are here the walk waits rather than jumps.
    const ready = this.#draw();
    if (ready && !this.paused) this.elapsed += dt;
    if (this.elapsed > LEG_MS * 0.3) this.following ??= this.#legFrom(this.leg.to);
    if (this.elapsed >= LEG_MS && this.following) {
      this.elapsed -= LEG_MS;
      this.#take(this.following);
    }
    if (this.paused && ready) this.last = null;
    else this.#wake();
  }

  #draw() {
    if (!this.leg) return false;
    const t = ease(Math.min(1, Math.max(0, (this.elapsed / LEG_MS - PAUSE_SHARE) / (1 - PAUSE_SHARE))));
    const pictures = this.leg.at(t);
    if (!pictures) return false;
    const { paper, canvas } = this;
    paper.imageSmoothingEnabled = true;
    paper.imageSmoothingQuality = 'high';
    paper.globalAlpha = 1;
    paper.drawImage(pictures.a, 0, 0, canvas.width, canvas.height);
    paper.globalAlpha = pictures.mix;
    paper.drawImage(pictures.b, 0, 0, canvas.width, canvas.height);
    canvas.classList.add('drawn');
    return true;
  }
}

// The second figure: two networks in contest. A generator and a discriminator begin from nothing and learn while one looks, in a worker, with the
// trainer's own step; what they learn from are pictures of this wall.

import { pictureAddress } from './address.js';
import { paperOf, part } from './dom.js';
import { Motion } from './motion.js';
import { fetchPicture, sizeOf } from './picture.js';
import { ofSeed } from './recipe.js';
import { saving } from './settings.js';
import { numbers, say } from './strings.js';
import { Tally } from './tally.js';

/** Pixels across the pictures they play with. */
const SIDE = 32;
/** Real pictures, and how many are fetched at a time. */
const POOL = 96;
const LANES = 6;
/** Pictures in a row of the figure, and where the rows are, in pixels of its canvas. */
const SHOWN = 6;
const TILE = 96;
const GAP = 8;
const LEFT = 12;
const REAL = { top: 34, key: 'contest.real' };
const DRAWN = { top: 164, key: 'contest.drawn' };
const CHART = { top: 282, height: 84 };
const LABEL = '20px ';
/** The losses' scale ends here. */
const MOST_LOSS = 4;
/** It ends by itself after so many rounds: a page must not heat a room because it was left open. */
const LONGEST = 6000;
/** Points of the chart; when there are more, every other one is dropped. */
const POINTS = 240;

/**
 * The figure in the placard: the contest, or, in a browser that cannot train, one with numbers.
 * @param {HTMLElement} figure with a canvas, a caption and two buttons in it
 */
export function contest(figure) {
  const able = typeof WebAssembly === 'object' && typeof Worker === 'function' && !saving;
  return able ? new Contest(figure) : new Tally(figure);
}

/**
 * @typedef {{pictures: ArrayBuffer, rounds: number, lossD: number, lossG: number, real: number, drawn: number, trouble?: string}} News
 *   what the worker tells: RGBA of drawn pictures one below the other, and what the networks said
 */

class Contest {
  /** @param {HTMLElement} figure */
  constructor(figure) {
    this.figure = figure;
    this.canvas = part(figure, 'canvas');
    this.paper = paperOf(this.canvas);
    /** Real pictures, as far as they have come, each on a canvas of its own. @type {HTMLCanvasElement[]} */
    this.real = [];
    /** @type {Worker | null} made when it is first looked at */
    this.worker = null;
    this.rounds = 0;
    /** The judge's opinion: how sure it is that a real picture is realer than a drawn one, a half being no idea. */
    this.sure = 0.5;
    /** Drawn pictures, as they are now. @type {HTMLCanvasElement[]} */
    this.drawn = [];
    /** The losses of the judge and of the generator, a pair for each `stride` pieces of news. @type {[number, number][]} */
    this.losses = [];
    this.stride = 1;
    this.heard = 0;
    /** Whether the canvas shows less than is known. */
    this.stale = true;
    this.canvas.dataset.rounds = '0';
    /** @param {string} act */
    const button = (act) => part(figure, `[data-act="${act}"]`, HTMLButtonElement);
    this.motion = new Motion(
      this.canvas,
      button('toggle'),
      () => this.stale && this.#draw(),
      (awake) => this.#turn(awake),
    );
    button('again').addEventListener('click', () => {
      this.#restart();
      this.#begin();
      this.motion.play(true);
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.#draw();
  }

  #restart() {
    this.rounds = 0;
    this.sure = 0.5;
    this.drawn = [];
    this.losses = [];
    this.stride = 1;
    this.heard = 0;
    this.stale = true;
  }

  /** Plays while it is looked at. @param {boolean} awake */
  #turn(awake) {
    if (awake) this.#open();
    this.worker?.postMessage({ play: awake });
  }

  /** The worker, and the real pictures; once. */
  #open() {
    if (this.worker) return;
    this.worker = new Worker(new URL('./referee.js', import.meta.url), { type: 'module' });
    this.worker.addEventListener('message', ({ data }) => this.#hear(data));
    // A worker that cannot be loaded, a module that this browser refuses: the other figure needs neither.
    this.worker.addEventListener('error', () => this.#retire());
    this.#collect().then(
      () => this.#begin(),
      () => this.#retire(),
    );
  }

  /** Fetches the real pictures, a few at a time, and shows the first ones as they come. */
  async #collect() {
    let next = 0;
    const lane = async () => {
      while (next < POOL) {
        const seed = next++;
        const picture = await fetchPicture(pictureAddress(ofSeed(String(seed)), 1, { kind: 'jpg', size: 2 * SIDE }));
        this.real[seed] = square(picture);
        this.stale = true;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  /** Sends the worker into a contest from the start. */
  #begin() {
    if (this.real.filter(Boolean).length < POOL) return;
    const area = SIDE * SIDE;
    const pictures = new Uint8Array(3 * area * POOL);
    this.real.forEach((canvas, at) => {
      const { data } = paperOf(canvas).getImageData(0, 0, SIDE, SIDE);
      for (let pixel = 0; pixel < area; pixel += 1) {
        pictures.set(data.subarray(4 * pixel, 4 * pixel + 3), 3 * (at * area + pixel));
      }
    });
    const seed = Math.floor(Math.random() * 2 ** 32);
    this.worker?.postMessage({ pictures, side: SIDE, count: SHOWN, seed }, [pictures.buffer]);
  }

  /** @param {News} news */
  #hear({ trouble, pictures, rounds, lossD, lossG, real, drawn }) {
    // Networks now and then come to nothing: others may not. Before the first news it is the module that does not run.
    if (trouble) {
      if (this.rounds === 0) {
        this.#retire();
        return;
      }
      this.#restart();
      this.#begin();
      return;
    }
    this.rounds = rounds;
    this.canvas.dataset.rounds = String(rounds);
    this.drawn = Array.from({ length: SHOWN }, (_, at) => {
      const bytes = new Uint8ClampedArray(pictures, 4 * at * SIDE * SIDE, 4 * SIDE * SIDE);
      return canvasOf((paper) => paper.putImageData(new ImageData(bytes, SIDE, SIDE), 0, 0));
    });
    if (rounds > 0) {
      this.sure = 1 / (1 + Math.exp(drawn - real));
      this.#note([lossD, lossG]);
    }
    this.stale = true;
    if (rounds >= LONGEST) this.motion.play(false);
  }

  /** Keeps losses for the chart, each time fewer of them when there are too many. @param {[number, number]} losses */
  #note(losses) {
    if (this.heard++ % this.stride === 0) this.losses.push(losses);
    if (this.losses.length <= POINTS) return;
    this.losses = this.losses.filter((_, at) => at % 2 === 0);
    this.stride *= 2;
  }

  /** Makes way for the contest with numbers. */
  #retire() {
    this.worker?.terminate();
    this.motion.close();
    const fresh = this.figure.cloneNode(true);
    this.figure.replaceWith(fresh);
    new Tally(/** @type {HTMLElement} */ (fresh));
  }

  #draw() {
    this.stale = false;
    const { paper, canvas } = this;
    const style = getComputedStyle(this.figure);
    /** @param {string} name */
    const colour = (name) => style.getPropertyValue(name);
    paper.clearRect(0, 0, canvas.width, canvas.height);
    paper.font = LABEL + style.fontFamily;
    paper.textBaseline = 'alphabetic';
    for (const [{ top, key }, pictures] of /** @type {const} */ ([[REAL, this.real], [DRAWN, this.drawn]])) {
      paper.fillStyle = colour('--soft');
      paper.fillText(say(key), LEFT, top - 10);
      for (let at = 0; at < SHOWN; at += 1) {
        const [x, picture] = [LEFT + at * (TILE + GAP), pictures[at]];
        paper.fillStyle = colour('--line');
        paper.fillRect(x, top, TILE, TILE);
        if (picture) paper.drawImage(picture, x, top, TILE, TILE);
      }
    }
    paper.fillStyle = colour('--soft');
    paper.textAlign = 'right';
    const right = LEFT + SHOWN * (TILE + GAP) - GAP;
    const percent = { count: numbers.plain(this.rounds), sure: numbers.plain(Math.round(100 * this.sure)) };
    paper.fillText(say(this.rounds > 0 ? 'contest.state' : 'contest.wait', percent), right, DRAWN.top - 10);
    paper.textAlign = 'left';
    this.#chart(right, colour);
  }

  /**
   * The two losses, from the first round to this one.
   * @param {number} right
   * @param {(name: string) => string} colour
   */
  #chart(right, colour) {
    const { paper, losses } = this;
    const base = CHART.top + CHART.height;
    paper.fillStyle = colour('--line');
    paper.fillRect(LEFT, base, right - LEFT, 2);
    /** @type {[0 | 1, string, number[]][]} */
    const lines = [
      [0, '--figure-judge', [3, 9]],
      [1, '--lamp', []],
    ];
    for (const [which, stroke, dash] of lines) {
      paper.beginPath();
      losses.forEach((pair, at) => {
        const x = LEFT + ((right - LEFT) * at) / Math.max(1, losses.length - 1);
        paper.lineTo(x, base - CHART.height * Math.min(1, Math.max(0, pair[which] / MOST_LOSS)));
      });
      paper.strokeStyle = colour(stroke);
      paper.lineWidth = which ? 4 : 3;
      paper.lineCap = paper.lineJoin = 'round';
      paper.setLineDash(dash);
      paper.stroke();
    }
    paper.setLineDash([]);
  }
}

/**
 * A canvas of the contest's pictures.
 * @param {(paper: CanvasRenderingContext2D) => void} fill
 */
function canvasOf(fill) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE;
  // Its pixels are read, or are few.
  fill(paperOf(canvas, { willReadFrequently: true }));
  return canvas;
}

/**
 * The middle of a picture, as large as the contest's.
 * @param {HTMLImageElement | HTMLCanvasElement} picture
 */
function square(picture) {
  const { width, height } = sizeOf(picture);
  const side = Math.min(width, height);
  return canvasOf((paper) => {
    paper.imageSmoothingQuality = 'high';
    paper.drawImage(picture, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  });
}

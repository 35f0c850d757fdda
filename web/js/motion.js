// A figure that moves by itself: frames while it plays, is in view and its page is in front, and no work otherwise.

import { say } from './strings.js';

/** After a longer gap it goes on from where it was. */
const LONGEST_FRAME_S = 0.05;

export class Motion {
  /**
   * It begins by itself, unless its reader asked for stillness.
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLButtonElement} toggle pauses it and lets it go on
   * @param {(seconds: number) => void} step makes a frame, `seconds` after the one before
   * @param {(awake: boolean) => void} [turned] told when frames begin and when they end
   */
  constructor(canvas, toggle, step, turned = () => {}) {
    this.toggle = toggle;
    this.step = step;
    this.turned = turned;
    this.awake = false;
    this.closed = false;
    this.inView = false;
    this.playing = false;
    this.frame = 0;
    this.last = null;
    toggle.addEventListener('click', () => this.play(!this.playing));
    // A busy page is told of several changes at once, in their order: only the last one still holds.
    new IntersectionObserver((entries) => {
      this.inView = entries[entries.length - 1].isIntersecting;
      this.#wake();
    }).observe(canvas);
    document.addEventListener('visibilitychange', () => this.#wake());
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    still.addEventListener('change', () => still.matches && this.play(false));
    this.play(!still.matches);
  }

  /** @param {boolean} playing */
  play(playing) {
    this.playing = playing;
    this.toggle.textContent = say(playing ? 'contest.stop' : 'contest.go');
    this.#wake();
  }

  /** Ends it for good. */
  close() {
    this.closed = true;
    this.#wake();
  }

  get #awake() {
    return this.playing && this.inView && !document.hidden && !this.closed;
  }

  #wake() {
    if (this.awake !== this.#awake) {
      this.awake = this.#awake;
      this.turned(this.awake);
    }
    if (this.frame || !this.awake) return;
    this.frame = requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {number} now */
  #tick(now) {
    this.frame = 0;
    const seconds = this.last === null ? 0 : Math.min(LONGEST_FRAME_S, (now - this.last) / 1000);
    this.last = this.#awake ? now : null;
    if (this.last === null) return;
    this.step(seconds);
    this.#wake();
  }
}

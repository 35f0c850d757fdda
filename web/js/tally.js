// Two networks in contest about numbers instead of pictures: the smallest GAN that shows how it goes, for browsers that cannot train a larger one.

import { paperOf, part } from './dom.js';
import { Duel, HIGH, LOW, realDensity } from './duel.js';
import { Motion } from './motion.js';
import { numbers, say } from './strings.js';

const ROUNDS_A_FRAME = 1;
const POINTS = 120;
const TALLEST = 0.78;

export class Tally {
  /** @param {HTMLElement} figure with a canvas and two buttons in it */
  constructor(figure) {
    this.figure = figure;
    this.canvas = part(figure, 'canvas');
    this.paper = paperOf(this.canvas);
    this.canvas.setAttribute('aria-label', say('tally.alt'));
    part(figure, 'figcaption').textContent = say('tally.caption');
    const keys = ['real', 'drawn', 'judge'].map((name) => {
      const key = document.createElement('span');
      key.className = `key-${name}`;
      key.textContent = say(`tally.${name}`);
      return key;
    });
    part(figure, '.figure-keys').replaceChildren(...keys);
    this.duel = new Duel();
    part(figure, '[data-act="again"]').addEventListener('click', () => {
      this.duel.restart();
      this.#draw();
      this.motion.play(true);
    });
    this.motion = new Motion(this.canvas, part(figure, '[data-act="toggle"]', HTMLButtonElement), () => {
      for (let n = 0; n < ROUNDS_A_FRAME; n += 1) this.duel.round();
      this.#draw();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.#draw();
  }

  #draw() {
    const { paper, canvas, duel } = this;
    const { width, height } = canvas;
    const style = getComputedStyle(this.figure);
    /** @param {string} name */
    const colour = (name) => style.getPropertyValue(name);
    const base = height - 8;
    /** @param {number} index */
    const x = (index) => LOW + ((HIGH - LOW) * index) / POINTS;
    /** @param {number} index */
    const across = (index) => (width * index) / POINTS;
    /** @param {(at: number) => number} y */
    const path = (y) => {
      paper.beginPath();
      for (let index = 0; index <= POINTS; index += 1) {
        paper.lineTo(across(index), base - (base - 12) * Math.min(1, y(x(index))));
      }
    };
    paper.clearRect(0, 0, width, height);
    paper.lineJoin = 'round';

    path((at) => realDensity(at) / TALLEST);
    paper.lineTo(width, base);
    paper.lineTo(0, base);
    paper.fillStyle = colour('--figure-real');
    paper.fill();

    path((at) => duel.opinion(at));
    paper.strokeStyle = colour('--figure-judge');
    paper.lineWidth = 3;
    paper.setLineDash([3, 9]);
    paper.lineCap = 'round';
    paper.stroke();
    paper.setLineDash([]);

    path((at) => duel.drawnDensity(at) / TALLEST);
    paper.strokeStyle = colour('--lamp');
    paper.lineWidth = 5;
    paper.stroke();

    paper.fillStyle = colour('--soft');
    paper.font = `22px ${style.fontFamily}`;
    paper.fillText(say('tally.rounds', { count: numbers.plain(duel.rounds) }), 4, 24);
  }
}

// A worker that draws: one instance of the module and one model, kept warm; one picture at a time, its pixels handed over.

import { answer, asked, hand, send } from './instance.js';

const words = new TextEncoder();
/**
 * What crates/browser exports beside that.
 * @typedef {object} Draws
 * @property {() => number} load reads the model that was put; 1 if it can
 * @property {(psi: number, wander: number, noise: 0 | 1, size: number) => number} draw draws what is named, no more carefully than
 *   so many pixels ask for (0: as large as it is); 1 if it can
 * @property {() => number} drawn_width of the last picture, in pixels
 * @property {() => number} drawn_height
 * @property {(count: number) => number} like looks for so many seeds like what is named; 1 if it can
 * @property {() => number} width of pictures, in pixels
 * @property {() => number} height
 */

/** @type {import('./instance.js').Desk & Draws} */
let draws;

/** @param {{module: WebAssembly.Module, weights: ArrayBuffer}} order */
function open({ module, weights }) {
  /** @type {unknown} */
  const exported = new WebAssembly.Instance(module, {}).exports;
  draws = /** @type {import('./instance.js').Desk & Draws} */ (exported);
  hand(draws, new Uint8Array(weights));
  asked(draws, draws.load());
  return { width: draws.width(), height: draws.height() };
}

/** @param {{name: string, psi: number, wander: number, noise: boolean, size: number}} order */
function draw({ name, psi, wander, noise, size }) {
  hand(draws, words.encode(name));
  asked(draws, draws.draw(psi, wander, noise ? 1 : 0, size));
  return { pixels: answer(draws).buffer, width: draws.drawn_width(), height: draws.drawn_height() };
}

/** @param {{like: string, count: number}} order */
function like({ like: name, count }) {
  hand(draws, words.encode(name));
  asked(draws, draws.like(count));
  return { seeds: Array.from(new BigUint64Array(answer(draws).buffer), String) };
}

addEventListener('message', ({ data }) => {
  try {
    const reply = data.module ? open(data) : data.like === undefined ? draw(data) : like(data);
    send({ id: data.id, ...reply }, 'pixels' in reply ? [/** @type {ArrayBuffer} */ (reply.pixels)] : []);
  } catch (error) {
    send({ id: data.id, trouble: error instanceof Error ? error.message : String(error) });
  }
});

// A worker with a contest in it: one instance of the module that trains, its two networks, and a round after another while it may.

import { compiled } from './flavour.js';
import { answer, asked, hand, send } from './instance.js';

/**
 * What crates/contest exports beside that.
 * @typedef {object} Trains
 * @property {(side: number, seed: number) => number} begin begins a contest about the pictures that were put; 1 if it can
 * @property {() => number} learn a round; 1 if there was one
 * @property {(count: number) => number} draw draws so many pictures; 1 if it can
 * @property {() => number} said what was said since the last call; 1 if it can
 * @typedef {import('./instance.js').Desk & Trains} Module
 */

/** How often it shows how things stand. */
const SHOWN_MS = 250;
/** Of its time, what it leaves the processor to cool and the page to breathe. */
const REST = 0.25;

/** @type {Promise<WebAssembly.Module> | null} */
let module = null;
/** @type {Module | null} */
let match = null;
let count = 0;
let playing = false;
let timer = 0;

/**
 * A contest from the start. Each has an instance of its own: the memory of one never shrinks.
 * @param {{pictures: Uint8Array, side: number, count: number, seed: number}} order RGB bytes of real pictures; how many drawn ones to show
 */
async function begin(order) {
  module ??= compiled('contest');
  module.catch(() => (module = null));
  /** @type {unknown} */
  const exported = new WebAssembly.Instance(await module, {}).exports;
  const fresh = /** @type {Module} */ (exported);
  ({ count } = order);
  hand(fresh, order.pictures);
  asked(fresh, fresh.begin(order.side, order.seed));
  match = fresh;
  show(match);
  play(playing);
}

/**
 * How things stand: what the generator draws now, and what was said since the last time.
 * @param {Module} match
 */
function show(match) {
  asked(match, match.draw(count));
  const pictures = answer(match).buffer;
  asked(match, match.said());
  const [rounds, lossD, lossG, real, drawn] = new Float32Array(answer(match).buffer);
  send({ pictures, rounds, lossD, lossG, real, drawn }, [pictures]);
}

/**
 * Rounds for a while, then a rest.
 * @param {Module} match
 */
function turn(match) {
  const start = performance.now();
  try {
    while (performance.now() - start < SHOWN_MS) asked(match, match.learn());
    show(match);
  } catch (error) {
    give(error);
    return;
  }
  timer = setTimeout(turn, REST * (performance.now() - start), match);
}

/** @param {boolean} yes */
function play(yes) {
  playing = yes;
  clearTimeout(timer);
  if (playing && match) timer = setTimeout(turn, 0, match);
}

/**
 * Ends the contest with what went wrong.
 * @param {unknown} error
 */
function give(error) {
  match = null;
  send({ trouble: error instanceof Error ? error.message : String(error) });
}

addEventListener('message', async ({ data }) => {
  if (!data.pictures) {
    play(data.play);
    return;
  }
  try {
    await begin(data);
  } catch (error) {
    give(error);
  }
});

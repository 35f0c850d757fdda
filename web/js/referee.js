// A worker with a contest in it: one instance of the module that trains, its two networks, and a round after another while it may.

import { compiled } from './flavour.js';

/**
 * What crates/contest exports; numbers are bytes of its memory unless said otherwise.
 * @typedef {object} Module
 * @property {WebAssembly.Memory} memory
 * @property {(length: number) => number} reserve where so many bytes can be put
 * @property {() => number} answer where the last answer is
 * @property {() => number} answer_length
 * @property {(side: number, seed: number) => number} begin begins a contest about the pictures that were put; 1 if it can
 * @property {() => number} learn a round; 1 if there was one
 * @property {(count: number) => number} draw draws so many pictures; 1 if it can
 * @property {() => number} said what was said since the last call; 1 if it can
 */

/** How often it shows how things stand. */
const SHOWN_MS = 250;
/** Of its time, what it leaves the processor to cool and the page to breathe. */
const REST = 0.25;

/** @type {Promise<WebAssembly.Module> | null} */
let module = null;
/** @type {Module | null} */
let match = null;
let side = 0;
let count = 0;
let playing = false;
let timer = 0;

/** The answer to the last call, copied out of the instance. @param {Module} from */
const answer = (from) => new Uint8Array(from.memory.buffer, from.answer(), from.answer_length()).slice();

/**
 * Takes what says 1 or 0, and throws the sentence that explains a 0.
 * @param {Module} of
 * @param {number} done
 */
function asked(of, done) {
  if (!done) throw new Error(new TextDecoder().decode(answer(of)));
}

/**
 * Tells the page; what is in `moved` is handed over, not copied.
 * @param {object} message
 * @param {Transferable[]} [moved]
 */
function send(message, moved = []) {
  /** @type {unknown} */
  const scope = self;
  /** @type {Worker} */ (scope).postMessage(message, moved);
}

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
  ({ side, count } = order);
  const at = fresh.reserve(order.pictures.length);
  new Uint8Array(fresh.memory.buffer, at, order.pictures.length).set(order.pictures);
  asked(fresh, fresh.begin(side, order.seed));
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
  send({ pictures, side, rounds, lossD, lossG, real, drawn }, [pictures]);
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

// A worker that draws: one instance of the module and one model, kept warm; one picture at a time, its pixels handed over.

const words = new TextEncoder();
/**
 * What crates/browser exports; numbers are bytes of its memory unless said otherwise.
 * @typedef {object} Module
 * @property {WebAssembly.Memory} memory
 * @property {(length: number) => number} reserve where so many bytes can be put
 * @property {() => number} answer where the last answer is
 * @property {() => number} answer_length
 * @property {() => number} load reads the model that was put; 1 if it can
 * @property {(psi: number, wander: number, noise: 0 | 1, size: number) => number} draw draws what is named, no more carefully than
 *   so many pixels ask for (0: as large as it is); 1 if it can
 * @property {() => number} drawn_width of the last picture, in pixels
 * @property {() => number} drawn_height
 * @property {(count: number) => number} like looks for so many seeds like what is named; 1 if it can
 * @property {() => number} width of pictures, in pixels
 * @property {() => number} height
 */

/** @type {Module} */
let draws;

/** The answer to the last call, copied out of the instance. */
const answer = () => new Uint8Array(draws.memory.buffer, draws.answer(), draws.answer_length()).slice();

/**
 * Takes what says 1 or 0, and throws the sentence that explains a 0.
 * @param {number} done
 */
function asked(done) {
  if (!done) throw new Error(new TextDecoder().decode(answer()));
}

/**
 * Puts bytes where the instance reads them.
 * @param {Uint8Array} bytes
 */
function hand(bytes) {
  const at = draws.reserve(bytes.length);
  new Uint8Array(draws.memory.buffer, at, bytes.length).set(bytes);
}

/** @param {{module: WebAssembly.Module, weights: ArrayBuffer}} order */
function open({ module, weights }) {
  /** @type {unknown} */
  const exported = new WebAssembly.Instance(module, {}).exports;
  draws = /** @type {Module} */ (exported);
  hand(new Uint8Array(weights));
  asked(draws.load());
  return { width: draws.width(), height: draws.height() };
}

/** @param {{name: string, psi: number, wander: number, noise: boolean, size: number}} order */
function draw({ name, psi, wander, noise, size }) {
  hand(words.encode(name));
  asked(draws.draw(psi, wander, noise ? 1 : 0, size));
  return { pixels: answer().buffer, width: draws.drawn_width(), height: draws.drawn_height() };
}

/** @param {{like: string, count: number}} order */
function like({ like: name, count }) {
  hand(words.encode(name));
  asked(draws.like(count));
  return { seeds: Array.from(new BigUint64Array(answer().buffer), String) };
}

/**
 * Answers the page; what is in `moved` is handed over, not copied.
 * @param {object} message
 * @param {Transferable[]} [moved]
 */
function send(message, moved = []) {
  /** @type {unknown} */
  const scope = self;
  /** @type {Worker} */ (scope).postMessage(message, moved);
}

addEventListener('message', ({ data }) => {
  try {
    const reply = data.module ? open(data) : data.like === undefined ? draw(data) : like(data);
    send({ id: data.id, ...reply }, 'pixels' in reply ? [/** @type {ArrayBuffer} */ (reply.pixels)] : []);
  } catch (error) {
    send({ id: data.id, trouble: error instanceof Error ? error.message : String(error) });
  }
});

// What the workers with a WebAssembly module in them share: the ways into an instance and out of it, as crates/desk has them, and to the page.

/**
 * What every module exports; numbers are bytes of its memory unless said otherwise.
 * @typedef {object} Desk
 * @property {WebAssembly.Memory} memory
 * @property {(length: number) => number} reserve where so many bytes can be put
 * @property {() => number} answer where the last answer is
 * @property {() => number} answer_length
 */

/**
 * The answer to the last call, copied out of the instance.
 * @param {Desk} desk
 */
export const answer = (desk) => new Uint8Array(desk.memory.buffer, desk.answer(), desk.answer_length()).slice();

/**
 * Takes what says 1 or 0, and throws the sentence that explains a 0.
 * @param {Desk} desk
 * @param {number} done
 */
export function asked(desk, done) {
  if (!done) throw new Error(new TextDecoder().decode(answer(desk)));
}

/**
 * Puts bytes where the instance reads them.
 * @param {Desk} desk
 * @param {Uint8Array} bytes
 */
export function hand(desk, bytes) {
  const at = desk.reserve(bytes.length);
  new Uint8Array(desk.memory.buffer, at, bytes.length).set(bytes);
}

/**
 * Tells the page; what is in `moved` is handed over, not copied.
 * @param {object} message
 * @param {Transferable[]} [moved]
 */
export function send(message, moved = []) {
  /** @type {unknown} */
  const scope = self;
  /** @type {Worker} */ (scope).postMessage(message, moved);
}

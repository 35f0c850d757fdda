// The pool of workers that draw in this browser: what is wanted waits here, so that it can be taken back until it begins.

import { compiled } from './flavour.js';

/** More workers than this gain little and cost 40 MB each. */
const MOST_WORKERS = 4;

/** @param {string} address */
async function loaded(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.arrayBuffer();
}

/**
 * The file's bytes, in memory that all workers share where the host allows it; elsewhere each gets a copy.
 * @param {ArrayBuffer} bytes
 */
function shared(bytes) {
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer === 'undefined') return bytes;
  const memory = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(memory).set(new Uint8Array(bytes));
  return memory;
}

/**
 * @typedef {{order: object, accept: (reply: any) => void, refuse: (error: Error) => void, signal?: AbortSignal}} Job what a worker
 *   is sent, and who is told of its answer
 */

/** One worker and the job it has. */
class Painter {
  constructor() {
    this.worker = new Worker(new URL('./painter.js', import.meta.url), { type: 'module' });
    /** @type {Job | null} */
    this.job = null;
    /** Called when it has nothing to do. */
    this.free = () => {};
    this.worker.addEventListener('message', ({ data }) => this.#done(data));
    this.worker.addEventListener('error', (event) => this.#done({ trouble: event.message || 'a worker failed' }));
  }

  /**
   * Sends a job; its promise is settled when the answer is here.
   * @param {Job} job
   */
  take(job) {
    this.job = job;
    this.worker.postMessage(job.order);
  }

  /** @param {{trouble?: string}} reply of the worker */
  #done(reply) {
    const { job } = this;
    this.job = null;
    if (reply.trouble) job?.refuse(new Error(reply.trouble));
    else job?.accept(reply);
    this.free();
  }
}

export class Atelier {
  /**
   * Fetches the module and the model and starts the workers.
   * @param {string} weights address of the model file
   * @param {{workers?: number, kind?: string}} [how]
   * @returns {Promise<Atelier>} when the first worker is ready
   */
  static async open(weights, { workers, kind } = {}) {
    const count = workers ?? Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1));
    const [module, bytes] = await Promise.all([compiled('draw', kind), loaded(weights)]);
    const atelier = new Atelier();
    await atelier.#hire(module, shared(bytes), count);
    return atelier;
  }

  constructor() {
    /** @type {Painter[]} those that are ready */
    this.painters = [];
    /** @type {Job[]} */
    this.waiting = [];
    this.closed = false;
    /** Of its pictures, in pixels; known when the first worker is ready. */
    this.width = 0;
    this.height = 0;
  }

  /**
   * @param {WebAssembly.Module} module
   * @param {ArrayBuffer | SharedArrayBuffer} weights
   * @param {number} count
   */
  #hire(module, weights, count) {
    const ready = Array.from({ length: count }, () => {
      const painter = new Painter();
      return new Promise((accept, refuse) => painter.take({ order: { module, weights }, accept, refuse })).then((size) => {
        // All were ended before this one was ready.
        if (this.closed) return painter.worker.terminate();
        Object.assign(this, size);
        this.painters.push(painter);
        painter.free = () => this.#fill();
        this.#fill();
      });
    });
    return Promise.any(ready).catch((error) => {
      throw error.errors[0];
    });
  }

  /** How many draw at the same time. */
  get workers() {
    return this.painters.length;
  }

  /** Whether anything is being drawn or looked for. */
  get busy() {
    return this.waiting.length > 0 || this.painters.some(({ job }) => job !== null);
  }

  /**
   * Draws a picture. An abort takes the wish back; a picture that is begun (milliseconds) is finished and thrown away.
   * @param {string} name as recipes are spelled
   * @param {number} psi
   * @param {{noise?: boolean, wander?: number, size?: number, signal?: AbortSignal}} [how] with a `size` the picture may come smaller
   *   than the model's, but not smaller than so many pixels
   * @returns {Promise<ImageData>}
   */
  draw(name, psi, { noise = true, wander = 0, size = 0, signal } = {}) {
    const { promise, job } = wish({ name, psi, noise, wander, size }, signal);
    this.waiting.push(job);
    this.#fill();
    return promise.then(({ pixels, width, height }) => new ImageData(new Uint8ClampedArray(pixels), width, height));
  }

  /**
   * Looks for seeds whose pictures are like a creature's, or, without a name, for an example of each kind of face.
   * @param {string} name as creatures are spelled, or nothing
   * @param {number} count at most
   * @param {AbortSignal} [signal]
   * @returns {Promise<string[]>} in decimal digits
   */
  like(name, count, signal) {
    const { promise, job } = wish({ like: name, count }, signal);
    this.waiting.push(job);
    this.#fill();
    return promise.then(({ seeds }) => seeds);
  }

  #fill() {
    for (const painter of this.painters) {
      for (let job; !painter.job && (job = this.waiting.shift());) {
        if (!job.signal?.aborted) painter.take(job);
      }
    }
  }

  /** Ends the workers; whatever was wanted is refused. */
  close() {
    this.closed = true;
    for (const { worker, job } of this.painters) {
      worker.terminate();
      job?.refuse(new DOMException('closed', 'AbortError'));
    }
    for (const job of this.waiting) job.refuse(new DOMException('closed', 'AbortError'));
    this.painters = [];
    this.waiting = [];
  }
}

/**
 * A job and the promise of its answer, which is broken at once when the signal says so.
 * @param {object} order
 * @param {AbortSignal | undefined} signal
 */
function wish(order, signal) {
  /** @type {Job} */
  const job = { order, signal, accept: () => {}, refuse: () => {} };
  const promise = new Promise((accept, refuse) => {
    const aborted = () => refuse(new DOMException('no longer wanted', 'AbortError'));
    if (signal?.aborted) aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    /** @param {(value: any) => void} settle */
    const settled = (settle) => (/** @type {unknown} */ value) => {
      signal?.removeEventListener('abort', aborted);
      settle(value);
    };
    job.accept = settled(accept);
    job.refuse = settled(refuse);
  });
  return { promise, job };
}

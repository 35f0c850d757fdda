// Fetches pictures: those nearest to the centre of view first, few at a time, none that has been scrolled past.

import { Refused, fetchPicture } from './picture.js';

/** Waits longer after each failure, up to this. */
const LONGEST_WAIT_MS = 30_000;
/** This many failures in a row mean that the server is gone, not that one picture is. */
const OFFLINE_AFTER = 3;
/** A server that is gone is asked for one picture at a time, so long after the last failure and twice as long each time. */
const SILENCE_MS = 1000;
const LONGEST_SILENCE_MS = 16_000;

/**
 * A thing that wants a picture.
 * @typedef {object} Client
 * @property {() => number} urgency smaller comes first
 * @property {(picture: HTMLImageElement | HTMLCanvasElement) => void} show
 */

export class Loader {
  /**
   * @param {number} lanes requests at the same time
   * @param {(offline: boolean) => void} onOffline told when the server stops answering, and when it does again
   */
  constructor(lanes, onOffline) {
    this.lanes = lanes;
    this.onOffline = onOffline;
    /** @type {Map<Client, {address: string, failures: number, notBefore: number}>} */
    this.waiting = new Map();
    /** @type {Map<Client, AbortController>} */
    this.underWay = new Map();
    this.closedUntil = 0;
    this.failuresInARow = 0;
    this.silence = 0;
    this.timer = 0;
    /**
     * Times between answers, and the last answer after which more was wanted.
     * @type {number[]}
     */
    this.gaps = [];
    /** @type {number | null} */
    this.answeredAt = null;
    /** When the timer runs out. */
    this.due = 0;
  }

  /**
   * Wants `address` for `client`, instead of whatever it wanted before.
   * @param {Client} client
   * @param {string} address
   */
  want(client, address) {
    this.forget(client);
    this.waiting.set(client, { address, failures: 0, notBefore: 0 });
    this.#wakeAfter(0);
  }

  /**
   * The client wants nothing any more; a request under way is aborted, and the server stops drawing.
   * @param {Client} client
   */
  forget(client) {
    this.waiting.delete(client);
    this.underWay.get(client)?.abort();
    this.underWay.delete(client);
  }

  /**
   * Fills the free lanes, once the current round of wishes is complete.
   * @param {number} milliseconds
   */
  #wakeAfter(milliseconds) {
    const due = performance.now() + milliseconds;
    if (this.timer && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.#fill();
    }, milliseconds);
  }

  #fill() {
    const now = performance.now();
    let soonest = Infinity;
    const lanes = this.#gone ? 1 : this.lanes;
    while (this.underWay.size < lanes && this.waiting.size > 0) {
      if (this.closedUntil > now) return this.#wakeAfter(Math.min(LONGEST_WAIT_MS, this.closedUntil - now));
      let best = null;
      let bestUrgency = Infinity;
      for (const [client, wish] of this.waiting) {
        if (wish.notBefore > now) {
          soonest = Math.min(soonest, wish.notBefore);
          continue;
        }
        const urgency = client.urgency();
        if (urgency < bestUrgency) [best, bestUrgency] = [client, urgency];
      }
      if (!best) break;
      const wish = this.waiting.get(best);
      this.waiting.delete(best);
      if (wish) this.#fetch(best, wish);
    }
    if (soonest < Infinity && this.underWay.size < lanes) this.#wakeAfter(soonest - now);
  }

  /**
   * @param {Client} client
   * @param {{address: string, failures: number, notBefore: number}} wish
   */
  async #fetch(client, wish) {
    const control = new AbortController();
    this.underWay.set(client, control);
    try {
      const picture = await fetchPicture(wish.address, control.signal);
      if (control.signal.aborted) return;
      this.#answered();
      client.show(picture);
    } catch (error) {
      // An abort was asked for; everything else is tried again, later each time.
      if (control.signal.aborted) return;
      wish.failures += 1;
      wish.notBefore = performance.now() + Math.min(LONGEST_WAIT_MS, 500 * 2 ** wish.failures);
      this.waiting.set(client, wish);
      this.#failed(error);
    } finally {
      if (this.underWay.get(client) === control) this.underWay.delete(client);
      this.#fill();
    }
  }

  get #gone() {
    return this.failuresInARow >= OFFLINE_AFTER;
  }

  /** @param {unknown} error */
  #failed(error) {
    const now = performance.now();
    if (error instanceof Refused) {
      if (error.wait) this.closedUntil = now + error.wait;
      // It answers: what it says about one picture says nothing about the others.
      if (error.status < 500) return;
    }
    this.failuresInARow += 1;
    if (this.failuresInARow === OFFLINE_AFTER) this.onOffline(true);
    if (!this.#gone || this.closedUntil > now) return;
    this.silence = Math.min(LONGEST_SILENCE_MS, Math.max(SILENCE_MS, 2 * this.silence));
    this.closedUntil = now + this.silence;
  }

  /** Asks for nothing more: the page is about to be left. */
  stop() {
    this.closedUntil = Infinity;
  }

  /** Asks again at once for what failed: the network is back. */
  retry() {
    this.closedUntil = 0;
    this.silence = 0;
    for (const wish of this.waiting.values()) wish.notBefore = 0;
    this.#wakeAfter(0);
  }

  /** Milliseconds from one picture to the next while there was always one more wanted; nothing before it is known. */
  pace() {
    const { gaps } = this;
    return gaps.length < 8 ? undefined : gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  }

  #answered() {
    const now = performance.now();
    if (this.answeredAt !== null) this.gaps.push(now - this.answeredAt);
    this.gaps.splice(0, this.gaps.length - 64);
    this.answeredAt = this.waiting.size > 0 ? now : null;
    const back = this.#gone;
    this.failuresInARow = 0;
    this.silence = 0;
    if (!back) return;
    this.onOffline(false);
    for (const wish of this.waiting.values()) wish.notBefore = 0;
  }
}

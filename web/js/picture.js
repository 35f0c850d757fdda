// From an address to an image that is ready to be painted.

import { paperOf } from './dom.js';
import { drawInto, drawn, mine } from './easel.js';

/** Told when the server draws with another model than this page was made for. */
export const replaced = new EventTarget();

/** What the server said when it did not send a picture. */
export class Refused extends Error {
  /**
   * @param {Response} response
   * @param {string} kind
   */
  constructor(response, kind) {
    super(`${response.status} ${kind}`);
    this.status = response.status;
    /** Milliseconds until it wants to be asked again, or 0. */
    this.wait = [429, 503].includes(response.status) ? 1000 * (Number(response.headers.get('Retry-After')) || 1) : 0;
  }
}

/**
 * Asks for an address whose image did not come, as an image does not say why; throws what is said.
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
async function inquire(address, signal) {
  const response = await fetch(address, { signal });
  if (response.ok) return;
  const { type = '' } = await response.json().catch(() => ({}));
  const error = new Refused(response, type);
  if (type.endsWith('other-model')) replaced.dispatchEvent(new Event('replaced'));
  throw error;
}

/**
 * Fetches and decodes, so that showing the image does not stall a frame. An abort takes the address away again: the
 * browser closes the request, and the server stops drawing. (Not by way of a blob: those live until the next
 * collection of garbage, which on a wall that drifts for hours is long.)
 * Where this browser draws, the picture is a canvas.
 * @param {string} address
 * @param {AbortSignal} [signal]
 * @param {'auto' | 'high' | 'low'} [priority] among what the page asks for
 * @returns {Promise<HTMLImageElement | HTMLCanvasElement>}
 */
export async function fetchPicture(address, signal, priority = 'auto') {
  if (mine(address)) {
    const canvas = await drawn(address, signal);
    canvas.dataset.address = address;
    return canvas;
  }
  const picture = new Image();
  picture.fetchPriority = priority;
  const drop = () => picture.removeAttribute('src');
  signal?.addEventListener('abort', drop, { once: true });
  picture.src = address;
  try {
    await picture.decode();
  } catch (error) {
    if (!signal?.aborted) {
      drop();
      await inquire(address, signal);
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', drop);
  }
  picture.dataset.address = address;
  return picture;
}

/**
 * Lets go of images that are not shown any more, before the next collection of garbage would.
 * @param {Iterable<Element>} pictures
 */
export function release(pictures) {
  for (const picture of pictures) {
    picture.remove();
    picture.removeAttribute('src');
  }
}

/** A list's picture that did not come is asked for again after so long, and twice as long each time. */
const AGAIN_MS = 1500;
const LONGEST_AGAIN_MS = 30_000;

/**
 * Waits for so long, or for the network to come back if that is known to be away.
 * @param {number} milliseconds
 */
const pause = (milliseconds) =>
  new Promise((/** @type {(nothing?: void) => void} */ done) => {
    const timer = navigator.onLine ? setTimeout(done, milliseconds) : 0;
    const back = () => {
      clearTimeout(timer);
      done();
    };
    addEventListener('online', back, { once: true });
    if (timer) setTimeout(() => removeEventListener('online', back), milliseconds);
  });

/**
 * A picture for a list, loaded when it comes into view: a place of its final size in which nothing is shown before the
 * picture is there. What does not come is asked for again by itself for as long as it is on the page.
 * @param {string} address
 * @param {string} alt
 * @param {number} side
 */
export function thumbnail(address, alt, side) {
  const place = document.createElement('span');
  place.className = 'thumb';
  const picture = new Image(side, side);
  picture.loading = 'lazy';
  picture.decoding = 'async';
  picture.draggable = false;
  picture.alt = alt;
  picture.addEventListener('load', () => place.classList.add('here'));
  place.append(picture);
  if (mine(address)) {
    drawInto(picture, address);
    return place;
  }
  let wait = AGAIN_MS;
  picture.addEventListener('error', async () => {
    for (;;) {
      await pause(wait * (0.75 + Math.random() / 2));
      wait = Math.min(LONGEST_AGAIN_MS, wait * 2);
      if (!picture.isConnected) return;
      const there = await inquire(address).then(
        () => true,
        () => false,
      );
      if (!there) continue;
      picture.src = address;
      return;
    }
  });
  picture.src = address;
  return place;
}

/**
 * How many pixels a picture has across and down: one drawn here is a canvas, which has a width and no natural one.
 * @param {HTMLImageElement | HTMLCanvasElement} picture
 */
export const sizeOf = (picture) =>
  picture instanceof HTMLCanvasElement
    ? { width: picture.width, height: picture.height }
    : { width: picture.naturalWidth, height: picture.naturalHeight };

/**
 * A likeness of an image that is on the page; its own address may be gone by now.
 * @param {HTMLImageElement | HTMLCanvasElement} picture
 * @param {number} width
 * @param {number} height
 */
export function likeness(picture, width, height) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d')?.drawImage(picture, 0, 0, width, height);
  return canvas;
}

/**
 * A picture as a canvas, whoever draws it.
 * @param {string} address
 */
export async function canvasOf(address) {
  if (mine(address)) return drawn(address);
  const picture = await fetchPicture(address);
  const canvas = document.createElement('canvas');
  Object.assign(canvas, sizeOf(picture));
  paperOf(canvas).drawImage(picture, 0, 0);
  return canvas;
}

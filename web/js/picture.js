// From an address to an image that is ready to be painted.

import { drawInto, drawn, mine } from './easel.js';

/** What the server said when it did not send a picture. */
export class Refused extends Error {
  constructor(response) {
    super(`${response.status}`);
    this.status = response.status;
    /** Milliseconds until it wants to be asked again, or 0. */
    this.wait = response.status === 503 ? 1000 * (Number(response.headers.get('Retry-After')) || 1) : 0;
  }
}

/**
 * Fetches and decodes, so that showing the image does not stall a frame. An abort takes the address away again: the
 * browser closes the request, and the server stops drawing. (Not by way of a blob: those live until the next
 * collection of garbage, which on a wall that drifts for hours is long.)
 * Where this browser draws, the picture is a canvas.
 * @returns {Promise<HTMLImageElement | HTMLCanvasElement>}
 */
export async function fetchPicture(address, signal) {
  if (mine(address)) {
    const canvas = await drawn(address, signal);
    canvas.dataset.address = address;
    return canvas;
  }
  const picture = new Image();
  const drop = () => picture.removeAttribute('src');
  signal?.addEventListener('abort', drop, { once: true });
  picture.src = address;
  try {
    await picture.decode();
  } catch (error) {
    if (!signal?.aborted) {
      drop();
      // An image does not say why it did not come.
      const response = await fetch(address, { signal });
      if (!response.ok) throw new Refused(response);
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', drop);
  }
  picture.dataset.address = address;
  return picture;
}

/** Lets go of images that are not shown any more, before the next collection of garbage would. */
export function release(pictures) {
  for (const picture of pictures) {
    picture.remove();
    picture.removeAttribute('src');
  }
}

/** An image for a list, loaded when it comes into view. */
export function thumbnail(address, alt, side) {
  const picture = new Image(side, side);
  picture.loading = 'lazy';
  picture.decoding = 'async';
  picture.draggable = false;
  picture.alt = alt;
  if (mine(address)) drawInto(picture, address);
  else picture.src = address;
  return picture;
}

/** A likeness of an image that is on the page; its own address may be gone by now. */
export function likeness(picture, width, height) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d').drawImage(picture, 0, 0, width, height);
  return canvas;
}

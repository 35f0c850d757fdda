// From an address to an image that is ready to be painted.

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
 * Fetches and decodes, so that showing the image does not stall a frame. Unlike an image's own `src`, this can be
 * aborted, and then the server stops drawing.
 * @returns {Promise<HTMLImageElement>}
 */
export async function fetchPicture(address, signal) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Refused(response);
  const url = URL.createObjectURL(await response.blob());
  const picture = new Image();
  try {
    picture.src = url;
    await picture.decode();
  } finally {
    URL.revokeObjectURL(url);
  }
  picture.dataset.address = address;
  return picture;
}

/** An image for a list, loaded when it comes into view. */
export function thumbnail(address, alt, side) {
  const picture = new Image(side, side);
  picture.loading = 'lazy';
  picture.decoding = 'async';
  picture.draggable = false;
  picture.alt = alt;
  picture.src = address;
  return picture;
}

/** A likeness of an image that is on the page; its own address may be gone by now. */
export function likeness(picture, width, height) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d').drawImage(picture, 0, 0, width, height);
  return canvas;
}

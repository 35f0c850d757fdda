// Who draws, the server or this browser, and pictures drawn here in place of those that an address would fetch.

import { Atelier } from './atelier.js';
import { paperOf } from './dom.js';
import { hosted, model } from './settings.js';

/** @type {Promise<Atelier> | null} */
let opening = null;
let drawsHere = hosted;

/** Told when another begins to draw: 'browser' or 'server'. */
export const changes = new EventTarget();

/** Whether this browser can draw for itself. */
export const possible = Boolean(model.weights) && typeof WebAssembly === 'object' && typeof Worker === 'function';

/** Whether pictures are drawn in this browser now. */
export const here = () => drawsHere;

/** The workers, started when first asked for. */
export function atelier() {
  opening ??= Atelier.open(model.weights);
  opening.catch(() => (opening = null));
  return opening;
}

/** Ends the workers, until they are asked for again; those that draw the wall, or something else just now, stay. */
export async function dismiss() {
  const studio = await opening?.catch(() => null);
  if (!studio || drawsHere || studio.busy) return;
  opening = null;
  studio.close();
}

/**
 * Lets the browser draw, once it can; throws, and leaves it to the server, if it cannot.
 * @param {boolean} yes
 */
export async function drawHere(yes) {
  if (yes) await atelier();
  if (hosted || yes === drawsHere) return;
  drawsHere = yes;
  changes.dispatchEvent(new Event('change'));
}

/**
 * What the address of a picture orders; nothing if it is no such address.
 * @param {string} address
 */
function order(address) {
  const { pathname, searchParams } = new URL(address, location.href);
  const [, name, kind] = /\/api\/v1\/pictures\/([^/]+)\.(png|webp|jpg)$/.exec(decodeURIComponent(pathname)) ?? [];
  if (!name) return null;
  return {
    name,
    kind,
    psi: Number(searchParams.get('psi')),
    size: Number(searchParams.get('size')),
    noise: searchParams.get('noise') !== 'off',
  };
}

/**
 * What the address of a picture orders; an error if it is no such address.
 * @param {string} address
 */
function ordered(address) {
  const found = order(address);
  if (!found) throw new Error(`${address} is no address of a picture`);
  return found;
}

/**
 * Paints pixels on a canvas, making it as large as they are.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} pixels
 */
export function paint(canvas, pixels) {
  if (canvas.width !== pixels.width) canvas.width = pixels.width;
  if (canvas.height !== pixels.height) canvas.height = pixels.height;
  paperOf(canvas).putImageData(pixels, 0, 0);
}

/**
 * A canvas with the picture of an address, at the size it asks for.
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
export async function drawn(address, signal) {
  const { name, psi, size, noise } = ordered(address);
  const pixels = await (await atelier()).draw(name, psi, { noise, size, signal });
  const canvas = document.createElement('canvas');
  paint(canvas, pixels);
  const longer = Math.max(pixels.width, pixels.height);
  return size && size !== longer ? scaled(canvas, size / longer) : canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} times
 */
function scaled(canvas, times) {
  const other = document.createElement('canvas');
  other.width = Math.round(canvas.width * times);
  other.height = Math.round(canvas.height * times);
  const paper = paperOf(other);
  paper.imageSmoothingQuality = 'high';
  paper.drawImage(canvas, 0, 0, other.width, other.height);
  return other;
}

/** @type {Record<string, string>} */
const TYPES = { png: 'image/png', webp: 'image/webp', jpg: 'image/jpeg' };

/**
 * A file of what a canvas shows; throws where the browser cannot write that kind, in place of which canvases give a PNG.
 * @param {HTMLCanvasElement} canvas
 * @param {string} kind
 * @returns {Promise<Blob>}
 */
export const blobOf = (canvas, kind) =>
  new Promise((done, failed) =>
    canvas.toBlob(
      (blob) => {
        if (blob && blob.type === TYPES[kind]) done(blob);
        else failed(new Error(blob ? `this browser writes no ${kind}` : 'no file'));
      },
      TYPES[kind],
      // Of WebP, quality 1 is the lossless kind.
      kind === 'webp' ? 1 : 0.92,
    ),
  );

/**
 * The picture of an address as a file; throws where the browser cannot write that kind.
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
export async function fileOf(address, signal) {
  return blobOf(await drawn(address, signal), ordered(address).kind);
}

/**
 * Whether an address is that of a picture which would be drawn here now.
 * @param {string} address
 */
export const mine = (address) => drawsHere && order(address) !== null;

/**
 * Pictures that are like a creature's, or an example of each kind of face: found by whoever draws.
 * @param {string} name as creatures are spelled; nothing for the kinds
 * @param {number} count at most
 * @param {AbortSignal} [signal]
 * @returns {Promise<string[]>} seeds in decimal digits
 */
export async function alike(name, count, signal) {
  if (drawsHere) return (await atelier()).like(name, count, signal);
  const path = name ? `like/${name}.json` : 'kinds';
  const response = await fetch(`/api/v1/${path}?count=${count}&m=${model.name}`, { signal });
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  const { like, kinds } = await response.json();
  return (like ?? kinds).map((/** @type {{recipe: string}} */ one) => one.recipe);
}

/**
 * Images that wait to come into view, and the addresses of what they wait for. One that could not be drawn waits again,
 * after so long.
 * @type {WeakMap<Element, string>}
 */
const waiting = new WeakMap();
const AGAIN_MS = 2000;
const inView = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const address = waiting.get(target);
      if (!isIntersecting || address === undefined) continue;
      inView.unobserve(target);
      waiting.delete(target);
      fileOf(address)
        .then((blob) => {
          const source = URL.createObjectURL(blob);
          for (const kind of ['load', 'error']) target.addEventListener(kind, () => URL.revokeObjectURL(source), { once: true });
          if (target instanceof HTMLImageElement) target.src = source;
        })
        .catch(() => setTimeout(() => target.isConnected && drawInto(target, address), AGAIN_MS));
    }
  },
  { rootMargin: '200px' },
);

/**
 * Draws the picture of an address into an image when it comes into view.
 * @param {Element} image
 * @param {string} address
 */
export function drawInto(image, address) {
  waiting.set(image, address);
  inView.observe(image);
}

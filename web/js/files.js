// Downloads of pictures that this browser draws: single files, the levels in an archive, and animations.

import { fetched } from './again.js';
import { within } from './dom.js';
import { atelier, blobOf, fileOf, here, paint } from './easel.js';
import { LEVELS } from './levels.js';
import { fileName, parse } from './recipe.js';

/** As the server's animations: how long a frame is seen, and how long the first and the last. */
const FRAME_MS = 90;
const END_MS = 540;

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
/** @typedef {{canvas: HTMLCanvasElement, ms: number}} Shown a picture, and for how many milliseconds it is shown */
/** @typedef {{file: Uint8Array, ms: number}} Frame a picture of an animation, and how long it is shown */

/**
 * The checksum of PNG and ZIP.
 * @param {Uint8Array} bytes
 */
export const crc32 = (bytes) => ~bytes.reduce((crc, byte) => (crc >>> 8) ^ CRC[(crc ^ byte) & 255], -1) >>> 0;

/** @param {string} words */
const text = (words) => new TextEncoder().encode(words);
/**
 * Numbers as little-endian bytes: [value, how many bytes] each.
 * @param {[number, number][]} numbers
 */
const little = (...numbers) =>
  Uint8Array.from(numbers.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, at) => (value >>> (8 * at)) & 255)));
/** @param {[number, number][]} numbers */
const big = (...numbers) =>
  Uint8Array.from(numbers.flatMap(([value, bytes]) => [...little([value, bytes])].reverse()));
/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * A ZIP archive that stores its files as they are: pictures are packed already.
 * @param {[string, Uint8Array][]} files name and contents
 */
export function zip(files) {
  /** @type {Uint8Array[]} */
  const parts = [];
  /** @type {Uint8Array[]} */
  const index = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const spelled = text(name);
    // Version 1.0, no flags, stored, midnight of 1 January 1980.
    const about = little([10, 2], [0, 2], [0, 2], [0, 2], [33, 2], [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4]);
    const lengths = little([spelled.length, 2], [0, 2]);
    parts.push(text('PK\x03\x04'), about, lengths, spelled, bytes);
    index.push(text('PK\x01\x02'), little([10, 2]), about, lengths, little([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), spelled);
    offset += 30 + spelled.length + bytes.length;
  }
  const size = index.reduce((sum, part) => sum + part.length, 0);
  const end = little([0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]);
  return joined([...parts, ...index, text('PK\x05\x06'), end]);
}

/**
 * The chunks of a PNG file: [name, contents].
 * @param {Uint8Array} file
 * @returns {Generator<[string, Uint8Array]>}
 */
function* pngChunks(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 8; at + 12 <= file.length; at += 12 + view.getUint32(at)) {
    yield [String.fromCharCode(...file.subarray(at + 4, at + 8)), file.subarray(at + 8, at + 8 + view.getUint32(at))];
  }
}

/**
 * An animated PNG from still ones of one size.
 * @param {Frame[]} frames
 */
export function apng(frames) {
  /**
   * @param {string} name
   * @param {Uint8Array} contents
   */
  const chunk = (name, contents) => {
    const body = joined([text(name), contents]);
    return joined([big([contents.length, 4]), body, big([crc32(body), 4])]);
  };
  const [, header] = [...pngChunks(frames[0].file)].find(([name]) => name === 'IHDR') ?? [];
  if (!header) throw new Error('a PNG without IHDR');
  const parts = [frames[0].file.subarray(0, 8), chunk('IHDR', header), chunk('acTL', big([frames.length, 4], [0, 4]))];
  let sequence = 0;
  frames.forEach(({ file, ms }, index) => {
    const size = header.subarray(0, 8);
    const place = joined([big([sequence++, 4]), size, big([0, 4], [0, 4], [ms, 2], [1000, 2], [0, 1], [0, 1])]);
    parts.push(chunk('fcTL', place));
    for (const [name, contents] of pngChunks(file)) {
      if (name !== 'IDAT') continue;
      parts.push(index === 0 ? chunk('IDAT', contents) : chunk('fdAT', joined([big([sequence++, 4]), contents])));
    }
  });
  return joined([...parts, chunk('IEND', new Uint8Array(0))]);
}

/**
 * An animated WebP from still ones of one size.
 * @param {Frame[]} frames
 * @param {number} width
 * @param {number} height
 */
export function webp(frames, width, height) {
  /**
   * @param {string} name
   * @param {Uint8Array} contents
   */
  const chunk = (name, contents) =>
    joined([text(name), little([contents.length, 4]), contents, new Uint8Array(contents.length % 2)]);
  const size = little([width - 1, 3], [height - 1, 3]);
  const animated = 2;
  const noBlending = 2;
  const parts = [chunk('VP8X', joined([little([animated, 4]), size])), chunk('ANIM', little([0, 4], [0, 2]))];
  for (const { file, ms } of frames) {
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const picture = [];
    for (let at = 12; at + 8 <= file.length; ) {
      const next = at + 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2);
      const name = String.fromCharCode(...file.subarray(at, at + 4));
      if (['ALPH', 'VP8 ', 'VP8L'].includes(name)) picture.push(file.subarray(at, next));
      at = next;
    }
    parts.push(chunk('ANMF', joined([little([0, 3], [0, 3]), size, little([ms, 3], [noBlending, 1]), ...picture])));
  }
  const body = joined([text('WEBP'), ...parts]);
  return joined([text('RIFF'), little([body.length, 4]), body]);
}

/**
 * What a canvas shows as the bytes of a file; throws where the browser cannot write that kind.
 * @param {HTMLCanvasElement} canvas
 * @param {string} kind
 */
async function bytesOf(canvas, kind) {
  const blob = await blobOf(canvas, kind);
  return new Uint8Array(await blob.arrayBuffer());
}

/**
 * The recipe at every level of creativity, as files.
 * @param {string} name
 * @param {string} kind
 */
async function levels(name, kind) {
  const studio = await atelier();
  /** @param {number} psi */
  const draw = async (psi) => {
    const canvas = document.createElement('canvas');
    paint(canvas, await studio.draw(name, psi));
    return bytesOf(canvas, kind);
  };
  return Promise.all(LEVELS.map(draw));
}

/**
 * An animation of pictures, each shown for so many milliseconds: a WebP, or where the browser writes none an APNG.
 * @param {Shown[]} pictures of one size
 * @returns {Promise<Blob>}
 */
export async function animation(pictures) {
  const [{ canvas }] = pictures;
  /** @param {'webp' | 'png'} kind */
  const as = async (kind) => {
    const frames = [];
    for (const picture of pictures) frames.push({ file: await bytesOf(picture.canvas, kind), ms: picture.ms });
    const bytes = kind === 'webp' ? webp(frames, canvas.width, canvas.height) : apng(frames);
    return new Blob([bytes], { type: `image/${kind}` });
  };
  return as('webp').catch(() => as('png'));
}

/**
 * @param {string} name
 * @param {string} kind
 */
async function sweep(name, kind) {
  const files = await levels(name, kind);
  const last = files.length - 1;
  const there = files.map((file, index) => ({ file, ms: index % last === 0 ? END_MS : FRAME_MS }));
  const frames = [...there, ...there.slice(1, -1).reverse()];
  const { width, height } = await atelier();
  return kind === 'png' ? apng(frames) : webp(frames, width, height);
}

/**
 * From one creature to another and back.
 * @param {string} names
 * @param {number} psi
 */
async function morph(names, psi) {
  const studio = await atelier();
  const steps = 23;
  const there = await Promise.all(
    Array.from({ length: steps + 1 }, async (_, step) => {
      const canvas = document.createElement('canvas');
      paint(canvas, await studio.draw(`${names}~${Math.round((100 * step) / steps)}`, psi));
      return { canvas, ms: step % steps === 0 ? END_MS : FRAME_MS };
    }),
  );
  return animation([...there, ...there.slice(1, -1).reverse()]);
}

/**
 * What an address of the server's would send, made here.
 * @param {string} address
 */
export async function made(address) {
  const path = decodeURIComponent(new URL(address, location.href).pathname);
  const [, kind, name, ending] = /\/api\/v1\/(\w+)\/([^/]+)\.(\w+)$/.exec(path) ?? [];
  if (kind === 'pictures') return fileOf(address);
  if (kind === 'morphs') return morph(name, Number(new URL(address, location.href).searchParams.get('psi')));
  if (kind === 'montages') return (await fetched('./sheet.js', () => import('./sheet.js'))).montage(name);
  if (kind === 'sweeps') return new Blob([await sweep(name, ending)], { type: `image/${ending}` });
  const recipe = parse(name);
  const short = recipe ? fileName(recipe) : name;
  const files = (await levels(name, 'png')).map((file, index) => /** @type {[string, Uint8Array]} */ ([`${short}-psi-${LEVELS[index].toFixed(1)}.png`, file]));
  return new Blob([zip(files)], { type: 'application/zip' });
}

/**
 * Hands a file to the visitor.
 * @param {Blob} blob
 * @param {string} name
 */
export function hand(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Makes download links work where no server does.
 * @param {() => void} onTrouble
 */
export function answerDownloads(onTrouble) {
  document.addEventListener('click', async (event) => {
    const link = within(event, 'a[data-file]');
    // No browser writes a GIF: that one the server makes.
    if (!(link instanceof HTMLAnchorElement) || !here() || link.dataset.file?.endsWith('.gif')) return;
    event.preventDefault();
    const { href, download } = link;
    try {
      const blob = await made(href);
      // Where the browser writes no WebP, what moves comes as an APNG.
      hand(blob, blob.type === 'image/png' ? download.replace(/\w+$/, 'png') : download);
    } catch {
      onTrouble();
    }
  });
}

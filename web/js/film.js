// Films: pictures one after the other as a video, which the browser records while it shows them to itself.

import { paperOf } from './dom.js';

/** H.264 first, which every phone and messenger plays. */
const KINDS = ['video/mp4;codecs="avc1.42E01F"', 'video/mp4;codecs=avc1', 'video/mp4'];
/** Least side in pixels: small videos are refused or blurred where they arrive. */
const SIDE = 512;

/** What this browser records; none where it makes no MP4. */
export const filmed =
  typeof MediaRecorder === 'function' && 'captureStream' in HTMLCanvasElement.prototype
    ? KINDS.find((kind) => MediaRecorder.isTypeSupported(kind))
    : undefined;

/**
 * A film of pictures, each shown for so many milliseconds. It takes as long as it lasts.
 * @param {import('./files.js').Shown[]} pictures of one size
 * @returns {Promise<Blob>}
 */
export async function film(pictures) {
  const [{ canvas: first }] = pictures;
  // Even numbers of pixels, as its colours are of half the size.
  const times = 2 * Math.ceil(SIDE / 2 / Math.max(first.width, first.height));
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: times * first.width, height: times * first.height });
  const paper = paperOf(canvas);
  paper.imageSmoothingQuality = 'high';
  /** @param {HTMLCanvasElement} picture */
  const show = (picture) => paper.drawImage(picture, 0, 0, canvas.width, canvas.height);
  show(first);
  const stream = canvas.captureStream();
  const recorder = new MediaRecorder(stream, { mimeType: filmed, videoBitsPerSecond: 8e6 });
  /** @type {Blob[]} */
  const parts = [];
  recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
  const ended = new Promise((done, failed) => {
    recorder.addEventListener('stop', done);
    recorder.addEventListener('error', failed);
  });
  recorder.start();
  for (const { canvas: picture, ms } of pictures) {
    show(picture);
    await new Promise((done) => setTimeout(done, ms));
  }
  // Once more: a picture lasts until the next one.
  show(pictures[pictures.length - 1].canvas);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)));
  recorder.stop();
  await ended;
  for (const track of stream.getTracks()) track.stop();
  return new Blob(parts, { type: 'video/mp4' });
}

// The lattice the wall hangs on: where a cell lies, and which picture hangs there. Pure functions.

/** In view at the same time, about. */
const MOST_TILES = 640;

/**
 * One round of the murmur3 finaliser: every bit of the result depends on every bit of `h`.
 * @param {number} h
 */
function mix(h) {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * The seed at a cell: the same place on the same wall has the same picture, for ever.
 * @param {number} wall 32 bits that name the wall
 * @param {number} x column, any whole number
 * @param {number} y row, any whole number
 * @returns {number} 0 to 2^32 - 1
 */
export function cellSeed(wall, x, y) {
  // Constants from the fractional parts of the golden ratio and sqrt 2 keep x and y from cancelling each other.
  let h = mix(wall | 0);
  h = mix(h ^ Math.imul(x | 0, 0x9e3779b1));
  h = mix((h + Math.imul(y | 0, 0x6a09e667)) | 0);
  return h >>> 0;
}

/**
 * The remainder that is never negative.
 * @param {number} value
 * @param {number} by
 */
export const modulo = (value, by) => ((value % by) + by) % by;

/**
 * The inverse of an odd number modulo 2^32, by Newton's iteration: each round doubles the bits that are right.
 * @param {number} odd
 */
function inverse(odd) {
  let found = odd;
  for (let round = 0; round < 5; round += 1) found = Math.imul(found, 2 - Math.imul(odd, found));
  return found;
}

/**
 * Undoes `mix`.
 * @param {number} h
 */
function unmix(h) {
  h = Math.imul(h ^ (h >>> 16), inverse(0xc2b2ae35));
  h = Math.imul(h ^ (h >>> 13) ^ (h >>> 26), inverse(0x85ebca6b));
  return h ^ (h >>> 16);
}

/** Columns on each side that are looked through for a seed. */
const SEARCHED = 50_000;

/**
 * Where a seed hangs: every column has each of the 2^32 seeds exactly once; of those nearby the one in the nearest row.
 * @param {number} wall
 * @param {number} seed 0 to 2^32 - 1
 * @param {{x: number, y: number}} near a cell
 * @returns {{x: number, y: number}}
 */
export function cellOf(wall, seed, near) {
  const goal = unmix(seed | 0);
  const start = mix(wall | 0);
  const back = inverse(0x6a09e667);
  let best = near;
  let least = Infinity;
  for (let step = -SEARCHED; step <= SEARCHED; step += 1) {
    const x = (near.x + step) | 0;
    const y = Math.imul(goal - mix(start ^ Math.imul(x, 0x9e3779b1)), back);
    // Rows are told apart modulo 2^32 as well.
    const distance = Math.max(Math.abs(step), Math.abs((y - near.y) | 0));
    if (distance < least) [best, least] = [{ x, y }, distance];
  }
  return best;
}

/**
 * What hangs there, in shares: clashes of style are stranger than lines of descent, and those than blends.
 * @type {('mix' | 'line' | 'blend')[]}
 */
const STRANGE_KINDS = ['mix', 'mix', 'mix', 'line', 'blend'];
/** Of so many cells one is strange when strange pictures are mixed in. */
const STRANGE_IN = 2;

/**
 * What "surprise me" hangs at a cell, if that is one of the strange ones: an extreme of one of three kinds.
 * @param {number} wall
 * @param {number} x
 * @param {number} y
 * @returns {{kind: 'blend' | 'mix' | 'line', psi: number, others: number[]} | null} `psi` 1.8 to 2; `others` are seeds,
 *   or 32 bits each, to make the picture of
 */
export function strangeness(wall, x, y) {
  const h = cellSeed(wall ^ 0x5bd1e995, x, y);
  if (h % STRANGE_IN !== 0) return null;
  /** @param {number} index */
  const draw = (index) => cellSeed(wall ^ (0x27d4eb2f + index), x, y);
  return {
    kind: STRANGE_KINDS[(h >>> 8) % STRANGE_KINDS.length],
    psi: (18 + ((h >>> 16) % 3)) / 10,
    others: [draw(1), draw(2), draw(3)],
  };
}

/** The lattice: equal cells, every other column half a cell lower, as pictures are hung on a crowded wall. */
export class Lattice {
  /**
   * @param {number} viewWidth of the window, in CSS pixels
   * @param {number} viewHeight of the window
   * @param {number} aspect height of a picture over its width
   * @param {number} zoom size of the pictures, 1 being what suits the window
   * @param {boolean} fewer whether larger, and so fewer, pictures suit the visitor
   */
  constructor(viewWidth, viewHeight, aspect, zoom, fewer) {
    const shorter = Math.min(viewWidth, viewHeight);
    const usual = Math.min(176, Math.max(112, 96 + shorter * 0.06)) * (fewer ? 1.4 : 1);
    // Not so small that the wall would need more tiles than a browser moves easily, nor larger than the window.
    const least = Math.max(48, Math.sqrt((viewWidth * viewHeight) / MOST_TILES));
    const most = Math.max(least, shorter * 0.72);
    const width = Math.min(most, Math.max(least, usual * zoom));
    /** The zoom after the bounds, but before it is rounded to pixels: many small pulls add up. */
    this.zoom = width / usual;
    /** Whether the pictures could not be smaller, or larger. */
    this.atLeast = width <= least;
    this.atMost = width >= most;
    this.tileWidth = Math.round(width);
    this.tileHeight = Math.round(this.tileWidth * aspect);
    this.gap = Math.max(4, Math.round(this.tileWidth * 0.085));
    this.pitchX = this.tileWidth + this.gap;
    this.pitchY = this.tileHeight + this.gap;
    // One spare cell on each side, and one more row because of the lowered columns: loaded before they are seen.
    this.columns = Math.ceil(viewWidth / this.pitchX) + 3;
    this.rows = Math.ceil(viewHeight / this.pitchY) + 4;
  }

  /**
   * Left edge of a column.
   * @param {number} x
   */
  left(x) {
    return x * this.pitchX;
  }

  /**
   * Top edge of a cell.
   * @param {number} x
   * @param {number} y
   */
  top(x, y) {
    return y * this.pitchY + (modulo(x, 2) === 1 ? this.pitchY / 2 : 0);
  }

  /**
   * First column and row of the block of cells that covers a window at (cameraX, cameraY).
   * @param {number} cameraX
   * @param {number} cameraY
   */
  first(cameraX, cameraY) {
    return { x: Math.floor(cameraX / this.pitchX) - 1, y: Math.floor(cameraY / this.pitchY) - 2 };
  }

  /**
   * The cell whose middle is nearest to a point.
   * @param {number} pointX
   * @param {number} pointY
   */
  nearest(pointX, pointY) {
    const x = Math.round((pointX - this.tileWidth / 2) / this.pitchX);
    const y = Math.round((pointY - this.tileHeight / 2 - this.top(x, 0)) / this.pitchY);
    return { x, y };
  }
}

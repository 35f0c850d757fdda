// The picture of this wall that is nearest to a given one: the best of many seeds, then the best of its children, and of theirs.

/** Side of the pictures that are compared, in pixels. */
export const SIDE = 32;
/** Seeds that are looked at, from 0 on. */
const SEEDS = 2048;
/** Pictures whose children are drawn in each generation, and how many children each has. */
const PARENTS = 4;
const CHILDREN = 16;
const GENERATIONS = 10;
/** So many generations without a nearer picture end it. */
const PATIENCE = 2;

/**
 * What is compared of a picture: its colours at 8, 16 and 32 pixels across, the coarse ones counting more.
 * @param {Uint8ClampedArray} rgba [SIDE, SIDE, 4]
 */
export function features(rgba) {
  /** @type {number[]} */
  const all = [];
  for (const [side, weight] of /** @type {const} */ ([[8, 2], [16, 1], [32, 0.5]])) {
    const step = SIDE / side;
    const sums = new Float32Array(side * side * 3);
    for (let at = 0; at < SIDE * SIDE; at += 1) {
      const cell = Math.floor(Math.floor(at / SIDE) / step) * side + Math.floor((at % SIDE) / step);
      for (let colour = 0; colour < 3; colour += 1) sums[3 * cell + colour] += rgba[4 * at + colour];
    }
    const scale = weight / (255 * step * step);
    for (const sum of sums) all.push(sum * scale);
  }
  return Float32Array.from(all);
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
const distance = (a, b) => a.reduce((sum, value, at) => sum + (value - b[at]) ** 2, 0);

/** @typedef {{name: string, distance: number}} Candidate a picture by its name, and how far it is from the one that is looked for */

/**
 * Looks for the creature whose picture is nearest to `target`. An abort ends it with an exception.
 * @param {Float32Array} target features
 * @param {(name: string, signal?: AbortSignal) => Promise<Uint8ClampedArray>} draw pixels of a creature's picture, [SIDE, SIDE, 4]
 * @param {{lanes?: number, seeds?: number, signal?: AbortSignal, nearer?: (best: Candidate) => void, looked?: (share: number) => void}} [how] how many
 *   are drawn at a time; who is told of each nearer one, and, from 0 to 1, how far the search has come
 * @returns {Promise<Candidate>}
 */
export async function nearest(target, draw, { lanes = 2, seeds = SEEDS, signal, nearer, looked } = {}) {
  /** @type {Candidate[]} the nearest ones, the best first */
  let best = [];
  let done = 0;
  const all = seeds + GENERATIONS * PARENTS * CHILDREN;

  /** @param {string[]} names */
  const lookAt = async (names) => {
    let next = 0;
    const lane = async () => {
      while (next < names.length) {
        const name = names[next++];
        const candidate = { name, distance: distance(features(await draw(name, signal)), target) };
        signal?.throwIfAborted();
        done += 1;
        looked?.(done / all);
        if (candidate.distance < (best[0]?.distance ?? Infinity)) nearer?.(candidate);
        best = [...best, candidate].sort((a, b) => a.distance - b.distance).slice(0, PARENTS);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };

  await lookAt(Array.from({ length: seeds }, (_, seed) => String(seed)));
  for (let generation = 0, idle = 0; generation < GENERATIONS && idle < PATIENCE; generation += 1) {
    const before = best[0].distance;
    const families = best.map(({ name }) => (name.includes('-') ? name : `${name}-`));
    await lookAt(families.flatMap((family) => Array.from({ length: CHILDREN }, (_, child) => family + child.toString(16))));
    idle = best[0].distance < before ? 0 : idle + 1;
  }
  looked?.(1);
  return best[0];
}

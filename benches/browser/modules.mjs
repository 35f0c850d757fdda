// Milliseconds a picture of two folders of modules, by turns in Node: of the model's own size, and through its lens.
//   node --experimental-wasm-relaxed-simd benches/browser/modules.mjs BEFORE AFTER models/tadne.safetensors

import fs from 'node:fs';
import path from 'node:path';

const [before, after, model] = process.argv.slice(2);
const weights = fs.readFileSync(model);
const PAIRS = 20;
/** Pairs of pictures that nobody counts: memory grows, and code is compiled again. */
const WARM = 4;

/** What draws the picture of a seed with a module, and says how long that took. */
function drawer(file) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {});
  const hand = (bytes) => {
    const at = exports.reserve(bytes.length);
    new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
  };
  hand(weights);
  if (!exports.load()) throw new Error(`${file} does not load ${model}`);
  return (seed, size) => {
    hand(new TextEncoder().encode(String(seed)));
    const start = performance.now();
    if (!exports.draw(0.9, 0, 1, size)) throw new Error(`${file} does not draw ${seed}`);
    return performance.now() - start;
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (const kind of ['relaxed', 'simd128', 'plain']) {
  const [old, now] = [before, after].map((folder) => drawer(path.join(folder, `draw-${kind}.wasm`)));
  for (const [name, size] of [['own size', 0], ['through the lens', 4096]]) {
    const times = Array.from({ length: WARM + PAIRS }, (_, seed) => [old(seed, size), now(seed, size)]).slice(WARM);
    const [a, b, ratio] = [times.map(([one]) => one), times.map(([, other]) => other), times.map(([one, other]) => other / one)].map(median);
    console.log(`${kind}, ${name}: ${a.toFixed(1)} and ${b.toFixed(1)} ms, ${ratio.toFixed(2)} of the time`);
  }
}

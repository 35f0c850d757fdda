// Rounds of the two networks in contest, in Node's V8, by turns: milliseconds a round of 32 px, the median of 15.
//   node benches/browser/contest.mjs [MODULE.wasm ...]     the modules in web/wasm, where none is given
import { readFileSync } from 'node:fs';
import v8 from 'node:v8';

import { asked, hand } from '../../web/js/instance.js';

// Where it is not the default yet.
v8.setFlagsFromString('--experimental-wasm-relaxed-simd');

const SIDE = 32;
const PICTURES = 96;
const ROUNDS = 15;

const ours = ['relaxed', 'simd128', 'plain'].map((flavour) => new URL(`../../web/wasm/contest-${flavour}.wasm`, import.meta.url).pathname);
const files = process.argv.length > 2 ? process.argv.slice(2) : ours;
const pixels = new Uint8Array(PICTURES * SIDE * SIDE * 3).map((_, i) => 128 + 100 * Math.sin(i / 700));

const contests = files.map((file) => {
  const match = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {}).exports;
  hand(match, pixels);
  asked(match, match.begin(SIDE, 1));
  for (let warm = 0; warm < 3; warm += 1) asked(match, match.learn());
  return { file, match, times: [] };
});
for (let round = 0; round < ROUNDS; round += 1) {
  for (const { match, times } of contests) {
    const start = performance.now();
    asked(match, match.learn());
    times.push(performance.now() - start);
  }
}
for (const { file, times } of contests) {
  const median = times.sort((a, b) => a - b)[(ROUNDS - 1) / 2];
  console.log(`${file}: ${median.toFixed(0)} ms a round`);
}

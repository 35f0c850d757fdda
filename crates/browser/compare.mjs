// Compares modules that were built just now with those that are committed: the same pictures, whatever the bytes.
//   node --experimental-wasm-relaxed-simd crates/browser/compare.mjs FRESH COMMITTED MODEL
// Pictures of one kind must be equal byte for byte, but for relaxed-simd, whose rounding is left to the processor: there,
// and between the kinds, they may be one 8-bit level apart.

import fs from 'node:fs';
import path from 'node:path';

const [fresh, committed, model] = process.argv.slice(2);
const weights = fs.readFileSync(model);
const NAMES = ['0', '42', '18446744073709551615', '7-3b7', '1~2~35', '3_4_2'];

/** Every picture of the list, as a module draws it. */
function pictures(file) {
  const draws = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {}).exports;
  const hand = (bytes) => {
    const at = draws.reserve(bytes.length);
    new Uint8Array(draws.memory.buffer, at, bytes.length).set(bytes);
  };
  const answer = () => new Uint8Array(draws.memory.buffer, draws.answer(), draws.answer_length()).slice();
  const asked = (done) => {
    if (!done) throw new Error(`${file}: ${new TextDecoder().decode(answer())}`);
  };
  hand(weights);
  asked(draws.load());
  return NAMES.flatMap((name) =>
    [0, 0.8].map((wander) => {
      hand(new TextEncoder().encode(name));
      asked(draws.draw(0.9, wander, 1));
      return answer();
    }),
  );
}

const apart = (a, b) =>
  a.reduce((most, picture, index) => picture.reduce((m, byte, at) => Math.max(m, Math.abs(byte - b[index][at])), most), 0);

let wrong = false;
let plain = null;
for (const kind of ['plain', 'simd128', 'relaxed']) {
  const name = `draw-${kind}.wasm`;
  const [ours, theirs] = [fresh, committed].map((folder) => path.join(folder, name));
  const [now, then] = [pictures(ours), pictures(theirs)];
  plain ??= now;
  const [difference, kinds] = [apart(now, then), apart(now, plain)];
  const same = fs.readFileSync(ours).equals(fs.readFileSync(theirs));
  const bytes = same ? 'the same bytes' : 'other bytes (another toolchain?)';
  console.log(`${name}: ${bytes}; at most ${difference} levels from the committed one, ${kinds} from the plain one`);
  wrong ||= difference > (kind === 'relaxed' ? 1 : 0) || kinds > 1;
}
if (wrong) {
  console.error('the committed modules draw something else: run crates/browser/build.sh and commit web/wasm');
  process.exit(1);
}

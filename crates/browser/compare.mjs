// Compares modules that were built just now with those that are committed: the same pictures, whatever the bytes.
//   node --experimental-wasm-relaxed-simd crates/browser/compare.mjs FRESH COMMITTED MODEL
// Pictures of one kind must be equal byte for byte, but for relaxed-simd, whose rounding is left to the processor: there,
// and between the kinds, they may be one 8-bit level apart.

import fs from 'node:fs';
import path from 'node:path';

const [fresh, committed, model] = process.argv.slice(2);
const weights = fs.readFileSync(model);
const NAMES = ['0', '42', '18446744073709551615', '7-3b7', '1~2~35', '3_4_2'];

/** An instance of a module, with the ways in and out. */
function instance(file) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {});
  const hand = (bytes) => {
    const at = exports.reserve(bytes.length);
    new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
  };
  const answer = () => new Uint8Array(exports.memory.buffer, exports.answer(), exports.answer_length()).slice();
  const asked = (done) => {
    if (!done) throw new Error(`${file}: ${new TextDecoder().decode(answer())}`);
  };
  return { exports, hand, answer, asked };
}

/** Every picture of the list, as a module draws it: of its own size, on a walk, as it is composed, and through the lens. */
function pictures(file) {
  const { exports, hand, answer, asked } = instance(file);
  hand(weights);
  asked(exports.load());
  return NAMES.flatMap((name) =>
    [[0, 0], [0.8, 0], [0, 1], [0, 4096]].map(([wander, size]) => {
      hand(new TextEncoder().encode(name));
      asked(exports.draw(0.9, wander, 1, size));
      return answer();
    }),
  );
}

/** What a small generator draws after a few rounds about pictures of stripes. */
function learnt(file) {
  const { exports, hand, answer, asked } = instance(file);
  const side = 16;
  hand(Uint8Array.from({ length: 8 * side * side * 3 }, (_, at) => (Math.floor(at / 48 / (1 + Math.floor(at / 768))) % 2 ? 200 : 60) + (at % 3)));
  asked(exports.begin(side, 5));
  for (let round = 0; round < 4; round += 1) asked(exports.learn());
  asked(exports.draw(3));
  return [answer()];
}

const apart = (a, b) =>
  a.reduce((most, picture, index) => picture.reduce((m, byte, at) => Math.max(m, Math.abs(byte - b[index][at])), most), 0);

let wrong = false;
let plain = null;
const KINDS = ['plain', 'simd128', 'relaxed'];
for (const [module, of, kind] of [['draw', pictures], ['contest', learnt]].flatMap(([module, of]) => KINDS.map((kind) => [module, of, kind]))) {
  const name = `${module}-${kind}.wasm`;
  const [ours, theirs] = [fresh, committed].map((folder) => path.join(folder, name));
  const [now, then] = [of(ours), of(theirs)];
  if (kind === 'plain') plain = now;
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

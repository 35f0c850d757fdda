// A worker that draws: one instance of the module and one model, kept warm; one picture at a time, its pixels handed over.

const words = new TextEncoder();
let draws = null;

/** The answer to the last call, copied out of the instance. */
const answer = () => new Uint8Array(draws.memory.buffer, draws.answer(), draws.answer_length()).slice();

/** Calls what says 1 or 0, and throws the sentence that explains a 0. */
function asked(done) {
  if (!done) throw new Error(new TextDecoder().decode(answer()));
}

/** Puts bytes where the instance reads them. */
function hand(bytes) {
  const at = draws.reserve(bytes.length);
  new Uint8Array(draws.memory.buffer, at, bytes.length).set(bytes);
}

function open({ module, weights }) {
  draws = new WebAssembly.Instance(module, {}).exports;
  hand(new Uint8Array(weights));
  asked(draws.load());
  return { width: draws.width(), height: draws.height() };
}

function draw({ name, psi, wander, noise }) {
  hand(words.encode(name));
  asked(draws.draw(psi, wander, noise ? 1 : 0));
  return { pixels: answer().buffer };
}

function like({ like: name, count }) {
  hand(words.encode(name));
  asked(draws.like(count));
  return { seeds: Array.from(new BigUint64Array(answer().buffer), String) };
}

const answerOf = (order) => (order.module ? open(order) : order.like === undefined ? draw(order) : like(order));

addEventListener('message', ({ data }) => {
  try {
    const reply = answerOf(data);
    postMessage({ id: data.id, ...reply }, reply.pixels ? [reply.pixels] : []);
  } catch (error) {
    postMessage({ id: data.id, trouble: String(error.message ?? error) });
  }
});

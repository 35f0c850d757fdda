// Called by draw.sh: lets one page draw with everybody by turns, prints a table.

import path from 'node:path';

import { Chromium } from '../../tools/chromium.mjs';
import { median, serve } from './serve.mjs';

const peers = process.argv[2];
const FOLDERS = { web: 'web', models: 'models', peers };
const PAGE = '<!doctype html><html data-psi="1" data-width="1" data-height="1" data-layers="1"><title>bench</title>';

const server = await serve((pathname) => {
  if (pathname === '/') return { text: PAGE };
  const [, folder, ...rest] = pathname.split('/');
  const base = FOLDERS[folder];
  return base ? { file: path.join(base, ...rest.filter((part) => part !== '..')) } : null;
});

/** Runs in the page: everybody draws in turns; the times of the rounds. */
async function bench() {
  const { Atelier } = await import('/web/js/atelier.js');
  const weights = '/models/tadne.safetensors';
  const ort = await import('/peers/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/peers/node_modules/onnxruntime-web/dist/';
  const session = await ort.InferenceSession.create('/peers/model.onnx', { executionProviders: ['wasm'] });
  const long = session.inputMetadata.find(({ name }) => name === 'z').shape[1];
  const z = new ort.Tensor('float32', Float32Array.from({ length: long }, (_, k) => Math.sin(k * k)), [1, long]);
  const psi = new ort.Tensor('float32', Float32Array.of(1), [1, 1]);
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, name === 'psi' ? psi : z]));
  const ours = async (kind, workers) => {
    const studio = await Atelier.open(weights, { kind, workers });
    // All workers, not only the first.
    while (studio.workers < workers) await new Promise((later) => setTimeout(later, 20));
    return (round, count) =>
      Promise.all(Array.from({ length: count }, (_, seed) => studio.draw(String(round * count + seed), 1)));
  };
  const all = {
    'relaxed-simd': await ours('relaxed', 1),
    'relaxed-simd, 2 workers': await ours('relaxed', 2),
    simd128: await ours('simd128', 1),
    neither: await ours('plain', 1),
    'ONNX Runtime Web': async (_, count) => {
      for (let index = 0; index < count; index += 1) await session.run(feeds);
    },
  };
  const COUNT = 12;
  const times = Object.fromEntries(Object.keys(all).map((name) => [name, []]));
  for (let round = 0; round < 19; round += 1) {
    for (const [name, draw] of Object.entries(all)) {
      const start = performance.now();
      await draw(round, COUNT);
      // The first rounds are drawn while the browser still compiles.
      if (round > 3) times[name].push((performance.now() - start) / COUNT);
    }
  }
  return { times, browser: navigator.userAgent };
}

const browser = new Chromium();
try {
  const page = await browser.page();
  await page.go(server.origin);
  await new Promise((later) => setTimeout(later, 500));
  const { times, browser: agent } = await page.evaluate(`(${bench})()`);
  // Ratios of pairs of the same round, so that a busy moment weighs on both.
  const ratio = (name, base) => median(times[base].map((time, round) => time / times[name][round])).toFixed(2);
  console.log(agent);
  for (const [name, list] of Object.entries(times)) {
    const figures = `${median(list).toFixed(2).padStart(8)} ms, fastest ${Math.min(...list).toFixed(2).padStart(6)}`;
    console.log(`${name.padEnd(24)}${figures}   ${ratio(name, 'ONNX Runtime Web')} x ONNX Runtime Web`);
  }
  console.log(`two workers: ${ratio('relaxed-simd, 2 workers', 'relaxed-simd')} x one`);
} finally {
  await browser.close();
  server.close();
}

// Called by draw.sh: serves the files, opens Chromium, lets one page draw with everybody by turns, prints a table.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const peers = process.argv[2];
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };
const PAGE = '<!doctype html><html data-psi="1" data-width="1" data-height="1" data-layers="1"><title>bench</title>';

/** Files below a few folders, and an empty page. */
const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname === '/') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(PAGE);
  const [, folder, ...rest] = pathname.split('/');
  const base = { web: 'web', models: 'models', peers }[folder];
  const file = base && path.join(base, ...rest.filter((part) => part !== '..'));
  if (!file || !fs.existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
  fs.createReadStream(file).pipe(response);
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const origin = `http://127.0.0.1:${server.address().port}`;

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tadne-bench-'));
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', `--user-data-dir=${profile}`];
const chromium = spawn(process.env.CHROME ?? 'chromium', [...flags, '--remote-debugging-pipe', 'about:blank'], {
  stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
});

/** Commands of the DevTools protocol over a pipe, each message ended by a zero. */
const waiting = new Map();
let last = 0;
let heard = '';
chromium.stdio[4].on('data', (bytes) => {
  const messages = (heard + bytes).split('\0');
  heard = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) waiting.get(message.id)?.(message);
});
const send = (method, params = {}, sessionId = undefined) =>
  new Promise((done, failed) => {
    waiting.set((last += 1), ({ result, error }) => (error ? failed(new Error(error.message)) : done(result)));
    chromium.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
  });

/** Runs in the page: everybody draws in turns; medians of the rounds. */
async function bench() {
  const { Atelier } = await import('/web/js/atelier.js');
  const weights = '/models/tadne.safetensors';
  const open = (kind, workers) => Atelier.open(weights, { kind, workers });
  const ort = await import('/peers/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/peers/node_modules/onnxruntime-web/dist/';
  const session = await ort.InferenceSession.create('/peers/model.onnx', { executionProviders: ['wasm'] });
  const long = session.inputMetadata.find(({ name }) => name === 'z').shape[1];
  const z = new ort.Tensor('float32', Float32Array.from({ length: long }, (_, k) => Math.sin(k * k)), [1, long]);
  const psi = new ort.Tensor('float32', Float32Array.of(1), [1, 1]);
  const feeds = Object.fromEntries(session.inputNames.map((name) => [name, name === 'psi' ? psi : z]));
  const ours = async (kind, workers) => {
    const studio = await open(kind, workers);
    // All workers, not only the first.
    while (studio.workers < workers) await new Promise((later) => setTimeout(later, 20));
    return (round, count) =>
      Promise.all(Array.from({ length: count }, (_, seed) => studio.draw(String(round * count + seed), 1)));
  };
  const all = {
    'relaxed-simd': await ours('relaxed', 1),
    simd128: await ours('simd128', 1),
    neither: await ours('plain', 1),
    'relaxed-simd, 2 workers': await ours('relaxed', 2),
    'ONNX Runtime Web': async (_, count) => {
      for (let index = 0; index < count; index += 1) await session.run(feeds);
    },
  };
  const COUNT = 12;
  const times = Object.fromEntries(Object.keys(all).map((name) => [name, []]));
  for (let round = 0; round < 15; round += 1) {
    for (const [name, draw] of Object.entries(all)) {
      const start = performance.now();
      await draw(round, COUNT);
      // The first rounds are drawn while the browser still compiles.
      if (round > 3) times[name].push((performance.now() - start) / COUNT);
    }
  }
  return { times, browser: navigator.userAgent };
}

try {
  const { targetId } = await send('Target.createTarget', { url: origin });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  await new Promise((later) => setTimeout(later, 500));
  const answer = await send('Runtime.evaluate', { expression: `(${bench})()`, awaitPromise: true, returnByValue: true }, sessionId);
  if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails.exception?.description));
  const { times, browser } = answer.result.value;
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  // Ratios of pairs of the same round, so that a busy moment weighs on both.
  const ratio = (name, base) => median(times[base].map((time, round) => time / times[name][round])).toFixed(2);
  console.log(browser);
  for (const [name, list] of Object.entries(times)) {
    console.log(`${name.padEnd(26)}${median(list).toFixed(2).padStart(8)} ms  ${ratio(name, 'ONNX Runtime Web')} x ONNX Runtime Web`);
  }
  console.log(`two workers: ${ratio('relaxed-simd, 2 workers', 'relaxed-simd')} x one`);
} finally {
  chromium.kill();
  server.close();
  fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

// What the comparisons in a browser share: a server of files, and a Chromium that has never been here before.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** The middle one. */
export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/**
 * Serves what `find` gives for a path: a file's name or a page's text; packed files beside it (`.br`) are sent in its place.
 * @param {(pathname: string) => {file?: string, text?: string} | null} find
 * @param {(pathname: string, bytes: number) => void} [sent] told of every answer
 * @returns {Promise<{origin: string, close: () => void}>}
 */
export async function serve(find, sent = () => {}) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const { file, text } = find(pathname) ?? {};
    if (text === undefined && !(file && fs.existsSync(file))) return response.writeHead(404).end();
    const packed = file && /\bbr\b/.test(request.headers['accept-encoding'] ?? '') && fs.existsSync(`${file}.br`);
    const bytes = file ? fs.readFileSync(packed ? `${file}.br` : file) : Buffer.from(text);
    const headers = { 'Content-Type': file ? (TYPES[path.extname(file)] ?? 'application/octet-stream') : 'text/html' };
    if (packed) headers['Content-Encoding'] = 'br';
    response.writeHead(200, headers).end(bytes);
    sent(pathname, bytes.length);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/**
 * Starts Chromium with an empty profile.
 * @returns {Promise<{page: (script?: string) => Promise<{go: Function, evaluate: Function}>, close: () => Promise<void>}>}
 */
export async function chromium() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tadne-bench-'));
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--window-size=1280,800'];
  const browser = spawn(
    process.env.CHROME ?? 'chromium',
    [...flags, `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise((done) => browser.on('exit', done));

  // Commands of the DevTools protocol over a pipe, each message ended by a zero.
  const waiting = new Map();
  let last = 0;
  let heard = '';
  browser.stdio[4].on('data', (bytes) => {
    const messages = (heard + bytes).split('\0');
    heard = messages.pop();
    for (const message of messages.map((text) => JSON.parse(text))) waiting.get(message.id)?.(message);
  });
  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((done, failed) => {
      waiting.set((last += 1), ({ result, error }) => (error ? failed(new Error(error.message)) : done(result)));
      browser.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });

  return {
    /** An empty page; `script` runs in it before anything of each document that it goes to. */
    async page(script) {
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      await send('Page.enable', {}, sessionId);
      if (script) await send('Page.addScriptToEvaluateOnNewDocument', { source: script }, sessionId);
      return {
        go: (url) => send('Page.navigate', { url }, sessionId),
        /** The value of an expression, or of what it promises. */
        async evaluate(expression) {
          const how = { expression, awaitPromise: true, returnByValue: true };
          const { result, exceptionDetails } = await send('Runtime.evaluate', how, sessionId);
          if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
          return result.value;
        },
      };
    },
    async close() {
      // Politely, so that none of its processes writes to the profile any more.
      send('Browser.close').catch(() => {});
      await ended;
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

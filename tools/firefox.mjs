// The page in Firefox: `tadne serve --rate 0`, then `node --experimental-websocket tools/firefox.mjs http://127.0.0.1:8080 [FOLDER]`.
// Walks through the views, says what each must show, and fails where one does not or a script errs. With a folder, pictures of them.
// Needs Node 20 and Firefox; it is spoken to by WebDriver BiDi, without a driver between.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { until as comesTrue } from './chromium.mjs';

const [origin, folder] = process.argv.slice(2);
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tadne-firefox-'));
fs.writeFileSync(path.join(profile, 'user.js'), 'user_pref("intl.accept_languages", "en");\n');
const firefox = spawn(
  process.env.FIREFOX ?? 'firefox-esr',
  ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', '--window-size', '1440,900'],
  { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, MOZ_HEADLESS_WIDTH: '1440', MOZ_HEADLESS_HEIGHT: '900' } },
);
let said = '';
const address = await new Promise((found, lost) => {
  firefox.once('error', lost);
  firefox.once('exit', (code) => lost(new Error(`Firefox ended (${code}): ${said}`)));
  firefox.stderr.on('data', (data) => {
    said += data;
    const [, listening] = /WebDriver BiDi listening on (ws:\S+)/.exec(said) ?? [];
    if (listening) found(listening);
  });
});

const socket = new WebSocket(`${address}/session`);
await new Promise((done) => (socket.onopen = done));
const waiting = new Map();
const errors = [];
socket.onmessage = ({ data }) => {
  const { id, method, params, result, error, message } = JSON.parse(data);
  if (method === 'log.entryAdded' && params.level === 'error') errors.push(params.text);
  const [done, failed] = waiting.get(id) ?? [];
  waiting.delete(id);
  if (error) failed?.(new Error(`${error}: ${message}`));
  else done?.(result);
};
let last = 0;
const send = (method, params = {}) =>
  new Promise((done, failed) => {
    waiting.set((last += 1), [done, failed]);
    socket.send(JSON.stringify({ id: last, method, params }));
  });

await send('session.new', { capabilities: {} });
await send('session.subscribe', { events: ['log.entryAdded'] });
const { contexts: [{ context }] } = await send('browsingContext.getTree');
const evaluate = async (expression) => {
  const { result, exceptionDetails } = await send('script.evaluate', { expression, target: { context }, awaitPromise: true });
  if (exceptionDetails) throw new Error(exceptionDetails.text);
  return result.value;
};
const until = (expression) => comesTrue({ evaluate }, expression, 60);
const press = async (value) => {
  const actions = [{ type: 'keyDown', value }, { type: 'keyUp', value }];
  await send('input.performActions', { context, actions: [{ type: 'key', id: 'keys', actions }] });
};

const tiles = "[...document.querySelectorAll('#wall img')].filter((tile) => tile.complete && tile.naturalWidth > 0).length";
/** [name, address, what is done and must come true] */
const views = [
  ['wall', '/?wall=5eed2026&psi=0.8&speed=0', async () => until(`${tiles} > 60`)],
  ['wall-drifts', '/?wall=5eed2026&psi=0.8&speed=6', async () => {
    const at = "new URLSearchParams(location.search).get('at')";
    await until(at);
    const before = await evaluate(at);
    await until(`${at} !== '${before}'`);
  }],
  ['room', '/p/1004?psi=0.8', async () => {
    // The dialog is in the page that the server sends; its scripts are there when the tools below it are.
    await until("document.querySelectorAll('#room [role=tabpanel] img').length > 0");
    await press('\uE014');
    await until("location.pathname !== '/p/1004'");
    await press('\uE00C');
    await until("location.pathname === '/'");
  }],
  ['blend', '/p/42~7~50?psi=0.9', async () => until("document.getElementById('room').open")],
  ['children', '/p/42-3b?psi=0.9&tool=children', async () => until("document.querySelectorAll('#tool-children img').length >= 16")],
  ['walk', '/walk/42?psi=0.9', async () => until("document.querySelector('.walk-canvas.drawn')")],
  ['collection', '/collection', async () => until("document.getElementById('collection')?.open ?? true")],
];
let failed = 0;
for (const [name, place, shows] of views) {
  errors.length = 0;
  const start = Date.now();
  try {
    await send('browsingContext.activate', { context });
    await send('browsingContext.navigate', { context, url: origin + place, wait: 'complete' });
    await shows();
    if (folder) {
      const { data } = await send('browsingContext.captureScreenshot', { context });
      fs.writeFileSync(path.join(folder, `${name}.png`), Buffer.from(data, 'base64'));
    }
    if (errors.length) throw new Error(errors.join('; '));
    console.log(`${name.padEnd(12)} ${Date.now() - start} ms`);
  } catch (error) {
    failed += 1;
    console.error(`${name.padEnd(12)} FAILED: ${error.message}`);
  }
}
await send('browser.close').catch(() => {});
setTimeout(() => {
  firefox.kill();
  fs.rmSync(profile, { recursive: true, force: true });
  process.exit(failed ? 1 : 0);
}, 1000);

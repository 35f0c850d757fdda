// Called by first.sh: visits an exported wall again and again, each time with a browser that has nothing of it, and prints
// what came over the wire until the first picture was in view, and when that was.

import fs from 'node:fs';
import path from 'node:path';

import { Chromium } from '../../tools/chromium.mjs';
import { median, serve } from './serve.mjs';

const [site] = process.argv.slice(2);
const FOLDER = '/pictures/wall/';
const ROUNDS = 9;

/** Runs in the page before its own scripts: notes when the first drawn picture is in the page. */
function watch() {
  globalThis.first = new Promise((seen) => {
    const look = () => {
      if (document.querySelector('.tile canvas')) requestAnimationFrame((time) => seen(time));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}

let answers = [];
const server = await serve(
  (pathname) => {
    if (!pathname.startsWith(FOLDER)) return null;
    const name = pathname.slice(FOLDER.length) || 'index.html';
    return { file: path.join(site, ...name.split('/').filter((part) => part !== '..')) };
  },
  (pathname, bytes) => answers.push([pathname.slice(FOLDER.length) || 'index.html', bytes]),
);
const isModel = ([name]) => name.endsWith('.safetensors');
const sum = (list) => list.reduce((total, [, bytes]) => total + bytes, 0);

const rounds = [];
try {
  for (let round = 0; round < ROUNDS; round += 1) {
    const browser = new Chromium();
    try {
      answers = [];
      const page = await browser.page(`(${watch})()`);
      await page.go(`${server.origin}${FOLDER}`);
      const ms = await page.evaluate('first');
      rounds.push({ ms, answers: [...answers] });
    } finally {
      await browser.close();
    }
  }
} finally {
  server.close();
}
const { answers: seen } = rounds.at(-1);
for (const [name, bytes] of seen.toSorted((a, b) => b[1] - a[1]).slice(0, 6)) {
  console.log(`${String(bytes).padStart(9)} bytes  ${name}`);
}
const besides = (list) => sum(list.filter((answer) => !isModel(answer)));
console.log(`${median(rounds.map(({ answers: list }) => besides(list)))} bytes besides the model until the first picture`);
console.log(`${sum(seen.filter(isModel))} bytes of the model`);
const times = rounds.map(({ ms }) => ms);
console.log(`first picture after ${median(times).toFixed(0)} ms, fastest ${Math.min(...times).toFixed(0)} ms (${ROUNDS} visits)`);
const files = fs.readdirSync(site, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const unpacked = files.filter(({ name }) => !/\.(br|gz)$/.test(name));
const size = (list) => list.reduce((total, { name, parentPath, path: folder }) => total + fs.statSync(path.join(parentPath ?? folder, name)).size, 0);
console.log(`the whole site: ${files.length} files, ${size(files)} bytes; without the packed copies ${size(unpacked)}`);

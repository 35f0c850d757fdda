// Pictures of the page for docs/pages: `tadne serve --rate 0`, then `node tools/pages.mjs http://127.0.0.1:8080 [NAME...]`.
// Needs Node 20 and Chromium. A name may be the beginning of several; without one all are taken.

import fs from 'node:fs';

import { Chromium, sleep, until } from './chromium.mjs';

const [origin, ...only] = process.argv.slice(2);
const FOLDER = new URL('../docs/pages/', import.meta.url);
const DESKTOP = { width: 1440, height: 900, scale: 1, mobile: false, stored: 1200 };
const PHONE = { width: 390, height: 844, scale: 2, mobile: true, stored: 520 };
const QUALITY = 82;

const click = (id) => (page) => page.evaluate(`document.getElementById('${id}').click()`);
/** The panel at the contest, whose networks need a while before they draw faces. */
const about = async (page) => {
  await click('about-button')(page);
  await sleep(800);
  await page.evaluate("document.getElementById('contest').scrollIntoView({ block: 'center' })");
  await sleep(60_000);
};
/** Some favourites and a history, as a visitor would have left them. */
const kept = async (page) => {
  const favourites = [['42', 0.9], ['42-3b', 0.9], ['7~42~40', 0.8], ['1004', 1], ['8_31_4', 0.9]];
  const store = (name, list) => page.evaluate(
    `localStorage.setItem('tadne.${name}', ${JSON.stringify(JSON.stringify(list.map(([recipe, psi]) => ({ recipe, psi }))))})`,
  );
  await store('favourites', favourites);
  await store('history', Array.from({ length: 14 }, (_, i) => [String(i * 977 + 5), 0.9]));
  await page.send('Page.reload');
  await sleep(2500);
};
/** The search for a face, with a picture of our own that is on no wall. */
const search = async (page) => {
  await click('to-lookalike')(page);
  await sleep(1500);
  await page.evaluate(`(async () => {
    const response = await fetch('/api/v1/pictures/777777.png?psi=1.0');
    const data = new DataTransfer();
    data.items.add(new File([await response.blob()], 'mine.png', { type: 'image/png' }));
    const field = document.getElementById('lookalike-file');
    field.files = data.files;
    field.dispatchEvent(new Event('change', { bubbles: true }));
  })()`);
  await sleep(1500);
  await until(page, "document.getElementById('lookalike-stop').hidden && document.querySelector('#lookalike-found > *') !== null", 180);
  await sleep(1000);
};
/** A look ahead with the mouse, so that the walk's instruments show. */
const point = (page) => page.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x: 500, y: 500 });
const lower = (page) => page.evaluate("document.getElementById('room').scrollTop = 500");

/** Where each picture is from: address, screen, colours, and what is done first. */
const WALL = '/?wall=5eed2026&psi=0.8';
const SHOTS = {
  'wall-desktop-dark': { at: WALL },
  'wall-desktop-light': { at: WALL, lang: 'it' },
  'wall-phone-dark': { at: WALL },
  'wall-phone-light': { at: WALL, lang: 'ja' },
  'room-desktop-dark': { at: '/p/1004?psi=0.8' },
  'room-desktop-light': { at: '/p/7?psi=0.8', lang: 'it' },
  'room-phone-dark': { at: '/p/1004?psi=0.8' },
  'room-phone-light': { at: '/p/7?psi=0.8', lang: 'ja' },
  'children-desktop-dark': { at: '/p/1004-3b7?psi=0.8&tool=children' },
  'children-desktop-light': { at: '/p/7?psi=0.8&tool=children' },
  'children-phone-dark': { at: '/p/1004-3b7?psi=0.8&tool=children', act: lower },
  'blend-desktop-dark': { at: '/p/7~1004~50?psi=0.8' },
  'blend-phone-light': { at: '/p/7~1004~50?psi=0.8' },
  'mix-desktop-light': { at: '/p/7_1004_4?psi=0.8' },
  'edit-desktop-dark': { at: '/p/5012@0p20@5m15?psi=1&tool=edit' },
  'edit-phone-light': { at: '/p/5012@0p20@5m15?psi=1&tool=edit', lang: 'it' },
  // The kinds are drawn one after the other.
  'alike-desktop-light': { at: '/p/5012?psi=1&tool=like', act: () => sleep(8000) },
  'walk-desktop-dark': { at: '/walk/1004?psi=0.8', act: point },
  'collection-desktop-light': { at: '/collection' },
  'collection-desktop-dark': { at: '/collection', act: kept },
  'collection-phone-light': { at: '/collection', act: kept, lang: 'it' },
  'face-desktop-dark': { at: WALL, act: search },
  'face-phone-light': { at: WALL, act: search, lang: 'ja' },
  'about-desktop-light': { at: WALL, act: about, lang: 'ja' },
  'about-phone-dark': { at: WALL, act: about },
  'montage-desktop-dark': { at: '/slider.html?seed=01004' },
  'no-script-light': { at: '/', script: false },
};

/** In the page: whether all that can be seen has been drawn. */
function settled() {
  const inView = (element) => {
    const { top, bottom, left, right, width } = element.getBoundingClientRect();
    return width > 0 && bottom > 0 && right > 0 && top < innerHeight && left < innerWidth;
  };
  const open = document.querySelector('dialog[open]');
  if (!open && [...document.querySelectorAll('.tile')].some((tile) => inView(tile) && !tile.matches('.filled'))) return false;
  if (open?.id === 'room' && document.getElementById('stage').ariaBusy === 'true') return false;
  if (open?.id === 'walk' && !document.querySelector('.walk-canvas.drawn')) return false;
  return [...(open ?? document).querySelectorAll('img')].filter(inView).every((image) => image.complete && image.naturalWidth > 0);
}

async function settle(page, script) {
  if (!script) return sleep(3000);
  for (let tries = 0; tries < 240 && !(await page.evaluate(`(${settled})()`)); tries += 1) await sleep(250);
  return sleep(900);
}

async function shoot(browser, name, { at, act, lang = 'en', script = true }) {
  const screen = name.includes('phone') ? PHONE : DESKTOP;
  const page = await browser.page();
  browser.on(({ method, params, sessionId }) => {
    if (sessionId === page.sessionId && method === 'Runtime.exceptionThrown') console.error(name, params.exceptionDetails.text);
  });
  for (const domain of ['Runtime', 'Network']) await page.send(`${domain}.enable`);
  await page.send('Network.setExtraHTTPHeaders', { headers: { 'Accept-Language': lang } });
  const { width, height, scale: deviceScaleFactor, mobile } = screen;
  await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor, mobile });
  const scheme = name.endsWith('dark') ? 'dark' : 'light';
  await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  if (!script) await page.send('Emulation.setScriptExecutionDisabled', { value: true });
  await page.go(origin + at);
  await sleep(2500);
  await settle(page, script);
  if (act) {
    await act(page);
    await settle(page, script);
  }
  if (script) await page.evaluate('document.activeElement?.blur()');
  await sleep(300);
  const clip = { x: 0, y: 0, width, height, scale: screen.stored / width / deviceScaleFactor };
  const { data } = await page.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY, clip });
  fs.writeFileSync(new URL(`${name}.webp`, FOLDER), Buffer.from(data, 'base64'));
  await page.close();
  console.log(name);
}

const browser = new Chromium();
try {
  const wanted = Object.entries(SHOTS).filter(([name]) => !only.length || only.some((start) => name.startsWith(start)));
  for (const [name, shot] of wanted) await shoot(browser, name, shot);
} finally {
  await browser.close();
}

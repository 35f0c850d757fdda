// Five drawings and the faces that the page finds for them, for docs/wall.md (docs/faces.webp): `tadne serve --rate 0`, then
// `node tools/examples.mjs http://127.0.0.1:8080`. Needs Node 20 and Chromium, and tells how long each took.

import fs from 'node:fs';

import { Chromium, sleep, until } from './chromium.mjs';

const [origin] = process.argv.slice(2);
const FOLDER = new URL('../docs/', import.meta.url);
/** An edit, a blend, a descendant, a style mix and a seed: turned, mirrored and cut, so that no wall has them. */
const GIVEN = ['42@0p25@4p20', '5~9~50', '1004-3b7', '42_77_4', '777777'];

const browser = new Chromium();

async function opened() {
  const page = await browser.page();
  await page.send('Emulation.setDeviceMetricsOverride', { width: 1440, height: 900, deviceScaleFactor: 1, mobile: false });
  await page.go(`${origin}/?speed=0&psi=0.8`);
  await until(page, "document.documentElement?.classList.contains('live')");
  await page.evaluate('globalThis.sheet = new OffscreenCanvas(1, 1)');
  return page;
}

/** Writes the sheet that a page has drawn on. */
async function save(page, name) {
  const text = await page.evaluate(`(async () => {
    const blob = await sheet.convertToBlob({ type: 'image/webp', quality: 0.88 });
    return new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
  })()`);
  fs.writeFileSync(new URL(name, FOLDER), Buffer.from(text.split(',')[1], 'base64'));
}

{
  const page = await opened();
  await page.evaluate(`[sheet.width, sheet.height] = [${GIVEN.length * 200}, 400]; document.getElementById('to-lookalike').click()`);
  await until(page, "document.getElementById('lookalike')?.open === true");
  for (const [index, name] of GIVEN.entries()) {
    const start = performance.now();
    await page.evaluate(`(async () => {
      const response = await fetch('/api/v1/pictures/${encodeURIComponent(name)}.png?psi=1.0&size=512');
      const drawn = await createImageBitmap(await response.blob());
      const canvas = new OffscreenCanvas(440, 440);
      const paper = canvas.getContext('2d');
      paper.translate(220, 220);
      paper.rotate(0.07);
      paper.scale(-1, 1);
      paper.drawImage(drawn, -256, -250, 512, 512);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], 'mine.png', { type: 'image/png' }));
      const input = document.getElementById('lookalike-file');
      input.files = data.files;
      document.getElementById('lookalike-found').replaceChildren();
      input.dispatchEvent(new Event('change', { bubbles: true }));
    })()`);
    await sleep(1500);
    await until(page, "document.getElementById('lookalike-stop').hidden && document.querySelector('#lookalike-found > *') !== null");
    console.log(name, await page.evaluate("document.getElementById('lookalike-state').textContent"), `${((performance.now() - start) / 1000).toFixed(1)} s`);
    await page.evaluate(`(() => {
      const paper = sheet.getContext('2d');
      paper.imageSmoothingQuality = 'high';
      paper.drawImage(document.getElementById('lookalike-given'), ${200 * index}, 0, 198, 198);
      paper.drawImage(document.querySelector('#lookalike-found > *'), ${200 * index}, 200, 198, 198);
    })()`);
  }
  await save(page, 'faces.webp');
  await page.close();
}

await browser.close();

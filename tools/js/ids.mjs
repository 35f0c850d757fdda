// Says to tsc which elements the pages have: `node tools/js/ids.mjs OUT PAGE...` writes the type of every id's element, so that a script that asks
// for an id that no page has, or takes an element for what it is not, is an error.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const [out, ...pages] = process.argv.slice(2);
/** @type {Map<string, string>} */
const tags = new Map();
for (const page of pages) {
  const html = readFileSync(page, 'utf8').replace(/<!--.*?-->/gs, '');
  for (const [, tag, attributes] of html.matchAll(/<([a-z][a-z0-9-]*)((?:\s+[^\s=>]+(?:="[^"]*")?)*)\s*\/?>/g)) {
    const id = /\sid="([^"]*)"/.exec(attributes)?.[1];
    if (!id) continue;
    if (tags.has(id) && tags.get(id) !== tag) throw new Error(`${page}: ${id} is a ${tag} here and a ${tags.get(id)} elsewhere`);
    tags.set(id, tag);
  }
}
if (tags.size === 0) throw new Error(`no ids in ${pages.join(', ')}`);
const entries = [...tags].sort().map(([id, tag]) => `  '${id}': HTMLElementTagNameMap['${tag}'];`);
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, `// Made by tools/js/ids.mjs.\ninterface Ids {\n${entries.join('\n')}\n}\n`);

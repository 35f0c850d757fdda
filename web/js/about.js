// What the placard tells when it is unfolded: facts about the model, and two figures that live.

import { contest as stage } from './contest.js';
import { flavour } from './flavour.js';
import { Growth } from './growth.js';
import { hosted } from './settings.js';
import { numbers, say } from './strings.js';

const AGAIN_MS = 10_000;
/** The terms of the shipped model, which all languages have words for. */
const NON_COMMERCIAL = 'research and non-commercial use only';

/**
 * A model's terms, without the file beside the model that visitors cannot reach.
 * @param {string} license
 */
function terms(license) {
  const [words] = (license ?? '').split(/;\s*see\s/);
  return words === NON_COMMERCIAL ? say('facts.license.non-commercial') : words;
}

/**
 * Called once, when the text first unfolds. `list` is a dl for the facts.
 * @param {HTMLElement} about
 * @param {HTMLElement} list
 */
export function introduce(about, list) {
  const [growth, contest] = [about.querySelector('#growth'), about.querySelector('#contest')];
  if (growth) new Growth(growth);
  if (contest) stage(contest);
  fill(list);
}

/**
 * Fetches the facts; what does not come is asked for again when the network is back, or in a while.
 * @param {HTMLElement} list
 */
async function fill(list) {
  const response = await fetch(hosted ? new URL('../model.json', import.meta.url) : '/api/model').catch(() => null);
  if (!response?.ok) {
    setTimeout(() => fill(list), AGAIN_MS);
    return;
  }
  const facts = await response.json();
  const provenance = facts.provenance ?? {};
  const rows = [
    ['facts.size', say('facts.size.value', { width: numbers.plain(facts.width), height: numbers.plain(facts.height) })],
    ['facts.config', provenance.config],
    ['facts.seen', Number.isFinite(provenance.kimg) && numbers.plain(Math.round(provenance.kimg * 1000))],
    ['facts.images', Number.isFinite(provenance.images) && numbers.plain(provenance.images)],
    // Where the browser draws, its own instructions count.
    ['facts.simd', hosted ? `WebAssembly, ${flavour()}` : facts.simd],
    ['facts.fingerprint', facts.fingerprint],
    ['facts.license', terms(facts.license)],
  ];
  for (const [key, value] of rows) {
    if (!value) continue;
    const term = document.createElement('dt');
    const meaning = document.createElement('dd');
    term.textContent = say(key);
    meaning.textContent = value;
    list.append(term, meaning);
  }
}

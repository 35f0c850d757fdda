// What the placard tells when it is unfolded: facts about the model, and two figures that live.

import { Contest } from './contest.js';
import { Growth } from './growth.js';
import { hosted } from './settings.js';
import { numbers, say } from './strings.js';

/** Called once, when the text first unfolds. `list` is a dl for the facts. */
export function introduce(about, list) {
  new Growth(about.querySelector('#growth'));
  new Contest(about.querySelector('#contest'));
  fill(list);
}

async function fill(list) {
  const response = await fetch(hosted ? new URL('../model.json', import.meta.url) : '/api/model').catch(() => null);
  if (!response?.ok) return;
  const facts = await response.json();
  const provenance = facts.provenance ?? {};
  const rows = [
    ['facts.size', say('facts.size.value', { width: numbers.plain(facts.width), height: numbers.plain(facts.height) })],
    ['facts.config', provenance.config],
    ['facts.seen', Number.isFinite(provenance.kimg) && numbers.plain(Math.round(provenance.kimg * 1000))],
    ['facts.images', Number.isFinite(provenance.images) && numbers.plain(provenance.images)],
    ['facts.simd', facts.simd],
    ['facts.fingerprint', facts.fingerprint],
    ['facts.license', facts.license],
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

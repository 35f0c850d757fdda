// Facts about the model that draws, for the text on the placard: asked for when somebody wants to know.

import { numbers, say } from './strings.js';

/** Fills `list` (a dl) once, when `button` first unfolds it. */
export function introduce(button, list) {
  button.addEventListener('click', () => fill(list), { once: true });
}

async function fill(list) {
  const response = await fetch('/api/model').catch(() => null);
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

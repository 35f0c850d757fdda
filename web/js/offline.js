// A hosted wall is kept by the browser: after the first visit it opens, and draws, without a network.

import { atelier } from './easel.js';
import { moduleAddress } from './flavour.js';

/** Lets the service worker keep all files, and the one module that this browser draws with. */
export async function keep() {
  const container = navigator.serviceWorker;
  if (!container) return;
  // Not before the page can draw: the first picture has the wire to itself.
  await atelier();
  await container.register(new URL('sw.js', document.baseURI));
  await container.ready;
  if (!container.controller) await new Promise((done) => container.addEventListener('controllerchange', done, { once: true }));
  // What the worker hands through it keeps.
  await fetch(moduleAddress('draw'), { cache: 'force-cache' });
  document.documentElement.classList.add('kept');
}

/**
 * Remembers the language that the visitor chose, for the page that is for everybody.
 * @param {string} language
 */
export function speak(language) {
  try {
    localStorage.setItem('tadne.language', language);
  } catch {
    // Then it is chosen again.
  }
}

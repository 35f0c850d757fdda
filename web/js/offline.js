// A hosted wall is kept by the browser: after the first visit it opens, and draws, without a network.

import { flavour, moduleAddress } from './atelier.js';

/** Lets the service worker keep all files, and the one module that this browser draws with. */
export async function keep() {
  const container = navigator.serviceWorker;
  if (!container) return;
  await container.register(new URL('sw.js', document.baseURI));
  await container.ready;
  if (!container.controller) await new Promise((done) => container.addEventListener('controllerchange', done, { once: true }));
  // What the worker hands through it keeps.
  await fetch(moduleAddress(flavour()));
  document.documentElement.classList.add('kept');
}

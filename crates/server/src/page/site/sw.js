// The service worker of a hosted wall: after the first visit everything is here, and the wall needs no network.
'use strict';

/** Files of one version lie in one cache; a new version brings its own and drops the old one. */
const CACHE = 'tadne-__VERSION__';
const KEEP = __KEEP__;

/** A name with a hash in it stands for one content for ever: what the page has fetched need not come a second time. */
const asked = (name) => new Request(name, { cache: /(^|-)[0-9a-f]{8,}[/.]/.test(name) ? 'force-cache' : 'no-cache' });

addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(KEEP.map(asked))).then(() => skipWaiting()));
});

addEventListener('activate', (event) => {
  const drop = (names) => names.filter((name) => name.startsWith('tadne-') && name !== CACHE).map((name) => caches.delete(name));
  event.waitUntil(caches.keys().then((names) => Promise.all(drop(names))).then(() => clients.claim()));
});

/** From the cache; else from the network, and then it is kept. */
async function kept(request) {
  const cache = await caches.open(CACHE);
  const known = await cache.match(request);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

/** Pages from the network, so that a new version is seen at once; without one, what is kept, whatever the query. */
async function page(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const cache = await caches.open(CACHE);
    const known = (await cache.match(request, { ignoreSearch: true })) ?? (await cache.match('./'));
    if (known) return known;
    throw error;
  }
}

addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(registration.scope)) return;
  event.respondWith(request.mode === 'navigate' ? page(request) : kept(request));
});

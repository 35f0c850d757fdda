// The page starts here: makes the wall, and fetches the other views when they are first wanted.

import { Camera } from './camera.js';
import { offer } from './choice.js';
import { announce, furnish } from './controls.js';
import { answerDownloads } from './files.js';
import { listen } from './input.js';
import { Living } from './living.js';
import { Loader } from './loader.js';
import { roam } from './roam.js';
import { addressOf, follow, go, leave, roomOf, start } from './router.js';
import { hosted, model, saving, settings } from './settings.js';
import { say } from './strings.js';
import { Wall } from './wall.js';

/** A picture is shown at most so many times as large as it was drawn; beyond that it has nothing more to tell. */
const ENLARGED = 4.4;

const find = (id) => document.getElementById(id);

const status = find('status');
const tellOffline = (offline) => {
  status.hidden = !offline;
  status.textContent = offline ? say('status.offline') : '';
  document.documentElement.classList.toggle('offline', offline);
  announce(say(offline ? 'status.offline' : 'status.online'));
};
const loader = new Loader(saving ? 3 : 6, tellOffline);
addEventListener('online', () => loader.retry());

const wall = new Wall(find('wall'), new Camera(), loader);
const living = new Living(wall);
const { togglePause } = furnish(wall, living);
offer(wall, loader, living);
answerDownloads(() => announce(say('draw.failed')));
const placard = find('placard');

const blend = (a, b) => go(roomOf({ kind: 'blend', a: a.recipe.a, b: b.recipe.a, percent: 50 }, a.psi));
listen(wall, {
  open: (tile) => go(roomOf(tile.recipe, tile.psi)),
  blend,
  togglePause,
});
roam(wall, {
  blend,
  // On a narrow screen the placard lies across the bottom and would hide a focused picture.
  obstructed: () => (placard.offsetWidth > wall.width * 0.7 ? placard.offsetHeight : 0),
});

/** Links on the placard that lead to views of this page. */
function lead(id, place) {
  const link = find(id);
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(place());
  });
  link.href = addressOf(place());
}
lead('to-walk', () => ({ view: 'walk', from: wall.centre().recipe.a, psi: settings.psi }));
lead('to-collection', () => ({ view: 'collection' }));

// The same page in another language, at the same place.
for (const link of document.querySelectorAll('.languages a')) {
  link.addEventListener('click', () => {
    const query = new URLSearchParams(location.search);
    query.set('lang', link.lang);
    link.href = hosted ? link.pathname + location.search : `${location.pathname}?${query}`;
  });
}

const views = {
  room: () => import('./room.js').then(({ Room }) => new Room(wall)),
  walk: () => import('./walk.js').then(({ Walk }) => new Walk()),
  collection: () => import('./collection.js').then(({ Collection }) => new Collection()),
};
/** @type {Record<string, Promise<{show: (place: import('./router.js').Place) => void, hide: () => void}>>} */
const made = {};

let current = null;
follow(async (place) => {
  current = place;
  // Whatever covers the wall, it waits.
  wall.camera.hold('covered', place.view !== 'wall');
  wall.wake();
  for (const [name, view] of Object.entries(made)) if (name !== place.view) (await view.catch(() => null))?.hide();
  if (place.view === 'wall') {
    document.title = say('site.title');
    return;
  }
  made[place.view] ??= views[place.view]();
  const view = await made[place.view].catch(() => null);
  if (!view) {
    // It could not be fetched: the wall goes on, and the next attempt asks again.
    delete made[place.view];
    announce(say('status.offline'));
    if (current === place) leave();
    return;
  }
  // The visitor may have gone on while the view was fetched.
  if (current === place) view.show(place);
});
start();
if (hosted) import('./offline.js').then(({ keep }) => keep()).catch(() => {});
// Most visitors open a picture: what that needs is fetched when the first screen no longer needs the network.
setTimeout(() => import('./room.js').catch(() => {}), 2500);

find('about-button').addEventListener(
  'click',
  async () => {
    const { introduce } = await import('./about.js');
    introduce(find('about'), find('facts'));
  },
  { once: true },
);
document.documentElement.style.setProperty('--most', `${ENLARGED * Math.max(model.width, model.height)}px`);
document.documentElement.classList.add('live');

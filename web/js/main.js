// The page starts here: makes the wall, and fetches the other views when they are first wanted.

// First of all, as it may lead elsewhere.
import './language.js';
import { fetched } from './again.js';
import { Camera } from './camera.js';
import { offer } from './choice.js';
import { announce, furnish } from './controls.js';
import { find, within } from './dom.js';
import { answerDownloads } from './files.js';
import { glance } from './glance.js';
import { Hearts } from './hearts.js';
import { hint } from './hint.js';
import { listen } from './input.js';
import { Living } from './living.js';
import { Loader } from './loader.js';
import { keep as store, speak } from './offline.js';
import { replaced } from './picture.js';
import { roam } from './roam.js';
import { addressOf, follow, go, leave, roomOf, start } from './router.js';
import { seek, seekFace } from './seek.js';
import { hosted, model, remember, saving, settings } from './settings.js';
import { say } from './strings.js';
import { Wall } from './wall.js';

/** A picture is shown at most so many times as large as it was drawn; beyond that it has nothing more to tell. */
const ENLARGED = 4.4;

const status = find('status');
/** @param {string} words */
const tell = (words) => {
  status.hidden = !words;
  status.textContent = words;
};
/** @param {boolean} offline */
const tellOffline = (offline) => {
  tell(offline ? say('status.offline') : '');
  document.documentElement.classList.toggle('offline', offline);
  announce(say(offline ? 'status.offline' : 'status.online'));
};
const loader = new Loader(saving ? 3 : 6, tellOffline);
addEventListener('online', () => loader.retry());

const wall = new Wall(find('wall'), new Camera(), loader);
const placard = find('placard');
wall.obstacles = () => {
  const box = placard.getBoundingClientRect();
  return box.width > 0 ? [box] : [];
};
addEventListener('otherwall', () => wall.goThere());
const living = new Living(wall);
const { togglePause } = furnish(wall, living);
offer(wall, loader, living);
const hearts = new Hearts(wall, tell);

/** @param {import('./tile.js').Tile} tile */
const open = (tile) => go(roomOf(tile.recipe, tile.psi));
/**
 * @param {import('./store.js').Kept} a
 * @param {import('./store.js').Kept} b
 */
const blend = (a, b) => go(roomOf({ kind: 'blend', a: a.recipe.a, b: b.recipe.a, percent: 50 }, a.psi));
/** @param {import('./tile.js').Tile} tile */
const keep = (tile) => hearts.toggle(tile);
listen(wall, { open, keep, blend, togglePause });
roam(wall, { keep, blend });
seek(wall);
seekFace(wall);

/**
 * Links on the placard that lead to views of this page.
 * @param {'to-walk' | 'to-collection'} id
 * @param {() => import('./router.js').Place} place
 */
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
  if (!(link instanceof HTMLAnchorElement)) continue;
  link.addEventListener('click', () => {
    remember();
    const query = new URLSearchParams(location.search);
    if (hosted) query.delete('lang');
    else query.set('lang', link.lang);
    const text = String(query).replaceAll('%2C', ',');
    link.href = `${hosted ? link.pathname : location.pathname}${text && '?'}${text}`;
    if (hosted) speak(link.lang);
  });
}

// The model behind the wall was replaced: the page that knows the new one shows the same place.
const RELOADED = 'tadne.reloaded';
replaced.addEventListener(
  'replaced',
  () => {
    remember();
    tell(say('status.replaced'));
    announce(say('status.replaced'));
    try {
      // A page that does not learn of the new model by being loaded again is not loaded a third time.
      if (sessionStorage.getItem(RELOADED) === model.name) return;
      sessionStorage.setItem(RELOADED, model.name);
    } catch {
      return;
    }
    loader.stop();
    location.reload();
  },
  { once: true },
);

const views = {
  room: () =>
    fetched('./room.js', () => import('./room.js')).then(({ Room }) => {
      const view = new Room(wall);
      // Its links to files lead somewhere from now on.
      answerDownloads(() => {
        view.note(say('draw.failed'));
        announce(say('draw.failed'));
      });
      return view;
    }),
  walk: () => fetched('./walk.js', () => import('./walk.js')).then(({ Walk }) => new Walk()),
  collection: () => fetched('./collection.js', () => import('./collection.js')).then(({ Collection }) => new Collection()),
};
/** @type {Record<string, Promise<{show(place: import('./router.js').Place): void, hide(): void}>>} */
const made = {};

/** @type {import('./router.js').Place | null} */
let current = null;
const room = find('room');
room.addEventListener('close', () => current?.view === 'room' && leave());
room.addEventListener('click', (event) => within(event, '[data-close]') && room.close());

follow(async (place) => {
  current = place;
  // Whatever covers the wall, it waits.
  wall.camera.hold('covered', place.view !== 'wall');
  wall.wake();
  // At once, also while what it needs is on its way.
  if (place.view !== 'room') room.close();
  for (const [name, view] of Object.entries(made)) if (name !== place.view) (await view.catch(() => null))?.hide();
  if (place.view === 'wall') {
    document.title = say('site.title');
    return;
  }
  if (place.view === 'room') glance(room, place, wall);
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
if (hosted) store().catch(() => {});
// Most visitors open a picture: what that needs is fetched when the first screen no longer needs the network.
setTimeout(() => fetched('./room.js', () => import('./room.js')).catch(() => {}), 2500);
hint(wall);

// What cannot be fetched now is asked for again when the text is unfolded the next time, when the network is back, and in a while: the network can be
// back before the request that it failed has ended.
const AGAIN_MS = 5000;
let introduced = false;
let again = 0;
async function unfold() {
  if (introduced || find('about').hidden) return;
  clearTimeout(again);
  try {
    const { introduce } = await fetched('./about.js', () => import('./about.js'));
    if (introduced) return;
    introduced = true;
    introduce(find('about'), find('facts'));
  } catch {
    // Once is enough.
    if (!again) announce(say('status.offline'));
    again = setTimeout(unfold, AGAIN_MS);
  }
}
find('about-button').addEventListener('click', unfold);
addEventListener('online', unfold);

const root = document.documentElement;
root.style.setProperty('--most', `${ENLARGED * Math.max(model.width, model.height)}px`);
root.style.setProperty('--aspect', String(model.width / model.height));
root.classList.add('live');

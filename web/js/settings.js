// What the visitor chose and where the wall is, kept in the page's address so that it can be shared and found again:
// /?wall=1f9c03aa&at=12.5,-3.25&psi=1.1&speed=2

/** Pauses between two writes of the address; browsers limit how often it may change. */
const SETTLE_MS = 300;
/** The same while the wall moves by itself. */
const MOVING_MS = 1000;
/** How long a browser that refused to change the address is left alone. */
const REFUSED_MS = 1000;
/** Beyond this the cells of the wall no longer differ: their coordinates are 32 bits. */
const FARTHEST = 2 ** 31;
/** Sizes that an address may ask for; what suits the window is narrower. */
/** @type {[number, number]} */
const ZOOMS = [0.1, 16];

const page = document.documentElement.dataset;
/**
 * What the page was made with.
 * @param {string} name
 */
const told = (name) => page[name] ?? '';

/**
 * @param {string | null} text
 * @param {number} low
 * @param {number} high
 * @param {number} otherwise
 */
const within = (text, low, high, otherwise) => {
  const value = Number.parseFloat(text ?? '');
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
};
/** @param {number} value */
const tenths = (value) => Math.round(value * 10) / 10;

export const defaults = { psi: Number.parseFloat(told('psi')), speed: 2, zoom: 1 };

/** The model that draws: size of its pictures, its layers, the start of its fingerprint. */
export const model = {
  width: Number.parseInt(told('width'), 10),
  height: Number.parseInt(told('height'), 10),
  layers: Number.parseInt(told('layers'), 10),
  /** Names of the directions in which its pictures can be edited. */
  directions: page.directions ? page.directions.split(' ') : [],
  noise: page.noise === 'on',
  name: told('model'),
  /** Where its file is, if this browser may draw with it. */
  weights: told('weights'),
};

/** Whether these pages are files on a host that runs nothing: places are then named in the query. */
export const hosted = page.site === 'hosted';

/** Whether the visitor asked for little to be sent. */
export const saving = navigator.connection?.saveData ?? false;

const chosen = new URLSearchParams(location.search).get('lang');

/** Where this tab's wall, or else the one this browser showed last, is remembered as a query. */
const REMEMBERED = 'tadne.wall';

function remembered() {
  try {
    return sessionStorage.getItem(REMEMBERED) ?? localStorage.getItem(REMEMBERED) ?? '';
  } catch {
    return '';
  }
}

/**
 * What names the wall: its own address; elsewhere, and where an address names no wall, the wall that was left, with
 * whatever the wall's address says besides.
 */
function origin() {
  const address = new URLSearchParams(location.search);
  const onWall = pagePath() === '/';
  if (onWall && address.has('wall')) return address;
  const left = new URLSearchParams(remembered());
  if (!left.has('wall')) return address;
  if (onWall) address.forEach((value, name) => left.set(name, value));
  return left;
}

const query = origin();
const wall = Number.parseInt(query.get('wall') ?? '', 16);

/**
 * A place on the wall as addresses spell it, in pictures across and down from the wall's beginning: `12.5,-3.25`.
 * @param {string | null} text
 */
function place(text) {
  const parts = /^(-?\d{1,10}(?:\.\d+)?),(-?\d{1,10}(?:\.\d+)?)$/.exec(text ?? '');
  const [x, y] = [Number(parts?.[1] ?? 0), Number(parts?.[2] ?? 0)];
  return Math.max(Math.abs(x), Math.abs(y)) <= FARTHEST ? { x, y } : { x: 0, y: 0 };
}

/** The choices themselves. Change them through `change`. */
export const settings = {
  /** 32 bits that name the wall. */
  wall: Number.isInteger(wall) ? wall >>> 0 : anyWall(),
  /** What is in the middle of the window, in pictures across and down. The wall keeps it true. */
  at: place(query.get('at')),
  /** Creativity of the wall, in tenths. */
  psi: tenths(within(query.get('psi'), 0.3, 2, defaults.psi)),
  /** Position of the speed slider. */
  speed: Math.round(within(query.get('speed'), -10, 10, defaults.speed)),
  /** Size of the tiles, 1 being the size that suits the window; the lattice bounds it further. */
  zoom: within(query.get('zoom'), ...ZOOMS, defaults.zoom),
  /** Whether strange pictures are mixed in. */
  surprise: query.get('surprise') === '1',
  /** Whether the wall is seen without the panel. */
  bare: query.get('bare') === '1',
};

/** The name of a wall drawn by lot. */
export function anyWall() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

let timer = 0;
let due = 0;

/**
 * Writes the address in a while, or sooner if that was planned already.
 * @param {number} milliseconds
 */
function settle(milliseconds) {
  const then = performance.now() + milliseconds;
  if (timer && due <= then) return;
  clearTimeout(timer);
  due = then;
  timer = setTimeout(remember, milliseconds);
}

/**
 * Changes some of the settings and, a moment later, the address (where the wall is what it shows).
 * @param {Partial<typeof settings>} some
 */
export function change(some) {
  Object.assign(settings, some);
  settle(SETTLE_MS);
}

/**
 * The wall has moved to a place; the address follows now and then.
 * @param {{x: number, y: number}} at
 */
export function moved(at) {
  if (at.x === settings.at.x && at.y === settings.at.y) return;
  settings.at = at;
  settle(MOVING_MS);
}

/** Lets the address and this browser's memory say now what wall is seen, and where. */
export function remember() {
  clearTimeout(timer);
  timer = 0;
  const address = wallAddress();
  const onWall = pagePath() === '/';
  try {
    const text = new URL(address, location.href).search;
    for (const storage of [sessionStorage, localStorage]) storage.setItem(REMEMBERED, text);
  } catch {
    // Then only the address knows.
  }
  if (!onWall) return;
  try {
    history.replaceState(history.state, '', address);
  } catch {
    // Safari and Firefox refuse more than about ten changes a second.
    settle(REFUSED_MS);
  }
}

/** Follows the address to another wall, which Back led to. */
export function adopt() {
  const query = new URLSearchParams(location.search);
  const wall = Number.parseInt(query.get('wall') ?? '', 16);
  if (pagePath() !== '/' || !Number.isInteger(wall) || wall >>> 0 === settings.wall) return false;
  Object.assign(settings, { wall: wall >>> 0, at: place(query.get('at')) });
  return true;
}

// Whoever leaves has seen what was seen last.
addEventListener('pagehide', remember);
document.addEventListener('visibilitychange', () => document.hidden && remember());

/**
 * This wall's address.
 * @param {{forOthers?: boolean}} [how]
 */
export function wallAddress(how) {
  /** @type {Record<string, string>} */
  const parts = { wall: settings.wall.toString(16).padStart(8, '0') };
  const { x, y } = settings.at;
  if (x !== 0 || y !== 0) parts.at = [x, y].map((part) => String(Math.round(part * 100) / 100)).join();
  if (settings.psi !== defaults.psi) parts.psi = settings.psi.toFixed(1);
  if (settings.speed !== defaults.speed) parts.speed = String(settings.speed);
  if (Math.abs(settings.zoom - 1) > 0.005) parts.zoom = String(Math.round(settings.zoom * 1000) / 1000);
  if (settings.surprise) parts.surprise = '1';
  if (settings.bare) parts.bare = '1';
  return pageAddress('/', parts, how);
}

/** For addresses that somebody else will open: they read them in their own language. */
export const FOR_OTHERS = { forOthers: true };

/**
 * The address of a page of ours; the language stays if an address chose it.
 * @param {string} path
 */
export function pageAddress(path, parts = {}, { forOthers = false } = {}) {
  if (hosted) {
    const [, kind, name = ''] = path.split('/');
    const query = new URLSearchParams(kind ? { [kind]: name, ...parts } : parts);
    return asked(forOthers ? location.pathname.replace(/[^/]*$/, '') : location.pathname, query);
  }
  const query = new URLSearchParams(parts);
  if (chosen && !forOthers) query.set('lang', chosen);
  return asked(path, query);
}

/**
 * A path with its query, if there is any.
 * @param {string} path
 * @param {URLSearchParams} query
 */
function asked(path, query) {
  // A comma needs no escape in a query, and an address without one is easier to read.
  const text = String(query).replaceAll('%2C', ',');
  return text ? `${path}?${text}` : path;
}

/**
 * A path without escapes; as it is where they are none.
 * @param {string} path
 */
function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The path of the page that the address shows, as the server would spell it. */
export function pagePath() {
  if (!hosted) return decoded(location.pathname);
  const query = new URLSearchParams(location.search);
  // The montage of the original: here it is a part of the picture's room.
  const seed = query.get('seed') ?? '';
  if (location.pathname.endsWith('/slider.html') && /^\d+$/.test(seed)) return `/p/${BigInt(seed)}`;
  const kind = ['p', 'walk'].find((name) => query.has(name));
  if (kind) return `/${kind}/${query.get(kind)}`;
  return query.has('collection') ? '/collection' : '/';
}

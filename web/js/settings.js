// What the visitor chose, kept in the page's address so that a wall can be shared: /?wall=1f9c03aa&psi=1.1&speed=2

/** Pauses between two writes of the address; browsers limit how often it may change. */
const SETTLE_MS = 300;

const page = document.documentElement.dataset;

const within = (text, low, high, otherwise) => {
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
};
const tenths = (value) => Math.round(value * 10) / 10;

export const defaults = { psi: Number.parseFloat(page.psi), speed: 2, zoom: 1 };

/** The model that draws: size of its pictures, its layers, the start of its fingerprint. */
export const model = {
  width: Number.parseInt(page.width, 10),
  height: Number.parseInt(page.height, 10),
  layers: Number.parseInt(page.layers, 10),
  noise: page.noise === 'on',
  name: page.model,
  /** Where its file is, if this browser may draw with it. */
  weights: page.weights,
};

/** Whether these pages are files on a host that runs nothing: places are then named in the query. */
export const hosted = page.site === 'hosted';

/** Whether the visitor asked for little to be sent. */
export const saving = navigator.connection?.saveData ?? false;

const query = new URLSearchParams(location.search);
const wall = Number.parseInt(query.get('wall') ?? '', 16);
const language = query.get('lang');

/** The choices themselves. Change them through `change`. */
export const settings = {
  /** 32 bits that name the wall. */
  wall: Number.isInteger(wall) ? wall >>> 0 : crypto.getRandomValues(new Uint32Array(1))[0],
  /** Creativity of the wall, in tenths. */
  psi: tenths(within(query.get('psi'), 0.3, 2, defaults.psi)),
  /** Position of the speed slider. */
  speed: Math.round(within(query.get('speed'), -10, 10, defaults.speed)),
  /** Size of the tiles, 1 being the size that suits the window. */
  zoom: within(query.get('zoom'), 0.4, 4, defaults.zoom),
  /** Whether strange pictures are mixed in. */
  surprise: query.get('surprise') === '1',
};

let timer = 0;

/** Changes some of the settings and, a moment later, the address (where the wall is what it shows). */
export function change(some) {
  Object.assign(settings, some);
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (pagePath() === '/') history.replaceState(history.state, '', wallAddress());
  }, SETTLE_MS);
}

/** This wall's address. */
export function wallAddress() {
  const parts = { wall: settings.wall.toString(16).padStart(8, '0') };
  if (settings.psi !== defaults.psi) parts.psi = settings.psi.toFixed(1);
  if (settings.speed !== defaults.speed) parts.speed = String(settings.speed);
  if (Math.abs(settings.zoom - 1) > 0.01) parts.zoom = settings.zoom.toFixed(2);
  if (settings.surprise) parts.surprise = '1';
  return pageAddress('/', parts);
}

/** The address of a page of ours; the language stays if an address chose it. */
export function pageAddress(path, parts = {}) {
  if (hosted) {
    const [, kind, name = ''] = path.split('/');
    const query = new URLSearchParams(kind ? { [kind]: name, ...parts } : parts);
    return asked(location.pathname, query);
  }
  const query = new URLSearchParams(parts);
  if (language) query.set('lang', language);
  return asked(path, query);
}

/** A path with its query, if there is any. */
function asked(path, query) {
  return String(query) ? `${path}?${query}` : path;
}

/** The path of the page that the address shows, as the server would spell it. */
export function pagePath() {
  if (!hosted) return decodeURIComponent(location.pathname);
  const query = new URLSearchParams(location.search);
  // The montage of the original: here it is a part of the picture's room.
  if (location.pathname.endsWith('/slider.html') && /^\d+$/.test(query.get('seed') ?? '')) {
    return `/p/${BigInt(query.get('seed'))}`;
  }
  const kind = ['p', 'walk'].find((name) => query.has(name));
  if (kind) return `/${kind}/${query.get(kind)}`;
  return query.has('collection') ? '/collection' : '/';
}

// What the visitor chose, kept in the page's address so that a wall can be shared: ?wall=1f9c03aa&psi=1.1&speed=2#seed=42

/** Pauses between two writes of the address; browsers limit how often it may change. */
const SETTLE_MS = 300;

const page = document.documentElement.dataset;

const within = (text, low, high, otherwise) => {
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
};

export const defaults = { psi: Number.parseFloat(page.psi), speed: 2 };

/** The model that draws: size of its pictures, and the start of its fingerprint. */
export const model = {
  width: Number.parseInt(page.width, 10),
  height: Number.parseInt(page.height, 10),
  name: page.model,
};

/** Creativity as addresses spell it. */
export const spelledPsi = (psi) => psi.toFixed(1);

/** Seeds as addresses spell them. They are text here: a u64 does not fit a JavaScript number. */
export const spelledSeed = (seed) => String(seed).padStart(5, '0');

/**
 * The address of a picture. The model's name in the query keeps a browser from showing another model's pictures, which
 * it may hold for a year.
 */
export const pictureAddress = (seed, psi, kind) =>
  `/results/psi-${spelledPsi(psi)}/seed${spelledSeed(seed)}.${kind}?m=${model.name}`;

const query = new URLSearchParams(location.search);
const wall = Number.parseInt(query.get('wall') ?? '', 16);

/** The choices themselves. Change them through `change`. */
export const settings = {
  wall: Number.isInteger(wall) ? wall >>> 0 : crypto.getRandomValues(new Uint32Array(1))[0],
  psi: Math.round(within(query.get('psi'), 0.3, 2.0, defaults.psi) * 10) / 10,
  speed: Math.round(within(query.get('speed'), -10, 10, defaults.speed)),
};

let timer = 0;

/** Changes some of the settings and, a moment later, the address. */
export function change(some) {
  Object.assign(settings, some);
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(history.state, '', address(location.hash)), SETTLE_MS);
}

/** This wall's address with the given hash. */
export function address(hash) {
  const parts = new URLSearchParams({ wall: settings.wall.toString(16).padStart(8, '0') });
  if (settings.psi !== defaults.psi) parts.set('psi', spelledPsi(settings.psi));
  if (settings.speed !== defaults.speed) parts.set('speed', String(settings.speed));
  return `${location.pathname}?${parts}${hash}`;
}

/** The seed of the picture that the address opens, or null. Only what the server would take. */
export function openSeed() {
  const match = /^#seed=(\d{1,20})$/.exec(location.hash);
  if (!match) return null;
  const seed = BigInt(match[1]);
  return seed <= 0xffff_ffff_ffff_ffffn ? seed.toString() : null;
}

// The wall: one moving layer of tiles that are used again and again. What hangs where is decided by the cell alone.

import { Lattice, cellOf, cellSeed, strangeness } from './cells.js';
import { part } from './dom.js';
import { ofSeed, single, spell } from './recipe.js';
import { change, model, moved, saving, settings } from './settings.js';
import { Tile } from './tile.js';

/** The layer's own coordinates stay below this, where browsers still place things to a fraction of a pixel. */
const FAR = 16_000;
/** Loading looks this far ahead of the drift. */
const AHEAD_S = 0.6;
/** Beyond any squared distance in a window: how much later what hangs outside it is loaded. */
const SPARE = 1e12;
/** After a longer gap (a hidden tab, a busy computer) the wall goes on from where it was instead of jumping. */
const LONGEST_FRAME_S = 0.05;

/** Zooming covers all but 1/e of its way in this time. */
const ZOOM_S = 0.07;

/**
 * @param {number} x
 * @param {number} y
 */
const key = (x, y) => `${x},${y}`;

/** @typedef {{x: number, y: number}} Cell column and row */

export class Wall {
  /**
   * @param {HTMLElement} view the window onto the wall
   * @param {import('./camera.js').Camera} camera
   * @param {import('./loader.js').Loader} loader
   */
  constructor(view, camera, loader) {
    this.view = view;
    this.layer = part(view, '.layer');
    this.camera = camera;
    this.loader = loader;
    /** @type {Map<string, Tile>} by cell */
    this.tiles = new Map();
    /** @type {Cell | null} the first of the block that hangs; nothing while all is to be hung anew */
    this.first = null;
    this.origin = { x: 0, y: 0 };
    /** @type {number | null} when the last frame was, while there is movement */
    this.last = null;
    this.frame = 0;
    /**
     * Where the zoom is going and where it is, and the point of the window that stays where it is.
     * @type {{goal: number, x: number, y: number, at: number} | null}
     */
    this.zooming = null;
    this.urgency = (/** @type {import('./tile.js').Tile} */ tile) => this.#urgency(tile);
    /**
     * What lies over the wall and hides pictures: boxes in the window's coordinates.
     * @type {() => DOMRect[]}
     */
    this.obstacles = () => [];
    /**
     * The cell whose picture is taken, to be blended with another one.
     * @type {Cell | null}
     */
    this.taken = null;
    /** Of the window onto the wall, in CSS pixels. */
    this.width = view.clientWidth;
    this.height = view.clientHeight;
    this.lattice = this.#lattice(settings.zoom);
    this.#aim();
    this.#layOut(settings.zoom);
    new ResizeObserver(() => this.#fit()).observe(view);
    // A page that was enlarged elsewhere can be made small again here: while it is large, fingers are the browser's.
    visualViewport?.addEventListener('resize', () => view.classList.toggle('enlarged', (visualViewport?.scale ?? 1) > 1.01));
    document.addEventListener('visibilitychange', () => this.wake());
  }

  /** Fits the tiles to the window. What was in the middle stays there. */
  #fit() {
    const { clientWidth: width, clientHeight: height } = this.view;
    if (width === this.width && height === this.height) return;
    const middle = { x: this.width / 2, y: this.height / 2, toX: width / 2, toY: height / 2 };
    [this.width, this.height] = [width, height];
    this.#layOut(settings.zoom, middle);
    this.resize();
  }

  /**
   * Lays the tiles out at a zoom, so that the point (x, y) of the window comes to lie at (toX, toY).
   * @param {number} zoom
   * @param {{x: number, y: number, toX: number, toY: number}} [fixed]
   */
  #layOut(zoom, fixed) {
    const old = this.lattice;
    const lattice = this.#lattice(zoom);
    if (fixed) {
      const { camera } = this;
      camera.x = ((camera.x + fixed.x) * lattice.pitchX) / old.pitchX - fixed.toX;
      camera.y = ((camera.y + fixed.y) * lattice.pitchY) / old.pitchY - fixed.toY;
    }
    this.lattice = lattice;
    this.view.style.setProperty('--tile-width', `${lattice.tileWidth}px`);
    this.view.style.setProperty('--tile-height', `${lattice.tileHeight}px`);
    this.first = null;
    this.#draw();
    this.wake();
    this.view.dispatchEvent(new Event('laidout'));
  }

  /** Puts the place that the settings name into the middle of the window. */
  #aim() {
    const { pitchX, pitchY } = this.lattice;
    this.camera.x = settings.at.x * pitchX - this.width / 2;
    this.camera.y = settings.at.y * pitchY - this.height / 2;
  }

  /**
   * Zooms by a factor around a point of the window; `soft` glides there.
   * @param {number} factor
   */
  zoom(factor, x = this.width / 2, y = this.height / 2, soft = true) {
    const from = this.zooming?.goal ?? this.lattice.zoom;
    const { zoom: goal } = this.#lattice(from * factor);
    change({ zoom: goal });
    if (soft && !matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.zooming = { goal, x, y, at: this.lattice.zoom };
    } else {
      this.zooming = null;
      this.#layOut(goal, { x, y, toX: x, toY: y });
      this.resize();
    }
    this.wake();
  }

  /** @param {number} zoom */
  #lattice(zoom) {
    return new Lattice(this.width, this.height, model.height / model.width, zoom, saving);
  }

  /** @param {number} dt */
  #stepZoom(dt) {
    if (!this.zooming) return false;
    const { goal, x, y } = this.zooming;
    const ratio = goal / this.zooming.at;
    const done = Math.abs(Math.log(ratio)) < 0.004;
    this.zooming.at = done ? goal : this.zooming.at * ratio ** (1 - Math.exp(-dt / ZOOM_S));
    this.#layOut(this.zooming.at, { x, y, toX: x, toY: y });
    if (!done) return true;
    this.zooming = null;
    this.resize();
    return false;
  }

  /** Lets every tile ask for the kind of picture that suits its size now. */
  resize() {
    for (const tile of this.tiles.values()) tile.wish(tile.psi, this.lattice.tileWidth);
  }

  /** Draws the next frames for as long as there is movement. Call it when something may have started to move. */
  wake() {
    if (this.frame || document.hidden) return;
    this.frame = requestAnimationFrame((now) => this.#tick(now));
  }

  /** @param {number} now */
  #tick(now) {
    this.frame = 0;
    if (document.hidden) {
      this.last = null;
      return;
    }
    const dt = this.last === null ? 1 / 60 : Math.min(LONGEST_FRAME_S, Math.max(0, now - this.last) / 1000);
    const zooming = this.#stepZoom(dt);
    const moving = this.camera.step(dt) || zooming;
    this.#draw();
    this.last = moving ? now : null;
    if (moving) this.wake();
  }

  #draw() {
    const { camera, lattice, origin } = this;
    const first = lattice.first(camera.x, camera.y);
    if (Math.abs(camera.x - origin.x) > FAR || Math.abs(camera.y - origin.y) > FAR) this.first = null;
    if (this.first === null) {
      origin.x = Math.round(camera.x);
      origin.y = Math.round(camera.y);
      this.#hang(first, true);
    } else if (first.x !== this.first.x || first.y !== this.first.y) {
      this.#hang(first, false);
    }
    moved({
      x: (camera.x + this.width / 2) / lattice.pitchX,
      y: (camera.y + this.height / 2) / lattice.pitchY,
    });
    this.layer.style.transform = `translate3d(${origin.x - camera.x}px, ${origin.y - camera.y}px, 0)`;
  }

  /**
   * Hangs the block of cells that starts at `first`: tiles outside it are taken down and used again inside.
   * @param {Cell} first
   * @param {boolean} moveAll whether those that stay are to be placed anew
   */
  #hang(first, moveAll) {
    this.first = first;
    const { columns, rows, tileWidth } = this.lattice;
    const spare = [];
    for (const [place, tile] of this.tiles) {
      const { x, y } = tile.cell;
      if (x < first.x || y < first.y || x >= first.x + columns || y >= first.y + rows) {
        this.tiles.delete(place);
        spare.push(tile);
      } else if (moveAll) {
        this.#place(tile);
      }
    }
    for (let y = first.y; y < first.y + rows; y += 1) {
      for (let x = first.x; x < first.x + columns; x += 1) {
        if (this.tiles.has(key(x, y))) continue;
        const cell = { x, y };
        const { recipe, psi, strange } = this.hung(cell);
        const tile = spare.pop() ?? new Tile(this.loader, this.urgency, cell, recipe, psi);
        this.tiles.set(key(x, y), tile);
        tile.assign(cell, recipe, psi, tileWidth, strange);
        tile.take(this.taken?.x === x && this.taken.y === y);
        this.#tellHung(tile);
        this.#place(tile);
        if (!tile.element.isConnected) this.layer.append(tile.element);
      }
    }
    spare.forEach((tile) => tile.retire());
  }

  /** @param {import('./tile.js').Tile} tile */
  #place(tile) {
    const left = this.lattice.left(tile.cell.x) - this.origin.x;
    const top = this.lattice.top(tile.cell.x, tile.cell.y) - this.origin.y;
    tile.element.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** The same wall under other settings: another creativity, or strange pictures mixed in. */
  recreate() {
    for (const tile of this.tiles.values()) {
      const { recipe, psi, strange } = this.hung(tile.cell);
      tile.become(recipe, psi, this.lattice.tileWidth, strange);
      this.#tellHung(tile);
    }
  }

  /**
   * Tells who marks pictures that another one hangs at a tile.
   * @param {import('./tile.js').Tile} tile
   */
  #tellHung(tile) {
    this.view.dispatchEvent(new CustomEvent('hung', { detail: tile }));
  }

  /** Another wall, or another place on it, that the settings name. */
  goThere() {
    this.camera.stop();
    this.zooming = null;
    this.#aim();
    this.#clear();
  }

  /** The same place with every picture hung anew. */
  #clear() {
    for (const tile of this.tiles.values()) tile.retire();
    this.tiles.clear();
    this.first = null;
    this.#draw();
    this.wake();
  }

  /**
   * Brings the place where a seed hangs into the middle of the window. Seeds of more than 32 bits hang nowhere.
   * @param {string} seed
   */
  seek(seed) {
    if (BigInt(seed) > 0xffff_ffffn) return null;
    const { x, y } = settings.at;
    const cell = cellOf(settings.wall, Number(seed), { x: Math.floor(x), y: Math.floor(y) });
    const middle = this.middle(cell);
    change({ at: { x: middle.x / this.lattice.pitchX, y: middle.y / this.lattice.pitchY } });
    this.goThere();
    return cell;
  }

  /**
   * Marks the picture that is taken, or none.
   * @param {Cell | null} cell
   */
  take(cell) {
    if (this.taken) this.tileAt(this.taken)?.take(false);
    this.taken = cell;
    if (cell) this.tileAt(cell)?.take(true);
  }

  /** The same pictures, drawn again. */
  renew() {
    for (const tile of this.tiles.values()) tile.renew(this.lattice.tileWidth);
  }

  /** The tiles that can be seen now. */
  *inView() {
    const { camera, lattice } = this;
    for (const tile of this.tiles.values()) {
      const { x, y } = this.middle(tile.cell);
      const across = Math.abs(x - camera.x - this.width / 2) - lattice.tileWidth / 2;
      const down = Math.abs(y - camera.y - this.height / 2) - lattice.tileHeight / 2;
      if (across < this.width / 2 && down < this.height / 2) yield tile;
    }
  }

  /**
   * What hangs at a cell, whether in view or not, on a wall of a creativity.
   * @param {Cell} cell
   * @returns {{recipe: import('./recipe.js').Recipe, psi: number, strange: boolean}}
   */
  hung({ x, y }, psi = settings.psi) {
    const seed = cellSeed(settings.wall, x, y);
    const found = settings.surprise ? strangeness(settings.wall, x, y) : null;
    if (!found) return { recipe: ofSeed(seed), psi, strange: false };
    return { recipe: strangeRecipe(seed, found), psi: Math.max(psi, found.psi), strange: true };
  }

  /**
   * The creativity at a cell of a wall of a creativity.
   * @param {{x: number, y: number}} cell
   */
  psiAt(cell, psi = settings.psi) {
    return this.hung(cell, psi).psi;
  }

  /**
   * Squared distance from the centre of view; what will not be in view in a moment comes after everything that will.
   * @param {import('./tile.js').Tile} tile
   */
  #urgency(tile) {
    const { lattice } = this;
    const ahead = this.camera.ahead(AHEAD_S);
    const middle = this.middle(tile.cell);
    const dx = middle.x - (this.camera.x + this.width / 2 + ahead.x);
    const dy = middle.y - (this.camera.y + this.height / 2 + ahead.y);
    const outside = Math.abs(dx) >= (this.width + lattice.tileWidth) / 2 || Math.abs(dy) >= (this.height + lattice.tileHeight) / 2;
    return dx * dx + dy * dy + (outside ? SPARE : 0);
  }

  /**
   * The middle of a cell, in the wall's coordinates.
   * @param {{x: number, y: number}} cell
   */
  middle(cell) {
    const { lattice } = this;
    return {
      x: lattice.left(cell.x) + lattice.tileWidth / 2,
      y: lattice.top(cell.x, cell.y) + lattice.tileHeight / 2,
    };
  }

  /**
   * The tile that shows a cell now, if any.
   * @param {{x: number, y: number}} cell
   */
  tileAt(cell) {
    return this.tiles.get(key(cell.x, cell.y));
  }

  /**
   * The tile that shows a recipe now, if any.
   * @param {import('./recipe.js').Recipe} recipe
   */
  tileOf(recipe) {
    const name = spell(recipe);
    for (const tile of this.tiles.values()) if (spell(tile.recipe) === name) return tile;
    return null;
  }

  /** The tile in the middle of the view. */
  centre() {
    const { camera, lattice } = this;
    const middle = lattice.nearest(camera.x + this.width / 2, camera.y + this.height / 2);
    const tile = this.tileAt(middle) ?? this.tiles.values().next().value;
    // However small the window is, the lattice has cells to spare on all sides.
    if (!tile) throw new Error('nothing hangs on the wall');
    return tile;
  }

  /**
   * Glides just far enough that a cell is well inside the view, and beside whatever lies over the wall.
   * @param {{x: number, y: number}} cell
   */
  reveal(cell) {
    const { camera, lattice } = this;
    const margin = { x: lattice.pitchX * 0.6, y: lattice.pitchY * 0.6 };
    const ahead = camera.ahead(0);
    const middle = this.middle(cell);
    const at = { x: middle.x - camera.x - ahead.x, y: middle.y - camera.y - ahead.y };
    /**
     * @param {number} value
     * @param {number} low
     * @param {number} high
     */
    const inside = (value, low, high) => Math.min(Math.max(low, high), Math.max(low, value));
    /** @param {{x: number, y: number}} point */
    const fit = ({ x, y }) => ({
      x: inside(x, margin.x, this.width - margin.x),
      y: inside(y, margin.y, this.height - margin.y),
    });
    /** @param {{x: number, y: number}} point */
    const hidden = ({ x, y }) =>
      this.obstacles().some(
        (box) => x > box.left - margin.x && x < box.right + margin.x && y > box.top - margin.y && y < box.bottom + margin.y,
      );
    // Where it fits, or else beside what hides it there: the nearest of such places that is inside and free.
    const goal = fit(at);
    const beside = this.obstacles().flatMap((box) => [
      fit({ x: box.right + margin.x, y: goal.y }),
      fit({ x: goal.x, y: box.top - margin.y }),
      fit({ x: box.left - margin.x, y: goal.y }),
      fit({ x: goal.x, y: box.bottom + margin.y }),
    ]);
    /** @param {{x: number, y: number}} one */
    const far = (one) => Math.hypot(one.x - goal.x, one.y - goal.y);
    const free = [goal, ...beside].filter((one) => !hidden(one)).sort((a, b) => far(a) - far(b));
    const { x, y } = free[0] ?? goal;
    camera.glide(at.x - x, at.y - y);
    this.wake();
  }
}

/**
 * The strange picture of a cell: a line of descent far from its seed, a clash of styles, or a blend of extremes.
 * @param {number} seed
 * @param {NonNullable<ReturnType<typeof strangeness>>} found
 * @returns {import('./recipe.js').Recipe}
 */
function strangeRecipe(seed, { kind, others }) {
  const [a, b] = [ofSeed(seed).a, ofSeed(others[0]).a];
  if (kind === 'blend') return { kind, a, b, percent: 35 + (others[1] % 31) };
  // The earlier the other one rules, the more they clash; from the very first layer on it would rule alone.
  if (kind === 'mix') return { kind, a, b, layer: 1 + (others[1] % Math.max(1, Math.round(model.layers / 4))) };
  const path = others.map((/** @type {number} */ bits) => bits.toString(16).padStart(8, '0')).join('');
  return single({ seed: a.seed, path });
}

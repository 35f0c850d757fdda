// The wall: one moving layer of tiles that are used again and again. What hangs where is decided by the cell alone.

import { Lattice, cellSeed, strangeness } from './cells.js';
import { change, model, saving, settings } from './settings.js';
import { Tile } from './tile.js';

/** The layer's own coordinates stay below this, where browsers still place things to a fraction of a pixel. */
const FAR = 16_000;
/** Loading looks this far ahead of the drift. */
const AHEAD_S = 0.6;
/** After a longer gap (a hidden tab, a busy computer) the wall goes on from where it was instead of jumping. */
const LONGEST_FRAME_S = 0.05;

/** Zooming covers all but 1/e of its way in this time. */
const ZOOM_S = 0.07;

const key = (x, y) => `${x},${y}`;

export class Wall {
  /**
   * @param {HTMLElement} view the window onto the wall
   * @param {import('./camera.js').Camera} camera
   * @param {import('./loader.js').Loader} loader
   */
  constructor(view, camera, loader) {
    this.view = view;
    this.layer = view.querySelector('.layer');
    this.camera = camera;
    this.loader = loader;
    /** @type {Map<string, Tile>} by cell */
    this.tiles = new Map();
    this.first = null;
    this.origin = { x: 0, y: 0 };
    this.last = null;
    this.frame = 0;
    /** Where the zoom is going, and the point of the window that stays where it is. */
    this.zooming = null;
    this.urgency = (tile) => this.#urgency(tile);
    this.#fit();
    new ResizeObserver(() => this.#fit()).observe(view);
    document.addEventListener('visibilitychange', () => this.wake());
  }

  /** Fits the tiles to the window. What was in the middle stays there. */
  #fit() {
    const { clientWidth: width, clientHeight: height } = this.view;
    if (width === this.width && height === this.height) return;
    const middle = this.lattice && { x: this.width / 2, y: this.height / 2, toX: width / 2, toY: height / 2 };
    [this.width, this.height] = [width, height];
    this.#layOut(settings.zoom, middle);
    this.resize();
  }

  /** Lays the tiles out at a zoom, so that the point (x, y) of the window comes to lie at (toX, toY). */
  #layOut(zoom, fixed) {
    const old = this.lattice;
    const lattice = this.#lattice(zoom);
    if (old && fixed) {
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
  }

  /** Zooms by a factor around a point of the window; `soft` glides there. */
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

  #lattice(zoom) {
    return new Lattice(this.width, this.height, model.height / model.width, zoom, saving);
  }

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
    this.layer.style.transform = `translate3d(${origin.x - camera.x}px, ${origin.y - camera.y}px, 0)`;
  }

  /** Hangs the block of cells that starts at `first`: tiles outside it are taken down and used again inside. */
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
        const tile = spare.pop() ?? new Tile(this.loader, this.urgency);
        this.tiles.set(key(x, y), tile);
        tile.assign({ x, y }, this.seedAt({ x, y }), this.psiAt({ x, y }), tileWidth);
        this.#place(tile);
        if (!tile.element.isConnected) this.layer.append(tile.element);
      }
    }
    spare.forEach((tile) => tile.retire());
  }

  #place(tile) {
    const left = this.lattice.left(tile.cell.x) - this.origin.x;
    const top = this.lattice.top(tile.cell.x, tile.cell.y) - this.origin.y;
    tile.element.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** The same wall under other settings: another creativity, or strange pictures mixed in. */
  recreate() {
    for (const tile of this.tiles.values()) tile.wish(this.psiAt(tile.cell), this.lattice.tileWidth);
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

  /** The creativity at a cell of a wall of a creativity. */
  psiAt({ x, y }, psi = settings.psi) {
    const strange = settings.surprise ? strangeness(settings.wall, x, y) : 0;
    return strange || psi;
  }

  /** Squared distance from where the centre of view will be in a moment. */
  #urgency(tile) {
    const ahead = this.camera.ahead(AHEAD_S);
    const middle = this.middle(tile.cell);
    const dx = middle.x - (this.camera.x + this.width / 2 + ahead.x);
    const dy = middle.y - (this.camera.y + this.height / 2 + ahead.y);
    return dx * dx + dy * dy;
  }

  /** The middle of a cell, in the wall's coordinates. */
  middle(cell) {
    const { lattice } = this;
    return {
      x: lattice.left(cell.x) + lattice.tileWidth / 2,
      y: lattice.top(cell.x, cell.y) + lattice.tileHeight / 2,
    };
  }

  /** The tile that shows a cell now, if any. */
  tileAt(cell) {
    return this.tiles.get(key(cell.x, cell.y));
  }

  /** The tile in the middle of the view. */
  centre() {
    const { camera, lattice } = this;
    const middle = lattice.nearest(camera.x + this.width / 2, camera.y + this.height / 2);
    return this.tileAt(middle) ?? this.tiles.values().next().value;
  }

  /** The seed at a cell, whether in view or not. */
  seedAt(cell) {
    return cellSeed(settings.wall, cell.x, cell.y);
  }

  /** Glides just far enough that a cell is well inside the view, clear of `below` pixels at the bottom. */
  reveal(cell, below = 0) {
    const { camera, lattice } = this;
    const margin = { x: lattice.pitchX * 0.6, y: lattice.pitchY * 0.6 };
    const ahead = camera.ahead(0);
    const at = this.middle(cell);
    const [x, y] = [at.x - camera.x - ahead.x, at.y - camera.y - ahead.y];
    const beyond = (value, low, high) => (value < low ? value - low : Math.max(0, value - Math.max(low, high)));
    camera.glide(
      beyond(x, margin.x, this.width - margin.x),
      beyond(y, margin.y, this.height - margin.y - below),
    );
    this.wake();
  }
}

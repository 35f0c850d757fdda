// The wall: one moving layer of tiles that are used again and again. What hangs where is decided by the cell alone.

import { Lattice, cellSeed, modulo } from './cells.js';
import { model, settings } from './settings.js';
import { Tile } from './tile.js';

/** The layer's own coordinates stay below this, where browsers still place things to a fraction of a pixel. */
const FAR = 16_000;
/** Loading looks this far ahead of the drift. */
const AHEAD_S = 0.6;
/** After a longer gap (a hidden tab, a busy computer) the wall goes on from where it was instead of jumping. */
const LONGEST_FRAME_S = 0.05;

export class Wall {
  /**
   * @param {HTMLElement} view the window onto the wall
   * @param {import('./camera.js').Camera} camera
   * @param {import('./loader.js').Loader} loader
   * @param {string} kind the pictures' file ending
   */
  constructor(view, camera, loader, kind) {
    this.view = view;
    this.layer = view.querySelector('.layer');
    this.camera = camera;
    this.loader = loader;
    this.kind = kind;
    /** @type {Tile[]} slot (x mod columns, y mod rows) holds cell (x, y) */
    this.tiles = [];
    this.first = null;
    this.origin = { x: 0, y: 0 };
    this.last = null;
    this.frame = 0;
    this.urgency = (tile) => this.#urgency(tile);
    this.layOut();
    new ResizeObserver(() => this.layOut()).observe(view);
    document.addEventListener('visibilitychange', () => this.wake());
  }

  /** Fits the tiles to the window. What was in the middle stays there. */
  layOut() {
    const { clientWidth: width, clientHeight: height } = this.view;
    if (width === this.width && height === this.height) return;
    const old = this.lattice;
    const lattice = new Lattice(width, height, model.height / model.width);
    if (old) {
      const scale = lattice.pitchX / old.pitchX;
      this.camera.x = (this.camera.x + this.width / 2) * scale - width / 2;
      this.camera.y = (this.camera.y + this.height / 2) * scale - height / 2;
    }
    [this.width, this.height, this.lattice] = [width, height, lattice];
    this.view.style.setProperty('--tile-width', `${lattice.tileWidth}px`);
    this.view.style.setProperty('--tile-height', `${lattice.tileHeight}px`);
    const count = lattice.columns * lattice.rows;
    while (this.tiles.length > count) this.tiles.pop().retire();
    while (this.tiles.length < count) {
      const tile = new Tile(this.loader, this.kind, this.urgency);
      this.tiles.push(tile);
      this.layer.append(tile.element);
    }
    this.first = null;
    this.#draw();
    this.wake();
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
    const moving = this.camera.step(dt);
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

  /** Gives every slot its cell of the block that starts at `first`; only those whose cell changed get a new picture. */
  #hang(first, moveAll) {
    this.first = first;
    const { columns, rows } = this.lattice;
    for (let y = first.y; y < first.y + rows; y += 1) {
      for (let x = first.x; x < first.x + columns; x += 1) {
        const tile = this.tiles[modulo(y, rows) * columns + modulo(x, columns)];
        const same = tile.cell !== null && tile.cell.x === x && tile.cell.y === y;
        if (!same) tile.assign({ x, y }, cellSeed(settings.wall, x, y), settings.psi);
        if (!same || moveAll) this.#place(tile);
      }
    }
  }

  #place(tile) {
    const left = this.lattice.left(tile.cell.x) - this.origin.x;
    const top = this.lattice.top(tile.cell.x, tile.cell.y) - this.origin.y;
    tile.element.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** The other pictures of the same wall, at another creativity. */
  recreate(psi) {
    this.tiles.forEach((tile) => tile.recreate(psi));
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
    return this.tiles.find((tile) => tile.cell.x === cell.x && tile.cell.y === cell.y);
  }

  /** The tile in the middle of the view. */
  centre() {
    const { camera, lattice } = this;
    return this.tileAt(lattice.nearest(camera.x + this.width / 2, camera.y + this.height / 2)) ?? this.tiles[0];
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

// One picture, large: a native dialog (focus stays inside, Esc closes) that the page's address can open.

import { address, model, openSeed, pictureAddress, settings, spelledSeed } from './settings.js';
import { numbers, say } from './strings.js';

const STEPS = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
const LARGEST_SEED = 0xffff_ffff_ffff_ffffn;

export class Viewer {
  /** @param {import('./wall.js').Wall} wall */
  constructor(wall) {
    this.wall = wall;
    this.dialog = document.getElementById('viewer');
    this.picture = this.dialog.querySelector('.viewer-picture');
    this.glow = this.dialog.querySelector('.viewer-glow');
    this.title = document.getElementById('viewer-title');
    this.facts = this.dialog.querySelector('.viewer-facts');
    this.links = [...this.dialog.querySelectorAll('[data-kind]')];
    this.levels = this.dialog.querySelector('.viewer-levels');
    this.seed = null;
    this.cell = null;
    this.returnTo = null;
    /** Whether closing should take back the entry that opening put into the history. */
    this.pushed = false;

    this.dialog.addEventListener('close', () => this.#closed());
    this.dialog.addEventListener('click', (event) => {
      const step = event.target.closest('[data-step]')?.dataset.step;
      if (step) this.#step({ x: Number(step), y: 0 });
      else if (event.target === this.dialog || event.target.closest('.viewer-close')) this.dialog.close();
    });
    this.dialog.addEventListener('keydown', (event) => {
      const step = STEPS[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#step(step);
    });
    addEventListener('popstate', () => this.#follow());
    this.#follow();
  }

  /** Opens the picture of a tile. */
  open(tile) {
    this.returnTo = tile.element;
    this.cell = tile.cell;
    history.pushState(null, '', address(`#seed=${tile.seed}`));
    this.pushed = true;
    this.#show(String(tile.seed), tile.element.lastElementChild);
  }

  /** Shows what the address says: after Back, Forward, or a link to a picture. */
  #follow() {
    const seed = openSeed();
    if (seed === null) {
      this.pushed = false;
      this.dialog.close();
    } else if (seed !== this.seed) {
      this.cell = null;
      this.#show(seed, null);
    }
  }

  /** `known` is an image of the same picture that the wall has already; it bridges the time until the file is here. */
  #show(seed, known) {
    this.seed = seed;
    const psi = settings.psi;
    const spelled = spelledSeed(seed);
    this.title.textContent = say('viewer.title', { seed: spelled });
    this.facts.textContent = say('viewer.facts', {
      psi: numbers.tenths(psi),
      width: numbers.plain(model.width),
      height: numbers.plain(model.height),
    });
    for (const link of this.links) {
      const { kind } = link.dataset;
      link.href = pictureAddress(seed, psi, kind);
      link.download = `seed${spelled}-psi-${psi.toFixed(1)}.${kind}`;
    }
    this.levels.href = `/slider.html?seed=${spelled}`;
    const file = known?.dataset.address ?? pictureAddress(seed, psi, 'webp');
    this.picture.alt = say('picture.alt', { seed: spelled, psi: numbers.tenths(psi) });
    this.picture.src = file;
    this.glow.src = file;
    if (!this.dialog.open) {
      this.wall.camera.hold('viewer', true);
      this.dialog.showModal();
    }
  }

  /** To the neighbour on the wall; a picture that was opened by its address has the next seeds as neighbours. */
  #step({ x, y }) {
    if (this.cell) {
      this.cell = { x: this.cell.x + x, y: this.cell.y + y };
      this.wall.reveal(this.cell);
      this.#show(String(this.wall.seedAt(this.cell)), null);
    } else {
      const seed = BigInt(this.seed) + BigInt(x || y);
      if (seed < 0n || seed > LARGEST_SEED) return;
      this.#show(seed.toString(), null);
    }
    history.replaceState(null, '', address(`#seed=${this.seed}`));
  }

  #closed() {
    this.seed = null;
    if (openSeed() !== null) {
      if (this.pushed) history.back();
      else history.replaceState(null, '', address(''));
    }
    this.pushed = false;
    this.wall.camera.hold('viewer', false);
    this.wall.wake();
    const tile = this.cell && this.wall.tileAt(this.cell);
    (tile?.element ?? this.returnTo)?.focus({ preventScroll: true });
  }
}

// A picture's own room: large, with a native dialog around it (focus stays inside, Esc closes), and the tools to play.

import { fileAddress, pictureAddress, spelledPsi } from './address.js';
import { announce, describeCreativity } from './controls.js';
import { Children } from './children.js';
import { STEPS, foreign } from './input.js';
import { mine } from './easel.js';
import { Levels } from './levels.js';
import { Pair } from './pair.js';
import { ofSeed, seedBeside, single, spell, title } from './recipe.js';
import { addressOf, amend, go, leave, usualTool } from './router.js';
import { model } from './settings.js';
import { copy } from './share.js';
import { Stage } from './stage.js';
import { favourites, history } from './store.js';
import { numbers, say } from './strings.js';

/** A picture that is looked at for so long goes into the history. */
const LOOKED_AT_MS = 900;
const TABS = ['levels', 'children', 'blend', 'mix'];

const find = (id) => document.getElementById(id);

/** @typedef {Extract<import('./router.js').Place, {view: 'room'}>} RoomPlace */

export class Room {
  /** @param {import('./wall.js').Wall} wall */
  constructor(wall) {
    this.wall = wall;
    this.dialog = find('room');
    this.stage = new Stage(find('stage'));
    /** @type {RoomPlace | null} */
    this.place = null;
    /** Where on the wall the picture hangs, if it does. */
    this.cell = null;
    this.timer = 0;
    const change = (some, pushed) => this.change(some, pushed);
    const pair = new Pair(change);
    this.tools = { levels: new Levels(change), children: new Children(change), blend: pair, mix: pair };
    this.#listen();
  }

  #listen() {
    const { dialog } = this;
    dialog.addEventListener('close', () => this.place && leave());
    dialog.addEventListener('click', (event) => {
      const step = event.target.closest('[data-step]')?.dataset.step;
      if (step) this.#step({ x: Number(step), y: 0 });
      else if (event.target === dialog || event.target.closest('[data-close]')) dialog.close();
      if (!event.target.closest('.menu')) find('downloads').open = false;
    });
    dialog.addEventListener('keydown', (event) => {
      const step = STEPS[event.key];
      if (!step || foreign(event) || event.target.closest('input, [role="tab"], summary')) return;
      event.preventDefault();
      this.#step(step);
    });
    find('downloads').addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !find('downloads').open) return;
      event.preventDefault();
      event.stopPropagation();
      find('downloads').open = false;
      find('downloads').querySelector('summary').focus();
    });
    const psi = find('psi');
    psi.addEventListener('input', () => this.change({ psi: Math.round(psi.valueAsNumber * 20) / 20 }));
    find('noise').addEventListener('change', () => this.change({ noise: find('noise').checked }));
    find('noise-control').hidden = !model.noise;
    find('keep').addEventListener('click', () => this.#keep());
    favourites.addEventListener('change', () => this.place && this.#dressKeep());
    find('copy').addEventListener('click', async () => {
      const done = await copy(`${location.origin}${addressOf(this.place)}`);
      announce(say(done ? 'room.copied' : 'room.not-copied'));
      const words = find('copy').querySelector('span');
      words.textContent = say(done ? 'room.copied' : 'room.not-copied');
      setTimeout(() => (words.textContent = say('room.copy')), 2200);
    });
    this.#tabs();
  }

  /** Arrow keys go from tab to tab, as people expect of tabs. */
  #tabs() {
    TABS.forEach((name, index) => {
      const tab = find(`tab-${name}`);
      tab.addEventListener('click', () => this.#take(name));
      tab.addEventListener('keydown', (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = TABS[(index + step + TABS.length) % TABS.length];
        this.#take(next);
        find(`tab-${next}`).focus();
      });
    });
  }

  /** Takes another tool; where it needs another kind of picture, the nearest one. */
  #take(tool) {
    const { recipe } = this.place;
    if (tool === 'levels') this.change({ tool });
    else if (tool === 'children') this.change({ tool, recipe: single(recipe.a) });
    else this.change({ tool, recipe: this.tools[tool].turn(recipe, tool) });
  }

  /** @param {RoomPlace} place */
  show(place) {
    const fresh = !this.dialog.open;
    if (fresh) {
      this.stage.clear();
      this.dialog.showModal();
      this.dialog.scrollTop = 0;
    }
    const tile = [...this.wall.tiles.values()].find(({ recipe }) => spell(recipe) === spell(place.recipe));
    this.cell = tile?.cell ?? null;
    this.#render(place);
  }

  hide() {
    if (!this.place) return;
    this.place = null;
    clearTimeout(this.timer);
    this.dialog.close();
    const tile = this.cell && this.wall.tileAt(this.cell);
    tile?.element.focus({ preventScroll: true });
  }

  /** The same room with something changed; `pushed` if Back should undo it. */
  change(some, pushed = false) {
    const place = { ...this.place, ...some };
    // Blends and mixtures have a tool of their own; any other stays in the hand.
    if (place.recipe.kind !== 'single' && !some.tool && some.recipe) place.tool = usualTool(place.recipe);
    if (pushed) {
      go(place);
    } else {
      amend(place);
      this.#render(place);
    }
  }

  #render(place) {
    this.place = place;
    const { recipe, psi, tool, noise } = place;
    const name = title(recipe);
    const spoken = numbers.tenths(psi);
    document.title = `${name} · ${say('site.title')}`;
    find('room-title').textContent = name;
    find('room-facts').textContent = say('room.facts', {
      width: numbers.plain(model.width),
      height: numbers.plain(model.height),
    });
    this.stage.show(recipe, psi, noise, say('picture.alt', { name, psi: spoken }));
    find('psi').value = String(psi);
    describeCreativity(find('psi'), find('psi-value'));
    find('noise').checked = noise;
    for (const button of this.dialog.querySelectorAll('[data-step]')) button.hidden = recipe.kind !== 'single';
    this.#dressKeep();
    this.#dressLinks();
    TABS.forEach((name) => {
      const tab = find(`tab-${name}`);
      tab.setAttribute('aria-selected', String(name === tool));
      tab.tabIndex = name === tool ? 0 : -1;
    });
    const panel = find(`tab-${tool}`).getAttribute('aria-controls');
    for (const other of this.dialog.querySelectorAll('[role="tabpanel"]')) other.hidden = other.id !== panel;
    find(panel).setAttribute('aria-labelledby', `tab-${tool}`);
    this.tools[tool].render(place);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      history.add({ recipe, psi });
      this.#lookAhead();
    }, LOOKED_AT_MS);
  }

  #dressKeep() {
    const kept = favourites.has(this.place);
    find('keep').setAttribute('aria-pressed', String(kept));
    find('keep').querySelector('span').textContent = say(kept ? 'room.kept' : 'room.keep');
  }

  #keep() {
    const { recipe, psi } = this.place;
    const kept = favourites.has(this.place);
    if (kept) favourites.remove({ recipe, psi });
    else favourites.add({ recipe, psi });
    announce(say(kept ? 'room.unkept.spoken' : 'room.kept.spoken'));
  }

  #dressLinks() {
    const { recipe, psi, noise } = this.place;
    const name = `tadne-${spell(recipe)}`;
    const own = Math.max(model.width, model.height);
    const files = {
      png: [pictureAddress(recipe, psi, { kind: 'png', noise }), `${name}-psi-${spelledPsi(psi)}.png`],
      webp: [pictureAddress(recipe, psi, { noise }), `${name}-psi-${spelledPsi(psi)}.webp`],
      jpg: [pictureAddress(recipe, psi, { kind: 'jpg', noise }), `${name}-psi-${spelledPsi(psi)}.jpg`],
      large: [
        pictureAddress(recipe, psi, { kind: 'png', size: Math.min(1024, own * 4), noise }),
        `${name}-psi-${spelledPsi(psi)}-large.png`,
      ],
      'sweep.webp': [fileAddress('sweeps', recipe, 'webp'), `${name}-creativity.webp`],
      'sweep.png': [fileAddress('sweeps', recipe, 'png'), `${name}-creativity.png`],
      zip: [fileAddress('levels', recipe, 'zip'), `${name}-levels.zip`],
    };
    for (const link of this.dialog.querySelectorAll('[data-file]')) {
      [link.href, link.download] = files[link.dataset.file];
    }
  }

  /** To the neighbour: on the wall, among siblings, or the next seed. */
  #step({ x, y }) {
    const { recipe } = this.place;
    const beside = this.#beside(recipe, { x, y });
    if (!beside) return;
    if (this.cell) {
      this.cell = { x: this.cell.x + x, y: this.cell.y + y };
      this.wall.reveal(this.cell);
    }
    this.change({ recipe: beside });
  }

  #beside(recipe, { x, y }) {
    if (recipe.kind !== 'single') return null;
    const { seed, path } = recipe.a;
    if (path) {
      const last = (Number.parseInt(path.at(-1), 16) + (x || y) + 16) % 16;
      return single({ seed, path: path.slice(0, -1) + last.toString(16) });
    }
    if (this.cell) return ofSeed(this.wall.seedAt({ x: this.cell.x + x, y: this.cell.y + y }));
    const beside = seedBeside(seed, x || y);
    return beside === null ? null : ofSeed(beside);
  }

  /** Fetches the neighbours on both sides, so that the next step is at once. */
  #lookAhead() {
    const { recipe, psi, noise } = this.place;
    for (const x of [-1, 1]) {
      const beside = this.#beside(recipe, { x, y: 0 });
      const address = beside && pictureAddress(beside, psi, { noise });
      if (address && !mine(address)) fetch(address, { priority: 'low' }).catch(() => {});
    }
  }
}

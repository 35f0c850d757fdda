// A picture's own room: large, with a native dialog around it (focus stays inside, Esc closes), and the tools to play.

import { fileAddress, morphAddress, pictureAddress, spelledPsi } from './address.js';
import { announce, describeCreativity } from './controls.js';
import { Children } from './children.js';
import { around, find, part, within } from './dom.js';
import { Edits } from './edits.js';
import { filmed } from './film.js';
import { Likes } from './likes.js';
import { STEPS, foreign } from './input.js';
import { mine } from './easel.js';
import { Levels } from './levels.js';
import { Pair } from './pair.js';
import { fileCreature, fileName, ofSeed, seedBeside, single, spell, title } from './recipe.js';
import { amend, go, shelf, usualTool } from './router.js';
import { hosted, model, saving, settings } from './settings.js';
import { share } from './share.js';
import { Stage } from './stage.js';
import { favourites, history } from './store.js';
import { numbers, say } from './strings.js';
import { swipe } from './swipe.js';

/** A picture that is looked at for so long goes into the history. */
const LOOKED_AT_MS = 900;
/** A hand that has not stepped or pulled for so long rests: then the tools follow. */
const REST_MS = 280;
/** Tools that need two pictures. */
const PAIRS = ['blend', 'mix'];
/**
 * A model without directions has nothing to edit.
 * @type {import('./router.js').Tool[]}
 */
const TABS = ['levels', 'children', ...(model.directions.length > 0 ? [/** @type {const} */ ('edit')] : []), 'like', 'blend', 'mix'];

/** @typedef {import('./router.js').RoomPlace} RoomPlace */

export class Room {
  /** @param {import('./wall.js').Wall} wall */
  constructor(wall) {
    this.wall = wall;
    this.dialog = find('room');
    this.stage = new Stage(find('stage'));
    /** @type {RoomPlace | null} */
    this.place = null;
    /**
     * Where on the wall the picture hangs, if it does.
     * @type {import('./wall.js').Cell | null}
     */
    this.cell = null;
    this.timer = 0;
    /**
     * @param {Partial<RoomPlace>} some
     * @param {boolean} [pushed]
     */
    const change = (some, pushed) => this.change(some, pushed);
    const pair = new Pair(change);
    this.tools = {
      levels: new Levels(change),
      children: new Children(change),
      edit: new Edits(change),
      like: new Likes(change),
      blend: pair,
      mix: pair,
    };
    this.#listen();
  }

  #listen() {
    const { dialog } = this;
    dialog.addEventListener('click', (event) => {
      const step = within(event, '[data-step]')?.dataset.step;
      if (step) this.#step({ x: Number(step), y: 0 });
      else if (event.target === dialog) dialog.close();
      // Whatever was clicked, a file or something else, the menu has done its work.
      if (!within(event, 'summary')) find('downloads').open = false;
    });
    swipe(find('stage'), {
      scrolled: () => dialog.scrollTop > 0,
      sideways: (x) => this.#step({ x, y: 0 }),
      down: () => dialog.close(),
    });
    dialog.addEventListener('keydown', (event) => {
      const step = STEPS[event.key];
      if (!step || foreign(event) || within(event, 'input, [role="tab"], summary')) return;
      event.preventDefault();
      this.#step(step);
    });
    find('downloads').addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !find('downloads').open) return;
      event.preventDefault();
      event.stopPropagation();
      find('downloads').open = false;
      part(find('downloads'), 'summary').focus();
    });
    const psi = find('psi');
    psi.addEventListener('input', () => this.change({ psi: Math.round(psi.valueAsNumber * 20) / 20 }));
    find('noise').addEventListener('change', () => this.change({ noise: find('noise').checked }));
    find('noise-control').hidden = !model.noise;
    find('keep').addEventListener('click', () => this.#keep());
    favourites.addEventListener('change', () => this.place && this.#dressKeep());
    share(this.dialog, () => this.#shown, (words) => this.note(words));
    this.#tabs();
  }

  /** What the room shows: nobody can touch it before it shows something. */
  get #shown() {
    if (!this.place) throw new Error('no picture is shown');
    return this.place;
  }

  /** Arrow keys go from tab to tab, as people expect of tabs. */
  #tabs() {
    find('tab-edit').hidden = !TABS.includes('edit');
    TABS.forEach((name, index) => {
      const tab = find(`tab-${name}`);
      tab.addEventListener('click', () => this.#take(name));
      tab.addEventListener('keydown', (event) => {
        const step = event.key === 'ArrowLeft' ? -1 : Number(event.key === 'ArrowRight');
        if (!step) return;
        event.preventDefault();
        const next = TABS[(index + step + TABS.length) % TABS.length];
        this.#take(next);
        find(`tab-${next}`).focus();
      });
    });
  }

  /**
   * Takes another tool; where it needs another kind of picture, the nearest one: of a blend or a mixture that is the
   * picture that it began with. Back returns from one kind to the other.
   * @param {import('./router.js').Tool} tool
   */
  #take(tool) {
    const { recipe, tool: before } = this.#shown;
    if (tool === before) return;
    const other = tool === 'blend' || tool === 'mix' ? this.tools[tool].turn(recipe, tool) : single(recipe.a);
    this.change({ tool, recipe: other }, other.kind !== recipe.kind);
  }

  /** @param {RoomPlace} place */
  show(place) {
    const fresh = this.place === null;
    this.dialog.removeAttribute('aria-busy');
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.dialog.scrollTop = 0;
    }
    if (fresh) {
      this.stage.clear();
      const words = say(shelf() ? 'room.close.shelf' : 'room.close');
      const close = part(this.dialog, '[data-close]');
      close.setAttribute('aria-label', words);
      close.title = `${words} (Esc)`;
    }
    this.cell = this.wall.tileOf(place.recipe)?.cell ?? null;
    this.#render(place, true);
  }

  hide() {
    if (!this.place) return;
    this.place = null;
    clearTimeout(this.timer);
    clearTimeout(this.resting);
    this.dialog.close();
    const tile = this.cell && this.wall.tileAt(this.cell);
    tile?.element.focus({ preventScroll: true });
  }

  /**
   * The same room with something changed; `pushed` if Back should undo it.
   * @param {Partial<RoomPlace>} some
   */
  change(some, pushed = false) {
    const place = { ...this.#shown, ...some };
    // Blends and mixtures have a tool of their own; any other stays in the hand.
    const { kind } = place.recipe;
    if (!some.tool && some.recipe && (kind !== 'single' || PAIRS.includes(place.tool))) place.tool = usualTool(place.recipe);
    if (pushed) {
      go(place);
    } else {
      amend(place);
      this.#render(place);
    }
  }

  /**
   * `chosen` is a place that was gone to, not one on the way there.
   * @param {import('./router.js').RoomPlace} place
   */
  #render(place, chosen = false) {
    const before = this.place;
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
    const alt = say('picture.alt', { name, psi: spoken });
    // What hangs on the wall is in hand: it is shown while the large picture comes.
    const another = !before || spell(before.recipe) !== spell(recipe);
    const tile = another && noise ? this.wall.tileOf(recipe) : null;
    if (tile?.picture && tile.psi === psi) this.stage.lend(tile.picture, alt);
    this.stage.show(recipe, psi, noise, alt);
    find('psi').value = String(psi);
    describeCreativity(find('psi'), find('psi-value'), psi);
    find('noise').checked = noise;
    this.#dressSteps();
    this.#dressKeep();
    this.#dressLinks();
    TABS.forEach((name) => {
      const tab = find(`tab-${name}`);
      tab.setAttribute('aria-selected', String(name === tool));
      tab.tabIndex = name === tool ? 0 : -1;
    });
    const panel = this.dialog.querySelector(`#tab-${tool}`)?.getAttribute('aria-controls');
    for (const other of this.dialog.querySelectorAll('[role="tabpanel"]')) {
      other.hidden = other.id !== panel;
      if (!other.hidden) other.setAttribute('aria-labelledby', `tab-${tool}`);
    }
    // The levels of a picture are the same pictures at each of them.
    const same = tool === 'levels' && before && spell(before.recipe) === spell(recipe);
    this.#followWithTools(chosen || !before || same || before.tool !== tool || before.recipe.kind !== recipe.kind);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // Whoever goes through the history finds it in the order that it had.
      if (this.#onShelf() !== history) history.add({ recipe, psi });
      this.#lookAhead();
    }, LOOKED_AT_MS);
  }

  /**
   * Lets the tool show what belongs to the picture: at once, or when the hand rests, as a tool is many pictures.
   * @param {boolean | null} atOnce
   */
  #followWithTools(atOnce) {
    clearTimeout(this.resting);
    const follow = () => {
      this.dialog.classList.remove('resting');
      if (this.place) this.tools[this.place.tool].render(this.place);
    };
    // A pair's slider, and those of an edit, are the tool itself and move with the hand.
    if (atOnce || this.#shown.recipe.kind !== 'single' || this.#shown.tool === 'edit') return follow();
    this.dialog.classList.add('resting');
    this.resting = setTimeout(follow, REST_MS);
  }

  /** The ways to the neighbours, and where there is none. */
  #dressSteps() {
    const { recipe } = this.#shown;
    // Two pictures have no neighbours, and beside a found one is no other seed.
    const alone = recipe.kind !== 'single' || (Boolean(recipe.a.w) && recipe.a.path === '');
    for (const button of this.dialog.querySelectorAll('[data-step]')) {
      const beside = this.#beside(this.#shown, { x: Number(button.dataset.step), y: 0 });
      button.hidden = alone && !this.cell && !this.#onShelf();
      // Not `disabled`, which would take the focus away from whoever has just pressed it.
      button.setAttribute('aria-disabled', String(!beside));
    }
  }

  #dressKeep() {
    const kept = favourites.has(this.#shown);
    find('keep').setAttribute('aria-pressed', String(kept));
    part(find('keep'), 'span').textContent = say(kept ? 'room.kept' : 'room.keep');
  }

  #keep() {
    const { recipe, psi } = this.#shown;
    const kept = favourites.has(this.#shown);
    if (kept) favourites.remove({ recipe, psi });
    else if (!favourites.add({ recipe, psi })) return this.note(say('collection.full'));
    announce(say(kept ? 'room.unkept.spoken' : 'room.kept.spoken'));
  }

  /**
   * Says something below the buttons, for a while.
   * @param {string} words
   */
  note(words) {
    const note = find('room-note');
    note.textContent = words;
    note.hidden = false;
    clearTimeout(this.noted);
    this.noted = setTimeout(() => (note.hidden = true), 6000);
  }

  #dressLinks() {
    const { recipe, psi, noise } = this.#shown;
    const name = `tadne-${fileName(recipe)}`;
    const own = Math.max(model.width, model.height);
    /** @type {Record<string, [string, string] | undefined>} an address and a name of what can be taken home */
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
      montage: [fileAddress('montages', recipe, 'png'), `${name}-montage.png`],
      zip: [fileAddress('levels', recipe, 'zip'), `${name}-levels.zip`],
    };
    if (recipe.kind === 'blend') {
      const [a, b] = [recipe.a, recipe.b].map(fileCreature);
      for (const ending of ['webp', 'gif']) files[`morph.${ending}`] = [morphAddress(recipe, psi, ending), `tadne-${a}~${b}.${ending}`];
    }
    for (const link of this.dialog.querySelectorAll('[data-file]')) {
      const kind = link.dataset.file ?? '';
      const file = files[kind];
      // No browser writes a GIF.
      around(link, 'li').hidden = !file || (hosted && kind.endsWith('.gif'));
      if (file && link instanceof HTMLAnchorElement) [link.href, link.download] = file;
    }
    /** @type {[string, boolean][]} what moves, and whether it can be had */
    const moving = [
      ['line', recipe.kind === 'single' && recipe.a.path !== ''],
      ['line.mp4', recipe.kind === 'single' && recipe.a.path !== '' && filmed !== undefined],
      ['morph.mp4', recipe.kind === 'blend' && filmed !== undefined],
    ];
    for (const [name, had] of moving) around(part(this.dialog, `[data-share="${name}"]`), 'li').hidden = !had;
  }

  /** The shelf that the picture was taken from, as long as it is on it. */
  #onShelf() {
    const name = shelf();
    const list = name === 'favourites' ? favourites : name === 'history' ? history : null;
    return list?.has(this.#shown) ? list : null;
  }

  /**
   * To the neighbour: on the shelf, on the wall, among siblings, or the next seed.
   * @param {{x: number, y: number}} step
   */
  #step({ x, y }) {
    const beside = this.#beside(this.#shown, { x, y });
    if (!beside) return;
    if (this.cell && !this.#onShelf()) {
      this.cell = { x: this.cell.x + x, y: this.cell.y + y };
      this.wall.reveal(this.cell);
    }
    this.change(beside);
  }

  /**
   * What is changed by going to a neighbour; nothing if there is none.
   * @param {RoomPlace} place
   * @param {{x: number, y: number}} step
   * @returns {{recipe: import('./recipe.js').Recipe, psi?: number} | null}
   */
  #beside(place, { x, y }) {
    const { recipe, psi } = place;
    const list = this.#onShelf();
    if (list) {
      const kept = list.beside({ recipe, psi }, x || y);
      return kept && { recipe: kept.recipe, psi: kept.psi };
    }
    if (this.cell) {
      const there = this.wall.hung({ x: this.cell.x + x, y: this.cell.y + y });
      // A strange picture's creativity is its own; the hand's goes on from picture to picture.
      const here = this.wall.hung(this.cell);
      const own = here.strange && here.psi === psi ? settings.psi : psi;
      return { recipe: there.recipe, psi: there.strange ? there.psi : own };
    }
    if (recipe.kind !== 'single') return null;
    const { seed, w, path } = recipe.a;
    if (path) {
      const last = (Number.parseInt(path.slice(-1), 16) + (x || y) + 16) % 16;
      return { recipe: single({ ...recipe.a, path: path.slice(0, -1) + last.toString(16) }) };
    }
    if (w) return null;
    const beside = seedBeside(seed, x || y);
    return beside === null ? null : { recipe: ofSeed(beside) };
  }

  /** Fetches the neighbours on both sides as the stage will ask for them, so that the next step is at once. */
  #lookAhead() {
    if (saving) return;
    const { psi, noise } = this.#shown;
    for (const x of [-1, 1]) {
      const beside = this.#beside(this.#shown, { x, y: 0 });
      const address = beside && pictureAddress(beside.recipe, beside.psi ?? psi, { kind: 'jpg', noise });
      if (address && !mine(address)) fetch(address, { priority: 'low' }).catch(() => {});
    }
  }
}

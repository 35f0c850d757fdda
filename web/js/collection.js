// Favourites and history as a view of their own, and favourites as a file.

import { fetched } from './again.js';
import { suitableAddress } from './address.js';
import { announce } from './controls.js';
import { around, find, part, within } from './dom.js';
import { hand } from './files.js';
import { refill } from './lists.js';
import { thumbnail } from './picture.js';
import { title } from './recipe.js';
import { addressOf, go, leave, roomOf, sharable } from './router.js';
import { FOR_OTHERS } from './settings.js';
import { copy } from './share.js';
import { MOST_FAVOURITES, favourites, history } from './store.js';
import { numbers, say } from './strings.js';

/** Bytes of a file of favourites; two thousand of them take a tenth of it. */
const LARGEST_FILE = 4_000_000;

export class Collection {
  constructor() {
    this.dialog = find('collection');
    this.shown = false;
    /** @type {string | null} where the link leads by which this was left */
    this.left = null;
    /** @type {import('./store.js').Kept[]} what somebody else's link shows */
    this.shared = [];
    /** @type {{kept: import('./store.js').Kept, at: number} | null} what was taken out last, and where it was */
    this.removed = null;
    this.dialog.addEventListener('close', () => this.shown && leave());
    this.dialog.addEventListener('click', (event) => {
      if (within(event, '[data-close]')) this.dialog.close();
      const kept = within(event, '[data-remove]')?.kept;
      if (kept) return this.#remove(kept);
      const link = within(event, 'a');
      if (!link?.place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.left = link.getAttribute('href');
      go(link.place, around(link, 'ul').dataset.shelf);
    });
    find('undo').addEventListener('click', () => this.#undo());
    dialogKeys(this.dialog, () => this.#undo());
    find('export').addEventListener('click', () => this.#export());
    find('import').addEventListener('change', () => this.#import());
    find('forget').addEventListener('click', () => {
      history.clear();
      part(this.dialog, '[data-close]').focus();
    });
    find('walk-favourites').addEventListener('click', () =>
      go({ view: 'walk', from: favourites.entries[0].recipe.a, psi: favourites.entries[0].psi, favourites: true }),
    );
    find('sheet').addEventListener('click', () => this.#sheet());
    find('copy-shelf').addEventListener('click', () => this.#copy());
    find('keep-shared').addEventListener('click', () => this.#keepShared());
    favourites.addEventListener('change', () => this.shown && this.#render());
    history.addEventListener('change', () => this.shown && this.#render());
  }

  /** @param {Extract<import('./router.js').Place, {view: 'collection'}>} place */
  show(place) {
    this.shown = true;
    this.shared = place.shared ?? [];
    document.title = `${say('collection.title')} · ${say('site.title')}`;
    this.#render();
    if (this.dialog.open) return;
    this.dialog.showModal();
    // Whoever comes back from a picture is where they left.
    const links = [...this.dialog.querySelectorAll('a')];
    links.find((link) => link.getAttribute('href') === this.left)?.focus();
    this.left = null;
  }

  hide() {
    this.shown = false;
    this.dialog.close();
  }

  #render() {
    const some = favourites.entries.length > 0;
    find('no-favourites').hidden = some;
    find('no-history').hidden = history.entries.length > 0;
    find('forget').hidden = history.entries.length === 0;
    for (const id of /** @type {const} */ (['export', 'sheet', 'copy-shelf', 'walk-favourites'])) find(id).hidden = !some;
    const last = () => (find('undo-note').hidden ? this.dialog.querySelector('[data-close]') : find('undo'));
    refill(
      find('favourites'),
      favourites.entries.map((kept) => this.#item(kept, true)),
      last,
    );
    refill(
      find('history'),
      history.entries.map((kept) => this.#item(kept, false)),
      last,
    );
    find('shared-section').hidden = this.shared.length === 0;
    find('keep-shared').hidden = this.shared.every((kept) => favourites.has(kept));
    refill(
      find('shared'),
      this.shared.map((kept) => this.#item(kept, false)),
      last,
    );
  }

  /** @param {import('./store.js').Kept} kept */
  #remove(kept) {
    this.removed = { kept, at: favourites.entries.findIndex((one) => one === kept) };
    find('undo-words').textContent = say('collection.removed', { name: title(kept.recipe) });
    find('undo-note').hidden = false;
    favourites.remove(kept);
    announce(say('room.unkept.spoken'));
  }

  /** Puts back what was taken out last. */
  #undo() {
    if (!this.removed) return;
    const { kept, at } = this.removed;
    this.removed = null;
    const focused = document.activeElement === find('undo');
    favourites.restore(kept, at);
    find('undo-note').hidden = true;
    if (focused) find('favourites').children[at]?.querySelector('a')?.focus();
    announce(say('room.kept.spoken'));
  }

  /** @param {string} words */
  #note(words) {
    announce(words);
    const note = find('import-note');
    note.textContent = words;
    note.hidden = false;
  }

  /** All favourites on one sheet, as a picture. */
  async #sheet() {
    const button = find('sheet');
    button.setAttribute('aria-busy', 'true');
    try {
      const { contactSheet } = await fetched('./sheet.js', () => import('./sheet.js'));
      const most = 400;
      const shown = favourites.entries.slice(0, most);
      hand(await contactSheet(shown), 'tadne-favourites.png');
      if (shown.length < favourites.entries.length) this.#note(say('collection.sheet.part', { count: numbers.plain(most) }));
    } catch {
      this.#note(say('share.failed'));
    } finally {
      button.removeAttribute('aria-busy');
    }
  }

  /** A link that shows the favourites to somebody else: they are in the address itself. */
  async #copy() {
    const shared = sharable(favourites.entries);
    const done = await copy(new URL(addressOf({ view: 'collection', shared }, FOR_OTHERS), location.href).href);
    if (!done) return this.#note(say('room.not-copied'));
    const part = shared.length < favourites.entries.length;
    this.#note(say(part ? 'collection.copied.part' : 'collection.copied', { count: numbers.plain(shared.length) }));
  }

  #keepShared() {
    const fresh = this.shared.filter((kept) => !favourites.has(kept));
    const added = fresh.filter((kept) => favourites.add(kept)).length;
    this.#note(added < fresh.length ? say('collection.full') : say('collection.imported', { count: numbers.plain(added) }));
    this.dialog.querySelector('#favourites a')?.focus();
  }

  /**
   * @param {import('./store.js').Kept} kept
   * @param {boolean} removable
   */
  #item(kept, removable) {
    const { recipe, psi } = kept;
    const name = title(recipe);
    const link = document.createElement('a');
    link.place = roomOf(recipe, psi);
    link.href = addressOf(link.place);
    const alt = say('picture.alt', { name, psi: numbers.tenths(psi) });
    link.append(thumbnail(suitableAddress(recipe, psi, removable ? 150 : 84), alt, 128));
    const item = document.createElement('li');
    item.append(link);
    if (removable) {
      const caption = document.createElement('span');
      caption.className = 'shelf-name';
      caption.setAttribute('aria-hidden', 'true');
      caption.textContent = `${name} · ${numbers.tenths(psi)}`;
      link.append(caption);
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'round';
      button.dataset.remove = '';
      button.kept = kept;
      button.setAttribute('aria-label', say('collection.remove', { name }));
      button.title = say('collection.remove', { name });
      button.textContent = '×';
      item.append(button);
    }
    return item;
  }

  #export() {
    hand(new Blob([favourites.export()], { type: 'application/json' }), 'tadne-favourites.json');
    announce(say('collection.exported', { count: numbers.plain(favourites.entries.length) }));
  }

  async #import() {
    const [file] = find('import').files ?? [];
    if (!file) return;
    // A file of favourites is small; another one is not read into memory to find that out.
    const text = file.size > LARGEST_FILE ? null : await file.text().catch(() => null);
    find('import').value = '';
    if (text === null) return this.#note(say(file.size > LARGEST_FILE ? 'collection.too-large' : 'collection.unreadable'));
    const done = favourites.import(text);
    if (!done) return this.#note(say('collection.unreadable'));
    const { added, left } = done;
    const values = { count: numbers.plain(added), left: numbers.plain(left), most: numbers.plain(MOST_FAVOURITES) };
    this.#note(say(left > 0 ? 'collection.imported.part' : 'collection.imported', values));
  }
}

/**
 * Ctrl+Z, or Cmd+Z, takes back.
 * @param {HTMLDialogElement} dialog
 * @param {() => void} undo
 */
function dialogKeys(dialog, undo) {
  dialog.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'z' || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    undo();
  });
}

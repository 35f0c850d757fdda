// Favourites and history as a view of their own, and favourites as a file.

import { suitableAddress } from './address.js';
import { announce } from './controls.js';
import { thumbnail } from './picture.js';
import { title } from './recipe.js';
import { addressOf, go, leave, roomOf } from './router.js';
import { favourites, history } from './store.js';
import { numbers, say } from './strings.js';

const find = (id) => document.getElementById(id);

export class Collection {
  constructor() {
    this.dialog = find('collection');
    this.shown = false;
    this.dialog.addEventListener('close', () => this.shown && leave());
    this.dialog.addEventListener('click', (event) => {
      if (event.target.closest('[data-close]')) this.dialog.close();
      const kept = event.target.closest('[data-remove]')?.kept;
      if (kept) {
        favourites.remove(kept);
        announce(say('room.unkept.spoken'));
        return;
      }
      const link = event.target.closest('a');
      if (!link?.place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(link.place);
    });
    find('export').addEventListener('click', () => this.#export());
    find('import').addEventListener('change', () => this.#import());
    find('forget').addEventListener('click', () => history.clear());
    favourites.addEventListener('change', () => this.shown && this.#render());
    history.addEventListener('change', () => this.shown && this.#render());
  }

  show() {
    this.shown = true;
    document.title = `${say('collection.title')} · ${say('site.title')}`;
    this.#render();
    if (!this.dialog.open) this.dialog.showModal();
  }

  hide() {
    this.shown = false;
    this.dialog.close();
  }

  #render() {
    find('no-favourites').hidden = favourites.entries.length > 0;
    find('no-history').hidden = history.entries.length > 0;
    find('forget').hidden = history.entries.length === 0;
    find('export').hidden = favourites.entries.length === 0;
    find('favourites').replaceChildren(...favourites.entries.map((kept) => this.#item(kept, true)));
    find('history').replaceChildren(...history.entries.map((kept) => this.#item(kept, false)));
  }

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
    const file = new Blob([favourites.export()], { type: 'application/json' });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = 'tadne-favourites.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    announce(say('collection.exported', { count: numbers.plain(favourites.entries.length) }));
  }

  async #import() {
    const [file] = find('import').files;
    if (!file) return;
    const count = favourites.import(await file.text());
    find('import').value = '';
    const words =
      count < 0 ? say('collection.unreadable') : say('collection.imported', { count: numbers.plain(count) });
    announce(words);
    const note = find('import-note');
    note.textContent = words;
    note.hidden = false;
  }
}

// Lists that are filled anew without losing the focus of whoever is in them.

import { release } from './picture.js';

const FOCUSABLE = 'a[href], button:not([disabled])';

/**
 * Fills a list with items. Where the focus was in it, it is on the item that now has that place, or on the last one; on
 * the same of its controls if there are several.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items
 * @param {() => HTMLElement | null} [otherwise] what takes the focus if nothing is left
 */
export function refill(list, items, otherwise = () => null) {
  const { activeElement: active } = document;
  const focused = active instanceof HTMLElement && list.contains(active) ? active : null;
  const place = [...list.children].findIndex((item) => item.contains(focused));
  const control = focused ? [...list.children[place].querySelectorAll(FOCUSABLE)].indexOf(focused) : -1;
  const old = [...list.querySelectorAll('img')];
  list.replaceChildren(...items);
  // What has not come yet would come all the same, and before what is wanted now.
  release(old.filter((picture) => !picture.isConnected));
  if (!focused) return;
  const controls = items[Math.min(place, items.length - 1)]?.querySelectorAll(FOCUSABLE) ?? [];
  (controls[control] ?? controls[0] ?? otherwise())?.focus();
}

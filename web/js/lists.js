// Lists that are filled anew without losing the focus of whoever is in them.

const FOCUSABLE = 'a[href], button:not([disabled])';

/**
 * Fills a list with items. Where the focus was in it, it is on the item that now has that place, or on the last one; on
 * the same of its controls if there are several.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items
 * @param {() => HTMLElement | null} [otherwise] what takes the focus if nothing is left
 */
export function refill(list, items, otherwise = () => null) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...list.children].findIndex((item) => item.contains(focused));
  const control = focused && [...list.children[place].querySelectorAll(FOCUSABLE)].indexOf(focused);
  list.replaceChildren(...items);
  if (!focused) return;
  const controls = items[Math.min(place, items.length - 1)]?.querySelectorAll(FOCUSABLE) ?? [];
  (controls[control] ?? controls[0] ?? otherwise())?.focus();
}

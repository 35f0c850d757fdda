// What the scripts ask of the page's elements.

/**
 * The element of an id that the pages have.
 * @template {keyof Ids} Id
 * @param {Id} id
 */
export const find = (id) => document.getElementById(id);

/**
 * The nearest element around an event's target, or the target itself, that fits; null where there is none, also where the
 * target is no element (the document, the window).
 * @template {keyof HTMLElementTagNameMap} Tag
 * @overload
 * @param {Event} event
 * @param {Tag} selectors
 * @returns {HTMLElementTagNameMap[Tag] | null}
 */
/**
 * @overload
 * @param {Event} event
 * @param {string} selectors
 * @returns {HTMLElement | null}
 */
/**
 * @param {Event} event
 * @param {string} selectors
 * @returns {HTMLElement | null}
 */
export function within({ target }, selectors) {
  return target instanceof Element ? target.closest(selectors) : null;
}

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

/**
 * What an element must have in it, by its tag, or by what finds it and what it is; an error that names it where it is missing.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @overload
 * @param {ParentNode} whole
 * @param {Tag} selectors
 * @returns {HTMLElementTagNameMap[Tag]}
 */
/**
 * @template {HTMLElement} [Kind=HTMLElement]
 * @overload
 * @param {ParentNode} whole
 * @param {string} selectors
 * @param {new () => Kind} [kind]
 * @returns {Kind}
 */
/**
 * @param {ParentNode} whole
 * @param {string} selectors
 * @param {new () => HTMLElement} [kind]
 * @returns {HTMLElement}
 */
export function part(whole, selectors, kind = HTMLElement) {
  const found = whole.querySelector(selectors);
  if (!(found instanceof kind)) throw new Error(`the page has no ${selectors} that is a ${kind.name}`);
  return found;
}

/**
 * The nearest element around another one, which must be there.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @overload
 * @param {Element} inner
 * @param {Tag} selectors
 * @returns {HTMLElementTagNameMap[Tag]}
 */
/**
 * @overload
 * @param {Element} inner
 * @param {string} selectors
 * @returns {HTMLElement}
 */
/**
 * @param {Element} inner
 * @param {string} selectors
 * @returns {HTMLElement}
 */
export function around(inner, selectors) {
  const found = inner.closest(selectors);
  if (!found) throw new Error(`the page has no ${selectors} around this ${inner.localName}`);
  return found;
}

/**
 * What draws on a canvas; an error where the browser has no memory left for it.
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [how]
 */
export function paperOf(canvas, how) {
  const paper = canvas.getContext('2d', how);
  if (!paper) throw new Error(`nothing can be drawn on a canvas of ${canvas.width} x ${canvas.height} pixels`);
  return paper;
}

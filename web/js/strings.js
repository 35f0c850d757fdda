// All words of the page come from strings/<language>.json; numbers are written the language's way.

const language = document.documentElement.lang;
const response = await fetch(new URL(`../strings/${language}.json`, import.meta.url));
const strings = await response.json();

/**
 * The string `key`, with {name} replaced by values.name. A missing key shows itself, so that it is noticed.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function say(key, values = {}) {
  const text = strings[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (/** @type {string} */ blank, /** @type {string} */ name) => String(values[name] ?? blank));
}

const tenths = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 2 });
const signed = new Intl.NumberFormat(language, { signDisplay: 'exceptZero', maximumFractionDigits: 0 });
const plain = new Intl.NumberFormat(language);

export const numbers = {
  /** 1.1, and 1.15 where it matters */
  tenths: (/** @type {number} */ value) => tenths.format(value),
  /** +2 */
  signed: (/** @type {number} */ value) => signed.format(value),
  /** 12,345 */
  plain: (/** @type {number} */ value) => plain.format(value),
};

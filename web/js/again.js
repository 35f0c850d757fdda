// Modules that are fetched when they are first wanted, and asked for again when they did not come.

/** @type {Map<string, number>} how often each has failed */
const failures = new Map();

/**
 * Imports a module beside this file. Browsers may remember for as long as the page lives that one could not be fetched (Chromium does), so after a failure
 * it is asked for at another address of the same file.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} first the import as it stands, which also tells what is in it
 * @returns {Promise<T>}
 */
export async function fetched(path, first) {
  const failed = failures.get(path) ?? 0;
  try {
    return await (failed ? import(`${path}?again=${failed}`) : first());
  } catch (error) {
    failures.set(path, failed + 1);
    throw error;
  }
}

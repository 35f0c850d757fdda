// Which of the WebAssembly modules this browser runs fastest, and where they are.

/** Modules that use an instruction every browser with that feature knows, the fastest first. */
const HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 0x0a];
const SPLAT = [0x41, 0, 0xfd, 0x0f];
/** @type {[string, number[]][]} */
const FLAVOURS = [
  ['relaxed', [...HEAD, 0x13, 1, 0x11, 0, ...SPLAT, ...SPLAT, ...SPLAT, 0xfd, 0x85, 2, 0x0b]],
  ['simd128', [...HEAD, 8, 1, 6, 0, ...SPLAT, 0x0b]],
  ['plain', []],
];

/** The kind of module that this browser runs fastest. */
export const flavour = () =>
  FLAVOURS.find(([, probe]) => probe.length === 0 || WebAssembly.validate(Uint8Array.from(probe)))?.[0] ?? 'plain';

/**
 * Where a module of a kind is.
 * @param {'draw' | 'contest'} name
 */
export const moduleAddress = (name, kind = flavour()) => new URL(`../wasm/${name}-${kind}.wasm`, import.meta.url).href;

/**
 * Fetches a module and makes it ready to be run.
 * @param {'draw' | 'contest'} name
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compiled(name, kind = flavour()) {
  const response = await fetch(moduleAddress(name, kind));
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  // Hosts that do not know the media type of modules are common.
  return response.headers.get('Content-Type') === 'application/wasm'
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}

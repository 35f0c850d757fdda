#!/usr/bin/env -S node --no-warnings
// Runs a test program compiled for wasm32-wasip1 under Node: `node wasi.mjs PROGRAM [ARGUMENT ...]`.
import { readFile } from "node:fs/promises";
import { cwd, env, exit } from "node:process";
import { setFlagsFromString } from "node:v8";
import { WASI } from "node:wasi";

// Node 20 has relaxed-simd behind a flag; later ones have it and no longer know the flag, which does no harm.
setFlagsFromString("--experimental-wasm-relaxed-simd");

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...args], env, preopens: { "/": cwd() }, returnOnExit: true });
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject());
exit(wasi.start(instance));

// What the comparisons in a browser share: a server of files, and the median.

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** The middle one. */
export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/**
 * Serves what `find` gives for a path: a file's name or a page's text; packed files beside it (`.br`) are sent in its place.
 * @param {(pathname: string) => {file?: string, text?: string} | null} find
 * @param {(pathname: string, bytes: number) => void} [sent] told of every answer
 * @returns {Promise<{origin: string, close: () => void}>}
 */
export async function serve(find, sent = () => {}) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const { file, text } = find(pathname) ?? {};
    if (text === undefined && !(file && fs.existsSync(file))) return response.writeHead(404).end();
    const packed = file && /\bbr\b/.test(request.headers['accept-encoding'] ?? '') && fs.existsSync(`${file}.br`);
    const bytes = file ? fs.readFileSync(packed ? `${file}.br` : file) : Buffer.from(text);
    const headers = { 'Content-Type': file ? (TYPES[path.extname(file)] ?? 'application/octet-stream') : 'text/html' };
    if (packed) headers['Content-Encoding'] = 'br';
    response.writeHead(200, headers).end(bytes);
    sent(pathname, bytes.length);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

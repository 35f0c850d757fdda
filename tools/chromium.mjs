// A headless Chromium for scripts: starts one, speaks the DevTools protocol with it over a pipe, and cleans up behind it.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--hide-scrollbars', '--window-size=1280,800'];

/** A running browser. `$CHROME` names the program, `chromium` otherwise. */
export class Chromium {
  #waiting = new Map();
  #listeners = [];
  #last = 0;

  constructor() {
    this.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tadne-chromium-'));
    const flags = [...FLAGS, `--user-data-dir=${this.profile}`, '--remote-debugging-pipe', 'about:blank'];
    this.process = spawn(process.env.CHROME ?? 'chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let heard = '';
    // Each message ends with a zero.
    this.process.stdio[4].setEncoding('utf8').on('data', (text) => {
      const messages = (heard + text).split('\0');
      heard = messages.pop();
      for (const message of messages.map((each) => JSON.parse(each))) this.#take(message);
    });
  }

  #take(message) {
    if (message.id) {
      const { done, failed } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) failed(new Error(message.error.message));
      else done(message.result);
    } else {
      for (const listener of this.#listeners) listener(message);
    }
  }

  /** Sends a command, to one page where `sessionId` names it. */
  send(method, params = {}, sessionId = undefined) {
    return new Promise((done, failed) => {
      this.#waiting.set((this.#last += 1), { done, failed });
      this.process.stdio[3].write(`${JSON.stringify({ id: this.#last, method, params, sessionId })}\0`);
    });
  }

  /** Calls `listener` with every event. */
  on(listener) {
    this.#listeners.push(listener);
  }

  /** A page that shares nothing with others; `script` runs in it before anything of each document that it goes to. */
  async page(script = undefined) {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const send = (method, params) => this.send(method, params, sessionId);
    await send('Page.enable');
    if (script) await send('Page.addScriptToEvaluateOnNewDocument', { source: script });
    /** The value of an expression in the page; promises are waited for. */
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    return {
      sessionId,
      send,
      evaluate,
      go: (url) => send('Page.navigate', { url }),
      close: () => this.send('Target.closeTarget', { targetId }),
    };
  }

  async close() {
    const gone = new Promise((done) => { this.process.once('exit', done); });
    // Politely, so that none of its processes writes to the profile any more.
    this.send('Browser.close').catch(() => {});
    await gone;
    fs.rmSync(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** Waits for so many milliseconds. */
export const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/**
 * Waits until an expression is true in a page.
 * @param {{evaluate(expression: string): Promise<unknown>}} page
 * @param {string} expression
 * @param {number} seconds at most
 */
export async function until(page, expression, seconds = 120) {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await sleep(100)) {
    if (await page.evaluate(`Boolean(${expression})`)) return;
  }
  throw new Error(`not within ${seconds} s: ${expression}`);
}

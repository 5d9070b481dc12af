/** A connection to the agent's Unix socket that speaks `SEND` and `SYNC`, so that a scenario is exact. */
import { once } from 'node:events';
import net from 'node:net';

/**
 * An event as a sender claims it.
 * @typedef {{
 *   tag?: string, level?: string, msg?: string, run?: string, took?: number | string,
 *   fields?: Record<string, unknown>, [key: string]: unknown,
 * }} Draft
 */

export class Sender {
  #rest = '';
  /** Answers that the test has not read yet. @type {string[]} */
  #answers = [];
  /** @type {((line: string | undefined) => void) | undefined} */
  #waiting;

  /** @param {net.Socket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (/** @type {unknown} */ text) => this.#received(String(text)));
    socket.on('error', () => {});
    socket.on('close', () => this.#waiting?.(undefined));
  }

  /** @param {string} path */
  static async connect(path) {
    const socket = net.connect(path);
    await once(socket, 'connect');
    return new Sender(socket);
  }

  /** @param {string} text */
  #received(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) {
        waiting(line);
      } else {
        this.#answers.push(line);
      }
    }
  }

  /** The next line of the agent. Rejects if it closes the connection. @returns {Promise<string>} */
  async #answer() {
    const line = this.#answers.shift() ?? (await new Promise((resolve) => {
      if (this.socket.destroyed) {
        resolve(undefined);
      }
      this.#waiting = resolve;
    }));
    if (line === undefined) {
      throw new Error('the agent closed the connection');
    }
    return line;
  }

  /** Writes one line and returns the answer to it. @param {string} line */
  async request(line) {
    this.socket.write(`${line}\n`);
    return this.#answer();
  }

  /** Sends events without waiting for an acknowledgement. @param {Draft[]} events */
  write(...events) {
    this.socket.write(events.map((event) => `SEND ${JSON.stringify(event)}\n`).join(''));
  }

  /**
   * Sends events and waits until the agent has stored them.
   * @param {Draft[]} events
   * @returns {Promise<string>} the cursor of the last one
   */
  async send(...events) {
    this.write(...events);
    const answer = await this.request('SYNC');
    if (!answer.startsWith('OK ')) {
      throw new Error(`SYNC: ${answer}`);
    }
    return answer.slice(3);
  }

  /**
   * Sends many events, as fast as the agent reads them.
   * @param {number} count
   * @param {(index: number) => Draft} event
   */
  async flood(count, event) {
    const CHUNK = 500;
    for (let from = 0; from < count; from += CHUNK) {
      const chunk = Array.from({ length: Math.min(CHUNK, count - from) }, (_, at) => event(from + at));
      const text = chunk.map((draft) => `SEND ${JSON.stringify(draft)}\n`).join('');
      if (!this.socket.write(text)) {
        await once(this.socket, 'drain');
      }
    }
    return this.send();
  }

  /** Closes the connection without `QUIT`: the agent abandons its open runs. */
  close() {
    this.socket.destroy();
  }
}

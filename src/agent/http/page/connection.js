// One HTTP connection that reads Server-Sent Events for as long as it is wanted: it reconnects with backoff,
// notices a dead connection and a machine that slept. Works in a page and in a worker.

import { SseParser } from './sse.js';

/** @typedef {import('./types.js').Status} Status */
/** @typedef {import('./sse.js').Frame} Frame */

/** The address of the page: assets lie one level below. A proxy may add a path. */
export const BASE = new URL('../', import.meta.url);

/** The delay before a reconnect, in milliseconds: doubled from the first to the last. */
export const BACKOFF_MIN = 500;
export const BACKOFF_MAX = 15_000;

/** A connection without a byte for so long is dead. The agent sends a comment every 15 s. */
export const SILENCE_MAX = 40_000;

/** After so much silence, a sign that the network or the machine was away is reason enough to reconnect. */
const SILENCE_SUSPICIOUS = 20_000;

/** Interval at which silence is checked. */
const TICK = 5_000;

/** A tick that comes later than this reveals sleep, or a browser that suspended the timers. */
const TICK_LATE = 3 * TICK;

/** A connection that lived this long was good: the next backoff begins at the minimum. */
const STABLE = 5_000;

/** The longest delay that the agent may ask for (`retry:`, `Retry-After`). */
const RETRY_MAX = 120_000;

/** The most bytes of the body of an error that are read. */
const ERROR_BODY_MAX = 4096;

/**
 * @typedef {object} Options
 * @property {() => string|null} url  the address of the next attempt; null while nothing is wanted
 * @property {(frames: Frame[]) => void} onFrames  the frames of one chunk, at least one
 * @property {() => void} [onOpen]  the agent accepted the connection
 * @property {(status: Status) => void} onStatus
 * @property {typeof fetch} [fetch]
 * @property {() => number} [now]       milliseconds of the wall clock: it counts sleep, a monotonic one may not
 * @property {() => number} [random]    0 to 1
 */

/**
 * The delay before attempt `n` (the first is 0), in milliseconds, with jitter, so that pages do not reconnect at
 * the same moment.
 * @param {number} n
 * @param {number} random  0 to 1
 * @returns {number}
 */
export function backoff(n, random) {
  const full = Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** Math.min(n, 16));
  return Math.max(BACKOFF_MIN, full * (0.5 + random / 2));
}

/** A connection. It does nothing until `restart` is called. */
export class Connection {
  #options;
  #fetch;
  #now;
  #random;
  /** @type {AbortController|null} the request of the current attempt */
  #request = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #ticker;
  #attempt = 0;
  #heard = 0;
  #ticked = 0;
  #opened = 0;
  /** @type {Status} */
  #status = { state: 'connecting', why: '' };

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#fetch = options.fetch ?? fetch.bind(globalThis);
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
  }

  get status() {
    return this.#status;
  }

  /** Connects anew with the current address. A live connection stays `live` meanwhile: this is no failure. */
  restart() {
    if (this.#status.state === 'ended') return;
    this.#connect();
  }

  /** Connects now, also after the connection has ended. */
  retry() {
    if (this.#status.state === 'live' || (this.#status.state === 'connecting' && this.#request)) return;
    this.#attempt = 0;
    this.#set({ state: 'connecting', why: '' });
    this.#connect();
  }

  /**
   * The network is back, or the user looks at the page again. Reconnects unless the connection is known to live.
   * @param {boolean} [network]  the network was away, so that the connection probably is dead
   */
  wake(network = false) {
    if (this.#status.state === 'ended') return;
    if (this.#status.state === 'waiting') this.retry();
    else if (this.#request && (network || this.#silence() > SILENCE_SUSPICIOUS)) this.#connect();
  }

  /** Closes the connection until `restart`. */
  stop() {
    this.#abandon();
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #connect() {
    this.#abandon();
    const url = this.#options.url();
    if (url === null) {
      this.stop();
      return;
    }
    const request = new AbortController();
    this.#request = request;
    this.#heard = this.#now();
    this.#opened = 0;
    this.#tickFrom(this.#heard);
    if (this.#status.state !== 'live') this.#set({ state: 'connecting', why: this.#status.why });
    this.#run(url, request).catch((error) => this.#lost(request, reason(error)));
  }

  /** Ends the current attempt. What it still yields is ignored. */
  #abandon() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#request?.abort();
    this.#request = null;
  }

  /**
   * @param {string} url
   * @param {AbortController} request
   */
  async #run(url, request) {
    const response = await this.#fetch(url, {
      headers: { accept: 'text/event-stream' },
      cache: 'no-store',
      credentials: 'same-origin',
      signal: request.signal,
    });
    if (request !== this.#request) return;
    this.#heard = this.#now();
    const type = response.headers.get('content-type') ?? '';
    if (response.status !== 200 || !type.startsWith('text/event-stream') || !response.body) {
      await this.#refused(response, request);
      return;
    }
    this.#opened = this.#now();
    this.#set({ state: 'live', why: '' });
    this.#options.onOpen?.();
    await this.#read(response.body.getReader(), request);
  }

  /**
   * @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @param {AbortController} request
   */
  async #read(reader, request) {
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (request !== this.#request) return;
      if (done) {
        this.#lost(request, 'the agent closed the connection', parser.retry);
        return;
      }
      this.#heard = this.#now();
      const frames = parser.push(value);
      const end = frames.findIndex((frame) => frame.event === 'end');
      const before = end < 0 ? frames : frames.slice(0, end);
      if (before.length > 0) this.#options.onFrames(before);
      // A handler may have called stop or restart.
      if (request !== this.#request) return;
      if (end >= 0) {
        this.#end(why(frames[end].data) || 'the agent ended the stream');
        return;
      }
    }
  }

  /**
   * @param {Response} response
   * @param {AbortController} request
   */
  async #refused(response, request) {
    const told = why(await head(response)) || `the agent answered ${response.status} ${response.statusText}`.trim();
    if (request !== this.#request) return;
    const { status } = response;
    if (status === 401 || status === 403) {
      this.#end(told, status);
      return;
    }
    this.#lost(request, status === 200 ? 'the answer is not an event stream' : told,
      retryAfter(response.headers.get('retry-after'), this.#now()), status);
  }

  /**
   * @param {string} why
   * @param {number} [code]
   */
  #end(why, code) {
    this.stop();
    this.#set({ state: 'ended', why, ...(code ? { code } : {}) });
  }

  /**
   * Schedules the next attempt.
   * @param {AbortController} request
   * @param {string} why
   * @param {number} [wait]  milliseconds that the agent asked for
   * @param {number} [code]
   */
  #lost(request, why, wait, code) {
    if (request !== this.#request) return;
    this.#abandon();
    if (this.#opened > 0 && this.#now() - this.#opened > STABLE) this.#attempt = 0;
    // A part of the delay is added to what the agent asked for: pages that were told the same must not meet.
    const delay = wait === undefined
      ? backoff(this.#attempt, this.#random())
      : Math.min(wait, RETRY_MAX) + this.#random() * BACKOFF_MIN;
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#set({ state: 'waiting', why, retryAt: this.#now() + delay, ...(code ? { code } : {}) });
  }

  #silence() {
    return this.#now() - this.#heard;
  }

  /** @param {number} now */
  #tickFrom(now) {
    this.#ticked = now;
    this.#ticker ??= setInterval(() => this.#tick(), TICK);
  }

  #tick() {
    const now = this.#now();
    const late = now - this.#ticked > TICK_LATE;
    this.#ticked = now;
    // The clock was set back.
    if (now < this.#heard) this.#heard = now;
    if (!this.#request) {
      if (late && this.#status.state === 'waiting') this.retry();
      return;
    }
    const silence = this.#silence();
    if (this.#status.state === 'live' && this.#opened === 0) this.#set({ state: 'connecting', why: '' });
    if (late && silence > SILENCE_SUSPICIOUS) {
      this.#attempt = 0;
      this.#connect();
    } else if (silence > SILENCE_MAX) {
      const request = this.#request;
      this.#attempt = 0;
      this.#lost(request, `nothing heard from the agent for ${Math.round(silence / 1000)} s`);
    }
  }

  /** @param {Status} status */
  #set(status) {
    const before = this.#status;
    this.#status = status;
    const same = before.state === status.state && before.why === status.why && before.code === status.code
      && before.retryAt === status.retryAt;
    if (!same) this.#options.onStatus(status);
  }
}

/**
 * @param {string} body  JSON, `{"why":…}` or `{"error":{"why":…}}`
 * @returns {string}  `''` if it says no reason
 */
export function why(body) {
  try {
    const object = JSON.parse(body);
    const text = object?.error?.why ?? object?.why;
    return typeof text === 'string' ? text : '';
  } catch {
    return '';
  }
}

/**
 * The beginning of a body: an error page of a proxy can have any length.
 * @param {Response} response
 * @returns {Promise<string>}
 */
export async function head(response) {
  const reader = response.body?.getReader();
  if (!reader) return '';
  const decoder = new TextDecoder();
  let text = '';
  while (text.length < ERROR_BODY_MAX) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
  }
  void reader.cancel();
  return text;
}

/**
 * @param {string|null} header  seconds, or a date
 * @param {number} now
 * @returns {number|undefined}  milliseconds
 */
export function retryAfter(header, now) {
  if (!header) return undefined;
  if (/^\d{1,6}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** @param {unknown} error */
function reason(error) {
  // Browsers say no more than "failed to fetch".
  return error instanceof TypeError ? 'the agent cannot be reached' : String(error instanceof Error ? error.message : error);
}

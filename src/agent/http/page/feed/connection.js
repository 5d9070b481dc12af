// One HTTP connection that reads Server-Sent Events. It reconnects with backoff, and detects dead connections
// and sleep of the machine. Works in a page and in a worker.

import { SseParser } from './sse.js';

/** @typedef {import('../types.js').Status} Status */
/** @typedef {import('./sse.js').Frame} Frame */

/** The base URL of the page. Assets are one level below it. A proxy may add a path prefix. */
export const BASE = new URL('../../', import.meta.url);

/** Bounds of the delay before a reconnect, in milliseconds. It doubles with each attempt. */
export const BACKOFF_MIN = 500;
export const BACKOFF_MAX = 15_000;

/** A connection is dead after this silence, in milliseconds. The agent sends a heartbeat every 15 s. */
export const SILENCE_MAX = 40_000;

/** After this much silence, a sign of sleep or of a network change suffices to reconnect. */
const SILENCE_SUSPICIOUS = 20_000;

/** Several pages report that the network is back: only attempts older than this are replaced. */
const FRESH = 2_000;

/** The interval of the check for silence. */
const TICK = 5_000;

/** A tick later than this reveals sleep, or a browser that suspended the timers. */
const TICK_LATE = 3 * TICK;

/** A connection that lived this long was stable: it resets the backoff. */
const STABLE = 5_000;

/** The maximum delay that the agent can request (`retry:`, `Retry-After`). */
const RETRY_MAX = 120_000;

/** The maximum number of characters read of the body of an error. */
const ERROR_BODY_MAX = 4096;

/**
 * @typedef {object} Options
 * @property {() => string|null} url  the URL of the next attempt; null if nothing is subscribed
 * @property {(frames: Frame[]) => void} onFrames  the frames of one chunk, at least one
 * @property {() => void} [onOpen]  the agent accepted the connection
 * @property {(status: Status) => void} onStatus
 * @property {typeof fetch} [fetch]
 * @property {() => number} [now]
 *   milliseconds of the wall clock: it counts sleep, a monotonic one may not
 * @property {() => number} [random]    0 to 1
 */

/**
 * The delay before attempt `n` (the first is 0), in milliseconds, with jitter, so that pages do not reconnect
 * at the same moment.
 * @param {number} n
 * @param {number} random  0 to 1
 * @returns {number}
 */
export function backoff(n, random) {
  const full = Math.min(BACKOFF_MAX, BACKOFF_MIN * 2 ** Math.min(n, 16));
  return Math.max(BACKOFF_MIN, full * (0.5 + random / 2));
}

/** A connection. It is idle until `restart` is called. */
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
  /** Start of the current attempt, and of its response; 0 before. */
  #began = 0;
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

  /** The time from the response to the newest byte, in milliseconds; 0 before the response. */
  get lived() {
    return this.#opened > 0 ? this.#heard - this.#opened : 0;
  }

  /** Reconnects with the current URL. The status stays `live` meanwhile, because this is no failure. */
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
   * Reacts to a network that is back, or to a page that is visible again: reconnects now if the connection is
   * waiting or possibly dead.
   * @param {boolean} [network]  the network was away, so that the connection probably is dead
   */
  wake(network = false) {
    if (this.#status.state === 'ended') return;
    if (this.#status.state === 'waiting') this.retry();
    else if (this.#request && (network ? this.#age() > FRESH : this.#silence() > SILENCE_SUSPICIOUS))
      this.#connect();
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
    this.#began = this.#heard;
    this.#opened = 0;
    this.#tickFrom(this.#heard);
    if (this.#status.state !== 'live') this.#set({ state: 'connecting', why: this.#status.why });
    this.#run(url, request).catch((error) => this.#lost(request, reason(error)));
  }

  /** Aborts the current attempt. Its remaining frames are ignored. */
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
    const reported =
      why(await head(response)) || `the agent answered ${response.status} ${response.statusText}`.trim();
    if (request !== this.#request) return;
    const { status } = response;
    if (status === 401 || status === 403) {
      this.#end(reported, status);
      return;
    }
    this.#lost(
      request,
      status === 200 ? 'the answer is not an event stream' : reported,
      retryAfter(response.headers.get('retry-after'), this.#now()),
      status,
    );
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
    // Jitter, because all pages got the same delay from the agent.
    const delay =
      wait === undefined
        ? backoff(this.#attempt, this.#random())
        : Math.min(wait, RETRY_MAX) + this.#random() * BACKOFF_MIN;
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#set({ state: 'waiting', why, retryAt: this.#now() + delay, ...(code ? { code } : {}) });
  }

  #age() {
    return this.#now() - this.#began;
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
    const same =
      before.state === status.state &&
      before.why === status.why &&
      before.code === status.code &&
      before.retryAt === status.retryAt;
    if (!same) this.#options.onStatus(status);
  }
}

/**
 * @param {string} body  JSON, `{"why":…}` or `{"error":{"why":…}}`
 * @returns {string}  `''` if it has no reason
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
 * Reads the beginning of a body. An error page of a proxy can have any length.
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
  // Browsers report nothing more specific than "failed to fetch".
  return error instanceof TypeError
    ? 'the agent cannot be reached'
    : String(error instanceof Error ? error.message : error);
}

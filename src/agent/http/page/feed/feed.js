// The page's side of the feed: subscriptions through the hub in the shared worker, or through its own hub.

import { page, readJson, readLines } from './request.js';
import { cursorAt } from './cursor.js';
import { createSeen } from './seen.js';

/** @typedef {import('../types.js').Feed} Feed */
/** @typedef {import('../types.js').Status} Status */
/** @typedef {import('../types.js').Stats} Stats */
/** @typedef {import('../types.js').EventSubscription} EventSubscription */
/** @typedef {import('../types.js').ViewSubscription} ViewSubscription */
/** @typedef {{version: string, newest: string, ahead: number}} Agent */
/**
 * @typedef {object} Subscription
 * @property {EventSubscription|ViewSubscription} spec
 * @property {(message: any, cursor: string) => void} on
 * @property {string} cursor  of the last message, `''` before the first one
 */

/** The interval of heartbeats to the hub, and the timeout of the reply, in milliseconds. */
const PING = 20_000;

/** The timeout of the first reply of the shared worker. */
const WORKER_START_MAX = 4_000;

/** The timeout of the request for the version, in milliseconds. The page connects without it. */
const STATS_TIMEOUT = 3_000;

/** The minimum interval between reloads for a new version. */
const RELOAD_MIN = 60_000;

/** Connects a page to its hub, and reconnects if the worker dies. */
class HubLink {
  /** @type {MessagePort|null} */
  #port = null;
  #version = '';
  #local = false;
  #failures = 0;
  #pinged = 0;
  #answered = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #starting;
  #onMessage;
  #onConnect;

  /**
   * @param {(message: any) => void} onMessage
   * @param {() => void} onConnect  the hub knows nothing of this page yet
   */
  constructor(onMessage, onConnect) {
    this.#onMessage = onMessage;
    this.#onConnect = onConnect;
  }

  /** @param {string} version  of the agent that served the page */
  connect(version) {
    this.#version = version;
    this.#port?.close();
    const worker = this.#local ? null : this.#worker();
    if (worker) this.#use(worker.port);
    else void this.#useLocal();
  }

  /** @returns {SharedWorker|null} */
  #worker() {
    if (typeof SharedWorker === 'undefined' || this.#failures >= 2) return null;
    try {
      // Pages of an older version keep a worker of their own until they reload.
      const name = `pulse feed ${this.#version}`;
      const worker = new SharedWorker(new URL('./feed-worker.js', import.meta.url), { name, type: 'module' });
      worker.addEventListener('error', () => this.#failed(worker.port));
      this.#starting = setTimeout(() => this.#failed(worker.port), WORKER_START_MAX);
      return worker;
    } catch {
      return null;
    }
  }

  async #useLocal() {
    this.#local = true;
    const { Hub } = await import('./hub.js');
    const { port1, port2 } = new MessageChannel();
    this.#use(port2);
    new Hub().attach(port1);
  }

  /** @param {MessagePort} port */
  #use(port) {
    this.#port = port;
    this.#answered = true;
    port.onmessage = ({ data }) => {
      if (port !== this.#port) return;
      clearTimeout(this.#starting);
      if (data.pong) this.#pong(data.known);
      else this.#onMessage(data);
    };
    port.start();
    this.#onConnect();
  }

  /** @param {MessagePort} port */
  #failed(port) {
    if (port !== this.#port) return;
    clearTimeout(this.#starting);
    this.#failures += 1;
    this.#local = this.#failures >= 2;
    this.connect(this.#version);
  }

  /** @param {boolean} known */
  #pong(known) {
    this.#answered = true;
    this.#failures = 0;
    if (known) return;
    this.send({ rejoin: true });
    this.#onConnect();
  }

  /** Sends a heartbeat, and detects a dead worker. */
  ping() {
    const now = Date.now();
    // A page that was frozen could not receive the reply either.
    if (!this.#answered && this.#port && now - this.#pinged < 3 * PING) this.#failed(this.#port);
    this.#pinged = now;
    this.#answered = false;
    this.send({ ping: true });
  }

  /** @param {unknown} message */
  send(message) {
    this.#port?.postMessage(message);
  }
}

/**
 * @param {string} [host]  pattern of the hosts that are shown; `''` is the machine of the agent
 * @returns {Feed}
 */
export function createFeed(host = '') {
  /** @type {Map<string, Subscription>} */
  const subscriptions = new Map();
  /** @type {Set<(status: Status) => void>} */
  const listeners = new Set();
  const seen = createSeen();
  /** @type {Status} */
  let status = { state: 'connecting', why: '' };
  let named = 0;
  /** Any cursor of the log that is shown. */
  let known = '';
  let ahead = 0;
  let version = '';

  const link = new HubLink(receive, () => {
    for (const [id, subscription] of subscriptions) ask(id, subscription);
  });

  /**
   * @param {string} id
   * @param {Subscription} subscription
   */
  function ask(id, { spec, cursor }) {
    link.send({ subscribe: id, spec, after: cursor });
  }

  /** @param {any} message */
  function receive(message) {
    if (message.agent) learn(message.agent);
    if (message.status) {
      status = message.status;
      for (const listener of [...listeners]) listener(status);
    }
    if (!message.frames) return;
    for (const [id, object, cursor] of message.frames) {
      const subscription = subscriptions.get(id);
      if (!subscription) continue;
      if (cursor) {
        subscription.cursor = cursor;
        known = cursor;
      }
      if (object.view) seen.view(object);
      else if (object.tag) seen.event(object);
      report(() => subscription.on(object, cursor));
    }
    if (message.n > 0) link.send({ ack: message.n });
  }

  /** @param {Agent} agent */
  function learn(agent) {
    ahead = agent.ahead;
    if (!host) known ||= agent.newest;
    if (version && agent.version !== version) reload();
    version ||= agent.version;
  }

  // The version is part of the worker's name: a page never talks to a worker of another version.
  stats({ signal: AbortSignal.timeout(STATS_TIMEOUT) })
    .then(
      (figures) => {
        version = figures.version;
        if (!host) known ||= figures.newest;
      },
      () => {},
    )
    .finally(() => link.connect(version));

  setInterval(() => link.ping(), PING);
  const wake = () => {
    if (document.visibilityState !== 'visible') return;
    link.send({ wake: 'visible' });
    if (status.state === 'ended') link.send({ retry: true });
  };
  document.addEventListener('visibilitychange', wake);
  window.addEventListener('focus', wake);
  window.addEventListener('online', () => link.send({ wake: 'online' }));
  window.addEventListener('pagehide', () => link.send({ bye: true }));
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) link.ping();
  });

  /** @param {{signal?: AbortSignal}} [options] */
  function stats(options) {
    return /** @type {Promise<Stats>} */ (readJson('stats', {}, options));
  }

  return {
    subscribe(/** @type {any} */ spec, /** @type {any} */ on) {
      named += 1;
      const id = `t${named}`;
      const subscription = { spec: host ? { host, ...spec } : spec, on, cursor: '' };
      subscriptions.set(id, subscription);
      ask(id, subscription);
      return () => {
        if (subscriptions.delete(id)) link.send({ unsubscribe: id });
      };
    },
    page: async (query, options) => {
      const { lines, at } = await page({ ...query, host }, options);
      known ||= at;
      for (const line of lines) if (!('gap' in line)) seen.event(line);
      return lines;
    },
    snapshot: (view, query, options) => readJson(`views/${view}`, { ...query, host }, options),
    async check(match, options) {
      try {
        await readLines({ match, lines: 0 }, options);
        return null;
      } catch (error) {
        const failure = /** @type {import('../types.js').RequestFailure} */ (error);
        if (failure.code === 64) return failure;
        throw error;
      }
    },
    stats,
    get status() {
      return status;
    },
    onStatus(fn) {
      listeners.add(fn);
      fn(status);
      return () => {
        listeners.delete(fn);
      };
    },
    retry: () => link.send({ retry: true }),
    cursor: (seq) => cursorAt(known, seq),
    now: () => Date.now() + ahead,
    seen,
    close: () => link.send({ bye: true }),
  };
}

/**
 * Isolates handlers from each other: an exception is reported, and the next handler runs.
 * @param {() => void} call
 */
function report(call) {
  try {
    call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/** Loads the page of the agent's new version. What is shown is in the URL. */
function reload() {
  const key = 'pulse reloaded';
  try {
    const last = Number(sessionStorage.getItem(key));
    if (Date.now() - last < RELOAD_MIN) return;
    sessionStorage.setItem(key, String(Date.now()));
  } catch {
    return;
  }
  location.reload();
}

// The hub multiplexes the subscriptions of all pages of a browser over one connection, and shares identical
// ones. It runs in the shared worker, or in the page if the browser has none.

import { Connection } from './connection.js';
import { cursorAt, seqOf } from './cursor.js';
import { apply } from './delta.js';
import { Pages } from './pages.js';
import { address, isPassing, readJson, readLines } from './request.js';
import { LINES, deliver, floorOf, keyOf, resumed } from './subscription.js';
import { Tab } from './tab.js';

/** @typedef {import('../types.js').EventSubscription} EventSubscription */
/** @typedef {import('../types.js').ViewSubscription} ViewSubscription */
/** @typedef {import('../types.js').EventMessage} EventMessage */
/** @typedef {import('../types.js').Refused} Refused */
/** @typedef {import('./sse.js').Frame} Frame */
/** @typedef {import('./subscription.js').Member} Member */
/** @typedef {import('./subscription.js').Shared} Shared */

/** The maximum number of subscriptions of a connection. The agent's bound. */
const SUBSCRIPTIONS_MAX = 32;

/** Debounce of changes to the set of subscriptions, in milliseconds: each reconnect serves all of them. */
const DEBOUNCE = 30;

/** The delay before a subscription or a backfill is retried that the agent refused temporarily. */
const RETRY = 5_000;

/** The minimum interval between reconnects that are caused by an unknown base of a delta. */
const REBASE_MIN = 1_000;

/** A connection that lived this long has delivered the initial rows of its subscriptions. */
const SETTLED = 5_000;

/** The maximum number of rows buffered during a backfill. Beyond it the backfill is restarted. */
const BUFFER_MAX = 5000;

export class Hub {
  #connection;
  #pages = new Pages((tab) => this.#drop(tab));
  /** @type {Map<string, Shared>} */
  #byKey = new Map();
  /** @type {Map<string, Shared>} */
  #byId = new Map();
  /**
   * Subscriptions that are at another position than an equal one, with the key of that one.
   * @type {Map<Shared, string>}
   */
  #diverged = new Map();
  #named = 0;
  #scheduled = false;
  #rebased = 0;
  #retrying = false;
  /** `true` if no failure occurred since a connection opened. */
  #wasLive = false;
  /** @type {{version: string, newest: string, ahead: number}|null} */
  #agent = null;

  /** @param {{fetch?: typeof fetch}} [options] */
  constructor(options = {}) {
    this.fetch = options.fetch ?? fetch.bind(globalThis);
    this.#connection = new Connection({
      url: () => this.#url(),
      onFrames: (frames) => this.#frames(frames),
      onOpen: () => this.#opened(),
      onStatus: (status) => {
        if (status.state !== 'live') this.#wasLive = false;
        this.#pages.post({ status });
      },
      fetch: this.fetch,
    });
    globalThis.addEventListener?.('online', () => this.#connection.wake(true));
  }

  /**
   * Serves a page.
   * @param {MessagePort} port
   */
  attach(port) {
    const tab = new Tab(port);
    port.onmessage = ({ data }) => this.#message(tab, data);
    port.start?.();
    this.#join(tab);
    // The agent serves the page only within a session: a page that loads after the end has a new one.
    if (this.#connection.status.state === 'ended') this.#connection.retry();
  }

  /** @param {Tab} tab */
  #join(tab) {
    this.#pages.add(tab);
    tab.post({ status: this.#connection.status, ...(this.#agent ? { agent: this.#agent } : {}) });
  }

  /**
   * @param {Tab} tab
   * @param {any} message  see feed.js
   */
  #message(tab, message) {
    const known = this.#pages.get(tab);
    if (message.ping) tab.post({ pong: true, known: known !== undefined });
    if (message.rejoin && !known) this.#join(tab);
    const entry = this.#pages.get(tab);
    if (!entry) return;
    entry.heard = Date.now();
    if (message.ack !== undefined) tab.acknowledge(message.ack);
    if (message.subscribe) this.#subscribe(tab, message.subscribe, message.spec, message.after ?? '');
    if (message.unsubscribe) this.#unsubscribe(tab, message.unsubscribe);
    if (message.wake) this.#connection.wake(message.wake === 'online');
    if (message.retry) this.#connection.retry();
    if (message.bye) this.#drop(tab);
  }

  /**
   * @param {Tab} tab
   * @param {string} id
   * @param {EventSubscription|ViewSubscription} spec
   * @param {string} after  the cursor of the last row that the page has, `''` for none
   */
  #subscribe(tab, id, spec, after) {
    this.#unsubscribe(tab, id);
    const lines = 'events' in spec ? (spec.events.lines ?? LINES) : 0;
    /** @type {Member} */
    const member = { tab, id, lines, floor: '', buffer: null, backfill: null };
    const key = keyOf(spec);
    let shared = this.#byKey.get(key);
    // A page that resumes at another position than the others needs rows of its own.
    const diverged = shared !== undefined && after !== '' && shared.cursor !== after;
    if (!shared || diverged) {
      if (this.#byKey.size >= SUBSCRIPTIONS_MAX) {
        tab.refuse(id, { error: { code: 75, why: `over ${SUBSCRIPTIONS_MAX} subscriptions in this browser` } });
        return;
      }
      shared = this.#create(diverged ? `${key} #${this.#named}` : key, spec, after);
      if (diverged) this.#diverged.set(shared, key);
    } else if (shared.error) {
      tab.refuse(id, shared.error);
    } else if (shared.events && after === '') {
      if (shared.sent || shared.cursor !== '') member.buffer = [];
      else shared.events.lines = Math.max(shared.events.lines ?? LINES, lines);
    }
    shared.members.add(member);
    this.#pages.get(tab)?.members.set(id, { shared, member });
    if (member.buffer) void this.#backfill(shared, member);
    if (shared.snapshot) {
      tab.view(id, shared.snapshot);
      tab.flush();
    }
  }

  /**
   * @param {string} key
   * @param {EventSubscription|ViewSubscription} spec
   * @param {string} cursor
   * @returns {Shared}
   */
  #create(key, spec, cursor) {
    this.#named += 1;
    const events = 'events' in spec ? { ...spec.events } : null;
    const view = 'events' in spec ? null : spec;
    /** @type {Shared} */
    const shared = {
      key,
      id: `s${this.#named}`,
      host: spec.host ?? '',
      events,
      view,
      members: new Set(),
      sent: false,
      cursor,
      snapshot: null,
      error: null,
    };
    this.#byKey.set(key, shared);
    this.#byId.set(shared.id, shared);
    this.#reconnect();
    return shared;
  }

  /**
   * @param {Tab} tab
   * @param {string} id
   */
  #unsubscribe(tab, id) {
    const members = this.#pages.get(tab)?.members;
    const found = members?.get(id);
    if (!found) return;
    members?.delete(id);
    tab.forget(id);
    found.member.backfill?.abort();
    // Cancels a scheduled retry.
    found.member.buffer = null;
    found.shared.members.delete(found.member);
    if (found.shared.members.size > 0) return;
    this.#byKey.delete(found.shared.key);
    this.#byId.delete(found.shared.id);
    this.#diverged.delete(found.shared);
    this.#reconnect();
  }

  /** @param {Tab} tab */
  #drop(tab) {
    for (const id of [...(this.#pages.get(tab)?.members.keys() ?? [])]) this.#unsubscribe(tab, id);
    this.#pages.remove(tab);
  }

  /** Schedules a reconnect with the current set of subscriptions. */
  #reconnect() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.#connection.restart();
    }, DEBOUNCE);
  }

  /** @returns {string|null} */
  #url() {
    const subs = [];
    for (const shared of this.#byKey.values()) {
      if (shared.error && !isPassing(shared.error.error.code)) continue;
      shared.error = null;
      if (shared.sent && shared.events && shared.cursor === '') this.#resumeWithoutCursor(shared);
      shared.sent = true;
      const host = shared.host ? { host: shared.host } : {};
      subs.push({ id: shared.id, ...host, ...(shared.view ?? { events: resumed(shared) }) });
    }
    return subs.length === 0 ? null : address('feed', { subs: JSON.stringify(subs) });
  }

  /**
   * Finds the position at which a subscription resumes that has received no row yet.
   * @param {Shared} shared
   */
  #resumeWithoutCursor(shared) {
    const backfilled = [...shared.members].filter((member) => member.floor !== '');
    if (backfilled.length > 0) {
      // Pages that waited for the initial rows of the lost connection need a backfill too.
      shared.cursor = floorOf(backfilled);
      for (const member of shared.members) if (member.floor === '') member.buffer = [];
    } else if (this.#connection.lived > SETTLED && this.#agent && !shared.host) {
      // Nothing matched until now. With `lines` alone, a burst during the outage would be truncated.
      shared.cursor = this.#agent.newest;
    }
    // A backfill requested earlier may end before the position at which the new connection starts.
    for (const member of shared.members) {
      if (!member.buffer) continue;
      member.buffer = [];
      member.backfill?.abort();
      member.backfill = null;
    }
  }

  #opened() {
    for (const { shared, member } of this.#pages.members()) {
      if (member.buffer && !member.backfill) void this.#backfill(shared, member);
    }
    if (!this.#wasLive) void this.#askAgent();
    this.#wasLive = true;
  }

  /** Fetches the version, the newest cursor and the clock of the agent. */
  async #askAgent() {
    const asked = Date.now();
    try {
      const stats = await readJson('stats', {}, { fetch: this.fetch });
      const ahead = Date.parse(stats.time) - (asked + Date.now()) / 2;
      this.#agent = {
        version: String(stats.version),
        newest: String(stats.newest),
        ahead: Number.isFinite(ahead) ? ahead : 0,
      };
      this.#pages.post({ agent: this.#agent });
    } catch {
      // The next reconnect fetches it again.
    }
  }

  /** @param {Frame[]} frames */
  #frames(frames) {
    for (const frame of frames) {
      const shared = this.#byId.get(frame.event);
      if (!shared) continue;
      let message;
      try {
        message = JSON.parse(frame.data);
      } catch {
        continue;
      }
      if (message === null || typeof message !== 'object') continue;
      if (message.error) this.#refused(shared, message);
      else if (shared.view) this.#viewChanged(shared, message);
      else this.#row(shared, message, frame.id);
    }
    if (this.#diverged.size > 0) this.#merge();
    for (const tab of this.#pages.tabs()) tab.flush();
  }

  /** Merges equal subscriptions that have reached the same position: from there on they get the same rows. */
  #merge() {
    for (const [shared, key] of this.#diverged) {
      const other = this.#byKey.get(key);
      if (!other || other.cursor !== shared.cursor || shared.error || other.error) continue;
      this.#diverged.delete(shared);
      this.#byKey.delete(shared.key);
      // The connection still carries its rows until the next reconnect. They are ignored.
      this.#byId.delete(shared.id);
      for (const member of shared.members) {
        other.members.add(member);
        const entry = this.#pages.get(member.tab)?.members.get(member.id);
        if (entry) entry.shared = other;
      }
    }
  }

  /**
   * @param {Shared} shared
   * @param {EventMessage} message
   * @param {string} cursor
   */
  #row(shared, message, cursor) {
    if (cursor) shared.cursor = cursor;
    for (const member of shared.members) {
      if (!member.buffer) deliver(member, message, cursor);
      else if (member.buffer.push([message, cursor]) > BUFFER_MAX) {
        member.buffer = [];
        member.backfill?.abort();
        void this.#backfill(shared, member);
      }
    }
  }

  /**
   * @param {Shared} shared
   * @param {Record<string, unknown>} message
   */
  #viewChanged(shared, message) {
    const snapshot = apply(message, /** @type {any} */ (shared.snapshot));
    shared.snapshot = snapshot;
    if (!snapshot) {
      if (Date.now() - this.#rebased < REBASE_MIN) return;
      this.#rebased = Date.now();
      this.#reconnect();
      return;
    }
    for (const member of shared.members) member.tab.view(member.id, snapshot);
  }

  /**
   * @param {Shared} shared
   * @param {Refused} error
   */
  #refused(shared, error) {
    shared.error = error;
    for (const member of shared.members) member.tab.row(member.id, /** @type {EventMessage} */ (error), '');
    if (!isPassing(error.error.code) || this.#retrying) return;
    this.#retrying = true;
    setTimeout(() => {
      this.#retrying = false;
      this.#reconnect();
    }, RETRY);
  }

  /**
   * Requests the initial rows for a page that joins a running subscription, and buffers the rows that arrive
   * meanwhile. The response covers the log up to its cursor `at`, which is never before the join. Buffered
   * rows up to `at` are duplicates, and those after it continue without a hole.
   * @param {Shared} shared
   * @param {Member} member
   */
  async #backfill(shared, member) {
    const request = new AbortController();
    member.backfill = request;
    const { match, since, until } = shared.events ?? {};
    try {
      const query = { host: shared.host, match, since, until, lines: member.lines };
      const { lines, at } = await readLines(query, { signal: request.signal, fetch: this.fetch });
      if (member.backfill !== request || request.signal.aborted) return;
      for (const line of lines) member.tab.row(member.id, line, cursorAt(at, seqOf(line)));
      member.tab.row(member.id, { at }, at);
      member.floor = at;
      const buffered = member.buffer ?? [];
      member.buffer = null;
      for (const [message, cursor] of buffered) deliver(member, message, cursor);
      member.tab.flush();
    } catch (error) {
      if (member.backfill !== request || request.signal.aborted) return;
      const { code, why } = /** @type {import('../types.js').RequestFailure} */ (error);
      if (code !== 64 && code !== 77) {
        setTimeout(() => {
          if (member.buffer && !member.backfill) void this.#backfill(shared, member);
        }, RETRY);
        return;
      }
      member.tab.row(member.id, { error: { code, why } }, '');
      member.tab.flush();
    } finally {
      if (member.backfill === request) member.backfill = null;
    }
  }
}

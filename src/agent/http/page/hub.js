// The hub of all pages of a browser: their subscriptions, shared where they are identical, over one
// connection. Runs in the shared worker, or in the page where there is none.

import { Connection } from './connection.js';
import { covered, parse, seqOf } from './cursor.js';
import { apply } from './delta.js';
import { Pages } from './pages.js';
import { address, readJson, readLines } from './request.js';
import { LINES, deliver, floorOf, keyOf, resumed } from './subscription.js';
import { Tab } from './tab.js';

/** @typedef {import('./types.js').EventSubscription} EventSubscription */
/** @typedef {import('./types.js').ViewSubscription} ViewSubscription */
/** @typedef {import('./types.js').EventMessage} EventMessage */
/** @typedef {import('./types.js').Refused} Refused */
/** @typedef {import('./sse.js').Frame} Frame */
/** @typedef {import('./subscription.js').Member} Member */
/** @typedef {import('./subscription.js').Shared} Shared */

/** The most subscriptions of a connection. The agent's bound. */
const SUBSCRIPTIONS_MAX = 32;

/** A changed set of subscriptions waits this long for further changes, in milliseconds. */
const SETTLE = 30;

/** The delay before a subscription or a fill that was refused for now is tried again. */
const TRY_AGAIN = 5_000;

/** The least time between connections that only a lost base of a view asks for. */
const REBASE_MIN = 1_000;

/** A connection that lived so long has sent all rows to begin with. */
const BEGUN = 5_000;

/** The most rows that wait for a fill. Beyond it the fill starts again. */
const HELD_MAX = 5000;

export class Hub {
  #connection;
  #pages = new Pages((tab) => this.#drop(tab));
  /** @type {Map<string, Shared>} */
  #byKey = new Map();
  /** @type {Map<string, Shared>} */
  #byId = new Map();
  /**
   * Subscriptions that are alike but for their place, with the key of the others.
   * @type {Map<Shared, string>}
   */
  #apart = new Map();
  #named = 0;
  #settling = false;
  #rebased = 0;
  #retrying = false;
  /** Whether the newest connection that opened was the first after a failure. */
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
    if (message.taken !== undefined) tab.taken(message.taken);
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
    const member = { tab, id, lines, floor: '', held: null, fill: null };
    const key = keyOf(spec);
    let shared = this.#byKey.get(key);
    // A page that continues at another place than the others needs rows of its own.
    const apart = shared !== undefined && after !== '' && shared.cursor !== after;
    if (!shared || apart) {
      if (this.#byKey.size >= SUBSCRIPTIONS_MAX) {
        tab.refuse(id, { error: { code: 75, why: `this browser watches ${SUBSCRIPTIONS_MAX} things already` } });
        return;
      }
      shared = this.#create(apart ? `${key} #${this.#named}` : key, spec, after);
      if (apart) this.#apart.set(shared, key);
    } else if (shared.error) {
      tab.refuse(id, shared.error);
    } else if (shared.events && after === '') {
      if (shared.sent || shared.cursor !== '') member.held = [];
      else shared.events.lines = Math.max(shared.events.lines ?? LINES, lines);
    }
    shared.members.add(member);
    this.#pages.get(tab)?.members.set(id, { shared, member });
    if (member.held) void this.#fill(shared, member);
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
    found.member.fill?.abort();
    // A fill that was to be tried again is not.
    found.member.held = null;
    found.shared.members.delete(found.member);
    if (found.shared.members.size > 0) return;
    this.#byKey.delete(found.shared.key);
    this.#byId.delete(found.shared.id);
    this.#apart.delete(found.shared);
    this.#reconnect();
  }

  /** @param {Tab} tab */
  #drop(tab) {
    for (const id of [...(this.#pages.get(tab)?.members.keys() ?? [])]) this.#unsubscribe(tab, id);
    this.#pages.remove(tab);
  }

  /** Connects with the present subscriptions, soon. */
  #reconnect() {
    if (this.#settling) return;
    this.#settling = true;
    setTimeout(() => {
      this.#settling = false;
      this.#connection.restart();
    }, SETTLE);
  }

  /** @returns {string|null} */
  #url() {
    const subs = [];
    for (const shared of this.#byKey.values()) {
      if (shared.error && shared.error.error.code !== 75) continue;
      shared.error = null;
      if (shared.sent && shared.events && shared.cursor === '') this.#beginAgain(shared);
      shared.sent = true;
      subs.push({ id: shared.id, ...(shared.view ?? { events: resumed(shared) }) });
    }
    return subs.length === 0 ? null : address('feed', { subs: JSON.stringify(subs) });
  }

  /**
   * Finds where a subscription continues that has had no row yet.
   * @param {Shared} shared
   */
  #beginAgain(shared) {
    const filled = [...shared.members].filter((member) => member.floor !== '');
    if (filled.length > 0) {
      // Some pages had their fill. The others waited for rows of the connection, and now need one.
      shared.cursor = floorOf(filled);
      for (const member of shared.members) if (member.floor === '') member.held = [];
    } else if (this.#connection.lived > BEGUN && this.#agent) {
      // Nothing matched so far. What matched since then must not be lost among the rows to begin with.
      shared.cursor = this.#agent.newest;
    }
    // An answer that was asked for before this may end before the place where the connection begins.
    for (const member of shared.members) {
      if (!member.held) continue;
      member.held = [];
      member.fill?.abort();
      member.fill = null;
    }
  }

  #opened() {
    for (const { shared, member } of this.#pages.members()) {
      if (member.held && !member.fill) void this.#fill(shared, member);
    }
    if (!this.#wasLive) void this.#askAgent();
    this.#wasLive = true;
  }

  /** Learns the version and the clock of the agent. */
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
      // The next connection asks again.
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
    if (this.#apart.size > 0) this.#merge();
    for (const tab of this.#pages.tabs()) tab.flush();
  }

  /** Joins subscriptions that have come to the same place: from there on their rows are the same. */
  #merge() {
    for (const [shared, key] of this.#apart) {
      const other = this.#byKey.get(key);
      if (!other || other.cursor !== shared.cursor || shared.error || other.error) continue;
      this.#apart.delete(shared);
      this.#byKey.delete(shared.key);
      // The connection sends its rows until it is made anew. They are of no subscription then.
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
      if (!member.held) deliver(member, message, cursor);
      else if (member.held.push([message, cursor]) > HELD_MAX) {
        member.held = [];
        member.fill?.abort();
        void this.#fill(shared, member);
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
    if (error.error.code !== 75 || this.#retrying) return;
    this.#retrying = true;
    setTimeout(() => {
      this.#retrying = false;
      this.#reconnect();
    }, TRY_AGAIN);
  }

  /**
   * Gets the rows to begin with for a page that joins a running subscription. Rows that arrive meanwhile are
   * held. The answer covers the log up to its cursor, which is not before the moment of joining: what was
   * held up to that cursor is a repeat, what was held after it continues without a hole.
   * @param {Shared} shared
   * @param {Member} member
   */
  async #fill(shared, member) {
    const request = new AbortController();
    member.fill = request;
    const { match, since, until } = shared.events ?? {};
    try {
      const query = { match, since, until, lines: member.lines };
      const { lines, at } = await readLines(query, { signal: request.signal, fetch: this.fetch });
      if (member.fill !== request || request.signal.aborted) return;
      const log = parse(at)?.log ?? '';
      for (const line of lines) member.tab.row(member.id, line, `${log}-${seqOf(line)}`);
      member.tab.row(member.id, { at }, at);
      member.floor = at;
      const held = member.held ?? [];
      member.held = null;
      for (const [message, cursor] of held) deliver(member, message, cursor);
      member.tab.flush();
    } catch (error) {
      if (member.fill !== request || request.signal.aborted) return;
      const { code, why } = /** @type {import('./types.js').RequestFailure} */ (error);
      if (code !== 64 && code !== 77) {
        setTimeout(() => {
          if (member.held && !member.fill) void this.#fill(shared, member);
        }, TRY_AGAIN);
        return;
      }
      member.tab.row(member.id, { error: { code, why } }, '');
      member.tab.flush();
    } finally {
      if (member.fill === request) member.fill = null;
    }
  }
}

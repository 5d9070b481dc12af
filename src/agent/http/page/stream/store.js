// The rows of the stream: ordered by position, deduplicated, bounded.

import { cursorAt, parse, seqOf } from '../feed/cursor.js';

/** @typedef {import('../types.js').EventMessage} EventMessage */
/** @typedef {import('../types.js').Line} Line */
/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../types.js').StoreChange} StoreChange */

/** The maximum number of rows shown, and of rows that wait while paused. */
export const ROWS_MAX = 5000;

/**
 * The rate limit of new rows a second, after a burst of `ROWS_MAX` (a reconnect). The agent enforces it too.
 */
export const RATE_MAX = 200;

/** Rows are dropped in batches of this size, because each removal moves all later rows. */
const DROP = 100;

/**
 * @typedef {object} Options
 * @property {(run: () => void) => void} [schedule]  runs a notification at the next frame
 * @property {() => number} [now]  milliseconds
 */

/**
 * A position in the log. Logs are numbered in order of arrival.
 * @typedef {[log: number, seq: number, after: number]} Position
 */

export class Store {
  /** The rows to show, the oldest first. Read-only. @type {Row[]} */
  rows = [];
  /** While paused, new rows wait, and only `prepend`, `fill` and `forward` change `rows`. */
  paused = false;
  /** The number of events that arrived while paused. */
  waiting = 0;

  /** Rows after `rows`, while paused: first those that were cut, then new ones. @type {Row[]} */
  #pending = [];
  /** The number of rows at the start of `#pending` that were cut from `rows`. */
  #cut = 0;
  /** @type {Map<string, number>} */
  #logs = new Map();
  /** @type {WeakMap<Row, Position>} */
  #positions = new WeakMap();
  #schedule;
  #now;
  #tokens = ROWS_MAX;
  #filledAt;
  /** @type {Set<(change: StoreChange) => void>} */
  #listeners = new Set();
  /** @type {StoreChange|null} */
  #change = null;

  /** @param {Options} [options] */
  constructor({ schedule = atNextFrame, now = () => performance.now() } = {}) {
    this.#schedule = schedule;
    this.#now = now;
    this.#filledAt = now();
  }

  /**
   * Registers a listener for changes, batched for the next frame.
   * @param {(change: StoreChange) => void} fn
   * @returns {() => void}  unregisters it
   */
  on(fn) {
    this.#listeners.add(fn);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  /**
   * Adds a message of an event subscription. Errors and progress are ignored.
   * @param {EventMessage} message
   * @param {string} cursor
   */
  push(message, cursor) {
    if ('error' in message) return;
    const row = this.#row(message, cursor);
    if (!row) return;
    if (row.kind === 'event' && !this.#admit()) {
      this.#add(
        { kind: 'skipped', key: `skipped ${cursor}`, seq: row.seq, cursor, count: 1 },
        this.#position(row),
      );
    } else {
      this.#add(row, this.#position(row));
    }
  }

  /**
   * Adds older lines from history. While paused, rows at the end are cut to make room.
   * @param {Line[]} lines  the oldest first
   * @param {string} [like]  any cursor of their log; default: that of the oldest row
   */
  prepend(lines, like = this.rows[0]?.cursor ?? '') {
    const first = this.rows.length > 0 ? this.#position(this.rows[0]) : null;
    /** @type {Row[]} */
    const older = [];
    for (const line of lines) {
      const row = this.#row(line, cursorAt(like, seqOf(line)));
      if (!row) continue;
      const position = this.#position(row);
      if (first && compare(position, first) >= 0) this.#insert(row, position);
      else if (older.length === 0 || compare(position, this.#position(older[older.length - 1])) > 0)
        older.push(row);
    }
    if (older.length === 0) return;
    this.rows = older.concat(this.rows);
    this.#changed().prepended += older.length;
    this.#bound();
  }

  /**
   * Inserts lines that a row `skipped` counted, and reduces its count.
   * @param {Row} skipped
   * @param {Line[]} lines
   */
  fill(skipped, lines) {
    if (skipped.kind !== 'skipped') return;
    let added = 0;
    for (const line of lines) {
      const row = this.#row(line, cursorAt(skipped.cursor, seqOf(line)));
      if (row && this.#insert(row, this.#position(row)) && row.kind === 'event') added += 1;
    }
    const at = this.rows.indexOf(skipped);
    if (at < 0) return;
    const count = skipped.count - added;
    if (count > 0) this.rows[at] = { ...skipped, count };
    else this.rows.splice(at, 1);
    this.#changed().inserted = true;
    this.#bound();
  }

  /** Stops following, so that `rows` stays as it is. */
  pause() {
    if (this.paused) return;
    this.paused = true;
    this.#changed().waiting = true;
  }

  /** Follows again, with the rows that waited. */
  resume() {
    if (!this.paused) return;
    this.paused = false;
    this.waiting = 0;
    this.rows = this.rows.concat(this.#pending);
    this.#changed().appended += this.#pending.length;
    this.#pending = [];
    this.#cut = 0;
    this.#changed().waiting = true;
    this.#bound();
  }

  /**
   * While paused: moves rows that were cut back to the end of `rows`.
   * @param {number} count  the maximum
   * @returns {boolean}  `true` if there were any
   */
  forward(count) {
    const moved = this.#pending.splice(0, Math.min(count, this.#cut));
    if (moved.length === 0) return false;
    this.#cut -= moved.length;
    this.rows = this.rows.concat(moved);
    this.#changed().appended += moved.length;
    this.#dropHead(this.rows.length - ROWS_MAX);
    return true;
  }

  /** Removes all rows, for another MATCH. */
  clear() {
    this.rows = [];
    this.#pending = [];
    this.#cut = 0;
    this.waiting = 0;
    this.#tokens = ROWS_MAX;
    this.#change = null;
    this.#changed().reset = true;
  }

  /** `true` if the rate limit admits a row. */
  #admit() {
    const now = this.#now();
    this.#tokens = Math.min(ROWS_MAX, this.#tokens + ((now - this.#filledAt) / 1000) * RATE_MAX);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /**
   * @param {EventMessage} message
   * @param {string} cursor
   * @returns {Row|null}
   */
  #row(message, cursor) {
    if ('gap' in message)
      return { kind: 'gap', key: `gap ${cursor}`, seq: seqOf(message), cursor, gap: message };
    if ('skipped' in message) {
      const at = message.at || cursor;
      if (!(message.skipped > 0)) return null;
      return {
        kind: 'skipped',
        key: `skipped ${at}`,
        seq: parse(at)?.seq ?? 0,
        cursor: at,
        count: message.skipped,
      };
    }
    if (!('seq' in message)) return null;
    return { kind: 'event', key: cursor, seq: message.seq, cursor, event: message };
  }

  /**
   * @param {Row} row
   * @returns {Position}
   */
  #position(row) {
    let position = this.#positions.get(row);
    if (!position) {
      const log = parse(row.cursor)?.log ?? '';
      let number = this.#logs.get(log);
      if (number === undefined) this.#logs.set(log, (number = this.#logs.size));
      position = [number, row.seq, row.kind === 'skipped' ? 1 : 0];
      this.#positions.set(row, position);
    }
    return position;
  }

  /**
   * @param {Row} row
   * @param {Position} position
   */
  #add(row, position) {
    const list = this.paused ? this.#pending : this.rows;
    const last = this.#pending[this.#pending.length - 1] ?? this.rows[this.rows.length - 1];
    if (last && compare(position, this.#position(last)) <= 0) {
      this.#insert(row, position);
      return;
    }
    const own = list[list.length - 1];
    if (this.paused && row.kind !== 'gap') this.#arrived(row.kind === 'skipped' ? row.count : 1);
    if (row.kind === 'skipped' && own?.kind === 'skipped' && own === last) {
      list[list.length - 1] = { ...row, key: own.key, count: own.count + row.count };
      if (!this.paused) this.#changed().inserted = true;
      return;
    }
    list.push(row);
    if (!this.paused) this.#changed().appended += 1;
    this.#bound();
  }

  /** @param {number} count */
  #arrived(count) {
    this.waiting += count;
    this.#changed().waiting = true;
  }

  /**
   * Inserts a row that is not the newest.
   * @param {Row} row
   * @param {Position} position
   * @returns {boolean}  false if it is there already
   */
  #insert(row, position) {
    const pending = this.#pending.length > 0 && compare(position, this.#position(this.#pending[0])) >= 0;
    const list = pending ? this.#pending : this.rows;
    const at = this.#search(list, position);
    if (at < list.length && compare(this.#position(list[at]), position) === 0) return false;
    list.splice(at, 0, row);
    if (!pending) this.#changed().inserted = true;
    else if (at < this.#cut) this.#cut += 1;
    this.#bound();
    return true;
  }

  /**
   * The index of the first row that is not before a position.
   * @param {Row[]} list
   * @param {Position} position
   */
  #search(list, position) {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#position(list[middle]), position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Enforces the bounds. While paused it cuts the newest rows, so that the reader's place stays. */
  #bound() {
    const over = this.rows.length - ROWS_MAX;
    if (over > 0 && this.paused) {
      const cut = this.rows.splice(ROWS_MAX);
      this.#pending = cut.concat(this.#pending);
      this.#cut += cut.length;
      this.#changed().cut += cut.length;
    } else if (over > 0) {
      this.#dropHead(over);
    }
    if (this.#pending.length > ROWS_MAX) this.#dropPending();
  }

  /** @param {number} over */
  #dropHead(over) {
    if (over <= 0) return;
    const dropped = Math.min(this.rows.length, over + DROP);
    this.rows.splice(0, dropped);
    this.#changed().dropped += dropped;
  }

  /** Replaces the oldest waiting rows by a row that counts them. */
  #dropPending() {
    const dropped = this.#pending.splice(0, this.#pending.length - ROWS_MAX + DROP);
    const last = dropped[dropped.length - 1];
    let count = 0;
    for (const row of dropped) {
      if (row.kind === 'event') count += 1;
      else if (row.kind === 'skipped') count += row.count;
    }
    const { seq, cursor } = last;
    const cut = Math.max(0, this.#cut - dropped.length);
    // The new row directly follows `rows`. It counts as cut if cut rows are dropped.
    this.#cut = this.#cut > 0 ? cut + 1 : 0;
    this.#pending.unshift({ kind: 'skipped', key: `skipped ${dropped[0].cursor}`, seq, cursor, count });
  }

  #changed() {
    if (!this.#change) {
      this.#change = {
        reset: false,
        appended: 0,
        prepended: 0,
        dropped: 0,
        cut: 0,
        inserted: false,
        waiting: false,
      };
      this.#schedule(() => this.#notify());
    }
    return this.#change;
  }

  #notify() {
    const change = this.#change;
    this.#change = null;
    if (change) for (const listener of [...this.#listeners]) listener(change);
  }
}

/**
 * @param {Position} a
 * @param {Position} b
 */
function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/**
 * Browsers suspend animation frames while a page is hidden.
 * @param {() => void} run
 */
function atNextFrame(run) {
  if (document.visibilityState === 'visible') requestAnimationFrame(run);
  else setTimeout(run, 500);
}

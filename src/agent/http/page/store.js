// The rows of the stream: bounded, in the order of the log, each once.

import { parse, seqOf } from './cursor.js';

/** @typedef {import('./types.js').EventMessage} EventMessage */
/** @typedef {import('./types.js').Line} Line */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').StoreChange} StoreChange */

/** The most rows that are kept, and the most that wait while paused. */
export const ROWS_MAX = 5000;

/**
 * New rows a second beyond a burst of `ROWS_MAX` (a reconnect). The agent holds to it; this is the second
 * defence.
 */
export const RATE_MAX = 200;

/** Rows are dropped in batches of this size, because each batch moves all others. */
const DROP = 100;

/**
 * @typedef {object} Options
 * @property {(run: () => void) => void} [schedule]  runs a notification at the next frame
 * @property {() => number} [now]  milliseconds
 */

/**
 * A place in the log. Logs are numbered in the order in which they were met.
 * @typedef {[log: number, seq: number, after: number]} Place
 */

export class Store {
  /** What is shown, the oldest first. Do not modify. @type {Row[]} */
  rows = [];
  /** While paused, new rows wait, and `rows` changes only by `prepend`, `fill` and `forward`. */
  paused = false;
  /** How many events came while paused. */
  waiting = 0;

  /** Rows behind `rows`, while paused: first those that were cut, then new ones. @type {Row[]} */
  #behind = [];
  /** How many rows at the start of `#behind` were cut from `rows`. */
  #cut = 0;
  /** @type {Map<string, number>} */
  #logs = new Map();
  /** @type {WeakMap<Row, Place>} */
  #places = new WeakMap();
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
   * Takes a message of an event subscription. Errors and progress are no rows and are ignored.
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
        this.#place(row),
      );
    } else {
      this.#add(row, this.#place(row));
    }
  }

  /**
   * Adds older lines, such as a page of history. While paused, rows at the end make room for them.
   * @param {Line[]} lines  the oldest first
   * @param {string} [log]  their log; default: that of the oldest row
   */
  prepend(lines, log = parse(this.rows[0]?.cursor ?? '')?.log ?? '') {
    const first = this.rows.length > 0 ? this.#place(this.rows[0]) : null;
    /** @type {Row[]} */
    const older = [];
    for (const line of lines) {
      const row = this.#row(line, `${log}-${seqOf(line)}`);
      if (!row) continue;
      const place = this.#place(row);
      if (first && compare(place, first) >= 0) this.#insert(row, place);
      else if (older.length === 0 || compare(place, this.#place(older[older.length - 1])) > 0)
        older.push(row);
    }
    if (older.length === 0) return;
    this.rows = older.concat(this.rows);
    this.#changed().prepended += older.length;
    this.#bound();
  }

  /**
   * Puts lines in the place of a row `skipped`, whose count they reduce.
   * @param {Row} skipped
   * @param {Line[]} lines
   */
  fill(skipped, lines) {
    if (skipped.kind !== 'skipped') return;
    const log = parse(skipped.cursor)?.log ?? '';
    let added = 0;
    for (const line of lines) {
      const row = this.#row(line, `${log}-${seqOf(line)}`);
      if (row && this.#insert(row, this.#place(row)) && row.kind === 'event') added += 1;
    }
    const at = this.rows.indexOf(skipped);
    if (at < 0) return;
    const count = skipped.count - added;
    if (count > 0) this.rows[at] = { ...skipped, count };
    else this.rows.splice(at, 1);
    this.#changed().inserted = true;
    this.#bound();
  }

  /** Holds `rows` as they are. */
  pause() {
    if (this.paused) return;
    this.paused = true;
    this.#changed().waiting = true;
  }

  /** Shows what waited, and follows again. */
  resume() {
    if (!this.paused) return;
    this.paused = false;
    this.waiting = 0;
    this.rows = this.rows.concat(this.#behind);
    this.#changed().appended += this.#behind.length;
    this.#behind = [];
    this.#cut = 0;
    this.#changed().waiting = true;
    this.#bound();
  }

  /**
   * While paused: moves rows that were cut back to the end of `rows`.
   * @param {number} count  at most so many
   * @returns {boolean}  true if there were any
   */
  forward(count) {
    const moved = this.#behind.splice(0, Math.min(count, this.#cut));
    if (moved.length === 0) return false;
    this.#cut -= moved.length;
    this.rows = this.rows.concat(moved);
    this.#changed().appended += moved.length;
    this.#dropHead(this.rows.length - ROWS_MAX);
    return true;
  }

  /** Forgets all rows, for another MATCH. */
  clear() {
    this.rows = [];
    this.#behind = [];
    this.#cut = 0;
    this.waiting = 0;
    this.#tokens = ROWS_MAX;
    this.#change = null;
    this.#changed().reset = true;
  }

  /** `true` if a row was admitted by the rate. */
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
   * @returns {Place}
   */
  #place(row) {
    let place = this.#places.get(row);
    if (!place) {
      const log = parse(row.cursor)?.log ?? '';
      let number = this.#logs.get(log);
      if (number === undefined) this.#logs.set(log, (number = this.#logs.size));
      place = [number, row.seq, row.kind === 'skipped' ? 1 : 0];
      this.#places.set(row, place);
    }
    return place;
  }

  /**
   * @param {Row} row
   * @param {Place} place
   */
  #add(row, place) {
    const list = this.paused ? this.#behind : this.rows;
    const last = this.#behind[this.#behind.length - 1] ?? this.rows[this.rows.length - 1];
    if (last && compare(place, this.#place(last)) <= 0) {
      this.#insert(row, place);
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
   * @param {Place} place
   * @returns {boolean}  false if it is there already
   */
  #insert(row, place) {
    const behind = this.#behind.length > 0 && compare(place, this.#place(this.#behind[0])) >= 0;
    const list = behind ? this.#behind : this.rows;
    const at = this.#search(list, place);
    if (at < list.length && compare(this.#place(list[at]), place) === 0) return false;
    list.splice(at, 0, row);
    if (!behind) this.#changed().inserted = true;
    else if (at < this.#cut) this.#cut += 1;
    this.#bound();
    return true;
  }

  /**
   * The index of the first row that is not before a place.
   * @param {Row[]} list
   * @param {Place} place
   */
  #search(list, place) {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#place(list[middle]), place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Keeps the bounds: the reader's place while paused, else the newest rows. */
  #bound() {
    const over = this.rows.length - ROWS_MAX;
    if (over > 0 && this.paused) {
      const cut = this.rows.splice(ROWS_MAX);
      this.#behind = cut.concat(this.#behind);
      this.#cut += cut.length;
      this.#changed().cut += cut.length;
    } else if (over > 0) {
      this.#dropHead(over);
    }
    if (this.#behind.length > ROWS_MAX) this.#dropBehind();
  }

  /** @param {number} over */
  #dropHead(over) {
    if (over <= 0) return;
    const dropped = Math.min(this.rows.length, over + DROP);
    this.rows.splice(0, dropped);
    this.#changed().dropped += dropped;
  }

  /** Replaces the oldest waiting rows by one that counts them. */
  #dropBehind() {
    const dropped = this.#behind.splice(0, this.#behind.length - ROWS_MAX + DROP);
    const last = dropped[dropped.length - 1];
    let count = 0;
    for (const row of dropped) {
      if (row.kind === 'event') count += 1;
      else if (row.kind === 'skipped') count += row.count;
    }
    const { seq, cursor } = last;
    const cut = Math.max(0, this.#cut - dropped.length);
    // The count belongs to the rows that were cut if any of these was dropped: it follows `rows` directly.
    this.#cut = this.#cut > 0 ? cut + 1 : 0;
    this.#behind.unshift({ kind: 'skipped', key: `skipped ${dropped[0].cursor}`, seq, cursor, count });
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
 * @param {Place} a
 * @param {Place} b
 */
function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/**
 * Browsers run no frames for a hidden page.
 * @param {() => void} run
 */
function atNextFrame(run) {
  if (document.visibilityState === 'visible') requestAnimationFrame(run);
  else setTimeout(run, 500);
}

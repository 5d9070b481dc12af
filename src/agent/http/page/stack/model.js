// @ts-check
/**
 * What the stack shows: which keys have columns, what falls, what lies where. Pure: it knows neither canvas
 * nor clock.
 *
 * Heights are on log scales, so that a block of 10 s fits beside one of 1 ms and a bar of 5,000 events beside
 * one of 50. A column keeps as much of its past as its share of the events allows: the busiest fills the
 * stack, one with an eighth of its events half of it.
 */
import { Column } from './column.js';
import { Flights } from './flights.js';
import { BAR, EVENT, GAP, REST, WARN, barHeight, heightOf, toneOf } from './layers.js';
import { Tallies, columnOf } from './tally.js';

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').Shown} Shown */
/** @typedef {import('./tally.js').Tally} Tally */

/** The most columns, and their least width with the space beside them, in CSS pixels. */
export const COLUMNS_MAX = 24;
const PITCH_MIN = 104;
const PITCH_MIN_NARROW = 84;
const PITCH_MAX = 190;

/** The part of the height that the busiest column keeps. */
const FULL = 0.8;

/** The part of the height that a silent column keeps. */
const SILENT = 0.12;

/** How often columns are assigned anew, and how long one stays at least, in milliseconds. */
const ASSIGN_MS = 500;
const STAY_MS = 20_000;

/** How often two neighbours may change places, in milliseconds. */
const SWAP_MS = 8000;

/** A key takes the column of another if it is busier by this factor. */
const BUSIER = 1.5;

/** Counts wait this long for exact counts by key, in seconds. */
const OWE_MAX = 1.6;

export class StackModel {
  constructor() {
    /** @type {Shown['by']} */
    this.by = 'tag';
    this.width = 0;
    this.height = 0;
    this.tallies = new Tallies();
    /** The columns in their order. The rest of the keys, if it has one, is the last. @type {Column[]} */
    this.columns = [];
    /** Columns that fade out. @type {Column[]} */
    this.leaving = [];
    /** @type {Map<string, Column>} */
    this.byKey = new Map();
    /** @type {Column | null} */
    this.rest = null;
    this.flights = new Flights();
    /** @type {Column[]} */
    this.pool = [];
    this.assigned = 0;
    this.swapped = 0;
    /** `true` if no new blocks move: the picture changes with the next event only. */
    this.calm = true;
  }

  /** The number of columns that fit. */
  get room() {
    const pitch = this.width < 600 ? PITCH_MIN_NARROW : PITCH_MIN;
    return Math.max(1, Math.min(COLUMNS_MAX, Math.floor(this.width / pitch)));
  }

  /** The width of a column with the space beside it, in CSS pixels. */
  get pitch() {
    return Math.min(PITCH_MAX, this.width / Math.max(1, this.columns.length));
  }

  /** The left edge of the first column. */
  get left() {
    return (this.width - this.pitch * this.columns.length) / 2;
  }

  /** Forgets everything. @param {Shown['by']} by */
  clear(by) {
    this.by = by;
    this.tallies.clear();
    for (const column of [...this.columns, ...this.leaving]) this.pool.push(column);
    this.columns = [];
    this.leaving = [];
    this.byKey.clear();
    this.rest = null;
    this.flights.clear();
  }

  /**
   * @param {number} width Of the stack, in CSS pixels.
   * @param {number} height
   */
  resize(width, height) {
    this.width = width;
    this.height = height;
    for (const column of this.columns) column.x = NaN;
  }

  /**
   * An event happened.
   * @param {EventLine} event
   * @param {number} now Milliseconds.
   * @param {boolean} falls `false` to put it in its place at once.
   * @param {number} [from] Where it falls from, in CSS pixels from the top. Default: above the edge.
   * @param {number} [age] How long ago it happened, in milliseconds, if it does not fall.
   */
  event(event, now, falls, from, age = 0) {
    const { key, clause } = columnOf(event, this.by);
    const tally = this.tallies.get(key, clause, now / 1000);
    this.tallies.show(tally, (now - age) / 1000);
    const column = this.columnFor(tally, now);
    const tone = toneOf(event.level);
    if (!falls || !this.flights.canTake(column, this.height)) {
      column.landEvent(event, tone, now - age, this.height);
      return;
    }
    const flight = this.flights.launch(column, heightOf(event.took), now, from);
    flight.kind = EVENT;
    flight.tone = tone;
    flight.event = event;
    flight.count = 1;
  }

  /**
   * Events are missing. The gap falls over all columns at once.
   * @param {string} text
   * @param {number} now
   * @param {boolean} falls
   * @param {number} [age]
   */
  gap(text, now, falls, age = 0) {
    for (const column of this.columns) {
      if (!falls || !this.flights.canTake(column, this.height)) {
        column.landGap(text, now - age, this.height);
        continue;
      }
      const flight = this.flights.launch(column, 3, now, -3);
      flight.kind = GAP;
      flight.tone = WARN;
      flight.text = text;
    }
  }

  /**
   * Events were counted and not sent.
   * @param {number} count
   * @param {number} now
   */
  skipped(count, now) {
    this.tallies.owe(count, now / 1000);
  }

  /**
   * Takes exact counts by key and lets what was counted fall as bars.
   * @param {Map<string, number> | null} counts
   * @param {number} now
   * @param {boolean} falls
   */
  share(counts, now, falls) {
    for (const [tally, count] of this.tallies.share(counts, now / 1000)) {
      const column = this.columnFor(tally, now);
      if (!falls || !this.flights.canTake(column, this.height)) {
        column.landCount(count, REST, now, this.height);
        continue;
      }
      const flight = this.flights.launch(column, Math.min(40, barHeight(count, 0)), now);
      flight.kind = BAR;
      flight.tone = REST;
      flight.count = count;
    }
  }

  /**
   * Moves everything on by one frame.
   * @param {number} now Milliseconds.
   * @param {number} step Seconds.
   * @param {boolean} still `true` to go to the final state at once.
   */
  step(now, step, still) {
    if (this.tallies.owed > 0 && now / 1000 - this.tallies.owedSince > OWE_MAX) this.share(null, now, !still);
    if (now - this.assigned > ASSIGN_MS) {
      this.assigned = now;
      this.assign(now);
    }
    this.flights.fall(now, this.height, still);
    let moved = this.flights.flying > 0;
    const { pitch, left } = this;
    for (let i = 0; i < this.columns.length; i++) {
      const column = this.columns[i];
      const x = left + i * pitch;
      column.place = i;
      if (Number.isNaN(column.x) || still) column.x = x;
      else column.x += (x - column.x) * (1 - Math.exp(-step / 0.35));
      const level = column.level;
      column.settle(step, this.height, still);
      if (Math.abs(level - column.level) > 0.02 || Math.abs(column.x - x) > 0.1 || column.alpha < 0.99
        || Math.abs(column.jolt) > 0.05) moved = true;
    }
    for (const column of this.leaving) column.settle(step, this.height, still);
    if (this.leaving.length > 0) {
      moved = true;
      this.release();
    }
    this.calm = !moved;
  }

  /** @private Columns that have faded out return to the pool. */
  release() {
    for (let i = this.leaving.length - 1; i >= 0; i--) {
      const column = this.leaving[i];
      if (column.alpha > 0.02 || column.flying > 0) continue;
      column.layers.clear();
      this.leaving.splice(i, 1);
      this.pool.push(column);
    }
  }

  /**
   * The column of a key: its own, if it has one or there is room for one, else that of the rest.
   * @param {Tally} tally
   * @param {number} now Milliseconds.
   * @returns {Column}
   */
  columnFor(tally, now) {
    const own = this.byKey.get(tally.key);
    if (own) return own;
    if (this.columns.length < this.room && !this.rest) return this.open(tally, now, this.columns.length);
    return this.rest ?? this.openRest();
  }

  /** @private @param {Tally | null} tally @param {number} now @param {number} place @returns {Column} */
  open(tally, now, place) {
    const column = this.pool.pop() ?? new Column();
    column.reset(tally, now, this.height);
    column.target = this.height * SILENT;
    this.columns.splice(place, 0, column);
    if (tally) this.byKey.set(tally.key, column);
    return column;
  }

  /** @private The least busy column becomes that of the rest, with what lies in it. @returns {Column} */
  openRest() {
    const now = this.assigned / 1000;
    const weakest = this.weakest(now);
    if (weakest.tally) this.byKey.delete(weakest.tally.key);
    weakest.tally = null;
    this.rest = weakest;
    this.columns = [...this.columns.filter((column) => column !== weakest), weakest];
    return weakest;
  }

  /** @private @param {number} now Seconds. @returns {Column} */
  weakest(now) {
    return this.columns.reduce((a, b) => (score(b, now) < score(a, now) ? b : a));
  }

  /** @private @param {Column} column */
  retire(column) {
    if (column.tally) this.byKey.delete(column.tally.key);
    column.leaving = true;
    this.columns.splice(this.columns.indexOf(column), 1);
    this.leaving.push(column);
  }

  /**
   * Gives columns to the busiest keys, and lets neighbours change places, with hysteresis: a screen whose
   * columns jump cannot be read.
   * @private @param {number} now
   */
  assign(now) {
    const seconds = now / 1000;
    while (this.columns.length > this.room) {
      const own = this.columns.filter((column) => column !== this.rest);
      if (own.length === 0) break;
      this.retire(own.reduce((a, b) => (score(b, seconds) < score(a, seconds) ? b : a)));
    }
    let best = this.bestWithout(seconds);
    let own = this.columns.length - (this.rest ? 1 : 0);
    while (best && this.columns.length < this.room) {
      this.claim(this.open(best, now, own));
      best = this.bestWithout(seconds);
      own += 1;
    }
    if (best && own > 0) {
      const weakest = this.weakest(seconds);
      if (best.scoreAt(seconds) > BUSIER * score(weakest, seconds) && now - weakest.since > STAY_MS) {
        const place = this.columns.indexOf(weakest);
        this.retire(weakest);
        this.claim(this.open(best, now, place));
      }
    }
    this.order(now, own);
    this.weigh(seconds);
  }

  /** @private A new column takes its blocks from that of the rest. @param {Column} column */
  claim(column) {
    const { rest } = this;
    if (!rest) return;
    rest.layers.move(column.layers, (event) => columnOf(event, this.by).key === column.tally?.key);
    rest.measure();
    column.measure();
  }

  /** @private @param {number} now Seconds. @returns {Tally | null} */
  bestWithout(now) {
    let best = null;
    for (const tally of this.tallies.byKey.values()) {
      if (this.byKey.has(tally.key)) continue;
      if (tally.scoreAt(now) > 0.05 && (!best || tally.scoreAt(now) > best.scoreAt(now))) best = tally;
    }
    return best;
  }

  /** @private @param {number} now @param {number} own */
  order(now, own) {
    if (now - this.swapped < SWAP_MS) return;
    for (let i = 0; i + 1 < own && i + 1 < this.columns.length; i++) {
      const [a, b] = [this.columns[i], this.columns[i + 1]];
      if (b === this.rest || score(b, now / 1000) <= BUSIER * score(a, now / 1000)) continue;
      this.columns[i] = b;
      this.columns[i + 1] = a;
      this.swapped = now;
      return;
    }
  }

  /** Puts the busiest columns first, at once. For the rows that the view begins with. @param {number} now */
  sort(now) {
    const seconds = now / 1000;
    const last = (/** @type {Column} */ column) => Number(column === this.rest);
    this.columns.sort((a, b) => last(a) - last(b) || score(b, seconds) - score(a, seconds));
    for (const column of this.columns) column.x = NaN;
    this.swapped = now;
    this.weigh(seconds);
    for (const column of this.columns) column.settle(0, this.height, true);
  }

  /** @private Each column keeps a height by its share of the events. @param {number} now Seconds. */
  weigh(now) {
    const most = this.columns.reduce((max, column) => Math.max(max, this.scoreOf(column, now)), 0);
    for (const column of this.columns) {
      const share = most > 0 ? Math.cbrt(this.scoreOf(column, now) / most) : 0;
      column.target = (this.height - column.ceiling) * FULL * Math.max(SILENT, share);
    }
  }

  /** @private The rest has the score of all its keys. @param {Column} column @param {number} now */
  scoreOf(column, now) {
    return this.sum(column, (tally) => tally.scoreAt(now));
  }

  /**
   * Events in the last minute.
   * @param {Column} column
   * @param {number} now Milliseconds.
   */
  lastMinute(column, now) {
    return this.sum(column, (tally) => tally.lastMinute(now / 1000));
  }

  /** @private @param {Column} column @param {(tally: Tally) => number} value */
  sum(column, value) {
    if (column.tally) return value(column.tally);
    let sum = 0;
    for (const tally of this.tallies.byKey.values()) if (!this.byKey.has(tally.key)) sum += value(tally);
    return sum;
  }
}

/** @param {Column} column @param {number} now Seconds. The rest is never the weakest. */
function score(column, now) {
  return column.tally ? column.tally.scoreAt(now) : Infinity;
}

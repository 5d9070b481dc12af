// @ts-check
/**
 * The runs that have begun and not ended. They hang over their column, pulse and grow with their age; when
 * the end comes, they fall. Pure.
 */
import { heightOf, nextId } from './layers.js';
import { columnOf } from './tally.js';

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').RunRow} RunRow */
/** @typedef {import('./column.js').Column} Column */
/** @typedef {import('./model.js').StackModel} StackModel */

/** The most runs that hang, and those of one column. The rest are counted. */
export const HANGING_MAX = 64;
export const HANGING_COLUMN_MAX = 3;

/** The least height, so that the age can be read, and the space between two. CSS pixels. */
const HEIGHT_MIN = 20;
const APART = 8;

/** Runs that are shorter do not hang, in milliseconds. */
const SHORT = 700;

/** An end that was seen is remembered so long, because a snapshot may be older. Milliseconds. */
const ENDED_MS = 3000;

/** One run. */
class Hanging {
  /** @param {RunRow} row @param {number} begun Milliseconds. */
  constructor(row, begun) {
    this.row = row;
    this.id = nextId();
    this.begun = begun;
    /** @type {Column | null} */
    this.column = null;
    this.alpha = 0;
    this.y = NaN;
    this.height = HEIGHT_MIN;
    this.gone = false;
    /** Its column's key, by what columns are now. */
    this.by = '';
    this.key = '';
    /** @type {import('./tally.js').Clause | null} */
    this.clause = null;
    /** Its place over the column, or -1 if there is no room for it. */
    this.place = -1;
  }
}

export class HangingRuns {
  constructor() {
    /** The oldest first. @type {Hanging[]} */
    this.list = [];
    /** The number of all running runs. */
    this.count = 0;
    /** @type {Map<string, number>} */
    this.ended = new Map();
    /** Runs without a place, by column. @type {Map<Column, number>} */
    this.more = new Map();
  }

  clear() {
    this.list = [];
    this.count = 0;
    this.ended.clear();
    this.more.clear();
  }

  /**
   * Takes the rows of a snapshot of the running view.
   * @param {RunRow[]} rows
   * @param {number} count All running runs.
   * @param {number} now Milliseconds.
   */
  update(rows, count, now) {
    this.count = count;
    for (const [key, at] of this.ended) if (now - at > ENDED_MS) this.ended.delete(key);
    const before = new Map(this.list.map((hanging) => [runKey(hanging.row), hanging]));
    this.list = [];
    for (const row of rows) {
      const key = runKey(row);
      if (row.state === 'abandoned' || row.age * 1000 < SHORT || this.ended.has(key)) continue;
      if (this.list.length >= HANGING_MAX) break;
      const hanging = before.get(key) ?? new Hanging(row, now - row.age * 1000);
      before.delete(key);
      hanging.row = row;
      hanging.gone = false;
      this.list.push(hanging);
    }
    for (const hanging of before.values()) {
      if (hanging.alpha < 0.05) continue;
      hanging.gone = true;
      this.list.push(hanging);
    }
  }

  /**
   * The end of a run.
   * @param {EventLine} event
   * @param {number} now
   * @returns {number | undefined} Where it hung, in CSS pixels from the top, if it did.
   */
  end(event, now) {
    const index = this.list.findIndex(({ row, gone }) => !gone && isRun(row, event));
    if (index < 0) return undefined;
    const [hanging] = this.list.splice(index, 1);
    this.ended.set(runKey(hanging.row), now);
    return hanging.place >= 0 && hanging.alpha > 0.3 ? hanging.y : undefined;
  }

  /**
   * Places the runs for one frame.
   * @param {StackModel} model
   * @param {number} now
   * @param {number} step Seconds.
   * @param {boolean} still
   */
  layout(model, now, step, still) {
    this.more.clear();
    /** @type {Map<Column, number>} */
    const bottoms = new Map();
    /** @type {Map<Column, number>} */
    const counts = new Map();
    for (const column of model.columns) column.ceiling = 0;
    for (const hanging of this.list) {
      const column = columnOfRun(model, hanging, now);
      const used = counts.get(column) ?? 0;
      hanging.column = column;
      if (used >= HANGING_COLUMN_MAX) {
        hanging.place = -1;
        hanging.alpha = 0;
        this.more.set(column, (this.more.get(column) ?? 0) + 1);
        continue;
      }
      counts.set(column, used + 1);
      hanging.place = used;
      const y = bottoms.get(column) ?? APART;
      hanging.height = Math.max(HEIGHT_MIN, heightOf((now - hanging.begun) / 1000));
      bottoms.set(column, y + hanging.height + APART);
      column.ceiling = y + hanging.height;
      const part = still ? 1 : 1 - Math.exp(-step / 0.3);
      hanging.y = Number.isNaN(hanging.y) ? y : hanging.y + (y - hanging.y) * part;
      hanging.alpha += ((hanging.gone ? 0 : 1) - hanging.alpha) * part;
    }
    if (this.list.some((hanging) => hanging.gone && hanging.alpha < 0.05)) {
      this.list = this.list.filter((hanging) => !hanging.gone || hanging.alpha >= 0.05);
    }
  }
}

/** @param {RunRow} row */
function runKey(row) {
  return `${row.host} ${row.conn ?? ''} ${row.run}`;
}

/**
 * `true` if an event ends a run. The end may come over another connection, or without one.
 * @param {RunRow} row
 * @param {EventLine} event
 */
function isRun(row, event) {
  const conn = event.origin?.conn;
  return row.run === event.run && row.host === event.host
    && (conn === undefined || row.conn === undefined || conn === row.conn || row.state === 'unknown');
}

/** @param {StackModel} model @param {Hanging} hanging @param {number} now @returns {Column} */
function columnOfRun(model, hanging, now) {
  const { row } = hanging;
  if (hanging.by !== model.by) {
    const fields = { user: row.user ?? null, page: row.page ?? null };
    const { key, clause } = columnOf({ tag: row.tag, fields }, model.by);
    hanging.by = model.by;
    hanging.key = key;
    hanging.clause = clause;
  }
  const own = model.byKey.get(hanging.key);
  return own ?? model.columnFor(model.tallies.get(hanging.key, hanging.clause, now / 1000), now);
}

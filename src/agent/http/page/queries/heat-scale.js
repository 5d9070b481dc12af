// @ts-check
/**
 * The numbers of the heat map: from the counts of the agent to a grid of cells, and from cells to durations, times, a
 * text and a MATCH.
 */

import { duration, number } from '../draw/format.js';

/** @typedef {import('../types.js').Heat} Heat */

/** The scale that is drawn, in seconds. Shorter and longer durations have one row each at its ends. */
export const SHORTEST = 1e-4;
export const LONGEST = 10;

/**
 * The cells. Row 0 is the shortest. The counts of column `c` begin at `c * rows`.
 * @typedef {object} Grid
 * @property {number} columns
 * @property {number} rows
 * @property {Uint32Array} counts
 * @property {number} max The highest count.
 * @property {number} perDecade Rows of a factor of ten.
 * @property {number} step The width of a column, in milliseconds.
 * @property {number} start The begin of the oldest column, in milliseconds since 1970.
 */

/** A rectangle of cells, ends included. @typedef {{ from: number, to: number, low: number, high: number }} Rect */

/**
 * @param {Heat} heat
 * @param {number} now The time of the snapshot, in milliseconds since 1970.
 * @returns {Grid}
 */
export function gridOf(heat, now) {
  const perDecade = heat.per_decade;
  const columns = heat.columns.length;
  const inner = Math.round(Math.log10(LONGEST / SHORTEST) * perDecade);
  const rows = inner + 2;
  const first = Math.round(Math.log10(SHORTEST / heat.floor) * perDecade);
  const counts = new Uint32Array(columns * rows);
  let max = 0;
  for (let c = 0; c < columns; c++) {
    for (const [row, count] of heat.columns[c]) {
      const at = c * rows + Math.min(rows - 1, Math.max(0, row - first + 1));
      counts[at] += count;
      max = Math.max(max, counts[at]);
    }
  }
  const step = heat.step * 1000;
  const start = (Math.floor(now / step) + 1 - columns) * step;
  return { columns, rows, counts, max, perDecade, step, start };
}

/**
 * The durations of a row, in seconds: from the first, below the second.
 * @param {Grid} grid
 * @param {number} row
 * @returns {[number, number]}
 */
export function boundsOf({ rows, perDecade }, row) {
  const from = row === 0 ? 0 : SHORTEST * 10 ** ((row - 1) / perDecade);
  const to = row === rows - 1 ? Infinity : SHORTEST * 10 ** (row / perDecade);
  return [from, to];
}

/**
 * The strength of a colour, on a logarithmic scale: 0 for no event, 1 for the highest count.
 * @param {number} count
 * @param {number} max
 */
export function strength(count, max) {
  if (count <= 0) return 0;
  return max <= 1 ? 1 : 0.18 + 0.82 * (Math.log(count) / Math.log(max));
}

/**
 * The number of events in a rectangle.
 * @param {Grid} grid
 * @param {Rect} rect
 */
export function sumOf(grid, rect) {
  let sum = 0;
  for (let c = rect.from; c <= rect.to; c++) {
    for (let r = rect.low; r <= rect.high; r++) sum += grid.counts[c * grid.rows + r] ?? 0;
  }
  return sum;
}

/**
 * `12 events between 10 and 18 ms at 17:31:05`.
 * @param {Grid} grid
 * @param {Rect} rect
 * @param {(time: number) => string} clock Shows a time in milliseconds since 1970.
 */
export function describe(grid, rect, clock) {
  const sum = sumOf(grid, rect);
  const [from] = boundsOf(grid, rect.low);
  const [, to] = boundsOf(grid, rect.high);
  const start = clock(timeOf(grid, rect.from));
  const end = rect.from === rect.to ? '' : ` to ${clock(timeOf(grid, rect.to + 1))}`;
  return `${sum === 1 ? '1 event' : `${number(sum)} events`} ${range(from, to)} ${end ? 'from' : 'at'} ${start}${end}`;
}

/** @param {number} from @param {number} to */
function range(from, to) {
  const all = from === 0 && to === Infinity;
  if (all) return 'of any duration';
  if (to === Infinity) return `of ${brief(from)} and more`;
  if (from === 0) return `below ${brief(to)}`;
  const [low, high] = [brief(from), brief(to)];
  const [, unit] = high.split(' ');
  return `between ${low.endsWith(` ${unit}`) ? low.slice(0, -unit.length - 1) : low} and ${high}`;
}

/** A duration with two digits. @param {number} seconds */
function brief(seconds) {
  const micros = Number(seconds.toPrecision(2));
  return micros < 1e-3 ? `${Number((micros * 1e3).toPrecision(2))} ms` : duration(micros);
}

/**
 * The begin of a column, in milliseconds since 1970.
 * @param {Grid} grid
 * @param {number} column
 */
export function timeOf({ start, step }, column) {
  return start + column * step;
}

/**
 * The clauses and the period that select the events of a rectangle.
 * @param {Grid} grid
 * @param {Rect} rect
 * @returns {{ clauses: import('../tables/table.js').Clause[], since: string, until: string }}
 */
export function selection(grid, rect) {
  const [from] = boundsOf(grid, rect.low);
  const [, to] = boundsOf(grid, rect.high);
  const clauses = [];
  // Without a lower bound, `took>=0` still leaves out the events without a duration.
  clauses.push({ key: 'took', op: '>=', value: from === 0 ? '0' : value(from) });
  if (to !== Infinity) clauses.push({ key: 'took', op: '<', value: value(to) });
  const iso = (/** @type {number} */ column) => new Date(timeOf(grid, column)).toISOString();
  return { clauses, since: iso(rect.from), until: iso(rect.to + 1) };
}

/** A duration of a MATCH, with the four digits that decide. @param {number} seconds */
function value(seconds) {
  return seconds < 0.9999
    ? `${Number((seconds * 1000).toPrecision(4))}ms`
    : `${Number(seconds.toPrecision(4))}s`;
}

/**
 * Orders the corners of a rectangle and keeps it inside the grid.
 * @param {Grid} grid
 * @param {{ column: number, row: number }} a
 * @param {{ column: number, row: number }} b
 * @returns {Rect}
 */
export function rectOf(grid, a, b) {
  const inside = (/** @type {number} */ n, /** @type {number} */ size) => Math.min(size - 1, Math.max(0, n));
  const columns = [inside(a.column, grid.columns), inside(b.column, grid.columns)];
  const rows = [inside(a.row, grid.rows), inside(b.row, grid.rows)];
  return {
    from: Math.min(...columns),
    to: Math.max(...columns),
    low: Math.min(...rows),
    high: Math.max(...rows),
  };
}

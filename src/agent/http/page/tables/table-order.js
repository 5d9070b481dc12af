// @ts-check
/** The order of the rows of a table. */

/**
 * Sorts rows by a value, stable: rows with equal values keep their order.
 * @template Row
 * @param {Row[]} rows
 * @param {(row: Row) => string | number} value
 * @param {boolean} ascending
 * @returns {Row[]}
 */
export function sorted(rows, value, ascending) {
  const values = rows.map(value);
  const order = rows.map((_, index) => index);
  const sign = ascending ? 1 : -1;
  order.sort((a, b) => (values[a] < values[b] ? -sign : values[a] > values[b] ? sign : a - b));
  return order.map((index) => rows[index]);
}

/**
 * Keeps rows where they are: those in `places` in that order, then the others in theirs.
 * @template Row
 * @param {Row[]} rows
 * @param {(row: Row) => string} key
 * @param {Map<string, number>} places The place of each row that was there.
 * @returns {Row[]}
 */
export function held(rows, key, places) {
  return sorted(rows, (row) => places.get(key(row)) ?? Infinity, true);
}

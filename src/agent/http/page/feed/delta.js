// Snapshots of views from deltas. Pure.

/** @typedef {import('../types.js').Snapshot} Snapshot */

/** The keys whose arrays of rows are sent as differences. */
const ROWS = ['users', 'shapes', 'errors', 'runs'];

/**
 * The snapshot that a message describes: itself, or `base` with the changes that it lists.
 * @param {Record<string, unknown>} message  with `base`: a delta
 * @param {Record<string, unknown>|null} base  the snapshot before it
 * @returns {Snapshot|null}  null if the delta is not based on `base`, so that a whole snapshot is needed
 */
export function apply(message, base) {
  if (message.base === undefined) return /** @type {any} */ (message);
  if (base === null || base.v !== message.base) return null;
  const { base: _, ...snapshot } = message;
  for (const key of ROWS) {
    if (!Array.isArray(snapshot[key])) continue;
    const rows = expand(/** @type {unknown[]} */ (snapshot[key]), base[key]);
    if (rows === null) return null;
    snapshot[key] = rows;
  }
  return /** @type {any} */ (snapshot);
}

/**
 * @param {unknown[]} changes  rows, and `[from, count]` for rows of the base
 * @param {unknown} base
 * @returns {unknown[]|null}
 */
function expand(changes, base) {
  const before = Array.isArray(base) ? base : [];
  /** @type {unknown[]} */
  const rows = [];
  for (const change of changes) {
    if (!Array.isArray(change)) {
      rows.push(change);
      continue;
    }
    const [from, count] = change;
    const valid = Number.isInteger(from) && Number.isInteger(count) && from >= 0 && count >= 0;
    if (!valid || from + count > before.length) return null;
    for (let i = from; i < from + count; i += 1) rows.push(before[i]);
  }
  return rows;
}

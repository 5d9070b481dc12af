// Positions in a log, as text: `<log id>-<seq>`.

/** @typedef {import('../types.js').Line} Line */

/**
 * @param {string} cursor
 * @returns {{log: string, seq: number}|null}  null if it is not a cursor
 */
export function parse(cursor) {
  const parts = /^([0-9A-Za-z]{1,64})-(\d{1,16})$/.exec(cursor);
  return parts && { log: parts[1], seq: Number(parts[2]) };
}

/**
 * The number at which a line stands in its log. The cursor of a gap is the last number that it covers.
 * @param {Line} line
 * @returns {number}
 */
export function seqOf(line) {
  return 'gap' in line ? line.gap.before - 1 : line.seq;
}

/**
 * `true` if `cursor` is not beyond `floor`. Cursors of different logs cannot be compared: `false`.
 * @param {string} cursor
 * @param {string} floor
 * @returns {boolean}
 */
export function covered(cursor, floor) {
  const [a, b] = [parse(cursor), parse(floor)];
  return a !== null && b !== null && a.log === b.log && a.seq <= b.seq;
}

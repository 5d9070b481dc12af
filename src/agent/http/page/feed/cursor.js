// Positions in a log, as text: `<log id>-<seq>`, or in the stream of all hosts `<stream id>-<message>.<line>`.

/** @typedef {import('../types.js').Line} Line */

/** A number in a stream is that of a message times this, plus that of the line in it. The agent's constant. */
const MESSAGE_LINES = 4096;

/**
 * @param {string} cursor
 * @returns {{log: string, seq: number, stream: boolean}|null}  null if it is not a cursor
 */
export function parse(cursor) {
  const parts = /^([0-9A-Za-z]{1,64})-(\d{1,16})(?:\.(\d{1,4}))?$/.exec(cursor);
  if (!parts) return null;
  const [, log, number, line] = parts;
  const stream = line !== undefined;
  return { log, seq: stream ? Number(number) * MESSAGE_LINES + Number(line) : Number(number), stream };
}

/**
 * The cursor of a number in the same log.
 * @param {string} like  any cursor of the log
 * @param {number} seq
 * @returns {string}  `''` if `like` is not a cursor
 */
export function cursorAt(like, seq) {
  const known = parse(like);
  if (!known) return '';
  const number = known.stream ? `${Math.floor(seq / MESSAGE_LINES)}.${seq % MESSAGE_LINES}` : String(seq);
  return `${known.log}-${number}`;
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

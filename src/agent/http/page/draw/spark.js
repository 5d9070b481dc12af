// @ts-check
/** A small line of counts: the events of each minute. */

import { svg } from './dom.js';

/** The size of the drawing in its own units. CSS gives the size on the page. */
const WIDTH = 100;
const HEIGHT = 18;

/** The least count that reaches the top, so that a single event is no peak. */
const TOP_MIN = 4;

/**
 * The number of minutes of a series that lie before the first line that the view has read. Their counts are unknown,
 * and a zero would be a lie.
 * @param {{ time: string, from?: string }} snapshot
 * @param {number} length The length of the series.
 */
export function unknownMinutes({ time, from }, length) {
  if (from === undefined) return 0;
  const minute = (/** @type {string} */ text) => Math.floor(Date.parse(text) / 60_000);
  const known = minute(time) - minute(from) + 1;
  return known > 0 ? Math.max(0, length - known) : 0;
}

/**
 * The points of the line: all counts but the last, which is that of a minute that has not ended and would always
 * look like a decline.
 * @param {number[]} values The oldest first.
 * @param {number} [unknown] The number of values at the start that are unknown.
 * @returns {{ line: string, dot: [number, number] | null }} Points as in SVG, and the place of the last count.
 */
export function points(values, unknown = 0) {
  if (values.length === 0) return { line: '', dot: null };
  const top = Math.max(TOP_MIN, ...values);
  const step = (WIDTH - 4) / Math.max(1, values.length - 1);
  /** @type {[number, number][]} */
  const all = values.map((value, i) => [
    round(2 + i * step),
    round(HEIGHT - 2 - (HEIGHT - 4) * (value / top)),
  ]);
  const line = all
    .slice(unknown, -1)
    .map((point) => point.join(','))
    .join(' ');
  return { line, dot: all[all.length - 1] };
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/**
 * Draws the counts into an element, over the line that is there.
 * @param {HTMLElement} element
 * @param {number[]} values The oldest first.
 * @param {number} [unknown] As in {@link points}.
 */
export function spark(element, values, unknown = 0) {
  let picture = element.querySelector('svg');
  if (!picture) {
    picture = /** @type {SVGSVGElement} */ (
      svg(
        'svg',
        {
          class: 'spark',
          viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
          preserveAspectRatio: 'none',
          'aria-hidden': 'true',
          focusable: 'false',
        },
        svg('polyline', { fill: 'none', 'vector-effect': 'non-scaling-stroke' }),
        svg('line', { 'vector-effect': 'non-scaling-stroke' }),
      )
    );
    element.append(picture);
  }
  const { line, dot } = points(values, unknown);
  const [path, mark] = picture.children;
  if (path.getAttribute('points') !== line) path.setAttribute('points', line);
  // A line without length has a round end: a dot that the stretched drawing does not distort.
  const [x, y] = dot ?? [-9, -9];
  for (const [name, value] of [
    ['x1', x],
    ['x2', x],
    ['y1', y],
    ['y2', y],
  ])
    mark.setAttribute(String(name), String(value));
}

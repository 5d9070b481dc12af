// @ts-check
/** The chart of events a second by level over the last five minutes. */
import { Surface } from './canvas.js';
import { short } from './format.js';

/** The levels from the bottom of a bar to its top, with the CSS variables of their colours. */
const LEVELS = /** @type {const} */ ([
  ['debug', '--debug'], ['info', '--info'], ['notice', '--notice'], ['warning', '--warn'],
  ['err', '--err'], ['crit', '--crit'], ['alert', '--crit'], ['emerg', '--crit'],
]);

/** The height of the time axis, in pixels. */
const SCALE = 14;

/** The number of seconds in the chart. */
const SECONDS = 300;

/**
 * @returns {{ surface: Surface, set(snapshot: import('./types.js').RatesSnapshot, end: string): void }}
 *   `set` shows a snapshot. `end` is what the end of the time axis is called.
 */
export function createChart() {
  /** @type {number[][]} */
  let stacks = [];
  let max = 1;
  let label = 'now';
  const colors = Object.fromEntries([...LEVELS.map(([name, variable]) => [name, variable]),
    ['text', '--muted'], ['line', '--line']]);
  const surface = new Surface({
    label: 'Events a second by level over the last five minutes',
    colors,
    draw: ({ c, width, height, colors: paint }) => {
      draw(c, width, height, paint, stacks, max);
      drawScale(c, width, height, paint, label);
      return Infinity;
    },
  });
  surface.element.classList.add('chart-box');
  return {
    surface,
    set(snapshot, end) {
      label = end;
      const series = new Map(snapshot.levels.map((level) => [level.level, level.seconds]));
      stacks = LEVELS.map(([name]) => series.get(name) ?? []);
      max = 1;
      for (let s = 0; s < SECONDS; s++) max = Math.max(max, stacks.reduce((sum, level) => sum + (level[s] ?? 0), 0));
      surface.canvas.setAttribute('aria-label',
        `Events a second by level over the last five minutes, at most ${short(max)}`);
      surface.invalidate();
    },
  };
}

/**
 * @param {CanvasRenderingContext2D} c @param {number} width @param {number} height
 * @param {Record<string, string>} paint @param {number[][]} stacks @param {number} max
 */
function draw(c, width, height, paint, stacks, max) {
  c.clearRect(0, 0, width, height);
  const floor = height - SCALE;
  const room = floor - 6;
  const step = width / SECONDS;
  const bar = step > 2 ? step - 1 : step;
  const tops = new Float64Array(SECONDS).fill(floor);
  stacks.forEach((seconds, index) => {
    c.fillStyle = paint[LEVELS[index][0]];
    for (let s = 0; s < SECONDS; s++) {
      if (!seconds[s]) continue;
      // What is there must be seen, also one error among a thousand events.
      const size = Math.max(1, (seconds[s] / max) * room);
      tops[s] -= size;
      c.fillRect(s * step, tops[s], bar, size);
    }
  });
}

/**
 * @param {CanvasRenderingContext2D} c @param {number} width @param {number} height
 * @param {Record<string, string>} paint @param {string} end
 */
function drawScale(c, width, height, paint, end) {
  c.fillStyle = paint.line;
  c.fillRect(0, height - SCALE, width, 1);
  c.fillStyle = paint.text;
  c.font = '10px system-ui, sans-serif';
  c.textBaseline = 'alphabetic';
  for (let minute = 0; minute <= 5; minute++) {
    c.textAlign = minute === 0 ? 'left' : minute === 5 ? 'right' : 'center';
    const x = minute === 0 ? 5 : minute === 5 ? width - 5 : (minute / 5) * width;
    c.fillText(minute === 0 ? '5 min' : minute === 5 ? end : String(5 - minute), x, height - 3);
  }
}

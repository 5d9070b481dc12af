// @ts-check
/** The chart of events a second by level over the last five minutes. */
import { Surface } from '../draw/canvas.js';
import { h, setText } from '../draw/dom.js';
import { clock, number, short } from '../draw/format.js';

/** The levels from the bottom of a bar to its top, with the CSS variables of their colours. */
const LEVELS = /** @type {const} */ ([
  ['debug', '--debug'],
  ['info', '--info'],
  ['notice', '--notice'],
  ['warning', '--warn'],
  ['err', '--err'],
  ['crit', '--crit'],
  ['alert', '--crit'],
  ['emerg', '--crit'],
]);

/** The height of the time axis, in pixels. */
const SCALE = 14;

/** The number of seconds in the chart. */
const SECONDS = 300;

/** A click shows so many seconds around it; a drag shows what it spans. */
const CLICK_SECONDS = 10;

/**
 * @param {(since: number, until: number) => void} onPeriod The reader chose a period, in milliseconds since
 *   1970.
 * @returns {{ surface: Surface, element: HTMLElement,
 *   set(snapshot: import('../types.js').RatesSnapshot, end: string): void }}
 *   `set` shows a snapshot. `end` is what the end of the time axis is called.
 */
export function createChart(onPeriod) {
  /** @type {number[][]} */
  let stacks = [];
  let max = 1;
  let label = 'now';
  /** The second after the last one of the chart, since 1970. */
  let end = 0;
  /** The seconds at the start of the chart that the agent has not read: it folds only what is watched. */
  let unread = 0;
  const colors = Object.fromEntries([
    ...LEVELS.map(([name, variable]) => [name, variable]),
    ['text', '--muted'],
    ['line', '--line'],
    ['mark', '--accent'],
    ['unread', '--panel'],
  ]);
  const pointer = createPointer();
  const surface = new Surface({
    label: 'Events a second by level over the last five minutes',
    colors,
    draw: ({ c, width, height, colors: paint }) => {
      c.clearRect(0, 0, width, height);
      c.fillStyle = paint.unread;
      c.fillRect(0, 0, (unread / SECONDS) * width, height - SCALE);
      draw(c, width, height, paint, stacks, max);
      drawScale(c, width, height, paint, label);
      drawMark(c, width, height, paint, pointer.span());
      return Infinity;
    },
  });
  surface.element.classList.add('chart-box');
  const tip = h('div', { class: 'chart-tip', hidden: true, 'aria-hidden': 'true' });
  const element = h('div', { class: 'chart' }, surface.element, tip);
  const showTip = () => {
    const at = pointer.at();
    tip.hidden = at < 0 || end === 0;
    if (!tip.hidden) setText(tip, describe(stacks, pointer.span(), end, unread));
    tip.classList.toggle('left', at < SECONDS / 2);
    surface.invalidate();
  };
  const second = (/** @type {number} */ x) =>
    Math.max(0, Math.min(SECONDS - 1, Math.floor((x / surface.frame.width) * SECONDS)));
  surface.onPointer({
    move(x) {
      pointer.move(second(x));
      showTip();
    },
    leave() {
      pointer.leave();
      showTip();
    },
    down(x, _, event) {
      surface.canvas.setPointerCapture(event.pointerId);
      pointer.press(second(x));
    },
    up() {
      const [from, to] = pointer.release();
      showTip();
      if (from < 0 || end === 0) return;
      const around = from === to ? CLICK_SECONDS / 2 : 0;
      onPeriod((end - SECONDS + from - around) * 1000, (end - SECONDS + to + 1 + around) * 1000);
    },
  });
  return {
    surface,
    element,
    set(snapshot, endLabel) {
      label = endLabel;
      end = Math.floor(Date.parse(snapshot.time) / 1000) + 1;
      const from = snapshot.from ? Math.floor(Date.parse(snapshot.from) / 1000) : end;
      unread = Math.max(0, Math.min(SECONDS, from - (end - SECONDS)));
      const series = new Map(snapshot.levels.map((level) => [level.level, level.seconds]));
      stacks = LEVELS.map(([name]) => series.get(name) ?? []);
      max = 1;
      for (let s = 0; s < SECONDS; s++)
        max = Math.max(
          max,
          stacks.reduce((sum, level) => sum + (level[s] ?? 0), 0),
        );
      surface.canvas.setAttribute(
        'aria-label',
        `Events a second by level over the last five minutes, at most ${short(max)}`,
      );
      if (pointer.at() >= 0) showTip();
      else surface.invalidate();
    },
  };
}

/** Where the pointer is, in seconds of the chart: -1 for nowhere. */
function createPointer() {
  let at = -1;
  let pressed = -1;
  /** @returns {[number, number]} */
  const span = () => (pressed < 0 ? [at, at] : [Math.min(at, pressed), Math.max(at, pressed)]);
  return {
    span,
    at: () => at,
    /** @param {number} second */
    move(second) {
      at = second;
    },
    leave() {
      if (pressed < 0) at = -1;
    },
    /** @param {number} second */
    press(second) {
      at = pressed = second;
    },
    /** The chosen span, or -1 if there was none. */
    release() {
      const chosen = pressed < 0 ? /** @type {[number, number]} */ ([-1, -1]) : span();
      pressed = -1;
      return chosen;
    },
  };
}

/**
 * The time and the counts of a span in words.
 * @param {number[][]} stacks @param {[number, number]} span @param {number} end
 * @param {number} unread
 */
function describe(stacks, [from, to], end, unread) {
  const at = (/** @type {number} */ s) =>
    clock(new Date((end - SECONDS + s) * 1000).toISOString()).slice(0, 8);
  const counts = LEVELS.map(([name], index) => {
    let count = 0;
    for (let s = from; s <= to; s++) count += stacks[index]?.[s] ?? 0;
    return count > 0 ? `${number(count)} ${name}` : '';
  });
  const none = to < unread ? 'not counted yet' : 'no events';
  const text = counts.filter(Boolean).reverse().join(' · ') || none;
  return `${from === to ? at(from) : `${at(from)} – ${at(to)}`}  ${text}`;
}

/**
 * @param {CanvasRenderingContext2D} c @param {number} width @param {number} height
 * @param {Record<string, string>} paint @param {number[][]} stacks @param {number} max
 */
function draw(c, width, height, paint, stacks, max) {
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

/**
 * @param {CanvasRenderingContext2D} c @param {number} width @param {number} height
 * @param {Record<string, string>} paint @param {[number, number]} span
 */
function drawMark(c, width, height, paint, [from, to]) {
  if (from < 0) return;
  const step = width / SECONDS;
  c.globalAlpha = 0.25;
  c.fillStyle = paint.mark;
  c.fillRect(from * step, 0, Math.max(1, (to - from + 1) * step), height - SCALE);
  c.globalAlpha = 1;
}

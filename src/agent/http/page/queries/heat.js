// @ts-check
/**
 * The heat map: durations over time on a logarithmic scale. A rectangle, drawn with the pointer or by keyboard, opens
 * its events in the Stream.
 */

import { Surface, mix } from '../draw/canvas.js';
import { h, setText } from '../draw/dom.js';
import { SLOW_SECONDS } from '../tables/examples.js';
import { addClause } from '../filter/filter.js';
import { clock, duration, number } from '../draw/format.js';
import { boundsOf, describe, gridOf, rectOf, selection, strength } from './heat-scale.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').QueriesSnapshot} QueriesSnapshot */
/** @typedef {import('./heat-scale.js').Grid} Grid */

/** Room for the labels, in CSS pixels. */
const LEFT = 50;
const BOTTOM = 20;
const TOP = 6;

/** The colours of a scale, so that no text is made while drawing. */
const SHADES = 32;

const HELP =
  'Arrow keys move, with Shift they select. Enter opens the events of the selection in the Stream. Escape ends it.';

/** A cell by its time, so that it stays with its events while the map moves. @typedef {{ time: number, row: number }} Spot */

/** The heat map in the page. */
export class HeatMap {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    /** @type {Grid | null} */
    this.grid = null;
    /** The corner where a selection began, and the cell of pointer or keyboard. @type {Spot | null} */
    this.anchor = null;
    /** @type {Spot | null} */
    this.spot = null;
    this.dragging = false;
    /** @type {string[]} */
    this.shades = [];
    /** @type {string[]} */
    this.slowShades = [];
    this.surface = new Surface({
      label: 'Durations of events over the last five minutes, on a logarithmic scale',
      colors: {
        text: '--muted',
        line: '--line',
        accent: '--text',
        bg: '--heat-0',
        warn: '--warn',
        h1: '--heat-1',
        h2: '--heat-2',
        h3: '--heat-3',
        h4: '--heat-4',
        h5: '--heat-5',
        h6: '--heat-6',
      },
      draw: (frame) => this.draw(frame),
      onColors: (frame) => this.mixColors(frame.rgba),
    });
    this.tip = h('div', { class: 'heat-tip', hidden: true, 'aria-hidden': 'true' });
    this.none = h('p', { class: 'heat-none' });
    this.max = h('span', {}, '1');
    const help = h('p', { class: 'sr-only', id: 'heat-help' }, HELP);
    this.surface.element.classList.add('heat-box');
    this.element = h(
      'section',
      { class: 'heat', 'aria-label': 'How long events took' },
      h(
        'div',
        { class: 'section-head' },
        h('h2', null, 'How long they took'),
        h(
          'span',
          { class: 'heat-key', 'aria-hidden': 'true' },
          h('span', {}, '1'),
          h('i', { class: 'heat-ramp' }),
          this.max,
        ),
      ),
      h('div', { class: 'heat-frame' }, this.surface.element, this.tip, this.none),
      help,
    );
    this.listen();
  }

  show() {
    this.surface.show();
  }

  hide() {
    this.clearSelection();
    this.surface.hide();
  }

  /** @param {QueriesSnapshot} snapshot */
  update(snapshot) {
    const { heat } = snapshot;
    this.grid = heat && heat.columns.length > 0 ? gridOf(heat, Date.parse(snapshot.time)) : null;
    setText(
      this.none,
      this.grid
        ? this.grid.max === 0
          ? 'No event with a duration in these five minutes'
          : ''
        : 'No heat map for this period',
    );
    setText(this.max, number(this.grid?.max ?? 1));
    this.showTip();
    this.surface.invalidate();
  }

  clear() {
    this.grid = null;
    setText(this.none, '');
    this.clearSelection();
    this.surface.invalidate();
  }

  /** @private */
  listen() {
    const { canvas } = this.surface;
    canvas.tabIndex = 0;
    canvas.setAttribute('role', 'application');
    canvas.setAttribute('aria-roledescription', 'heat map');
    canvas.setAttribute('aria-describedby', 'heat-help');
    this.surface.onPointer({
      down: (x, y, event) => {
        const spot = event.button === 0 ? this.spotAt(x, y) : null;
        if (!spot) return;
        canvas.setPointerCapture(event.pointerId);
        this.dragging = true;
        this.anchor = spot;
        this.moveTo(spot);
      },
      move: (x, y) => this.moveTo(this.spotAt(x, y, this.dragging)),
      up: (x, y) => {
        if (!this.dragging) return;
        this.moveTo(this.spotAt(x, y, true));
        this.dragging = false;
        this.openSelection();
      },
      leave: () => {
        if (!this.dragging && document.activeElement !== canvas) this.clearSelection();
      },
    });
    canvas.addEventListener('pointercancel', () => this.clearSelection());
    canvas.addEventListener('keydown', (event) => {
      if (this.onKey(event)) event.preventDefault();
    });
    canvas.addEventListener('blur', () => this.clearSelection());
  }

  /** @private @param {KeyboardEvent} event */
  onKey(event) {
    const { grid } = this;
    if (!grid || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === 'Enter' || event.key === ' ') {
      if (!this.spot) return false;
      this.openSelection();
      return true;
    }
    if (event.key === 'Escape') {
      const had = this.spot !== null;
      this.clearSelection();
      return had;
    }
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return false;
    const at = this.spot ? this.cellOf(this.spot) : { column: grid.columns, row: Math.floor(grid.rows / 2) };
    const { from, low } = rectOf(
      grid,
      { column: at.column + step[0], row: at.row + step[1] },
      { column: at.column + step[0], row: at.row + step[1] },
    );
    if (!event.shiftKey) this.anchor = null;
    else this.anchor ??= this.spot;
    this.moveTo({ time: grid.start + from * grid.step, row: low });
    this.context.announce(this.text());
    return true;
  }

  /** @private @param {Spot | null} spot */
  moveTo(spot) {
    this.spot = spot;
    this.showTip();
    this.surface.invalidate();
  }

  /** @private */
  clearSelection() {
    this.anchor = null;
    this.dragging = false;
    this.moveTo(null);
  }

  /** @private */
  openSelection() {
    const rect = this.rect();
    if (!this.grid || !rect) return;
    const { clauses, since, until } = selection(this.grid, rect);
    const { state } = this.context;
    const match = clauses.reduce(
      (text, { key, op, value }) => addClause(text, key, op, value),
      state.get().match,
    );
    this.clearSelection();
    state.set({ view: 'stream', match, since, until }, { push: true });
  }

  /** @private @param {Spot} spot */
  cellOf(spot) {
    const { start, step } = /** @type {Grid} */ (this.grid);
    return { column: Math.round((spot.time - start) / step), row: spot.row };
  }

  /** @private */
  rect() {
    if (!this.grid || !this.spot) return null;
    return rectOf(this.grid, this.cellOf(this.anchor ?? this.spot), this.cellOf(this.spot));
  }

  /** @private */
  text() {
    const rect = this.rect();
    const at = (/** @type {number} */ time) => clock(new Date(time).toISOString()).slice(0, 8);
    return rect && this.grid ? describe(this.grid, rect, at) : '';
  }

  /** @private @param {number} x @param {number} y @param {boolean} [anywhere] @returns {Spot | null} */
  spotAt(x, y, anywhere = false) {
    const { grid } = this;
    const { width, height } = this.surface.frame;
    if (!grid) return null;
    const column = Math.floor(((x - LEFT) / (width - LEFT)) * grid.columns);
    const row = Math.floor(((height - BOTTOM - y) / (height - BOTTOM - TOP)) * grid.rows);
    const isInside = column >= 0 && column < grid.columns && row >= 0 && row < grid.rows;
    if (!isInside && !anywhere) return null;
    const rect = rectOf(grid, { column, row }, { column, row });
    return { time: grid.start + rect.from * grid.step, row: rect.low };
  }

  /** @private */
  showTip() {
    const rect = this.rect();
    this.tip.hidden = !rect;
    if (!rect || !this.grid) return;
    setText(this.tip, this.text());
    const { width, height } = this.surface.frame;
    const middle = LEFT + ((rect.from + rect.to + 1) / 2 / this.grid.columns) * (width - LEFT);
    const top = height - BOTTOM - ((rect.high + 1) / this.grid.rows) * (height - BOTTOM - TOP);
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.max(half, Math.min(width - half, middle))}px`;
    this.tip.style.top = `${top}px`;
    this.tip.classList.toggle('below', top < 34);
    this.tip.style.setProperty(
      '--below',
      `${((rect.high - rect.low + 1) / this.grid.rows) * (height - BOTTOM - TOP)}px`,
    );
  }

  /** @private @param {Record<string, import('../draw/canvas.js').Rgba>} rgba */
  mixColors(rgba) {
    const stops = [rgba.bg, rgba.h1, rgba.h2, rgba.h3, rgba.h4, rgba.h5, rgba.h6];
    this.shades = [];
    this.slowShades = [];
    for (let i = 0; i < SHADES; i++) {
      const part = i / (SHADES - 1);
      const at = part * (stops.length - 1);
      const below = Math.min(stops.length - 2, Math.floor(at));
      this.shades.push(mix(stops[below], stops[below + 1], at - below));
      this.slowShades.push(mix(rgba.bg, rgba.warn, part ** 1.1));
    }
  }

  /** @private @param {import('../draw/canvas.js').Frame} frame @returns {number} */
  draw({ c, width, height, colors, ratio }) {
    c.clearRect(0, 0, width, height);
    const { grid } = this;
    if (!grid) return Infinity;
    const cell = { w: (width - LEFT) / grid.columns, h: (height - BOTTOM - TOP) / grid.rows };
    this.drawScale(c, grid, cell, width, height, colors, ratio);
    const gap = cell.w >= 4 ? 1 : 0;
    for (let column = 0; column < grid.columns; column++) {
      const x = LEFT + column * cell.w;
      for (let row = 0; row < grid.rows; row++) {
        const count = grid.counts[column * grid.rows + row];
        if (count === 0) continue;
        const shades = boundsOf(grid, row)[0] >= SLOW_SECONDS * 0.999 ? this.slowShades : this.shades;
        c.fillStyle = shades[Math.round(strength(count, grid.max) * (SHADES - 1))];
        const y = height - BOTTOM - (row + 1) * cell.h;
        c.fillRect(
          Math.round(x),
          Math.round(y),
          Math.round(x + cell.w) - Math.round(x) - gap,
          Math.round(y + cell.h) - Math.round(y) - 1,
        );
      }
    }
    this.drawSelection(c, cell, height, colors);
    return Infinity;
  }

  /**
   * @private @param {CanvasRenderingContext2D} c @param {Grid} grid @param {{ w: number, h: number }} cell @param {number} width
   * @param {number} height @param {Record<string, string>} colors @param {number} ratio
   */
  drawScale(c, grid, cell, width, height, colors, ratio) {
    c.font = '11px system-ui, sans-serif';
    c.fillStyle = colors.text;
    c.textBaseline = 'middle';
    c.textAlign = 'right';
    for (let row = 1; row < grid.rows; row += grid.perDecade) {
      const y = height - BOTTOM - row * cell.h;
      const [from] = boundsOf(grid, row);
      c.fillStyle = colors.text;
      c.fillText(
        from < 1e-3 ? `${Number((from * 1e3).toPrecision(2))} ms` : duration(Number(from.toPrecision(3))),
        LEFT - 8,
        y,
      );
      c.fillStyle = colors.line;
      c.fillRect(LEFT, Math.round(y * ratio) / ratio, width - LEFT, 1 / ratio);
    }
    c.fillStyle = colors.text;
    c.textBaseline = 'alphabetic';
    const minutes = Math.round((grid.columns * grid.step) / 60_000);
    for (let minute = minutes; minute >= 0; minute--) {
      // The first label begins at its time, so that the second one needs room.
      if (minute === minutes - 1 && (60_000 / grid.step) * cell.w < 66) continue;
      const x = width - ((minute * 60_000) / grid.step) * cell.w;
      c.textAlign = minute === minutes ? 'left' : minute === 0 ? 'right' : 'center';
      const past = this.context.state.get().until !== '';
      c.fillText(minute === 0 ? (past ? 'end' : 'now') : `−${minute} min`, Math.min(width, x), height - 5);
    }
  }

  /**
   * @private @param {CanvasRenderingContext2D} c @param {{ w: number, h: number }} cell @param {number} height
   * @param {Record<string, string>} colors
   */
  drawSelection(c, cell, height, colors) {
    const rect = this.rect();
    if (!rect) return;
    c.strokeStyle = colors.accent;
    c.lineWidth = 1.5;
    c.strokeRect(
      LEFT + rect.from * cell.w - 0.5,
      height - BOTTOM - (rect.high + 1) * cell.h - 0.5,
      (rect.to - rect.from + 1) * cell.w,
      (rect.high - rect.low + 1) * cell.h,
    );
  }
}

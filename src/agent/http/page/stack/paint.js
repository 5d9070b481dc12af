// @ts-check
/**
 * Draws the stack. Rectangles are collected by colour and filled one colour after the other, from typed
 * arrays, so that a frame of a thousand blocks neither allocates nor switches colours a thousand times.
 */
import { findRect } from '../draw/canvas.js';
import { Palette, SHADES, shadeOf } from './colors.js';
import { SPACE } from './column.js';
import { BAR, EVENT, GAP, TONES, WARN } from './layers.js';
import { number, duration, age as shortAge } from '../draw/format.js';

/** @typedef {import('../draw/canvas.js').Frame} Frame */
/** @typedef {import('./column.js').Column} Column */
/** @typedef {import('./model.js').StackModel} StackModel */
/** @typedef {import('./runs.js').HangingRuns} HangingRuns */

/** The most rectangles and the most places that can be pointed at, of one frame. */
const RECTS_MAX = 24_576;
const SPOTS_MAX = 12_288;

/** The most labels of one frame, and the least bar that has one, in CSS pixels. */
const LABELS_MAX = 320;
const LABEL_WIDTH = 34;
const LABEL_HEIGHT = 12;

/** The depth at which a landing is felt no more, in CSS pixels. */
const JOLT_DEPTH = 90;

/** Thin blocks can be pointed at as if they had this height. */
const SLACK = 9;

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';

/** What a spot is: a block of a column, a block in the air, or a run. */
export const BLOCK = 0;
export const FLYING = 1;
export const RUN = 2;

export class Painter {
  /** @param {StackModel} model @param {HangingRuns} runs */
  constructor(model, runs) {
    this.model = model;
    this.runs = runs;
    this.palette = new Palette();
    const colors = TONES.length * SHADES;
    this.rects = new Float32Array(4 * RECTS_MAX);
    this.next = new Int32Array(RECTS_MAX);
    this.heads = new Int32Array(colors).fill(-1);
    this.used = 0;
    this.spots = new Float32Array(4 * SPOTS_MAX);
    /** @type {any[]} */
    this.spotOwners = new Array(SPOTS_MAX).fill(null);
    this.spotKinds = new Uint8Array(SPOTS_MAX);
    this.spotIds = new Float64Array(SPOTS_MAX);
    this.spotCount = 0;
    /** @type {{text: string, color: string, x: number, y: number}[]} */
    this.labels = Array.from({ length: LABELS_MAX }, () => ({ text: '', color: '', x: 0, y: 0 }));
    this.labelCount = 0;
    /** The id of the block that is pointed at or selected, and whether it was drawn. */
    this.marked = 0;
    this.pixel = 1;
  }

  /** The space between two columns. */
  get gutter() {
    return Math.max(6, Math.min(28, this.model.pitch * 0.2));
  }

  /** The width of a block. */
  get width() {
    return Math.max(4, this.model.pitch - this.gutter);
  }

  /**
   * @param {Frame} frame
   * @param {number} now Milliseconds, the model's.
   */
  draw(frame, now) {
    const { c, width, height } = frame;
    const { model } = this;
    this.pixel = 1 / frame.ratio;
    this.spotCount = 0;
    this.labelCount = 0;
    c.globalAlpha = 1;
    c.fillStyle = frame.colors.bg;
    c.fillRect(0, 0, width, height);
    c.font = FONT;
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    this.drawTrails(c);
    for (const column of model.leaving) this.drawFading(c, column, now);
    for (const column of model.columns) {
      if (column.alpha < 0.98) this.drawFading(c, column, now);
      else this.collect(column, now);
    }
    this.collectFlights();
    this.flush(c);
    this.drawLabels(c);
    this.drawRuns(frame, now);
    c.fillStyle = frame.colors.strong;
    c.fillRect(0, model.height - this.pixel, width, this.pixel);
    this.drawMark(frame);
  }

  /**
   * What is at a place.
   * @param {number} x @param {number} y
   * @returns {number} The index of a spot, or -1.
   */
  find(x, y) {
    return findRect(this.spots, this.spotCount, x, y, SLACK);
  }

  /** The spot of the marked block, or -1. */
  findMarked() {
    for (let i = 0; i < this.spotCount; i++) if (this.spotIds[i] === this.marked) return i;
    return -1;
  }

  /** @private @param {CanvasRenderingContext2D} c @param {Column} column @param {number} now */
  drawFading(c, column, now) {
    this.flush(c);
    this.collect(column, now);
    c.globalAlpha = column.alpha;
    this.flush(c);
    c.globalAlpha = 1;
  }

  /** @private From the top block down to the floor. @param {Column} column @param {number} now */
  collect(column, now) {
    const { layers } = column;
    const floor = this.model.height;
    const x = this.snap(column.x + this.gutter / 2);
    const { width } = this;
    let top = floor - column.level;
    let depth = 0;
    for (let i = layers.length - 1; i >= 0 && top < floor; i--) {
      const place = layers.at(i);
      const tall = layers.height[place];
      const y = this.snap(top + column.jolt * Math.exp(-depth / JOLT_DEPTH));
      const bottom = Math.min(floor, this.snap(top + tall + column.jolt * Math.exp(-depth / JOLT_DEPTH)));
      if (bottom > y && bottom > 0) this.collectLayer(column, place, x, y, this.snap(width), bottom - y, now);
      top += tall + SPACE;
      depth += tall + SPACE;
    }
  }

  /** @private @param {Column} column @param {number} place @param {number} x @param {number} y
   * @param {number} w @param {number} h @param {number} now */
  collectLayer(column, place, x, y, w, h, now) {
    const { layers } = column;
    const shade = shadeOf(now - layers.born[place]);
    const color = layers.tone[place] * SHADES + shade;
    const kind = layers.kind[place];
    if (kind === GAP) this.dashes(x - this.gutter / 2, y, w + this.gutter);
    else if (layers.abandoned[place]) this.hollow(x, y, w, h, WARN * SHADES + Math.min(6, shade));
    else if (kind === BAR) this.bar(column, place, x, y, w, h, shade);
    else this.block(x, y, w, h, color);
    this.spot(column, BLOCK, layers.id[place], x, y, w, h);
  }

  /** @private A bar shows the levels of its events side by side. @param {Column} column @param {number} place
   * @param {number} x @param {number} y @param {number} w @param {number} h @param {number} shade */
  bar(column, place, x, y, w, h, shade) {
    const { layers } = column;
    const count = layers.count[place];
    const mix = place * TONES.length;
    let left = x;
    let widest = -1;
    for (let tone = 0; tone < TONES.length; tone++) {
      const part = layers.mix[mix + tone];
      if (part === 0) continue;
      if (part === count) this.block(x, y, w, h, tone * SHADES + shade);
      const share = (w * part) / count;
      const wide = Math.min(x + w - left, Math.max(share, tone <= WARN ? 3 : 0));
      const seam = left + wide < x + w - 1 ? 1 : 0;
      if (part < count) this.rect(left, y, wide - seam, h, tone * SHADES + shade);
      if (widest < 0 || part > layers.mix[mix + widest]) widest = tone;
      left += wide;
    }
    if (h < LABEL_HEIGHT || w < LABEL_WIDTH || this.labelCount === LABELS_MAX || widest < 0) return;
    if (layers.text[place] === '' || layers.labelled[place] !== count) {
      layers.text[place] = `×${number(count)}`;
      layers.labelled[place] = count;
    }
    const label = this.labels[this.labelCount];
    this.labelCount += 1;
    label.text = layers.text[place];
    label.color = this.palette.ink[widest * SHADES + shade];
    label.x = x + w / 2;
    label.y = y + h / 2 + 0.5;
  }

  /** @private @param {number} x @param {number} y @param {number} width */
  dashes(x, y, width) {
    const color = WARN * SHADES + 2;
    for (let left = 0; left < width; left += 10) this.rect(x + left, y, Math.min(6, width - left), 2, color);
  }

  /** @private An abandoned run: an outline with slats. @param {number} x @param {number} y @param {number} w
   * @param {number} h @param {number} color */
  hollow(x, y, w, h, color) {
    const dim = WARN * SHADES + SHADES - 2;
    for (let left = 4; left < w - 4; left += 7) this.rect(x + left, y + 2, 3, Math.max(0, h - 4), dim);
    this.rect(x, y, w, 1, color);
    this.rect(x, y + h - 1, w, 1, color);
    this.rect(x, y, 1, h, color);
    this.rect(x + w - 1, y, 1, h, color);
  }

  /** @private The corners are cut off a little: cheaper than arcs. @param {number} x @param {number} y
   * @param {number} w @param {number} h @param {number} color */
  block(x, y, w, h, color) {
    if (h < 5) return this.rect(x, y, w, h, color);
    const cut = h < 9 ? this.pixel : 1;
    this.rect(x + cut, y, w - 2 * cut, cut, color);
    this.rect(x, y + cut, w, h - 2 * cut, color);
    this.rect(x + cut, y + h - cut, w - 2 * cut, cut, color);
  }

  /** @private @param {number} x @param {number} y @param {number} w @param {number} h
   * @param {number} color */
  rect(x, y, w, h, color) {
    if (this.used === RECTS_MAX || w <= 0 || h <= 0) return;
    const at = 4 * this.used;
    this.rects[at] = x;
    this.rects[at + 1] = y;
    this.rects[at + 2] = w;
    this.rects[at + 3] = h;
    this.next[this.used] = this.heads[color];
    this.heads[color] = this.used;
    this.used += 1;
  }

  /** @private @param {CanvasRenderingContext2D} c */
  flush(c) {
    const { rects, next, heads } = this;
    for (let color = 0; color < heads.length; color++) {
      if (heads[color] < 0) continue;
      c.fillStyle = this.palette.fill[color];
      for (let i = heads[color]; i >= 0; i = next[i]) {
        c.fillRect(rects[4 * i], rects[4 * i + 1], rects[4 * i + 2], rects[4 * i + 3]);
      }
      heads[color] = -1;
    }
    this.used = 0;
  }

  /** @private @param {any} owner @param {number} kind @param {number} id @param {number} x @param {number} y
   * @param {number} w @param {number} h */
  spot(owner, kind, id, x, y, w, h) {
    if (this.spotCount === SPOTS_MAX) return;
    const at = 4 * this.spotCount;
    this.spots[at] = x;
    this.spots[at + 1] = y;
    this.spots[at + 2] = w;
    this.spots[at + 3] = h;
    this.spotOwners[this.spotCount] = owner;
    this.spotKinds[this.spotCount] = kind;
    this.spotIds[this.spotCount] = id;
    this.spotCount += 1;
  }

  /** @private @param {CanvasRenderingContext2D} c */
  drawTrails(c) {
    const { flights } = this.model;
    for (let i = 0; i < flights.flying; i++) {
      const flight = flights.list[i];
      const column = /** @type {Column} */ (flight.column);
      const length = Math.min(64, (flight.y - flight.from) * 0.25);
      if (flight.kind === GAP || length < 2 || column.leaving) continue;
      c.drawImage(this.palette.trail, column.x + this.gutter / 2, flight.y - length, this.width, length);
    }
  }

  /** @private */
  collectFlights() {
    const { flights } = this.model;
    for (let i = 0; i < flights.flying; i++) {
      const flight = flights.list[i];
      const column = /** @type {Column} */ (flight.column);
      if (flight.y + flight.height < 0 || column.leaving) continue;
      const x = this.snap(column.x + this.gutter / 2);
      const y = this.snap(flight.y);
      const w = this.snap(this.width);
      if (flight.kind === GAP) this.dashes(column.x, y, this.model.pitch);
      else if (flight.event?.abandoned) this.hollow(x, y, w, flight.height, WARN * SHADES + 2);
      else this.block(x, y, w, flight.height, flight.tone * SHADES + 2);
      if (flight.kind === EVENT) this.spot(flight, FLYING, flight.id, x, y, w, flight.height);
    }
  }

  /** @private @param {CanvasRenderingContext2D} c */
  drawLabels(c) {
    let color = '';
    for (let i = 0; i < this.labelCount; i++) {
      const label = this.labels[i];
      if (label.color !== color) c.fillStyle = color = label.color;
      c.fillText(label.text, label.x, label.y);
    }
  }

  /** @private @param {Frame} frame @param {number} now */
  drawRuns({ c, colors, still }, now) {
    const { runs, palette, gutter, width } = this;
    for (const run of runs.list) {
      const { column } = run;
      if (!column || run.place < 0 || Number.isNaN(column.x) || Number.isNaN(run.y)) continue;
      const wave = still ? 0.6 : 0.5 + 0.5 * Math.sin((now - run.begun) / 420);
      const x = column.x + gutter / 2;
      const unknown = run.row.state === 'unknown';
      if (!unknown) {
        c.globalAlpha = run.alpha * (0.3 + 0.45 * wave);
        c.drawImage(palette.glow, x - 14, run.y - 12, width + 28, run.height + 24);
      }
      c.globalAlpha = run.alpha;
      c.fillStyle = unknown ? colors.strong : colors.accent;
      c.beginPath();
      c.roundRect(x, run.y, width, run.height, 3);
      c.fill();
      if (!unknown) {
        c.globalAlpha = run.alpha * 0.28 * (1 - wave);
        c.fillStyle = colors.bg;
        c.fill();
      }
      const seconds = Math.max(0, (now - run.begun) / 1000);
      c.globalAlpha = run.alpha;
      c.fillStyle = unknown ? colors.text : colors.onAccent;
      const text = width < 62 ? shortAge(seconds) : duration(Math.floor(seconds));
      c.fillText(text, x + width / 2, run.y + run.height / 2 + 0.5);
      this.spot(run, RUN, run.id, x, run.y, width, run.height);
      const more = run.place === 2 ? runs.more.get(column) : 0;
      if (!more) continue;
      c.fillStyle = colors.muted;
      c.fillText(`+${number(more)} running`, x + width / 2, run.y + run.height + 12);
    }
    c.globalAlpha = 1;
  }

  /** @private @param {Frame} frame */
  drawMark({ c, colors }) {
    const at = this.marked ? this.findMarked() : -1;
    if (at < 0) return;
    c.strokeStyle = colors.text;
    c.lineWidth = 1.5;
    const [x, y, w, h] = this.spots.subarray(4 * at, 4 * at + 4);
    c.strokeRect(x - 2, y - 2, w + 4, h + 4);
  }

  /** @private Whole device pixels: sharp edges, and no shimmer while blocks sink. @param {number} value */
  snap(value) {
    return Math.round(value / this.pixel) * this.pixel;
  }
}

// @ts-check
/**
 * The Stack view, in homage to Digg Labs: events fall onto the column of their tag, user or page as they
 * happen. Taller is slower, colours are levels, what runs hangs in the air until it ends. Made to be left on.
 */
import { Surface } from '../draw/canvas.js';
import { h } from '../draw/dom.js';
import { createEmpty } from '../shell/empty.js';
import { number } from '../draw/format.js';
import { toggleWall } from '../shell/keys.js';
import { VARIABLES, legend } from './colors.js';
import { Labels } from './labels.js';
import { StackModel } from './model.js';
import { Painter } from './paint.js';
import { HangingRuns } from './runs.js';
import { openThing } from './open.js';
import { Selection } from './selection.js';
import { Source, gapText, isGap } from './source.js';
import { Tip, thingAt } from './tip.js';
import { Wall } from './wall.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').GapLine} GapLine */
/** @typedef {import('../types.js').Shown} Shown */
/** @typedef {import('../types.js').View} View */
/** @typedef {import('./tip.js').Thing} Thing */

const BY = /** @type {const} */ (['tag', 'user', 'page']);

/** Older rows are in their places at once: those to begin with, and those after a reconnect. Milliseconds. */
const FALL_AGE_MAX = 4000;

/** The rows to begin with arrive within this time after the first. Milliseconds. */
const BEGIN_MS = 400;

/** What is skipped within this time belongs to the rows to begin with. Milliseconds. */
const BEGIN_SKIP_MS = 1200;

/** The stack is empty if nothing came for so long, in milliseconds. */
const EMPTY_MS = 900;

/** How often ages and brightness are drawn when nothing moves, and while only a run pulses. Milliseconds. */
const CALM_MS = 250;
const PULSE_MS = 40;

/** How often it is looked up what is under the resting pointer, in milliseconds. */
const POINT_MS = 120;

/** The most rows that wait for the end of a pause. */
const WAITING_MAX = 1000;

/** @param {Context} context @returns {View} */
export function create(context) {
  const stack = new Stack(context);
  return {
    element: stack.element,
    show: () => stack.show(),
    hide: () => stack.hide(),
    onKey: (key) => stack.onKey(key),
    status: () => stack.status(),
  };
}

/** Columns to the right and blocks up. @type {Record<string, [number, number]>} */
const MOVES = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], k: [0, 1], ArrowDown: [0, -1], j: [0, -1],
};

class Stack {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.model = new StackModel();
    this.runs = new HangingRuns();
    this.painter = new Painter(this.model, this.runs);
    this.surface = new Surface({
      label: 'Events that fall onto columns; the table after it has the counts',
      colors: VARIABLES,
      opaque: true,
      draw: (frame) => this.draw(frame),
      onColors: (frame) => this.painter.palette.update(frame),
      onResize: ({ width, height }) => this.resize(width, height),
    });
    this.source = new Source(context, {
      line: (line) => this.take(line),
      skipped: (count) => this.skip(count),
      counts: (counts) => this.share(counts),
      runs: ({ runs, running }) => {
        if (!context.pause.get()) this.runs.update(runs, running, this.now());
        this.surface.invalidate();
      },
      refused: (why) => {
        clearTimeout(this.emptying);
        this.empty.refused(why);
      },
      loaded: () => this.loaded(),
    });
    this.labels = new Labels(this.model, ({ key, op, value }) => context.addClause(key, op, value));
    this.tip = new Tip();
    this.empty = createEmpty(context);
    this.by = new Map(BY.map((by) => [by, h('button', {
      type: 'button', 'aria-pressed': 'false', on: { click: () => context.state.set({ by }, { push: true }) },
    }, by)]));
    this.element = this.build();
    this.wall = new Wall(this.element);
    this.element.prepend(this.wall.element);
    this.host = '';
    this.visible = false;
    this.any = false;
    this.begun = 0;
    this.since = 0;
    this.frozen = 0;
    /** @type {(EventLine | GapLine)[]} */
    this.waiting = [];
    this.waitingMore = 0;
    this.selection = new Selection(this.model, this.painter, context);
    this.pointer = { x: 0, y: 0, inside: false, looked: 0 };
    /** @type {Thing | null} */
    this.thing = null;
    this.watch();
  }

  /** @private */
  build() {
    this.surface.element.classList.add('stack-canvas');
    const by = h('div', { class: 'stack-by', role: 'group', 'aria-label': 'Columns by' },
      h('span', null, 'columns by'), [...this.by.values()]);
    const wall = h('button', {
      type: 'button', class: 'button small', title: 'The stack alone (w)',
      on: { click: () => toggleWall(this.context) },
    }, 'Wall screen');
    return h('div', { class: 'stack' },
      h('div', { class: 'stack-bar' }, by, legend(), wall),
      h('div', { class: 'stack-field' }, this.surface.element, this.tip.element, this.empty.element),
      this.labels.element, this.labels.table);
  }

  /** @private */
  watch() {
    const { state, pause } = this.context;
    state.on((now, before) => {
      if (!this.visible) return;
      this.reflect(now);
      const same = now.match === before.match && now.since === before.since && now.until === before.until;
      if (!same) this.restart();
      else if (now.by !== before.by) this.rebuild();
    });
    pause.on((on) => this.pause(on));
    this.surface.onPointer({
      move: (x, y) => {
        Object.assign(this.pointer, { x, y, inside: true, looked: 0 });
        this.deselect();
        this.surface.invalidate();
      },
      leave: () => {
        this.pointer.inside = false;
        this.point(null);
      },
      click: (x, y) => {
        Object.assign(this.pointer, { x, y });
        void openThing(this.context, this.source, thingAt(this.painter, this.painter.find(x, y), this.now()));
      },
    });
  }

  show() {
    if (this.visible) return;
    this.visible = true;
    this.reflect(this.context.state.get());
    this.surface.show();
    this.restart();
    this.context.feed.stats().then(({ host }) => { this.host = host; }, () => {});
    this.clock = window.setInterval(() => this.updateWall(), 1000);
  }

  hide() {
    this.visible = false;
    this.source.stop();
    this.surface.hide();
    this.wall.set(false);
    clearInterval(this.clock);
    clearTimeout(this.emptying);
    this.point(null);
    this.clear();
  }

  /** The text beside the tabs. */
  status() {
    const { by } = this.context.state.get();
    if (this.context.pause.get()) return `paused, ${number(this.waiting.length + this.waitingMore)} new`;
    const running = this.runs.count > 0 ? ` · ${number(this.runs.count)} running` : '';
    return `columns by ${by} · height is duration · colour is level${running}`;
  }

  /** @param {string} key @returns {boolean} */
  onKey(key) {
    if (key === 'Enter' && this.thing) {
      void openThing(this.context, this.source, this.thing);
      return true;
    }
    if (key === 'Escape' && this.selection.id) {
      this.deselect();
      return true;
    }
    const move = MOVES[key];
    if (!move || this.model.columns.length === 0) return false;
    this.pointer.inside = false;
    this.pointer.looked = 0;
    this.selection.move(move[0], move[1], () => this.now());
    this.surface.invalidate();
    return true;
  }

  /** @private The clock of the model, in milliseconds. It stands while the page is paused. */
  now() {
    return this.frozen || performance.timeOrigin + performance.now();
  }

  /** @private @param {Readonly<Shown>} shown */
  reflect(shown) {
    for (const [by, button] of this.by) button.setAttribute('aria-pressed', String(by === shown.by));
    this.wall.set(shown.wall);
    this.updateWall();
  }

  /** @private */
  updateWall() {
    this.wall.update(this.host, this.source.rate, this.context.feed.status);
  }

  /** @private Forgets what is drawn. */
  clear() {
    this.model.clear(this.context.state.get().by);
    this.runs.clear();
    this.deselect();
    this.waiting = [];
    this.waitingMore = 0;
    this.any = false;
    this.begun = 0;
    this.since = this.now();
    this.labels.invalidate();
  }

  /** @private Another MATCH or period. */
  restart() {
    this.clear();
    this.frozen = 0;
    this.empty.hide();
    clearTimeout(this.emptying);
    const empty = () => !this.any && this.empty.show(false);
    if (!this.source.isPast) this.emptying = window.setTimeout(empty, EMPTY_MS);
    this.source.start();
    if (this.context.pause.get()) this.pause(true);
    this.surface.invalidate();
  }

  /** @private Other columns, from the rows that are known. */
  rebuild() {
    const rows = this.source.recent;
    this.clear();
    this.source.start();
    // The source begins anew for other counts. Its first rows are the same ones.
    this.any = rows.length > 0;
    this.surface.invalidate();
  }

  /** @private @param {boolean} on */
  pause(on) {
    if (!this.visible) return;
    if (on) {
      this.frozen = performance.timeOrigin + performance.now();
      return;
    }
    this.frozen = 0;
    const { waiting, waitingMore } = this;
    this.waiting = [];
    this.waitingMore = 0;
    for (const line of waiting) this.put(line, false);
    if (waitingMore > 0) this.model.skipped(waitingMore, this.now());
    this.surface.invalidate();
  }

  /** @private @param {EventLine | GapLine} line */
  take(line) {
    if (!this.any && !isGap(line)) {
      this.any = true;
      this.empty.hide();
    }
    if (this.frozen) {
      if (this.waiting.length < WAITING_MAX) this.waiting.push(line);
      else this.waitingMore += 1;
      return;
    }
    if (this.begun === 0) {
      this.begun = this.now();
      this.since = Math.max(this.now() - 60_000, this.now() - this.ageOf(line));
      setTimeout(() => this.model.sort(this.now()), BEGIN_MS);
    }
    const isNew = this.now() - this.begun > BEGIN_MS && this.ageOf(line) < FALL_AGE_MAX;
    this.put(line, isNew && !this.surface.still);
    this.surface.invalidate();
  }

  /** @private @param {EventLine | GapLine} line @param {boolean} falls */
  put(line, falls) {
    const now = this.now();
    const age = falls ? 0 : this.ageOf(line);
    if (isGap(line)) {
      this.model.gap(gapText(line), now, falls, age);
      return;
    }
    const ends = line.run !== undefined && (line.took !== undefined || line.abandoned === true);
    const from = ends ? this.runs.end(line, now) : undefined;
    this.model.event(line, now, falls && this.surface.isVisible(), from, age);
  }

  /** @private Milliseconds; in a past period those before its end. @param {EventLine | GapLine} line */
  ageOf(line) {
    const { until } = this.context.state.get();
    const end = until ? Date.parse(until) : this.context.feed.now();
    return Math.max(0, Math.min(900_000, end - Date.parse(line.time) || 0));
  }

  /** @private @param {number} count */
  skip(count) {
    // Of the rows to begin with, what is beyond the rate is older than what is shown.
    if (this.now() - this.begun < BEGIN_SKIP_MS) return;
    if (this.frozen) this.waitingMore += count;
    else this.model.skipped(count, this.now());
    this.surface.invalidate();
  }

  /** @private @param {Map<string, number>} counts */
  share(counts) {
    if (!this.frozen) this.model.share(counts, this.now(), this.surface.isVisible() && !this.surface.still);
  }

  /** @private */
  loaded() {
    this.model.sort(this.now());
    if (!this.any) this.empty.show(true);
    this.surface.invalidate();
  }

  /** @private @param {number} width @param {number} height */
  resize(width, height) {
    this.model.resize(width, height);
    this.labels.invalidate();
  }

  /** @private @param {import('../draw/canvas.js').Frame} frame @returns {number} */
  draw(frame) {
    const now = this.now();
    const past = this.source.isPast;
    if (!this.frozen) {
      this.model.step(now, frame.step, frame.still || past);
      this.runs.layout(this.model, now, frame.step, frame.still);
    }
    this.painter.marked = this.thing?.id ?? this.selection.id;
    this.painter.draw(frame, now);
    this.labels.update(now, this.since);
    this.look(now);
    if (this.frozen || past) return this.pointer.inside ? CALM_MS : Infinity;
    if (!this.model.calm) return 0;
    return this.runs.list.length > 0 ? PULSE_MS : CALM_MS;
  }

  /** @private What is under the pointer now: blocks move under it. @param {number} now */
  look(now) {
    const { pointer, painter } = this;
    const real = performance.now();
    if (real - pointer.looked < POINT_MS) return;
    pointer.looked = real;
    if (pointer.inside) {
      this.point(thingAt(painter, painter.find(pointer.x, pointer.y), now), pointer.x, pointer.y);
    } else if (this.selection.id) {
      painter.marked = this.selection.id;
      const spot = painter.findMarked();
      const [x, y, width] = painter.spots.subarray(4 * spot, 4 * spot + 3);
      this.point(thingAt(painter, spot, now), x + width / 2, y);
    }
  }

  /** @private @param {Thing | null} thing @param {number} [x] @param {number} [y] */
  point(thing, x = 0, y = 0) {
    if (thing?.id !== this.thing?.id) this.surface.invalidate();
    this.thing = thing;
    this.surface.element.classList.toggle('is-hit', Boolean(thing?.event || thing?.run));
    this.tip.show(thing, x, y, this.model.width, this.model.height);
  }

  /** @private */
  deselect() {
    if (!this.selection.clear()) return;
    this.point(null);
    this.surface.invalidate();
  }
}

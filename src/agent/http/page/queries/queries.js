// @ts-check
/** The Queries view: what runs now, shapes with their durations, the heat map, and the slowest events. */

import { h, setText } from '../draw/dom.js';
import { duration, number, visible } from '../draw/format.js';
import { SLOW_SECONDS, openExample, tagMatch } from '../tables/examples.js';
import { HeatMap } from './heat.js';
import { Running } from './running.js';
import { createShapes } from './shapes.js';
import { Source, periodText } from '../tables/source.js';
import { unknownMinutes } from '../draw/spark.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Snapshot} Snapshot */
/** @typedef {import('../types.js').QueriesSnapshot} QueriesSnapshot */
/** @typedef {import('../types.js').ShapeRow} ShapeRow */

/** The interval at which the ages of runs are updated, in milliseconds. */
const TICK_MS = 100;

/** The number of slowest events. */
const SLOWEST_MAX = 8;

/**
 * The rows with the slowest events, the slowest first.
 * @param {ShapeRow[]} shapes
 * @returns {ShapeRow[]}
 */
export function slowestOf(shapes) {
  const took = (/** @type {ShapeRow} */ row) => row.slowest?.took ?? 0;
  return shapes
    .filter((row) => row.slowest)
    .sort((a, b) => took(b) - took(a))
    .slice(0, SLOWEST_MAX);
}

/** The state of the view. */
class Queries {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    /** @type {QueriesSnapshot | null} */
    this.snapshot = null;
    this.timer = 0;
    this.source = new Source(context, ['running', 'queries'], {
      snapshot: (snapshot) => this.receive(snapshot),
      note: (text) => this.showNote(text),
      restart: () => this.clear(),
    });
    this.running = new Running(context, this.source);
    this.shapes = createShapes(context, () => {
      const { snapshot } = this;
      return snapshot ? unknownMinutes(snapshot, snapshot.shapes[0]?.minutes.length ?? 0) : 0;
    });
    this.heat = new HeatMap(context);
    this.note = h('p', { class: 'view-note' });
    this.total = h('span', { class: 'section-count' });
    this.slowest = Array.from({ length: SLOWEST_MAX }, () => this.slowestButton());
    this.list = h(
      'ol',
      { class: 'slowest' },
      this.slowest.map(({ element }) => h('li', null, element)),
    );
    this.element = h(
      'div',
      { class: 'view queries-view' },
      h(
        'div',
        { class: 'queries-main' },
        this.running.element,
        h(
          'section',
          { 'aria-label': 'Shapes of queries' },
          h('div', { class: 'section-head' }, h('h2', null, 'Queries by shape'), this.total),
          this.note,
          this.shapes.element,
        ),
      ),
      h(
        'aside',
        { class: 'queries-side', 'aria-label': 'Durations' },
        this.heat.element,
        h(
          'section',
          { 'aria-label': 'Slowest in view' },
          h('div', { class: 'section-head' }, h('h2', null, 'Slowest in view')),
          this.list,
        ),
      ),
    );
  }

  /** @private */
  slowestButton() {
    const took = h('span', { class: 'slowest-took' });
    const msg = h('span', { class: 'slowest-msg' });
    /** @type {ShapeRow | undefined} */
    let row;
    const element = h(
      'button',
      {
        type: 'button',
        hidden: true,
        on: {
          click: () => row?.slowest && void openExample(this.context, tagMatch(row.tag), row.slowest),
        },
      },
      took,
      msg,
    );
    return {
      element,
      /** @param {ShapeRow | undefined} next */
      update(next) {
        row = next;
        element.hidden = !next;
        if (!next?.slowest) return;
        setText(took, duration(next.slowest.took ?? 0));
        took.classList.toggle('slow', (next.slowest.took ?? 0) >= SLOW_SECONDS);
        setText(msg, visible(next.slowest.msg, 200));
      },
    };
  }

  /** @private @param {Snapshot} snapshot */
  receive(snapshot) {
    if (snapshot.view === 'running') return this.running.update(snapshot);
    if (snapshot.view !== 'queries') return;
    this.snapshot = snapshot;
    const { rest, took, shapes } = snapshot;
    const others =
      rest && rest.entries > 0
        ? `${number(rest.entries)} other shapes with ${number(rest.events)} events`
        : '';
    this.shapes.update(shapes, others);
    this.heat.update(snapshot);
    const top = slowestOf(shapes);
    this.slowest.forEach((button, index) => button.update(top[index]));
    setText(
      this.total,
      took
        ? `${number(took.count)} queries · p50 ${duration(took.p50)} · p95 ${duration(took.p95)} · p99 ${duration(took.p99)} · max ${duration(took.max)}`
        : '',
    );
    this.showNote('');
  }

  /** @private @param {string} text */
  showNote(text) {
    const when = this.snapshot ? periodText(this.snapshot, this.source.isPast) : '';
    const empty = this.context.state.get().match
      ? `No event with a duration matches ${when}.`
      : `No event with a duration ${when}. A duration in the text is enough: pulse-send "query took 40ms".`;
    setText(
      this.note,
      text ||
        (!this.snapshot ? 'Waiting for the first figures …' : this.snapshot.shapes.length === 0 ? empty : ''),
    );
    this.note.hidden = this.note.textContent === '';
  }

  /** @private */
  clear() {
    this.snapshot = null;
    this.running.clear();
    this.shapes.clear();
    this.heat.clear();
    setText(this.total, '');
    for (const button of this.slowest) button.update(undefined);
  }

  show() {
    this.source.show();
    this.heat.show();
    this.timer = window.setInterval(() => {
      if (!document.hidden && !this.context.pause.get()) this.running.tick();
    }, TICK_MS);
  }

  hide() {
    clearInterval(this.timer);
    this.source.hide();
    this.heat.hide();
    this.running.table.close();
    this.shapes.close();
  }

  /** @param {string} key */
  onKey(key) {
    const isInRuns = this.running.element.contains(document.activeElement);
    const first = isInRuns ? this.running.table : this.shapes;
    const second = isInRuns ? this.shapes : this.running.table;
    return first.onKey(key) || (key === 'Escape' && second.onKey(key));
  }

  status() {
    if (!this.snapshot) return '';
    const { shapes, rest, rate } = this.snapshot;
    const all = shapes.length + (rest?.entries ?? 0);
    const when = periodText(this.snapshot, this.source.isPast);
    return `${number(all)} ${all === 1 ? 'shape' : 'shapes'} · ${number(rate * 60)} queries a minute ${when}${rest ? '' : ', of the tags you may follow'}`;
  }
}

/**
 * @param {Context} context
 * @returns {import('../types.js').View}
 */
export function create(context) {
  const view = new Queries(context);
  return {
    element: view.element,
    show: () => view.show(),
    hide: () => view.hide(),
    onKey: (key) => view.onKey(key),
    status: () => view.status(),
  };
}

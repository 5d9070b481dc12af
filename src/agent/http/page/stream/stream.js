// @ts-check
/** The Stream view: the newest events as they come, their history below, and the reader's place held. */
import { parse } from '../feed/cursor.js';
import { createDetail, createGapDetail } from '../event/detail.js';
import { h } from '../draw/dom.js';
import { createEmpty } from '../shell/empty.js';
import { copyRows, downloadRows } from './export.js';
import { number } from '../draw/format.js';
import { createHistory } from './history.js';
import { createHold } from './hold.js';
import { List } from './list.js';
import { buildRow, head, titleTime } from '../event/row.js';
import { createRuns } from './runs.js';
import { Store } from './store.js';
import { currentRate } from '../shell/tiles.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventMessage} EventMessage */
/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../types.js').View} View */

/** Rows to begin with, and new rows a second. The agent counts the rest. */
const LINES = 200;
const RATE = 200;

/** The stream is faster than what is drawn for so long after rows were skipped, in milliseconds. */
const SKIPPED_MS = 2500;

/** The stream is empty if nothing came for so long, in milliseconds. */
const EMPTY_MS = 700;

/**
 * @param {Context} context
 * @returns {View}
 */
export function create(context) {
  const stream = new Stream(context);
  return {
    element: stream.element,
    show: () => stream.show(),
    hide: () => stream.hide(),
    onKey: (key) => stream.onKey(key),
    status: () => stream.status(),
  };
}

class Stream {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    this.store = new Store();
    this.runs = createRuns(context, () => this.markRuns());
    this.list = new List({
      label: 'Events, the newest first',
      head: this.head(),
      build: (row) => buildRow(row, this.runs.state),
      detail: (row) => this.detail(row),
      onScroll: () => this.scrolled(),
      onMove: () => this.hold.update(),
    });
    this.hold = createHold(context, this.store, this.list);
    this.history = createHistory(context, this.store, this.list);
    this.empty = createEmpty(context);
    this.list.element.append(this.empty.element);
    this.element = h('div', { class: 'stream' }, this.list.element, this.hold.pill);
    this.shown = false;
    this.key = '';
    this.stop = () => {};
    /** When rows were skipped, as `performance.now()`. */
    this.skippedAt = -Infinity;
    this.emptyTimer = 0;
    this.store.on(() => this.changed());
    context.state.on(() => this.shown && this.renew());
    this.list.element.addEventListener('click', (event) => this.clicked(event));
    this.list.element.addEventListener('pointerover', titleTime);
    this.list.element.addEventListener('copy', (event) => copyRows(event, this.list));
  }

  head() {
    const row = head();
    const button = h(
      'button',
      {
        class: 'link download',
        type: 'button',
        title: 'Download the rows that are loaded, as JSON lines',
        on: { click: () => downloadRows(this.store.rows) },
      },
      'Download',
    );
    row.lastElementChild?.append(button);
    return row;
  }

  show() {
    this.shown = true;
    this.runs.show();
    this.list.show();
    this.renew();
    this.changed();
  }

  /** A stream that is held keeps its place and its count of what is new. Another one begins anew. */
  hide() {
    this.shown = false;
    this.runs.hide();
    this.list.hide();
    if (this.hold.isHeld() && !this.isPast) return;
    this.stop();
    this.stop = () => {};
    this.key = '';
  }

  get isPast() {
    const { since, until } = this.context.state.get();
    return since !== '' || until !== '';
  }

  /** Subscribes with the MATCH and the period in force, unless it did so already. */
  renew() {
    const { match, since, until } = this.context.state.get();
    const key = JSON.stringify([match, since, until]);
    if (key === this.key) return;
    this.key = key;
    this.stop();
    this.list.clear();
    this.store.clear();
    this.history.reset();
    this.hold.reset();
    this.empty.hide();
    this.skippedAt = -Infinity;
    clearTimeout(this.emptyTimer);
    this.emptyTimer = window.setTimeout(() => this.showEmpty(), EMPTY_MS);
    if (this.isPast) this.stop = this.history.loadPeriod((why) => this.refused(why));
    else {
      this.stop = this.context.feed.subscribe(
        { events: { match, lines: LINES, rate: RATE } },
        (message, cursor) => this.take(message, cursor),
      );
    }
  }

  /** @param {EventMessage} message @param {string} cursor */
  take(message, cursor) {
    if ('error' in message) {
      this.refused(message.error.why);
      return;
    }
    if ('skipped' in message) this.skippedAt = performance.now();
    this.store.push(message, cursor);
  }

  /** @param {string} why */
  refused(why) {
    clearTimeout(this.emptyTimer);
    this.empty.refused(why);
  }

  changed() {
    if (!this.shown) return;
    const { store, list } = this;
    this.hold.show();
    list.setRows(store.rows);
    list.grid.hidden = store.rows.length === 0;
    if (this.hasEvents()) this.empty.hide();
    this.history.check();
    this.openLinked();
  }

  /** Gaps are no events: the start of the agent is one. */
  hasEvents() {
    return this.store.rows.some((row) => row.kind !== 'gap');
  }

  showEmpty() {
    if (this.hasEvents()) return;
    if (this.context.feed.status.state !== 'live' || this.history.isLoading()) {
      this.emptyTimer = window.setTimeout(() => this.showEmpty(), EMPTY_MS);
      return;
    }
    this.empty.show(this.isPast);
  }

  scrolled() {
    this.hold.update();
    // Rows that made room for older ones come back.
    if (this.store.paused && this.list.element.scrollTop < 20 * this.list.rowHeight) this.store.forward(200);
    this.history.check();
  }

  /** Opens the row that a link to a moment names. */
  openLinked() {
    const key = location.hash.slice(1);
    if (!parse(key) || this.list.indexOf(key) < 0) return;
    history.replaceState(null, '', location.pathname + location.search);
    this.list.open(key);
  }

  /** @param {Row} row */
  detail(row) {
    if (row.kind === 'event') return createDetail(this.context, row.event, { cursor: row.cursor });
    if (row.kind === 'gap') return createGapDetail(row.gap);
    return h('p', { class: 'explain' }, `${number(row.count)} events were counted and not drawn.`);
  }

  /** The runs that are open have changed. */
  markRuns() {
    for (const row of this.list.rows) {
      if (row.kind !== 'event' || row.event.run === undefined || row.event.took !== undefined) continue;
      const element = this.list.elements.get(row.key);
      if (element && element.querySelector('.run-mark')?.textContent !== this.runs.state(row.event))
        this.list.rebuild(row.key);
    }
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const target = event.target instanceof Element ? event.target : null;
    const element = target?.closest('.rows > .row');
    if (!target || !(element instanceof HTMLElement) || event.button !== 0) return;
    if (!(getSelection()?.isCollapsed ?? true)) return;
    const pick = target.closest('.pick');
    if (pick instanceof HTMLElement) {
      const { key, op, value } = pick.dataset;
      this.context.addClause(key ?? '', op ?? '=', value ?? '');
      return;
    }
    this.toggle(element.dataset.key ?? '');
  }

  /** Opens or closes a row. Skipped rows are loaded instead. @param {string} key */
  toggle(key) {
    const index = this.list.indexOf(key);
    if (index < 0) return;
    const row = this.list.at(index);
    if (row.kind === 'skipped') {
      this.list.focus(index);
      void this.history.loadSkipped(row);
    } else {
      this.list.toggle(key);
    }
  }

  /** @param {string} key */
  onKey(key) {
    const { list } = this;
    const inDetail = list.openElement?.contains(document.activeElement) ?? false;
    if (key === 'j' || (key === 'ArrowDown' && !inDetail)) list.move(1);
    else if (key === 'k' || (key === 'ArrowUp' && !inDetail)) list.move(-1);
    else if (key === 'Home') this.hold.release();
    else if (key === 'End') list.focus(list.rows.length - 1);
    else if (key === 'Enter' && list.cursorKey) this.toggle(list.cursorKey);
    else if (key === 'Escape')
      return list.close() || list.leave() || (this.hold.isHeld() && this.hold.release());
    else return false;
    return true;
  }

  status() {
    const { store, context } = this;
    if (store.rows.length === 0) return '';
    const rows = store.rows.length === 1 ? '1 row' : `${number(store.rows.length)} rows`;
    if (this.isPast) return `${rows} · past period`;
    if (context.pause.get()) return `${rows} · paused`;
    if (performance.now() - this.skippedAt < SKIPPED_MS) {
      const total = currentRate();
      const of = total !== null && total > RATE ? ` of ${number(total)}` : '';
      return `drawing ${RATE}${of} a second · all are counted`;
    }
    return this.hold.isHeld() ? `${rows} · your place is held` : `${rows} · every event is drawn`;
  }
}

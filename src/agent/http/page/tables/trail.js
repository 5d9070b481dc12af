// @ts-check
/**
 * A trail: the events of one user or of one request as they come, grouped by request, the newest first. Bounded: see
 * {@link Requests}.
 */

import { fill, h, setText } from '../draw/dom.js';
import { addClause } from '../filter/filter.js';
import { clock, duration, fullTime, number, visible } from '../draw/format.js';
import { Requests, isError } from './requests.js';
import { SLOW_SECONDS } from './examples.js';
import { HOLD_MS } from './table.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('./table.js').Clause} Clause */

/** The number of events from before, and the most new ones a second. */
const EVENTS_BEFORE = 200;
const EVENTS_A_SECOND = 200;

/** The time before `near` at which the trail begins, in milliseconds. */
const REACH_MS = 2 * 60_000;

/** The time after `near` at which a trail ends that is over, in milliseconds. */
const AFTER_MS = 30_000;

/** The lines of a request that are shown at first. */
const LINES_SHOWN = 6;

/** The time between two updates of the document, in milliseconds. */
const UPDATE_MS = 250;

/** The most characters of a message in a line. */
const MSG_SHOWN = 300;

/**
 * @typedef {object} Options
 * @property {string} match The events.
 * @property {(event: EventLine) => boolean} [accepts] Rejects events that the MATCH selects and the trail does not want.
 * @property {string} title
 * @property {string} near A time at which there were events, RFC 3339: the trail begins {@link REACH_MS} before it. A search
 *   for rare events in days of history would take long.
 * @property {boolean} [isOver] `true` if no events follow soon after `near`: they are read once.
 */

/** @typedef {{ element: HTMLElement, facts: HTMLElement, lines: HTMLElement, version: number, all: boolean }} Block */

/**
 * ANDs groups of clauses to a MATCH. The groups are alternatives.
 * @param {string} match
 * @param {Clause[][]} groups
 */
export function matchOf(match, groups) {
  const add = (/** @type {string} */ text, /** @type {Clause} */ { key, op, value }) =>
    addClause(text, key, op, value);
  return groups.map((group) => group.reduce(add, match)).join(' + ');
}

/** A trail in the page. */
export class Trail {
  /** @param {Context} context @param {Options} options */
  constructor(context, options) {
    this.context = context;
    this.options = options;
    this.requests = new Requests();
    this.skipped = 0;
    /** @type {Map<number, Block>} */
    this.blocks = new Map();
    this.timer = 0;
    this.moved = -Infinity;
    this.list = h('div', {
      class: 'trail-list',
      on: { pointermove: () => (this.moved = performance.now()) },
    });
    this.note = h('p', { class: 'trail-note' }, 'Waiting for events …');
    const link = h(
      'a',
      {
        href: context.state.link({ view: 'stream', match: options.match }),
        on: {
          click: (/** @type {MouseEvent} */ event) => this.openStream(event),
        },
      },
      'Open in the Stream',
    );
    this.element = h(
      'section',
      { class: 'trail', 'aria-label': options.title },
      h('div', { class: 'trail-head' }, h('h2', null, options.title), link),
      this.note,
      this.list,
    );
    this.end = this.start();
  }

  /** Ends the subscription. */
  close() {
    clearTimeout(this.timer);
    this.end();
  }

  /** @private @returns {() => void} */
  start() {
    const { feed, state } = this.context;
    const { match, near, isOver } = this.options;
    const begin = new Date(Date.parse(near) - REACH_MS).toISOString();
    let { since, until } = state.get();
    if (isOver) [since, until] = [begin, new Date(Date.parse(near) + AFTER_MS).toISOString()];
    if (!since && !until) {
      return feed.subscribe(
        { events: { match, since: begin, lines: EVENTS_BEFORE, rate: EVENTS_A_SECOND } },
        (message) => {
          if ('seq' in message) this.add(message);
          else if ('skipped' in message) this.skipped += message.skipped;
          else if ('error' in message) setText(this.note, message.error.why);
        },
      );
    }
    const abort = new AbortController();
    const query = {
      match,
      since: since || undefined,
      until: until || undefined,
      lines: EVENTS_BEFORE,
      reverse: true,
    };
    feed.page(query, { signal: abort.signal }).then(
      (lines) => {
        for (const line of lines) if ('seq' in line) this.add(line);
        if (lines.length === 0) setText(this.note, 'No events in this period.');
      },
      (failure) => {
        if (!abort.signal.aborted)
          setText(this.note, `The events cannot be read: ${failure.why ?? failure.message}`);
      },
    );
    return () => abort.abort();
  }

  /** @private @param {EventLine} event */
  add(event) {
    if (this.options.accepts && !this.options.accepts(event)) return;
    this.requests.add(event);
    this.timer ||= window.setTimeout(
      () => {
        this.timer = 0;
        this.render();
      },
      this.blocks.size === 0 ? 0 : UPDATE_MS,
    );
  }

  /** @private While the page is paused or the reader points at the trail, nothing moves away. */
  isHeld() {
    if (this.blocks.size === 0) return false;
    if (this.context.pause.get()) return true;
    return performance.now() - this.moved < HOLD_MS && this.list.matches(':hover');
  }

  /** @private */
  render() {
    if (this.isHeld()) {
      this.timer = window.setTimeout(() => {
        this.timer = 0;
        this.render();
      }, HOLD_MS / 4);
      return;
    }
    const { list, dropped } = this.requests;
    const live = new Set(list.map((request) => request.id));
    for (const [id, block] of this.blocks) {
      if (live.has(id)) continue;
      block.element.remove();
      this.blocks.delete(id);
    }
    for (let i = list.length - 1; i >= 0; i--) {
      const block = this.blocks.get(list[i].id) ?? this.create(list[i]);
      if (block.version !== list[i].version) this.update(block, list[i]);
    }
    const beyond = [
      dropped && `${number(dropped)} older requests are not listed`,
      this.skipped && `${number(this.skipped)} events were more than could be shown`,
    ].filter(Boolean);
    setText(this.note, list.length === 0 ? 'Waiting for events …' : beyond.join(' · '));
  }

  /** @private @param {import('./requests.js').Request} request @returns {Block} */
  create(request) {
    const facts = h('div', { class: 'trail-facts' });
    const lines = h('div', { class: 'trail-lines' });
    const element = h('article', { class: 'trail-request' }, facts, lines);
    const block = { element, facts, lines, version: -1, all: Boolean(this.options.isOver) };
    this.list.prepend(element);
    this.blocks.set(request.id, block);
    return block;
  }

  /** @private @param {Block} block @param {import('./requests.js').Request} request */
  update(block, request) {
    block.version = request.version;
    const span = (request.to - request.from) / 1000;
    const begun = new Date(request.from).toISOString();
    fill(
      block.facts,
      h('time', { class: 'mono', title: fullTime(begun), datetime: begun }, clock(begun).slice(0, 8)),
      h('span', { class: 'trail-page mono' }, visible(request.page || '–', 80)),
      h(
        'span',
        { class: 'trail-req mono', title: 'Request' },
        request.req ? visible(request.req, 40) : 'no request',
      ),
      h(
        'span',
        { class: 'trail-span', title: 'From the begin of the request to its newest event' },
        span > 0 ? duration(span) : '',
      ),
      h('span', { class: 'trail-sum' }, sum(request)),
      request.errors > 0 &&
        h(
          'span',
          { class: 'error-text' },
          request.errors === 1 ? '1 error' : `${number(request.errors)} errors`,
        ),
    );
    const shown = block.all ? request.lines : request.lines.slice(0, LINES_SHOWN);
    const hidden = request.lines.slice(shown.length).reduce((all, line) => all + line.count, request.more);
    fill(
      block.lines,
      shown.map((line) => this.line(line)),
      hidden > 0 && this.rest(block, request, hidden),
    );
  }

  /** @private @param {import('./requests.js').TrailLine} line */
  line({ event, count, took }) {
    const slow = took >= SLOW_SECONDS ? ' slow' : '';
    const tone = event.abandoned || event.level === 'warning' ? ' warn' : isError(event) ? ' error' : '';
    return h(
      'button',
      { type: 'button', class: `trail-line${tone}`, on: { click: () => this.context.openRow(event) } },
      h('span', { class: `trail-took${slow}` }, event.took === undefined ? '' : duration(took)),
      h('span', { class: 'trail-tag' }, visible(event.tag)),
      h(
        'span',
        { class: 'trail-msg' },
        count > 1 && h('b', { class: 'times' }, `${number(count)} ×`),
        visible(event.msg ?? '', MSG_SHOWN),
        event.abandoned && h('b', { class: 'badge warn' }, 'abandoned'),
      ),
    );
  }

  /** @private @param {Block} block @param {import('./requests.js').Request} request @param {number} hidden */
  rest(block, request, hidden) {
    const text = `${number(hidden)} more ${hidden === 1 ? 'event' : 'events'}`;
    if (block.all || request.lines.length <= LINES_SHOWN) return h('span', { class: 'trail-rest' }, text);
    const show = () => {
      block.all = true;
      this.update(block, request);
    };
    return h('button', { type: 'button', class: 'link trail-rest', on: { click: show } }, text);
  }

  /** @private @param {MouseEvent} event */
  openStream(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.context.state.set({ view: 'stream', match: this.options.match }, { push: true });
  }
}

/** @param {import('./requests.js').Request} request */
function sum(request) {
  const events = request.events === 1 ? '1 event' : `${number(request.events)} events`;
  if (request.queries === 0) return events;
  const queries = request.queries === 1 ? '1 query' : `${number(request.queries)} queries`;
  return `${events} · ${queries}, ${duration(request.took)}`;
}

// @ts-check
/** What runs now: runs that have begun and not ended, the oldest first, with ages that count up. */

import { h, setText } from '../draw/dom.js';
import { clock, duration, fullTime, number, visible } from '../draw/format.js';
import { streamLink } from '../tables/examples.js';
import { Table } from '../tables/table.js';
import { addClause } from '../filter/filter.js';
import { claim, sender, subjectClause, subjectKey, subjectText } from '../tables/who.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').RunRow} RunRow */
/** @typedef {import('../types.js').RunningSnapshot} RunningSnapshot */

/** The rows for which there is room at least and at most. More are scrolled. */
const ROOM_MIN = 3;
const ROOM_MAX = 8;

/** Room that is no longer needed is given back after this time, in milliseconds, so that nothing jumps. */
const ROOM_MS = 20_000;

/** The most characters of a text in a cell. */
const TEXT_SHOWN = 160;

/**
 * An age that counts up, with tenths below a minute: `4.2 s`, `12 m 03 s`.
 * @param {number} seconds
 */
export function runAge(seconds) {
  if (!(seconds > 0)) return '0.0 s';
  return seconds < 60 ? `${(Math.floor(seconds * 10) / 10).toFixed(1)} s` : duration(Math.floor(seconds));
}

/**
 * The key of a run: an equal name of another connection is another run.
 * @param {RunRow} row
 */
export function runKey(row) {
  return `${row.host.length}:${row.host}${row.conn ?? '-'}:${row.run}:${row.begun}`;
}

/** @type {Record<RunRow['state'], string>} */
const EXPLANATIONS = {
  running: 'Begun and not ended',
  abandoned: 'The connection closed before the end of the run was sent',
  unknown:
    'The end may have been lost: the agent restarted, events are missing, or the agent does not track this run',
};

/** The section of the Queries view. */
export class Running {
  /** @param {Context} context @param {import('../tables/source.js').Source} source */
  constructor(context, source) {
    this.context = context;
    this.source = source;
    /** @type {RunningSnapshot | null} */
    this.snapshot = null;
    this.room = ROOM_MIN;
    this.roomUntil = 0;
    /** @type {Table<RunRow>} */
    this.table = new Table({
      label: 'What runs now',
      name: 'running',
      columns: this.columns(),
      key: runKey,
      sort: 'age',
      title: (/** @type {RunRow} */ row) => `run ${row.run}: ${row.msg ?? row.tag}`,
      tone: (row) => `is-${row.state}`,
      detail: (row) => runDetail(context, row),
      pick: ({ key, op, value }) => context.addClause(key, op, value),
      onToggle: (isOpen) => this.box.classList.toggle('is-open', isOpen),
    });
    this.count = h('span', { class: 'section-count' });
    this.empty = h('p', { class: 'view-note' });
    /** @type {HTMLElement} */
    this.box = h('div', { class: 'running-box', tabindex: -1 }, this.table.element, this.empty);
    this.element = h(
      'section',
      { class: 'running-section', 'aria-label': 'What runs now' },
      h('div', { class: 'section-head' }, h('h2', null, 'Runs now'), this.count),
      this.box,
    );
  }

  /** @param {RunningSnapshot} snapshot */
  update(snapshot) {
    this.snapshot = snapshot;
    const runs = snapshot.runs;
    this.table.update(runs, runs.length === 0 ? '' : restText(snapshot));
    setText(this.count, countText(snapshot));
    setText(
      this.empty,
      runs.length > 0
        ? ''
        : this.source.isPast
          ? 'Nothing was open at the end of this period.'
          : 'Nothing runs now.',
    );
    this.empty.hidden = runs.length > 0;
    this.makeRoom(runs.length);
  }

  /** Counts up. Call it about ten times a second while the section is shown. */
  tick() {
    if (!this.source.isPast && this.snapshot) this.table.tick();
  }

  clear() {
    this.snapshot = null;
    this.table.clear();
    setText(this.count, '');
    this.empty.hidden = true;
  }

  /** @private @param {number} rows */
  makeRoom(rows) {
    const now = performance.now();
    const wanted = Math.min(ROOM_MAX, Math.max(ROOM_MIN, rows));
    if (wanted >= this.room) this.roomUntil = now + ROOM_MS;
    if (wanted < this.room && now < this.roomUntil) return;
    this.room = wanted;
    this.box.style.setProperty('--rows', String(wanted));
  }

  /** @private @param {RunRow} row */
  ageOf(row) {
    if (row.state === 'abandoned' || this.source.isPast) return row.age;
    return (this.source.now(this.snapshot) - Date.parse(row.begun)) / 1000;
  }

  /** @private @returns {import('../tables/table.js').Column<RunRow>[]} */
  columns() {
    return [
      {
        id: 'age',
        label: 'age',
        live: true,
        value: (row) => runAge(this.ageOf(row)),
        sort: (row) => -Date.parse(row.begun),
        render: (cell, _, value) => setText(cell, String(value)),
      },
      {
        id: 'state',
        label: 'state',
        ascending: true,
        value: (row) => row.state,
        sort: (row) => row.state,
        render: (cell, row) =>
          cell.replaceChildren(
            h('span', { class: `state ${row.state}`, title: EXPLANATIONS[row.state] }, row.state),
          ),
      },
      {
        id: 'what',
        label: 'what, newest progress',
        value: (row) => `${row.tag} ${row.msg ?? ''}`,
        render: (cell, row) => {
          const tag =
            cell.firstElementChild ??
            cell.appendChild(h('button', { class: 'pick tag', type: 'button', tabindex: -1 }));
          const msg = cell.children[1] ?? cell.appendChild(h('span', { class: 'msg' }));
          setText(tag, visible(row.tag));
          setText(msg, visible(row.msg ?? '', TEXT_SHOWN));
        },
        pick: (row) => ({ key: 'tag', op: '=', value: row.tag }),
      },
      {
        id: 'user',
        label: 'user',
        ascending: true,
        value: (row) => row.user ?? '',
        sort: (row) => row.user ?? '',
        render: (cell, row) =>
          cell.replaceChildren(
            row.user === undefined
              ? h('span', { class: 'none' }, '–')
              : h('button', { class: 'pick', type: 'button', tabindex: -1 }, claim(row.user)),
          ),
        pick: (row) => (row.user === undefined ? null : { key: 'user', op: '=', value: row.user }),
      },
      {
        id: 'sender',
        label: 'sent by',
        ascending: true,
        value: (row) => subjectKey(row.subject),
        sort: (row) => subjectText(row.subject).name,
        render: (cell, row) =>
          cell.replaceChildren(
            h('button', { class: 'pick', type: 'button', tabindex: -1 }, sender(row.subject)),
          ),
        pick: (row) => subjectClause(row.subject),
      },
      {
        id: 'page',
        label: 'page',
        ascending: true,
        value: (row) => row.page ?? '',
        text: (row) => visible(row.page ?? '', TEXT_SHOWN),
        sort: (row) => row.page ?? '',
        pick: (row) => (row.page === undefined ? null : { key: 'page', op: '=', value: row.page }),
      },
    ];
  }
}

/** @param {RunningSnapshot} snapshot */
function countText({ running, abandoned, unknown, runs }) {
  const of = (/** @type {unknown} */ n, /** @type {RunRow['state']} */ state) =>
    typeof n === 'number' ? n : runs.filter((run) => run.state === state).length;
  const counts = [
    [of(running, 'running'), 'running'],
    [of(abandoned, 'abandoned'), 'abandoned'],
    [of(unknown, 'unknown'), 'unknown'],
  ];
  return counts
    .filter(([n]) => Number(n) > 0)
    .map(([n, state]) => `${number(Number(n))} ${state}`)
    .join(' · ');
}

/** @param {RunningSnapshot} snapshot */
function restText({ rest, untracked }) {
  // The agent sends a number here, because these entries have no events.
  const more = Number(rest ?? 0);
  return [
    more > 0 && `${number(more)} more`,
    Number(untracked) > 0 && `${number(Number(untracked))} begun, but not tracked for lack of room`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/**
 * @param {Context} context
 * @param {RunRow} row
 * @returns {import('../tables/table.js').Detail<RunRow>}
 */
function runDetail(context, row) {
  const { match } = context.state.get();
  const msg = h('pre', { class: 'example-msg' });
  const facts = h('p', { class: 'detail-facts' });
  const links = h(
    'p',
    { class: 'detail-links' },
    streamLink(context, 'Events of this run', () => ({ match: addClause('', 'run', '=', row.run) })),
    row.req !== undefined &&
      streamLink(context, 'Events of its request', () => ({
        match: addClause(match, 'req', '=', row.req ?? ''),
      })),
  );
  return {
    element: h('div', { class: 'detail-body' }, facts, msg, links),
    update(now) {
      const texts = [
        `run ${visible(now.run)}`,
        `host ${visible(now.host)}`,
        now.conn === undefined ? 'no connection' : `connection ${now.conn}`,
        now.req === undefined ? '' : `request ${visible(now.req)}`,
        `begun ${clock(now.begun)}`,
        EXPLANATIONS[now.state],
      ];
      setText(facts, texts.filter(Boolean).join(' · '));
      facts.title = fullTime(now.begun);
      setText(msg, visible(now.msg ?? '', Infinity, { lines: true }));
    },
    close() {},
  };
}

// @ts-check
/** The Errors view: events of level err and worse by shape. Shapes that are new since the last look are marked. */

import { h, setText } from '../draw/dom.js';
import { addClause } from '../filter/filter.js';
import { age, clock, fullTime, number, short, visible } from '../draw/format.js';
import { exampleBox, shapeMatch, streamLink, tagMatch } from '../tables/examples.js';
import { Source, periodText } from '../tables/source.js';
import { spark, unknownMinutes } from '../draw/spark.js';
import { Table } from '../tables/table.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').ErrorRow} ErrorRow */
/** @typedef {import('../types.js').QueriesSnapshot} QueriesSnapshot */

/** The interval at which ages are updated, in milliseconds. */
const TICK_MS = 1000;

/** Where the time of the last look is kept. */
const LOOKED_KEY = 'pulse.errors.looked';

/** The most characters of an example in a cell. */
const TEXT_SHOWN = 160;

/** The levels in order of their severity, the worst first. */
const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

/**
 * `true` if an error did not exist at a time.
 * @param {{ first: string }} row
 * @param {number} looked Milliseconds since 1970. 0 if the reader never looked: then nothing is new.
 */
export function isNewSince(row, looked) {
  return looked !== 0 && Date.parse(row.first) > looked;
}

/** @param {ErrorRow} row */
function errorKey(row) {
  return `${row.tag}\n${row.shape}`;
}

/** The state of the view. */
class Errors {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    /** @type {QueriesSnapshot | null} */
    this.snapshot = null;
    /** Minutes of the series before the view began. */
    this.unknown = 0;
    this.timer = 0;
    /** Up to when the reader has seen errors, before this look. */
    this.looked = 0;
    /** Errors that were opened in this look. @type {Set<string>} */
    this.opened = new Set();
    this.onVisibility = this.onVisibility.bind(this);
    this.source = new Source(context, ['queries'], {
      snapshot: (snapshot) => this.receive(/** @type {QueriesSnapshot} */ (snapshot)),
      note: (text) => this.showNote(text),
      restart: () => this.clear(),
    });
    this.table = new Table({
      label: 'Errors by shape',
      name: 'errors',
      columns: this.columns(),
      key: errorKey,
      sort: 'seen',
      title: (/** @type {ErrorRow} */ row) => `${row.level}: ${row.shape}`,
      tone: (row) => (this.isNew(row) ? 'is-new' : ''),
      detail: (row) => this.detail(row),
      pick: ({ key, op, value }) => context.addClause(key, op, value),
    });
    this.note = h('p', { class: 'view-note' });
    this.element = h('div', { class: 'view errors-view' }, this.note, this.table.element);
  }

  /** @private @param {ErrorRow} row */
  isNew(row) {
    return !this.source.isPast && !this.opened.has(errorKey(row)) && isNewSince(row, this.looked);
  }

  /** @private @returns {import('../tables/table.js').Column<ErrorRow>[]} */
  columns() {
    return [
      {
        id: 'level',
        label: 'level',
        ascending: true,
        value: (row) => row.level,
        sort: (row) => LEVELS.indexOf(row.level),
        render: (cell, row) =>
          cell.replaceChildren(
            h('button', { class: `pick level ${row.level}`, type: 'button', tabindex: -1 }, row.level),
          ),
        pick: (row) => ({ key: 'level', op: '=', value: row.level }),
      },
      {
        id: 'shape',
        label: 'error',
        title: 'Values are masked with ?',
        ascending: true,
        sort: (row) => row.shape,
        value: (row) => Number(this.isNew(row)),
        pick: (row) => ({ key: 'tag', op: '=', value: row.tag }),
        render: (cell, row, value) =>
          cell.replaceChildren(
            h(
              'span',
              { class: 'shape-text', title: visible(row.shape) },
              visible(row.shape) || '(no message)',
            ),
            ...(value
              ? [h('span', { class: 'badge error', title: 'New since you last looked' }, 'new')]
              : []),
            h('button', { class: 'pick tag', type: 'button', tabindex: -1 }, visible(row.tag)),
          ),
      },
      {
        id: 'example',
        label: 'newest example',
        value: (row) => row.newest?.msg ?? '',
        text: (row) => visible(row.newest?.msg ?? '', TEXT_SHOWN),
      },
      {
        id: 'count',
        label: 'count',
        end: true,
        value: (row) => row.events,
        text: (row) => short(row.events),
        sort: (row) => row.events,
      },
      {
        id: 'users',
        label: 'users',
        title: 'Different users, counted up to 32',
        end: true,
        value: (row) => row.users + (row.more_users ? 0.5 : 0),
        sort: (row) => row.users + (row.more_users ? 0.5 : 0),
        text: (row) => `${row.users}${row.more_users ? '+' : ''}`,
      },
      {
        id: 'spark',
        label: '15 min',
        title: 'Errors of each minute',
        value: (row) => row.minutes.join(),
        render: (cell, row) => spark(cell, row.minutes, this.unknown),
        sort: (row) => row.minutes[row.minutes.length - 2] ?? 0,
      },
      {
        id: 'first',
        label: 'first',
        end: true,
        value: (row) => row.first,
        sort: (row) => row.first,
        render: (cell, row) => drawTime(cell, row.first, clock(row.first).slice(0, 8)),
      },
      {
        id: 'seen',
        label: 'last',
        end: true,
        live: true,
        value: (row) => this.seen(row),
        sort: (row) => row.seen,
        render: (cell, row, value) => drawTime(cell, row.seen, String(value)),
      },
    ];
  }

  /** @private @param {ErrorRow} row */
  seen(row) {
    if (this.source.isPast) return clock(row.seen).slice(0, 8);
    return age((this.source.now(this.snapshot) - Date.parse(row.seen)) / 1000);
  }

  /** @private @param {ErrorRow} row @returns {import('../tables/table.js').Detail<ErrorRow>} */
  detail(row) {
    const { context } = this;
    let now = row;
    const newest = exampleBox(context, 'Newest');
    const facts = h('p', { class: 'detail-facts' });
    const links = h(
      'p',
      { class: 'detail-links' },
      streamLink(context, 'All errors of this shape', () => ({
        match: addClause(shapeMatch(context.state.get().match, now), 'level', '>=', 'err'),
      })),
      streamLink(context, 'All errors of this tag', () => ({
        match: addClause(tagMatch(now.tag), 'level', '>=', 'err'),
      })),
    );
    this.opened.add(errorKey(row));
    return {
      element: h(
        'div',
        { class: 'detail-body' },
        h('pre', { class: 'detail-shape' }, visible(row.shape, Infinity, { lines: true })),
        facts,
        links,
        newest.element,
      ),
      update(next) {
        now = next;
        const users = `${number(next.users)}${next.more_users ? ' or more' : ''} ${next.users === 1 && !next.more_users ? 'user' : 'users'}`;
        setText(
          facts,
          `${number(next.events)} times · ${users} · first ${clock(next.first)} · last ${clock(next.seen)}`,
        );
        newest.update(tagMatch(next.tag), next.newest);
      },
      close() {},
    };
  }

  /** @private @param {QueriesSnapshot} snapshot */
  receive(snapshot) {
    this.snapshot = snapshot;
    // At the first look of all, what comes from now on is new.
    this.looked ||= Date.parse(snapshot.time);
    const { errors, errors_rest: rest } = snapshot;
    this.unknown = unknownMinutes(snapshot, errors[0]?.minutes.length ?? 0);
    const others =
      rest && rest.entries > 0
        ? `${number(rest.entries)} other shapes with ${number(rest.events)} errors`
        : '';
    this.table.update(errors, others);
    this.showNote('');
  }

  /** @private @param {string} text */
  showNote(text) {
    const when = this.snapshot ? periodText(this.snapshot, this.source.isPast) : '';
    const match = this.context.state.get().match ? ' that matches' : '';
    const empty = this.snapshot?.errors.length === 0 ? `No error${match} ${when}.` : '';
    setText(this.note, text || (this.snapshot ? empty : 'Waiting for the first figures …'));
    this.note.hidden = this.note.textContent === '';
  }

  /** @private */
  clear() {
    this.snapshot = null;
    this.table.clear();
  }

  /** @private A reader who leaves the page no longer looks, and one who returns looks again. */
  onVisibility() {
    if (document.hidden) this.remember();
    else this.looked = readLooked();
  }

  /** @private */
  remember() {
    if (this.snapshot && !this.source.isPast) writeLooked(Date.parse(this.snapshot.time));
  }

  show() {
    this.looked = readLooked();
    this.opened.clear();
    document.addEventListener('visibilitychange', this.onVisibility);
    this.source.show();
    this.timer = window.setInterval(() => {
      if (!document.hidden && !this.context.pause.get()) this.table.tick();
    }, TICK_MS);
  }

  hide() {
    clearInterval(this.timer);
    this.source.hide();
    this.table.close();
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.remember();
  }

  status() {
    if (!this.snapshot) return '';
    const { errors, errors_rest: rest } = this.snapshot;
    const all = errors.length + (rest?.entries ?? 0);
    const fresh = errors.filter((row) => this.isNew(row)).length;
    const when = periodText(this.snapshot, this.source.isPast);
    return `${number(all)} ${all === 1 ? 'shape' : 'shapes'} of errors${fresh ? `, ${number(fresh)} new,` : ''} ${when}${rest ? '' : ', of the tags you may follow'}`;
  }
}

/** @param {HTMLElement} cell @param {string} time @param {string} text */
function drawTime(cell, time, text) {
  setText(cell, text);
  cell.title = fullTime(time);
}

/** @returns {number} */
function readLooked() {
  try {
    return Number(localStorage.getItem(LOOKED_KEY)) || 0;
  } catch {
    // Storage can be disabled: then nothing is marked.
    return 0;
  }
}

/** @param {number} time */
function writeLooked(time) {
  try {
    localStorage.setItem(LOOKED_KEY, String(time));
  } catch {
    // As above.
  }
}

/**
 * @param {Context} context
 * @returns {import('../types.js').View}
 */
export function create(context) {
  const view = new Errors(context);
  return {
    element: view.element,
    show: () => view.show(),
    hide: () => view.hide(),
    onKey: (key) => view.table.onKey(key),
    status: () => view.status(),
  };
}

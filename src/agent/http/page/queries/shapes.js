// @ts-check
/** The table of query shapes, and what an open shape shows. */

import { h, setText } from '../draw/dom.js';
import { addClause } from '../filter/filter.js';
import { clock, duration, number, percent, short, visible } from '../draw/format.js';
import { SLOW_SECONDS, exampleBox, shapeMatch, streamLink, tagMatch } from '../tables/examples.js';
import { spark } from '../draw/spark.js';
import { Table } from '../tables/table.js';
import { Trail } from '../tables/trail.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').ShapeRow} ShapeRow */

/** @param {ShapeRow} row */
export function shapeKey(row) {
  return `${row.tag}\n${row.shape}`;
}

/**
 * `2.4× slower than before`.
 * @param {{ p95: number, before: number }} slower
 */
export function slowerText({ p95, before }) {
  const factor = before > 0 ? p95 / before : Infinity;
  const times = factor < 9.95 ? factor.toFixed(1) : factor < 1000 ? number(factor) : 'far';
  return times === 'far' ? 'far slower than before' : `${times}× slower than before`;
}

/**
 * @param {Context} context
 * @param {() => number} unknown The number of minutes of the series before the view began.
 * @returns {Table<ShapeRow>}
 */
export function createShapes(context, unknown) {
  /** @type {Table<ShapeRow>} */
  const table = new Table({
    label: 'Shapes of queries',
    name: 'shapes',
    columns: columns(unknown),
    key: shapeKey,
    sort: 'share',
    title: (row) => `${row.tag}: ${row.shape}`,
    detail: (row) => shapeDetail(context, row),
    pick: ({ key, op, value }) => context.addClause(key, op, value),
  });
  // A badge opens the row: what it says is explained there.
  table.body.addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest('.badge') && target.closest('.tr');
    const open = row?.querySelector('.open');
    if (open?.getAttribute('aria-expanded') === 'false') /** @type {HTMLElement} */ (open).click();
  });
  return table;
}

/** @param {() => number} unknown @returns {import('../tables/table.js').Column<ShapeRow>[]} */
function columns(unknown) {
  /**
   * A column with a percentile.
   * @param {'p50' | 'p95' | 'p99' | 'max'} name
   * @returns {import('../tables/table.js').Column<ShapeRow>}
   */
  const took = (name) => ({
    id: name,
    label: name,
    end: true,
    value: (row) => row.took[name],
    sort: (row) => row.took[name],
    render: (cell, row) => {
      setText(cell, duration(row.took[name]));
      cell.classList.toggle('slow', row.took[name] >= SLOW_SECONDS);
    },
  });
  return [
    {
      id: 'shape',
      label: 'query shape',
      title: 'Values are masked with ?',
      ascending: true,
      sort: (row) => row.shape,
      value: (row) =>
        row.repeated || row.slower || row.errors
          ? `${row.repeated?.count ?? 0} ${row.slower ? slowerText(row.slower) : ''} ${row.errors}`
          : '',
      render: drawShape,
      pick: (row) => ({ key: 'tag', op: '=', value: row.tag }),
    },
    {
      id: 'count',
      label: 'count',
      end: true,
      value: (row) => row.took.count,
      text: (row) => short(row.took.count),
      sort: (row) => row.took.count,
    },
    {
      id: 'rate',
      label: 'a minute',
      title: 'Events a minute',
      end: true,
      value: (row) => row.rate,
      text: (row) => short(row.rate * 60),
      sort: (row) => row.rate,
    },
    took('p50'),
    took('p95'),
    took('p99'),
    took('max'),
    {
      id: 'share',
      label: 'share of time',
      value: (row) => row.share,
      sort: (row) => row.share,
      render: (cell, row) => {
        const bar =
          cell.firstElementChild ??
          cell.appendChild(h('span', { class: 'bar', 'aria-hidden': 'true' }, h('i')));
        const text = cell.children[1] ?? cell.appendChild(h('span', { class: 'bar-text' }));
        /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${Math.max(0.5, row.share * 100)}%`;
        setText(text, percent(row.share));
      },
    },
    {
      id: 'spark',
      label: '15 min',
      title: 'Events of each minute',
      value: (row) => row.minutes.join(),
      render: (cell, row) => spark(cell, row.minutes, unknown()),
      sort: (row) => row.minutes[row.minutes.length - 2] ?? 0,
    },
    {
      id: 'newest',
      label: 'newest',
      end: true,
      ascending: false,
      value: (row) => row.seen,
      text: (row) => clock(row.seen).slice(0, 8),
      sort: (row) => row.seen,
    },
  ];
}

/** @param {HTMLElement} cell @param {ShapeRow} row */
function drawShape(cell, row) {
  const { repeated, slower, errors } = row;
  const text = h(
    'span',
    { class: 'shape-text', title: visible(row.shape) },
    visible(row.shape) || '(no message)',
  );
  cell.replaceChildren(
    text,
    ...[
      repeated &&
        h(
          'button',
          { class: 'badge warn', type: 'button', tabindex: -1, title: repeatedTitle(repeated) },
          `N+1 · ${number(repeated.count)} in one request`,
        ),
      slower &&
        h(
          'button',
          {
            class: 'badge warn',
            type: 'button',
            tabindex: -1,
            title: `p95 ${duration(slower.p95)} in the last 5 minutes, ${duration(slower.before)} before`,
          },
          slowerText(slower),
        ),
      errors > 0 &&
        h('span', { class: 'badge error' }, errors === 1 ? '1 error' : `${number(errors)} errors`),
      h('button', { class: 'pick tag', type: 'button', tabindex: -1 }, visible(row.tag)),
    ].filter((child) => child instanceof Node),
  );
}

/** @param {NonNullable<ShapeRow['repeated']>} repeated */
function repeatedTitle({ count, page, requests }) {
  const where = page === undefined ? '' : ` of ${visible(page, 80)}`;
  const others = requests === 1 ? 'one request does so' : `${number(requests)} requests do so`;
  return `${number(count)} times in one request${where}: ${others}`;
}

/**
 * @param {Context} context
 * @param {ShapeRow} row
 * @returns {import('../tables/table.js').Detail<ShapeRow>}
 */
function shapeDetail(context, row) {
  let now = row;
  /** @type {Trail | null} */
  let trail = null;
  let req = '';
  const slowest = exampleBox(context, 'Slowest');
  const newest = exampleBox(context, 'Newest');
  const notes = h('div', { class: 'detail-notes' });
  const request = h('div', { class: 'detail-request' });
  const links = h(
    'p',
    { class: 'detail-links' },
    streamLink(context, 'All events of this shape', () => ({
      match: shapeMatch(context.state.get().match, now),
    })),
    streamLink(context, 'The slow ones', () => ({
      match: addClause(shapeMatch(context.state.get().match, now), 'took', '>=', matchValue(now.took.p95)),
    })),
  );
  const element = h(
    'div',
    { class: 'detail-body' },
    h('pre', { class: 'detail-shape' }, visible(row.shape, Infinity, { lines: true })),
    notes,
    links,
    request,
    slowest.element,
    newest.element,
  );
  const showRequest = () => {
    const { repeated } = now;
    if (!repeated || repeated.req === req) return;
    trail?.close();
    req = repeated.req;
    trail = new Trail(context, {
      title: `Request ${visible(req, 60)}`,
      match: addClause('', 'req', '=', req),
      near: repeated.time,
      isOver: true,
    });
    request.replaceChildren(trail.element);
  };
  return {
    element,
    update(next) {
      now = next;
      const { slower, repeated, took } = next;
      const texts = [
        `${number(took.count)} times, ${duration(took.total)} in all`,
        slower &&
          `p95 was ${duration(slower.before)}, in the last 5 minutes it is ${duration(slower.p95)}: ${slowerText(slower)}`,
        repeated &&
          `${repeatedTitle(repeated)}. Fetch the rows with one query, for example by a list of ids.`,
      ];
      if (notes.textContent !== texts.filter(Boolean).join('')) {
        notes.replaceChildren(...texts.filter(Boolean).map((text) => h('p', null, String(text))));
      }
      slowest.update(tagMatch(next.tag), next.slowest);
      newest.update(tagMatch(next.tag), next.newest);
      // The request that was shown first stays: a newer one would take it away while it is read.
      if (req === '') showRequest();
    },
    close: () => trail?.close(),
  };
}

/** A duration of a MATCH. @param {number} seconds */
function matchValue(seconds) {
  return `${Number((seconds * 1000).toPrecision(3))}ms`;
}

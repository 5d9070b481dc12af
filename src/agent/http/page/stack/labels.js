// @ts-check
/** The names and counts under the columns, and the same as a table for screen readers. */
import { fill, h, setText } from '../draw/dom.js';
import { number, short, visible } from '../draw/format.js';

/** @typedef {import('../types.js').Shown} Shown */
/** @typedef {import('./column.js').Column} Column */
/** @typedef {import('./model.js').StackModel} StackModel */
/** @typedef {import('./tally.js').Clause} Clause */

/** The most characters of a name. */
const NAME_MAX = 80;

/** Without five seconds of events, a count a minute would be a guess. Seconds. */
const OBSERVED_MIN = 5;

/** How the table is updated: seldom enough not to disturb who reads it. Milliseconds. */
const TABLE_MS = 5000;

/**
 * @typedef {{element: HTMLButtonElement, name: HTMLElement, count: HTMLElement, clause: Clause | null,
 *   column: Column | null, x: number, width: number}} Label
 */

export class Labels {
  /**
   * @param {StackModel} model
   * @param {(clause: Clause) => void} onClick
   */
  constructor(model, onClick) {
    this.model = model;
    this.onClick = onClick;
    /** @type {Label[]} */
    this.list = [];
    this.element = h('div', { class: 'stack-labels', role: 'group', 'aria-label': 'Columns: filter by one' });
    this.body = h('tbody', null);
    this.caption = h('caption', null);
    this.table = h('table', { class: 'sr-only' }, this.caption,
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Column'),
        h('th', { scope: 'col' }, 'Events a minute'))), this.body);
    this.tabled = 0;
    this.named = 0;
    this.shown = 0;
  }

  /**
   * Moves the labels with their columns; names and counts them once a second.
   * @param {number} now Milliseconds.
   * @param {number} since When counting began.
   */
  update(now, since) {
    const { columns } = this.model;
    while (this.list.length < columns.length) this.list.push(this.build());
    const due = now - this.named > 1000 || columns.length !== this.shown;
    if (due) this.named = now;
    this.shown = columns.length;
    for (let i = 0; i < this.list.length; i++) {
      const label = this.list[i];
      const column = columns[i];
      if (!column) {
        label.element.hidden = true;
        continue;
      }
      this.place(label, column);
      if (due || label.column !== column) this.name(label, column, now, since);
    }
    if (now - this.tabled > TABLE_MS) {
      this.tabled = now;
      this.tabulate(now, since);
    }
  }

  /** Names the labels at the next update. */
  invalidate() {
    this.named = 0;
    this.tabled = 0;
  }

  /** @private @returns {Label} */
  build() {
    const name = h('span', { class: 'stack-name' });
    const count = h('span', { class: 'stack-count' });
    const element = h('button', { type: 'button', class: 'stack-label' }, name, count);
    /** @type {Label} */
    const label = { element, name, count, clause: null, column: null, x: NaN, width: NaN };
    element.addEventListener('click', () => label.clause && this.onClick(label.clause));
    this.element.append(element);
    return label;
  }

  /** @private @param {Label} label @param {Column} column */
  place(label, column) {
    const width = Math.round(this.model.pitch);
    const x = Math.round(column.x);
    if (Number.isNaN(x)) return;
    if (label.x !== x) label.element.style.transform = `translateX(${x}px)`;
    if (label.width !== width) label.element.style.width = `${width}px`;
    label.x = x;
    label.width = width;
  }

  /** @private @param {Label} label @param {Column} column @param {number} now @param {number} since */
  name(label, column, now, since) {
    label.column = column;
    label.clause = column.tally?.clause ?? null;
    const name = nameOf(column, this.model.by);
    const rate = this.rate(column, now, since);
    setText(label.name, name);
    const count = rate === null ? '…' : label.width < 100 ? `${short(rate)}/min` : `${number(rate)} a minute`;
    setText(label.count, count);
    label.element.hidden = false;
    label.element.disabled = !label.clause;
    const title = label.clause ? `${name}: click to show only this` : name;
    if (label.element.title !== title) label.element.title = title;
  }

  /** @private @param {Column} column @param {number} now @param {number} since */
  rate(column, now, since) {
    const seconds = Math.min(60, (now - since) / 1000);
    return seconds < OBSERVED_MIN ? null : Math.round((this.model.lastMinute(column, now) * 60) / seconds);
  }

  /** @private @param {number} now @param {number} since */
  tabulate(now, since) {
    const { columns, by } = this.model;
    setText(this.caption, `Events a minute by ${by}, the busiest first`);
    fill(this.body, columns.map((column) => {
      const rate = this.rate(column, now, since);
      return h('tr', null, h('th', { scope: 'row' }, nameOf(column, by)),
        h('td', null, rate === null ? '' : number(rate)));
    }));
  }
}

/** @param {Column} column @param {Shown['by']} by */
export function nameOf(column, by) {
  if (!column.tally) return 'other';
  return column.tally.key === '' ? `no ${by}` : visible(column.tally.key, NAME_MAX);
}

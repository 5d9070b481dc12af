// @ts-check
/**
 * A table of keyed rows, for views that get all their rows again about once a second.
 *
 * A row keeps its element for as long as its key is shown, and a cell is written only if its value changed, so that
 * a snapshot costs little and nothing flickers. At most {@link ROWS_SHOWN} rows are in the document until the
 * reader asks for more. While the reader points at the table or moves in it by keyboard, the order is held: rows are
 * updated in place, new ones come last, and nothing moves away under the pointer.
 */

import { h, setText } from '../draw/dom.js';
import { number } from '../draw/format.js';
import { held, sorted } from './table-order.js';
import { createRow, keyOf, placeRows, writeCell, writeRow } from './table-rows.js';

/**
 * @template Row
 * @typedef {import('./table-rows.js').Shown<Row>} Shown
 */

/** The most rows in the document, and the number of rows that "show more" adds. */
export const ROWS_SHOWN = 200;

/** The time for which the order is held after the last movement of pointer or focus, in milliseconds. */
export const HOLD_MS = 6000;

/**
 * The shortest time between two changes of the order of more than {@link CALM_ROWS} rows, in milliseconds. A large
 * table that changes its order every second can neither be read nor drawn cheaply.
 */
export const CALM_MS = 2500;
export const CALM_ROWS = 60;

/** @typedef {{ key: string, op: string, value: string }} Clause */

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} id Cells have the class `c-<id>`.
 * @property {string} label
 * @property {string} [title] A longer explanation of the label.
 * @property {boolean} [end] `true` to align at the end: numbers.
 * @property {(row: Row) => string | number} value What the cell depends on: it is written again only if this changes.
 *   Give the raw value, because this is asked for all rows at each snapshot.
 * @property {(row: Row) => string} [text] The text of the cell. Default: the value.
 * @property {(cell: HTMLElement, row: Row, value: string | number) => void} [render] Draws the cell in place of a text.
 * @property {(row: Row) => string | number} [sort] Makes the column sortable.
 * @property {boolean} [ascending] `true` if the first press sorts upwards. Default: downwards.
 * @property {boolean} [live] `true` if the value changes with time: {@link Table.tick} updates it.
 * @property {(row: Row) => Clause | null} [pick] The clause that a press on the value adds to the MATCH.
 */

/**
 * The content below an open row.
 * @template Row
 * @typedef {{ element: HTMLElement, update(row: Row): void, close(): void }} Detail
 */

/**
 * @template Row
 * @typedef {object} Options
 * @property {string} label The name of the table, for screen readers.
 * @property {string} name A class of the table.
 * @property {Column<Row>[]} columns
 * @property {(row: Row) => string} key Unique among the rows.
 * @property {(row: Row) => string} title The name of a row, for screen readers.
 * @property {(row: Row) => string} [tone] A class of the row.
 * @property {string} [sort] The id of the column that sorts at first. Default: the order of the rows as given.
 * @property {(row: Row) => Detail<Row>} detail
 * @property {(clause: Clause) => void} pick
 * @property {(isOpen: boolean) => void} [onToggle] Called when a row opens or closes.
 */

/** @template Row */
export class Table {
  /** @param {Options<Row>} options */
  constructor(options) {
    this.options = options;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Map<string, Shown<Row>>} */
    this.shown = new Map();
    /** @type {Map<string, number>} */
    this.places = new Map();
    this.limit = ROWS_SHOWN;
    this.sortBy = options.columns.find((column) => column.id === options.sort);
    this.ascending = this.sortBy?.ascending ?? false;
    this.moved = -Infinity;
    this.ordered = -Infinity;
    this.inside = false;
    this.active = '';
    /** @type {{ key: string, detail: Detail<Row>, element: HTMLElement } | null} */
    this.opened = null;
    this.heads = options.columns.map((column) => this.head(column));
    this.body = h('div', { class: 'tbody', role: 'rowgroup', hidden: true });
    this.grid = h(
      'div',
      { class: `table ${options.name}`, role: 'table', 'aria-label': options.label },
      h('div', { class: 'thead', role: 'rowgroup' }, h('div', { class: 'tr', role: 'row' }, this.heads)),
      this.body,
    );
    this.more = h('button', { class: 'button small', type: 'button', on: { click: () => this.showMore() } });
    this.note = h('span', { class: 'table-note' });
    this.foot = h('div', { class: 'table-foot', hidden: true }, this.more, this.note);
    this.heldNote = h(
      'div',
      { class: 'held-note', hidden: true, 'aria-hidden': 'true' },
      h('span', null, 'order held while you are here'),
    );
    this.element = h('div', { class: 'table-box' }, this.grid, this.heldNote, this.foot);
    this.listen();
    this.showSort();
  }

  /**
   * Shows these rows in place of the previous ones.
   * @param {Row[]} rows
   * @param {string} [note] What is not among them, below the table.
   */
  update(rows, note = '') {
    this.rows = rows;
    setText(this.note, note);
    this.render();
  }

  /** Updates cells that change with time. */
  tick() {
    const { columns } = this.options;
    for (let i = 0; i < columns.length; i++) {
      if (columns[i].live) for (const shown of this.shown.values()) writeCell(columns[i], shown, i);
    }
  }

  /** Closes what is open and forgets all rows. */
  clear() {
    this.close();
    this.limit = ROWS_SHOWN;
    this.places.clear();
    this.update([]);
  }

  /**
   * Moves by keyboard. Returns `false` if the key has no meaning here.
   * @param {string} key As in `KeyboardEvent.key`, or a letter of vi.
   */
  onKey(key) {
    if (key === 'Escape') return this.closeByKey();
    const focused = this.focusedKey();
    if (key === 'Enter' || key === 'o') {
      // A focused button is pressed by the browser.
      if (key === 'Enter' && document.activeElement instanceof HTMLButtonElement) return false;
      if (!this.shown.has(this.active)) return false;
      this.toggle(this.active);
      return true;
    }
    const keys = [...this.shown.keys()];
    const at = keys.indexOf(focused ?? this.active);
    const to = { j: at + 1, ArrowDown: at + 1, k: at - 1, ArrowUp: at - 1, Home: 0, End: keys.length - 1 }[
      key
    ];
    if (to === undefined || keys.length === 0) return false;
    if (to < 0) return focused !== null;
    this.focus(keys[Math.min(to, keys.length - 1)]);
    return true;
  }

  /**
   * Opens the row, or closes it if it is open.
   * @param {string} key
   */
  toggle(key) {
    const again = this.opened?.key === key;
    this.close();
    if (!again) this.open(key);
  }

  /**
   * Opens a row and closes the other one. Does nothing if it is not shown.
   * @param {string} key
   */
  open(key) {
    const shown = this.shown.get(key);
    if (!shown || this.opened?.key === key) return;
    this.close();
    const detail = this.options.detail(shown.row);
    const cell = h(
      'div',
      { role: 'cell', class: 'table-detail', 'aria-colspan': this.options.columns.length },
      detail.element,
    );
    const element = h('div', { class: 'tr-detail', role: 'row' }, cell);
    this.opened = { key, detail, element };
    shown.open.setAttribute('aria-expanded', 'true');
    shown.element.classList.add('is-open');
    shown.element.after(element);
    detail.update(shown.row);
    this.setActive(key);
    this.options.onToggle?.(true);
  }

  /** Closes the open row. */
  close() {
    if (!this.opened) return false;
    const { key, detail, element } = this.opened;
    this.opened = null;
    detail.close();
    element.remove();
    const shown = this.shown.get(key);
    shown?.open.setAttribute('aria-expanded', 'false');
    shown?.element.classList.remove('is-open', 'is-gone');
    this.options.onToggle?.(false);
    return true;
  }

  /** @private @param {Column<Row>} column */
  head(column) {
    const button = column.sort
      ? h(
          'button',
          { type: 'button', title: column.title, on: { click: () => this.sort(column) } },
          h('span', {}, column.label),
          h('span', { class: 'arrow', 'aria-hidden': 'true' }),
        )
      : h('span', { title: column.title }, column.label);
    const side = column.end ? ' end' : '';
    return h('div', { role: 'columnheader', class: `td c-${column.id}${side}` }, button);
  }

  /** @private */
  listen() {
    const touch = () => {
      this.moved = performance.now();
    };
    this.body.addEventListener('pointermove', () => {
      this.inside = true;
      touch();
    });
    this.body.addEventListener('pointerleave', () => {
      this.inside = false;
    });
    this.body.addEventListener('keydown', touch);
    this.body.addEventListener('click', (event) => this.onClick(event));
    this.body.addEventListener('focusin', (event) => {
      const key = keyOf(/** @type {Element} */ (event.target));
      if (key) this.setActive(key);
    });
  }

  /** @private @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const key = keyOf(target);
    const shown = key ? this.shown.get(key) : undefined;
    if (!shown) return;
    const index = target.closest('.pick') ? shown.cells.findIndex((cell) => cell.contains(target)) : -1;
    const clause = index >= 0 ? this.options.columns[index].pick?.(shown.row) : null;
    if (clause) {
      this.options.pick(clause);
    } else if (target.closest('.open') || !target.closest('button, a')) {
      // A reader who selects text does not want to open the row.
      if (!target.closest('.open') && String(getSelection()) !== '') return;
      this.toggle(shown.key);
    }
  }

  /** @private @param {Column<Row>} column */
  sort(column) {
    const same = this.sortBy === column;
    this.ascending = same ? !this.ascending : (column.ascending ?? false);
    this.sortBy = column;
    this.places.clear();
    this.moved = -Infinity;
    this.ordered = -Infinity;
    this.showSort();
    this.render();
  }

  /** @private */
  showSort() {
    this.options.columns.forEach((column, index) => {
      if (!column.sort) return;
      const here = column === this.sortBy;
      this.heads[index].setAttribute(
        'aria-sort',
        !here ? 'none' : this.ascending ? 'ascending' : 'descending',
      );
    });
  }

  /** @private */
  showMore() {
    this.limit += ROWS_SHOWN;
    this.ordered = -Infinity;
    this.render();
  }

  /** @private `true` while the reader is at the rows. */
  isHeld() {
    if (performance.now() - this.moved > HOLD_MS) return false;
    return this.inside || this.body.contains(document.activeElement);
  }

  /** @private */
  render() {
    const { key } = this.options;
    let rows = this.withOpened(this.rows);
    const isHeld = this.places.size > 0 && this.isHeld();
    const isCalm = this.places.size > CALM_ROWS && performance.now() - this.ordered < CALM_MS;
    if (isHeld || isCalm) {
      rows = held(rows, key, this.places);
    } else {
      this.ordered = performance.now();
      if (this.sortBy?.sort) rows = sorted(rows, this.sortBy.sort, this.ascending);
    }
    const beyond = rows.length - this.limit;
    const opened = this.opened?.key;
    if (beyond > 0) {
      const rest = rows.slice(this.limit);
      rows = rows.slice(0, this.limit);
      // An open row stays, wherever it is now.
      const open = rest.find((row) => key(row) === opened);
      if (open) rows[rows.length - 1] = open;
    }
    const before = this.shown;
    this.shown = new Map();
    this.places.clear();
    for (const row of rows) {
      const name = key(row);
      if (this.shown.has(name)) continue;
      const shown = before.get(name) ?? createRow(this.options, name, row);
      shown.row = row;
      writeRow(this.options, shown);
      this.places.set(name, this.shown.size);
      this.shown.set(name, shown);
    }
    placeRows(this.body, this.elements());
    this.updateOpened();
    this.showFoot(Math.max(0, beyond));
    this.heldNote.hidden = !isHeld;
  }

  /** @private A row that is open stays although it is no longer among the rows. @param {Row[]} rows */
  withOpened(rows) {
    const opened = this.opened && this.shown.get(this.opened.key);
    if (!opened) return rows;
    const gone = !rows.some((row) => this.options.key(row) === opened.key);
    opened.element.classList.toggle('is-gone', gone);
    return gone ? [...rows, opened.row] : rows;
  }

  /** @private */
  elements() {
    const { opened } = this;
    return [...this.shown.values()].flatMap(({ key, element }) =>
      opened?.key === key ? [element, opened.element] : [element],
    );
  }

  /** @private */
  updateOpened() {
    if (!this.opened) return;
    const shown = this.shown.get(this.opened.key);
    if (shown) this.opened.detail.update(shown.row);
    else this.close();
  }

  /** @private @param {number} beyond */
  showFoot(beyond) {
    this.body.hidden = this.shown.size === 0;
    this.more.hidden = beyond === 0;
    if (beyond > 0)
      setText(this.more, `Show ${number(Math.min(beyond, ROWS_SHOWN))} of ${number(beyond)} more`);
    this.foot.hidden = beyond === 0 && this.note.textContent === '';
    if (!this.shown.has(this.active)) this.setActive(this.shown.keys().next().value ?? '');
    const active = this.shown.get(this.active);
    if (active && active.open.tabIndex !== 0) active.open.tabIndex = 0;
  }

  /** @private The key of the row with the focus. */
  focusedKey() {
    const { activeElement } = document;
    return this.body.contains(activeElement) ? (keyOf(activeElement) ?? null) : null;
  }

  /** @private @param {string} key */
  focus(key) {
    const shown = this.shown.get(key);
    if (!shown) return;
    this.moved = performance.now();
    shown.open.focus({ preventScroll: true });
    shown.element.scrollIntoView({ block: 'nearest' });
  }

  /** @private @param {string} key */
  setActive(key) {
    if (key === this.active) return;
    const before = this.shown.get(this.active);
    if (before) before.open.tabIndex = -1;
    this.active = key;
    const shown = this.shown.get(key);
    if (shown) shown.open.tabIndex = 0;
  }

  /** @private */
  closeByKey() {
    const key = this.opened?.key;
    if (!key) return false;
    const within = this.opened?.element.contains(document.activeElement);
    this.close();
    if (within) this.focus(key);
    return true;
  }
}

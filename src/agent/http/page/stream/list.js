// @ts-check
/**
 * A list of rows of one height, the newest on top, of which only those near the reader are in the document.
 *
 * One row can be open: its detail stands below it and has any height. The list holds the reader's place: when
 * rows are added or removed elsewhere, the row at the top of the viewport stays where it is, unless the list
 * follows the newest rows.
 */
import { h } from '../draw/dom.js';

/** @typedef {import('../types.js').Row} Row */

/** The most rows in the document, the detail not counted. */
export const ROWS_MAX = 280;

/** Rows beyond the viewport: while rows stream in, and while the reader scrolls or selects. */
const AROUND = { following: 24, still: 90 };

/**
 * @typedef {object} Options
 * @property {string} label The name of the list, for screen readers.
 * @property {HTMLElement} head The row of column names.
 * @property {(row: Row) => HTMLElement} build Builds the element of a row.
 * @property {(row: Row) => HTMLElement} detail Builds what an open row shows.
 * @property {() => void} onScroll The reader, or the list, scrolled.
 * @property {() => void} onMove The open row or the focused one changed.
 */

export class List {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** The rows, the oldest first. @type {Row[]} */
    this.rows = [];
    this.following = true;
    this.body = h('div', { class: 'rows', role: 'rowgroup' });
    this.grid = h(
      'div',
      { class: 'grid', role: 'treegrid', 'aria-label': options.label, tabindex: '0' },
      h('div', { class: 'grid-head', role: 'rowgroup' }, options.head),
      this.body,
    );
    this.foot = h('div', { class: 'list-foot' });
    this.element = h('div', { class: 'list' }, this.grid, this.foot);
    /** @type {Map<string, HTMLElement>} */
    this.elements = new Map();
    /** What an element was built from. @type {WeakMap<Element, Row>} */
    this.built = new WeakMap();
    this.openKey = '';
    /** @type {HTMLElement | null} */
    this.openElement = null;
    this.openHeight = 0;
    /** The row that has the focus, or would get it. */
    this.cursorKey = '';
    /** The row at the top of the viewport, and how far it is scrolled out. */
    this.anchor = { key: '', offset: 0 };
    this.rowHeight = 24;
    this.frame = 0;
    this.sizes = new ResizeObserver(() => this.measure());
    this.element.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.render = this.render.bind(this);
  }

  show() {
    this.sizes.observe(this.element);
    if (this.openElement) this.sizes.observe(this.openElement);
    this.measure();
    // A hidden element loses its scroll position. Restore it before anything asks for it.
    this.render();
  }

  hide() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  /**
   * Shows other rows at the next frame.
   * @param {Row[]} rows The oldest first. The list keeps the array and never changes it.
   */
  setRows(rows) {
    this.rows = rows;
    this.invalidate();
  }

  /** Renders at the next frame. */
  invalidate() {
    this.frame ||= requestAnimationFrame(this.render);
  }

  /** Forgets all elements, and what is open. */
  clear() {
    this.close();
    for (const element of this.elements.values()) element.remove();
    this.elements.clear();
    this.cursorKey = '';
    this.anchor = { key: '', offset: 0 };
    this.element.scrollTop = 0;
  }

  /** Builds a row again, because what it shows has changed. @param {string} key */
  rebuild(key) {
    const element = this.elements.get(key);
    const index = element ? this.indexOf(key) : -1;
    if (!element || index < 0) return;
    const next = this.build(this.at(index));
    const focused = document.activeElement === element;
    element.replaceWith(next);
    this.elements.set(key, next);
    if (focused) next.focus({ preventScroll: true });
  }

  // Places

  /** The row at an index, 0 being the newest. @param {number} index */
  at(index) {
    return this.rows[this.rows.length - 1 - index];
  }

  /** @param {string} key @returns {number} 0 for the newest row, -1 if there is none of this key. */
  indexOf(key) {
    if (!key) return -1;
    for (let i = this.rows.length - 1; i >= 0; i--)
      if (this.rows[i].key === key) return this.rows.length - 1 - i;
    return -1;
  }

  /**
   * The top of a row in pixels.
   * @param {number} index
   * @param {number} open The index of the open row, or -1.
   */
  topOf(index, open) {
    return index * this.rowHeight + (open >= 0 && index > open ? this.openHeight : 0);
  }

  /** The row at a height. @param {number} y @param {number} open */
  indexAt(y, open) {
    const plain = Math.floor(y / this.rowHeight);
    if (open < 0 || plain <= open) return Math.max(0, plain);
    return Math.max(open, Math.floor((y - this.openHeight) / this.rowHeight));
  }

  get isAtTop() {
    return this.element.scrollTop < this.rowHeight / 2;
  }

  /** The number of rows between the end of the viewport and the oldest row. */
  get rowsBelow() {
    const { scrollTop, clientHeight } = this.element;
    return this.rows.length - this.indexAt(scrollTop + clientHeight, this.indexOf(this.openKey));
  }

  // Rendering

  /** @private */
  measure() {
    const height = parseFloat(getComputedStyle(this.element).getPropertyValue('--row'));
    const changed = height > 0 && height !== this.rowHeight;
    if (changed) this.rowHeight = height;
    if (this.openElement?.isConnected) this.openHeight = this.openElement.offsetHeight;
    this.invalidate();
  }

  /** Remembers which row is at the top of the viewport. */
  capture() {
    const open = this.indexOf(this.openKey);
    const { scrollTop } = this.element;
    const index = Math.min(this.indexAt(scrollTop, open), this.rows.length - 1);
    this.anchor =
      index < 0
        ? { key: '', offset: 0 }
        : { key: this.at(index).key, offset: scrollTop - this.topOf(index, open) };
  }

  /** @private */
  scrolled() {
    this.capture();
    this.options.onScroll();
    this.invalidate();
  }

  /** Keeps the anchor where it was, or the newest row on top. @private @param {number} open */
  place(open) {
    const index = this.following ? -1 : this.indexOf(this.anchor.key);
    const target = this.following
      ? 0
      : index < 0
        ? this.element.scrollTop
        : this.topOf(index, open) + this.anchor.offset;
    // The body must be tall enough before the browser accepts the position.
    this.body.style.height = `${this.topOf(this.rows.length, open)}px`;
    if (Math.abs(this.element.scrollTop - target) >= 1) this.element.scrollTop = target;
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const open = this.indexOf(this.openKey);
    this.place(open);
    const { scrollTop, clientHeight } = this.element;
    const around = this.following ? AROUND.following : AROUND.still;
    const from = Math.max(0, this.indexAt(scrollTop, open) - around);
    const to = Math.min(
      this.rows.length,
      this.indexAt(scrollTop + clientHeight, open) + 1 + around,
      from + ROWS_MAX,
    );
    this.body.style.paddingTop = `${this.topOf(from, open)}px`;
    this.patch(from, to, open);
  }

  /** Puts the rows from one index to another into the document, and removes all others. @private
   * @param {number} from @param {number} to @param {number} open */
  patch(from, to, open) {
    const wanted = new Set();
    for (let i = from; i < to; i++) wanted.add(this.at(i).key);
    for (const [key, element] of this.elements) if (!wanted.has(key)) this.drop(key, element);
    for (let i = from; i < to; i++) this.elementOf(this.at(i));
    let next = this.body.firstElementChild;
    const put = (/** @type {HTMLElement} */ element) => {
      if (element === next) next = element.nextElementSibling;
      else this.body.insertBefore(element, next);
    };
    if (open < from || open >= to) this.openElement?.remove();
    for (let i = from; i < to; i++) {
      const row = this.at(i);
      put(this.elementOf(row));
      if (i === open && this.openElement) put(this.openElement);
    }
    this.grid.tabIndex = this.elements.has(this.cursorKey) ? -1 : 0;
  }

  /**
   * The element of a row, built again if another row of the same key took its place.
   * @private
   * @param {Row} row
   */
  elementOf(row) {
    const known = this.elements.get(row.key);
    if (known && this.built.get(known) === row) return known;
    const element = this.build(row);
    if (known?.isConnected) known.replaceWith(element);
    this.elements.set(row.key, element);
    return element;
  }

  /** @private @param {Row} row */
  build(row) {
    const element = this.options.build(row);
    this.built.set(element, row);
    element.dataset.key = row.key;
    element.tabIndex = row.key === this.cursorKey ? 0 : -1;
    element.setAttribute('aria-expanded', String(row.key === this.openKey));
    return element;
  }

  /** @private @param {string} key @param {HTMLElement} element */
  drop(key, element) {
    // The focus must not fall back to the page, or the next key would start at the top.
    if (element === document.activeElement) this.grid.focus({ preventScroll: true });
    element.remove();
    this.elements.delete(key);
  }

  // The open row and the focused one

  /** Opens a row, or closes it if it is open. @param {string} key */
  toggle(key) {
    if (this.openKey === key) this.close();
    else this.open(key);
  }

  /** @param {string} key */
  open(key) {
    const index = this.indexOf(key);
    if (index < 0) return;
    this.close();
    this.openKey = key;
    this.openElement = h(
      'div',
      { class: 'row-detail', role: 'row' },
      h('div', { role: 'gridcell', class: 'detail-cell' }, this.options.detail(this.at(index))),
    );
    this.elements.get(key)?.setAttribute('aria-expanded', 'true');
    this.setCursor(key);
    this.options.onMove();
    this.render();
    this.sizes.observe(this.openElement);
    this.openHeight = this.openElement.offsetHeight;
    this.reveal(index, this.rowHeight + this.openHeight);
    this.invalidate();
  }

  /** @returns {boolean} `false` if none was open. */
  close() {
    if (!this.openKey) return false;
    this.elements.get(this.openKey)?.setAttribute('aria-expanded', 'false');
    if (this.openElement) {
      const focused = this.openElement.contains(document.activeElement);
      this.sizes.unobserve(this.openElement);
      this.openElement.remove();
      if (focused) this.elements.get(this.openKey)?.focus({ preventScroll: true });
    }
    this.openKey = '';
    this.openElement = null;
    this.openHeight = 0;
    this.options.onMove();
    this.invalidate();
    return true;
  }

  /** @private @param {string} key */
  setCursor(key) {
    const before = this.elements.get(this.cursorKey);
    if (before) before.tabIndex = -1;
    this.cursorKey = key;
    const now = this.elements.get(key);
    if (now) now.tabIndex = 0;
    this.grid.tabIndex = now ? -1 : 0;
  }

  /** Moves the focus by some rows, or to the top of the viewport if no row had it. @param {number} step */
  move(step) {
    if (this.rows.length === 0) return;
    const open = this.indexOf(this.openKey);
    const at = this.indexOf(this.cursorKey);
    const first = this.indexAt(this.element.scrollTop + this.rowHeight / 2, open);
    this.focus(at < 0 ? first : Math.max(0, Math.min(this.rows.length - 1, at + step)));
  }

  /** Focuses a row. @param {number} index 0 for the newest. */
  focus(index) {
    const row = this.at(index);
    if (!row) return;
    this.setCursor(row.key);
    this.options.onMove();
    this.reveal(index, this.rowHeight);
    this.render();
    this.setCursor(row.key);
    this.elements.get(row.key)?.focus({ preventScroll: true });
  }

  /** Gives the focus back. @returns {boolean} `false` if no row had it. */
  leave() {
    if (!this.cursorKey) return false;
    this.setCursor('');
    if (this.body.contains(document.activeElement)) this.grid.focus({ preventScroll: true });
    this.options.onMove();
    return true;
  }

  /** Scrolls as little as possible to show a row. @private @param {number} index @param {number} height */
  reveal(index, height) {
    const top = this.topOf(index, this.indexOf(this.openKey));
    const { element } = this;
    const room = element.clientHeight - /** @type {HTMLElement} */ (this.grid.firstElementChild).offsetHeight;
    if (top < element.scrollTop || height > room) element.scrollTop = top;
    else if (top + height > element.scrollTop + room) element.scrollTop = top + height - room;
    this.scrolled();
  }

  /** Scrolls to the newest row. */
  toTop() {
    this.element.scrollTop = 0;
    this.anchor = { key: '', offset: 0 };
    this.invalidate();
  }
}

// @ts-check
/** The rows of a table in the document: built once, written where they changed, moved as little as possible. */

import { h } from '../draw/dom.js';
import { visible } from '../draw/format.js';

/**
 * @template Row
 * @typedef {{ key: string, row: Row, element: HTMLElement, open: HTMLButtonElement, cells: HTMLElement[],
 *   texts: (Text | null)[], values: (string | number)[], tone: string }} Shown
 */

/** The key of each row element. @type {WeakMap<Element, string>} */
const keys = new WeakMap();

/**
 * The key of the row that an element belongs to.
 * @param {Element | null} element
 */
export function keyOf(element) {
  const row = element?.closest('.tr');
  return row ? keys.get(row) : undefined;
}

/**
 * Builds the element of a row. Its cells are empty.
 * @template Row
 * @param {import('./table.js').Options<Row>} options
 * @param {string} key
 * @param {Row} row
 * @returns {Shown<Row>}
 */
export function createRow({ columns, title }, key, row) {
  const open = h('button', {
    class: 'open',
    type: 'button',
    tabindex: -1,
    'aria-expanded': 'false',
    'aria-label': visible(title(row)),
  });
  /** @type {(Text | null)[]} */
  const texts = [];
  const cells = columns.map((column, index) => {
    const text = column.render ? null : document.createTextNode('');
    texts.push(text);
    const inner =
      text && column.pick ? h('button', { class: 'pick', type: 'button', tabindex: -1 }, text) : text;
    const side = column.end ? ' end' : '';
    return h(
      'div',
      { role: 'cell', class: `td c-${column.id}${side}` },
      index === 0 && open,
      index === 0 && !inner ? h('div', { class: 'first' }) : inner,
    );
  });
  const element = h('div', { class: 'tr', role: 'row' }, cells);
  keys.set(element, key);
  return { key, row, element, open, cells, texts, values: [], tone: '' };
}

/**
 * Writes the cells of a row that changed.
 * @template Row
 * @param {import('./table.js').Options<Row>} options
 * @param {Shown<Row>} shown
 */
export function writeRow({ columns, tone }, shown) {
  for (let i = 0; i < columns.length; i++) writeCell(columns[i], shown, i);
  const now = tone?.(shown.row) ?? '';
  if (now === shown.tone) return;
  if (shown.tone) shown.element.classList.remove(shown.tone);
  if (now) shown.element.classList.add(now);
  shown.tone = now;
}

/**
 * Writes a cell if its value changed.
 * @template Row
 * @param {import('./table.js').Column<Row>} column
 * @param {Shown<Row>} shown
 * @param {number} index The place of the column.
 */
export function writeCell(column, shown, index) {
  const value = column.value(shown.row);
  if (shown.values[index] === value) return;
  shown.values[index] = value;
  const text = shown.texts[index];
  const cell = shown.cells[index];
  if (text) writeText(text, column.text?.(shown.row) ?? String(value));
  else
    column.render?.(
      index === 0 ? /** @type {HTMLElement} */ (cell.lastElementChild) : cell,
      shown.row,
      value,
    );
}

/**
 * A button without a text has no name: it is hidden.
 * @param {Text} text
 * @param {string} data
 */
function writeText(text, data) {
  text.data = data;
  const { parentElement } = text;
  if (parentElement instanceof HTMLButtonElement) parentElement.hidden = data === '';
}

/**
 * Makes these elements the children of the body, with few moves.
 * @param {HTMLElement} body
 * @param {HTMLElement[]} elements
 */
export function placeRows(body, elements) {
  const focused = document.activeElement;
  let at = body.firstChild;
  const put = (/** @type {HTMLElement} */ element) => {
    // Moving the one row that left its place is cheaper than moving all that follow.
    if (at && at !== element && at.nextSibling === element) {
      const stray = at;
      at = element;
      stray.remove();
    }
    if (at === element) at = element.nextSibling;
    else body.insertBefore(element, at);
  };
  for (const element of elements) put(element);
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
  // An element that is moved loses the focus.
  if (focused instanceof HTMLElement && focused !== document.activeElement && body.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

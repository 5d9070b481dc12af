// @ts-check
/** Rows as plain text for the clipboard, and as JSON lines for a file. */
import { h } from '../draw/dom.js';
import { plainText } from '../event/row.js';

/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('./list.js').List} List */

/**
 * Copies selected rows as lines of tab-separated text. A selection inside one row is left to the browser.
 * @param {ClipboardEvent} event
 * @param {List} list
 */
export function copyRows(event, list) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !event.clipboardData) return;
  const elements = [...list.body.querySelectorAll(':scope > .row')];
  const rows = elements
    .filter((element) => selection.containsNode(element, true))
    .map((element) => list.built.get(element));
  if (rows.length < 2) return;
  event.clipboardData.setData('text/plain', rows.map((row) => (row ? plainText(row) : '')).join('\n'));
  event.preventDefault();
}

/**
 * Downloads rows as JSON lines, the oldest first: events and gaps as the agent sent them, and counts of rows
 * that were not drawn.
 * @param {Row[]} rows
 */
export function downloadRows(rows) {
  const lines = rows.map((row) => JSON.stringify(lineOf(row)));
  const url = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'application/x-ndjson' }));
  const name = `pulse-${new Date().toISOString().replace(/[:.]/g, '-').slice(0, 19)}.jsonl`;
  const link = h('a', { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {Row} row */
function lineOf(row) {
  if (row.kind === 'event') return row.event;
  return row.kind === 'gap' ? row.gap : { skipped: row.count, at: row.cursor };
}

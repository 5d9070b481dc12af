/** The monitor as a reader sees it: what its views show, and what a reader can do. */
import { eventually } from './until.js';
import assert from 'node:assert/strict';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {'stream' | 'users' | 'queries' | 'errors' | 'stack'} ViewName */

/** @type {readonly ViewName[]} */
export const VIEWS = ['stream', 'users', 'queries', 'errors', 'stack'];

/** Shows a view by its tab, and waits until it is in front. @param {Page} page @param {ViewName} view */
export async function show(page, view) {
  await page.locator(`#tab-${view}`).click();
  await page.locator(`#panel-${view}`).waitFor();
}

/** Waits until the page receives events. @param {Page} page */
export async function live(page) {
  await page.locator('[data-state="live"]').first().waitFor();
}

/**
 * The rows of a table, each as the texts of its cells by the id of the column.
 * @param {Page} page
 * @param {string} table the class that names it: `users`, `running`
 * @returns {Promise<Record<string, string>[]>}
 */
export function rows(page, table) {
  return page.locator(`.table.${table} > .tbody > .tr`).evaluateAll((elements) => elements.map((row) => {
    /** @type {Record<string, string>} */
    const cells = {};
    for (const cell of row.querySelectorAll(':scope > .td')) {
      const id = [...cell.classList].find((name) => name.startsWith('c-'));
      // Their parts stand apart by CSS alone.
      const parts = [...(cell.querySelector(':scope > .first') ?? cell).childNodes];
      cells[id?.slice(2) ?? ''] = parts.map((part) => part.textContent?.trim()).filter(Boolean).join(' ');
    }
    return cells;
  }));
}

/**
 * Waits until the rows of a table pass a check, and returns them.
 * @param {Page} page
 * @param {string} table
 * @param {(rows: Record<string, string>[]) => void} check fails by throwing
 */
export function expectRows(page, table, check) {
  return eventually(async () => {
    const now = await rows(page, table);
    check(now);
    return now;
  });
}

/** The row whose cell has exactly this text. @param {Record<string, string>[]} all @param {string} column @param {string} text */
export function row(all, column, text) {
  const found = all.find((one) => one[column] === text);
  assert.ok(found, `no row with ${column} = ${text}: ${JSON.stringify(all)}`);
  return found;
}

const UNITS = { 'µs': 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };

/** A duration as the page shows it, in seconds: `19.5 ms`, `2 m 05 s`. @param {string | undefined} text */
export function seconds(text) {
  const parts = [...(text ?? '').matchAll(/([\d.,]+)\s*(µs|ms|s|m|h|d)\b/gu)];
  assert.notEqual(parts.length, 0, `no duration: ${text}`);
  return parts.reduce((sum, [, n = '', unit]) => (
    sum + Number(n.replaceAll(',', '')) * UNITS[/** @type {keyof UNITS} */ (unit)]), 0);
}

/**
 * Compares a duration that the page shows. Percentiles are accurate to one percent, and shown with three digits.
 * @param {string | undefined} text
 * @param {number} expected in seconds
 */
export function assertDuration(text, expected) {
  const shown = seconds(text);
  assert.ok(Math.abs(shown - expected) <= expected * 0.015, `${text} is not ${expected} s`);
}

/** Types a MATCH into the filter box and applies it. @param {Page} page @param {string} match */
export async function filter(page, match) {
  const box = filterBox(page);
  await box.fill(match);
  await box.press('Enter');
}

/** The filter box. @param {Page} page */
export const filterBox = (page) => page.locator('#filter').getByRole('combobox');

/**
 * A row of the stream that is in the document.
 * @typedef {{ key: string, kind: string, text: string, tag: string, level: string, user: string, req: string, took: string, msg: string }} StreamRow
 */

/** The rows of the stream that are in the document, the newest first. @param {Page} page @returns {Promise<StreamRow[]>} */
export function streamRows(page) {
  return page.locator('#panel-stream .rows > .row').evaluateAll((elements) => elements.map((element) => {
    const text = (/** @type {string} */ selector) => element.querySelector(selector)?.textContent?.trim() ?? '';
    return {
      key: /** @type {HTMLElement} */ (element).dataset.key ?? '',
      kind: ['cells', 'gap', 'skipped'].find((name) => element.classList.contains(name)) ?? '',
      text: element.textContent ?? '',
      tag: text('.c-tag'), level: text('.c-level'), user: text('.c-user'), req: text('.c-req'), took: text('.c-took'),
      msg: text('.c-message .msg'),
    };
  }));
}

/** The messages of the stream's events in the document, the newest first. @param {Page} page */
export const messages = async (page) => (await streamRows(page)).filter((one) => one.kind === 'cells').map((one) => one.msg);

/** Waits until the stream's events in the document have exactly these messages, the newest first. @param {Page} page @param {string[]} expected */
export const expectMessages = (page, expected) => eventually(async () => assert.deepEqual(await messages(page), expected));

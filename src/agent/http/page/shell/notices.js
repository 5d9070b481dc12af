// @ts-check
/**
 * Short messages: toasts for the eye, and one polite live region for screen readers, which speaks at most
 * once in {@link ANNOUNCE_MS}, so that a busy stream never talks without end.
 */
import { byId, h } from '../draw/dom.js';

/** The shortest time between two announcements, in milliseconds. */
export const ANNOUNCE_MS = 4000;

/** How long a toast is shown, in milliseconds. */
const TOAST_MS = 4000;

/** The most toasts at a time. */
const TOASTS_MAX = 3;

let spoken = -ANNOUNCE_MS;
let next = '';
let timer = 0;

/**
 * Announces a text politely. A newer text replaces one that still waits.
 * @param {string} text
 */
export function announce(text) {
  next = text;
  if (timer) return;
  const wait = Math.max(0, spoken + ANNOUNCE_MS - performance.now());
  timer = window.setTimeout(() => {
    timer = 0;
    spoken = performance.now();
    byId('live').textContent = next;
  }, wait);
}

/**
 * Shows a text for a few seconds, and announces it.
 * @param {string} text
 */
export function toast(text) {
  const slot = byId('toasts');
  const element = h('div', { class: 'toast' }, text);
  slot.append(element);
  while (slot.childElementCount > TOASTS_MAX) slot.firstElementChild?.remove();
  setTimeout(() => element.remove(), TOAST_MS);
  announce(text);
}

/**
 * Copies a text and says so.
 * @param {string} text
 * @param {string} what What was copied, as in "Copied: the command".
 */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`Copied: ${what}`);
  } catch {
    // No permission, or no secure context (a plain-HTTP address that is not this machine).
    if (copyBySelection(text)) toast(`Copied: ${what}`);
    else toast('The browser does not allow copying here. Select the text and copy it.');
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = h('textarea', { class: 'sr-only', 'aria-hidden': 'true', tabindex: '-1' });
  area.value = text;
  const focused = document.activeElement;
  // Inside an open modal dialog, the rest of the page cannot be focused.
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return done;
}

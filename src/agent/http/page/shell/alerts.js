// @ts-check
/** The number of errors that happened while the page was out of sight, in its title and in its icon. */
import { byId } from '../draw/dom.js';
import { ERRORS } from '../draw/levels.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').RatesSnapshot} RatesSnapshot */

/** The size of the icon in pixels. */
const SIZE = 64;

/**
 * Counts by the rates view, with the MATCH in force: it counts what a limited stream would skip.
 * @param {Context} context
 * @param {() => string} name  of what is shown, `''` until it is known
 * @returns {{ note(snapshot: RatesSnapshot): void, show(): void }} `show` when the name is known.
 */
export function createAlerts(context, name) {
  const plain = document.title;
  const icon = /** @type {HTMLLinkElement} */ (byId('icon'));
  const href = icon.href;
  let count = 0;
  /** The last second that is counted, since 1970. */
  let counted = Infinity;
  const show = () => {
    const host = name();
    const base = host ? `${host} · ${plain}` : plain;
    const title = count ? `(${count > 999 ? '999+' : count}) ${base}` : base;
    if (document.title !== title) document.title = title;
    icon.href = count ? drawIcon(count) : href;
  };
  const note = (/** @type {RatesSnapshot} */ snapshot) => {
    // The current second is not complete yet.
    const last = Math.floor(Date.parse(snapshot.time) / 1000) - 1;
    const from = Math.min(counted, last);
    const before = count;
    for (const { level, seconds } of snapshot.levels) {
      if (!document.hidden || !ERRORS.has(level)) continue;
      for (let s = from + 1; s <= last; s++) count += seconds[seconds.length - 2 - (last - s)] ?? 0;
    }
    counted = last;
    if (count !== before) show();
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    count = 0;
    show();
  });
  context.feed.onStatus(show);
  return { note, show };
}

/** @param {number} count */
function drawIcon(count) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIZE;
  const c = canvas.getContext('2d');
  if (!c) return '';
  c.fillStyle = '#0d1117';
  c.beginPath();
  c.roundRect(0, 0, SIZE, SIZE, 14);
  c.fill();
  c.fillStyle = '#d13438';
  c.beginPath();
  c.roundRect(4, 14, SIZE - 8, SIZE - 18, 12);
  c.fill();
  c.fillStyle = '#fff';
  c.font = `bold ${count > 99 ? 28 : 38}px system-ui, sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText(count > 99 ? '99+' : String(count), SIZE / 2, SIZE / 2 + 6);
  return canvas.toDataURL();
}

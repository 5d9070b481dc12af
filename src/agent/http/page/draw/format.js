// Numbers, durations, times and hostile text as people read them.

/** Made once: `toLocaleString` makes a formatter at each call. */
const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/**
 * A whole number with thousands separators: `1,284`.
 * @param {number} n
 * @returns {string}
 */
export function number(n) {
  if (!Number.isFinite(n)) return '–';
  const whole = Math.round(n);
  // Most numbers in tables are small, and a formatter costs a hundred times as much.
  return whole > -1000 && whole < 1000 ? String(whole) : GROUPED.format(whole);
}

/**
 * A number in at most five characters: `7`, `1,284`, `12.3k`, `4.1M`. Below 10 with one decimal if it is not
 * whole.
 * @param {number} n  not negative
 * @returns {string}
 */
export function short(n) {
  if (!Number.isFinite(n)) return '–';
  if (n < 9.95) return Number.isInteger(n) ? String(n) : trimZero(n.toFixed(1));
  if (n < 9999.5) return number(n);
  for (const [unit, size] of /** @type {const} */ ([
    ['k', 1e3],
    ['M', 1e6],
    ['G', 1e9],
  ])) {
    const scaled = n / size;
    if (scaled < 99.95) return `${trimZero(scaled.toFixed(1))}${unit}`;
    if (scaled < 999.5) return `${Math.round(scaled)}${unit}`;
  }
  return `${number(n / 1e12)}T`;
}

/**
 * A share: `42 %`, `0.3 %`.
 * @param {number} share  0 to 1
 * @returns {string}
 */
export function percent(share) {
  if (!Number.isFinite(share)) return '–';
  const value = share * 100;
  if (value > 0 && value < 0.05) return '<0.1 %';
  return value < 9.95 ? `${trimZero(value.toFixed(1))} %` : `${Math.round(value)} %`;
}

/** @param {string} text */
function trimZero(text) {
  return text.replace(/\.0$/, '');
}

/**
 * A duration with three significant digits: `0.4 ms`, `19.5 ms`, `1.23 s`, `2 m 05 s`, `3 h 07 m`, `2 d 04
 * h`.
 * @param {number} seconds  not negative
 * @returns {string}
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds <= 0) return '0 ms';
  if (seconds < 0.9995e-3) {
    const micros = seconds * 1e6;
    if (micros >= 99.5) return `${(micros / 1000).toFixed(1)} ms`;
    return micros < 0.95 ? '<1 µs' : `${Math.round(micros)} µs`;
  }
  if (seconds < 0.9995) return `${digits(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${digits(seconds)} s`;
  return longer(seconds);
}

/** @param {number} n  at least 0.9995 */
function digits(n) {
  if (n < 9.995) return n.toFixed(2).replace(/\.?0+$/, '');
  if (n < 99.95) return trimZero(n.toFixed(1));
  return String(Math.round(n));
}

/** @param {number} seconds  at least 59.5 */
function longer(seconds) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const s = Math.round(seconds);
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  const m = Math.floor(s / 60);
  if (m < 1440) return `${Math.floor(m / 60)} h ${two(m % 60)} m`;
  const h = Math.floor(m / 60);
  return `${number(Math.floor(h / 24))} d ${two(h % 24)} h`;
}

/**
 * An age in whole units, for texts that count up: `now`, `5 s`, `2 m`, `3 h`, `4 d`.
 * @param {number} seconds  negative counts as 0, because clocks differ
 * @returns {string}
 */
export function age(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${number(Math.floor(seconds / 86400))} d`;
}

/**
 * A local time of day with milliseconds: `18:32:05.123`.
 * @param {string} time  RFC 3339
 * @returns {string}
 */
export function clock(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return visible(time, 32);
  return `${hms(date)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * A local date and time with the zone, for titles: `2026-11-22 18:32:05.123456 +01:00 (Europe/Berlin)`.
 * Keeps all decimals that the text has.
 * @param {string} time  RFC 3339
 * @returns {string}
 */
export function fullTime(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return visible(time, 64);
  const decimals = /\.(\d{1,9})/.exec(time)?.[0] ?? '';
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${localDate(date)} ${hms(date)}${decimals} ${offset(date)}${zone ? ` (${zone})` : ''}`;
}

/**
 * A local date: `2026-11-22`.
 * @param {Date} date
 * @returns {string}
 */
export function localDate(date) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** @param {Date} date */
function hms(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
}

/** @param {Date} date */
function offset(date) {
  const minutes = -date.getTimezoneOffset();
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/**
 * Characters that do not show or that change how others show: controls, the marks and overrides of
 * bidirectional text, invisible spaces and joiners outside of words, separators of lines, tags,
 * noncharacters, lone surrogates. The zero-width joiners U+200C and U+200D stay: scripts and emoji need them.
 */
const INVISIBLE = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f' +
    '\\u200b\\u200e\\u200f' +
    '\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff' +
    '\\u{e0000}-\\u{e0fff}\\p{Cs}]',
  'gu',
);

/**
 * `true` if a text has characters that `visible` replaces.
 * @param {string} text
 */
export function hasInvisible(text) {
  INVISIBLE.lastIndex = 0;
  return INVISIBLE.test(text);
}

/** The same without tab and line feed. */
const INVISIBLE_IN_LINES = new RegExp(`(?![\\t\\n])${INVISIBLE.source}`, 'gu');

/**
 * Text from an event that is safe to show: control and bidirectional formatting characters become visible
 * (`␛`, `⟨U+202E⟩`), so that the text can neither hide nor reorder itself or what stands beside it.
 * @param {unknown} value  a string, or another value of a field
 * @param {number} [max]   the most characters (code points) of the text, an ellipsis not counted
 * @param {{lines?: boolean}} [options]  `lines` keeps tabs and line feeds, for text that is shown in full
 * @returns {string}
 */
export function visible(value, max = Infinity, { lines = false } = {}) {
  const text = typeof value === 'string' ? value : String(value ?? 'null');
  const shown = cut(text, max);
  return replaceInvisible(shown, picture, { lines });
}

/**
 * Replaces the characters that do not show.
 * @param {string} text
 * @param {(char: string) => string} replace
 * @param {{lines?: boolean}} [options]  as for `visible`
 * @returns {string}
 */
export function replaceInvisible(text, replace, { lines = false } = {}) {
  return text.replace(lines ? INVISIBLE_IN_LINES : INVISIBLE, replace);
}

/** @param {string} char */
function picture(char) {
  const code = /** @type {number} */ (char.codePointAt(0));
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '␡';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/**
 * The first `max` code points, and an ellipsis if there are more. Never splits a surrogate pair.
 * @param {string} text
 * @param {number} max
 * @returns {string}
 */
export function cut(text, max) {
  if (text.length <= max) return text;
  let end = 0;
  for (let n = 0; n < max && end < text.length; n += 1) {
    end += /** @type {number} */ (text.codePointAt(end)) > 0xffff ? 2 : 1;
  }
  return end < text.length ? `${text.slice(0, end)}…` : text;
}

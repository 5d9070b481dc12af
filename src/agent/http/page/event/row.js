// @ts-check
/** One row of the stream: an event, a gap, or rows that were not drawn. */
import { h } from '../draw/dom.js';
import { clock, duration, fullTime, localDate, number, visible } from '../draw/format.js';
import { claimedUser, USER_FIELDS } from '../tables/who.js';

/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').GapLine} GapLine */
/** @typedef {import('../types.js').FieldValue} FieldValue */

/** The most characters of a message, of other values, and of the fields after a message in a row. */
const TEXT_MAX = { msg: 400, name: 48, fields: 120 };

/** The most fields after a message. */
const FIELDS_MAX = 4;

/** Durations at both ends of the bar, in seconds. The scale between them is logarithmic. */
const BAR = { from: 1e-4, to: 10 };

/** Durations from here on are slow, and very slow, in seconds. */
const SLOW = 0.1;
const VERY_SLOW = 1;

/** The names of the columns, in their order. */
export const COLUMNS = /** @type {const} */ (['time', 'level', 'host', 'tag', 'user', 'req', 'took', 'message']);

/** Gaps in which nothing is missing, by their reason. @type {Record<string, string>} */
const CALM = { restart: 'agent started', clock: 'clock stepped back' };

/** What is said about a run. @type {Record<string, string>} */
const MARKS = {
  running: 'Begun and not ended',
  begun: 'The begin of a run that has ended',
  unknown: 'Begun, and its end may have been lost',
  abandoned: 'The connection closed before the end came. The agent measured the duration.',
};

/** What the reason of a gap means. @type {Record<string, string>} */
export const WHY = {
  retention: 'History was trimmed to its size or age, so the agent no longer holds these events.',
  storage:
    'The disk failed or was full, and the memory window had to evict these events before they were stored.',
  rate: 'A sender exceeded its rate limit, and the agent refused these events.',
  restart: 'The agent started. With a clean stop before it, nothing is missing.',
  clock: 'The clock of the machine stepped back. Nothing is missing, but times start again.',
  upstream: 'Another host reports that these events are missing in its stream.',
};

/** The row of column names. */
export function head() {
  return h(
    'div',
    { class: 'row row-head', role: 'row' },
    COLUMNS.map((name) =>
      h('span', { class: `c-${name}`, role: 'columnheader' }, h('span', { class: 'label' }, name)),
    ),
  );
}

/**
 * @param {Row} row
 * @param {(event: EventLine) => RunState} runState
 * @returns {HTMLElement}
 */
export function buildRow(row, runState) {
  if (row.kind === 'gap') return gapRow(row.gap);
  return row.kind === 'skipped' ? skippedRow(row.count) : eventRow(row.event, runState(row.event));
}

/**
 * What is known about the run that an event begins.
 * @typedef {'' | 'running' | 'unknown' | 'begun'} RunState
 */

/** @param {EventLine} event @param {RunState} run */
function eventRow(event, run) {
  const { level, took } = event;
  const slow = took === undefined || took < SLOW ? '' : took < VERY_SLOW ? ' is-slow' : ' is-very-slow';
  const mark = event.abandoned ? 'abandoned' : run;
  return h(
    'div',
    { class: `row cells level-${levelClass(level)}${slow}`, role: 'row' },
    cell('time', h('time', { datetime: event.time }, when(event.time))),
    cell('level', pick('level', '=', level, visible(level, 10))),
    cell('host', pick('host', '=', event.host, visible(event.host, TEXT_MAX.name))),
    cell('tag', pick('tag', '=', event.tag, visible(event.tag, TEXT_MAX.name))),
    cell('user', userText(event)),
    cell('req', fieldPick(event, 'req')),
    cell('took', ...(took === undefined ? [] : [bar(took), h('span', { class: 'number' }, duration(took))])),
    cell(
      'message',
      mark && h('span', { class: `run-mark ${mark}`, title: MARKS[mark] }, mark),
      ...message(event),
    ),
  );
}

/**
 * The time of day, and the date in the place of the milliseconds if it is not today's.
 * @param {string} time
 */
function when(time) {
  const day = localDate(new Date(time));
  return day === localDate(new Date()) ? clock(time) : `${day.slice(5)} ${clock(time).slice(0, 8)}`;
}

/**
 * Gives a time its zone once the pointer is on it: naming the zone of each row would be most of its cost.
 * @param {Event} event
 */
export function titleTime({ target }) {
  if (target instanceof HTMLTimeElement && !target.title) target.title = fullTime(target.dateTime);
}

/** @param {string} name @param {...import('../draw/dom.js').Child} children */
function cell(name, ...children) {
  return h('span', { class: `c-${name}`, role: 'gridcell' }, children);
}

/**
 * A text that a click makes a clause of the filter. With the keyboard, the open row offers the same.
 * @param {string} key @param {string} op @param {string} value @param {string} text
 */
function pick(key, op, value, text) {
  return h(
    'span',
    { class: 'pick', title: `Show only ${key}${op}${visible(value, 80)}`, data: { key, op, value } },
    text,
  );
}

/** @param {EventLine} event */
function userText(event) {
  const claimed = claimedUser(event);
  if (claimed !== undefined) {
    const key = USER_FIELDS.find((name) => String(event.fields?.[name] ?? '') === claimed) ?? 'user';
    return pick(key, '=', claimed, visible(claimed, TEXT_MAX.name));
  }
  const user = event.origin?.user;
  if (user === undefined) return h('span', { class: 'none', 'aria-label': 'none' }, '–');
  const element = pick('_user', '=', user, visible(user, TEXT_MAX.name));
  element.classList.add('sender-name');
  element.title = `No user claimed; the verified sender. ${element.title}`;
  return element;
}

/** @param {EventLine} event @param {string} name */
function fieldPick(event, name) {
  const value = event.fields?.[name];
  if (value === undefined || value === null || value === '') return null;
  return pick(name, '=', String(value), visible(value, TEXT_MAX.name));
}

/** @param {number} took */
function bar(took) {
  const part = Math.log(took / BAR.from) / Math.log(BAR.to / BAR.from);
  const fill = h('span', { class: 'took-fill' });
  fill.style.width = `${(100 * Math.max(0.02, Math.min(1, part || 0))).toFixed(1)}%`;
  return h('span', { class: 'took-bar', 'aria-hidden': 'true' }, fill);
}

/** @param {EventLine} event */
function message(event) {
  const rest = Object.entries(event.fields ?? {}).filter(
    ([name]) => name !== 'req' && !USER_FIELDS.includes(name),
  );
  const shown = rest
    .slice(0, FIELDS_MAX)
    .map(([name, value]) => `${name}=${fieldText(value)}`)
    .join(' ');
  const more = rest.length > FIELDS_MAX ? ' …' : '';
  return [
    h('span', { class: 'msg' }, visible(oneLine(event.msg ?? ''), TEXT_MAX.msg)),
    shown && h('span', { class: 'rest' }, visible(shown, TEXT_MAX.fields) + more),
  ];
}

/** The beginning of a text as one line. The open row shows all of it as it is. @param {string} text */
function oneLine(text) {
  return text
    .slice(0, 2 * TEXT_MAX.msg)
    .trim()
    .replace(/\s*[\r\n]+\s*/g, ' ↵ ')
    .replace(/\t/g, ' ');
}

/** @param {FieldValue} value */
function fieldText(value) {
  const text = oneLine(String(value)).slice(0, TEXT_MAX.fields);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

/** @param {string} level */
function levelClass(level) {
  return /^[a-z]+$/.test(level) ? level : 'info';
}

/** @param {GapLine} gap */
function gapRow(gap) {
  const bad = gap.gap.lost !== 0;
  return h(
    'div',
    { class: `row gap${bad ? ' bad' : ''}`, role: 'row' },
    h(
      'span',
      { class: 'rule-text', role: 'gridcell', title: `${fullTime(gap.time)}. ${WHY[gap.gap.why] ?? ''}` },
      gapText(gap),
    ),
  );
}

/** A gap in one line. In the stream of all hosts, with the host that it concerns. @param {GapLine} line */
export function gapText({ gap, time, host, hseq }) {
  const at = hseq === undefined ? clock(time) : `${visible(host, 60)} · ${clock(time)}`;
  const why = visible(gap.why, 20);
  if (gap.lost === undefined) return `events may be missing · ${why} · ${at}`;
  const events = gap.lost === 1 ? 'event' : 'events';
  if (gap.lost > 0) return `${number(gap.lost)} ${events} lost · ${why} · ${at}`;
  return `${CALM[gap.why] ?? why} · nothing lost · ${at}`;
}

/** @param {number} count */
function skippedRow(count) {
  return h(
    'div',
    { class: 'row skipped', role: 'row' },
    h(
      'span',
      { class: 'rule-text', role: 'gridcell' },
      `${number(count)} not drawn `,
      h('span', { class: 'load' }, 'load them'),
    ),
  );
}

/**
 * A row as plain text: tab-separated, without markup, control characters shown.
 * @param {Row} row
 * @returns {string}
 */
export function plainText(row) {
  if (row.kind === 'gap') return `-- ${gapText(row.gap)} --`;
  if (row.kind === 'skipped') return `-- ${number(row.count)} not drawn --`;
  const { event } = row;
  const took = event.took === undefined ? '' : duration(event.took);
  const fields = [
    clock(event.time),
    event.level,
    event.tag,
    claimedUser(event) ?? '',
    event.fields?.req ?? '',
    took,
  ];
  return [
    ...fields.map((text) => visible(text)),
    (event.abandoned ? 'abandoned ' : '') + visible(event.msg ?? ''),
  ].join('\t');
}

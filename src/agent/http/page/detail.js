// @ts-check
/** What an open row shows: fields with their types, the verified origin, the full message, and what can be done. */
import { h } from './dom.js';
import { fieldKey } from './filter.js';
import { duration, fullTime, visible } from './format.js';
import { createNeighbours } from './neighbours.js';
import { copy } from './notices.js';
import { WHY, gapText } from './row.js';

/** @typedef {import('./types.js').Context} Context */
/** @typedef {import('./types.js').EventLine} EventLine */
/** @typedef {import('./types.js').FieldValue} FieldValue */
/** @typedef {import('./types.js').GapLine} GapLine */
/** @typedef {import('./types.js').Origin} Origin */

/** A link to a moment covers so much before and after it, in milliseconds. */
const AROUND_MS = 5000;

/** Values are shown up to this length; the JSON that can be copied has all of them. In characters. */
const VALUE_MAX = 4096;

/** The keys of an origin, as a MATCH names them. */
const ORIGIN_KEYS = /** @type {const} */ (['user', 'uid', 'pid', 'comm', 'unit', 'addr', 'token', 'conn']);

/**
 * @param {Context} context
 * @param {EventLine} event
 * @param {string} [cursor] Its cursor. Default: that of the current log.
 * @returns {HTMLElement}
 */
export function createDetail(context, event, cursor = context.feed.cursor(event.seq)) {
  const neighbours = createNeighbours(context, event, cursor);
  return h('div', { class: 'detail' },
    h('div', { class: 'detail-columns' },
      h('section', { 'aria-label': 'Fields' }, list(claims(context, event))),
      h('section', { 'aria-label': 'Stamp and origin' }, list(stamp(context, event, cursor)))),
    fullMessage(event),
    actions(context, event, cursor, neighbours.toggle),
    neighbours.element);
}

/**
 * What an open gap shows.
 * @param {GapLine} line
 * @returns {HTMLElement}
 */
export function createGapDetail(line) {
  const { after, before, lost, why } = line.gap;
  return h('div', { class: 'detail' },
    h('p', { class: 'explain' }, WHY[why] ?? ''),
    list([
      entry('gap', gapText(line)),
      entry('numbers', `${after + 1} to ${before - 1}`),
      entry('lost', lost === undefined ? 'unknown' : String(lost)),
      entry('reason', visible(why, 40)),
      entry('time', fullTime(line.time)),
      entry('host', visible(line.host, 80)),
    ]));
}

/** @param {(HTMLElement | null | false | undefined)[]} entries */
function list(entries) {
  return h('dl', { class: 'facts' }, entries);
}

/**
 * One name and value. With a `filter`, a button adds it as a clause.
 * @param {string} name @param {import('./dom.js').Child | import('./dom.js').Child[]} value
 * @param {{ context: Context, key: string, value: string }} [filter]
 */
function entry(name, value, filter) {
  return h('div', { class: 'fact' }, h('dt', null, visible(name, 64)),
    h('dd', null, value, filter && filterButtons(filter)));
}

/** @param {{ context: Context, key: string, value: string }} filter */
function filterButtons({ context, key, value }) {
  const button = (/** @type {string} */ op, /** @type {string} */ label) => h('button', {
    class: 'mini', type: 'button', title: `${label} ${visible(`${key}${op}${value}`, 80)}`,
    'aria-label': `${label} ${visible(`${key}${op}${value}`, 80)}`,
    on: { click: () => context.addClause(key, op, value) },
  }, op);
  return h('span', { class: 'minis' }, button('=', 'Show only'), button('!=', 'Hide'));
}

/** @param {Context} context @param {EventLine} event */
function claims(context, event) {
  const fields = Object.entries(event.fields ?? {});
  const entries = fields.map(([name, value]) => (
    entry(name, typed(value), { context, key: fieldKey(name), value: String(value) })));
  return entries.length ? entries : [h('p', { class: 'explain' }, 'No fields')];
}

/** @param {FieldValue} value */
function typed(value) {
  const type = value === null ? 'null' : typeof value;
  const text = visible(value === null ? 'null' : String(value), VALUE_MAX, { lines: true });
  return [h('span', { class: `value is-${type}` }, text),
    type === 'string' ? null : h('span', { class: 'type', title: 'The type of the value' }, type)];
}

/** @param {Context} context @param {EventLine} event @param {string} cursor */
function stamp(context, event, cursor) {
  const key = (/** @type {string} */ name, /** @type {string} */ value) => ({ context, key: name, value });
  return [
    entry('time', h('time', { datetime: event.time, class: 'value' }, fullTime(event.time))),
    entry('tag', h('span', { class: 'value' }, visible(event.tag)), key('tag', event.tag)),
    entry('level', h('span', { class: 'value' }, visible(event.level)), key('level', event.level)),
    event.took !== undefined && entry('took', tookText(event), { context, key: 'took', value: String(event.took) }),
    event.run !== undefined && entry('run', h('span', { class: 'value' }, visible(event.run)), key('run', event.run)),
    entry('sender', sender(event.origin)),
    ...originEntries(context, event.origin),
    entry('host', h('span', { class: 'value' }, visible(event.host)), key('host', event.host)),
    entry('cursor', h('span', { class: 'value' }, cursor || String(event.seq))),
  ];
}

/** @param {EventLine} event */
function tookText({ took, abandoned }) {
  const text = `${duration(Number(took))}${abandoned ? ', abandoned: its connection closed before an end came' : ''}`;
  return h('span', { class: 'value', title: `${took} s` }, text);
}

/** @param {Origin | undefined} origin */
function sender(origin) {
  const verified = (/** @type {string} */ by) => h('span', { class: 'verified' }, `✓ verified by ${by}`);
  if (origin?.token !== undefined) {
    return [h('span', { class: 'value' }, `token ${visible(origin.token, 80)}`), verified('token')];
  }
  if (origin?.uid === undefined) return h('span', { class: 'unverified' }, 'not verified');
  const text = [origin.user ?? `uid ${origin.uid}`, origin.comm, origin.pid !== undefined && `pid ${origin.pid}`];
  return [h('span', { class: 'value' }, text.filter(Boolean).map((part) => visible(part, 80)).join(' · ')),
    verified('the kernel')];
}

/** @param {Context} context @param {Origin | undefined} origin */
function originEntries(context, origin) {
  return ORIGIN_KEYS.filter((name) => origin?.[name] !== undefined).map((name) => {
    const value = String(origin?.[name]);
    return entry(`_${name}`, h('span', { class: 'value' }, visible(value, 200)), { context, key: `_${name}`, value });
  });
}

/** @param {EventLine} event */
function fullMessage(event) {
  const text = event.msg ?? '';
  if (!text) return null;
  return h('pre', { class: 'full-message', tabindex: '0', 'aria-label': 'Message' }, visible(text, Infinity, { lines: true }));
}

/** @param {Context} context @param {EventLine} event @param {string} cursor @param {() => void} toggleNeighbours */
function actions(context, event, cursor, toggleNeighbours) {
  const button = (/** @type {string} */ label, /** @type {() => void} */ click, extra = {}) => h('button', {
    class: 'button small', type: 'button', on: { click }, ...extra,
  }, label);
  const around = button('Show neighbours', () => {
    toggleNeighbours();
    around.setAttribute('aria-expanded', String(around.getAttribute('aria-expanded') !== 'true'));
  }, { 'aria-expanded': 'false', title: 'The events before and after this one, without the filter' });
  return h('div', { class: 'detail-actions' },
    button('Copy as JSON', () => void copy(JSON.stringify(event), 'the event as JSON')),
    button('Copy message', () => void copy(event.msg ?? '', 'the message')),
    button('Copy link to this moment', () => void copy(momentLink(context, event, cursor), 'a link to this moment')),
    around);
}

/** @param {Context} context @param {EventLine} event @param {string} cursor */
function momentLink({ state }, event, cursor) {
  const time = Date.parse(event.time);
  const at = (/** @type {number} */ ms) => new Date(ms).toISOString();
  const query = state.link({ view: 'stream', since: at(time - AROUND_MS), until: at(time + AROUND_MS), wall: false });
  const url = new URL(query, location.href);
  url.hash = cursor;
  return url.href;
}

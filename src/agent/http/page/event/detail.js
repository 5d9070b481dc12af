// @ts-check
/**
 * What an open row shows: fields with their types, the verified origin, the full message, and what can be
 * done.
 */
import { h } from '../draw/dom.js';
import { fieldKey } from '../filter/filter.js';
import { duration, fullTime, visible } from '../draw/format.js';
import { createNeighbours } from './neighbours.js';
import { copy } from '../shell/notices.js';
import { WHY, gapText } from './row.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').FieldValue} FieldValue */
/** @typedef {import('../types.js').GapLine} GapLine */
/** @typedef {import('../types.js').Origin} Origin */

/** A link to a moment covers so much before and after it, in milliseconds. */
const AROUND_MS = 5000;

/** Values are shown up to this length; the JSON that can be copied has all of them. In characters. */
const VALUE_MAX = 4096;

/** Messages up to this length, in one line, can be read in the row. In characters. */
const SHORT_MAX = 90;

/**
 * @param {Context} context
 * @param {EventLine} event
 * @param {{ cursor?: string, whole?: boolean }} [options] `cursor` of the event, by default that of the
 *   current log. `whole` also shows a message that a row has room for, for a detail that stands without its
 *   row.
 * @returns {HTMLElement}
 */
export function createDetail(
  context,
  event,
  { cursor = context.feed.cursor(event.seq), whole = false } = {},
) {
  const neighbours = createNeighbours(context, event, cursor);
  return h(
    'div',
    { class: 'detail' },
    h(
      'div',
      { class: 'detail-columns' },
      h('div', { role: 'group', 'aria-label': 'Fields' }, claims(context, event)),
      h('div', { role: 'group', 'aria-label': 'Event' }, list(stamp(context, event))),
      h('div', { role: 'group', 'aria-label': 'Origin' }, list(originEntries(context, event, cursor))),
    ),
    fullMessage(event, whole),
    actions(context, event, cursor, neighbours.toggle),
    neighbours.element,
  );
}

/**
 * What an open gap shows.
 * @param {GapLine} line
 * @returns {HTMLElement}
 */
export function createGapDetail(line) {
  const { after, before, lost, why } = line.gap;
  return h(
    'div',
    { class: 'detail' },
    h('p', { class: 'explain' }, WHY[why] ?? ''),
    list([
      entry('gap', gapText(line)),
      entry('numbers', `${after + 1} to ${before - 1}`),
      entry('lost', lost === undefined ? 'unknown' : String(lost)),
      entry('reason', visible(why, 40)),
      entry('time', fullTime(line.time)),
      entry('host', visible(line.host, 80)),
    ]),
  );
}

/** @param {(HTMLElement | null | false | undefined)[]} entries */
function list(entries) {
  return h('dl', { class: 'facts' }, entries);
}

/**
 * One name and value. With a `filter`, a button adds it as a clause.
 * @param {string} name @param {import('../draw/dom.js').Child | import('../draw/dom.js').Child[]} value
 * @param {{ context: Context, key: string, value: string }} [filter]
 */
function entry(name, value, filter) {
  return h(
    'div',
    { class: 'fact' },
    h('dt', null, visible(name, 64)),
    h('dd', null, value, filter && filterButtons(filter)),
  );
}

/** @param {{ context: Context, key: string, value: string }} filter */
function filterButtons({ context, key, value }) {
  const button = (/** @type {string} */ op, /** @type {string} */ label) =>
    h(
      'button',
      {
        class: 'mini',
        type: 'button',
        title: `${label} ${visible(`${key}${op}${value}`, 80)}`,
        'aria-label': `${label} ${visible(`${key}${op}${value}`, 80)}`,
        on: { click: () => context.addClause(key, op, value) },
      },
      op,
    );
  return h('span', { class: 'minis' }, button('=', 'Show only'), button('!=', 'Hide'));
}

/** @param {Context} context @param {EventLine} event */
function claims(context, event) {
  const fields = Object.entries(event.fields ?? {});
  const entries = fields.map(([name, value]) =>
    entry(name, typed(value), { context, key: fieldKey(name), value: String(value) }),
  );
  return entries.length ? list(entries) : h('p', { class: 'explain' }, 'No fields');
}

/** @param {FieldValue} value */
function typed(value) {
  const type = value === null ? 'null' : typeof value;
  const text = visible(value === null ? 'null' : String(value), VALUE_MAX, { lines: true });
  return [
    h('span', { class: `value is-${type}` }, text),
    type === 'string' ? null : h('span', { class: 'type', title: 'The type of the value' }, type),
  ];
}

/** @param {Context} context @param {EventLine} event */
function stamp(context, event) {
  const key = (/** @type {string} */ name, /** @type {string} */ value) => ({ context, key: name, value });
  const { time, tag, level, took, run } = event;
  return [
    entry('time', h('time', { datetime: time, class: 'value' }, fullTime(time))),
    entry('tag', h('span', { class: 'value' }, visible(tag)), key('tag', tag)),
    entry('level', h('span', { class: 'value' }, visible(level)), key('level', level)),
    took !== undefined && entry('took', tookText(event)),
    run !== undefined && entry('run', h('span', { class: 'value' }, visible(run)), key('run', run)),
  ];
}

/** @param {Context} context @param {EventLine} event @param {string} cursor */
function originEntries(context, { origin, host, seq }, cursor) {
  const key = (/** @type {string} */ name, /** @type {string} */ value) => ({ context, key: name, value });
  const rest = /** @type {const} */ (['unit', 'addr', 'conn']).filter((name) => origin?.[name] !== undefined);
  return [
    entry('sender', sender(context, origin)),
    ...rest.map((name) => {
      const value = String(origin?.[name]);
      return entry(name, h('span', { class: 'value' }, visible(value, 200)), key(`_${name}`, value));
    }),
    entry('host', h('span', { class: 'value' }, visible(host)), key('host', host)),
    entry('cursor', h('span', { class: 'value' }, cursor || String(seq))),
  ];
}

/** @param {EventLine} event */
function tookText({ took, abandoned }) {
  const text =
    duration(Number(took)) + (abandoned ? ', abandoned: the connection closed before its end' : '');
  return h('span', { class: 'value', title: `${took} s` }, text);
}

/**
 * Who sent it, each part a button that filters.
 * @param {Context} context
 * @param {Origin | undefined} origin
 */
function sender(context, origin) {
  if (!origin) return h('span', { class: 'unverified' }, 'not verified');
  const { user, uid, comm, pid, token } = origin;
  /** @type {[string, string, string][]} */
  const parts = [];
  if (token !== undefined) parts.push(['_token', token, `token ${token}`]);
  if (user !== undefined) parts.push(['_user', user, user]);
  else if (uid !== undefined) parts.push(['_uid', String(uid), `uid ${uid}`]);
  if (comm !== undefined) parts.push(['_comm', comm, comm]);
  if (pid !== undefined) parts.push(['_pid', String(pid), `pid ${pid}`]);
  const buttons = parts.map(([key, value, text]) =>
    h(
      'button',
      {
        class: 'part',
        type: 'button',
        title: `Show only ${visible(`${key}=${value}`, 80)}`,
        on: { click: () => context.addClause(key, '=', value) },
      },
      visible(text, 80),
    ),
  );
  const by = token !== undefined ? 'token' : uid !== undefined ? 'the kernel' : '';
  return [
    h('span', { class: 'parts' }, buttons),
    by
      ? h('span', { class: 'verified' }, `✓ verified by ${by}`)
      : h('span', { class: 'unverified' }, 'not verified'),
  ];
}

/** @param {EventLine} event @param {boolean} whole */
function fullMessage(event, whole) {
  const text = event.msg ?? '';
  if (!text || (!whole && text.length <= SHORT_MAX && !text.includes('\n'))) return null;
  return h(
    'pre',
    { class: 'full-message', tabindex: '0', 'aria-label': 'Message' },
    visible(text, Infinity, { lines: true }),
  );
}

/**
 * @param {Context} context
 * @param {EventLine} event
 * @param {string} cursor
 * @param {() => void} toggleNeighbours
 */
function actions(context, event, cursor, toggleNeighbours) {
  const button = (/** @type {string} */ label, /** @type {() => void} */ click, extra = {}) =>
    h(
      'button',
      {
        class: 'button small',
        type: 'button',
        on: { click },
        ...extra,
      },
      label,
    );
  const around = button(
    'Show neighbours',
    () => {
      toggleNeighbours();
      around.setAttribute('aria-expanded', String(around.getAttribute('aria-expanded') !== 'true'));
    },
    { 'aria-expanded': 'false', title: 'The events before and after this one, without the filter' },
  );
  return h(
    'div',
    { class: 'detail-actions' },
    button('Copy as JSON', () => void copy(JSON.stringify(event), 'the event as JSON')),
    button('Copy message', () => void copy(event.msg ?? '', 'the message')),
    button(
      'Copy link to this moment',
      () => void copy(momentLink(context, event, cursor), 'a link to this moment'),
    ),
    around,
  );
}

/** @param {Context} context @param {EventLine} event @param {string} cursor */
function momentLink({ state }, event, cursor) {
  const time = Date.parse(event.time);
  const at = (/** @type {number} */ ms) => new Date(ms).toISOString();
  const query = state.link({
    view: 'stream',
    since: at(time - AROUND_MS),
    until: at(time + AROUND_MS),
    wall: false,
  });
  const url = new URL(query, location.href);
  url.hash = cursor;
  return url.href;
}

// @ts-check
/**
 * Users as the page shows them: what the sender claims is quoted, what the agent verified has a check mark. Both are
 * always shown, because anyone who may send can claim any user.
 */

import { h } from '../draw/dom.js';
import { escapePattern } from '../filter/filter.js';
import { visible } from '../draw/format.js';

/** @typedef {import('../types.js').Subject} Subject */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('./table.js').Clause} Clause */

/** The fields that claim a user, in order of precedence, as in the agent. */
export const USER_FIELDS = ['user', 'user.id', 'user.name', 'user_id'];

/** Claims in views are truncated to this many bytes. */
const NAME_MAX = 128;

/**
 * The claimed user of an event. `undefined` if it claims none.
 * @param {EventLine} event
 * @returns {string | undefined}
 */
export function claimedUser(event) {
  for (const name of USER_FIELDS) {
    const value = event.fields?.[name];
    if (value !== undefined && value !== null && value !== '') return String(value);
  }
  return undefined;
}

/**
 * The verified sender of an event.
 * @param {EventLine} event
 * @returns {Subject}
 */
export function subjectOf(event) {
  const { uid, token, addr } = event.origin ?? {};
  if (uid !== undefined) return { uid };
  if (token !== undefined) return { token };
  return addr !== undefined ? { addr } : 'unverified';
}

/**
 * A text that differs for different senders.
 * @param {Subject} subject
 */
export function subjectKey(subject) {
  if (subject === 'unverified') return '';
  if ('uid' in subject) return `u${subject.uid}`;
  return 'token' in subject ? `t${subject.token}` : `a${subject.addr}`;
}

/**
 * A text that differs for different pairs of claim and verified sender.
 * @param {{ user?: string, subject: Subject }} row
 */
export function userKey(row) {
  return `${row.user === undefined ? 0 : row.user.length}:${row.user ?? ''}:${subjectKey(row.subject)}`;
}

/**
 * A verified sender in words.
 * @param {Subject} subject
 * @param {string} [login] Its login name.
 * @returns {{ name: string, detail: string, verified: boolean }}
 */
export function subjectText(subject, login) {
  if (subject === 'unverified') return { name: 'not verified', detail: '', verified: false };
  if ('uid' in subject) {
    const uid = `uid ${subject.uid}`;
    return { name: login ?? uid, detail: login === undefined ? '' : uid, verified: true };
  }
  if ('token' in subject) return { name: subject.token, detail: 'token', verified: true };
  return { name: subject.addr, detail: 'address only', verified: false };
}

/**
 * The clause that selects the events of a verified sender. `null` if it has none.
 * @param {Subject} subject
 * @returns {Clause | null}
 */
export function subjectClause(subject) {
  if (subject === 'unverified') return null;
  if ('uid' in subject) return { key: '_uid', op: '=', value: String(subject.uid) };
  if ('token' in subject) return { key: '_token', op: '=', value: subject.token };
  return { key: '_addr', op: '=', value: subject.addr };
}

/**
 * The groups of clauses that select the events of a claimed user and a verified sender: one group for each field that
 * may hold the claim. They select a few events too many if an event has several of these fields: see
 * {@link isOfUser}.
 * @param {{ user?: string, subject: Subject }} row
 * @returns {Clause[][]}
 */
export function userClauses(row) {
  const subject = subjectClause(row.subject);
  const also = subject ? [subject] : [];
  const { user } = row;
  if (user === undefined) return [[...USER_FIELDS.map((key) => ({ key, op: '!~', value: '.' })), ...also]];
  const isCut = new TextEncoder().encode(user).length >= NAME_MAX - 3;
  const clause = (/** @type {string} */ key) =>
    isCut ? { key, op: '~', value: `^${escapePattern(user)}` } : { key, op: '=', value: user };
  return USER_FIELDS.map((key) => [clause(key), ...also]);
}

/**
 * `true` if the event is one of this row.
 * @param {EventLine} event
 * @param {{ user?: string, subject: Subject }} row
 */
export function isOfUser(event, row) {
  if (subjectKey(subjectOf(event)) !== subjectKey(row.subject)) return false;
  const user = claimedUser(event);
  if (user === undefined || row.user === undefined) return user === row.user;
  return user === row.user || (row.user.length > NAME_MAX / 4 && user.startsWith(row.user));
}

/**
 * Shows a claimed user.
 * @param {string} user
 * @returns {HTMLElement}
 */
export function claim(user) {
  return h(
    'span',
    { class: 'claim', title: 'As the sender claims. The agent cannot verify it.' },
    h('span', { class: 'quote' }, '“'),
    visible(user),
    h('span', { class: 'quote' }, '”'),
  );
}

/**
 * Shows a verified sender.
 * @param {Subject} subject
 * @param {string} [login]
 * @returns {HTMLElement}
 */
export function sender(subject, login) {
  const { name, detail, verified } = subjectText(subject, login);
  const title = verified ? 'Verified by the agent' : 'Not verified by the agent';
  return h(
    'span',
    { class: verified ? 'sender' : 'sender unverified', title },
    verified && h('span', { class: 'check', role: 'img', 'aria-label': 'verified' }, '✓'),
    h('span', { class: 'name' }, visible(name)),
    detail && h('span', { class: 'detail-text' }, detail),
  );
}

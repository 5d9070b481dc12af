// The subscriptions of the hub, and the pages that share them.

import { covered, parse } from './cursor.js';

/** @typedef {import('./types.js').EventSpec} EventSpec */
/** @typedef {import('./types.js').EventSubscription} EventSubscription */
/** @typedef {import('./types.js').ViewSubscription} ViewSubscription */
/** @typedef {import('./types.js').EventMessage} EventMessage */
/** @typedef {import('./types.js').Snapshot} Snapshot */
/** @typedef {import('./types.js').Refused} Refused */
/** @typedef {import('./tab.js').Tab} Tab */

/**
 * A page's interest in a subscription. While `held` is set, rows wait there for the page's fill.
 * @typedef {object} Member
 * @property {Tab} tab
 * @property {string} id        the page's name for it
 * @property {number} lines
 * @property {string} floor
 *   rows up to this cursor came with the fill; `''` without one, and once it is passed
 * @property {[EventMessage, string][]|null} held
 * @property {AbortController|null} fill  the request for the fill, while it runs
 */

/**
 * A subscription of the connection.
 * @typedef {object} Shared
 * @property {string} key
 * @property {string} id        its name in the connection
 * @property {EventSpec|null} events
 * @property {ViewSubscription|null} view
 * @property {Set<Member>} members
 * @property {boolean} sent     a connection has asked for it
 * @property {string} cursor    where it continues, `''` before the first row
 * @property {Snapshot|null} snapshot
 * @property {Refused|null} error
 */

/** After a reconnect, at most this many events are caught up on. */
const RESUME_MAX = 5000;

/** Rows to begin with, and rows a second, unless a page asks for others. */
export const LINES = 200;
const RATE = 200;

/**
 * @param {Member} member
 * @param {EventMessage} message
 * @param {string} cursor
 */
export function deliver(member, message, cursor) {
  if (member.floor !== '' && covered(cursor, member.floor)) return;
  member.floor = '';
  member.tab.row(member.id, message, cursor);
}

/** @param {Shared} shared */
export function resumed({ events, cursor }) {
  const { match, lines = LINES, rate = RATE, since, until } = events ?? {};
  const start = cursor ? { after: cursor, max: RESUME_MAX } : { lines, since };
  return { ...(match ? { match } : {}), rate, until, ...start };
}

/**
 * Subscriptions with the same key are the same. Rows to begin with are each page's own.
 * @param {EventSubscription|ViewSubscription} spec
 */
export function keyOf(spec) {
  if ('view' in spec) return JSON.stringify(['view', spec.view, spec.match ?? '', spec.every ?? 1]);
  const { match = '', rate = RATE, since = '', until = '' } = spec.events;
  return JSON.stringify(['events', match, rate, since, until]);
}

/**
 * The first of the places up to which members had their fill.
 * @param {Member[]} members  at least one
 */
export function floorOf(members) {
  const seq = (/** @type {Member} */ member) => parse(member.floor)?.seq ?? 0;
  return members.reduce((a, b) => (seq(a) <= seq(b) ? a : b)).floor;
}

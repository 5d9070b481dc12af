// The subscriptions of the hub, and the pages that share them.

import { covered, parse } from './cursor.js';

/** @typedef {import('../types.js').EventSpec} EventSpec */
/** @typedef {import('../types.js').EventSubscription} EventSubscription */
/** @typedef {import('../types.js').ViewSubscription} ViewSubscription */
/** @typedef {import('../types.js').EventMessage} EventMessage */
/** @typedef {import('../types.js').Snapshot} Snapshot */
/** @typedef {import('../types.js').Refused} Refused */
/** @typedef {import('./tab.js').Tab} Tab */

/**
 * A page's membership in a subscription. `buffer` holds the rows that arrive during the backfill.
 * @typedef {object} Member
 * @property {Tab} tab
 * @property {string} id        the page's name for it
 * @property {number} lines
 * @property {string} floor
 *   the backfill covered rows up to this cursor; `''` if there was none, and once the rows are past it
 * @property {[EventMessage, string][]|null} buffer
 * @property {AbortController|null} backfill  its request, while it runs
 */

/**
 * A subscription of the connection.
 * @typedef {object} Shared
 * @property {string} key
 * @property {string} id        its name in the connection
 * @property {string} host      pattern of hosts, `''` for the log of the agent
 * @property {EventSpec|null} events
 * @property {ViewSubscription|null} view
 * @property {Set<Member>} members
 * @property {boolean} sent     `true` once a connection requested it
 * @property {string} cursor    where it resumes, `''` before the first row
 * @property {Snapshot|null} snapshot
 * @property {Refused|null} error
 */

/** The maximum number of events that are replayed after a reconnect. The agent counts the others. */
const RESUME_MAX = 5000;

/** Defaults: initial rows, and rows a second. */
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
 * The identity of a subscription. Initial rows do not count: each page gets its own.
 * @param {EventSubscription|ViewSubscription} spec
 */
export function keyOf(spec) {
  const { host = '' } = spec;
  if ('view' in spec) return JSON.stringify(['view', host, spec.view, spec.match ?? '', spec.every ?? 1]);
  const { match = '', rate = RATE, since = '', until = '' } = spec.events;
  return JSON.stringify(['events', host, match, rate, since, until]);
}

/**
 * The lowest position that the backfills of the members cover.
 * @param {Member[]} members  at least one
 */
export function floorOf(members) {
  const seq = (/** @type {Member} */ member) => parse(member.floor)?.seq ?? 0;
  return members.reduce((a, b) => (seq(a) <= seq(b) ? a : b)).floor;
}

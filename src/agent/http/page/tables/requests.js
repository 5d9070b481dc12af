// @ts-check
/** Groups the events of a trail by request. */

import { lookAlike } from './shape.js';

/** @typedef {import('../types.js').EventLine} EventLine */

/** The most requests of a trail. The oldest is dropped. */
export const REQUESTS_MAX = 40;

/** The most lines of a request. Further events are counted. */
export const LINES_MAX = 60;

/** Events without a request that are further apart are different groups, in milliseconds. */
const APART_MS = 2000;

/**
 * One or several events in a row that look alike.
 * @typedef {{ event: EventLine, like: string, count: number, took: number }} TrailLine
 */

/**
 * @typedef {object} Request
 * @property {number} id Unique in the trail.
 * @property {string} req `''` for events without a request.
 * @property {string} page The newest page, `''` if there is none.
 * @property {number} from The time of its begin, in milliseconds since 1970.
 * @property {number} to The time of its newest event.
 * @property {number} events
 * @property {number} queries Events with a duration.
 * @property {number} took The sum of their durations, in seconds.
 * @property {number} errors Events of level err and worse.
 * @property {TrailLine[]} lines The oldest first.
 * @property {number} more Events beyond {@link LINES_MAX}.
 * @property {number} version Changes with every event.
 */

const ERRORS = new Set(['emerg', 'alert', 'crit', 'err']);

/** @param {{ level: string }} event */
export function isError(event) {
  return ERRORS.has(event.level);
}

/** The requests of a trail. */
export class Requests {
  constructor() {
    /** The newest first. @type {Request[]} */
    this.list = [];
    /** The number of requests that were dropped. */
    this.dropped = 0;
    this.count = 0;
  }

  /**
   * Adds an event. Events arrive in the order of the log.
   * @param {EventLine} event
   */
  add(event) {
    const time = Date.parse(event.time);
    const request = this.requestOf(event, time);
    request.version++;
    request.events++;
    request.to = Math.max(request.to, time);
    request.page = String(event.fields?.page ?? request.page);
    if (isError(event)) request.errors++;
    if (event.took !== undefined && !event.abandoned) {
      request.queries++;
      request.took += event.took;
      request.from = Math.min(request.from, time - event.took * 1000);
    }
    this.addLine(request, event);
  }

  /** @private @param {Request} request @param {EventLine} event */
  addLine(request, event) {
    const like = `${event.tag} ${event.level} ${lookAlike(event.msg ?? '')}`;
    const last = request.lines[request.lines.length - 1];
    if (last?.like === like && request.more === 0) {
      last.count++;
      last.took += event.took ?? 0;
      last.event = event;
    } else if (request.lines.length < LINES_MAX) {
      request.lines.push({ event, like, count: 1, took: event.took ?? 0 });
    } else {
      request.more++;
    }
  }

  /** @private @param {EventLine} event @param {number} time @returns {Request} */
  requestOf(event, time) {
    const req = String(event.fields?.req ?? '');
    const known = req ? this.list.find((request) => request.req === req) : this.list[0];
    if (known && known.req === req && (req || time - known.to < APART_MS)) return known;
    /** @type {Request} */
    const request = {
      id: this.count++,
      req,
      page: '',
      from: time,
      to: time,
      events: 0,
      queries: 0,
      took: 0,
      errors: 0,
      lines: [],
      more: 0,
      version: 0,
    };
    this.list.unshift(request);
    if (this.list.length > REQUESTS_MAX) {
      this.list.pop();
      this.dropped++;
    }
    return request;
  }
}

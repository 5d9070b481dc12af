// What is shown, mirrored in the query string of the page, so that a view can be sent to a colleague.

/** @typedef {import('./types.js').Shown} Shown */
/** @typedef {import('./types.js').State} State */

const VIEWS = /** @type {const} */ (['stream', 'users', 'queries', 'errors', 'stack']);
const COLUMNS = /** @type {const} */ (['tag', 'user', 'page']);

/** The maximum length of a MATCH, in bytes of UTF-8. The agent's bound. */
const MATCH_MAX = 8 * 1024;

/** A pattern of hosts, or none. */
const HOST = /^[A-Za-z0-9._*?-]{0,255}$/;

/** RFC 3339, as the agent reads it. */
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** @type {Readonly<Shown>} */
export const DEFAULTS = Object.freeze({
  view: 'stream',
  host: '',
  match: '',
  since: '',
  until: '',
  by: 'tag',
  wall: false,
});

/**
 * Reads a query string. Unknown keys are ignored, and an invalid value becomes its default.
 * @param {string} query  with or without the leading `?`
 * @returns {Shown}
 */
export function parse(query) {
  const params = new URLSearchParams(query);
  const wall = params.get('wall');
  return checked({
    view: /** @type {Shown['view']} */ (params.get('view')),
    host: params.get('host') ?? '',
    match: params.get('match') ?? '',
    since: params.get('since') ?? '',
    until: params.get('until') ?? '',
    by: /** @type {Shown['by']} */ (params.get('by')),
    wall: wall !== null && wall !== 'false' && wall !== '0',
  });
}

/**
 * Writes the query string. Defaults are left out.
 * @param {Readonly<Shown>} shown
 * @returns {string}  `''`, or the string with its leading `?`
 */
export function format(shown) {
  const params = new URLSearchParams();
  if (shown.view !== DEFAULTS.view) params.set('view', shown.view);
  if (shown.host) params.set('host', shown.host);
  if (shown.match) params.set('match', shown.match);
  if (shown.since) params.set('since', shown.since);
  if (shown.until) params.set('until', shown.until);
  if (shown.by !== DEFAULTS.by) params.set('by', shown.by);
  if (shown.wall) params.set('wall', 'true');
  const query = params.toString();
  return query && `?${query}`;
}

/**
 * Replaces invalid values.
 * @param {Shown} shown
 * @param {Readonly<Shown>} [instead]
 * @returns {Shown}
 */
function checked(shown, instead = DEFAULTS) {
  const match = typeof shown.match === 'string' ? shown.match.trim() : '';
  const since = time(shown.since);
  let until = time(shown.until);
  if (since && until && Date.parse(since) > Date.parse(until)) until = '';
  return {
    view: VIEWS.includes(shown.view) ? shown.view : instead.view,
    host: HOST.test(shown.host) ? shown.host : instead.host,
    match: new TextEncoder().encode(match).length <= MATCH_MAX ? match : instead.match,
    since,
    until,
    by: COLUMNS.includes(shown.by) ? shown.by : instead.by,
    wall: shown.wall === true,
  };
}

/**
 * @param {unknown} text
 * @returns {string}  `''` if it is not a time
 */
function time(text) {
  return typeof text === 'string' && TIME.test(text) && !Number.isNaN(Date.parse(text)) ? text : '';
}

/** @typedef {Pick<Window, 'location'|'history'|'addEventListener'>} Page */

/**
 * @param {Page} [page]  the window, or a stand-in
 * @returns {State}
 */
export function createState(page = window) {
  let shown = parse(page.location.search);
  /** @type {Set<(now: Readonly<Shown>, before: Readonly<Shown>) => void>} */
  const listeners = new Set();

  /** @param {Shown} next */
  function change(next) {
    const before = shown;
    shown = next;
    for (const listener of [...listeners]) listener(shown, before);
  }

  page.addEventListener('popstate', () => {
    const next = parse(page.location.search);
    if (format(next) !== format(shown)) change(next);
  });

  // A link to an empty query must replace the current one: `.` is the page itself.
  /** @param {Partial<Shown>} [partial] */
  const link = (partial = {}) => format(checked({ ...shown, ...partial }, shown)) || '.';

  return {
    get: () => shown,
    set(partial, { push = false } = {}) {
      const next = checked({ ...shown, ...partial }, shown);
      if (format(next) === format(shown)) return;
      const url = format(next) || page.location.pathname;
      if (push) page.history.pushState(null, '', url);
      else page.history.replaceState(null, '', url);
      change(next);
    },
    on(fn) {
      listeners.add(fn);
      return () => {
        listeners.delete(fn);
      };
    },
    link,
  };
}

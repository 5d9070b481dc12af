// One-shot requests to the agent: parts of the log, views of a past period, figures.

import { BASE, head, why } from './connection.js';

/** @typedef {import('../types.js').Line} Line */
/** @typedef {import('../types.js').PageQuery} PageQuery */
/** @typedef {import('../types.js').RequestFailure} RequestFailure */
/** @typedef {{signal?: AbortSignal, fetch?: typeof fetch}} Options */

/** The maximum number of lines of a page. */
export const LINES_MAX = 5000;

/**
 * `true` if the same request may succeed later: 69 the stream of all hosts cannot be read now, 75 a limit.
 * @param {number} code
 */
export const isPassing = (code) => code === 69 || code === 75;

/**
 * Builds a URL. Parameters that are absent or empty are omitted.
 * @param {string} path  relative to the page
 * @param {Record<string, string|number|boolean|undefined>} query
 * @returns {string}
 */
export function address(path, query) {
  const url = new URL(path, BASE);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(key, String(value));
  }
  return url.href;
}

/**
 * Reads lines of the log.
 * @param {Record<string, string|number|boolean|undefined>} query  parameters of `events`
 * @param {Options & {max?: number}} [options]  `max`: stop after so many lines
 * @returns {Promise<{lines: Line[], at: string}>}
 *   `at` is the cursor at which reading ended, `''` if it stopped at `max`
 */
export async function readLines(query, { max = Infinity, ...options } = {}) {
  const response = await get(address('events', { ...query, follow: false }), 'application/x-ndjson', options);
  /** @type {Line[]} */
  const lines = [];
  for await (const text of linesOf(response)) {
    const object = parseJson(text);
    if (object.error) throw failure(object.error, response.status);
    if (typeof object.at === 'string' && object.seq === undefined) return { lines, at: object.at };
    lines.push(object);
    if (lines.length >= max) return { lines, at: '' };
  }
  throw failure({ code: 75, why: 'the answer of the agent ended early' }, response.status);
}

/**
 * Reads a page of the log, and returns it with the oldest line first.
 * @param {PageQuery & {host?: string}} query
 * @param {Options} [options]
 * @returns {Promise<{lines: Line[], at: string}>}  as of {@link readLines}
 */
export async function page(query, options = {}) {
  const { host, match, since, until, before, after } = query;
  const lines = Math.max(1, Math.min(query.lines ?? 200, LINES_MAX));
  // The stream of all hosts is not read in reverse.
  if (before && host) return readLines({ host, match, since, until, before, lines }, options);
  if (before) {
    const read = await readLines({ match, since, until, before, reverse: true, lines }, options);
    return { ...read, lines: read.lines.reverse() };
  }
  if (query.reverse || !(after || since)) {
    return readLines({ host, match, since, until, after, lines }, options);
  }
  return readLines({ host, match, since, until, after }, { ...options, max: lines });
}

/**
 * @param {string} path  relative to the page
 * @param {Record<string, string|number|boolean|undefined>} query
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function readJson(path, query, options = {}) {
  const response = await get(address(path, query), 'application/json', options);
  const object = parseJson(await response.text());
  if (object.error) throw failure(object.error, response.status);
  return object;
}

/**
 * @param {string} url
 * @param {string} accept
 * @param {Options} options
 */
async function get(url, accept, options) {
  const send = options.fetch ?? fetch;
  let response;
  try {
    response = await send(url, {
      headers: { accept },
      cache: 'no-store',
      credentials: 'same-origin',
      signal: options.signal ?? null,
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw failure({ code: 69, why: 'the agent cannot be reached' }, 0);
  }
  if (response.ok) return response;
  const body = await head(response);
  let error;
  try {
    error = JSON.parse(body).error;
  } catch {
    // The response of a proxy.
  }
  const reported = why(body) || `the agent answered ${response.status} ${response.statusText}`.trim();
  throw failure({ code: error?.code ?? codeOf(response.status), why: reported }, response.status);
}

/** @param {number} status */
function codeOf(status) {
  if (status === 401 || status === 403) return 77;
  return status >= 400 && status < 500 && status !== 429 ? 64 : 75;
}

/**
 * @param {{code?: unknown, why?: unknown}} error
 * @param {number} status
 * @returns {RequestFailure}
 */
function failure(error, status) {
  return { code: Number(error.code) || 75, why: String(error.why ?? 'no reason given'), status };
}

/**
 * @param {string} text
 * @returns {any}
 */
function parseJson(text) {
  try {
    const object = JSON.parse(text);
    if (object !== null && typeof object === 'object') return object;
  } catch {
    // Reported below.
  }
  throw failure({ code: 75, why: 'the answer of the agent is not JSON' }, 0);
}

/**
 * Yields the lines of a body as they arrive. Leaving the loop cancels the request.
 * @param {Response} response
 * @returns {AsyncGenerator<string>}
 */
async function* linesOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = /** @type {string} */ (lines.pop());
      for (const line of lines) if (line !== '') yield line;
    }
    if (rest !== '') yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

// @ts-check
/**
 * Where the stack's events come from: the live stream, or the rows of a past period; beside them the runs
 * that are open and the exact counts by key. It keeps the newest rows, so that other columns can be built
 * from them.
 */

import { number } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').GapLine} GapLine */
/** @typedef {import('../types.js').RunningSnapshot} RunningSnapshot */
/** @typedef {import('../types.js').Shown} Shown */

/** Rows to begin with, new rows a second (the agent counts the rest), and rows of a past period. */
const LINES = 200;
const RATE = 200;
const PAST_LINES = 5000;

/** The rows that are kept to build other columns from. */
const RECENT_MAX = 2000;

/** Longer messages are cut while they are kept; the whole event is loaded when it is opened. Characters. */
const KEPT_CHARS_MAX = 2048;

/**
 * @typedef {object} Handlers
 * @property {(line: EventLine | GapLine) => void} line
 * @property {(count: number) => void} skipped
 * @property {(counts: Map<string, number>) => void} counts Exact counts by key.
 * @property {(snapshot: RunningSnapshot) => void} runs
 * @property {(why: string) => void} refused
 * @property {() => void} loaded The rows of a past period are complete.
 */

export class Source {
  /** @param {Context} context @param {Handlers} handlers */
  constructor(context, handlers) {
    this.context = context;
    this.handlers = handlers;
    /** @type {(() => void)[]} */
    this.stops = [];
    /** @type {(EventLine | GapLine)[]} */
    this.recent = [];
    /** Events a second, as the agent counts them. @type {number | undefined} */
    this.rate = undefined;
    /** Events whose messages were cut. @type {WeakSet<EventLine>} */
    this.short = new WeakSet();
  }

  /** `true` if what is shown does not change any more. */
  get isPast() {
    return this.context.state.get().until !== '';
  }

  start() {
    this.stop();
    this.recent = [];
    const { feed, state } = this.context;
    const { match, since } = state.get();
    if (this.isPast) {
      this.load();
      return;
    }
    const from = since ? { since } : {};
    this.stops.push(
      feed.subscribe({ events: { match, lines: LINES, rate: RATE, ...from } }, (message) => {
        if ('seq' in message || 'gap' in message) this.take(message);
        else if ('skipped' in message) this.handlers.skipped(message.skipped);
        else if ('error' in message) this.handlers.refused(message.error.why);
      }),
      feed.subscribe({ view: 'running', match, every: 1 }, (message) => {
        if ('view' in message && message.view === 'running') this.handlers.runs(message);
      }),
    );
    this.count();
  }

  stop() {
    for (const stop of this.stops) stop();
    this.stops = [];
  }

  /**
   * The event as it was sent. Loads it if its message was cut.
   * @param {EventLine} event
   * @returns {Promise<EventLine>}
   */
  async whole(event) {
    if (!this.short.has(event)) return event;
    const { feed } = this.context;
    const lines = await feed.page({ after: feed.cursor(event.seq - 1), lines: 1 }).catch(() => []);
    const [line] = lines;
    return line && 'seq' in line && line.seq === event.seq ? line : event;
  }

  /** @private @param {EventLine | GapLine} line */
  take(line) {
    const kept = 'gap' in line ? line : this.shorten(line);
    this.recent.push(kept);
    if (this.recent.length > RECENT_MAX) this.recent.splice(0, RECENT_MAX / 4);
    this.handlers.line(kept);
  }

  /** @private @param {EventLine} event @returns {EventLine} */
  shorten(event) {
    if ((event.msg?.length ?? 0) <= KEPT_CHARS_MAX) return event;
    const kept = { ...event, msg: event.msg?.slice(0, KEPT_CHARS_MAX) };
    this.short.add(kept);
    return kept;
  }

  /** @private */
  load() {
    const { feed, state } = this.context;
    const { match, since, until } = state.get();
    const stopped = new AbortController();
    this.stops.push(() => stopped.abort());
    const query = { match, until, lines: PAST_LINES, reverse: true, ...(since ? { since } : {}) };
    feed.page(query, { signal: stopped.signal }).then((lines) => {
      if (stopped.signal.aborted) return;
      for (const line of lines) this.take(line);
      this.handlers.loaded();
    }, (error) => {
      if (!stopped.signal.aborted) this.handlers.refused(String(error?.why ?? error));
    });
  }

  /** @private Exact counts: by tag from the rates, by user from the users. By page the agent keeps none. */
  count() {
    const { feed, state } = this.context;
    const { match, by } = state.get();
    this.stops.push(feed.subscribe({ view: 'rates', match, every: 1 }, (message) => {
      if (!('view' in message) || message.view !== 'rates') return;
      this.rate = message.now;
      if (by === 'tag') this.handlers.counts(new Map(message.tags.map((tag) => [tag.tag, tag.events])));
    }));
    if (by !== 'user') return;
    this.stops.push(feed.subscribe({ view: 'users', match, every: 1 }, (message) => {
      if (!('view' in message) || message.view !== 'users') return;
      /** @type {Map<string, number>} */
      const counts = new Map();
      for (const row of message.users) {
        const key = row.user ?? row.login ?? '';
        counts.set(key, (counts.get(key) ?? 0) + row.events);
      }
      this.handlers.counts(counts);
    }));
  }
}

/** @param {EventLine | GapLine} line @returns {line is GapLine} */
export function isGap(line) {
  return 'gap' in line;
}

/**
 * The text of a gap.
 * @param {GapLine} line
 * @returns {string}
 */
export function gapText({ gap }) {
  const lost = gap.lost === undefined ? 'events may be missing'
    : gap.lost === 0 ? 'nothing is missing' : `${number(gap.lost)} events are missing`;
  const why = /** @type {Record<string, string>} */ ({
    retention: 'older than history keeps', storage: 'the disk failed', rate: 'a sender was over its limit',
    restart: 'the agent restarted', clock: 'the clock was set', upstream: 'reported by another host',
  })[gap.why] ?? gap.why;
  return `${lost}: ${why}`;
}

// @ts-check
/**
 * The snapshots that a view of the page shows: live, or once for a past period. The MATCH and the period in force
 * apply, and a change of them starts again. While the page is paused, the newest snapshot waits.
 */

import { clock } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Snapshot} Snapshot */
/** @typedef {import('../types.js').ViewName} ViewName */

/**
 * @typedef {object} Listener
 * @property {(snapshot: Snapshot) => void} snapshot
 * @property {(text: string) => void} note Why there is nothing, or nothing new, to show. `''` if all is well.
 * @property {() => void} restart The MATCH or the period changed: what is shown belongs to the previous one.
 */

/** The length of the window of a live view, in milliseconds. */
const WINDOW_MS = 15 * 60_000;

/**
 * The time that a snapshot covers, in words: a view that began a minute ago knows nothing of the minutes before.
 * @param {{ time: string, from?: string }} snapshot
 * @param {boolean} isPast `true` for a past period.
 */
export function periodText({ time, from }, isPast) {
  if (isPast) return 'in this period';
  const begun = from === undefined ? NaN : Date.parse(from);
  if (!(Date.parse(time) - begun < WINDOW_MS)) return 'in the last 15 minutes';
  return `since ${clock(String(from)).slice(0, 8)}, when this view began`;
}

/** Follows some views. */
export class Source {
  /** @param {Context} context @param {ViewName[]} names @param {Listener} listener */
  constructor(context, names, listener) {
    this.context = context;
    this.names = names;
    this.listener = listener;
    /** @type {(() => void)[]} */
    this.ends = [];
    /** @type {(() => void)[]} */
    this.feeds = [];
    /** @type {Map<ViewName, Snapshot>} */
    this.waiting = new Map();
  }

  /** `true` if the period in force is past, so that nothing changes. */
  get isPast() {
    const { since, until } = this.context.state.get();
    return since !== '' || until !== '';
  }

  /** The time that ages count from, in milliseconds since 1970. @param {Snapshot | null} snapshot */
  now(snapshot) {
    return this.isPast && snapshot ? Date.parse(snapshot.time) : this.context.feed.now();
  }

  /** Subscribes. */
  show() {
    const { state, pause } = this.context;
    this.ends.push(
      state.on((now, before) => {
        if (now.match !== before.match || now.since !== before.since || now.until !== before.until)
          this.restart();
      }),
    );
    this.ends.push(
      pause.on((paused) => {
        if (!paused) this.release();
      }),
    );
    this.start();
  }

  /** Unsubscribes. */
  hide() {
    this.stop();
    for (const end of this.ends.splice(0)) end();
  }

  /** @private */
  restart() {
    this.stop();
    this.listener.restart();
    this.start();
  }

  /** @private */
  start() {
    const { feed, state } = this.context;
    const { match, since, until } = state.get();
    this.listener.note('');
    if (!this.isPast) {
      for (const view of this.names) {
        this.feeds.push(
          feed.subscribe({ view, match, every: 1 }, (message) => {
            if ('error' in message) this.listener.note(message.error.why);
            else this.receive(message);
          }),
        );
      }
      return;
    }
    const abort = new AbortController();
    this.feeds.push(() => abort.abort());
    const query = { match, since: since || undefined, until: until || undefined };
    for (const view of this.names) {
      feed.snapshot(view, query, { signal: abort.signal }).then(
        (snapshot) => this.deliver(snapshot),
        (failure) => {
          if (!abort.signal.aborted)
            this.listener.note(`This period cannot be read: ${failure.why ?? failure.message}`);
        },
      );
    }
  }

  /** @private */
  stop() {
    for (const end of this.feeds.splice(0)) end();
    this.waiting.clear();
  }

  /** @private @param {Snapshot} snapshot */
  receive(snapshot) {
    if (this.context.pause.get()) this.waiting.set(snapshot.view, snapshot);
    else this.deliver(snapshot);
  }

  /** @private */
  release() {
    for (const snapshot of this.waiting.values()) this.deliver(snapshot);
    this.waiting.clear();
  }

  /** @private @param {Snapshot} snapshot */
  deliver(snapshot) {
    this.listener.note('');
    this.listener.snapshot(snapshot);
  }
}

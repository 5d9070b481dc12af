// The hub's side of one page: batches messages, with flow control by acknowledgements.

/** @typedef {import('../types.js').EventMessage} EventMessage */
/** @typedef {import('../types.js').ViewMessage} ViewMessage */
/** @typedef {[id: string, message: EventMessage|ViewMessage, cursor: string]} Delivery */
/** @typedef {{postMessage: (message: unknown) => void}} Port */
/** @typedef {{count: number, at: string}} Skip */

/** The maximum number of unacknowledged rows. Further ones are counted and reported as skipped. */
export const UNACKED_MAX = 5000;

/** A bounded queue to a page. A port alone would grow without bound while the page is frozen or busy. */
export class Tab {
  #port;
  /** The next batch. @type {Delivery[]} */
  #next = [];
  #nextRows = 0;
  #posted = 0;
  /** Batches that are not acknowledged. @type {{n: number, rows: number}[]} */
  #unacked = [];
  #unackedRows = 0;
  /** Skipped rows that were not reported yet, by subscription. @type {Map<string, Skip>} */
  #skips = new Map();
  /**
   * Unacknowledged snapshots by subscription, each with the newer one that waits.
   * @type {Map<string, ViewMessage|null>}
   */
  #views = new Map();
  /** The snapshots of each batch. @type {Map<number, string[]>} */
  #viewsOf = new Map();

  /** @param {Port} port */
  constructor(port) {
    this.#port = port;
  }

  /**
   * @param {string} id
   * @param {EventMessage} message
   * @param {string} cursor
   */
  row(id, message, cursor) {
    const skip = this.#skips.get(id);
    if (this.#unackedRows + this.#nextRows >= UNACKED_MAX && !('error' in message)) {
      this.#skip(id, message, cursor);
      return;
    }
    if (skip) {
      this.#skips.delete(id);
      if (skip.count > 0) this.#push([id, { skipped: skip.count, at: skip.at }, skip.at]);
    }
    this.#push([id, message, cursor]);
  }

  /**
   * At most one snapshot of a subscription is in flight. A newer one replaces the one that waits.
   * @param {string} id
   * @param {ViewMessage} snapshot
   */
  view(id, snapshot) {
    if (this.#views.has(id)) {
      this.#views.set(id, snapshot);
      return;
    }
    this.#views.set(id, null);
    this.#next.push([id, snapshot, '']);
    const n = this.#posted + 1;
    const views = this.#viewsOf.get(n) ?? [];
    views.push(id);
    this.#viewsOf.set(n, views);
  }

  /**
   * Reports a refused subscription.
   * @param {string} id
   * @param {import('../types.js').Refused} error
   */
  refuse(id, error) {
    this.post({ frames: [[id, error, '']], n: 0 });
  }

  /** Posts the batch. */
  flush() {
    if (this.#next.length === 0) return;
    this.#posted += 1;
    this.#unacked.push({ n: this.#posted, rows: this.#nextRows });
    this.#unackedRows += this.#nextRows;
    const frames = this.#next;
    this.#next = [];
    this.#nextRows = 0;
    this.post({ frames, n: this.#posted });
  }

  /**
   * The page has handled all batches up to `n`.
   * @param {number} n
   */
  acknowledge(n) {
    while (this.#unacked.length > 0 && this.#unacked[0].n <= n) {
      const post = /** @type {{n: number, rows: number}} */ (this.#unacked.shift());
      this.#unackedRows -= post.rows;
      const views = this.#viewsOf.get(post.n) ?? [];
      this.#viewsOf.delete(post.n);
      for (const id of views) this.#viewAcknowledged(id);
    }
    if (this.#unackedRows + this.#nextRows < UNACKED_MAX / 2) this.#showSkips();
    this.flush();
  }

  /**
   * Forgets a subscription that ended.
   * @param {string} id
   */
  forget(id) {
    this.#skips.delete(id);
    this.#views.delete(id);
  }

  /** @param {unknown} message */
  post(message) {
    this.#port.postMessage(message);
  }

  /** @param {Delivery} delivery */
  #push(delivery) {
    this.#next.push(delivery);
    this.#nextRows += 1;
  }

  /**
   * @param {string} id
   * @param {EventMessage} message
   * @param {string} cursor
   */
  #skip(id, message, cursor) {
    const skip = this.#skips.get(id) ?? { count: 0, at: '' };
    if ('skipped' in message) skip.count += message.skipped;
    else if (!('at' in message)) skip.count += 1;
    skip.at = cursor || skip.at;
    this.#skips.set(id, skip);
  }

  #showSkips() {
    for (const [id, { count, at }] of this.#skips) {
      this.#push([id, count > 0 ? { skipped: count, at } : { at }, at]);
    }
    this.#skips.clear();
  }

  /** @param {string} id */
  #viewAcknowledged(id) {
    const waiting = this.#views.get(id);
    this.#views.delete(id);
    if (waiting) this.view(id, waiting);
  }
}

// One page at the hub: what it gets, and how much of it is on its way.

/** @typedef {import('./types.js').EventMessage} EventMessage */
/** @typedef {import('./types.js').ViewMessage} ViewMessage */
/** @typedef {[id: string, message: EventMessage|ViewMessage, cursor: string]} Delivery */
/** @typedef {{postMessage: (message: unknown) => void}} Port */
/** @typedef {{count: number, at: string}} Skip */

/** The most rows that a page has not taken yet. Further ones are counted, and shown as skipped. */
export const UNTAKEN_MAX = 5000;

/** The end of a page, for a queue that may not grow while the page is frozen or busy. */
export class Tab {
  #port;
  /** What the next post carries. @type {Delivery[]} */
  #next = [];
  #nextRows = 0;
  #posted = 0;
  /** Posts that were not acknowledged: number and rows of each. @type {{n: number, rows: number}[]} */
  #untaken = [];
  #untakenRows = 0;
  /** Rows that were not posted, by subscription. @type {Map<string, Skip>} */
  #skips = new Map();
  /**
   * Views that are on their way, by subscription, and the snapshot that waits.
   * @type {Map<string, ViewMessage|null>}
   */
  #views = new Map();
  /** The views of each post. @type {Map<number, string[]>} */
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
    if (this.#untakenRows + this.#nextRows >= UNTAKEN_MAX && !('error' in message)) {
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
   * A newer snapshot replaces one that waits: at most one of each subscription is on its way.
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
   * Posts the reason at once.
   * @param {string} id
   * @param {import('./types.js').Refused} error
   */
  refuse(id, error) {
    this.post({ frames: [[id, error, '']], n: 0 });
  }

  /** Posts what has gathered. */
  flush() {
    if (this.#next.length === 0) return;
    this.#posted += 1;
    this.#untaken.push({ n: this.#posted, rows: this.#nextRows });
    this.#untakenRows += this.#nextRows;
    const frames = this.#next;
    this.#next = [];
    this.#nextRows = 0;
    this.post({ frames, n: this.#posted });
  }

  /**
   * The page has taken all posts up to `n`.
   * @param {number} n
   */
  taken(n) {
    while (this.#untaken.length > 0 && this.#untaken[0].n <= n) {
      const post = /** @type {{n: number, rows: number}} */ (this.#untaken.shift());
      this.#untakenRows -= post.rows;
      const views = this.#viewsOf.get(post.n) ?? [];
      this.#viewsOf.delete(post.n);
      for (const id of views) this.#viewTaken(id);
    }
    if (this.#untakenRows + this.#nextRows < UNTAKEN_MAX / 2) this.#showSkips();
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
  #viewTaken(id) {
    const waiting = this.#views.get(id);
    this.#views.delete(id);
    if (waiting) this.view(id, waiting);
  }
}

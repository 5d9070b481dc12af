// The pages that are attached to the hub, and the detection of dead ones.

/** @typedef {import('./tab.js').Tab} Tab */
/** @typedef {import('./subscription.js').Shared} Shared */
/** @typedef {import('./subscription.js').Member} Member */

/**
 * A page: the time of its last message, and its memberships by its own names.
 * @typedef {{heard: number, members: Map<string, {shared: Shared, member: Member}>}} Page
 */

/** A page is dead after this silence, in milliseconds. Timers of hidden pages run once a minute. */
const SILENCE_MAX = 150_000;

/** The interval of the check, in milliseconds. */
const CHECK = 30_000;

export class Pages {
  /** @type {Map<Tab, Page>} */
  #pages = new Map();
  #checked = Date.now();
  #onSilent;

  /** @param {(tab: Tab) => void} onSilent  called for each dead page */
  constructor(onSilent) {
    this.#onSilent = onSilent;
    setInterval(() => this.#check(), CHECK);
  }

  /** @param {Tab} tab */
  add(tab) {
    this.#pages.set(tab, { heard: Date.now(), members: new Map() });
  }

  /** @param {Tab} tab */
  get(tab) {
    return this.#pages.get(tab);
  }

  /** @param {Tab} tab */
  remove(tab) {
    this.#pages.delete(tab);
  }

  tabs() {
    return this.#pages.keys();
  }

  /** The memberships of all pages. */
  members() {
    return [...this.#pages.values()].flatMap((page) => [...page.members.values()]);
  }

  /** @param {unknown} message */
  post(message) {
    for (const tab of this.#pages.keys()) tab.post(message);
  }

  #check() {
    const now = Date.now();
    // The machine slept, so the pages could not send heartbeats.
    const late = now - this.#checked > 2 * CHECK;
    this.#checked = now;
    for (const [tab, page] of this.#pages) {
      if (late) page.heard = now;
      else if (now - page.heard > SILENCE_MAX) this.#onSilent(tab);
    }
  }
}

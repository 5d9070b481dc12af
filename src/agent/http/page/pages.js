// The pages at the hub, and which of them live.

/** @typedef {import('./tab.js').Tab} Tab */
/** @typedef {import('./subscription.js').Shared} Shared */
/** @typedef {import('./subscription.js').Member} Member */

/**
 * What a page is interested in, by its own names, and when it was last heard.
 * @typedef {{heard: number, members: Map<string, {shared: Shared, member: Member}>}} Page
 */

/** A page that has not been heard for so long is gone. Browsers run a hidden page's timers once a minute. */
const SILENCE_MAX = 150_000;

/** The interval at which pages are checked. */
const CHECK = 30_000;

export class Pages {
  /** @type {Map<Tab, Page>} */
  #pages = new Map();
  #checked = Date.now();
  #onSilent;

  /** @param {(tab: Tab) => void} onSilent  a page is gone */
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

  /** What all pages are interested in. */
  members() {
    return [...this.#pages.values()].flatMap((page) => [...page.members.values()]);
  }

  /** @param {unknown} message */
  post(message) {
    for (const tab of this.#pages.keys()) tab.post(message);
  }

  #check() {
    const now = Date.now();
    // The machine slept: the pages could not speak either.
    const late = now - this.#checked > 2 * CHECK;
    this.#checked = now;
    for (const [tab, page] of this.#pages) {
      if (late) page.heard = now;
      else if (now - page.heard > SILENCE_MAX) this.#onSilent(tab);
    }
  }
}

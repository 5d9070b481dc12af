// @ts-check
/**
 * Counts of the stack by column key (a tag, a user or a page): events a minute, how busy a key is now, and
 * how the events that were not sent one by one are shared among the keys. Pure.
 */

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').Shown} Shown */
/** @typedef {{key: string, op: string, value: string}} Clause */

/** The most keys that are told apart. The least busy ones are forgotten first. */
export const KEYS_MAX = 1000;

/** The most characters of a key. Longer ones are cut and cannot be filtered by. */
export const KEY_CHARS_MAX = 256;

/** The time in which the score of a silent key halves, in seconds. */
export const HALF_LIFE = 30;

/** Exact counts are trusted if they grew by this part of what is known to have happened. */
const TRUSTED = 0.5;

/** The fields that claim a user, in order of precedence, as in the agent. */
const USER_FIELDS = ['user', 'user.id', 'user.name', 'user_id'];

/** One key. */
export class Tally {
  /** @param {string} key @param {Clause | null} clause */
  constructor(key, clause) {
    this.key = key;
    /** The clause that selects its events. */
    this.clause = clause;
    this.score = 0;
    this.scored = 0;
    /** Events in each of the last 60 seconds, by second modulo 60. */
    this.seconds = new Float64Array(60);
    this.second = 0;
    /** Events since the last snapshot of exact counts. */
    this.shown = 0;
    /** Those before it; each snapshot halves them. With `shown` a sample that is large enough. */
    this.sample = 0;
    /** The count in the last snapshot, or -1. */
    this.exact = -1;
  }

  /** @param {number} count @param {number} now Seconds. */
  add(count, now) {
    this.score = this.scoreAt(now) + count;
    this.scored = now;
    this.advance(now);
    this.seconds[this.second % 60] += count;
  }

  /** @param {number} now Seconds. */
  scoreAt(now) {
    return this.score * 2 ** (-Math.max(0, now - this.scored) / HALF_LIFE);
  }

  /** @param {number} now Seconds. */
  lastMinute(now) {
    this.advance(now);
    let sum = 0;
    for (let i = 0; i < 60; i++) sum += this.seconds[i];
    return sum;
  }

  /** @private @param {number} now */
  advance(now) {
    const second = Math.floor(now);
    if (second - this.second >= 60) this.seconds.fill(0);
    else for (let s = this.second + 1; s <= second; s++) this.seconds[s % 60] = 0;
    this.second = Math.max(this.second, second);
  }
}

/** All keys. */
export class Tallies {
  constructor() {
    /** @type {Map<string, Tally>} */
    this.byKey = new Map();
    this.all = new Tally('', null);
    /** Events that were counted and are not yet shared among the keys. */
    this.owed = 0;
    this.owedSince = 0;
  }

  clear() {
    this.byKey.clear();
    this.all = new Tally('', null);
    this.owed = 0;
  }

  /**
   * @param {string} key
   * @param {Clause | null} clause
   * @param {number} now Seconds.
   * @returns {Tally}
   */
  get(key, clause, now) {
    let tally = this.byKey.get(key);
    if (!tally) {
      if (this.byKey.size >= KEYS_MAX) this.forget(now);
      tally = new Tally(key, clause);
      this.byKey.set(key, tally);
    }
    tally.clause ??= clause;
    return tally;
  }

  /**
   * Counts an event that was sent.
   * @param {Tally} tally
   * @param {number} now Seconds.
   */
  show(tally, now) {
    tally.add(1, now);
    tally.shown += 1;
    this.all.add(1, now);
  }

  /**
   * Counts events that were not sent one by one.
   * @param {number} count
   * @param {number} now Seconds.
   */
  owe(count, now) {
    if (this.owed === 0) this.owedSince = now;
    this.owed += count;
    this.all.add(count, now);
  }

  /**
   * Shares what is owed among the keys: by their exact counts, as far as these grew by more than was shown,
   * else by what was shown.
   * @param {Map<string, number> | null} exact By key. They grow, except when a minute leaves the window.
   * @param {number} now Seconds.
   * @returns {[Tally, number][]} The shares; their sum is what was owed.
   */
  share(exact, now) {
    // Keys of which nothing was sent yet. Their growth counts from now on.
    for (const key of exact?.keys() ?? []) {
      if (this.byKey.size >= KEYS_MAX / 2) break;
      this.get(key, null, now);
    }
    const tallies = [...this.byKey.values()];
    const weights = this.weights(tallies, exact);
    const shares = this.owed > 0 ? distribute(this.owed, weights) : weights.map(() => 0);
    /** @type {[Tally, number][]} */
    const result = [];
    tallies.forEach((tally, i) => {
      const known = exact?.get(tally.key);
      if (known !== undefined) tally.exact = known;
      else if (tally.exact >= 0) tally.exact += tally.shown + shares[i];
      tally.sample = (tally.sample + tally.shown) / 2;
      tally.shown = 0;
      if (shares[i] === 0) return;
      tally.add(shares[i], now);
      result.push([tally, shares[i]]);
    });
    if (result.length > 0) this.owed = 0;
    return result;
  }

  /**
   * @private A view that falls behind jumps, and counts a part. What was shown is the better sample then.
   * @param {Tally[]} tallies
   * @param {Map<string, number> | null} exact
   */
  weights(tallies, exact) {
    const shown = tallies.map((tally) => tally.shown);
    const grew = tallies.map((tally) => grown(tally, exact));
    const expected = sum(shown) + this.owed;
    if (sum(grew) < expected * TRUSTED) return tallies.map((tally) => tally.sample + tally.shown);
    return grew.map((count, i) => Math.max(0, count - shown[i]));
  }

  /** @private @param {number} now */
  forget(now) {
    const tallies = [...this.byKey.values()].sort((a, b) => b.scoreAt(now) - a.scoreAt(now));
    for (const tally of tallies.slice(KEYS_MAX / 2)) this.byKey.delete(tally.key);
  }
}

/** @param {Tally} tally @param {Map<string, number> | null} exact */
function grown(tally, exact) {
  const count = exact?.get(tally.key);
  return count === undefined || tally.exact < 0 ? 0 : Math.max(0, count - tally.exact);
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

/**
 * Splits a whole number in proportion to weights, by largest remainders.
 * @param {number} total
 * @param {number[]} weights Not negative.
 * @returns {number[]} Whole numbers whose sum is `total`, or all 0 if all weights are.
 */
export function distribute(total, weights) {
  const all = sum(weights);
  if (!(all > 0)) return weights.map(() => 0);
  const parts = weights.map((weight) => (total * weight) / all);
  const shares = parts.map(Math.floor);
  let left = total - sum(shares);
  const remainder = (/** @type {number} */ i) => parts[i] - shares[i];
  const byRemainder = parts.map((_, i) => i).sort((a, b) => remainder(b) - remainder(a) || a - b);
  for (const i of byRemainder) {
    if (left < 1) break;
    if (weights[i] === 0) continue;
    shares[i] += 1;
    left -= 1;
  }
  return shares;
}

/**
 * The column of an event.
 * @param {Pick<EventLine, 'tag' | 'fields' | 'origin'>} event
 * @param {Shown['by']} by
 * @returns {{key: string, clause: Clause | null}} `key` is `''` if the event has no such value.
 */
export function columnOf(event, by) {
  if (by === 'tag') return column('tag', event.tag);
  if (by === 'page') return column('page', event.fields?.page);
  for (const name of USER_FIELDS) {
    const value = event.fields?.[name];
    if (value !== undefined && value !== null && value !== '') return column(name, value);
  }
  return column('_user', event.origin?.user);
}

/** @param {string} name @param {unknown} value @returns {{key: string, clause: Clause | null}} */
function column(name, value) {
  if (value === undefined || value === null || value === '') return { key: '', clause: null };
  const text = String(value);
  if (text.length > KEY_CHARS_MAX) return { key: text.slice(0, KEY_CHARS_MAX), clause: null };
  return { key: text, clause: { key: name, op: '=', value: text } };
}

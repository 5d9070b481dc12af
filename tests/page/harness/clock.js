/** A clock that stands still until a test moves it: for unit tests of modules that use timers and `Date.now`. */

/** @typedef {{ id: number, at: number, every: number | undefined, run: () => void }} Timer */

const real = { setTimeout, clearTimeout, setInterval, clearInterval, now: Date.now };

let now = 0;
let ids = 0;
/** @type {Map<number, Timer>} */
const timers = new Map();

/**
 * @param {() => void} run
 * @param {number} delay
 * @param {number} [every]
 */
function add(run, delay, every) {
  ids += 1;
  timers.set(ids, { id: ids, at: now + Math.max(1, delay || 0), every, run });
  return ids;
}

/** @param {number | undefined} id */
const remove = (id) => void timers.delete(id ?? 0);

export const clock = {
  /** Replaces the timers and `Date.now`. @param {number} time in milliseconds since 1970 */
  start(time) {
    now = time;
    timers.clear();
    Object.assign(globalThis, {
      setTimeout: (/** @type {() => void} */ run, /** @type {number} */ delay) => add(run, delay),
      setInterval: (/** @type {() => void} */ run, /** @type {number} */ delay) => add(run, delay, Math.max(1, delay || 0)),
      clearTimeout: remove,
      clearInterval: remove,
    });
    Date.now = () => now;
  },

  /** Moves the clock and runs what is due, in order. @param {number} time in milliseconds */
  tick(time) {
    const end = now + time;
    for (;;) {
      const [next] = [...timers.values()].sort((a, b) => a.at - b.at || a.id - b.id);
      if (!next || next.at > end) {
        break;
      }
      now = next.at;
      if (next.every === undefined) {
        timers.delete(next.id);
      } else {
        next.at += next.every;
      }
      next.run();
    }
    now = end;
  },

  /** Puts the real timers back. */
  stop() {
    const { now: date, ...rest } = real;
    Object.assign(globalThis, rest);
    Date.now = date;
  },
};

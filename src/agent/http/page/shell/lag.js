// @ts-check
/** How far the page is behind the agent. */

/**
 * The lag: the age of the newest snapshot, by the agent's clock. The two clocks may
 * differ; their difference is the smallest one seen, because a message never arrives before it was sent.
 * @param {() => number} [now] Milliseconds since 1970.
 */
export function createLag(now = Date.now) {
  let offset = Infinity;
  let newest = 0;
  let arrived = 0;
  /** The newest delays. One late message among prompt ones is the scheduler's, not a lag. @type {number[]} */
  let delays = [];
  return {
    /** @param {string} time The agent's time in a snapshot, or nothing for a past period: it has no lag. */
    note(time) {
      newest = time ? Date.parse(time) : 0;
      if (!newest) return;
      arrived = now();
      // Lets the estimate follow clocks that drift apart, by one millisecond a snapshot.
      offset = Math.min(offset + 1, arrived - newest);
      delays = [...delays.slice(-2), arrived - newest - offset];
    },
    /** Seconds, or `null` without a snapshot. One is due every second. */
    seconds() {
      if (!newest) return null;
      const overdue = Math.max(0, now() - arrived - 1500);
      return Math.max(0, Math.min(...delays) + overdue) / 1000;
    },
  };
}

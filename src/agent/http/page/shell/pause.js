// @ts-check
/**
 * Pause: one switch for the page. While it is on, views keep what the reader looks at in place and count what
 * is new. The connection stays, so that nothing is lost.
 */

/**
 * @typedef {object} Pause
 * @property {() => boolean} get
 * @property {(on: boolean) => void} set
 * @property {() => void} toggle
 * @property {(listener: (on: boolean) => void) => () => void} on Called after each change. Returns a function
 *   that unregisters.
 */

/** @returns {Pause} */
export function createPause() {
  let paused = false;
  /** @type {Set<(on: boolean) => void>} */
  const listeners = new Set();
  const set = (/** @type {boolean} */ on) => {
    if (on === paused) return;
    paused = on;
    for (const listener of listeners) listener(on);
  };
  return {
    get: () => paused,
    set,
    toggle: () => set(!paused),
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

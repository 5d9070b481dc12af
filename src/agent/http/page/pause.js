// @ts-check
/**
 * Pause: one switch for the page. While it is on, views keep what the reader looks at in place and count what is
 * new. The connection stays, so that nothing is lost.
 */

/** @typedef {{ get(): boolean, set(on: boolean): void, toggle(): void, on(listener: (on: boolean) => void): () => void }} Pause */

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

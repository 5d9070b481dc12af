/** Bound of every wait, in milliseconds: far longer than a slow machine needs. `$PULSE_PAGE_WAIT` in seconds changes it. */
export const WAIT_MAX = Number(process.env.PULSE_PAGE_WAIT ?? 30) * 1000;

/** Pause between two checks of a condition, in milliseconds. */
const PAUSE = 20;

/**
 * Waits until a check returns a value other than `undefined`, and returns that value.
 * @template T
 * @param {string} what the condition, for the error
 * @param {() => Promise<T | undefined> | T | undefined} check
 * @returns {Promise<T>}
 */
export async function until(what, check) {
  const deadline = Date.now() + WAIT_MAX;
  for (;;) {
    const value = await check();
    if (value !== undefined) {
      return value;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${WAIT_MAX / 1000} s for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/**
 * Waits until a check succeeds, and fails with its last error.
 * @template T
 * @param {() => Promise<T> | T} check fails by throwing
 * @returns {Promise<T>}
 */
export async function eventually(check) {
  const deadline = Date.now() + WAIT_MAX;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) {
        throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

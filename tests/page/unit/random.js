// Reproducible random numbers for property tests.

/**
 * @param {number} seed
 * @returns {(below: number) => number}  a whole number from 0 to below - 1
 */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

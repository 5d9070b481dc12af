// @ts-check
/** What several modules know about levels. */

/** The levels that count as errors, as in the agent's views. @type {ReadonlySet<string>} */
export const ERRORS = new Set(['emerg', 'alert', 'crit', 'err']);

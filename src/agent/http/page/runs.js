// @ts-check
/** Which runs are open, from the agent's running view, so that the row that began one says whether it still runs. */

/** @typedef {import('./types.js').Context} Context */
/** @typedef {import('./types.js').EventLine} EventLine */
/** @typedef {import('./types.js').RunRow} RunRow */
/** @typedef {import('./row.js').RunState} RunState */

/**
 * @param {Context} context
 * @param {() => void} onChange
 */
export function createRuns({ state, feed }, onChange) {
  /** @type {Set<string>} */
  let open = new Set();
  /** The time of the newest snapshot, in milliseconds since 1970. */
  let known = 0;
  let stop = () => {};
  let match = '';
  const subscribe = () => {
    stop();
    ({ match } = state.get());
    stop = feed.subscribe({ view: 'running', match, every: 1 }, (message) => {
      if (!('view' in message) || message.view !== 'running') return;
      open = new Set(message.runs.filter((run) => run.state === 'running').map((run) => key(run.host, run.conn, run.run)));
      known = Date.parse(message.time);
      onChange();
    });
  };
  let shown = false;
  state.on((now) => {
    if (shown && now.match !== match) subscribe();
  });
  return {
    show() {
      shown = true;
      subscribe();
    },
    hide() {
      shown = false;
      stop();
    },
    /** @param {EventLine} event @returns {RunState} */
    state(event) {
      if (event.run === undefined || event.took !== undefined || event.abandoned) return '';
      const { since, until } = state.get();
      if (since || until) return 'begun';
      // The next snapshot will know it.
      if (Date.parse(event.time) > known) return 'running';
      return open.has(key(event.host, event.origin?.conn, event.run)) ? 'running' : 'begun';
    },
  };
}

/** @param {string} host @param {number | undefined} conn @param {string} run */
function key(host, conn, run) {
  return `${host} ${conn ?? ''} ${run}`;
}

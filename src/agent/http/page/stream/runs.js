// @ts-check
/**
 * Which runs are open, from the agent's running view, so that the row that began one says whether it still
 * runs.
 */

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').RunRow} RunRow */
/** @typedef {import('../event/row.js').RunState} RunState */

/** Before the first snapshot, a run that began within this time is taken to be running, in milliseconds. */
const RECENT_MS = 3000;

/**
 * @param {Context} context
 * @param {() => void} onChange
 */
export function createRuns({ state: shownState, feed }, onChange) {
  /**
   * The state of each run that has not ended, or was abandoned a short while ago.
   * @type {Map<string, RunRow['state']>}
   */
  let open = new Map();
  /** The time of the newest snapshot, in milliseconds since 1970. */
  let known = 0;
  let stop = () => {};
  let match = '';
  const subscribe = () => {
    stop();
    ({ match } = shownState.get());
    stop = feed.subscribe({ view: 'running', match, every: 1 }, (message) => {
      if (!('view' in message) || message.view !== 'running') return;
      open = new Map(message.runs.map((run) => [key(run.host, run.conn, run.run), run.state]));
      known = Date.parse(message.time);
      onChange();
    });
  };
  let shown = false;
  shownState.on((now) => {
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
      const { since, until } = shownState.get();
      if (since || until) return 'begun';
      const state = open.get(key(event.host, event.origin?.conn, event.run));
      if (state) return state === 'abandoned' ? 'begun' : state;
      // The next snapshot will know it.
      return Date.parse(event.time) > (known || feed.now() - RECENT_MS) ? 'running' : 'begun';
    },
  };
}

/** @param {string} host @param {number | undefined} conn @param {string} run */
function key(host, conn, run) {
  return `${host} ${conn ?? ''} ${run}`;
}

// @ts-check
/**
 * Loads what is not live: older rows when the reader nears the end, a past period, and rows that were
 * skipped.
 */
import { fill, h } from '../draw/dom.js';
import { visible } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Row} Row */
/** @typedef {import('../types.js').RequestFailure} RequestFailure */
/** @typedef {import('./list.js').List} List */
/** @typedef {import('./store.js').Store} Store */

/** The lines of one request. */
const LINES = 300;

/** Older rows are loaded when fewer than this many are left below the viewport. */
const AHEAD = 80;

/** The most skipped rows that one click loads. */
const SKIPPED_MAX = 1000;

/**
 * @param {Context} context @param {Store} store @param {List} list
 */
export function createHistory(context, store, list) {
  const { feed, state } = context;
  let loading = false;
  let complete = false;
  let failed = '';
  /** Requests of an earlier MATCH or period are aborted. */
  let abort = new AbortController();

  const showFoot = () => {
    if (failed) {
      fill(
        list.foot,
        `Older events could not be loaded: ${visible(failed, 300)} `,
        h('button', { class: 'link', type: 'button', on: { click: retry } }, 'Try again'),
      );
    } else {
      const end = state.get().match ? 'No older event matches' : 'The beginning of history';
      fill(list.foot, loading ? 'Loading older events…' : complete && store.rows.length > 0 ? end : '');
    }
  };
  const retry = () => {
    failed = '';
    check();
  };
  const check = () => {
    if (loading || complete || failed || store.rows.length === 0 || list.rowsBelow > AHEAD) return;
    void loadOlder();
  };

  const loadOlder = async () => {
    const { match, since } = state.get();
    const { signal } = abort;
    const oldest = store.rows[0];
    loading = true;
    showFoot();
    try {
      const lines = await feed.page({ match, since, before: oldest.cursor, lines: LINES }, { signal });
      if (signal.aborted) return;
      complete = lines.length === 0;
      store.prepend(lines);
    } catch (error) {
      if (signal.aborted) return;
      failed = /** @type {RequestFailure} */ (error).why ?? String(error);
    } finally {
      if (!signal.aborted) {
        loading = false;
        showFoot();
      }
    }
  };

  /**
   * Loads the newest rows of the past period in force. Older ones follow as the reader scrolls.
   * @param {(why: string) => void} refused
   * @returns {() => void} Stops it.
   */
  const loadPeriod = (refused) => {
    const { match, since, until } = state.get();
    const { signal } = abort;
    loading = true;
    showFoot();
    const load = async () => {
      const lines = await feed.page({ match, since, until, reverse: true, lines: LINES }, { signal });
      if (signal.aborted) return;
      loading = false;
      complete = lines.length < LINES;
      store.prepend(lines, feed.cursor(0));
      showFoot();
    };
    load().catch((error) => {
      if (signal.aborted) return;
      loading = false;
      refused(/** @type {RequestFailure} */ (error).why ?? String(error));
    });
    return () => abort.abort();
  };

  /** @param {Row} skipped */
  const loadSkipped = async (skipped) => {
    if (skipped.kind !== 'skipped') return;
    const at = store.rows.indexOf(skipped);
    const [older, newer] = [store.rows[at - 1], store.rows[at + 1]];
    const { match } = state.get();
    const { signal } = abort;
    const lines = Math.min(SKIPPED_MAX, skipped.count);
    try {
      // A row before it says where to begin. Without one, the newest of the skipped rows are what is wanted.
      const place = older ? { after: older.cursor } : { before: newer?.cursor ?? skipped.cursor };
      const read = await feed.page({ match, ...place, lines }, { signal });
      if (!signal.aborted) store.fill(skipped, read);
    } catch (error) {
      if (!signal.aborted) context.toast(`Not loaded: ${/** @type {RequestFailure} */ (error).why ?? error}`);
    }
  };

  return {
    check,
    loadPeriod,
    loadSkipped,
    isLoading: () => loading,
    reset() {
      abort.abort();
      abort = new AbortController();
      loading = false;
      complete = false;
      failed = '';
      showFoot();
    },
  };
}

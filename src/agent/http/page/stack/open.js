// @ts-check
/** Opens what the stack shows: an event, the example of a bar, or the event that began a run. */
import { addClause } from '../filter/filter.js';
import { isGap } from './source.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').GapLine} GapLine */
/** @typedef {import('../types.js').RunRow} RunRow */
/** @typedef {import('./source.js').Source} Source */
/** @typedef {import('./tip.js').Thing} Thing */

/**
 * @param {Context} context
 * @param {Source} source
 * @param {Thing | null} thing
 */
export async function openThing(context, source, thing) {
  if (thing?.event) {
    context.openRow(await source.whole(thing.event));
  } else if (thing?.run) {
    const { run } = thing;
    const event = source.recent.find((line) => begins(line, run)) ?? await load(context, run);
    if (event && !isGap(event)) context.openRow(event);
    else context.toast('The event that began this run is no longer in the log.');
  }
}

/** @param {EventLine | GapLine} line @param {RunRow} row */
function begins(line, row) {
  return !isGap(line) && line.run === row.run && line.host === row.host && line.origin?.conn === row.conn
    && line.took === undefined && !line.abandoned;
}

/** @param {Context} context @param {RunRow} row @returns {Promise<EventLine | GapLine | undefined>} */
async function load({ feed }, row) {
  const match = addClause(addClause('', 'run', '=', row.run), 'host', '=', row.host);
  const since = new Date(Date.parse(row.begun) - 1000).toISOString();
  const lines = await feed.page({ match, since, lines: 10 }).catch(() => []);
  return lines.find((line) => begins(line, row));
}

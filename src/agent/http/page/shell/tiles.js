// @ts-check
/**
 * The tiles and the chart above the views: the totals of what the MATCH selects, from the agent's rates view,
 * so that every page and `pulse-tail --stats` show the same digits.
 */
import { byId, h, setText } from '../draw/dom.js';
import { clock, duration, short } from '../draw/format.js';
import { createLag } from './lag.js';
import { ERRORS } from '../draw/levels.js';
import { createChart } from './rates-chart.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').RatesSnapshot} RatesSnapshot */
/** @typedef {import('../types.js').ViewName} ViewName */

/** Users who were seen within this time are here now, in seconds: the time that the chart shows. */
const HERE_SECONDS = 300;

/** The time that the views cover, in seconds. */
const WINDOW_SECONDS = 900;

/** A lag above this is shown as a warning, in seconds. */
const LAG_WARN = 2;

/** Events a second, as the tile shows them. `null` if they are not known. @type {number | null} */
let rateNow = null;

/** Events a second of the MATCH in force, whole. `null` if they are not known. */
export function currentRate() {
  return rateNow === null ? null : Math.round(rateNow);
}

/**
 * Fills the tiles and keeps them current.
 * @param {Context} context
 * @param {(snapshot: RatesSnapshot) => void} onRates Called with each live snapshot of the rates.
 */
export function createTiles(context, onRates) {
  const tiles = {
    rate: tile('events a second', 'The mean of the last 10 seconds'),
    p95: tile('took, p95', '95 % of the durations of the last 15 minutes were shorter'),
    users: tile('users now', 'Seen within the last 5 minutes'),
    errors: tile('errors a minute', 'Events of the levels err, crit, alert and emerg in the last 60 seconds'),
    lost: tile('reported lost', 'Events that gaps report as missing in the last 15 minutes'),
    lag: tile('lag', 'How far this page is behind the agent'),
  };
  const chart = createChart((since, until) => {
    const time = (/** @type {number} */ ms) => new Date(ms).toISOString();
    context.state.set({ since: time(since), until: time(until) }, { push: true });
  });
  byId('tiles').append(
    h(
      'dl',
      { class: 'tile-list' },
      Object.values(tiles).map((t) => t.element),
    ),
    chart.element,
  );
  chart.surface.show();
  const lag = createLag();

  follow(context, 'rates', 1, (snapshot, live) => {
    lag.note(live ? snapshot.time : '');
    if (live) onRates(snapshot);
    showRates(tiles, snapshot, live);
    chart.set(snapshot, live ? 'now' : clock(snapshot.time).slice(0, 8));
  });
  follow(context, 'users', 2, (snapshot) => {
    const newest = Date.parse(snapshot.time);
    const here = snapshot.users.filter(
      (/** @type {any} */ user) => newest - Date.parse(user.seen) < HERE_SECONDS * 1000,
    );
    // The users beyond the top of the view are older than those in it, unless all of those are here.
    const more = here.length === snapshot.users.length ? (snapshot.rest?.entries ?? 0) : 0;
    tiles.users.set(more ? `${short(here.length)}+` : short(here.length), '');
  });
  setInterval(() => {
    const seconds = context.feed.status.state === 'live' ? lag.seconds() : null;
    const [value, unit] = seconds === null ? ['–', ''] : split(duration(seconds));
    tiles.lag.set(value, unit, seconds !== null && seconds > LAG_WARN ? 'warn' : '');
  }, 500);
}

/** @param {string} label @param {string} title */
function tile(label, title) {
  const value = h('span', { class: 'value' }, '–');
  const unit = h('small');
  const element = h('div', { class: 'tile', title }, h('dt', null, label), h('dd', null, value, unit));
  return {
    element,
    /** @param {string} text @param {string} [unitText] @param {string} [tone] '', 'warn' or 'err' */
    set(text, unitText = '', tone = '') {
      setText(value, text);
      setText(unit, unitText);
      if ((element.dataset.tone ?? '') !== tone) element.dataset.tone = tone;
    },
  };
}

/**
 * Follows a view with the MATCH and the period in force, whatever they change to. A past period is one
 * snapshot.
 * @param {Context} context
 * @param {ViewName} view
 * @param {number} every The time between two snapshots, in seconds.
 * @param {(snapshot: any, live: boolean) => void} on
 */
function follow({ state, feed }, view, every, on) {
  let stop = () => {};
  let key = '';
  const renew = () => {
    const { match, since, until } = state.get();
    const next = JSON.stringify([match, since, until]);
    if (next === key) return;
    key = next;
    stop();
    if (since || until) {
      const abort = new AbortController();
      stop = () => abort.abort();
      // The views say what is wrong with a period; the totals stay as they are.
      feed.snapshot(view, { match, since, until }, abort).then(
        (snapshot) => on(snapshot, false),
        () => {},
      );
    } else {
      stop = feed.subscribe({ view, match, every }, (message) => {
        if ('view' in message && message.view === view) on(message, true);
      });
    }
  };
  state.on(renew);
  renew();
}

/** @param {Record<string, ReturnType<typeof tile>>} tiles @param {any} snapshot @param {boolean} live */
function showRates(tiles, snapshot, live) {
  const length = (Date.parse(snapshot.last) - Date.parse(snapshot.first)) / 1000;
  const mean = length >= 1 ? snapshot.events / length : snapshot.events;
  // Without the right to follow every tag there is no series, and the mean of the window stands for the rate.
  const perSecond = live ? (snapshot.now ?? snapshot.events / WINDOW_SECONDS) : mean;
  rateNow = live ? (snapshot.now ?? null) : null;
  tiles.rate.set(short(perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond)));
  const [value, unit] = snapshot.took ? split(duration(snapshot.took.p95)) : ['–', ''];
  tiles.p95.set(value, unit);
  // Totals over all tags are absent without the right to follow every tag.
  if (live && snapshot.now === undefined) {
    tiles.errors.set('–');
    tiles.lost.set('–');
    return;
  }
  const errors = lastMinute(snapshot, (level) => ERRORS.has(level));
  tiles.errors.set(short(errors), '', errors > 0 ? 'err' : '');
  let lost = 0;
  let unknown = false;
  for (const gap of snapshot.gaps) {
    lost += gap.lost;
    unknown ||= gap.unknown;
  }
  // A gap without a count may stand for nothing or for much.
  const text = unknown ? (lost > 0 ? `${short(lost)}+` : 'some?') : short(lost);
  tiles.lost.set(text, '', lost > 0 || unknown ? 'warn' : '');
  const why = snapshot.gaps.map(
    (/** @type {any} */ g) => `${g.why} ${g.unknown ? 'at least ' : ''}${short(g.lost)}`,
  );
  tiles.lost.element.title = why.length
    ? `Reported by gaps in the last 15 minutes: ${why.join(', ')}`
    : 'No gap in the last 15 minutes: nothing was lost';
}

/** @param {any} snapshot @param {(level: string) => boolean} counts */
function lastMinute(snapshot, counts) {
  let sum = 0;
  for (const { level, seconds } of snapshot.levels) {
    if (counts(level)) for (let i = seconds.length - 60; i < seconds.length; i++) sum += seconds[i] ?? 0;
  }
  return sum;
}

/** Splits "42 ms" into its number and its unit. @param {string} text */
function split(text) {
  const space = text.search(/[\s\u00a0\u202f]/u);
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)];
}

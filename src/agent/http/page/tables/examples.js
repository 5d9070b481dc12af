// @ts-check
/** Examples of rows: shown in full, with the way to their events. */

import { h } from '../draw/dom.js';
import { addClause } from '../filter/filter.js';
import { clock, duration, fullTime, visible } from '../draw/format.js';
import { shapeRegex } from './shape.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Example} Example */
/** @typedef {import('../types.js').EventLine} EventLine */

/** Durations from here on are drawn as slow, in seconds. */
export const SLOW_SECONDS = 0.1;

/** The most events of one millisecond that are searched for an example. */
const SEARCHED_MAX = 1000;

/** The time around an example that "events around it" shows, in milliseconds. */
const AROUND_MS = 2000;

/**
 * An example in full. The element is updated in place.
 * @param {Context} context
 * @param {string} label
 */
export function exampleBox(context, label) {
  let match = '';
  /** @type {Example | undefined} */
  let shown;
  const took = h('span', { class: 'example-took' });
  const time = h('time', { class: 'mono' });
  const msg = h('pre', { class: 'example-msg' });
  const open = h(
    'button',
    {
      class: 'link',
      type: 'button',
      on: {
        click: () => shown && openExample(context, match, shown),
      },
    },
    'Open event',
  );
  const around = h(
    'button',
    {
      class: 'link',
      type: 'button',
      on: {
        click: () => shown && showAround(context, shown),
      },
    },
    'What happened around it',
  );
  const element = h(
    'div',
    { class: 'example' },
    h(
      'div',
      { class: 'example-head' },
      h('span', { class: 'example-label' }, label),
      took,
      time,
      open,
      around,
    ),
    msg,
  );
  return {
    element,
    /** @param {string} newMatch A MATCH that selects the example. @param {Example | undefined} example */
    update(newMatch, example) {
      element.hidden = !example;
      if (!example || (example.time === shown?.time && example.msg === shown?.msg)) return;
      match = newMatch;
      shown = example;
      took.textContent = example.took === undefined ? '' : duration(example.took);
      took.classList.toggle('slow', (example.took ?? 0) >= SLOW_SECONDS);
      time.textContent = clock(example.time);
      time.title = fullTime(example.time);
      time.dateTime = example.time;
      msg.textContent = visible(example.msg, Infinity, { lines: true });
    },
  };
}

/**
 * Finds the event of an example and shows it.
 * @param {Context} context
 * @param {string} match A MATCH that selects it.
 * @param {Example} example
 */
export async function openExample(context, match, example) {
  const start = Math.floor(Date.parse(example.time));
  const since = new Date(start).toISOString();
  const until = new Date(start + 1).toISOString();
  try {
    const lines = await context.feed.page({ match, since, until, lines: SEARCHED_MAX });
    const same = (/** @type {import('../types.js').Line} */ line) =>
      'seq' in line &&
      line.time === example.time &&
      (line.msg ?? '').startsWith(example.msg) &&
      line.took === example.took;
    const found = lines.find(same);
    if (found) context.openRow(/** @type {EventLine} */ (found));
    else context.toast('This event is no longer in the log.');
  } catch (failure) {
    context.toast(`The event cannot be read: ${/** @type {any} */ (failure)?.why ?? failure}`);
  }
}

/** @param {Context} context @param {Example} example */
function showAround({ state }, example) {
  const at = Date.parse(example.time);
  const since = new Date(at - Math.max(AROUND_MS, (example.took ?? 0) * 1000)).toISOString();
  state.set(
    { view: 'stream', match: '', since, until: new Date(at + AROUND_MS).toISOString() },
    { push: true },
  );
}

/**
 * The MATCH for all events of a tag.
 * @param {string} tag
 */
export function tagMatch(tag) {
  return addClause('', 'tag', '=', tag);
}

/**
 * The MATCH for the events of a shape, as exact as a regular expression can be.
 * @param {string} match The MATCH in force.
 * @param {{ tag: string, shape: string, newest?: Example, slowest?: Example }} row
 */
export function shapeMatch(match, row) {
  const examples = [row.newest?.msg, row.slowest?.msg].filter((msg) => msg !== undefined);
  const regex = shapeRegex(row.shape, examples);
  const tagged = addClause(match, 'tag', '=', row.tag);
  return regex ? addClause(tagged, 'msg', '~', regex) : tagged;
}

/**
 * A link to the Stream with another MATCH.
 * @param {Context} context
 * @param {string} text
 * @param {() => Partial<import('../types.js').Shown>} shown
 */
export function streamLink({ state }, text, shown) {
  const target = () => ({ ...shown(), view: /** @type {const} */ ('stream') });
  return h(
    'a',
    {
      href: state.link(target()),
      on: {
        focus: (/** @type {FocusEvent} */ event) =>
          /** @type {HTMLElement} */ (event.currentTarget).setAttribute('href', state.link(target())),
        click: (/** @type {MouseEvent} */ event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          state.set(target(), { push: true });
        },
      },
    },
    text,
  );
}

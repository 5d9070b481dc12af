// @ts-check
/** What the stream shows when it has no rows: how to send the first event, or that nothing matches. */
import { fill, h } from '../draw/dom.js';
import { command, panel } from './panels.js';
import { visible } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */

/** Three ways to send the first event. */
const STEPS = /** @type {const} */ ([
  ['From a shell', 'pulse-send "query took 40ms"'],
  ['From PHP', `fwrite(stream_socket_client('unix:///run/pulsed/pulsed.sock'), "SEND query took 40ms\\n");`],
  ['Or let a small shop play', 'contrib/demo'],
]);

/**
 * @param {Context} context
 */
export function createEmpty(context) {
  const element = h('div', { class: 'empty', hidden: true });
  const put = (/** @type {HTMLElement} */ content) => {
    fill(element, content);
    element.hidden = false;
  };
  return {
    element,
    /** @param {boolean} past `true` for a past period. */
    show: (past) => put(past || context.state.get().match ? noMatch(context, past) : welcome()),
    /** @param {string} why */
    refused: (why) => put(refusal(context, why)),
    hide() {
      element.hidden = true;
    },
  };
}

function welcome() {
  return panel(
    'No events yet',
    h('p', null, 'Send the first one, and it appears here at once:'),
    h(
      'div',
      { class: 'steps' },
      STEPS.map(([label, text]) => command(text, label)),
    ),
  );
}

/** @param {Context} context @param {boolean} past */
function noMatch(context, past) {
  const { match } = context.state.get();
  const live = h(
    'button',
    {
      class: 'button',
      type: 'button',
      on: { click: () => context.state.set({ since: '', until: '' }, { push: true }) },
    },
    'Back to live',
  );
  return panel(
    past ? 'No events in this period' : 'No event matches',
    h(
      'p',
      null,
      match && ['The filter is ', h('code', null, visible(match, 300)), '. '],
      past ? '' : 'Events that match appear here as they happen.',
    ),
    h('div', { class: 'panel-actions' }, clearButton(context), past && live),
  );
}

/** @param {Context} context @param {string} why */
function refusal(context, why) {
  return panel(
    'The agent refused this stream',
    h('p', null, visible(why, 500)),
    h('div', { class: 'panel-actions' }, clearButton(context)),
  );
}

/** @param {Context} context */
function clearButton({ state }) {
  if (!state.get().match) return null;
  return h(
    'button',
    { class: 'button', type: 'button', on: { click: () => state.set({ match: '' }, { push: true }) } },
    'Clear the filter',
  );
}

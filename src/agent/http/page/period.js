// @ts-check
/** The banner of a past period: which one is shown, and the way back to live. */
import { byId, h, setText } from './dom.js';
import { fullTime } from './format.js';

/** @typedef {import('./types.js').Context} Context */

/** @param {Context} context */
export function createPeriod({ state }) {
  const text = h('strong');
  const back = h('button', {
    class: 'button small', type: 'button', on: { click: () => state.set({ since: '', until: '' }, { push: true }) },
  }, 'Back to live');
  const element = h('div', { class: 'banner-line' }, h('span', { class: 'grow' }, 'Past period: ', text), back);
  byId('banner').append(element);
  const show = () => {
    const { since, until } = state.get();
    element.hidden = !since && !until;
    setText(text, `${since ? moment(since) : 'the oldest event'} – ${until ? moment(until) : 'now'}`);
    text.title = [since, until].filter(Boolean).map(fullTime).join(' – ');
  };
  state.on(show);
  show();
}

/** A local date and time to the second. @param {string} time RFC 3339 */
function moment(time) {
  return new Date(time).toLocaleString('sv-SE');
}

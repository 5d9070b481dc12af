// @ts-check
/**
 * Past periods: the banner that says which one is shown, the way back to live, and the dialog to choose one.
 */
import { byId, h, setText } from '../draw/dom.js';
import { fullTime } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */

/**
 * Adds the banner.
 * @param {Context} context
 */
export function createPeriod({ state }) {
  const text = h('strong');
  const back = h(
    'button',
    {
      class: 'button small',
      type: 'button',
      on: { click: () => state.set({ since: '', until: '' }, { push: true }) },
    },
    'Back to live',
  );
  const element = h(
    'section',
    { class: 'banner-line', 'aria-label': 'Past period' },
    h('span', { class: 'grow' }, 'Past period: ', text),
    back,
  );
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

/**
 * The dialog that chooses a period.
 * @param {Context} context
 * @returns {() => void} Opens it.
 */
export function createPeriodDialog({ state }) {
  const field = (/** @type {string} */ id) =>
    h('input', { class: 'text-field', id, type: 'datetime-local', step: '1' });
  const from = field('period-from');
  const to = field('period-to');
  const error = h('p', { class: 'field-error', role: 'alert' });
  const form = h(
    'form',
    { class: 'dialog-body', method: 'dialog' },
    h(
      'div',
      { class: 'field-row' },
      h('div', null, h('label', { for: 'period-from' }, 'From'), from),
      h('div', null, h('label', { for: 'period-to' }, 'To'), to),
    ),
    h(
      'p',
      { class: 'field-help' },
      'Local times. Leave one empty for the oldest event, or for now. ' +
        'A click or a drag in the chart above also chooses a period.',
    ),
    error,
    h('div', { class: 'dialog-actions' }, h('button', { class: 'button primary', type: 'submit' }, 'Show')),
  );
  const close = h(
    'button',
    { class: 'button small', type: 'button', on: { click: () => dialog.close() } },
    'Close',
  );
  const dialog = h(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'period-title' },
    h('div', { class: 'dialog-head' }, h('h2', { id: 'period-title' }, 'Past period'), close),
    form,
  );
  document.body.append(dialog);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const since = utc(from.value);
    const until = utc(to.value);
    setText(error, since && until && since >= until ? 'The period ends before it begins.' : '');
    if (error.textContent) return;
    state.set({ since, until }, { push: true });
    dialog.close();
  });
  return () => {
    const { since, until } = state.get();
    from.value = local(since || new Date(Date.now() - 3_600_000).toISOString());
    to.value = until ? local(until) : '';
    setText(error, '');
    dialog.showModal();
  };
}

/** A local date and time to the second. @param {string} time RFC 3339 */
function moment(time) {
  return local(time).replace('T', ' ');
}

/** A local time as a field of the form holds it. @param {string} time RFC 3339 */
function local(time) {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @param {string} text A local time from a field of the form, or nothing. */
function utc(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}

// @ts-check
/**
 * What the page shows when it cannot show events: signed out, no right, stream ended, agent away. Each says
 * what to do.
 */
import { byId, fill, h, setText } from '../draw/dom.js';
import { duration } from '../draw/format.js';
import { copy } from './notices.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Status} Status */

/** The page says that the agent is away after this time without a connection, in milliseconds. */
const AWAY_MS = 2000;

/**
 * A command with a button that copies it.
 * @param {string} text
 * @param {string} [label] What it does.
 */
export function command(text, label = '') {
  const button = h(
    'button',
    {
      class: 'button small',
      type: 'button',
      'aria-label': `Copy: ${text}`,
      on: { click: () => void copy(text, text) },
    },
    'Copy',
  );
  return h(
    'div',
    { class: 'step' },
    label && h('div', { class: 'step-label' }, label),
    h('div', { class: 'command' }, h('code', { tabindex: '0' }, text), button),
  );
}

/**
 * A panel in the middle of a view.
 * @param {string} title
 * @param {...(import('../draw/dom.js').Child)} children
 */
export function panel(title, ...children) {
  return h('div', { class: 'panel' }, h('div', { class: 'panel-box' }, h('h2', null, title), children));
}

/** @param {Context} context */
export function createPanels(context) {
  const { feed } = context;
  const cover = h('div', { class: 'cover', role: 'alert', hidden: true });
  byId('view').append(cover);
  const strip = away(context);
  let ended = '';
  feed.onStatus((status) => {
    const now = status.state === 'ended' ? `${status.code} ${status.why}` : '';
    if (now !== ended) {
      ended = now;
      cover.hidden = !now;
      fill(cover, now && endedPanel(context, status));
      if (now && !status.code) void explain(status);
    }
    strip(status);
  });
  // The end of a stream has no status code. The next request tells whether the session or the right is gone.
  const explain = async (/** @type {Status} */ status) => {
    const failure = await feed.stats().then(
      () => null,
      (error) => error,
    );
    const code = failure?.status;
    if (cover.hidden || (code !== 401 && code !== 403)) return;
    fill(cover, endedPanel(context, { ...status, code }));
  };
}

/** @param {Context} context @param {Status} status */
function endedPanel({ feed }, { code, why }) {
  const again = h(
    'p',
    null,
    h('button', { class: 'button', type: 'button', on: { click: () => feed.retry() } }, 'Try again'),
  );
  if (code === 401) {
    return panel(
      'You are signed out',
      h(
        'p',
        null,
        'Sign in with a one-time link: run this command on the machine of the agent, as the user whose ' +
          'rights you want, and open the link that it prints. Then return to this page.',
      ),
      command('pulse-tail --web'),
      again,
    );
  }
  if (code === 403) {
    return panel(
      'No right to follow events',
      h('p', null, `The agent says: ${why}`),
      h('p', null, 'Its operator grants the right in pulsed.toml, for example to a group:'),
      command('[[access]]\ntag = "*"\nsend = ["*"]\ntail = ["@adm"]'),
      h('p', null, 'Or sign in as a user who has the right:'),
      command('pulse-tail --web'),
      again,
    );
  }
  return panel(
    'The agent ended the stream',
    h('p', null, why || 'It gave no reason.'),
    h('p', null, 'If you were signed out, this command prints a link that signs you in:'),
    command('pulse-tail --web'),
    again,
  );
}

/**
 * The line below the view while the agent is away. What was drawn stays.
 * @param {Context} context
 * @returns {(status: Status) => void}
 */
function away({ feed, announce }) {
  const text = h('span', { class: 'grow' });
  const retry = h(
    'button',
    { class: 'button small', type: 'button', on: { click: () => feed.retry() } },
    'Try now',
  );
  const element = h('div', { class: 'away', hidden: true }, text, retry);
  byId('view').append(element);
  let since = 0;
  let timer = 0;
  const show = () => {
    const { state, why, retryAt } = feed.status;
    if (state !== 'waiting' || Date.now() - since < AWAY_MS) return;
    const left = retryAt ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
    const when = left > 0 ? `Next attempt in ${duration(left)}.` : 'Trying again.';
    setText(
      text,
      `The agent does not answer${why ? `: ${why}` : ''}. ${when} ` +
        'What is shown stays, and the stream resumes where it stopped.',
    );
    if (element.hidden) announce('The agent does not answer. Trying again.');
    element.hidden = false;
  };
  return ({ state }) => {
    if (state === 'waiting' || (state === 'connecting' && since)) {
      since ||= Date.now();
      timer ||= window.setInterval(show, 500);
    } else {
      since = 0;
      clearInterval(timer);
      timer = 0;
      element.hidden = true;
    }
  };
}

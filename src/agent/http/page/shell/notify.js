// @ts-check
/**
 * Notifications of the browser for a MATCH, if the reader asks for them. They come while the page is out of
 * sight, at most one in {@link QUIET_MS}; events in between are counted in the next one.
 */
import { h, setText } from '../draw/dom.js';
import { visible } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */

/** The shortest time between two notifications, in milliseconds. */
export const QUIET_MS = 10_000;

/** The longest text of a notification, in characters. */
const TEXT_MAX = 200;

const KEY = 'pulse.notify';

/**
 * @param {Context} context
 * @returns {{ open(): void, on(): boolean }}
 */
export function createNotify(context) {
  let match = read();
  let stop = () => {};
  const subscribe = (/** @type {(why: string) => void} */ refused) => {
    stop();
    stop = () => {};
    if (match === null || !('Notification' in window) || Notification.permission !== 'granted') return;
    const show = collect();
    // No old rows: only what happens from now on is worth a notification.
    stop = context.feed.subscribe({ events: { match, lines: 0, rate: 20 } }, (message) => {
      if ('error' in message) refused(message.error.why);
      else if ('seq' in message && document.hidden) show(message);
    });
  };
  subscribe(() => {});
  const dialog = createDialog(context, {
    get: () => match,
    set(next, refused) {
      match = next;
      write(next);
      subscribe(refused);
    },
  });
  return { open: dialog, on: () => match !== null && Notification.permission === 'granted' };
}

/** Shows the first event at once, and then one for all that came within {@link QUIET_MS}. */
function collect() {
  let last = -QUIET_MS;
  let waiting = 0;
  let timer = 0;
  /** @type {EventLine | null} */
  let newest = null;
  const flush = () => {
    timer = 0;
    last = performance.now();
    if (!newest) return;
    const more = waiting > 1 ? ` (and ${waiting - 1} more)` : '';
    const text = visible(newest.msg ?? '', TEXT_MAX);
    // One tag: the tabs of one browser replace each other's notification.
    const note = new Notification(`${newest.level} · ${newest.tag}${more}`, { body: text, tag: 'pulse' });
    note.onclick = () => window.focus();
    waiting = 0;
    newest = null;
  };
  return (/** @type {EventLine} */ event) => {
    newest = event;
    waiting++;
    if (!timer) timer = window.setTimeout(flush, Math.max(0, last + QUIET_MS - performance.now()));
  };
}

/**
 * @param {Context} context
 * @param {{ get(): string | null, set(match: string | null, refused: (why: string) => void): void }} setting
 * @returns {() => void} Opens the dialog.
 */
function createDialog(context, setting) {
  const input = h('input', {
    class: 'text-field',
    id: 'notify-match',
    type: 'text',
    spellcheck: 'false',
    autocomplete: 'off',
    'aria-describedby': 'notify-help notify-error',
  });
  const error = h('p', { class: 'field-error', id: 'notify-error', role: 'alert' });
  const off = h('button', { class: 'button', type: 'button' }, 'Turn off');
  const on = h('button', { class: 'button primary', type: 'submit' }, 'Notify me');
  const form = h(
    'form',
    { class: 'dialog-body', method: 'dialog' },
    h('label', { for: 'notify-match' }, 'MATCH'),
    input,
    h(
      'p',
      { class: 'field-help', id: 'notify-help' },
      'As in the filter: level>=err, or tag=shop.* took>2s. This browser notifies you while the page ' +
        'is out of sight, at most every 10 seconds.',
    ),
    error,
    h('div', { class: 'dialog-actions' }, off, on),
  );
  const close = h(
    'button',
    { class: 'button small', type: 'button', on: { click: () => dialog.close() } },
    'Close',
  );
  const dialog = h(
    'dialog',
    { class: 'dialog', 'aria-labelledby': 'notify-title' },
    h('div', { class: 'dialog-head' }, h('h2', { id: 'notify-title' }, 'Notifications'), close),
    form,
  );
  document.body.append(dialog);

  off.addEventListener('click', () => {
    setting.set(null, () => {});
    dialog.close();
    context.toast('Notifications are off');
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const why = await accept(context, input.value.trim());
    setText(error, why);
    if (why) return;
    setting.set(input.value.trim(), (refused) => context.toast(`Notifications: ${refused}`));
    dialog.close();
    context.toast('Notifications are on while this page is open');
  });
  return () => {
    input.value = setting.get() ?? (context.state.get().match || 'level>=err');
    off.hidden = setting.get() === null;
    setText(error, '');
    dialog.showModal();
    input.select();
  };
}

/**
 * Checks a MATCH, and asks for the browser's permission.
 * @param {Context} context @param {string} match
 * @returns {Promise<string>} What is wrong, or nothing.
 */
async function accept(context, match) {
  if (!('Notification' in window)) return 'This browser has no notifications.';
  const failure = await context.feed.check(match).catch(() => null);
  if (failure) return failure.why;
  const permission = await Notification.requestPermission();
  return permission === 'granted' ? '' : 'The browser does not allow notifications for this page.';
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string | null} match */
function write(match) {
  try {
    if (match === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, match);
  } catch {
    // Storage can be disabled. The setting then lasts as long as the page.
  }
}

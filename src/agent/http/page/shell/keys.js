// @ts-check
/**
 * The keyboard. The view in front gets a key first ({@link View.onKey}); what it does not use is for the
 * shell. Keys typed into a field, and keys that a focused control uses itself, are left alone.
 */
import { h } from '../draw/dom.js';
import { VIEWS } from './tabs.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').View} View */

/**
 * @typedef {object} Targets
 * @property {{ current(): View | null, focusView(): void }} tabs
 * @property {{ close(): boolean }} drawer
 * @property {{ focus(): void }} filter
 */

/** Every key, for the list that `?` shows. */
const HELP = /** @type {const} */ ([
  [['Space'], 'pause, and continue with what is new'],
  [['/'], 'filter'],
  [['1', '5'], 'Stream, Users, Queries, Errors, Stack'],
  [['j', 'k'], 'next and previous row (also ↓ ↑)'],
  [['Home', 'End'], 'newest and oldest row'],
  [['Enter'], 'open the row, and close it'],
  [['Esc'], 'close, leave the filter, leave the wall screen'],
  [['w'], 'wall screen'],
  [['?'], 'this list'],
]);

/** What takes typed text. */
const FIELDS = 'input, textarea, select, [contenteditable="true"]';

/** What uses Enter and the space bar itself. */
const CONTROLS = 'button, a[href], summary, [role="menuitem"], [role="option"]';

/**
 * @param {Context} context
 * @param {Targets} targets
 * @returns {{ help(): void }}
 */
export function createKeys(context, targets) {
  const dialog = helpDialog();
  const help = () => (dialog.open ? dialog.close() : dialog.showModal());
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(FIELDS)) return;
    if (document.querySelector('dialog[open]')) {
      if (event.key === '?' && dialog.open) dialog.close();
      return;
    }
    if ((event.key === 'Enter' || event.key === ' ') && target.closest(CONTROLS)) return;
    if (handle(event.key, context, targets, help)) event.preventDefault();
  });
  return { help };
}

/**
 * @param {string} key @param {Context} context @param {Targets} targets @param {() => void} help
 * @returns {boolean} `true` if the key did something.
 */
function handle(key, context, targets, help) {
  const { state } = context;
  if (key === 'Escape' && targets.drawer.close()) return true;
  if (targets.tabs.current()?.onKey?.(key)) return true;
  const view = VIEWS[Number(key) - 1];
  if (view) state.set({ view: view.name }, { push: true });
  else if (key === ' ') context.pause.toggle();
  else if (key === '/') targets.filter.focus();
  else if (key === '?') help();
  else if (key === 'w') toggleWall(context);
  else if (key === 'Escape' && state.get().wall) toggleWall(context);
  else return false;
  return true;
}

/**
 * Switches the wall screen: the Stack view without chrome, in full screen where the browser allows it.
 * @param {Context} context
 */
export function toggleWall({ state, toast }) {
  const wall = !state.get().wall;
  state.set(wall ? { view: 'stack', wall } : { wall }, { push: true });
  if (wall) {
    document.documentElement.requestFullscreen?.().catch(() => {});
    toast('Wall screen: Esc or w leaves it');
  } else if (document.fullscreenElement) {
    document.exitFullscreen().catch(() => {});
  }
}

function helpDialog() {
  const close = h(
    'button',
    { class: 'button small', type: 'button', on: { click: () => dialog.close() } },
    'Close',
  );
  const list = h(
    'dl',
    { class: 'keys' },
    HELP.flatMap(([keys, what]) => [
      h(
        'dt',
        null,
        keys.flatMap((key, i) => [i && keys[0] === '1' ? ' to ' : null, h('kbd', null, key)]),
      ),
      h('dd', null, what),
    ]),
  );
  const dialog = h(
    'dialog',
    { class: 'dialog', id: 'help', 'aria-labelledby': 'help-title' },
    h('div', { class: 'dialog-head' }, h('h2', { id: 'help-title' }, 'Keyboard'), close),
    h('div', { class: 'dialog-body' }, list),
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  // Until the next frame the closed dialog keeps the focus, and would get the next key.
  dialog.addEventListener('close', () => {
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && dialog.contains(focused)) focused.blur();
  });
  document.body.append(dialog);
  return dialog;
}

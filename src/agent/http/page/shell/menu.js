// @ts-check
/** The user's menu: theme, notifications, wall screen, keyboard, sign out. */
import { h, setText } from '../draw/dom.js';
import { visible } from '../draw/format.js';
import { toggleWall } from './keys.js';
import { createNotify } from './notify.js';
import { createPeriodDialog } from './period.js';

/** @typedef {import('../types.js').Context} Context */

const THEMES = ['auto', 'dark', 'light'];

/**
 * @param {Context} context
 * @returns {{ element: HTMLElement, setUser(name: string): void }}
 */
export function createMenu(context) {
  const notify = createNotify(context);
  const name = h('span', { class: 'name' }, '…');
  const who = h('strong', null, '…');
  const button = h(
    'button',
    {
      class: 'button',
      type: 'button',
      id: 'menu-button',
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      'aria-controls': 'menu',
      title: 'Theme, notifications, wall screen, sign out',
    },
    name,
    h('span', { 'aria-hidden': 'true' }, '▾'),
  );
  const notifyItem = item('Notifications…', () => notify.open());
  const menu = h(
    'div',
    { class: 'menu', id: 'menu', role: 'menu', 'aria-labelledby': 'menu-button', hidden: true },
    h('p', { class: 'menu-head', role: 'presentation' }, 'Signed in as ', who),
    themes(),
    h('div', { class: 'menu-line', role: 'separator' }),
    item('Past period…', createPeriodDialog(context)),
    notifyItem,
    item('Wall screen', () => toggleWall(context), 'w'),
    item('Keyboard', () => document.dispatchEvent(new KeyboardEvent('keydown', { key: '?' })), '?'),
    h('div', { class: 'menu-line', role: 'separator' }),
    item('Sign out', () => void signOut(context)),
  );
  const anchor = h('div', { class: 'menu-anchor' }, button, menu);
  openAndClose(anchor, button, menu, () => {
    setText(/** @type {Element} */ (notifyItem.lastElementChild), notify.on() ? 'on' : 'off');
  });
  const setUser = (/** @type {string} */ user) => {
    for (const element of [name, who]) setText(element, user ? visible(user, 40) : 'you');
  };
  return { element: anchor, setUser };
}

/** @param {string} label @param {() => void} act @param {string} [value] */
function item(label, act, value = '') {
  return h(
    'button',
    { class: 'menu-item', type: 'button', role: 'menuitem', tabindex: '-1', on: { click: act } },
    label,
    h('span', { class: 'value' }, value),
  );
}

function themes() {
  const read = () => {
    try {
      return localStorage.getItem('pulse.theme') ?? 'auto';
    } catch {
      return 'auto';
    }
  };
  const items = THEMES.map((theme) =>
    h(
      'button',
      {
        class: 'menu-item',
        type: 'button',
        role: 'menuitemradio',
        tabindex: '-1',
        data: { theme, keep: '' },
        on: { click: () => choose(theme) },
      },
      theme,
    ),
  );
  const mark = () => items.forEach((i) => i.setAttribute('aria-checked', String(i.dataset.theme === read())));
  const choose = (/** @type {string} */ theme) => {
    try {
      localStorage.setItem('pulse.theme', theme);
    } catch {
      // Storage can be disabled. The theme then follows the system.
    }
    dispatchEvent(new Event('pulse-theme'));
    mark();
  };
  mark();
  return h('div', { class: 'menu-group', role: 'group', 'aria-label': 'Theme' }, items);
}

/**
 * @param {HTMLElement} anchor @param {HTMLElement} button @param {HTMLElement} menu
 * @param {() => void} onOpen
 */
function openAndClose(anchor, button, menu, onOpen) {
  const items = () => /** @type {HTMLElement[]} */ ([...menu.querySelectorAll('.menu-item')]);
  /** @param {boolean} open @param {boolean} [focusButton] */
  const toggle = (open, focusButton = true) => {
    menu.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    if (open) {
      onOpen();
      items()[0].focus();
    } else if (focusButton) {
      button.focus();
    }
  };
  button.addEventListener('click', () => toggle(menu.hidden === true));
  menu.addEventListener('click', (event) => {
    const chosen = event.target instanceof Element && event.target.closest('.menu-item');
    if (chosen && !('keep' in /** @type {HTMLElement} */ (chosen).dataset)) toggle(false, false);
  });
  anchor.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' && menu.hidden) toggle(true);
    else if (menu.hidden) return;
    else if (event.key === 'Escape') toggle(false);
    else if (!moveFocus(event.key, items())) return;
    event.preventDefault();
    event.stopPropagation();
  });
  anchor.addEventListener('focusout', (event) => {
    const to = /** @type {FocusEvent} */ (event).relatedTarget;
    if (!menu.hidden && !(to instanceof Node && anchor.contains(to))) toggle(false, false);
  });
  addEventListener('pointerdown', (event) => {
    if (!menu.hidden && event.target instanceof Node && !anchor.contains(event.target)) toggle(false, false);
  });
}

/** @param {string} key @param {HTMLElement[]} items */
function moveFocus(key, items) {
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = {
    ArrowDown: at + 1,
    ArrowRight: at + 1,
    ArrowUp: at - 1,
    ArrowLeft: at - 1,
    Home: 0,
    End: items.length - 1,
  }[key];
  if (to === undefined) return false;
  items[(to + items.length) % items.length].focus();
  return true;
}

/** @param {Context} context */
async function signOut({ feed, toast }) {
  try {
    const response = await fetch('logout', { method: 'POST' });
    if (!response.ok) throw new Error(String(response.status));
    // The agent has ended the session; the next answer is 401, which shows how to sign in again.
    feed.retry();
  } catch {
    toast('Signing out failed: the agent did not answer');
  }
}

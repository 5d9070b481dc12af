// @ts-check
/** The drawer: one event with its fields and origin, beside whatever view it was chosen in. */
import { createDetail } from './detail.js';
import { byId, fill, h } from '../draw/dom.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */

/**
 * @param {Context} context
 * @returns {{ open(event: EventLine): void, close(): boolean }} `close` returns `false` if it was closed.
 */
export function createDrawer(context) {
  const slot = byId('drawer');
  /** @type {Element | null} */
  let before = null;
  const close = () => {
    if (!slot.firstChild) return false;
    fill(slot);
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    return true;
  };
  const open = (/** @type {EventLine} */ event) => {
    if (!slot.firstChild) before = document.activeElement;
    const button = h(
      'button',
      { class: 'button small', type: 'button', on: { click: close } },
      'Close ',
      h('kbd', null, 'Esc'),
    );
    const body = h('div', { class: 'drawer-body' }, createDetail(context, event, { whole: true }));
    fill(
      slot,
      h(
        'section',
        { class: 'drawer', 'aria-labelledby': 'drawer-title' },
        h('div', { class: 'drawer-head' }, h('h2', { id: 'drawer-title' }, 'Event'), button),
        body,
      ),
    );
    button.focus({ preventScroll: true });
  };
  context.state.on((now, then) => {
    if (now.view !== then.view) close();
  });
  return { open, close };
}

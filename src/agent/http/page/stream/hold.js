// @ts-check
/**
 * Holds the reader's place: while the stream is paused, scrolled, or in use (a row is open or focused, or
 * text is selected), rows stay where they are and new ones are counted.
 */
import { h, setText } from '../draw/dom.js';
import { number } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('./list.js').List} List */
/** @typedef {import('./store.js').Store} Store */

/** New rows are announced at most this often, in milliseconds. */
const ANNOUNCE_MS = 30_000;

/**
 * @param {Context} context @param {Store} store @param {List} list
 */
export function createHold(context, store, list) {
  let pressed = false;
  let held = false;
  let announced = -ANNOUNCE_MS;
  const count = h('span', { class: 'count' });
  const pill = h(
    'button',
    { class: 'new-pill', type: 'button', hidden: true, on: { click: () => release() } },
    h('span', { 'aria-hidden': 'true' }, '↑'),
    count,
  );

  const isSelecting = () => {
    const selection = getSelection();
    return (
      pressed || (selection !== null && !selection.isCollapsed && list.body.contains(selection.anchorNode))
    );
  };
  const update = () => {
    const next =
      context.pause.get() || !list.isAtTop || list.openKey !== '' || list.cursorKey !== '' || isSelecting();
    if (next && !held) list.capture();
    held = next;
    list.following = !held;
    if (held) store.pause();
    else store.resume();
  };
  const release = () => {
    getSelection()?.removeAllRanges();
    list.close();
    list.leave();
    list.toTop();
    context.pause.set(false);
    update();
    return true;
  };
  const show = () => {
    pill.hidden = !held || store.waiting === 0;
    if (pill.hidden) return;
    setText(count, `${number(store.waiting)} new`);
    if (performance.now() - announced < ANNOUNCE_MS) return;
    announced = performance.now();
    context.announce(`${number(store.waiting)} new events. Home shows them.`);
  };

  context.pause.on((on) => {
    if (on) update();
    else release();
    show();
  });
  list.body.addEventListener('pointerdown', (event) => {
    // A finger scrolls; only a mouse selects by dragging.
    if (event.button !== 0 || event.pointerType !== 'mouse') return;
    pressed = true;
    update();
  });
  for (const type of ['pointerup', 'pointercancel', 'blur']) {
    addEventListener(type, () => {
      if (!pressed) return;
      pressed = false;
      update();
    });
  }
  document.addEventListener('selectionchange', () => {
    if (list.element.isConnected) update();
  });
  return {
    pill,
    update,
    show,
    release,
    isHeld: () => held,
    reset() {
      store.resume();
      held = false;
      update();
    },
  };
}

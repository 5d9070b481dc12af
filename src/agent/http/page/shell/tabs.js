// @ts-check
/**
 * The tabs: loads a view's module when it is first shown, shows one view at a time, and shows its status
 * text.
 */
import { byId, fill, h, setText } from '../draw/dom.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').View} View */

/** The views in the order of their digits, which is the order of the tabs. */
export const VIEWS = /** @type {const} */ ([
  { name: 'stream', label: 'Stream', load: () => import('../stream/stream.js') },
  { name: 'users', label: 'Users', load: () => import('../users/users.js') },
  { name: 'queries', label: 'Queries', load: () => import('../queries/queries.js') },
  { name: 'errors', label: 'Errors', load: () => import('../queries/errors.js') },
  { name: 'stack', label: 'Stack', load: () => import('../stack/stack.js') },
]);

/** How often the status text is read, in milliseconds. */
const STATUS_MS = 500;

/** @typedef {{ tab: HTMLButtonElement, panel: HTMLElement, view: View | null }} Place */

/**
 * Builds the tabs and follows `state.view`.
 * @param {Context} context
 * @returns {{ current(): View | null, focusView(): void }}
 */
export function createTabs(context) {
  /** @type {Map<string, Place>} */
  const places = new Map();
  let shown = '';
  VIEWS.forEach((entry, index) => {
    const place = build(entry.name, entry.label, index + 1);
    place.tab.addEventListener('click', (event) => {
      context.state.set({ view: entry.name }, { push: true });
      // After a click the space bar is to pause, not to press the tab again. Presses by keyboard keep the
      // focus.
      if (event.detail > 0) place.panel.focus({ preventScroll: true });
    });
    places.set(entry.name, place);
    byId('tab-list').append(place.tab);
    byId('view').append(place.panel);
  });
  byId('tab-list').addEventListener('keydown', moveFocus);

  const current = () => places.get(shown)?.view ?? null;
  const show = async (/** @type {string} */ name) => {
    if (name === shown || !places.has(name)) return;
    current()?.hide();
    shown = name;
    for (const [other, { tab, panel }] of places) select(tab, panel, other === name);
    const place = /** @type {Place} */ (places.get(name));
    place.view ??= await load(name, place.panel, context);
    // The reader may have gone to another view while the module was loaded.
    if (shown === name) place.view?.show();
    setText(byId('status'), place.view?.status?.() ?? '');
  };
  context.state.on(() => void show(context.state.get().view));
  void show(context.state.get().view);
  setInterval(() => setText(byId('status'), current()?.status?.() ?? ''), STATUS_MS);
  return { current, focusView: () => places.get(shown)?.panel.focus({ preventScroll: true }) };
}

/** @param {string} name @param {string} label @param {number} digit @returns {Place} */
function build(name, label, digit) {
  const tab = h(
    'button',
    {
      class: 'tab',
      type: 'button',
      role: 'tab',
      id: `tab-${name}`,
      'aria-controls': `panel-${name}`,
      'aria-keyshortcuts': String(digit),
      tabindex: '-1',
      'aria-selected': 'false',
    },
    label,
    h('small', { 'aria-hidden': 'true' }, digit),
  );
  const panel = h('section', {
    class: 'view-panel',
    role: 'tabpanel',
    id: `panel-${name}`,
    'aria-labelledby': `tab-${name}`,
    hidden: true,
    tabindex: '-1',
  });
  return { tab, panel, view: null };
}

/** @param {HTMLElement} tab @param {HTMLElement} panel @param {boolean} on */
function select(tab, panel, on) {
  tab.setAttribute('aria-selected', String(on));
  tab.tabIndex = on ? 0 : -1;
  panel.hidden = !on;
}

/**
 * Loads and mounts a view. A module that fails to load leaves a message in its place, and the other views
 * work.
 * @param {string} name @param {HTMLElement} panel @param {Context} context
 * @returns {Promise<View | null>}
 */
async function load(name, panel, context) {
  const entry = VIEWS.find((view) => view.name === name);
  if (!entry) return null;
  try {
    const view = (await entry.load()).create(context);
    fill(panel, view.element);
    return view;
  } catch (error) {
    console.error(error);
    const again = h(
      'button',
      { class: 'button', type: 'button', on: { click: () => location.reload() } },
      'Reload',
    );
    const why = 'The agent may have been updated or stopped while this page was open.';
    fill(
      panel,
      h(
        'div',
        { class: 'panel' },
        h(
          'div',
          { class: 'panel-box' },
          h('h2', null, `${entry.label} could not be loaded`),
          h('p', null, why),
          again,
        ),
      ),
    );
    return null;
  }
}

/** @param {KeyboardEvent} event */
function moveFocus(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  const tabs = [...byId('tab-list').children].map((tab) => /** @type {HTMLElement} */ (tab));
  const at = tabs.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = Number.isFinite(step) ? (at + step + tabs.length) % tabs.length : step < 0 ? 0 : tabs.length - 1;
  tabs[to].focus();
  tabs[to].click();
  event.preventDefault();
  event.stopPropagation();
}

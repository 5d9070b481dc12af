// @ts-check
/** The start: builds state and feed, the header, the views and the keyboard, and connects them. */
import { byId, h } from './draw/dom.js';
import { createFeed } from './feed/feed.js';
import { addClause } from './filter/filter.js';
import { createFilterBox } from './filter/filter-box.js';
import { createDrawer } from './event/drawer.js';
import { createHeader } from './shell/header.js';
import { createKeys } from './shell/keys.js';
import { announce, toast } from './shell/notices.js';
import { createPanels } from './shell/panels.js';
import { createPause } from './shell/pause.js';
import { createPeriod } from './shell/period.js';
import { createState } from './state.js';
import { createTabs } from './shell/tabs.js';

/** @typedef {import('./types.js').Context} Context */

function start() {
  const state = createState();
  const feed = createFeed(state.get().host);
  // Everything that is shown is of other hosts then.
  state.on((now, before) => now.host !== before.host && location.reload());
  /** @type {Context} */
  const context = {
    state,
    feed,
    pause: createPause(),
    addClause(key, op, value) {
      const match = addClause(state.get().match, key, op, value);
      state.set({ match }, { push: true });
      toast(`Filter: ${match}`);
    },
    openRow: (event) => drawer.open(event),
    announce,
    toast,
  };
  const drawer = createDrawer(context);
  const filter = createFilterBox(context);
  byId('filter').append(filter.element);
  createHeader(context);
  createPeriod(context);
  const tabs = createTabs(context);
  createPanels(context);
  createKeys(context, { tabs, drawer, filter });
  followWall(context);
}

/**
 * The wall screen shows the view alone: CSS hides the rest.
 * @param {Context} context
 */
function followWall(context) {
  const { state } = context;
  const apply = () => document.body.classList.toggle('wall', state.get().wall);
  state.on(apply);
  apply();
  // Esc in full screen is the browser's and reaches no listener.
  document.addEventListener('fullscreenchange', () => {
    if (!document.fullscreenElement && state.get().wall) state.set({ wall: false });
  });
}

try {
  start();
} catch (error) {
  console.error(error);
  byId('view').replaceChildren(
    h(
      'p',
      { class: 'noscript' },
      'The monitor could not start in this browser. It needs a current Chromium, Firefox or Safari.',
    ),
  );
}

// @ts-check
/** The header: hosts, connection state, pause, the user's menu, and the tiles and the chart below. */
import { createAlerts } from './alerts.js';
import { byId, h, setText, svg } from '../draw/dom.js';
import { createHosts } from './hosts.js';
import { createMenu } from './menu.js';
import { createTiles } from './tiles.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').Stats} Stats */

/**
 * What a state of the connection is called, and its shape: the state must be readable without its colour.
 * @type {Record<string, { text: string, shape: () => SVGElement[] }>}
 */
const STATES = {
  live: {
    text: 'live',
    shape: () => [
      svg('circle', { cx: 7, cy: 7, r: 6.5, fill: 'currentColor', 'fill-opacity': 0.22 }),
      svg('circle', { cx: 7, cy: 7, r: 4, fill: 'currentColor' }),
    ],
  },
  connecting: { text: 'connecting', shape: ring },
  waiting: { text: 'reconnecting', shape: ring },
  ended: {
    text: 'ended',
    shape: () => [
      svg('path', {
        d: 'M3 3l8 8M11 3l-8 8',
        stroke: 'currentColor',
        'stroke-width': 2,
        'stroke-linecap': 'round',
      }),
    ],
  },
};

/**
 * Fills the header.
 * @param {Context} context
 */
export function createHeader(context) {
  const menu = createMenu(context);
  byId('top-right').append(connection(context), pauseButton(context), menu.element);
  const hosts = createHosts(context);
  const alerts = createAlerts(context, hosts.name);
  createTiles(context, (snapshot) => {
    alerts.note(snapshot);
    hosts.note(snapshot);
  });
  askAgent(context, (stats) => {
    hosts.show(stats);
    menu.setUser(stats.user ?? '');
    alerts.show();
  });
}

function ring() {
  return [
    svg('circle', {
      cx: 7,
      cy: 7,
      r: 5,
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': 2,
      'stroke-dasharray': '6 4',
      class: 'spin',
    }),
  ];
}

/** @param {Context} context */
function connection({ feed, announce }) {
  const lamp = svg('svg', { class: 'lamp', viewBox: '0 0 14 14', 'aria-hidden': 'true' });
  const text = h('span', { class: 'text' });
  const element = h('div', { class: 'connection' }, text);
  element.prepend(lamp);
  let before = '';
  feed.onStatus(({ state, why }) => {
    const { text: name, shape } = STATES[state];
    if (before !== state) {
      if (before && state !== 'connecting') announce(why ? `${name}: ${why}` : name);
      element.dataset.state = state;
      lamp.replaceChildren(...shape());
      before = state;
    }
    setText(text, name);
    element.title = why || (state === 'live' ? 'The agent pushes events as they happen' : '');
  });
  return element;
}

/** @param {Context} context */
function pauseButton({ pause, announce }) {
  const glyph = svg('svg', {
    class: 'glyph',
    viewBox: '0 0 10 11',
    'aria-hidden': 'true',
    fill: 'currentColor',
  });
  const text = h('span', { class: 'text' });
  const button = h(
    'button',
    {
      class: 'button pause',
      type: 'button',
      'aria-keyshortcuts': 'Space',
      on: { click: () => pause.toggle() },
    },
    text,
    h('span', { class: 'hint', 'aria-hidden': 'true' }, 'space'),
  );
  button.prepend(glyph);
  const show = () => {
    const on = pause.get();
    glyph.replaceChildren(svg('path', { d: on ? 'M1 0l9 5.5L1 11z' : 'M0 0h3.4v11H0zM6.6 0H10v11H6.6z' }));
    setText(text, on ? 'Go on' : 'Pause');
    button.setAttribute('aria-pressed', String(on));
  };
  pause.on((on) => {
    show();
    announce(on ? 'Paused' : 'Live');
  });
  show();
  return button;
}

/**
 * Passes on the figures of the agent once it answers. Asked again after a reconnect: the agent may be another version
 * by then.
 * @param {Context} context
 * @param {(stats: Stats) => void} show
 */
function askAgent({ feed }, show) {
  let before = '';
  feed.onStatus(async ({ state }) => {
    const live = state === 'live' && before !== 'live';
    before = state;
    if (!live) return;
    const stats = await feed.stats().catch(() => null);
    if (stats) show(stats);
  });
}

// @ts-check
/** Which hosts are shown: this machine, all that meet in the stream, or one of them. */
import { byId, fill, h, setText } from '../draw/dom.js';
import { age, number, visible } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').RatesSnapshot} RatesSnapshot */
/** @typedef {import('../types.js').Stats} Stats */

/** The pattern of all hosts. */
const ALL = '*';

/** Events that the stream does not have yet, from which on that is shown. At a full rate some are always on the way. */
const LAG_SHOWN = 1000;

/** The time between two looks at the lag, in milliseconds. */
const LOOK = 5_000;

/**
 * Shows the host in the header, or a choice of hosts if the agent knows of others.
 * @param {Context} context
 * @returns {{ show(stats: Stats): void, note(snapshot: RatesSnapshot): void, name(): string }}
 *   `name`: what is shown, `''` until the agent has said so
 */
export function createHosts(context) {
  const { state, feed } = context;
  const slot = byId('host');
  const lag = h('span', { class: 'host-lag', hidden: true });
  const select = h('select', {
    class: 'host-select',
    'aria-label': 'Hosts',
    on: { change: () => state.set({ host: select.value, since: '', until: '' }, { push: true }) },
  });
  let own = '';
  /** @type {string[]} */
  let others = [];
  document.body.classList.toggle('many-hosts', state.get().host !== '');

  const options = () => {
    const { host } = state.get();
    const listed = ['', ALL, ...others];
    if (!listed.includes(host)) listed.push(host);
    fill(
      select,
      listed.map((value) => h('option', { value, selected: value === host }, label(value, own))),
    );
  };

  const showLag = (/** @type {Stats} */ { nats }) => {
    if (!nats) return;
    const behind = nats.lag ?? 0;
    lag.hidden = !nats.trouble && behind < LAG_SHOWN;
    setText(lag, nats.trouble ? 'not forwarding' : `${number(behind)} not forwarded`);
    lag.title = nats.trouble ?? 'Events of this machine that the stream of all hosts does not have yet';
  };

  setInterval(async () => {
    if (!select.isConnected || document.hidden || feed.status.state !== 'live') return;
    const stats = await feed.stats().catch(() => null);
    if (stats) showLag(stats);
  }, LOOK);

  return {
    show(stats) {
      own = stats.host;
      slot.title = `pulsed ${stats.version} on ${stats.host}`;
      if (!stats.nats && state.get().host === '') {
        setText(slot, visible(own, 60));
        return;
      }
      options();
      if (!select.isConnected) fill(slot, [select, lag]);
      showLag(stats);
    },
    name() {
      const { host } = state.get();
      return own && (host ? label(host, own) : visible(own, 60));
    },
    note(snapshot) {
      if (state.get().host !== ALL || !select.isConnected) return;
      const names = snapshot.hosts.map((row) => row.host).sort();
      select.title = snapshot.hosts
        .map((row) => {
          const silent = (Date.parse(snapshot.time) - Date.parse(row.seen)) / 1000;
          return `${visible(row.host, 60)}: ${number(row.events)} events, the newest ${age(Math.max(0, silent))} ago`;
        })
        .join('\n');
      // An open choice must not change below the pointer.
      if (names.join() === others.join() || document.activeElement === select) return;
      others = names;
      options();
    },
  };
}

/** @param {string} host @param {string} own */
function label(host, own) {
  if (host === '') return `${visible(own, 60)} (this machine)`;
  return host === ALL ? 'All hosts' : visible(host, 60);
}

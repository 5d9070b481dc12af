// @ts-check
/** The Users view: who is active, what they just did, and a live trail of the requests of one of them. */

import { h, setText } from '../draw/dom.js';
import { age, clock, duration, fullTime, number, visible } from '../draw/format.js';
import { SLOW_SECONDS, exampleBox } from '../tables/examples.js';
import { Source, periodText } from '../tables/source.js';
import { spark, unknownMinutes } from '../draw/spark.js';
import { Table } from '../tables/table.js';
import { Trail, matchOf } from '../tables/trail.js';
import { claim, isOfUser, sender, subjectClause, subjectText, userClauses, userKey } from '../tables/who.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').UserRow} UserRow */
/** @typedef {import('../types.js').UsersSnapshot} UsersSnapshot */

/** The interval at which ages are updated, in milliseconds. */
const TICK_MS = 1000;

/** The most characters of a message and of a page in a cell. */
const TEXT_SHOWN = 160;

/** The state of the view. */
class Users {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    /** @type {UsersSnapshot | null} */
    this.snapshot = null;
    /** Claimed users by more than one verified sender, and the number of senders. @type {Map<string, number>} */
    this.shared = new Map();
    /** Minutes of the series before the view began. */
    this.unknown = 0;
    this.timer = 0;
    this.source = new Source(context, ['users'], {
      snapshot: (snapshot) => this.receive(/** @type {UsersSnapshot} */ (snapshot)),
      note: (text) => this.showNote(text),
      restart: () => this.clear(),
    });
    this.table = new Table({
      label: 'Users',
      name: 'users',
      columns: this.columns(),
      key: userKey,
      sort: 'minute',
      title: (/** @type {UserRow} */ row) =>
        `${row.user ?? 'no claimed user'}, sent by ${subjectText(row.subject, row.login).name}`,
      detail: (row) => userDetail(context, row),
      pick: ({ key, op, value }) => context.addClause(key, op, value),
    });
    this.note = h('p', { class: 'view-note' });
    this.element = h('div', { class: 'view users-view' }, this.note, this.table.element);
  }

  /** @private @returns {import('../tables/table.js').Column<UserRow>[]} */
  columns() {
    return [
      {
        id: 'user',
        label: 'user',
        title: 'As the sender claims, in quotes. Without a claim, the verified login.',
        ascending: true,
        // The claim and the sender are the key, so that only the number of senders can change.
        value: (row) => this.shared.get(row.user ?? '') ?? 0,
        sort: (row) => (row.user ?? row.login ?? '').toLowerCase(),
        render: (cell, row) => this.drawUser(cell, row),
        pick: (row) =>
          row.user === undefined ? subjectClause(row.subject) : { key: 'user', op: '=', value: row.user },
      },
      {
        id: 'sender',
        label: 'sent by',
        title: 'The sender that the agent verified',
        ascending: true,
        value: (row) => row.login ?? 0,
        sort: (row) => subjectText(row.subject, row.login).name,
        render: (cell, row) =>
          cell.replaceChildren(
            h('button', { class: 'pick', type: 'button', tabindex: -1 }, sender(row.subject, row.login)),
          ),
        pick: (row) => subjectClause(row.subject),
      },
      {
        id: 'page',
        label: 'now at',
        ascending: true,
        value: (row) => row.page ?? '',
        text: (row) => visible(row.page ?? '', TEXT_SHOWN),
        sort: (row) => row.page ?? '',
        pick: (row) => (row.page === undefined ? null : { key: 'page', op: '=', value: row.page }),
      },
      {
        id: 'did',
        label: 'last did',
        value: (row) => `${row.tag} ${row.msg ?? ''}`,
        render: (cell, row) => {
          const tag =
            cell.firstElementChild ??
            cell.appendChild(h('button', { class: 'pick tag', type: 'button', tabindex: -1 }));
          const msg = cell.children[1] ?? cell.appendChild(h('span', { class: 'msg' }));
          setText(tag, visible(row.tag));
          setText(msg, visible(row.msg ?? '', TEXT_SHOWN));
        },
        pick: (row) => ({ key: 'tag', op: '=', value: row.tag }),
      },
      {
        id: 'seen',
        label: 'seen',
        end: true,
        live: true,
        value: (row) => this.seen(row),
        sort: (row) => row.seen,
        render: (cell, _row, value) => {
          setText(cell, String(value));
          cell.classList.toggle('is-now', value === 'now');
        },
      },
      {
        id: 'spark',
        label: 'events, 15 min',
        value: (row) => row.minutes.join(),
        render: (cell, row) => spark(cell, row.minutes, this.unknown),
        sort: (row) => row.events,
      },
      {
        id: 'minute',
        label: 'a minute',
        title: 'Events in the last minute',
        end: true,
        value: (row) => row.last_minute,
        text: (row) => number(row.last_minute),
        sort: (row) => row.last_minute,
      },
      {
        id: 'queries',
        label: 'queries',
        title: 'Events with a duration',
        end: true,
        value: (row) => row.queries,
        text: (row) => number(row.queries),
        sort: (row) => row.queries,
      },
      {
        id: 'slowest',
        label: 'slowest',
        end: true,
        value: (row) => row.slowest?.took ?? -1,
        sort: (row) => row.slowest?.took ?? -1,
        render: (cell, row) => {
          setText(cell, row.slowest?.took === undefined ? '' : duration(row.slowest.took));
          cell.classList.toggle('slow', (row.slowest?.took ?? 0) >= SLOW_SECONDS);
        },
      },
      {
        id: 'errors',
        label: 'errors',
        end: true,
        value: (row) => row.errors,
        sort: (row) => row.errors,
        render: (cell, row) => {
          setText(cell, number(row.errors));
          cell.classList.toggle('zero', row.errors === 0);
          cell.classList.toggle('error-text', row.errors > 0);
        },
      },
    ];
  }

  /** @private @param {HTMLElement} cell @param {UserRow} row */
  drawUser(cell, row) {
    const senders = this.shared.get(row.user ?? '') ?? 0;
    const name =
      row.user === undefined
        ? h(
            'span',
            { class: 'no-claim', title: 'The sender claims no user: this is the verified one' },
            visible(subjectText(row.subject, row.login).name),
          )
        : claim(row.user);
    cell.replaceChildren(
      h('button', { class: 'pick', type: 'button', tabindex: -1 }, name),
      ...(senders < 2
        ? []
        : [
            h(
              'span',
              {
                class: 'badge warn',
                title: `${senders} verified senders claim this user: look at "sent by"`,
              },
              `${senders} senders`,
            ),
          ]),
    );
  }

  /** @private @param {UserRow} row */
  seen(row) {
    if (this.source.isPast) return clock(row.seen).slice(0, 8);
    const seconds = (this.source.now(this.snapshot) - Date.parse(row.seen)) / 1000;
    return seconds < 2 ? 'now' : age(seconds);
  }

  /** @private @param {UsersSnapshot} snapshot */
  receive(snapshot) {
    this.snapshot = snapshot;
    this.unknown = unknownMinutes(snapshot, snapshot.users[0]?.minutes.length ?? 0);
    this.shared.clear();
    for (const { user } of snapshot.users) {
      if (user !== undefined) this.shared.set(user, (this.shared.get(user) ?? 0) + 1);
    }
    const { rest } = snapshot;
    const others =
      rest && rest.entries > 0
        ? `${number(rest.entries)} other users with ${number(rest.events)} events`
        : '';
    this.table.update(snapshot.users, others);
    this.showNote('');
  }

  /** @private @param {string} text */
  showNote(text) {
    const empty = this.snapshot?.users.length === 0 ? this.emptyText() : '';
    setText(this.note, text || (this.snapshot ? empty : 'Waiting for the first figures …'));
    this.note.hidden = this.note.textContent === '';
  }

  /** @private */
  emptyText() {
    const { match } = this.context.state.get();
    const when = this.snapshot ? periodText(this.snapshot, this.source.isPast) : '';
    return match
      ? `No user has events that match ${when}.`
      : `No user has sent an event ${when}. Give your events a field user: pulse-send -F user=ana "logged in".`;
  }

  /** @private */
  clear() {
    this.snapshot = null;
    this.table.clear();
  }

  show() {
    this.source.show();
    this.timer = window.setInterval(() => {
      if (!document.hidden && !this.context.pause.get()) this.table.tick();
    }, TICK_MS);
  }

  hide() {
    clearInterval(this.timer);
    this.source.hide();
    this.table.close();
  }

  status() {
    if (!this.snapshot) return '';
    const { users, rest } = this.snapshot;
    const all = users.length + (rest?.entries ?? 0);
    const when = periodText(this.snapshot, this.source.isPast);
    return `${number(all)} active ${when}${rest ? '' : ', of the tags you may follow'}`;
  }
}

/**
 * The figures, the slowest event and the trail of one user.
 * @param {Context} context
 * @param {UserRow} row
 * @returns {import('../tables/table.js').Detail<UserRow>}
 */
function userDetail(context, row) {
  const { name, verified } = subjectText(row.subject, row.login);
  const title =
    row.user === undefined
      ? `Requests of ${visible(name)}`
      : `Requests of “${visible(row.user)}”, sent by ${visible(name)}`;
  const trail = new Trail(context, {
    title,
    match: matchOf(context.state.get().match, userClauses(row)),
    accepts: (event) => isOfUser(event, row),
    near: row.seen,
  });
  const slowest = exampleBox(context, 'Slowest');
  const seen = h('span');
  const facts = h('p', { class: 'detail-facts' });
  const filters = h(
    'div',
    { class: 'detail-filters' },
    h('span', { class: 'detail-label' }, 'Filter by'),
    [
      row.user === undefined ? null : { key: 'user', op: '=', value: row.user },
      subjectClause(row.subject),
    ].map(
      (clause) =>
        clause &&
        h(
          'button',
          {
            class: 'button small',
            type: 'button',
            on: { click: () => context.addClause(clause.key, clause.op, clause.value) },
          },
          `${clause.key}=${visible(clause.value, 40)}`,
        ),
    ),
  );
  const warning =
    !verified && h('p', { class: 'detail-warning' }, 'The agent could not verify who sent these events.');
  const element = h(
    'div',
    { class: 'detail-body' },
    h('div', { class: 'detail-top' }, filters, facts, seen),
    warning,
    slowest.element,
    trail.element,
  );
  return {
    element,
    update(now) {
      setText(
        facts,
        `${number(now.events)} events · ${number(now.queries)} queries · ${number(now.errors)} errors · seen ${clock(now.seen)}`,
      );
      facts.title = fullTime(now.seen);
      slowest.update(matchOf('', userClauses(now)), now.slowest);
    },
    close: () => trail.close(),
  };
}

/**
 * @param {Context} context
 * @returns {import('../types.js').View}
 */
export function create(context) {
  const view = new Users(context);
  return {
    element: view.element,
    show: () => view.show(),
    hide: () => view.hide(),
    onKey: (key) => view.table.onKey(key),
    status: () => view.status(),
  };
}

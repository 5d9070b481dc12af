import assert from 'node:assert/strict';
import test from 'node:test';

import { createLag } from '../../../src/agent/http/page/shell/lag.js';
import { createPause } from '../../../src/agent/http/page/shell/pause.js';
import { gapText, plainText } from '../../../src/agent/http/page/event/row.js';
import { createRuns } from '../../../src/agent/http/page/stream/runs.js';

/** @typedef {import('../../../src/agent/http/page/types.js').EventLine} EventLine */
/** @typedef {import('../../../src/agent/http/page/types.js').GapLine} GapLine */

const TIME = '2026-11-27T13:00:05.123456Z';

/** @param {Partial<EventLine>} [more] @returns {EventLine} */
function event(more = {}) {
  return { seq: 7, time: TIME, host: 'web1', tag: 'shop.query', level: 'info', ...more };
}

/** @param {Partial<GapLine['gap']>} gap @returns {GapLine} */
function gap(gap) {
  return { gap: { after: 1, before: 9, why: 'restart', ...gap }, time: TIME, host: 'web1' };
}

test('a row as text is one line with tabs between its columns', () => {
  const row = event({ msg: 'one\ntwo\tthree', took: 0.0405, fields: { user: 'ana', req: 'r1' } });
  const text = plainText({ kind: 'event', key: 'x-7', seq: 7, cursor: 'x-7', event: row });
  const columns = text.split('\t');
  assert.equal(text.includes('\n'), false);
  assert.deepEqual(columns.slice(1), ['info', 'shop.query', 'ana', 'r1', '40.5 ms', 'one␊two␉three']);
});

test('text for the clipboard shows control characters', () => {
  const text = plainText({
    kind: 'event',
    key: 'x-7',
    seq: 7,
    cursor: 'x-7',
    event: event({ msg: '\u001b[31m\u202e' }),
  });
  assert.equal(/[\u001b\u202e]/.test(text), false);
});

test('gaps say what is lost', () => {
  assert.match(gapText(gap({ why: 'retention', lost: 1007 })), /^1,007 events lost · retention/);
  assert.match(gapText(gap({ why: 'rate', lost: 1 })), /^1 event lost/);
  assert.match(gapText(gap({})), /^events may be missing · restart/);
  assert.match(gapText(gap({ lost: 0 })), /^agent started · nothing lost/);
  assert.match(gapText(gap({ why: 'clock', lost: 0 })), /^clock stepped back · nothing lost/);
});

test('pause tells each change once', () => {
  const pause = createPause();
  /** @type {boolean[]} */
  const seen = [];
  const stop = pause.on((on) => seen.push(on));
  pause.set(true);
  pause.set(true);
  pause.toggle();
  stop();
  pause.toggle();
  assert.deepEqual(seen, [true, false]);
  assert.equal(pause.get(), true);
});

test('lag ignores clocks that differ and one late message', () => {
  let now = 1_000_000;
  const lag = createLag(() => now);
  assert.equal(lag.seconds(), null);
  const skew = -50_000;
  const tell = (/** @type {number} */ late) => {
    now += 1000;
    lag.note(new Date(now + skew - late).toISOString());
  };
  for (const late of [5, 5, 900, 5]) tell(late);
  assert.ok(/** @type {number} */ (lag.seconds()) < 0.02);
  for (const late of [3000, 3000, 3000]) tell(late);
  assert.ok(Math.abs(/** @type {number} */ (lag.seconds()) - 3) < 0.1);
});

test('lag grows while nothing comes, and is unknown for a past period', () => {
  let now = 1_000_000;
  const lag = createLag(() => now);
  lag.note(new Date(now).toISOString());
  now += 1400;
  assert.equal(lag.seconds(), 0);
  now += 5100;
  assert.equal(lag.seconds(), 5);
  lag.note('');
  assert.equal(lag.seconds(), null);
});

test('a run is marked by the running view, and by its begin until the view knows it', () => {
  /** @type {(message: any) => void} */
  let tell = () => {};
  const shown = { since: '', until: '', match: '' };
  const context = /** @type {any} */ ({
    state: { get: () => shown, on: () => () => {} },
    feed: {
      now: () => Date.parse(TIME) + 60_000,
      subscribe(/** @type {any} */ _, /** @type {(message: any) => void} */ on) {
        tell = on;
        return () => {};
      },
    },
  });
  const runs = createRuns(context, () => {});
  runs.show();
  const begin = (/** @type {string} */ run, time = TIME) => event({ run, time, origin: { conn: 3 } });
  assert.equal(runs.state(event()), '');
  assert.equal(runs.state(begin('old')), 'begun');
  const row = (/** @type {string} */ run, /** @type {string} */ state) => ({
    host: 'web1',
    conn: 3,
    run,
    state,
  });
  const rows = [row('a', 'running'), row('b', 'unknown'), row('c', 'abandoned')];
  tell({ view: 'running', time: '2026-11-27T13:00:10Z', runs: rows });
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((run) => runs.state(begin(run))),
    ['running', 'unknown', 'begun', 'begun'],
  );
  assert.equal(runs.state(begin('d', '2026-11-27T13:00:11Z')), 'running');
  assert.equal(runs.state(event({ run: 'a', took: 1 })), '');
  shown.since = TIME;
  assert.equal(runs.state(begin('a')), 'begun');
});

import assert from 'node:assert/strict';
import test from 'node:test';

import { RATE_MAX, ROWS_MAX, Store } from '../../../src/agent/http/page/stream/store.js';
import { randomFrom } from './random.js';

/** @param {number} seq */
const event = (seq) =>
  /** @type {any} */ ({ seq, time: '2026-11-22T17:32:05Z', host: 'h', tag: 't', level: 'info' });

/** A store whose clock and frames the test controls. */
function create() {
  let time = 0;
  /** @type {(() => void)[]} */
  const frames = [];
  const store = new Store({ schedule: (run) => frames.push(run), now: () => time });
  /** @type {any[]} */
  const changes = [];
  store.on((change) => changes.push(change));
  return {
    store,
    changes,
    push: (/** @type {number} */ seq, log = 'a') => store.push(event(seq), `${log}-${seq}`),
    elapse: (/** @type {number} */ ms) => {
      time += ms;
    },
    frame: () => frames.splice(0).forEach((run) => run()),
    seqs: () => store.rows.map((row) => row.seq),
  };
}

test('keeps rows in order, each once', () => {
  const { push, seqs } = create();
  for (const seq of [3, 1, 2, 3, 5, 1, 4]) push(seq);
  assert.deepEqual(seqs(), [1, 2, 3, 4, 5]);
});

test('rows of a newer log follow those of an older one', () => {
  const { push, store } = create();
  push(9000, 'a');
  push(1, 'b');
  push(2, 'b');
  push(9001, 'a');
  assert.deepEqual(
    store.rows.map((row) => row.cursor),
    ['a-9000', 'a-9001', 'b-1', 'b-2'],
  );
});

test('draws gaps and skipped rows in place, ignores progress and errors', () => {
  const { push, store } = create();
  push(1);
  store.push({ gap: { after: 1, before: 5, lost: 3, why: 'rate' }, time: '', host: 'h' }, 'a-4');
  push(5);
  store.push({ skipped: 7, at: 'a-12' }, 'a-12');
  store.push({ at: 'a-20' }, 'a-20');
  store.push({ error: { code: 64, why: 'x' } }, '');
  push(21);
  assert.deepEqual(
    store.rows.map((row) => `${row.kind} ${row.seq}`),
    ['event 1', 'gap 4', 'event 5', 'skipped 12', 'event 21'],
  );
});

test('joins skipped rows that follow each other, under one key', () => {
  const { push, store } = create();
  push(1);
  store.push({ skipped: 7, at: 'a-12' }, 'a-12');
  store.push({ skipped: 3, at: 'a-19' }, 'a-19');
  const [, row] = store.rows;
  assert.deepEqual(row, { kind: 'skipped', key: 'skipped a-12', seq: 19, cursor: 'a-19', count: 10 });
  assert.equal(store.rows.length, 2);
});

test('keeps the newest rows up to the bound', () => {
  const { push, store } = create();
  for (let seq = 1; seq <= ROWS_MAX; seq += 1) push(seq);
  assert.equal(store.rows.length, ROWS_MAX);
});

test('beyond the bound the oldest rows go', () => {
  const { push, store, seqs, elapse } = create();
  for (let seq = 1; seq <= ROWS_MAX * 2; seq += 1) {
    push(seq);
    elapse(10);
    assert.ok(store.rows.length <= ROWS_MAX);
  }
  assert.equal(seqs().at(-1), ROWS_MAX * 2);
  assert.ok(store.rows.length > ROWS_MAX - 200);
});

test('beyond the rate, rows are counted', () => {
  const { push, store, elapse } = create();
  let seq = 0;
  for (let i = 0; i < ROWS_MAX; i += 1) push((seq += 1));
  for (let i = 0; i < 1000; i += 1) push((seq += 1));
  const last = store.rows[store.rows.length - 1];
  assert.deepEqual([last.kind, last.kind === 'skipped' && last.count], ['skipped', 1000]);
  elapse(1000);
  for (let i = 0; i < 1000; i += 1) push((seq += 1));
  const shown = store.rows.filter((row) => row.kind === 'event' && row.seq > ROWS_MAX + 1000);
  assert.equal(shown.length, RATE_MAX);
});

test('pause holds the rows and counts what is new; resume shows it', () => {
  const { push, store, seqs } = create();
  push(1);
  store.pause();
  push(2);
  store.push({ skipped: 10, at: 'a-12' }, 'a-12');
  push(13);
  push(13);
  assert.deepEqual(seqs(), [1]);
  assert.equal(store.waiting, 12);
  store.resume();
  assert.deepEqual(seqs(), [1, 2, 12, 13]);
  assert.equal(store.waiting, 0);
  push(14);
  assert.deepEqual(seqs(), [1, 2, 12, 13, 14]);
});

test('a long pause is bounded, counts exactly, and shows where rows are missing', () => {
  const { push, store, elapse } = create();
  push(1);
  store.pause();
  for (let seq = 2; seq <= 20_001; seq += 1) {
    push(seq);
    elapse(10);
  }
  assert.equal(store.waiting, 20_000);
  store.resume();
  assert.ok(store.rows.length <= ROWS_MAX);
  const counted = store.rows.reduce(
    (sum, row) => sum + (row.kind === 'event' ? 1 : row.kind === 'skipped' ? row.count : 0),
    0,
  );
  assert.ok(counted <= 20_001);
  assert.equal(store.rows[store.rows.length - 1].seq, 20_001);
});

test('prepends older pages, without repeats', () => {
  const { push, store, seqs } = create();
  push(10);
  push(11);
  store.prepend([
    event(7),
    { gap: { after: 7, before: 9, lost: 1, why: 'rate' }, time: '', host: '' },
    event(9),
    event(10),
  ]);
  assert.deepEqual(seqs(), [7, 8, 9, 10, 11]);
  store.prepend([]);
  store.prepend([event(6), event(7)]);
  assert.deepEqual(seqs(), [6, 7, 8, 9, 10, 11]);
  assert.equal(store.rows[0].cursor, 'a-6');
});

test('while paused, older pages push newer rows out, and forward brings them back', () => {
  const { push, store, seqs } = create();
  for (let seq = 6001; seq <= 6000 + ROWS_MAX; seq += 1) push(seq);
  store.pause();
  push(6001 + ROWS_MAX);
  store.prepend(Array.from({ length: 500 }, (_, i) => event(5501 + i)));
  assert.equal(store.rows.length, ROWS_MAX);
  assert.deepEqual([seqs()[0], seqs().at(-1)], [5501, 5500 + ROWS_MAX]);
  assert.equal(store.waiting, 1, 'rows that were seen are not new');
  assert.ok(store.forward(200));
  assert.equal(seqs().at(-1), 5700 + ROWS_MAX);
  assert.ok(store.rows.length <= ROWS_MAX);
  while (store.forward(200));
  assert.equal(seqs().at(-1), 6000 + ROWS_MAX, 'the new row waits');
  store.resume();
  const all = seqs();
  assert.equal(all.at(-1), 6001 + ROWS_MAX);
  assert.ok(all.every((seq, i) => i === 0 || seq === all[i - 1] + 1));
});

test('fills a skipped row', () => {
  const { push, store, seqs } = create();
  push(1);
  store.push({ skipped: 5, at: 'a-6' }, 'a-6');
  push(7);
  store.fill(store.rows[1], [event(2), event(3)]);
  assert.deepEqual(
    store.rows.map((row) => (row.kind === 'skipped' ? `+${row.count}` : row.seq)),
    [1, 2, 3, '+3', 7],
  );
  store.fill(store.rows[3], [event(4), event(5), event(6)]);
  assert.deepEqual(seqs(), [1, 2, 3, 4, 5, 6, 7]);
});

test('notifies once a frame, with what changed', () => {
  const { push, store, changes, frame } = create();
  push(5);
  push(6);
  store.prepend([event(4)]);
  frame();
  frame();
  assert.equal(changes.length, 1);
  assert.deepEqual([changes[0].appended, changes[0].prepended, changes[0].reset], [2, 1, false]);
  store.clear();
  push(1);
  frame();
  assert.deepEqual([changes[1].reset, changes[1].appended, store.rows.length], [true, 1, 1]);
});

test('clear keeps the pause and forgets what waited', () => {
  const { push, store } = create();
  store.pause();
  push(1);
  store.clear();
  assert.deepEqual([store.paused, store.waiting], [true, 0]);
  store.resume();
  assert.equal(store.rows.length, 0);
});

test('rows stay sorted and unique, and nothing is lost unseen, whatever happens', () => {
  const random = randomFrom(3);
  for (let round = 0; round < 8; round += 1) {
    const { push, store, elapse } = create();
    let next = 20_000;
    let older = next;
    for (let step = 0; step < 400; step += 1) {
      const what = random(10);
      elapse(1000);
      if (what < 4) for (let i = random(300); i >= 0; i -= 1) push((next += 1));
      else if (what === 4) store.push({ skipped: random(9) + 1, at: `a-${(next += 10)}` }, `a-${next}`);
      else if (what === 5 && store.rows.length > 0) {
        const again = store.rows[random(store.rows.length)];
        if (again.kind === 'event') push(again.seq);
      } else if (what === 6) store.pause();
      else if (what === 7) store.resume();
      else if (what === 8 && store.rows.length > 0) {
        older = store.rows[0].seq;
        store.prepend(
          Array.from({ length: Math.min(older - 1, 100) }, (_, i) =>
            event(older - Math.min(older - 1, 100) + i),
          ),
        );
      } else store.forward(100);
      assert.ok(store.rows.length <= ROWS_MAX);
      for (let i = 1; i < store.rows.length; i += 1) {
        const [a, b] = [store.rows[i - 1], store.rows[i]];
        assert.ok(
          a.seq < b.seq || (a.seq === b.seq && a.kind !== 'skipped' && b.kind === 'skipped'),
          `${a.key} ${b.key}`,
        );
        // Between two events that stand side by side nothing is missing.
        if (a.kind === 'event' && b.kind === 'event') assert.equal(b.seq, a.seq + 1);
      }
      assert.equal(new Set(store.rows.map((row) => row.key)).size, store.rows.length);
    }
  }
});

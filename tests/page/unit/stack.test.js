// The stack: what lands where, what is counted, what is bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Column, BAR_MS, SPACE } from '../../../src/agent/http/page/stack/column.js';
import { FLIGHTS_COLUMN_MAX, FLIGHTS_MAX } from '../../../src/agent/http/page/stack/flights.js';
import { BAR, EVENT, GAP, INFO, LAYERS_MAX, Layers, REST, TONES, WARN, barHeight, heightOf, toneOf }
  from '../../../src/agent/http/page/stack/layers.js';
import { StackModel } from '../../../src/agent/http/page/stack/model.js';
import { HangingRuns, HANGING_MAX } from '../../../src/agent/http/page/stack/runs.js';
import { KEYS_MAX, KEY_CHARS_MAX, Tallies, Tally, columnOf, distribute } from '../../../src/agent/http/page/stack/tally.js';

const NOW = 1_000_000;
const FRAME = 1 / 60;

let seq = 0;

/** An event. @returns {any} */
function event(more = {}) {
  seq += 1;
  return { seq, time: '2026-11-22T17:32:05.123456Z', host: 'web1', tag: 'shop.query', level: 'info', msg: 'query', ...more };
}

/** A model of 1,200 x 600 pixels. */
function stack(width = 1200) {
  const model = new StackModel();
  model.clear('tag');
  model.resize(width, 600);
  return model;
}

/**
 * Runs frames for some seconds. Returns the time after them.
 * @param {StackModel} model @param {number} now @param {number} seconds
 */
function run(model, now, seconds) {
  for (let t = 0; t < seconds; t += FRAME) model.step(now + t * 1000, FRAME, false);
  return now + seconds * 1000;
}

/** All events that lie in a column. @param {Column} column */
function total({ layers }) {
  let sum = 0;
  for (let i = 0; i < layers.length; i++) sum += layers.count[layers.at(i)];
  return sum;
}

test('heights grow with the logarithm of duration and count', () => {
  assert.equal(heightOf(undefined), 5);
  assert.equal(heightOf(-1), 5);
  assert.ok(heightOf(0.001) < heightOf(0.1) && heightOf(0.1) < heightOf(10));
  assert.equal(heightOf(1e9), 56);
  assert.ok(Math.abs(barHeight(1000, 0) - barHeight(100, 0) - 8) < 1e-9);
  assert.equal(barHeight(1e300, 1e9), 90);
});

test('levels have tones, an unknown level is info', () => {
  assert.equal(TONES[toneOf('emerg')], 'err');
  assert.equal(TONES[toneOf('warning')], 'warn');
  assert.equal(toneOf('shout'), INFO);
});

test('a ring of blocks drops the oldest and keeps the worst example of a bar', () => {
  const layers = new Layers();
  for (let i = 0; i < LAYERS_MAX + 10; i++) layers.push(EVENT, INFO, i, 0);
  assert.equal(layers.length, LAYERS_MAX);
  assert.equal(layers.height[layers.at(0)], 10);
  const place = layers.push(BAR, INFO, 5, 0);
  layers.add(place, INFO, 1, event({ took: 0.5 }));
  const bad = event({ level: 'err', took: 0.1 });
  layers.add(place, 0, 1, bad);
  layers.add(place, INFO, 1, event({ took: 9 }));
  assert.equal(layers.event[place], bad);
  assert.equal(layers.count[place], 3);
  assert.equal(layers.longest[place], 9);
  assert.equal(layers.tone[place], 0);
});

test('an event falls, lands once and settles', () => {
  const model = stack();
  model.event(event({ took: 0.04 }), NOW, true);
  const [column] = model.columns;
  assert.equal(model.flights.flying, 1);
  assert.equal(column.layers.length, 0);
  model.step(NOW + 100, FRAME, false);
  assert.equal(model.flights.flying, 1, 'still in the air after 100 ms');
  assert.equal(model.calm, false);
  const now = run(model, NOW + 116, 6);
  assert.equal(model.flights.flying, 0);
  assert.equal(column.layers.length, 1);
  assert.ok(Math.abs(column.content - heightOf(0.04) - SPACE) < 1e-3);
  model.step(now, FRAME, false);
  assert.equal(model.calm, true, 'nothing moves any more');
});

test('with reduced motion events are in their place after one frame', () => {
  const model = stack();
  model.event(event(), NOW, true);
  model.step(NOW, FRAME, true);
  assert.equal(model.flights.flying, 0);
  assert.equal(total(model.columns[0]), 1);
  assert.equal(model.columns[0].alpha, 1);
  assert.equal(model.columns[0].jolt, 0);
});

test('a burst becomes bars, and no event is lost in them', () => {
  const model = stack();
  for (let i = 0; i < 5000; i++) model.event(event({ took: 0.002, level: i % 100 ? 'info' : 'debug' }), NOW + i, false);
  const [column] = model.columns;
  const { layers } = column;
  assert.equal(total(column), 5000);
  assert.ok(layers.length < 100, `${layers.length} blocks`);
  let debug = 0;
  for (let i = 0; i < layers.length; i++) debug += layers.mix[layers.at(i) * TONES.length + 4];
  assert.equal(debug, 50);
});

test('an error, a slow event and the end of a run stand out of bars', () => {
  const column = new Column();
  column.reset(null, NOW, 600);
  for (let i = 0; i < 200; i++) column.landEvent(event({ took: 0.002 }), INFO, NOW, 600);
  const before = column.layers.length;
  column.landEvent(event({ level: 'err' }), 0, NOW, 600);
  column.landEvent(event({ took: 3 }), INFO, NOW, 600);
  column.landEvent(event({ run: 'r1', took: 1, abandoned: true }), WARN, NOW, 600);
  assert.equal(column.layers.length, before + 3);
  assert.equal(column.layers.abandoned[column.layers.at(before + 2)], 1);
});

test('a bar takes events for a short time only', () => {
  const column = new Column();
  column.reset(null, NOW, 600);
  column.landCount(57, REST, NOW, 600);
  column.landCount(3, REST, NOW + BAR_MS - 1, 600);
  column.landCount(5, REST, NOW + BAR_MS, 600);
  assert.deepEqual([0, 1].map((i) => column.layers.count[column.layers.at(i)]), [60, 5]);
});

test('a full column sinks smoothly and lets the oldest blocks go', () => {
  const model = stack();
  let now = NOW;
  for (let i = 0; i < 400; i++) {
    model.event(event({ took: 1 }), now, true);
    now = run(model, now, 0.1);
  }
  const [column] = model.columns;
  const before = column.level;
  model.step(now, FRAME, false);
  assert.ok(Math.abs(column.level - before) < 30);
  now = run(model, now, 5);
  assert.ok(column.level <= 600 * 0.8 + 1, `${column.level}`);
  assert.ok(column.content < 700);
});

test('columns by the busiest keys, the rest in one, positions stable', () => {
  const model = stack(420); // five columns
  assert.equal(model.room, 5);
  for (let key = 0; key < 20; key++) {
    for (let i = 0; i <= 20 - key; i++) model.event(event({ tag: `t${key}` }), NOW, false);
  }
  model.step(NOW, FRAME, false);
  assert.equal(model.columns.length, 5);
  assert.equal(model.columns.at(-1), model.rest);
  assert.deepEqual(model.columns.slice(0, 4).map(({ tally }) => tally?.key), ['t0', 't1', 't2', 't3']);
  const sum = model.columns.reduce((count, column) => count + total(column), 0);
  assert.equal(sum, 230);
  // A key that becomes busy gets a column, with its blocks; the others stay.
  for (let i = 0; i < 200; i++) model.event(event({ tag: 't9' }), NOW + 25_000, false);
  run(model, NOW + 25_000, 2);
  const keys = model.columns.slice(0, 4).map(({ tally }) => tally?.key);
  assert.ok(keys.includes('t9'), keys.join());
  assert.deepEqual(keys.filter((key) => key !== 't9'), ['t0', 't1', 't2']);
});

test('columns are bounded by the width', () => {
  for (const [width, most] of [[10, 1], [360, 4], [1440, 13], [100_000, 24]]) {
    const model = stack(width);
    for (let key = 0; key < 100; key++) model.event(event({ tag: `t${key}` }), NOW, false);
    model.step(NOW, FRAME, true);
    assert.equal(model.columns.length, most, `${width}`);
  }
});

test('a narrower stack retires its weakest columns, and they go', () => {
  const model = stack(1440);
  for (let key = 0; key < 10; key++) model.event(event({ tag: `t${key}` }), NOW, false);
  model.resize(300, 600);
  run(model, NOW + 1000, 3);
  assert.equal(model.columns.length, 3);
  assert.equal(model.leaving.length, 0);
  assert.ok(model.pool.length >= 7);
});

test('blocks in the air are bounded, and the rest lands at once', () => {
  const model = stack();
  for (let i = 0; i < 5000; i++) model.event(event({ tag: `t${i % 11}` }), NOW, true);
  assert.ok(model.flights.flying <= FLIGHTS_MAX);
  assert.ok(model.columns.every((column) => column.flying <= FLIGHTS_COLUMN_MAX));
  run(model, NOW, 4);
  assert.equal(model.columns.reduce((count, column) => count + total(column), 0), 5000);
});

test('skipped events are shared by exact counts, and none is lost or invented', () => {
  const model = stack();
  model.event(event({ tag: 'a' }), NOW, false);
  model.event(event({ tag: 'b' }), NOW, false);
  model.share(new Map([['a', 100], ['b', 100], ['c', 7]]), NOW, false);
  for (let i = 0; i < 10; i++) model.event(event({ tag: 'a' }), NOW, false);
  model.skipped(991, NOW);
  model.share(new Map([['a', 1000], ['b', 201], ['c', 7]]), NOW + 900, false);
  const counts = Object.fromEntries(model.columns.map((column) => [column.tally?.key, total(column)]));
  assert.deepEqual(counts, { a: 1 + 10 + 890, b: 1 + 101 });
  assert.equal(model.tallies.all.lastMinute(NOW / 1000 + 1), 12 + 991);
});

test('skipped events are shared by what was shown, if counts are late or lag', () => {
  const late = stack();
  for (let i = 0; i < 4; i++) late.event(event({ tag: i ? 'a' : 'b' }), NOW, false);
  late.skipped(400, NOW);
  run(late, NOW, 1);
  assert.equal(total(late.columns[0]) + total(late.columns[1]), 4, 'waits for counts');
  run(late, NOW + 1000, 3);
  assert.equal(late.columns.reduce((count, column) => count + total(column), 0), 404);
  const lagging = new Tallies();
  const [a, b] = ['a', 'b'].map((key) => lagging.get(key, null, 1));
  lagging.share(new Map([['a', 5], ['b', 5]]), 1);
  for (let i = 0; i < 10; i++) lagging.show(a, 1);
  lagging.owe(1000, 1);
  assert.deepEqual(lagging.share(new Map([['a', 5], ['b', 9]]), 2), [[a, 1000]]);
  assert.equal(b.lastMinute(2), 0);
});

test('distribute keeps the sum', () => {
  assert.deepEqual(distribute(10, [1, 1, 1]), [4, 3, 3]);
  assert.deepEqual(distribute(1, [0, 5, 0]), [0, 1, 0]);
  assert.deepEqual(distribute(7, [0, 0]), [0, 0]);
  for (let n = 0; n < 50; n++) {
    const weights = Array.from({ length: n + 1 }, (_, i) => (i * 7919) % 13);
    const expected = weights.some(Boolean) ? n * 31 : 0;
    assert.equal(distribute(n * 31, weights).reduce((a, b) => a + b, 0), expected);
  }
});

test('a minute is counted by seconds', () => {
  const tally = new Tally('a', null);
  for (let s = 100; s < 200; s++) tally.add(2, s + 0.5);
  assert.equal(tally.lastMinute(199.9), 120);
  assert.equal(tally.lastMinute(229), 60);
  assert.equal(tally.lastMinute(1000), 0);
});

test('keys are bounded', () => {
  const tallies = new Tallies();
  for (let i = 0; i < 10 * KEYS_MAX; i++) tallies.show(tallies.get(`user${i}`, null, i), i);
  assert.ok(tallies.byKey.size <= KEYS_MAX);
  assert.ok(tallies.byKey.has(`user${10 * KEYS_MAX - 1}`));
});

test('column keys: tag, claimed user, else verified user, page', () => {
  const full = event({ fields: { user: 7, page: '/cart' }, origin: { user: 'www-data' } });
  assert.deepEqual(columnOf(full, 'tag'), { key: 'shop.query', clause: { key: 'tag', op: '=', value: 'shop.query' } });
  assert.deepEqual(columnOf(full, 'user'), { key: '7', clause: { key: 'user', op: '=', value: '7' } });
  assert.equal(columnOf(full, 'page').key, '/cart');
  assert.deepEqual(columnOf(event({ origin: { user: 'root' } }), 'user').clause, { key: '_user', op: '=', value: 'root' });
  assert.deepEqual(columnOf(event(), 'page'), { key: '', clause: null });
  const long = columnOf(event({ fields: { page: 'x'.repeat(70_000) } }), 'page');
  assert.equal(long.key.length, KEY_CHARS_MAX);
  assert.equal(long.clause, null);
  assert.equal(columnOf(event({ fields: { page: '__proto__' } }), 'page').key, '__proto__');
});

test('a gap crosses all columns', () => {
  const model = stack();
  for (const tag of ['a', 'b', 'c']) model.event(event({ tag }), NOW, false);
  model.gap('7 events are missing', NOW, true);
  const heights = new Set(Array.from({ length: 3 }, (_, i) => model.flights.list[i].y));
  assert.equal(heights.size, 1, 'one line');
  run(model, NOW, 2);
  for (const { layers } of model.columns) {
    const top = layers.at(layers.length - 1);
    assert.equal(layers.kind[top], GAP);
    assert.equal(layers.text[top], '7 events are missing');
    assert.equal(layers.count[top], 0);
  }
});

/** A row of the running view. @returns {any} */
function row(more = {}) {
  return { state: 'running', age: 12, begun: '2026-11-22T17:32:05Z', tag: 'shop.query', run: 'r1', host: 'web1', conn: 4, subject: { uid: 0 }, ...more };
}

test('a run hangs until its end comes, and falls from there', () => {
  const model = stack();
  const runs = new HangingRuns();
  runs.update([row(), row({ run: 'r2', age: 0.1 }), row({ run: 'r3', state: 'abandoned' })], 2, NOW);
  assert.deepEqual(runs.list.map((run) => run.row.run), ['r1'], 'short and abandoned ones do not hang');
  for (let i = 0; i < 120; i++) runs.layout(model, NOW + i * 16, FRAME, false);
  const [hanging] = runs.list;
  assert.ok(hanging.alpha > 0.9 && hanging.y >= 0);
  assert.equal(runs.end(event({ run: 'r1', took: 12, origin: { conn: 5 } }), NOW), undefined, 'of another connection');
  const from = runs.end(event({ run: 'r1', took: 12, origin: { conn: 4 } }), NOW);
  assert.equal(from, hanging.y);
  // A snapshot that is older than the end does not bring it back.
  runs.update([row()], 1, NOW + 500);
  assert.equal(runs.list.length, 0);
  runs.update([row()], 1, NOW + 5000);
  assert.equal(runs.list.length, 1);
});

test('a run that is gone from the snapshot fades, and hanging runs are bounded', () => {
  const model = stack();
  const runs = new HangingRuns();
  const many = Array.from({ length: 500 }, (_, i) => row({ run: `r${i}` }));
  runs.update(many, 500, NOW);
  runs.layout(model, NOW, FRAME, true);
  assert.equal(runs.list.length, HANGING_MAX);
  assert.equal(runs.more.get(model.columns[0]), HANGING_MAX - 3);
  runs.update([], 0, NOW + 1000);
  assert.ok(runs.list.length > 0, 'fades');
  for (let i = 0; i < 200; i++) runs.layout(model, NOW + 1000 + i * 16, FRAME, false);
  assert.equal(runs.list.length, 0);
});

test('events of very many users keep everything bounded', () => {
  const model = stack();
  model.by = 'user';
  for (let i = 0; i < 200_000; i++) {
    model.event(event({ fields: { user: `u${i}` } }), NOW + i, i % 3 === 0);
    if (i % 1000 === 0) model.step(NOW + i, FRAME, false);
  }
  assert.ok(model.tallies.byKey.size <= KEYS_MAX);
  assert.ok(model.columns.length + model.leaving.length + model.pool.length <= 80);
  assert.ok(model.flights.list.length <= FLIGHTS_MAX);
});

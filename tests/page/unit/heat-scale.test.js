import assert from 'node:assert/strict';
import test from 'node:test';
import {
  boundsOf,
  describe,
  gridOf,
  rectOf,
  selection,
  strength,
  sumOf,
  timeOf,
} from '../../../src/agent/http/page/queries/heat-scale.js';

const NOW = Date.parse('2026-11-22T17:32:03.400Z');
const clock = (/** @type {number} */ time) => new Date(time).toISOString().slice(11, 19);

/** @param {[number, number][][]} columns */
const heat = (columns) => ({ step: 5, floor: 1e-5, per_decade: 4, columns });

test('places counts by time and duration', () => {
  const grid = gridOf(
    heat([
      [
        [12, 3],
        [13, 40],
      ],
      [],
    ]),
    NOW,
  );
  assert.equal(grid.columns, 2);
  assert.equal(grid.rows, 22);
  assert.equal(grid.max, 40);
  // The last column is the current one.
  assert.equal(clock(timeOf(grid, 1)), '17:32:00');
  assert.equal(clock(timeOf(grid, 0)), '17:31:55');
  const row = 12 - 4 + 1;
  assert.equal(grid.counts[row], 3);
  const [from, to] = boundsOf(grid, row);
  assert.ok(Math.abs(from - 0.01) < 1e-9 && Math.abs(to - 0.01778279) < 1e-7, `${from} ${to}`);
});

test('puts what is off the scale into the rows at its ends', () => {
  const grid = gridOf(
    heat([
      [
        [0, 1],
        [3, 2],
        [4, 5],
        [23, 7],
        [24, 11],
        [32, 13],
      ],
    ]),
    NOW,
  );
  assert.deepEqual([grid.counts[0], grid.counts[1], grid.counts[20], grid.counts[21]], [3, 5, 7, 24]);
  assert.deepEqual(boundsOf(grid, 0)[0], 0);
  assert.equal(boundsOf(grid, 21)[1], Infinity);
});

test('tolerates a heat map without columns', () => {
  const grid = gridOf(heat([]), NOW);
  assert.deepEqual([grid.columns, grid.max, grid.counts.length], [0, 0, 0]);
});

test('describes a cell and a rectangle', () => {
  const grid = gridOf(
    heat([
      [[12, 12]],
      [
        [12, 1],
        [13, 2],
      ],
    ]),
    NOW,
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 9, high: 9 }, clock),
    '12 events between 10 and 18 ms at 17:31:55',
  );
  assert.equal(
    describe(grid, { from: 0, to: 1, low: 9, high: 10 }, clock),
    '15 events between 10 and 32 ms from 17:31:55 to 17:32:05',
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 0, high: 0 }, clock),
    '0 events below 0.1 ms at 17:31:55',
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 21, high: 21 }, clock),
    '0 events of 10 s and more at 17:31:55',
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 0, high: 21 }, clock),
    '12 events of any duration at 17:31:55',
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 12, high: 13 }, clock),
    '0 events between 56 and 180 ms at 17:31:55',
  );
  assert.equal(
    describe(grid, { from: 0, to: 0, low: 15, high: 17 }, clock),
    '0 events between 320 ms and 1.8 s at 17:31:55',
  );
});

test('selects the events of a rectangle', () => {
  const grid = gridOf(heat([[], [], []]), NOW);
  const { clauses, since, until } = selection(grid, { from: 0, to: 1, low: 9, high: 17 });
  assert.deepEqual(
    clauses.map(({ key, op, value }) => key + op + value),
    ['took>=10ms', 'took<1.778s'],
  );
  assert.equal(since, '2026-11-22T17:31:50.000Z');
  assert.equal(until, '2026-11-22T17:32:00.000Z');
  const ends = selection(grid, { from: 0, to: 0, low: 0, high: 21 }).clauses;
  assert.deepEqual(
    ends.map(({ key, op, value }) => key + op + value),
    ['took>=0'],
  );
});

test('keeps a rectangle inside the grid', () => {
  const grid = gridOf(heat([[], []]), NOW);
  assert.deepEqual(rectOf(grid, { column: 9, row: -3 }, { column: -9, row: 99 }), {
    from: 0,
    to: 1,
    low: 0,
    high: 21,
  });
  assert.equal(sumOf(grid, { from: 0, to: 1, low: 0, high: 21 }), 0);
});

test('colours by the logarithm of the count', () => {
  assert.equal(strength(0, 100), 0);
  assert.equal(strength(100, 100), 1);
  assert.equal(strength(1, 1), 1);
  assert.ok(strength(1, 100) > 0.1 && strength(1, 100) < strength(10, 100));
});

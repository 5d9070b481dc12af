import assert from 'node:assert/strict';
import test from 'node:test';

import { covered, cursorAt, parse, seqOf } from '../../../src/agent/http/page/feed/cursor.js';
import { apply } from '../../../src/agent/http/page/feed/delta.js';

test('reads cursors', () => {
  assert.deepEqual(parse('7f3a9c21-1042'), { log: '7f3a9c21', seq: 1042, stream: false });
  for (const text of ['', '7f3a', '-5', 'a-', 'a-1x', 'a-b-1', 'a-99999999999999999'])
    assert.equal(parse(text), null, text);
});

test('reads and makes cursors of the stream of all hosts', () => {
  assert.deepEqual(parse('0b52e1d4-1042.3'), { log: '0b52e1d4', seq: 1042 * 4096 + 3, stream: true });
  assert.equal(cursorAt('0b52e1d4-1042.3', 1042 * 4096 + 4095), '0b52e1d4-1042.4095');
  assert.equal(cursorAt('0b52e1d4-0.0', 4096), '0b52e1d4-1.0');
  assert.equal(cursorAt('7f3a9c21-1042', 7), '7f3a9c21-7');
  assert.equal(cursorAt('', 7), '');
  assert.ok(covered('a-9.4095', 'a-10.0') && !covered('a-10.1', 'a-10.0'));
});

test('compares cursors of one log only', () => {
  assert.ok(covered('a-5', 'a-5'));
  assert.ok(covered('a-9', 'a-10'));
  assert.ok(!covered('a-11', 'a-10'));
  assert.ok(!covered('b-1', 'a-10'));
  assert.ok(!covered('', 'a-10'));
});

test('a gap stands at the last number that it covers', () => {
  assert.equal(seqOf(/** @type {any} */ ({ gap: { after: 1, before: 9 } })), 8);
  assert.equal(seqOf(/** @type {any} */ ({ seq: 3 })), 3);
});

const base = {
  view: 'queries',
  v: 4,
  shapes: ['a', 'b', 'c'].map((shape) => ({ shape })),
  errors: [],
  rate: 1,
};

test('a message without base is a snapshot', () => {
  assert.equal(apply(base, null), base);
});

test('a delta keeps rows of its base, and replaces everything else', () => {
  const delta = {
    view: 'queries',
    v: 5,
    base: 4,
    shapes: [[2, 1], { shape: 'd' }, [0, 2]],
    errors: [],
    heat: { columns: [[[1, 2]]] },
  };
  assert.deepEqual(apply(delta, base), {
    view: 'queries',
    v: 5,
    shapes: ['c', 'd', 'a', 'b'].map((shape) => ({ shape })),
    errors: [],
    heat: { columns: [[[1, 2]]] },
  });
});

test('a delta of another base or with a wrong range is refused', () => {
  assert.equal(apply({ v: 5, base: 3, shapes: [] }, base), null);
  assert.equal(apply({ v: 5, base: 4, shapes: [] }, null), null);
  for (const range of [[2, 2], [-1, 1], [0, -1], [0.5, 1], ['0', 1], [0], []]) {
    assert.equal(apply({ v: 5, base: 4, shapes: [range] }, base), null, JSON.stringify(range));
  }
});

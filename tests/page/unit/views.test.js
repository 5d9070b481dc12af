import assert from 'node:assert/strict';
import test from 'node:test';
import { isNewSince } from '../../../src/agent/http/page/queries/errors.js';
import { shapeMatch } from '../../../src/agent/http/page/tables/examples.js';
import { slowestOf } from '../../../src/agent/http/page/queries/queries.js';
import { LINES_MAX, REQUESTS_MAX, Requests } from '../../../src/agent/http/page/tables/requests.js';
import { runAge, runKey } from '../../../src/agent/http/page/queries/running.js';
import { lookAlike, shapeRegex } from '../../../src/agent/http/page/tables/shape.js';
import { slowerText } from '../../../src/agent/http/page/queries/shapes.js';
import { periodText } from '../../../src/agent/http/page/tables/source.js';
import { points, unknownMinutes } from '../../../src/agent/http/page/draw/spark.js';
import { held, sorted } from '../../../src/agent/http/page/tables/table-order.js';
import { matchOf } from '../../../src/agent/http/page/tables/trail.js';
import {
  claimedUser,
  isOfUser,
  subjectClause,
  subjectOf,
  subjectText,
  userClauses,
  userKey,
} from '../../../src/agent/http/page/tables/who.js';

/** @param {object} more @returns {import('../../../src/agent/http/page/types.js').EventLine} */
const event = (more) => ({
  seq: 1,
  time: '2026-11-22T17:32:05.000000Z',
  host: 'web1',
  tag: 'shop.query',
  level: 'info',
  msg: 'x',
  ...more,
});

test('tells users with the same claim apart', () => {
  const ana = (/** @type {any} */ subject) => userKey({ user: 'ana', subject });
  const keys = [
    ana({ uid: 33 }),
    ana({ uid: 3 }),
    ana({ token: '33' }),
    ana({ addr: '33' }),
    ana('unverified'),
    userKey({ subject: { uid: 33 } }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test('prefers the user fields in the order of the agent', () => {
  assert.equal(claimedUser(event({ fields: { user_id: 7, 'user.name': 'n', user: '' } })), 'n');
  assert.equal(claimedUser(event({ fields: { user: 0 } })), '0');
  assert.equal(claimedUser(event({ fields: { user: null } })), undefined);
  assert.equal(claimedUser(event({})), undefined);
});

test('reads the verified sender from the origin alone', () => {
  assert.deepEqual(subjectOf(event({ origin: { uid: 0, token: 'a' } })), { uid: 0 });
  assert.deepEqual(subjectOf(event({ origin: { addr: '10.0.0.1:9', token: 'a' } })), { token: 'a' });
  assert.deepEqual(subjectOf(event({ fields: { uid: 0 } })), 'unverified');
  assert.equal(subjectClause('unverified'), null);
  assert.deepEqual(subjectText({ uid: 33 }, 'www-data'), {
    name: 'www-data',
    detail: 'uid 33',
    verified: true,
  });
  assert.equal(subjectText({ addr: '10.0.0.1' }).verified, false);
});

test('selects the events of a user by claim and verified sender', () => {
  const row = { user: 'ana b', subject: { uid: 33 } };
  const match = matchOf('tag=shop.*', userClauses(row));
  assert.equal(match.split(' + ').length, 4);
  assert.ok(match.startsWith('tag=shop.* user="ana b" _uid=33 + '), match);
  assert.equal(
    matchOf('', userClauses({ subject: { token: 't' } })),
    'user!~. user.id!~. user.name!~. user_id!~. _token=t',
  );
  assert.ok(isOfUser(event({ fields: { user: 'ana b' }, origin: { uid: 33 } }), row));
  assert.ok(!isOfUser(event({ fields: { user: 'ana b' }, origin: { uid: 0 } }), row));
  assert.ok(!isOfUser(event({ fields: { user: 'bob', 'user.id': 'ana b' }, origin: { uid: 33 } }), row));
});

test('groups a trail by request and folds what looks alike', () => {
  const requests = new Requests();
  requests.add(event({ fields: { req: 'a', page: '/orders' }, msg: 'entered page' }));
  for (let i = 0; i < 57; i++)
    requests.add(event({ fields: { req: 'a' }, msg: `SELECT 1 FROM t WHERE id = ${i}`, took: 0.001 }));
  requests.add(event({ fields: { req: 'b' }, level: 'err' }));
  requests.add(event({ fields: { req: 'a' }, msg: 'left' }));
  const [b, a] = requests.list;
  assert.deepEqual([a.req, a.page, a.events, a.queries, a.errors], ['a', '/orders', 59, 57, 0]);
  assert.ok(Math.abs(a.took - 0.057) < 1e-9);
  assert.deepEqual(
    a.lines.map((line) => line.count),
    [1, 57, 1],
  );
  assert.deepEqual([b.req, b.errors], ['b', 1]);
});

test('counts the begin of a request from its first query', () => {
  const requests = new Requests();
  requests.add(event({ fields: { req: 'a' }, took: 1.5 }));
  assert.equal(requests.list[0].to - requests.list[0].from, 1500);
  requests.add(event({ fields: { req: 'b' }, took: 99, abandoned: true }));
  assert.equal(requests.list[0].queries, 0);
});

test('bounds a trail', () => {
  const requests = new Requests();
  for (let i = 0; i < REQUESTS_MAX + 3; i++) requests.add(event({ fields: { req: `r${i}` } }));
  assert.deepEqual([requests.list.length, requests.dropped], [REQUESTS_MAX, 3]);
  for (let i = 0; i < LINES_MAX + 5; i++)
    requests.add(event({ fields: { req: 'long' }, msg: 'abcdefghij'.repeat(1 + (i % 2)) }));
  assert.deepEqual([requests.list[0].lines.length, requests.list[0].more], [LINES_MAX, 5]);
});

test('separates events without a request by time', () => {
  const requests = new Requests();
  for (const second of ['01', '02', '09'])
    requests.add(event({ time: `2026-11-22T17:32:${second}.000000Z` }));
  assert.deepEqual(
    requests.list.map((request) => request.events),
    [1, 2],
  );
});

test('writes a regular expression that matches the examples of a shape', () => {
  const shape = 'SELECT * FROM t1 WHERE a = ? AND b IN (…)';
  const regex = shapeRegex(shape, ["SELECT * FROM t1 WHERE a = 'x' AND b IN (1, 2)"]);
  assert.match('SELECT * FROM t1 WHERE a = 9 AND b IN (7)', new RegExp(regex, 's'));
  assert.doesNotMatch('SELECT * FROM t2 WHERE a = 9 AND b IN (7)', new RegExp(regex, 's'));
  assert.match('a /* why */ b', new RegExp(shapeRegex('a b', ['a /* why */ b']), 's'));
  assert.equal(shapeRegex('a b', ['c']), '');
  assert.equal(shapeRegex('', ['']), '');
  // A shape that may be truncated ends before its last word.
  const long = `${'word '.repeat(50)}${'x'.repeat(6)}`;
  assert.ok(shapeRegex(long, [`${long}yz`]) !== '');
});

test('narrows the MATCH in force to a shape', () => {
  const row = { tag: 'shop.query', shape: 'query took ?', newest: { time: '', msg: 'query took 40ms' } };
  assert.equal(shapeMatch('level=info', row), 'level=info tag=shop.query msg~query\\s+took\\s+.*');
});

test('masks numbers and quoted text', () => {
  assert.equal(lookAlike("a = 'x 1' and b = 2.5"), lookAlike('a = "y" and b = 17'));
  assert.notEqual(lookAlike('a 1'), lookAlike('b 1'));
});

test('sorts stably in both directions', () => {
  const rows = [
    { k: 'a', n: 1 },
    { k: 'b', n: 2 },
    { k: 'c', n: 1 },
  ];
  assert.deepEqual(
    sorted(rows, (row) => row.n, true).map((row) => row.k),
    ['a', 'c', 'b'],
  );
  assert.deepEqual(
    sorted(rows, (row) => row.n, false).map((row) => row.k),
    ['b', 'a', 'c'],
  );
});

test('holds rows in place and appends new ones', () => {
  const places = new Map([
    ['b', 0],
    ['gone', 1],
    ['a', 2],
  ]);
  assert.deepEqual(
    held(['new', 'a', 'b', 'newer'], (row) => row, places),
    ['b', 'a', 'new', 'newer'],
  );
});

test('draws the current minute as a dot', () => {
  const { line, dot } = points([0, 8, 4]);
  assert.equal(line, '2,16 50,2');
  assert.deepEqual(dot, [98, 9]);
  assert.equal(points([1, 1, 1], 2).line, '');
  assert.deepEqual(points([]), { line: '', dot: null });
});

test('does not draw minutes before the view began', () => {
  const at = (/** @type {string} */ from) =>
    unknownMinutes({ time: '2026-11-22T17:32:05Z', from: `2026-11-22T${from}Z` }, 15);
  assert.deepEqual([at('17:32:01'), at('17:31:59'), at('17:18:00'), at('16:00:00')], [14, 13, 0, 0]);
  assert.equal(unknownMinutes({ time: '2026-11-22T17:32:05Z' }, 15), 0);
});

test('says which time a snapshot covers', () => {
  const time = '2026-11-22T17:32:05Z';
  assert.match(
    periodText({ time, from: '2026-11-22T17:31:05Z' }, false),
    /^since \d\d:\d\d:05, when this view began$/,
  );
  assert.equal(periodText({ time, from: '2026-11-22T17:00:00Z' }, false), 'in the last 15 minutes');
  assert.equal(periodText({ time }, false), 'in the last 15 minutes');
  assert.equal(periodText({ time }, true), 'in this period');
});

test('counts ages of runs in tenths below a minute', () => {
  assert.deepEqual([-1, 0, 4.29, 59.99, 61].map(runAge), ['0.0 s', '0.0 s', '4.2 s', '59.9 s', '1 m 01 s']);
});

test('tells runs of the same name apart', () => {
  /** @type {any} */
  const run = { host: 'a', run: 'r', begun: 't', conn: 1 };
  assert.notEqual(runKey(run), runKey({ ...run, conn: 2 }));
  assert.notEqual(runKey(run), runKey({ ...run, conn: undefined }));
});

test('says how much slower a shape became', () => {
  assert.equal(slowerText({ p95: 0.112, before: 0.047 }), '2.4× slower than before');
  assert.equal(slowerText({ p95: 1, before: 0 }), 'far slower than before');
});

test('lists the slowest examples first', () => {
  const row = (/** @type {number} */ took) => /** @type {any} */ ({ slowest: { time: '', took, msg: '' } });
  const rows = [row(1), row(3), /** @type {any} */ ({}), row(2)];
  assert.deepEqual(
    slowestOf(rows).map((one) => one.slowest?.took),
    [3, 2, 1],
  );
});

test('marks only errors that are new since the last look', () => {
  const first = '2026-11-22T17:32:05Z';
  assert.equal(isNewSince({ first }, 0), false);
  assert.equal(isNewSince({ first }, Date.parse(first) - 1), true);
  assert.equal(isNewSince({ first }, Date.parse(first)), false);
});

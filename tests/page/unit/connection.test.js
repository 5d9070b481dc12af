import assert from 'node:assert/strict';
import test, { afterEach, beforeEach, mock } from 'node:test';

import {
  BACKOFF_MAX,
  BACKOFF_MIN,
  Connection,
  SILENCE_MAX,
  backoff,
  retryAfter,
  why,
} from '../../../src/agent/http/page/feed/connection.js';

/**
 * @typedef {object} Request
 * @property {string} url
 * @property {AbortSignal} signal
 * @property {(response: Response) => void} answer
 * @property {(error: Error) => void} fail
 */

/** A server: each request waits until the test answers it. */
class Server {
  /** @type {Request[]} */
  requests = [];

  /** @type {typeof fetch} */
  fetch = (url, init) =>
    new Promise((answer, fail) => {
      const signal = /** @type {AbortSignal} */ (init?.signal);
      signal.addEventListener('abort', () => fail(new DOMException('aborted', 'AbortError')));
      this.requests.push({ url: String(url), signal, answer, fail });
    });

  get last() {
    return this.requests[this.requests.length - 1];
  }

  /** Answers the last request with a stream. */
  accept() {
    /** @type {ReadableStreamDefaultController<Uint8Array>} */
    let controller = /** @type {any} */ (null);
    const body = new ReadableStream({
      start(c) {
        controller = c;
      },
    });
    this.last.signal.addEventListener('abort', () => {
      try {
        controller.error(new DOMException('', 'AbortError'));
      } catch {
        /* closed */
      }
    });
    this.last.answer(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
    return {
      send: (/** @type {string} */ text) => controller.enqueue(new TextEncoder().encode(text)),
      close: () => controller.close(),
      break: () => controller.error(new TypeError('network error')),
    };
  }

  /**
   * @param {number} status
   * @param {string} body
   * @param {Record<string, string>} [headers]
   */
  refuse(status, body, headers = {}) {
    this.last.answer(
      new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } }),
    );
  }
}

/** Lets promises settle; they need no timers. */
async function settle() {
  for (let i = 0; i < 20; i += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}

/** @type {Server} */
let server;
/** @type {Connection} */
let connection;
/** @type {import('../../../src/agent/http/page/types.js').Status[]} */
let statuses;
/** @type {string[]} */
let data;
/** @type {string|null} */
let url;
/** Sleep: added to the wall clock. */
let slept = 0;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1e12 });
  server = new Server();
  [statuses, data, url, slept] = [[], [], 'http://agent/feed', 0];
  connection = new Connection({
    url: () => url,
    onFrames: (frames) => data.push(...frames.map((frame) => frame.data)),
    onStatus: (status) => statuses.push(status),
    fetch: server.fetch,
    now: () => Date.now() + slept,
    random: () => 0.5,
  });
});

afterEach(() => {
  connection.stop();
  mock.timers.reset();
});

/**
 * Time passes in steps, as for timers in a browser.
 * @param {number} ms
 */
function elapse(ms) {
  for (; ms > 0; ms -= 1000) mock.timers.tick(Math.min(ms, 1000));
}

const states = () => statuses.map((status) => status.state);

test('reads frames and reports that it lives', async () => {
  connection.restart();
  const stream = server.accept();
  stream.send(': hello\n\ndata: 1\n\nda');
  await settle();
  stream.send('ta: 2\n\n');
  await settle();
  assert.deepEqual(data, ['1', '2']);
  assert.deepEqual(states(), ['live']);
});

test('reconnects after a broken and after a closed connection', async () => {
  connection.restart();
  server.accept().break();
  await settle();
  assert.equal(connection.status.state, 'waiting');
  elapse(BACKOFF_MIN);
  assert.equal(server.requests.length, 2);
  server.accept().close();
  await settle();
  assert.equal(connection.status.state, 'waiting');
  elapse(BACKOFF_MAX);
  assert.equal(server.requests.length, 3);
});

test('the backoff doubles, has bounds, and begins again after a stable connection', async () => {
  assert.equal(backoff(0, 0), BACKOFF_MIN);
  for (let n = 0; n < 100; n += 1) {
    for (const random of [0, 0.3, 0.999]) {
      const delay = backoff(n, random);
      assert.ok(delay >= BACKOFF_MIN && delay <= BACKOFF_MAX, `${n} ${random} ${delay}`);
    }
  }
  assert.ok(backoff(20, 0) >= BACKOFF_MAX / 2);
  const delays = [];
  connection.restart();
  for (let n = 0; n < 8; n += 1) {
    server.last.fail(new TypeError('refused'));
    await settle();
    const delay = /** @type {number} */ (connection.status.retryAt) - Date.now();
    delays.push(delay);
    mock.timers.tick(delay);
  }
  assert.deepEqual(delays, [500, 750, 1500, 3000, 6000, 11250, 11250, 11250]);
  const stream = server.accept();
  await settle();
  elapse(6000);
  stream.close();
  await settle();
  assert.equal(/** @type {number} */ (connection.status.retryAt) - Date.now(), 500);
});

test('waits as long as retry asks for', async () => {
  connection.restart();
  const stream = server.accept();
  stream.send('retry: 7000\n\n');
  stream.close();
  await settle();
  elapse(6999);
  assert.equal(server.requests.length, 1);
  elapse(500);
  assert.equal(server.requests.length, 2);
});

test('is dead after silence, but not while heartbeats come', async () => {
  connection.restart();
  const stream = server.accept();
  await settle();
  for (let i = 0; i < 10; i += 1) {
    elapse(15_000);
    stream.send(': hb\n\n');
    await settle();
  }
  assert.equal(connection.status.state, 'live');
  elapse(SILENCE_MAX + 5000);
  assert.equal(connection.status.state, 'waiting');
  assert.match(connection.status.why, /nothing heard/);
  assert.ok(server.requests[0].signal.aborted);
});

test('an attempt that gets no answer is given up', async () => {
  connection.restart();
  elapse(SILENCE_MAX + 5000);
  assert.equal(connection.status.state, 'waiting');
});

test('reconnects at once after sleep', async () => {
  connection.restart();
  server.accept();
  await settle();
  slept += 3_600_000;
  elapse(5000);
  assert.equal(server.requests.length, 2);
});

test('reconnects at once after sleep while it waited', async () => {
  connection.restart();
  for (let n = 0; n < 6; n += 1) {
    server.last.fail(new TypeError('refused'));
    await settle();
    if (n < 5) elapse(15_000);
  }
  const before = server.requests.length;
  slept += 3_600_000;
  elapse(5000);
  assert.equal(server.requests.length, before + 1);
});

test('a clock that is set back ends nothing', async () => {
  connection.restart();
  const stream = server.accept();
  await settle();
  slept -= 3_600_000;
  elapse(15_000);
  stream.send(': hb\n\n');
  await settle();
  elapse(15_000);
  assert.equal(connection.status.state, 'live');
  assert.equal(server.requests.length, 1);
});

test('wake tries at once while waiting, and reconnects when the network was away', async () => {
  connection.restart();
  server.last.fail(new TypeError('refused'));
  await settle();
  connection.wake();
  assert.equal(server.requests.length, 2);
  server.accept();
  await settle();
  connection.wake();
  assert.equal(server.requests.length, 2, 'a connection that lives is left alone');
  connection.wake(true);
  assert.equal(server.requests.length, 2, 'so is one that was made just now');
  elapse(3000);
  connection.wake(true);
  connection.wake(true);
  assert.equal(server.requests.length, 3);
});

test('a frame end stops it with the reason, and frames before it count', async () => {
  connection.restart();
  const stream = server.accept();
  stream.send('data: 1\n\nevent: end\ndata: {"why":"signed out"}\n\ndata: 2\n\n');
  await settle();
  assert.deepEqual(data, ['1']);
  assert.deepEqual(connection.status, { state: 'ended', why: 'signed out' });
  elapse(3_600_000);
  connection.restart();
  connection.wake(true);
  assert.equal(server.requests.length, 1);
  connection.retry();
  assert.equal(server.requests.length, 2);
});

test('401 and 403 end it with the reason and the code', async () => {
  connection.restart();
  for (const status of [401, 403]) {
    server.refuse(status, '{"error":{"code":77,"why":"no right"}}');
    await settle();
    assert.deepEqual(connection.status, { state: 'ended', why: 'no right', code: status });
    elapse(60_000);
    connection.retry();
  }
  assert.equal(server.requests.length, 3);
});

test('429 and 503 wait as long as the agent says, within a bound', async () => {
  connection.restart();
  server.refuse(429, '{"error":{"code":75,"why":"too many"}}', { 'retry-after': '20' });
  await settle();
  assert.equal(connection.status.code, 429);
  assert.equal(connection.status.why, 'too many');
  elapse(19_999);
  assert.equal(server.requests.length, 1);
  elapse(600);
  assert.equal(server.requests.length, 2);
  server.refuse(503, '<html>gateway', { 'retry-after': '999999' });
  await settle();
  assert.match(connection.status.why, /503/);
  elapse(121_000);
  assert.equal(server.requests.length, 3);
});

test('an answer that is not an event stream is refused, however long', async () => {
  connection.restart();
  server.last.answer(new Response('x'.repeat(1e6), { headers: { 'content-type': 'text/html' } }));
  await settle();
  assert.equal(connection.status.state, 'waiting');
  assert.match(connection.status.why, /not an event stream/);
});

test('restart replaces a live connection without a change of status', async () => {
  connection.restart();
  const first = server.accept();
  await settle();
  connection.restart();
  assert.ok(server.requests[0].signal.aborted);
  const second = server.accept();
  second.send('data: new\n\n');
  await settle();
  try {
    first.send('data: old\n\n');
  } catch {
    /* aborted */
  }
  await settle();
  assert.deepEqual(data, ['new']);
  assert.deepEqual(states(), ['live']);
});

test('without an address it closes', async () => {
  connection.restart();
  server.accept();
  await settle();
  url = null;
  connection.restart();
  assert.ok(server.last.signal.aborted);
  elapse(600_000);
  assert.equal(server.requests.length, 1);
});

test('reads Retry-After and reasons', () => {
  const now = Date.parse('2026-11-22T17:32:00Z');
  assert.equal(retryAfter('120', now), 120_000);
  assert.equal(retryAfter('Sun, 22 Nov 2026 17:32:05 GMT', now), 5000);
  assert.equal(retryAfter('Sun, 22 Nov 2026 17:31:00 GMT', now), 0);
  for (const header of [null, '', 'soon']) assert.equal(retryAfter(header, now), undefined, String(header));
  assert.equal(why('{"error":{"why":"a"}}'), 'a');
  assert.equal(why('{"why":"b"}'), 'b');
  for (const body of ['', 'null', '[]', '{"why":3}', '<p>']) assert.equal(why(body), '', body);
});

import assert from 'node:assert/strict';
import test from 'node:test';

import { address, page, readLines } from '../../../src/agent/http/page/feed/request.js';

/** Events 1 to 1000, a hundred at each time. */
const log = Array.from({ length: 1000 }, (_, i) => ({
  seq: i + 1,
  time: `T${String(Math.floor(i / 100)).padStart(2, '0')}`,
  tag: i % 10 ? 'a' : 'b',
}));
/** @type {URLSearchParams[]} */
let asked = [];

/** @type {any} */
const agent = async (/** @type {string} */ url) => {
  const query = new URL(url).searchParams;
  asked.push(query);
  const after = Number(query.get('after')?.split('-')[1] ?? 0);
  const before = Number(query.get('before')?.split('-')[1] ?? Infinity);
  let lines = log.filter(
    (line) =>
      line.seq > after && line.seq < before && line.time <= (query.get('until') ?? 'U') && line.time >= (query.get('since') ?? ''),
  );
  if (query.get('match')) lines = lines.filter((line) => line.tag === query.get('match')?.slice(4));
  if (query.get('lines')) lines = lines.slice(-Number(query.get('lines')));
  if (query.get('reverse')) lines.reverse();
  return new Response([...lines, { at: 'x-1000' }].map((line) => `${JSON.stringify(line)}\n`).join(''));
};

/** @param {import('../../../src/agent/http/page/types.js').PageQuery & {host?: string}} query */
async function seqs(query) {
  asked = [];
  return (await page(query, { fetch: agent })).lines.map((line) => 'seq' in line && line.seq);
}

const range = (/** @type {number} */ from, /** @type {number} */ to) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('pages in every direction, the oldest first', async () => {
  assert.deepEqual(await seqs({ lines: 3 }), [998, 999, 1000]);
  assert.deepEqual(await seqs({ after: 'x-5', lines: 3 }), [6, 7, 8]);
  assert.deepEqual(await seqs({ after: 'x-5', lines: 3, reverse: true }), [998, 999, 1000]);
  assert.deepEqual(await seqs({ since: 'T09', lines: 2 }), [901, 902]);
  assert.deepEqual(await seqs({ before: 'x-451', lines: 50 }), range(401, 450));
  assert.deepEqual(await seqs({ before: 'x-451', lines: 3 }), [448, 449, 450]);
  assert.deepEqual(await seqs({ before: 'x-451', match: 'tag=b', lines: 3 }), [421, 431, 441]);
});

test('never reads the stream of all hosts in reverse', async () => {
  assert.deepEqual(await seqs({ host: 'web*', before: 'x-451', lines: 3 }), [448, 449, 450]);
  assert.deepEqual(
    asked.map((query) => [query.get('host'), query.get('reverse')]),
    [['web*', null]],
  );
});

test('the start of the log ends it', async () => {
  assert.deepEqual(await seqs({ before: 'x-3', lines: 200 }), [1, 2]);
  assert.deepEqual(await seqs({ before: 'x-1', lines: 200 }), []);
});

test('rejects with code, reason and status', async () => {
  const answer = (/** @type {Response} */ response) =>
    readLines({}, { fetch: /** @type {any} */ (async () => response) });
  await assert.rejects(answer(Response.json({ error: { code: 64, why: 'no' } }, { status: 400 })), {
    code: 64,
    why: 'no',
    status: 400,
  });
  await assert.rejects(answer(new Response('<html>', { status: 502, statusText: 'Bad Gateway' })), {
    code: 75,
    why: 'the agent answered 502 Bad Gateway',
    status: 502,
  });
  await assert.rejects(answer(new Response('', { status: 403 })), { code: 77, status: 403 });
  await assert.rejects(answer(new Response('{"seq":1}\n{"error":{"code":74,"why":"disk"}}\n')), {
    code: 74,
    why: 'disk',
  });
  await assert.rejects(answer(new Response('{"seq":1}\n')), { code: 75, why: /ended early/ });
  await assert.rejects(answer(new Response('<html>\n')), { why: /not JSON/ });
  await assert.rejects(
    readLines(
      {},
      {
        fetch: /** @type {any} */ (
          async () => {
            throw new TypeError('x');
          }
        ),
      },
    ),
    { code: 69 },
  );
});

test('an abort stays one', async () => {
  const abort = new AbortController();
  abort.abort();
  const fetch = /** @type {any} */ (
    async (/** @type {any} */ _, /** @type {any} */ { signal }) => {
      signal.throwIfAborted();
    }
  );
  await assert.rejects(readLines({}, { signal: abort.signal, fetch }), { name: 'AbortError' });
});

test('stops reading at the bound, and cancels', async () => {
  let cancelled = false;
  const body = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode('{"seq":1}\n{"se'));
      controller.enqueue(new TextEncoder().encode('q":2}\n'));
    },
    cancel() {
      cancelled = true;
    },
  });
  const { lines, at } = await readLines(
    {},
    { max: 3, fetch: /** @type {any} */ (async () => new Response(body)) },
  );
  assert.deepEqual([lines.length, at, cancelled], [3, '', true]);
});

test('addresses are relative to the page and leave out what is empty', () => {
  const url = new URL(
    address('events', { match: 'a=1 & b', after: '', lines: 0, since: undefined, follow: false }),
  );
  assert.ok(url.pathname.endsWith('/http/events'));
  assert.equal(url.search, '?match=a%3D1+%26+b&lines=0&follow=false');
});

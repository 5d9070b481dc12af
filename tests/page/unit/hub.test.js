import assert from 'node:assert/strict';
import test, { afterEach, beforeEach } from 'node:test';
import { clock } from '../harness/clock.js';

import { Hub } from '../../../src/agent/http/page/feed/hub.js';
import { Agent, Page, matches } from './fakes.js';
import { randomFrom } from './random.js';

async function settle() {
  for (let i = 0; i < 15; i += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}

/** @param {number} ms */
async function elapse(ms) {
  for (; ms > 0; ms -= 1000) {
    clock.tick(Math.min(ms, 1000));
    await settle();
  }
}

/** @type {Agent} */
let agent;
/** @type {Hub} */
let hub;

beforeEach(() => {
  clock.start(1e12);
  agent = new Agent();
  hub = new Hub({ fetch: agent.fetch });
});

afterEach(() => clock.stop());

/** @param {Partial<{match: string, lines: number}>} [events] */
const events = (events = {}) => ({ events });

test('shares identical subscriptions of all pages over one connection', async () => {
  const [one, two] = [new Page(hub), new Page(hub)];
  one.send({ subscribe: 't1', spec: events({ match: 'tag=a' }) });
  two.send({ subscribe: 't9', spec: events({ match: 'tag=a' }) });
  two.send({ subscribe: 't10', spec: { view: 'rates' } });
  await elapse(50);
  assert.equal(agent.streams.length, 1);
  assert.equal(agent.stream.subs.length, 2);
  agent.append();
  agent.pump();
  await settle();
  assert.deepEqual([one.seqs('t1'), two.seqs('t9'), two.seqs('t10')], [[1], [1], []]);
  assert.equal(one.status, 'live');
});

test('subscriptions of other hosts are their own', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  page.send({ subscribe: 't2', spec: { host: '*', ...events() } });
  page.send({ subscribe: 't3', spec: { host: '*', view: 'rates' } });
  await elapse(50);
  const hosts = agent.stream.subs.map((sub) => sub.host);
  assert.deepEqual(hosts, [undefined, '*', '*']);
});

test('asks again for what may be possible later', async () => {
  for (const [code, again] of /** @type {const} */ ([
    [69, true],
    [75, true],
    [64, false],
  ])) {
    const page = new Page(hub);
    page.send({ subscribe: 't1', spec: { host: `h${code}`, ...events() } });
    await elapse(50);
    const { id } = agent.stream.subs.find((sub) => sub.host === `h${code}`);
    agent.stream.send(`event: ${id}\ndata: {"error":{"code":${code},"why":"no"}}\n\n`);
    await settle();
    const before = agent.streams.length;
    await elapse(6000);
    assert.equal(agent.streams.length > before, again, String(code));
    page.send({ bye: true });
  }
});

test('connects only while something is subscribed', async () => {
  const page = new Page(hub);
  await elapse(1000);
  assert.equal(agent.streams.length, 0);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  page.send({ unsubscribe: 't1' });
  await elapse(50);
  assert.equal(agent.streams.length, 1);
  assert.equal(agent.stream.open, false);
});

test('changes within a moment cost one connection, which resumes by cursor', async () => {
  for (let i = 0; i < 5; i += 1) agent.append();
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.pump();
  await settle();
  page.send({ subscribe: 't2', spec: events({ match: 'tag=a' }) });
  page.send({ subscribe: 't3', spec: { view: 'users', every: 2 } });
  await elapse(50);
  assert.equal(agent.streams.length, 2);
  const [first, second, third] = agent.stream.subs;
  assert.deepEqual(first.events, { rate: 200, after: 'a1-5', max: 5000 });
  assert.deepEqual(second.events, { match: 'tag=a', rate: 200, lines: 200 });
  assert.equal(third.view, 'users');
});

test('a page that joins gets a backfill without a hole or a repeat', async () => {
  for (let i = 0; i < 300; i += 1) agent.append();
  const one = new Page(hub);
  one.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.pump();
  await settle();
  agent.append();
  const two = new Page(hub);
  two.send({ subscribe: 't1', spec: events({ lines: 50 }) });
  agent.pump();
  await settle();
  assert.deepEqual(two.seqs('t1'), []);
  agent.append();
  agent.answer();
  await settle();
  agent.append();
  agent.pump();
  await settle();
  const seqs = two.seqs('t1');
  assert.deepEqual(
    seqs,
    Array.from({ length: 51 }, (_, i) => 253 + i),
  );
  assert.equal(agent.streams.length, 1, 'the connection is left alone');
});

test('a backfill that fails is retried', async () => {
  const one = new Page(hub);
  one.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.append();
  agent.pump();
  await settle();
  const two = new Page(hub);
  two.send({ subscribe: 't1', spec: events() });
  await settle();
  agent.up = false;
  agent.answer();
  await settle();
  agent.up = true;
  agent.append();
  agent.pump();
  await elapse(6000);
  agent.answer();
  await settle();
  assert.deepEqual(two.seqs('t1'), [1, 2]);
});

test('a refused subscription tells its pages why and is not asked for again', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events({ match: 'bad' }) });
  page.send({ subscribe: 't2', spec: events() });
  await elapse(50);
  agent.stream.send(`event: ${agent.stream.subs[0].id}\ndata: {"error":{"code":64,"why":"bad"}}\n\n`);
  agent.append();
  agent.pump();
  await settle();
  assert.deepEqual(page.got('t1'), [[{ error: { code: 64, why: 'bad' } }, '']]);
  const late = new Page(hub);
  late.send({ subscribe: 't7', spec: events({ match: 'bad' }) });
  assert.deepEqual(late.got('t7'), [[{ error: { code: 64, why: 'bad' } }, '']]);
  agent.breakStreams();
  await settle();
  await elapse(1000);
  assert.deepEqual(
    agent.stream.subs.map((sub) => sub.events.match),
    [undefined],
  );
});

test('a subscription that is refused for now is asked for again', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.stream.send(`event: ${agent.stream.subs[0].id}\ndata: {"error":{"code":75,"why":"later"}}\n\n`);
  await settle();
  await elapse(6000);
  assert.equal(agent.streams.length, 2);
  assert.equal(agent.stream.subs.length, 1);
});

test('views arrive whole: deltas are applied, and a page that joins gets the last snapshot', async () => {
  const one = new Page(hub);
  one.send({ subscribe: 't1', spec: { view: 'users' } });
  await elapse(50);
  const { id } = agent.stream.subs[0];
  const send = (/** @type {any} */ data) =>
    agent.stream.send(`event: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  send({ view: 'users', v: 1, users: [{ user: 'ana' }, { user: 'bob' }], rest: { entries: 1 } });
  await settle();
  send({ view: 'users', v: 2, base: 1, users: [[1, 1], { user: 'eve' }] });
  await settle();
  const whole = { view: 'users', v: 2, users: [{ user: 'bob' }, { user: 'eve' }] };
  assert.deepEqual(one.got('t1').at(-1)?.[0], whole);
  const two = new Page(hub);
  two.send({ subscribe: 't1', spec: { view: 'users', every: 1 } });
  assert.deepEqual(two.got('t1')[0][0], whole);
  send({ view: 'users', v: 9, base: 7, users: [] });
  await settle();
  await elapse(50);
  assert.equal(agent.streams.length, 2, 'an unknown base needs a whole snapshot');
});

test('a page that acknowledges nothing gets one snapshot, and counts beyond the bound of rows', async () => {
  const page = new Page(hub);
  page.takes = false;
  page.send({ subscribe: 't1', spec: events() });
  page.send({ subscribe: 't2', spec: { view: 'rates' } });
  await elapse(50);
  const view = agent.stream.subs[1].id;
  for (let v = 1; v <= 100; v += 1) agent.stream.send(`event: ${view}\ndata: {"view":"rates","v":${v}}\n\n`);
  for (let i = 0; i < 70; i += 1) {
    for (let n = 0; n < 100; n += 1) agent.append();
    agent.pump();
    await settle();
  }
  assert.equal(page.got('t2').length, 1);
  assert.equal(page.seqs('t1').length, 5000);
  page.takes = true;
  page.send({ ack: page.messages.filter((message) => message.n).at(-1).n });
  agent.append();
  agent.pump();
  await settle();
  assert.deepEqual(page.got('t1').slice(-2), [
    [{ skipped: 2000, at: 'a1-7000' }, 'a1-7000'],
    [{ seq: 7001, tag: 'a' }, 'a1-7001'],
  ]);
  assert.deepEqual(
    page.got('t2').map(([snapshot]) => snapshot.v),
    [1, 100],
  );
});

test('a page that falls silent is forgotten, learns it, and continues at its cursor', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.append();
  agent.pump();
  await elapse(200_000);
  assert.equal(agent.stream.open, false);
  agent.append();
  page.send({ ping: true });
  assert.deepEqual(page.messages.at(-1), { pong: true, known: false });
  page.send({ rejoin: true });
  page.send({ subscribe: 't1', spec: events(), after: 'a1-1' });
  await elapse(50);
  agent.pump();
  await settle();
  assert.deepEqual(page.seqs('t1'), [1, 2]);
});

test('pages that are heard stay, also when the machine slept', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  for (let i = 0; i < 10; i += 1) {
    page.send({ ping: true });
    await elapse(60_000);
    agent.stream.send(': hb\n\n');
  }
  page.send({ ping: true });
  assert.deepEqual(page.messages.at(-1), { pong: true, known: true });
});

test('a page that continues at another place than the others has rows of its own', async () => {
  for (let i = 0; i < 10; i += 1) agent.append();
  const [one, two, three] = [new Page(hub), new Page(hub), new Page(hub)];
  one.send({ subscribe: 't1', spec: events(), after: 'a1-8' });
  two.send({ subscribe: 't1', spec: events(), after: 'a1-5' });
  three.send({ subscribe: 't1', spec: events(), after: 'a1-8' });
  await elapse(50);
  agent.pump();
  await settle();
  assert.deepEqual(
    [one, two, three].map((page) => page.seqs('t1')),
    [
      [9, 10],
      [6, 7, 8, 9, 10],
      [9, 10],
    ],
  );
});

test('pages that come to the same place share again', async () => {
  for (let i = 0; i < 10; i += 1) agent.append();
  const [one, two] = [new Page(hub), new Page(hub)];
  one.send({ subscribe: 't1', spec: events(), after: 'a1-8' });
  two.send({ subscribe: 't1', spec: events(), after: 'a1-5' });
  await elapse(50);
  assert.equal(agent.stream.subs.length, 2);
  agent.pump();
  await settle();
  agent.append();
  agent.pump();
  await settle();
  agent.breakStreams();
  await settle();
  await elapse(1000);
  assert.equal(agent.stream.subs.length, 1);
  agent.append();
  agent.pump();
  await settle();
  assert.deepEqual(
    [one.seqs('t1'), two.seqs('t1')],
    [
      [9, 10, 11, 12],
      [6, 7, 8, 9, 10, 11, 12],
    ],
  );
  one.send({ unsubscribe: 't1' });
  two.send({ unsubscribe: 't1' });
  await elapse(50);
  assert.equal(agent.stream.open, false);
});

test('has a bound on subscriptions', async () => {
  const page = new Page(hub);
  for (let i = 0; i < 33; i += 1) page.send({ subscribe: `t${i}`, spec: events({ match: `tag=x${i}` }) });
  await elapse(50);
  assert.equal(agent.stream.subs.length, 32);
  assert.equal(page.got('t32')[0][0].error.code, 75);
});

test('ignores frames of unknown subscriptions and frames that are no JSON', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  const { id } = agent.stream.subs[0];
  agent.stream.send(
    `event: ${id}\ndata: {"seq":\n\nevent: ${id}\ndata: null\n\n` +
      'event: zz\ndata: {}\n\nevent: __proto__\ndata: {}\n\n',
  );
  agent.append();
  agent.pump();
  await settle();
  assert.deepEqual(page.seqs('t1'), [1]);
});

test('an end reaches all pages, and a retry connects again', async () => {
  const page = new Page(hub);
  page.send({ subscribe: 't1', spec: events() });
  await elapse(50);
  agent.stream.send('event: end\ndata: {"why":"signed out"}\n\n');
  await settle();
  assert.equal(page.status, 'ended');
  await elapse(60_000);
  assert.equal(agent.streams.length, 1);
  page.send({ retry: true });
  await settle();
  assert.equal(page.status, 'live');
});

test('no page ever has a hole or a repeat', async () => {
  const random = randomFrom(5);
  for (let round = 0; round < 10; round += 1) {
    agent = new Agent();
    hub = new Hub({ fetch: agent.fetch });
    for (let i = 0; i < 20; i += 1) agent.append('ab'[random(2)]);
    /** @type {{page: Page, id: string, match: string}[]} */
    const watched = [];
    let named = 0;
    const steps = [
      () => {
        const match = ['', 'tag=a', 'tag=b'][random(3)];
        const entry = {
          page: watched.length > 0 && random(2) ? watched[random(watched.length)].page : new Page(hub),
          id: `t${(named += 1)}`,
          match,
        };
        watched.push(entry);
        entry.page.send({ subscribe: entry.id, spec: events({ match, lines: 5 }) });
      },
      () => {
        if (watched.length > 3) {
          const [gone] = watched.splice(random(watched.length), 1);
          gone.page.send({ unsubscribe: gone.id });
        }
      },
      () => {
        // A page that lost the hub.
        if (watched.length === 0 || random(3) > 0) return;
        const { page } = watched[random(watched.length)];
        page.send({ bye: true });
        page.send({ rejoin: true });
        for (const entry of watched) {
          if (entry.page === page)
            page.send({
              subscribe: entry.id,
              spec: events({ match: entry.match, lines: 5 }),
              after: page.cursor(entry.id),
            });
        }
      },
      () => {
        for (let i = random(8); i >= 0; i -= 1) agent.append('ab'[random(2)]);
      },
      () => agent.pump(1 + random(5)),
      () => agent.pump(1 + random(5)),
      () => agent.answer(),
      () => {
        if (random(4) === 0) agent.breakStreams();
      },
      () => {
        agent.up = random(4) !== 0;
        if (!agent.up) agent.breakStreams();
      },
      () => clock.tick(random(100)),
      () => clock.tick(random(2000)),
    ];
    for (let step = 0; step < 300; step += 1) {
      steps[random(steps.length)]();
      if (random(3) > 0) await settle();
    }
    agent.up = true;
    for (let i = 0; i < 30; i += 1) {
      await elapse(1000);
      agent.answer();
      agent.pump();
    }
    await settle();
    for (const { page, id, match } of watched) {
      const seqs = page.seqs(id);
      const all = agent.events.filter(matches(match)).map((event) => event.seq);
      assert.ok(seqs.length > 0, `round ${round} ${id} got nothing`);
      assert.deepEqual(seqs, all.slice(all.indexOf(seqs[0])), `round ${round} ${id} ${match}`);
    }
  }
});

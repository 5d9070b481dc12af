/**
 * Measures the page in headless Chromium with 50,000 events a second into the agent, and prints rows for
 * docs/benchmark.md. Slow results are no failure. `bench.js [SECONDS]` is the length of the load for each view.
 */
import { once } from 'node:events';
import { Agent } from './harness/agent.js';
import { Guard, launch, newPage } from './harness/browser.js';
import { live, show, VIEWS } from './harness/monitor.js';
import { until } from './harness/until.js';

/** Events a second of the load. */
const RATE = 50_000;
/** How often the load is sent, in milliseconds. */
const TICK = 10;
/** Length of the load for each view, in seconds. */
const SECONDS = Number(process.argv[2] ?? 20);
/** Events whose latency is measured. */
const LATENCIES = 100;
/** Events of one run, and runs of each kind, for the cost to senders. */
const CARRIED = 1_000_000;
const RUNS = 5;

const USERS = ['ada', 'bo.li', 'carla', 'd.meyer', 'erik', 'fatima', '123', '4711'];
const PAGES = ['/', '/shop/basket', '/shop/item', '/intranet/holidays/calendar', '/search', '/report/yearly'];

/** The same numbers in each run. @param {number} seed */
function random(seed) {
  let state = seed;
  return (/** @type {number} */ bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Events as applications send them: durations, fields, different users, mixed lengths. @param {number} count */
function block(count) {
  const below = random(1);
  const lines = Array.from({ length: count }, () => {
    const took = `${below(1000) + 1}ms`;
    const level = below(50) === 0 ? 'err' : below(20) === 0 ? 'warning' : 'info';
    const msg = below(2) === 0 ? `GET ${PAGES[below(6)]} 200 in ${took}`
      : `query took ${took}: select id, name from orders where customer = ${below(1e5)} and state in ('open', 'paid')`;
    const fields = { user: USERS[below(8)], page: PAGES[below(6)], req: below(2 ** 31).toString(16), rows: below(700) };
    return `SEND ${JSON.stringify({ tag: below(2) === 0 ? 'shop.query' : 'shop.page', level, msg, fields })}\n`;
  });
  return Buffer.from(lines.join(''));
}

/** Sends the load for a time. Returns the events a second that were sent. @param {Agent} agent @param {number} seconds */
async function load(agent, seconds) {
  const { socket } = await agent.sender();
  const each = (RATE * TICK) / 1000;
  const text = block(each);
  const begin = performance.now();
  let sent = 0;
  for (let now = begin; now - begin < seconds * 1000; now = performance.now()) {
    while (sent < ((now - begin) / 1000) * RATE) {
      if (!socket.write(text)) {
        await once(socket, 'drain');
      }
      sent += each;
    }
    await new Promise((resolve) => setTimeout(resolve, TICK));
  }
  const rate = sent / ((performance.now() - begin) / 1000);
  socket.destroy();
  return rate;
}

/** @param {number[]} values */
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** Frames a second of each second while the load runs. @param {import('playwright-core').Page} page @param {number} seconds */
const frames = (page, seconds) => page.evaluate((length) => new Promise((resolve) => {
  /** @type {number[]} */
  const counts = new Array(length).fill(0);
  const begin = performance.now();
  const frame = () => {
    const second = Math.floor((performance.now() - begin) / 1000);
    if (second >= length) {
      resolve(counts);
    } else {
      counts[second] += 1;
      requestAnimationFrame(frame);
    }
  };
  requestAnimationFrame(frame);
}), seconds);

/** MB of the JavaScript heap that are in use after a garbage collection. @param {import('playwright-core').Page} page */
async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize / 1e6;
}

/** Milliseconds from the sender's write to the row in the page. @param {Agent} agent @param {import('playwright-core').Page} page */
async function latencies(agent, page) {
  const sender = await agent.sender();
  await page.evaluate(() => {
    const seen = /** @type {Record<string, number>} */ ({});
    Object.assign(window, { seen });
    new MutationObserver((changes) => {
      const now = performance.timeOrigin + performance.now();
      for (const { addedNodes, target } of changes) {
        for (const node of [...addedNodes, target]) {
          const mark = /mark-\d+-/.exec(node.textContent ?? '')?.[0];
          if (mark) {
            seen[mark] ??= now;
          }
        }
      }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  const times = [];
  for (let i = 0; i < LATENCIES; i += 1) {
    const mark = `mark-${i}-`;
    const begin = performance.timeOrigin + performance.now();
    sender.write({ tag: 'bench.latency', msg: `${mark} query took 40ms` });
    const arrived = await until('the row', () => page.evaluate((key) => (
      /** @type {{ seen: Record<string, number> }} */ (/** @type {unknown} */ (window)).seen[key]), mark));
    times.push(arrived - begin);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return times;
}

/** Events a second of a sender at full speed, until all are stored. @param {Agent} agent */
async function carry(agent) {
  const sender = await agent.sender();
  const count = 1000;
  const text = block(count);
  const begin = performance.now();
  for (let sent = 0; sent < CARRIED; sent += count) {
    if (!sender.socket.write(text)) {
      await once(sender.socket, 'drain');
    }
  }
  await sender.send();
  const seconds = (performance.now() - begin) / 1000;
  sender.close();
  return CARRIED / seconds;
}

/** @param {string} what @param {string} ours @param {string} target @param {boolean} met */
const print = (what, ours, target, met) => console.log(`| ${what} | ${ours} | – | – | ${target} | ${met ? 'yes' : 'no'} |`);

/** Signs in with a page of its own. @param {Agent} agent @param {import('playwright-core').Browser} browser */
async function open(agent, browser) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await newPage(context, new Guard(agent.url));
  await page.goto(await agent.link());
  await page.waitForURL(agent.url);
  await live(page);
  return page;
}

async function main() {
  const agent = await Agent.start();
  const browser = await launch();
  try {
    let page = await open(agent, browser);
    const times = median(await latencies(agent, page));
    print('the page: from a write to its row, median', `${times.toFixed(0)} ms`, '≤ 100 ms', times <= 100);
    for (const view of VIEWS) {
      await show(page, view);
      const [rate, counts] = await Promise.all([load(agent, SECONDS), frames(page, SECONDS - 1)]);
      const lowest = Math.min(...counts);
      const used = await heap(page);
      const what = `the page: ${view} at ${(rate / 1000).toFixed(0)},000 events/s for ${SECONDS} s`;
      print(`${what}, frames a second, median`, `${median(counts)} (lowest ${lowest})`, '≥ 30', median(counts) >= 30);
      print(`${what}, JavaScript heap`, `${used.toFixed(0)} MB`, '≤ 150 MB', used <= 150);
    }
    const beside = await load(agent, SECONDS);
    await page.context().close();
    const alone = await load(agent, SECONDS);
    const kept = beside / alone;
    print('the page: a sender of 50,000 events/s beside it, of its rate without a page', kept.toFixed(2), '≥ 0.95', kept >= 0.95);
    /** @type {number[]} */
    const without = [];
    /** @type {number[]} */
    const watched = [];
    for (let round = 0; round <= RUNS; round += 1) {
      const alone = await carry(agent);
      page = await open(agent, browser);
      const beside = await carry(agent);
      await page.context().close();
      if (round > 0) {
        without.push(alone);
        watched.push(beside);
      }
    }
    // At full speed the browser and the sender compete for the cores, so this figure has no target.
    const full = (/** @type {number[]} */ rates) => `${(median(rates) / 1000).toFixed(0)} k/s`;
    console.log(`| the page: one sender at full speed beside it; peer: without a page | ${full(watched)} | ${full(without)} | – | – | – |`);
  } finally {
    await browser.close();
    await agent.remove();
  }
}

await main();

/** The Queries and Errors views: shapes with exact numbers, N+1, and errors by shape. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { assertDuration, expectRows, live, show } from '../harness/monitor.js';

/** @typedef {import('../harness/sender.js').Draft} Draft */

/** The repetitions of one query in one request. */
const REPEATS = 57;

/** @param {number} count @param {(index: number) => Draft} draft */
const many = (count, draft) => Array.from({ length: count }, (_, index) => draft(index + 1));

/**
 * 100 queries of one shape with a known distribution, 57 of another in one request, and one update that failed.
 * @type {Draft[]}
 */
const EVENTS = [
  ...many(100, (n) => ({
    tag: 'shop.query',
    msg: `SELECT * FROM orders WHERE id = ${n} AND state IN ('open', 'paid') /* page ${n} */`,
    fields: { user: 'ana', page: '/orders', req: `o${n}`, took: n <= 60 ? '20ms' : n <= 96 ? '100ms' : '400ms' },
  })),
  ...many(REPEATS, (n) => ({
    tag: 'shop.query',
    msg: `SELECT name FROM items WHERE id = ${n}`,
    fields: { user: 'bo', page: '/cart', req: 'n1', took: '2ms' },
  })),
  { tag: 'shop.query', level: 'err', msg: "UPDATE carts SET total = 17.5 WHERE user = 'bo'", fields: { user: 'bo', page: '/cart', req: 'n2', took: '1s' } },
];

/** Seconds of all queries of each shape. */
const TOTALS = { orders: 60 * 0.02 + 36 * 0.1 + 4 * 0.4, items: REPEATS * 0.002, carts: 1 };

/** @param {number} part */
const share = (part) => {
  const percent = (100 * part) / (TOTALS.orders + TOTALS.items + TOTALS.carts);
  return percent < 9.95 ? `${percent.toFixed(1).replace(/\.0$/, '')} %` : `${percent.toFixed(0)} %`;
};

scenario('queries: shapes have exact numbers', async (scene) => {
  const page = await scene.signIn('?view=queries');
  await live(page);
  await (await scene.agent.sender()).send(...EVENTS);
  const all = await expectRows(page, 'shapes', (rows) => assert.equal(rows.length, 3));
  const [orders, carts, items] = all;
  // The shape with the most time comes first; numbers, quoted text and lists are masked, comments dropped.
  assert.equal(orders?.shape, 'SELECT * FROM orders WHERE id = ? AND state IN (…) shop.query');
  await expectRows(page, 'shapes', ([first]) => assert.equal(first?.share, share(TOTALS.orders)));
  assertDuration(orders?.p50, 0.02);
  assertDuration(orders?.p95, 0.1);
  assertDuration(orders?.p99, 0.4);
  assert.equal(orders?.max, '400 ms');
  assert.equal(carts?.shape, 'UPDATE carts SET total = ? WHERE user = ? 1 error shop.query');
  assert.deepEqual([carts?.share, carts?.max], [share(TOTALS.carts), '1 s']);
  assert.equal(items?.shape, 'SELECT name FROM items WHERE id = ? N+1 · 57 in one request shop.query');
  assert.deepEqual([items?.share, items?.max], [share(TOTALS.items), '2 ms']);
  assertDuration(items?.p50, 0.002);
  await page.getByText(/158 queries · p50 .* · max 1 s/).waitFor();
  await page.locator('#status', { hasText: '3 shapes · ' }).waitFor();
  const slowest = page.locator('.slowest li').first();
  await slowest.filter({ hasText: "1 s" }).filter({ hasText: "UPDATE carts SET total = 17.5 WHERE user = 'bo'" }).waitFor();
});

scenario('queries: N+1 names the page and opens to its request', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn('?view=queries');
  const badge = page.locator('.table.shapes .badge', { hasText: 'N+1' });
  assert.match(await badge.getAttribute('title') ?? '', /^57 times in one request of \/cart: one request does so$/);
  await badge.click();
  const request = page.locator('.trail .trail-request');
  await request.filter({ hasText: 'n1' }).filter({ hasText: `${REPEATS} events · ${REPEATS} queries` }).waitFor();
  assert.equal(await request.count(), 1);
});

scenario('queries: the heat map counts every query', async (scene) => {
  const page = await scene.signIn('?view=queries');
  await live(page);
  const heat = page.locator('.queries-side canvas').first();
  await heat.waitFor();
  const empty = await picture(heat);
  await (await scene.agent.sender()).send(...EVENTS);
  await page.locator('.queries-side').getByText(/57/).first().waitFor();
  assert.notEqual(await picture(heat), empty);
});

/** What a canvas shows. @param {import('playwright-core').Locator} canvas */
const picture = (canvas) => canvas.evaluate((element) => /** @type {HTMLCanvasElement} */ (element).toDataURL());

/** Two shapes of errors: one of five events and two users, and one without a user. @type {Draft[]} */
const ERRORS = [
  ...many(3, (n) => ({ tag: 'shop.pay', level: 'err', msg: `payment ${n} failed: card declined`, fields: { user: 'ana' } })),
  ...many(2, (n) => ({ tag: 'shop.pay', level: 'crit', msg: `payment ${n + 17} failed: card declined`, fields: { user: 'bo' } })),
  { tag: 'cron', level: 'alert', msg: 'disk /dev/sda1 is full' },
  { tag: 'cron', level: 'warning', msg: 'disk /dev/sda1 is nearly full' },
];

scenario('errors: shapes have exact numbers', async (scene) => {
  const page = await scene.signIn('?view=errors');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send(...ERRORS);
  const [disk, payment] = await expectRows(page, 'errors', (rows) => {
    assert.deepEqual(rows.map((one) => one.count), ['1', '5']);
  });
  assert.deepEqual([disk?.level, disk?.example], ['alert', 'disk /dev/sda1 is full']);
  assert.deepEqual([payment?.level, payment?.users], ['crit', '2']);
  assert.match(payment?.shape ?? '', /^payment \? failed: card declined( new)? shop\.pay$/);
  assert.equal(payment?.example, 'payment 19 failed: card declined');
  await page.locator('#status', { hasText: '2 shapes' }).waitFor();
  await sender.send({ tag: 'shop.pay', level: 'err', msg: 'payment 20 failed: card declined', fields: { user: 'carla' } });
  await expectRows(page, 'errors', ([first]) => (
    assert.deepEqual([first?.count, first?.users, first?.example], ['6', '3', 'payment 20 failed: card declined'])));
});

scenario('errors: a shape links to its events', async (scene) => {
  await (await scene.agent.sender()).send(...ERRORS);
  const page = await scene.signIn('?view=errors');
  await page.locator('.table.errors .tr', { hasText: 'payment' }).locator('.open').click();
  await page.getByRole('link', { name: 'All errors of this shape' }).click();
  await page.locator('#panel-stream .row.cells').first().waitFor();
  await eventually(async () => assert.equal(await page.locator('#panel-stream .row.cells').count(), 5));
  await show(page, 'queries');
});

scenario('errors: the title counts errors while the page is hidden', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  // Headless pages are never hidden: the page is told that it is.
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await (await scene.agent.sender()).send(...ERRORS);
  await page.waitForFunction(() => document.title.startsWith('(6) '));
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForFunction(() => !document.title.startsWith('('));
});

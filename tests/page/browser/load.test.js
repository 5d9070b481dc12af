/** Many events at once: rows are bounded, and what is not drawn is counted. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { live, messages, show, VIEWS } from '../harness/monitor.js';

/** Events of the load, sent as fast as the agent takes them. */
const EVENTS = 50_000;

/** @param {number} index @returns {import('../harness/sender.js').Draft} */
const draft = (index) => ({
  tag: `shop.${index % 7}`,
  level: index % 100 === 0 ? 'err' : 'info',
  msg: `query took ${(index % 900) + 1}ms: SELECT * FROM orders WHERE id = ${index}`,
  fields: { user: `user-${index % 300}`, page: `/page/${index % 50}`, req: `r${index >> 3}` },
});

scenario('load: rows are bounded and the rest is counted', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const received = await collect(page);
  const sender = await scene.agent.sender();
  await sender.send(draft(0));
  await eventually(async () => assert.equal((await received()).events, 1));
  await sender.flood(EVENTS, draft);
  // Every event was received or counted as skipped, and few were received.
  await eventually(async () => {
    const { events, skipped } = await received();
    assert.equal(events + skipped, EVENTS + 1);
    assert.ok(events < EVENTS / 2, `${events} rows`);
  });
  assert.ok((await page.locator('#panel-stream .rows > .row').count()) <= 300);
  assert.ok((await page.locator('*').count()) < 10_000);
  await page.locator('#panel-stream .row.skipped').first().waitFor();
  const text = await page.locator('#panel-stream .row.skipped').first().innerText();
  assert.match(text, /^[\d,]+ not drawn/);
  for (const view of VIEWS) {
    await show(page, view);
    assert.ok((await page.locator('*').count()) < 20_000, view);
  }
});

/** Counts what a subscription of the page's own feed receives. @param {import('playwright-core').Page} page */
async function collect(page) {
  await page.evaluate(async () => {
    const { createFeed } = await import(new URL('assets/feed/feed.js', document.baseURI).href);
    const received = { events: 0, skipped: 0 };
    Object.assign(window, { received });
    // Unlike the subscription of the page, so that it is not shared with it.
    createFeed().subscribe({ events: { match: 'tag=shop.*', lines: 200, rate: 200 } }, (/** @type {any} */ message) => {
      received.events += 'seq' in message ? 1 : 0;
      received.skipped += message.skipped ?? 0;
    });
  });
  return () => page.evaluate(() => (
    /** @type {{ received: { events: number, skipped: number } }} */ (/** @type {unknown} */ (window)).received));
}

scenario('load: the page answers while events pour in', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  let ended = false;
  const pour = (async () => {
    const sender = await scene.agent.sender();
    while (!ended) {
      await sender.flood(2000, draft);
    }
  })();
  try {
    await eventually(async () => assert.ok((await messages(page)).length > 20));
    for (const view of VIEWS) {
      await show(page, view);
      await page.locator('#status').filter({ hasText: /./ }).waitFor();
    }
    await page.keyboard.press('1');
    await page.keyboard.press('Space');
    await page.locator('.pause[aria-pressed="true"]').waitFor();
    const before = await messages(page);
    await page.locator('#panel-stream').getByText(/[\d,]+ new/).first().waitFor();
    assert.deepEqual(await messages(page), before);
  } finally {
    ended = true;
    await pour;
  }
});

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
  const sender = await scene.agent.sender();
  await sender.flood(EVENTS, draft);
  await sender.send({ tag: 'shop.end', msg: 'the last event' });
  await eventually(async () => assert.ok((await messages(page)).includes('the last event')));
  assert.ok((await page.locator('#panel-stream .rows > .row').count()) <= 300);
  assert.ok((await page.locator('*').count()) < 10_000);
  // Every event is drawn, counted as skipped, or dropped from the bounded store.
  await page.locator('#panel-stream .row.skipped').first().waitFor();
  const text = await page.locator('#panel-stream .row.skipped').first().innerText();
  assert.match(text, /^[\d,]+ not drawn/);
  // The totals are not limited by what is drawn.
  await show(page, 'queries');
  await page.getByText(/50,000 queries/).waitFor();
  await show(page, 'errors');
  await page.locator('.table.errors .c-count').filter({ hasText: /\d/ }).first().waitFor();
  for (const view of VIEWS) {
    await show(page, view);
    assert.ok((await page.locator('*').count()) < 20_000, view);
  }
});

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
      await page.locator('#status').filter({ hasText: /\d/ }).waitFor();
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

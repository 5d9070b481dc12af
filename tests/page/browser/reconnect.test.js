/** The agent is killed and started again: the page reconnects and shows every event once. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { live, messages, streamRows } from '../harness/monitor.js';

/** @param {number} n */
const numbered = (n) => ({ tag: 'shop.page', msg: `event ${n}` });

/** Collects what a subscription of the page's own feed receives. @param {import('playwright-core').Page} page */
async function collect(page) {
  await page.evaluate(async () => {
    const { createFeed } = await import(new URL('assets/feed/feed.js', document.baseURI).href);
    /** @type {string[]} */
    const received = [];
    Object.assign(window, { received });
    createFeed().subscribe({ events: { match: 'tag=shop.page', lines: 200, rate: 200 } }, (/** @type {any} */ message) => {
      if ('seq' in message) {
        received.push(message.msg);
      } else if ('skipped' in message) {
        received.push(`skipped ${message.skipped}`);
      } else if ('gap' in message) {
        received.push(`gap ${message.gap.why}`);
      }
    });
  });
  return () => page.evaluate(() => /** @type {{ received: string[] }} */ (/** @type {unknown} */ (window)).received);
}

scenario('reconnect: no hole and no repeat after kill -9', async (scene) => {
  scene.guard.allow(/ERR_|Failed to load resource/);
  const page = await scene.signIn();
  await live(page);
  const received = await collect(page);
  /** @type {string[]} */
  const expected = [];
  for (let round = 0; round < 4; round += 1) {
    const sender = await scene.agent.sender();
    for (let n = 0; n < 25; n += 1) {
      await sender.send(numbered(expected.length));
      expected.push(`event ${expected.length}`);
    }
    await scene.agent.end('SIGKILL');
    await scene.agent.start();
    // Sent before the page is back, so that it must resume.
    const before = await scene.agent.sender();
    await before.send(numbered(expected.length));
    expected.push(`event ${expected.length}`);
  }
  await eventually(async () => {
    const events = (await received()).filter((one) => one.startsWith('event'));
    assert.deepEqual(events, expected);
  });
  assert.ok(!(await received()).some((one) => one.startsWith('skipped')));
  // The same in the rows: every event once, and each restart as a gap.
  await eventually(async () => assert.deepEqual((await messages(page)).reverse().slice(-expected.length), expected));
  const gaps = (await streamRows(page)).filter((one) => one.kind === 'gap');
  assert.equal(gaps.length, 4);
  assert.equal(await page.locator('.connection').getAttribute('data-state'), 'live');
});

scenario('reconnect: the page says that the agent is away, and keeps what it shows', async (scene) => {
  scene.guard.allow(/ERR_|Failed to load resource/);
  const page = await scene.signIn();
  await live(page);
  await (await scene.agent.sender()).send(numbered(1));
  await eventually(async () => assert.deepEqual(await messages(page), ['event 1']));
  await scene.agent.end();
  await page.locator('.away').getByText('The agent does not answer').waitFor();
  assert.deepEqual(await messages(page), ['event 1']);
  await scene.agent.start();
  await live(page);
  await page.locator('.away').waitFor({ state: 'hidden' });
});

scenario('reconnect: ten pages of one browser are all live', async (scene) => {
  const pages = [await scene.signIn()];
  while (pages.length < 10) {
    pages.push(await scene.open(pages.length % 2 ? '?view=users' : ''));
  }
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'shop.page', msg: 'to all pages', fields: { user: 'ana' } });
  for (const page of pages) {
    await page.locator('#view').getByText('to all pages').first().waitFor();
    assert.equal(await page.locator('.connection').getAttribute('data-state'), 'live');
  }
  // One that is closed takes nothing away from the others.
  await pages[0]?.close();
  await sender.send({ tag: 'shop.page', msg: 'to the rest', fields: { user: 'ana' } });
  for (const page of pages.slice(1)) {
    await page.locator('#view').getByText('to the rest').first().waitFor();
  }
});

scenario('reconnect: a browser without shared workers has a connection of its own', async (scene) => {
  await scene.context.addInitScript(() => { Reflect.deleteProperty(window, 'SharedWorker'); });
  const page = await scene.signIn();
  await live(page);
  await (await scene.agent.sender()).send(numbered(1));
  await eventually(async () => assert.deepEqual(await messages(page), ['event 1']));
});

/** All hosts on one page: the choice of hosts, every view over all of them, and an engine that goes away. */
import assert from 'node:assert/strict';
import { Engine } from '../harness/engine.js';
import { Agent, HOST, eventually, scenario } from '../harness/index.js';
import { expectRows, live, row, show } from '../harness/monitor.js';

/** @typedef {import('../harness/index.js').Scene} Scene */
/** @typedef {import('playwright-core').Page} Page */

/**
 * Runs with the agent of the scene and one of web2, which forward to one engine.
 * @param {Scene} scene
 * @param {(engine: Engine, web2: Agent) => Promise<void>} body
 */
async function withTwoHosts(scene, body) {
  const engine = await Engine.start();
  try {
    await scene.agent.end();
    await scene.agent.configure(engine.config);
    await scene.agent.start();
    const web2 = await Agent.start(engine.config, 'web2');
    try {
      await body(engine, web2);
    } finally {
      await web2.remove();
    }
  } finally {
    await engine.remove();
  }
}

/** @param {Agent} agent @param {string} user @param {string} msg */
async function ask(agent, user, msg) {
  const sender = await agent.sender();
  await sender.send({ tag: 'shop.query', level: 'err', msg, fields: { user, page: '/cart', req: 'r1', took: '40ms' } });
}

/**
 * The rows of the stream, the newest first.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
const stream = (page) =>
  page
    .locator('.rows > .row.cells')
    .evaluateAll((rows) =>
      rows.map((row) => `${row.querySelector('.c-host')?.textContent} ${row.querySelector('.c-message')?.textContent}`),
    );

scenario('hosts: one page shows all of them in every view', async (scene) => {
  await withTwoHosts(scene, async (_, web2) => {
    await ask(scene.agent, 'ana', 'SELECT 1 FROM carts');
    await ask(web2, 'bo', 'SELECT 2 FROM orders');
    const page = await scene.signIn();
    await live(page);
    const hosts = page.getByRole('combobox', { name: 'Hosts' });
    assert.deepEqual(await hosts.locator('option').allTextContents(), [`${HOST} (this machine)`, 'All hosts']);
    await eventually(async () => assert.equal((await stream(page)).length, 1));
    await hosts.selectOption('*');
    await page.waitForURL(/host=\*/);
    await eventually(async () => assert.equal((await stream(page)).length, 2));
    await ask(web2, 'cy', 'SELECT 3 FROM orders');
    await eventually(async () => {
      const [newest, ...others] = await stream(page);
      assert.match(newest ?? '', /^web2 .*SELECT 3/);
      assert.deepEqual(others.map((text) => text.split(' ')[0]).sort(), [HOST, 'web2']);
    });
    await eventually(async () =>
      assert.deepEqual((await hosts.locator('option').allTextContents()).slice(2), [HOST, 'web2']),
    );
    await show(page, 'users');
    await expectRows(page, 'users', (rows) => {
      assert.equal(row(rows, 'user', '“ana”').queries, '1');
      assert.equal(row(rows, 'user', '“bo”').queries, '1');
    });
    await show(page, 'queries');
    await expectRows(page, 'shapes', (rows) => assert.equal(rows.length, 2));
    await show(page, 'errors');
    await expectRows(page, 'errors', (rows) => assert.equal(rows.length, 2));
    // A reload keeps the choice. One host is a choice too.
    await hosts.selectOption('web2');
    await page.waitForURL(/host=web2/);
    await show(page, 'stream');
    await eventually(async () => {
      const rows = await stream(page);
      assert.deepEqual(rows.map((text) => text.split(' ')[0]), ['web2', 'web2']);
    });
    assert.match(await page.title(), /^web2 · /);
  });
});

scenario('hosts: an engine that goes away and comes back', async (scene) => {
  await withTwoHosts(scene, async (engine, web2) => {
    await ask(web2, 'bo', 'before');
    const page = await scene.signIn('?host=*');
    await live(page);
    await eventually(async () => assert.equal((await stream(page)).length, 1));
    await engine.kill();
    await page.locator('.host-lag', { hasText: 'not forwarding' }).waitFor();
    await ask(web2, 'bo', 'meanwhile');
    await ask(scene.agent, 'ana', 'meanwhile');
    await engine.start();
    await eventually(async () => {
      const rows = await stream(page);
      assert.deepEqual(rows.map((text) => text.split(' ')[0]).sort(), [HOST, 'web2', 'web2']);
    });
    await page.locator('.host-lag').waitFor({ state: 'hidden' });
  });
});

scenario('hosts: older rows, neighbours and a past period', async (scene) => {
  await withTwoHosts(scene, async (_, web2) => {
    const sender = await web2.sender();
    for (let n = 0; n < 500; n += 1) await sender.send({ tag: 'shop', msg: `order ${n}` });
    const page = await scene.signIn('?host=*');
    await live(page);
    await page.locator('.rows > .row', { hasText: 'order 499' }).waitFor();
    // The page begins with 200 rows, and loads older ones as the reader goes on.
    const first = page.locator('.rows > .row', { hasText: /order 0$/ });
    await eventually(async () => {
      await page.keyboard.press('End');
      assert.ok(await first.isVisible());
    });
    await page.locator('.rows > .row', { hasText: /order 7$/ }).click();
    await page.getByRole('button', { name: 'Show neighbours' }).click();
    await page.locator('.neighbours li', { hasText: /order 1$/ }).waitFor();
    await page.locator('.neighbours li', { hasText: /order 17$/ }).waitFor();
    const since = new Date(Date.now() - 600_000).toISOString();
    const past = await scene.open(`?host=web2&since=${since}`);
    await past.locator('.rows > .row', { hasText: 'order 499' }).waitFor();
    await show(past, 'queries');
    await past.locator('#panel-queries').waitFor();
  });
});

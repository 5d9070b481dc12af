/** The Stack view: columns by tag, user or page, running ones until they end, names on hover. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { live } from '../harness/monitor.js';

scenario('stack: events fall onto the columns of their tag, user or page', async (scene) => {
  const page = await scene.signIn('?view=stack');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send(
    { tag: 'shop.query', msg: 'SELECT 1 took 40ms', fields: { user: 'ana', page: '/orders' } },
    { tag: 'shop.pay', level: 'err', msg: 'card declined', fields: { user: 'bo', page: '/pay' } },
  );
  for (const [by, expected] of /** @type {const} */ ([
    ['tag', ['shop.pay', 'shop.query']],
    ['user', ['ana', 'bo']],
    ['page', ['/orders', '/pay']],
  ])) {
    await page.locator('#panel-stack').getByRole('button', { name: by, exact: true })
      .or(page.locator('#panel-stack').getByRole('radio', { name: by, exact: true })).first().click();
    await eventually(async () => {
      assert.equal(new URL(page.url()).searchParams.get('by') ?? 'tag', by);
      assert.deepEqual((await columns(page)).sort(), expected);
    });
  }
  await sender.send({ tag: 'shop.page', msg: 'GET /cart', fields: { user: 'bo', page: '/cart' } });
  await eventually(async () => assert.deepEqual((await columns(page)).sort(), ['/cart', '/orders', '/pay']));
});

/** The names of the columns, as a screen reader gets them. @param {import('playwright-core').Page} page */
const columns = (page) => page.locator('#panel-stack table tbody tr').evaluateAll((rows) => (
  rows.map((row) => row.firstElementChild?.textContent ?? '')));

scenario('stack: an event opens by a click on its block', async (scene) => {
  const page = await scene.signIn('?view=stack');
  await live(page);
  await (await scene.agent.sender()).send({ tag: 'shop.query', msg: 'a very slow query took 9s', fields: { user: 'ana' } });
  await eventually(async () => assert.equal((await columns(page)).length, 1));
  const box = await page.locator('#panel-stack canvas').first().boundingBox();
  assert.ok(box);
  // The only column is in the middle. Its block falls to the bottom.
  await eventually(async () => {
    await page.mouse.click(box.x + box.width / 2, box.y + box.height - 20);
    await page.locator('.drawer').waitFor({ timeout: 1000 });
  });
  await page.locator('.drawer').getByText('a very slow query took 9s').first().waitFor();
});

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
  await page.locator('#status').filter({ hasText: /\d/ }).waitFor();
  for (const by of ['user', 'page', 'tag']) {
    await page.locator('#panel-stack').getByRole('radio', { name: by }).or(page.locator('#panel-stack').getByRole('button', { name: by })).first().click();
    await eventually(() => assert.equal(new URL(page.url()).searchParams.get('by') ?? 'tag', by));
  }
});

/** The Users view: who is active, what they just did, and the numbers of each. */
import assert from 'node:assert/strict';
import { scenario } from '../harness/index.js';
import { assertDuration, expectRows, live, row, show } from '../harness/monitor.js';

/** Three users: two that events claim, and the one that sends. @type {import('../harness/sender.js').Draft[]} */
const EVENTS = [
  { tag: 'shop.page', msg: 'GET /orders', fields: { user: 'ana', page: '/orders', req: 'a1' } },
  { tag: 'shop.query', msg: 'SELECT id FROM orders WHERE user = 7', fields: { user: 'ana', page: '/orders', req: 'a1', took: '12ms' } },
  { tag: 'shop.query', msg: 'SELECT sum(price) FROM orders', fields: { user: 'ana', page: '/orders', req: 'a1', took: '1.5s' } },
  { tag: 'shop.page', msg: 'GET /cart', fields: { user: 'bo', page: '/cart', req: 'b1' } },
  { tag: 'shop.pay', level: 'err', msg: 'card declined', fields: { user: 'bo', page: '/pay', req: 'b2' } },
  { tag: 'cron', msg: 'nightly report sent' },
];

scenario('users: each has exact numbers', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.send(...EVENTS);
  const page = await scene.signIn('?view=users');
  await live(page);
  await expectRows(page, 'users', (rows) => {
    assert.equal(rows.length, 3);
    const ana = row(rows, 'user', '“ana”');
    assert.deepEqual([ana.minute, ana.queries, ana.errors, ana.page], ['3', '2', '0', '/orders']);
    assertDuration(ana.slowest, 1.5);
    assert.equal(ana.did, 'shop.query SELECT sum(price) FROM orders');
    const bo = row(rows, 'user', '“bo”');
    assert.deepEqual([bo.minute, bo.queries, bo.errors, bo.page, bo.slowest], ['2', '0', '1', '/pay', '']);
    assert.equal(bo.did, 'shop.pay card declined');
    const others = rows.filter((one) => !one.user?.startsWith('“'));
    assert.deepEqual(others.map((one) => [one.minute, one.did]), [['1', 'cron nightly report sent']]);
  });
  // The verified sender stands beside each claim.
  await expectRows(page, 'users', (rows) => assert.ok(rows.every((one) => /uid \d+/.test(one.sender ?? ''))));
  await page.locator('#status', { hasText: /^3 active / }).waitFor();
  // A new event changes the numbers without a reload.
  await sender.send({ tag: 'shop.query', msg: 'SELECT 1', fields: { user: 'bo', page: '/cart', took: '3ms' } });
  await expectRows(page, 'users', (rows) => {
    const bo = row(rows, 'user', '“bo”');
    assert.deepEqual([bo.minute, bo.queries, bo.page], ['3', '1', '/cart']);
    assertDuration(bo.slowest, 0.003);
  });
});

scenario('users: a user opens to a live trail of requests', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.send(...EVENTS);
  const page = await scene.signIn('?view=users');
  await page.locator('.table.users .tr', { hasText: 'ana' }).locator('.open').click();
  const trail = page.locator('.trail');
  const request = trail.locator('.trail-request');
  await request.filter({ hasText: 'a1' }).filter({ hasText: '3 events · 2 queries' }).waitFor();
  assert.equal(await request.count(), 1);
  await trail.getByText('SELECT sum(price) FROM orders').waitFor();
  assert.equal(await trail.getByText('card declined').count(), 0);
  await sender.send({ tag: 'shop.page', msg: 'GET /logout', fields: { user: 'ana', page: '/logout', req: 'a2' } });
  await request.filter({ hasText: 'a2' }).filter({ hasText: 'GET /logout' }).waitFor();
});

scenario('users: a press on a value narrows the filter', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn('?view=users');
  await page.locator('.table.users .tr', { hasText: 'bo' }).locator('.c-user .pick').click();
  await expectRows(page, 'users', (rows) => assert.deepEqual(rows.map((one) => one.user), ['“bo”']));
  assert.equal(new URL(page.url()).searchParams.get('match'), 'user=bo');
  await show(page, 'errors');
  assert.equal(new URL(page.url()).searchParams.get('match'), 'user=bo');
});

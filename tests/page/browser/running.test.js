/** What runs now: ages that count up, ends, abandoned runs, and runs whose end may be lost. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { expectRows, live, rows, seconds } from '../harness/monitor.js';

/** @param {import('playwright-core').Page} page */
const state = (page) => page.locator('.running-section .section-count');

scenario('running: a run shows with its age until it ends', async (scene) => {
  const page = await scene.signIn('?view=queries');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'shop.report', run: 'r7', msg: 'building the report', fields: { user: 'ana', page: '/report' } });
  const [first] = await expectRows(page, 'running', (all) => {
    assert.equal(all.length, 1);
    assert.deepEqual([all[0]?.state, all[0]?.what, all[0]?.user, all[0]?.page],
      ['running', 'shop.report building the report', '“ana”', '/report']);
  });
  await state(page).filter({ hasText: /^1 running$/ }).waitFor();
  const age = seconds(first?.age);
  await expectRows(page, 'running', (all) => assert.ok(seconds(all[0]?.age) > age + 0.5));
  // Progress replaces the message and keeps the age.
  await sender.send({ tag: 'shop.report', run: 'r7', msg: 'page 3 of 9' });
  await expectRows(page, 'running', (all) => {
    assert.equal(all[0]?.what, 'shop.report page 3 of 9');
    assert.ok(seconds(all[0]?.age) > age + 0.5);
  });
  await sender.send({ tag: 'shop.report', run: 'r7', msg: 'report built', fields: { took: 1.5 } });
  await page.getByText('Nothing runs now.').waitFor();
  assert.deepEqual(await rows(page, 'running'), []);
});

scenario('running: the oldest run comes first', async (scene) => {
  const sender = await scene.agent.sender();
  for (const run of ['first', 'second', 'third']) {
    await sender.send({ tag: 'cron', run, msg: `${run} job` });
  }
  const page = await scene.signIn('?view=queries');
  await expectRows(page, 'running', (all) => (
    assert.deepEqual(all.map((one) => one.what), ['cron first job', 'cron second job', 'cron third job'])));
});

scenario('running: a run is abandoned when its sender is killed', async (scene) => {
  const page = await scene.signIn('?view=queries');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'cron.import', run: 'import', msg: 'importing 3 files' });
  await expectRows(page, 'running', (all) => assert.equal(all[0]?.state, 'running'));
  sender.close();
  const abandoned = await expectRows(page, 'running', (all) => assert.equal(all[0]?.state, 'abandoned'));
  await state(page).filter({ hasText: /^1 abandoned$/ }).waitFor();
  // Its age stands still.
  const age = abandoned[0]?.age;
  const more = await scene.agent.sender();
  await more.send({ tag: 'cron', run: 'other', msg: 'other job' });
  await expectRows(page, 'running', (all) => {
    assert.equal(all.length, 2);
    assert.equal(all.find((one) => one.what?.includes('importing'))?.age, age);
    assert.ok(seconds(all.find((one) => one.what?.includes('other'))?.age) > 1);
  });
});

scenario('running: an open run is unknown after a restart of the agent', async (scene) => {
  scene.guard.allow(/ERR_|Failed to load resource/);
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'cron', run: 'long', msg: 'long job' });
  const page = await scene.signIn('?view=queries');
  await expectRows(page, 'running', (all) => assert.equal(all[0]?.state, 'running'));
  await scene.agent.end('SIGKILL');
  await scene.agent.start();
  await eventually(async () => {
    const all = await rows(page, 'running');
    assert.deepEqual(all.map((one) => [one.state, one.what]), [['unknown', 'cron long job']]);
  });
});

/** What is shown: kept in the address, moved by the keyboard, taken from the past, or on the wall. */
import assert from 'node:assert/strict';
import { eventually, scenario, until } from '../harness/index.js';
import { expectMessages, expectRows, filterBox, live, messages, show, VIEWS } from '../harness/monitor.js';

/** @type {import('../harness/sender.js').Draft[]} */
const EVENTS = [
  { tag: 'shop.query', msg: 'SELECT 1 took 40ms', fields: { user: 'ana', page: '/orders', req: 'r1' } },
  { tag: 'shop.pay', level: 'err', msg: 'card declined', fields: { user: 'bo', page: '/pay', req: 'r2' } },
];

scenario('address: a copy of it shows the same', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn();
  await filterBox(page).fill('user=bo');
  await filterBox(page).press('Enter');
  await expectMessages(page, ['card declined']);
  for (const view of VIEWS) {
    await show(page, view);
    const copy = await scene.open(new URL(page.url()).search);
    await copy.locator(`#panel-${view}`).waitFor();
    assert.equal(await filterBox(copy).inputValue(), 'user=bo');
    if (view === 'users') {
      await expectRows(copy, 'users', (rows) => assert.deepEqual(rows.map((one) => one.user), ['“bo”']));
    }
    await copy.close();
  }
  // Back and forward go through the views.
  await page.goBack();
  await page.locator('#tab-errors[aria-selected="true"]').waitFor();
  await page.goForward();
  await page.locator('#tab-stack[aria-selected="true"]').waitFor();
});

scenario('keyboard: digits switch views, and each key does what the list says', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn();
  await expectMessages(page, ['card declined', 'SELECT 1 took 40ms']);
  for (const [at, view] of VIEWS.entries()) {
    await page.keyboard.press(String(at + 1));
    await page.locator(`#tab-${view}[aria-selected="true"]`).waitFor();
    assert.equal(await page.locator(`#panel-${view}`).isVisible(), true);
  }
  await page.keyboard.press('1');
  await page.locator('.row.cells').first().waitFor();
  // j and k move, Enter opens and closes.
  const focused = () => page.evaluate(() => document.activeElement?.querySelector('.msg')?.textContent);
  await page.keyboard.press('j');
  await eventually(async () => assert.equal(await focused(), 'card declined'));
  await page.keyboard.press('j');
  await eventually(async () => assert.equal(await focused(), 'SELECT 1 took 40ms'));
  await page.keyboard.press('k');
  await eventually(async () => assert.equal(await focused(), 'card declined'));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.locator('.row-detail').getByText('/orders').first().waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.row-detail').waitFor({ state: 'detached' });
  // A key in a field is text.
  await page.keyboard.press('/');
  await eventually(async () => assert.equal(await filterBox(page).evaluate((box) => box === document.activeElement), true));
  await page.keyboard.type('2 ?w');
  assert.equal(await filterBox(page).inputValue(), '2 ?w');
  assert.equal(await page.locator('#tab-stream').getAttribute('aria-selected'), 'true');
  await filterBox(page).fill('');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await page.locator('dialog#help[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('dialog#help[open]').waitFor({ state: 'detached' });
  await eventually(async () =>
    assert.equal(await page.evaluate(() => document.activeElement?.closest('dialog')?.id), undefined));
  await page.keyboard.press('Space');
  await page.locator('.pause[aria-pressed="true"]').waitFor();
  await page.keyboard.press('Space');
  await page.locator('.pause[aria-pressed="false"]').waitFor();
});

scenario('keyboard: rows of the tables move and open', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn('?view=users');
  await expectRows(page, 'users', (rows) => assert.equal(rows.length, 2));
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.table.users .table-detail').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.table.users .table-detail').waitFor({ state: 'detached' });
});

scenario('wall: the stack without chrome, until Esc', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn();
  await live(page);
  await page.keyboard.press('w');
  await page.locator('#panel-stack').waitFor();
  assert.equal(await page.locator('#tab-list').isVisible(), false);
  assert.equal(new URL(page.url()).searchParams.get('wall'), 'true');
  const size = await page.locator('#panel-stack canvas').first().boundingBox();
  assert.ok(size && size.width > 1300 && size.height > 600, JSON.stringify(size));
  await page.keyboard.press('Escape');
  await page.locator('#tab-list').waitFor();
  assert.equal(new URL(page.url()).searchParams.get('wall'), null);
});

scenario('past: since and until give every view for a past period', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.send(...EVENTS);
  await sender.send({ tag: 'cron', run: 'old', msg: 'old job', fields: { user: 'ana' } });
  const period = await later();
  await sender.send({ tag: 'shop.query', msg: 'SELECT 2 took 7ms', level: 'err', fields: { user: 'carla', page: '/late', req: 'r3' } });
  const page = await scene.signIn(`?until=${period}`);
  await expectMessages(page, ['old job', 'card declined', 'SELECT 1 took 40ms']);
  await page.locator('#banner').getByText('Past period').waitFor();
  await show(page, 'users');
  await expectRows(page, 'users', (rows) => assert.deepEqual(rows.map((one) => one.user).sort(), ['“ana”', '“bo”']));
  await show(page, 'queries');
  await expectRows(page, 'shapes', (rows) => assert.deepEqual(rows.map((one) => one.shape), ['SELECT ? took ? shop.query']));
  await show(page, 'errors');
  await expectRows(page, 'errors', (rows) => assert.deepEqual(rows.map((one) => one.example), ['card declined']));
  // Nothing that happens now changes it.
  await sender.send({ tag: 'shop.pay', level: 'err', msg: 'too late' });
  await show(page, 'stream');
  await expectMessages(page, ['old job', 'card declined', 'SELECT 1 took 40ms']);
  // The other end.
  await page.goto(new URL(`?since=${period}`, scene.agent.url).href);
  await eventually(async () => assert.deepEqual((await messages(page)).slice(-2), ['too late', 'SELECT 2 took 7ms']));
  await page.getByRole('button', { name: 'Back to live' }).click();
  await live(page);
  await eventually(async () => assert.equal((await messages(page)).at(-1), 'SELECT 1 took 40ms'));
});

/** A time after all events so far and before all later ones. */
async function later() {
  const time = new Date(Date.now() + 2);
  await until('the clock', () => (Date.now() > time.getTime() + 2 ? true : undefined));
  return time.toISOString();
}

scenario('past: a row shows its neighbours without the filter', async (scene) => {
  await (await scene.agent.sender()).send(
    ...[1, 2, 3].map((n) => ({ tag: 'cron', msg: `before ${n}` })),
    { tag: 'shop.pay', level: 'err', msg: 'card declined' },
    ...[1, 2, 3].map((n) => ({ tag: 'cron', msg: `behind ${n}` })),
  );
  const page = await scene.signIn('?match=level%3E%3Derr');
  await expectMessages(page, ['card declined']);
  await page.locator('.row.cells .msg').first().click();
  await page.locator('.row-detail').getByRole('button', { name: /neighbours|around|context/i }).first().click();
  for (const text of ['before 3', 'behind 1']) {
    await page.getByText(text).first().waitFor();
  }
});

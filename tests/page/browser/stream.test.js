/** The Stream view: live rows, the filter, pause and resume, open rows, history, copies. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { expectMessages, filter, filterBox, live, messages, streamRows } from '../harness/monitor.js';

/** @param {number} n */
const numbered = (n) => ({ tag: 'shop.page', msg: `event ${n}` });

/** @param {number} from @param {number} to */
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

scenario('stream: events appear as they are sent', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'shop.query', level: 'warning', msg: 'query took 40ms', fields: { user: 'ana', page: '/orders', req: '9f31' } });
  await expectMessages(page, ['query took 40ms']);
  const [row] = await streamRows(page);
  assert.deepEqual([row?.tag, row?.level, row?.user, row?.req, row?.took], ['shop.query', 'warning', 'ana', '9f31', '40 ms']);
  await sender.send(...range(1, 3).map(numbered));
  await expectMessages(page, ['event 3', 'event 2', 'event 1', 'query took 40ms']);
});

scenario('stream: begins with the newest events', async (scene) => {
  await (await scene.agent.sender()).send(...range(1, 12).map(numbered));
  const page = await scene.signIn();
  await expectMessages(page, range(1, 12).reverse().map((n) => `event ${n}`));
});

scenario('stream: an empty log explains how to send the first event', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  await page.locator('#panel-stream').getByText('pulse-send').first().waitFor();
  const copies = await page.locator('#panel-stream').getByRole('button', { name: /copy/i }).count();
  assert.ok(copies >= 1);
  await (await scene.agent.sender()).send(numbered(1));
  await expectMessages(page, ['event 1']);
});

scenario('stream: a filter selects, and a wrong one leaves the old one in force', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send(
    { tag: 'shop.query', msg: 'first query', fields: { user: 'ana' } },
    { tag: 'cron', msg: 'a job' },
    { tag: 'shop.query', msg: 'second query', fields: { user: 'bo' } },
  );
  await filter(page, 'tag=shop.*');
  await expectMessages(page, ['second query', 'first query']);
  assert.equal(new URL(page.url()).searchParams.get('match'), 'tag=shop.*');
  scene.guard.allow(/status of 400/);
  await filter(page, 'tag=shop.* took>soon');
  // What is wrong, and where.
  await page.locator('#filter-problem').filter({ hasText: '"took>soon": took is compared with a duration' }).waitFor();
  assert.equal(await page.locator('#filter .wrong').allInnerTexts().then((texts) => texts.join('')), 'took>soon');
  assert.equal(await filterBox(page).getAttribute('aria-invalid'), 'true');
  // The old filter still decides what is shown.
  await sender.send({ tag: 'cron', msg: 'another job' }, { tag: 'shop.query', msg: 'third query' });
  await expectMessages(page, ['third query', 'second query', 'first query']);
  assert.equal(new URL(page.url()).searchParams.get('match'), 'tag=shop.*');
  await filter(page, '');
  await expectMessages(page, ['third query', 'another job', 'second query', 'a job', 'first query']);
});

scenario('stream: the filter completes keys, tags and users that were seen', async (scene) => {
  await (await scene.agent.sender()).send(
    { tag: 'shop.query', msg: 'query took 3ms', fields: { user: 'ana' } },
    { tag: 'shop.page', msg: 'GET /', fields: { user: 'anton' } },
  );
  const page = await scene.signIn();
  await expectMessages(page, ['GET /', 'query took 3ms']);
  const box = filterBox(page);
  const options = page.locator('#filter').getByRole('option');
  await box.click();
  await box.pressSequentially('ta');
  await options.filter({ hasText: /^tag/ }).first().waitFor();
  await box.fill('');
  await box.pressSequentially('tag=shop.');
  await options.filter({ hasText: 'shop.page' }).first().waitFor();
  await options.filter({ hasText: 'shop.query' }).first().waitFor();
  await box.fill('');
  await box.pressSequentially('user=an');
  await options.filter({ hasText: 'anton' }).first().waitFor();
});

scenario('stream: a click on a value narrows the filter', async (scene) => {
  await (await scene.agent.sender()).send(
    { tag: 'shop.query', msg: 'one', fields: { user: 'ana', req: 'r1' } },
    { tag: 'shop.query', msg: 'two', fields: { user: 'bo', req: 'r2' } },
    { tag: 'shop.page', msg: 'three', fields: { user: 'bo', req: 'r2' } },
  );
  const page = await scene.signIn();
  await expectMessages(page, ['three', 'two', 'one']);
  await page.locator('.row.cells .c-user .pick', { hasText: 'bo' }).first().click();
  await expectMessages(page, ['three', 'two']);
  await page.locator('.row.cells .c-tag .pick', { hasText: 'shop.query' }).first().click();
  await expectMessages(page, ['two']);
  await page.goBack();
  await expectMessages(page, ['three', 'two']);
});

scenario('stream: pause holds the place and counts what is new', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send(...range(1, 5).map(numbered));
  await expectMessages(page, ['event 5', 'event 4', 'event 3', 'event 2', 'event 1']);
  await page.keyboard.press('Space');
  await page.locator('.pause[aria-pressed="true"]').waitFor();
  await sender.send(...range(6, 42).map(numbered));
  await page.locator('#panel-stream').getByText(/\b37 new\b/).first().waitFor();
  assert.deepEqual(await messages(page), ['event 5', 'event 4', 'event 3', 'event 2', 'event 1']);
  await page.keyboard.press('Space');
  await expectMessages(page, range(1, 42).reverse().map((n) => `event ${n}`));
});

scenario('stream: a reader who scrolled keeps the place while events come', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.send(...range(1, 150).map(numbered));
  const page = await scene.signIn();
  await eventually(async () => assert.equal((await messages(page))[0], 'event 150'));
  await page.locator('#panel-stream .list').hover();
  await page.mouse.wheel(0, 1200);
  const top = () => page.locator('#panel-stream .list').evaluate((list) => {
    const edge = list.getBoundingClientRect().top + 60;
    const row = [...list.querySelectorAll('.row.cells')].find((one) => one.getBoundingClientRect().top > edge);
    return row && { text: row.querySelector('.msg')?.textContent, top: Math.round(row.getBoundingClientRect().top) };
  });
  const before = await eventually(async () => {
    const now = await top();
    // The rows of the new place are drawn a frame after the scroll.
    assert.ok(Number(now?.text?.split(' ')[1]) < 120, JSON.stringify(now));
    return now;
  });
  await sender.send(...range(151, 190).map(numbered));
  await page.locator('#panel-stream').getByText(/\b40 new\b/).first().waitFor();
  assert.deepEqual(await top(), before);
});

scenario('stream: a row opens to its fields and its verified origin', async (scene) => {
  await (await scene.agent.sender()).send({
    tag: 'shop.query', msg: 'first line\nsecond line', fields: { user: 'ana', page: '/orders', rows: 12, cached: false },
  });
  const page = await scene.signIn();
  await page.locator('.row.cells').first().locator('.msg').click();
  const detail = page.locator('.row-detail');
  for (const text of ['second line', 'rows', '12', 'cached', 'false', '/orders', `${process.getuid?.()}`]) {
    await detail.getByText(text, { exact: false }).first().waitFor();
  }
  await page.keyboard.press('Escape');
  await detail.waitFor({ state: 'detached' });
});

scenario('stream: scrolling back loads history', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.flood(1200, (index) => numbered(index + 1));
  const page = await scene.signIn();
  await eventually(async () => assert.equal((await messages(page))[0], 'event 1200'));
  await eventually(async () => {
    await page.locator('#panel-stream .list').evaluate((list) => { list.scrollTop = list.scrollHeight; });
    assert.equal((await messages(page)).at(-1), 'event 1');
  });
});

scenario('stream: what is in view downloads as JSON lines, and copies as plain text', async (scene) => {
  await (await scene.agent.sender()).send(...range(1, 3).map(numbered));
  const page = await scene.signIn();
  await expectMessages(page, ['event 3', 'event 2', 'event 1']);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#panel-stream').getByRole('button', { name: /download/i }).click(),
  ]);
  const stream = await download.createReadStream();
  let text = '';
  for await (const chunk of stream) {
    text += chunk;
  }
  const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.filter((line) => line.seq).map((line) => line.msg), ['event 1', 'event 2', 'event 3']);
  const copied = await page.evaluate(() => {
    getSelection()?.selectAllChildren(/** @type {Element} */ (document.querySelector('#panel-stream .rows')));
    const data = new DataTransfer();
    const event = new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true });
    document.querySelector('#panel-stream .rows')?.dispatchEvent(event);
    return data.getData('text/plain');
  });
  assert.match(copied, /shop\.page\t.*event 3\n.*event 2\n.*event 1/s);
});

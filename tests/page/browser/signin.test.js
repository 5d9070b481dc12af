/** Signing in by a one-time link, and what the page shows without a session or a right. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { expectMessages, live } from '../harness/monitor.js';

/** The command that prints a link. */
const SIGN_IN = 'pulse-tail --web';

scenario('sign-in: the link of pulse-tail leads to the live page', async (scene) => {
  const page = await scene.page();
  await page.goto(await scene.agent.link());
  await page.waitForURL(scene.agent.url);
  await live(page);
  const [cookie] = await scene.context.cookies();
  assert.ok(cookie?.httpOnly && cookie.sameSite === 'Strict', JSON.stringify(cookie));
  await page.reload();
  await live(page);
});

scenario('sign-in: a link works once', async (scene) => {
  scene.guard.allow(/status of 401/);
  const link = await scene.agent.link();
  const page = await scene.page();
  await page.goto(link);
  await page.waitForURL(scene.agent.url);
  await scene.context.clearCookies();
  await page.goto(link);
  await page.getByText('This link does not work any more').waitFor();
  await page.getByText(SIGN_IN).waitFor();
});

scenario('sign-in: an unknown link says how to get a new one', async (scene) => {
  scene.guard.allow(/status of 401/);
  const page = await scene.page();
  const link = new URL(await scene.agent.link());
  link.searchParams.set('link', 'a'.repeat(64));
  await page.goto(link.href);
  await page.getByText(SIGN_IN).waitFor();
});

scenario('sign-in: without a session the agent says how to sign in', async (scene) => {
  scene.guard.allow(/status of 401/);
  const page = await scene.open();
  await page.getByText(SIGN_IN).waitFor();
});

scenario('sign-in: a page without a session is live again once another page has signed in', async (scene) => {
  scene.guard.allow(/status of 401/);
  const page = await scene.signIn();
  await live(page);
  await page.locator('#menu-button').click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.locator('.cover').getByText(SIGN_IN).waitFor();
  await live(await scene.signIn());
  await page.bringToFront();
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await live(page);
  await page.locator('.cover').waitFor({ state: 'hidden' });
});

scenario('sign-in: signing out ends every page of the browser', async (scene) => {
  scene.guard.allow(/status of 401/);
  const page = await scene.signIn();
  const other = await scene.open('?view=users');
  await live(page);
  await live(other);
  await page.locator('#menu-button').click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.locator('.cover').getByText(SIGN_IN).waitFor();
  await other.locator('.cover').getByText(SIGN_IN).waitFor();
});

scenario('sign-in: a session survives a restart of the agent', async (scene) => {
  scene.guard.allow(/ERR_|Failed to load resource/);
  const page = await scene.signIn();
  await live(page);
  await scene.agent.end();
  await scene.agent.start();
  await (await scene.agent.sender()).send({ tag: 'shop.page', msg: 'after the restart' });
  await expectMessages(page, ['after the restart']);
});

/** @param {string} user */
const readableBy = (user) => `[[access]]
tag = "*"
send = ["*"]
tail = ["${user}"]
`;

scenario('sign-in: a right that is revoked ends the stream with a message', async (scene) => {
  scene.guard.allow(/status of 403/);
  const page = await scene.signIn('', 'nobody');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'shop.page', msg: 'before' });
  await expectMessages(page, ['before']);
  await scene.agent.configure(readableBy('daemon'));
  scene.agent.reload();
  const cover = page.locator('.cover');
  await cover.waitFor();
  assert.match(await cover.innerText(), /right|ended|permitted/);
  await sender.send({ tag: 'shop.page', msg: 'after' });
  await cover.getByRole('button', { name: 'Try again' }).click();
  await eventually(async () => assert.match(await cover.innerText(), /No right to follow events/));
  assert.equal(await page.getByText('after', { exact: true }).count(), 0);
  // The same page is live again once the right is back.
  await scene.agent.configure(readableBy('nobody'));
  scene.agent.reload();
  await eventually(async () => {
    if (await cover.isVisible()) {
      await cover.getByRole('button', { name: 'Try again' }).click();
    }
    assert.equal(await page.locator('.connection').getAttribute('data-state'), 'live');
  });
}, { config: readableBy('nobody'), root: true });

scenario('sign-in: a user without a right sees why', async (scene) => {
  scene.guard.allow(/status of 403/);
  const page = await scene.page();
  await page.goto(await scene.agent.link('nobody'));
  await page.getByText('You may not follow any event').waitFor();
}, { config: readableBy('daemon'), root: true });

scenario('sign-in: a reader sees only permitted tags', async (scene) => {
  const sender = await scene.agent.sender();
  await sender.send({ tag: 'shop.page', msg: 'permitted' }, { tag: 'secret.key', msg: 'forbidden', level: 'err' });
  const page = await scene.signIn('', 'nobody');
  await expectMessages(page, ['permitted']);
  for (const view of ['users', 'queries', 'errors']) {
    await page.goto(new URL(`?view=${view}`, scene.agent.url).href);
    await live(page);
    await sender.send({ tag: 'shop.page', msg: `permitted in ${view} took 3ms`, level: 'err' }, { tag: 'secret.key', msg: 'forbidden took 3ms', level: 'err' });
    await page.locator(`#panel-${view}`).getByText(`permitted in ${view}`).first().waitFor();
    assert.equal(await page.getByText(/forbidden|secret/).count(), 0);
  }
}, {
  config: `[[access]]
tag = "shop.*"
send = ["*"]
tail = ["nobody"]
[[access]]
tag = "*"
send = ["*"]
tail = ["daemon"]
`,
  root: true,
});

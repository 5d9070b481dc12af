/** Everybody can use the page: no serious finding of axe-core, narrow screens, keyboard and reduced motion. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { eventually, scenario } from '../harness/index.js';
import { live, show, VIEWS } from '../harness/monitor.js';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @type {import('../harness/sender.js').Draft[]} */
const EVENTS = [
  ...['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'].map((level, at) => (
    { tag: `shop.${level}`, level, msg: `a message of level ${level} took ${at * 300 + 1}ms`, fields: { user: 'ana', page: '/orders', req: 'r1' } })),
  ...Array.from({ length: 30 }, (_, at) => ({ tag: 'shop.query', msg: `SELECT * FROM items WHERE id = ${at} took 3ms`, fields: { user: 'bo', page: '/cart', req: 'n1' } })),
  { tag: 'cron.report', run: 'report', msg: 'building the report', fields: { user: 'carla', page: '/report' } },
];

/**
 * The serious and critical findings of axe-core.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<string[]>}
 */
async function findings(page) {
  // Evaluated through the debugger, so that the page's policy stays in force.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = /** @type {{ axe: import('axe-core') }} */ (/** @type {unknown} */ (window));
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.slice(0, 5).map(({ html, any }) => `${id}: ${html.slice(0, 200)} ${any[0]?.message ?? ''}`));
  });
}

/** @param {import('playwright-core').Page} page */
const filled = (page) => page.locator('#status').filter({ hasText: /\d/ }).waitFor();

for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
  scenario(`access: axe-core finds nothing serious, ${colorScheme}`, async (scene) => {
    await (await scene.agent.sender()).send(...EVENTS);
    const page = await scene.signIn();
    await live(page);
    for (const view of VIEWS) {
      await show(page, view);
      await filled(page);
      assert.deepEqual(await findings(page), [], view);
      const open = page.locator(`#panel-${view} .tr .open, #panel-${view} .row.cells .msg`).first();
      if (await open.count()) {
        await open.click();
        await page.locator(`#panel-${view}`).locator('.detail, .row-detail').first().waitFor();
        assert.deepEqual(await findings(page), [], `${view}, a row opened`);
        await page.keyboard.press('Escape');
      }
    }
    await page.locator('#menu-button').click();
    assert.deepEqual(await findings(page), [], 'the menu');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.locator('dialog#help[open]').waitFor();
    assert.deepEqual(await findings(page), [], 'the list of keys');
  }, { context: { colorScheme } });

  scenario(`access: axe-core finds nothing serious without events and without a session, ${colorScheme}`, async (scene) => {
    scene.guard.allow(/status of 401/);
    const page = await scene.signIn();
    await live(page);
    for (const view of VIEWS) {
      await show(page, view);
      assert.deepEqual(await findings(page), [], view);
    }
    await scene.context.clearCookies();
    await page.reload();
    await page.getByText('pulse-tail --web').first().waitFor();
    assert.deepEqual(await findings(page), [], 'signed out');
  }, { context: { colorScheme } });
}

scenario('access: 360 px wide without horizontal scroll', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS, { tag: 'a.'.repeat(60) + 'a', msg: 'x'.repeat(3000), fields: { user: 'u'.repeat(200), page: '/'.repeat(200) } });
  const page = await scene.signIn();
  await live(page);
  for (const view of VIEWS) {
    await show(page, view);
    await eventually(async () => {
      const { scrollWidth, body } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, body: document.body.scrollWidth }));
      assert.ok(scrollWidth <= 360 && body <= 360, `${view}: ${scrollWidth} ${body}`);
    });
    const tab = await page.locator(`#tab-${view}`).boundingBox();
    assert.ok(tab && tab.x >= 0 && tab.x + tab.width <= 360, `${view}: ${JSON.stringify(tab)}`);
  }
}, { context: { viewport: { width: 360, height: 740 } } });

scenario('access: new events do not move the layout', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const sender = await scene.agent.sender();
  await sender.send(...EVENTS);
  await page.locator('.row.cells').first().waitFor();
  await page.evaluate(() => {
    const shifts = /** @type {string[]} */ ([]);
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const shift = /** @type {PerformanceEntry & { value: number, sources: { node?: Node }[] }} */ (entry);
        shifts.push(...shift.sources.map(({ node }) => node instanceof Element ? `${node.id} ${node.className}` : String(node?.nodeName)));
      }
    }).observe({ type: 'layout-shift' });
  });
  for (let round = 0; round < 10; round += 1) {
    await sender.send(...EVENTS.map((event) => ({ ...event, msg: `${event.msg} ${'again '.repeat(round)}` })));
    await eventually(async () => assert.ok(await page.locator('.row.cells').filter({ hasText: 'again '.repeat(round).trim() }).count()));
  }
  // Rows of the stream move down as newer ones come. Nothing else may move.
  const shifts = await page.evaluate(() => /** @type {{ shifts: string[] }} */ (/** @type {unknown} */ (window)).shifts);
  assert.deepEqual(shifts.filter((what) => !/\b(row|rows|msg|pick|mark|number|bar|rest|c-)/.test(what)), []);
});

scenario('access: reduced motion is honoured', async (scene) => {
  await (await scene.agent.sender()).send(...EVENTS);
  const page = await scene.signIn('?view=stack');
  await live(page);
  await filled(page);
  const running = await page.evaluate(() => document.getAnimations().filter((one) => one.playState === 'running').length);
  assert.equal(running, 0);
}, { context: { reducedMotion: 'reduce' } });

scenario('access: the connection and new counts are announced politely', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  await page.keyboard.press('Space');
  await page.locator('#live[aria-live="polite"]').filter({ hasText: 'Paused' }).waitFor();
});

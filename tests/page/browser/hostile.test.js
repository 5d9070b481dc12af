/** Every string of an event is hostile: it shows as text, whatever it holds and wherever it stands. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';
import { live, messages, show, VIEWS } from '../harness/monitor.js';

/** Each would run `alert` or add an element if it were markup. */
const CORPUS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "'><iframe srcdoc='<script>alert(1)</script>'></iframe>",
  '</span></div><h1 id=injected>injected</h1>',
  '<a href="javascript:alert(1)">click</a>',
  '<style>*{display:none}</style>',
  '<input autofocus onfocus=alert(1)>',
  '<object data="data:text/html,<script>alert(1)</script>"></object>',
  '<base href="http://localhost:1/">',
  '<meta http-equiv=refresh content="0;url=http://localhost:1/">',
  '<math><mtext><table><mglyph><style><img src onerror=alert(1)>',
  '</title><script>alert(1)</script>',
  '<!-- --><img src=x onerror=alert(1)> -->',
  '&lt;b&gt;entities stay&lt;/b&gt;',
  '{{constructor.constructor("alert(1)")()}} ${alert(1)}',
  'javascript:alert(1)//',
  '__proto__',
  'constructor',
];

/** Events with a text in every place that keeps it as it is. @param {string} text @returns {import('../harness/sender.js').Draft[]} */
const drafts = (text) => [
  { tag: 'shop.query', msg: `${text} took 40ms`, fields: { user: text, page: text, req: text, note: text } },
  { tag: 'shop.pay', level: 'err', msg: `failed: ${text}`, fields: { user: text, page: text, 'user.name': text } },
  { tag: 'cron', run: text.slice(0, 64), msg: `running ${text}`, fields: { user: text, page: text, req: text } },
];

/**
 * Sends texts in the places that the agent checks: names of fields, tags, levels. It refuses or repairs them.
 * @param {import('../harness/agent.js').Agent} agent
 */
async function sendChecked(agent) {
  for (const text of CORPUS) {
    for (const draft of [{ tag: text, msg: 'a tag' }, { level: text, msg: 'a level' }, { msg: 'a field', fields: { [text]: text } }]) {
      const sender = await agent.sender();
      await sender.send(draft).catch(() => {});
      sender.close();
    }
  }
}

/** What the page's own code never creates. @param {import('playwright-core').Page} page */
const foreign = (page) => page.evaluate(() => {
  const assets = new URL('assets/', document.baseURI).href;
  const own = (/** @type {Element} */ element) => element instanceof HTMLScriptElement && element.src.startsWith(assets);
  const found = [...document.querySelectorAll('script, img, iframe, object, embed, base, meta[http-equiv], math, table, style, #injected')]
    .filter((element) => !own(element));
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || /^\s*javascript:/i.test(value)) {
        found.push(element);
      }
    }
  }
  return found.map((element) => element.outerHTML.slice(0, 200));
});

scenario('hostile: markup shows as text in every view', async (scene) => {
  const page = await scene.signIn();
  await live(page);
  const sender = await scene.agent.sender();
  await sendChecked(scene.agent);
  await sender.send(...CORPUS.flatMap(drafts));
  const last = CORPUS.at(-1);
  await eventually(async () => assert.ok((await messages(page)).includes(`${last} took 40ms`)));
  for (const text of CORPUS) {
    assert.ok((await messages(page)).includes(`${text} took 40ms`), text);
  }
  for (const view of VIEWS) {
    await show(page, view);
    await page.locator('#status').filter({ hasText: /./ }).waitFor();
    if (view === 'users') {
      for (const text of CORPUS) {
        await page.locator('.table.users').getByText(text, { exact: true }).first().waitFor();
      }
    }
    if (view === 'stack') {
      for (const by of ['user', 'page', 'tag']) {
        await page.goto(new URL(`?view=stack&by=${by}`, scene.agent.url).href);
        await live(page);
        await page.locator('#status').filter({ hasText: /./ }).waitFor();
      }
    }
    assert.deepEqual(await foreign(page), [], view);
  }
});

scenario('hostile: markup shows as text in what opens', async (scene) => {
  await (await scene.agent.sender()).send(...CORPUS.slice(0, 5).flatMap(drafts));
  const page = await scene.signIn();
  for (const text of CORPUS.slice(0, 5)) {
    const row = page.locator('.row.cells', { hasText: `${text} took 40ms` }).first();
    await row.locator('.msg').click();
    await page.locator('.row-detail').getByText(text).first().waitFor();
    assert.deepEqual(await foreign(page), []);
    await page.keyboard.press('Escape');
  }
  for (const [view, table] of /** @type {const} */ ([['users', 'users'], ['queries', 'shapes'], ['queries', 'running'], ['errors', 'errors']])) {
    await show(page, view);
    const open = page.locator(`.table.${table} > .tbody > .tr .open`);
    await open.first().waitFor();
    for (let at = 0; at < Math.min(5, await open.count()); at += 1) {
      await open.nth(at).click();
      await page.locator(`.table.${table} .detail`).waitFor();
      assert.deepEqual(await foreign(page), [], view);
      await open.nth(at).click();
    }
  }
});

scenario('hostile: markup in the address shows as text', async (scene) => {
  scene.guard.allow(/status of 400/);
  const page = await scene.signIn(`?match=${encodeURIComponent(CORPUS[1] ?? '')}&view=${encodeURIComponent(CORPUS[0] ?? '')}&since=${encodeURIComponent(CORPUS[2] ?? '')}`);
  await live(page);
  assert.deepEqual(await foreign(page), []);
  for (const text of CORPUS) {
    await page.goto(new URL(`?match=${encodeURIComponent(`user="${text.replaceAll(/["\\]/g, '')}"`)}`, scene.agent.url).href);
    await live(page);
    assert.deepEqual(await foreign(page), []);
  }
});

/** Control characters and what reorders or hides text. */
const INVISIBLE = '\u001b\u0000\u0007\u0008\u007f\u0085\u200b\u200e\u200f\u202a\u202d\u202e\u2066\u2067\u2069\ufeff\u{e0041}';

scenario('hostile: control and bidirectional characters are visible', async (scene) => {
  await (await scene.agent.sender()).send({
    tag: 'shop.query', level: 'err', msg: `invoice\u202etxt.exe \u001b[31mred${INVISIBLE} took 3ms`, fields: { user: `a\u202eb`, page: `/\u001b]0;x\u0007`, note: INVISIBLE },
  });
  const page = await scene.signIn();
  const [msg] = await eventually(async () => {
    const all = await messages(page);
    assert.equal(all.length, 1);
    return all;
  });
  assert.match(msg ?? '', /^invoice⟨U\+202E⟩txt\.exe ␛\[31mred␛␀␇␈␡⟨U\+0085⟩⟨U\+200B⟩/);
  /** Characters that must not be in the document, in any view. */
  const hidden = () => page.evaluate((characters) => {
    const text = `${document.documentElement.textContent}${[...document.querySelectorAll('*')]
      .map((element) => [...element.attributes].map(({ name, value }) => (name.startsWith('data-') || name === 'href' ? '' : value)).join('')).join('')}`;
    return [...characters].filter((character) => text.includes(character)).map((character) => character.codePointAt(0)?.toString(16));
  }, INVISIBLE);
  await page.locator('.row.cells .msg').click();
  await page.locator('.row-detail').waitFor();
  assert.deepEqual(await hidden(), []);
  for (const [view, table] of /** @type {const} */ ([['users', 'users'], ['queries', 'shapes'], ['errors', 'errors']])) {
    await show(page, view);
    await page.locator(`.table.${table} .tr .open`).first().click();
    await page.locator(`.table.${table} .detail`).waitFor();
    assert.deepEqual(await hidden(), [], view);
  }
});

scenario('hostile: a message of 64 KiB is cut in its row and whole when opened', async (scene) => {
  const long = `begin ${'0123456789abcdef'.repeat(4000)} end`;
  await (await scene.agent.sender()).send({ tag: 'shop.page', msg: long });
  const page = await scene.signIn();
  const row = page.locator('.row.cells').first();
  await row.waitFor();
  assert.ok(((await row.textContent()) ?? '').length < 2000);
  const height = await row.evaluate((element) => element.getBoundingClientRect().height);
  assert.ok(height < 60, `${height} px`);
  await row.locator('.msg').click();
  const detail = page.locator('.row-detail');
  await detail.waitFor();
  assert.ok((await detail.evaluate((element) => element.textContent))?.includes(long));
});

scenario('hostile: thousands of users and shapes stay bounded', async (scene) => {
  const page = await scene.signIn('?view=users');
  await live(page);
  const sender = await scene.agent.sender();
  await sender.flood(5000, (n) => ({ tag: `t.${n % 2000}`, level: 'err', msg: `${'abcdefghij'.charAt(n % 10).repeat(1 + (n % 300))} ${'x'.repeat(n % 97)} took 3ms`, fields: { user: `user-${n}`, page: `/${n}`, req: `r${n}` } }));
  for (const [view, table] of /** @type {const} */ ([['users', 'users'], ['queries', 'shapes'], ['errors', 'errors']])) {
    await show(page, view);
    await page.locator(`.table.${table} .tr .open`).first().waitFor();
    await page.locator('#panel-' + view).getByText(/\d other /).first().waitFor();
    assert.ok((await page.locator(`.table.${table} > .tbody > .tr`).count()) <= 1000);
  }
  await page.goto(new URL('?view=stack&by=user', scene.agent.url).href);
  await live(page);
  assert.ok((await page.locator('*').count()) < 20_000);
});

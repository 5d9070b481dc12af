/** The guard itself: each thing that a page must not do fails a test. */
import assert from 'node:assert/strict';
import { eventually, scenario } from '../harness/index.js';

/** What a page does, and the beginning of the report. @type {[string, () => void, RegExp][]} */
const MISDEEDS = [
  ['inline style', () => { document.body.setAttribute('style', 'color: red'); }, /^CSP: style-src/],
  ['inline script', () => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
  }, /^CSP: script-src/],
  ['foreign image', () => { new Image().src = 'http://localhost:1/x.png'; }, /^CSP: img-src/],
  ['uncaught error', () => { setTimeout(() => { throw new Error('uncaught by the page'); }); }, /^uncaught: Error: uncaught by/],
  ['console error', () => { console.error('logged'); }, /^console: logged/],
  ['dialog', () => { setTimeout(() => alert('hello')); }, /^dialog: hello/],
];

for (const [name, misdeed, expected] of MISDEEDS) {
  scenario(`guard reports: ${name}`, async (scene) => {
    const page = await scene.signIn();
    await page.evaluate(misdeed);
    await eventually(() => assert.ok(scene.guard.found.some((finding) => expected.test(finding)), `${scene.guard.found}`));
    assert.equal(await page.evaluate(() => 'ran' in window), false);
    scene.guard.found.length = 0;
    scene.guard.allow(/./);
  });
}

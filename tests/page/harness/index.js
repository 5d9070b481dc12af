/** `scenario`: a test with a real agent and a real browser, signed in through the link that `pulse-tail --web` prints. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Agent } from './agent.js';
import { Guard, launch, newPage } from './browser.js';

export { Agent, HOST } from './agent.js';
export { eventually, until, WAIT_MAX } from './until.js';

/** Bound of one scenario, in milliseconds. */
const SCENARIO_MAX = 120_000;

/** Where failed scenarios leave a picture of their pages. */
const FAILED = fileURLToPath(new URL('../../../target/page/failed/', import.meta.url));

/** @type {Promise<import('playwright-core').Browser> | undefined} */
let shared;

/** The browser of this test file. */
export const browser = () => (shared ??= launch());

after(async () => (await shared)?.close());

/**
 * @typedef {{
 *   config?: string,                                            // further tables of the agent's configuration
 *   context?: import('playwright-core').BrowserContextOptions,  // colour scheme, size, permissions
 *   root?: boolean,                                             // skipped unless the tests run as root
 * }} Options
 */

/** One scenario: its agent, its browser context, and what its pages must not do. */
export class Scene {
  /**
   * @param {Agent} agent
   * @param {import('playwright-core').BrowserContext} context
   */
  constructor(agent, context) {
    this.agent = agent;
    this.context = context;
    this.guard = new Guard(agent.url);
  }

  /** A page that shows nothing yet. */
  page() {
    return newPage(this.context, this.guard);
  }

  /**
   * A signed-in page.
   * @param {string} [address] relative to the monitor: `?view=users`
   * @param {string} [user] who signs in, if not the user of the tests
   */
  async signIn(address = '', user = undefined) {
    const page = await this.page();
    await page.goto(await this.agent.link(user));
    // The page of the link leads to the monitor.
    await page.waitForURL(this.agent.url);
    if (address) {
      await page.goto(new URL(address, this.agent.url).href);
    }
    return page;
  }

  /** One more page of a context that is signed in. @param {string} [address] */
  async open(address = '') {
    const page = await this.page();
    await page.goto(new URL(address, this.agent.url).href);
    return page;
  }
}

/**
 * Registers a test. It fails if the scenario fails, or if a page of it does what the guard reports.
 * @param {string} name
 * @param {(scene: Scene) => Promise<void>} body
 * @param {Options} [options]
 */
export function scenario(name, body, options = {}) {
  const skip = options.root && process.getuid?.() !== 0 ? 'needs root' : false;
  test(name, { skip, timeout: SCENARIO_MAX }, async () => {
    const agent = await Agent.start(options.config);
    try {
      const context = await (await browser()).newContext({ viewport: { width: 1440, height: 900 }, ...options.context });
      const scene = new Scene(agent, context);
      try {
        await body(scene);
        assert.deepEqual(scene.guard.found, []);
      } catch (error) {
        await report(name, scene);
        throw error;
      } finally {
        await context.close();
      }
    } finally {
      await agent.remove();
    }
  });
}

/**
 * Saves a picture of each page, and prints what the guard found and the agent wrote.
 * @param {string} name
 * @param {Scene} scene
 */
async function report(name, scene) {
  await mkdir(FAILED, { recursive: true });
  for (const [at, page] of scene.context.pages().entries()) {
    const file = `${FAILED}${name.replaceAll(/\W+/g, '-')}-${at}.png`;
    await page.screenshot({ path: file, timeout: 5000 }).then(
      () => console.error(`page ${at}: ${page.url()}: see ${file}`),
      (/** @type {unknown} */ error) => console.error(`page ${at}: no picture: ${error}`),
    );
  }
  scene.guard.found.forEach((finding) => console.error(`page: ${finding}`));
  console.error(`agent: ${scene.agent.output.slice(-2000)}`);
}

/**
 * Plays contrib/demo and writes the pictures in docs/screenshots: each view, dark and light, and the wall screen.
 * `screenshots.js [SECONDS]` is how long the shop plays before the first picture.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Agent, program } from './harness/agent.js';
import { Guard, launch, newPage } from './harness/browser.js';
import { live, show, VIEWS } from './harness/monitor.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TARGET = `${ROOT}docs/screenshots/`;

/** How long the shop plays before the first picture, in seconds: its N+1, slow spell and errors come within it. */
const SECONDS = Number(process.argv[2] ?? 150);

/** How long a view is shown before its picture, in milliseconds: the stack has to fill. */
const SETTLED = 3000;
const FILLED = 25_000;

/** @param {number} time in milliseconds */
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/**
 * @param {Agent} agent
 * @param {import('playwright-core').Browser} browser
 * @param {'dark' | 'light'} colorScheme
 */
async function open(agent, browser, colorScheme) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme });
  const page = await newPage(context, new Guard(agent.url));
  await page.goto(await agent.link());
  await page.waitForURL(agent.url);
  await live(page);
  return page;
}

/** @param {import('playwright-core').Page} page @param {'dark' | 'light'} colorScheme */
async function take(page, colorScheme) {
  await page.bringToFront();
  for (const view of VIEWS) {
    await show(page, view);
    await pause(view === 'stack' ? FILLED : SETTLED);
    await page.screenshot({ path: `${TARGET}${view}-${colorScheme}.png` });
  }
  await page.keyboard.press('w');
  await page.mouse.move(0, 0);
  await pause(FILLED);
  await page.screenshot({ path: `${TARGET}wall-${colorScheme}.png` });
  await page.context().close();
}

async function main() {
  await mkdir(TARGET, { recursive: true });
  const agent = await Agent.start('', 'web1');
  const browser = await launch();
  // Views begin when they are watched.
  const dark = await open(agent, browser, 'dark');
  const light = await open(agent, browser, 'light');
  const demo = spawn(`${ROOT}contrib/demo`, [], {
    stdio: 'ignore',
    env: { ...process.env, PULSED_SOCKET: agent.socket, PATH: `${program('')}:${process.env.PATH}` },
  });
  try {
    await pause(SECONDS * 1000);
    await take(dark, 'dark');
    await take(light, 'light');
  } finally {
    await browser.close();
    demo.kill('SIGINT');
    await agent.remove();
  }
}

await main();

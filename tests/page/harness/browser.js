/** Chromium, and pages that record everything a page of the monitor must not do. */
import { chromium } from 'playwright-core';
import { WAIT_MAX } from './until.js';

/** Debian's Chromium, or the one that the environment names. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  // No name resolves, so that a foreign request cannot leave the machine.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** @param {string[]} [flags] further flags of Chromium */
export const launch = (flags = []) => chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...flags] });

/**
 * What a page did that it must not do: CSP violations, uncaught errors, console errors, dialogs, requests to
 * a foreign origin. A test fails if `found` is not empty at its end.
 */
export class Guard {
  /** @type {string[]} */
  found = [];
  /** Messages that this test expects. @type {RegExp[]} */
  #allowed = [];

  /** @param {string} origin */
  constructor(origin) {
    this.origin = new URL(origin).origin;
  }

  /** Accepts findings that match, for example the failed requests of a test that kills the agent. @param {RegExp} finding */
  allow(finding) {
    this.#allowed.push(finding);
    this.found = this.found.filter((text) => !finding.test(text));
  }

  /** @param {string} finding */
  #report(finding) {
    if (!this.#allowed.some((allowed) => allowed.test(finding))) {
      this.found.push(finding);
    }
  }

  /** Watches a page from its first document on. @param {import('playwright-core').Page} page */
  async watch(page) {
    page.on('pageerror', (error) => this.#report(`uncaught: ${error.stack || error}`));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.#report(`console: ${message.text()} (${message.location().url})`);
      }
    });
    page.on('dialog', (dialog) => {
      this.#report(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== this.origin && protocol !== 'data:' && protocol !== 'blob:') {
        this.#report(`foreign request: ${request.url()}`);
      }
    });
    await page.exposeFunction('reportViolation', (/** @type {string} */ text) => this.#report(text));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        const report = /** @type {{ reportViolation(text: string): void }} */ (/** @type {unknown} */ (window));
        report.reportViolation(`CSP: ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
      });
    });
  }
}

/**
 * A page with the bounds of the tests, watched by the guard.
 * @param {import('playwright-core').BrowserContext} context
 * @param {Guard} guard
 */
export async function newPage(context, guard) {
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MAX);
  await guard.watch(page);
  return page;
}

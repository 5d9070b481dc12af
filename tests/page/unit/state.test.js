import assert from 'node:assert/strict';
import test from 'node:test';

import { DEFAULTS, createState, format, parse } from '../../../src/agent/http/page/state.js';

/** A window with a history. */
class FakePage {
  entries = ['?view=users&match=tag%3Da'];
  at = 0;
  /** @type {(() => void)[]} */
  listeners = [];

  location = /** @type {any} */ ({ pathname: '/mon/', search: this.entries[0] });

  history = /** @type {any} */ ({
    pushState: (/** @type {any} */ _, /** @type {any} */ __, /** @type {string} */ url) =>
      this.#go([...this.entries.slice(0, this.at + 1), url], this.at + 1),
    replaceState: (/** @type {any} */ _, /** @type {any} */ __, /** @type {string} */ url) =>
      this.#go(this.entries.map((entry, at) => (at === this.at ? url : entry)), this.at),
  });

  addEventListener = /** @type {any} */ (
    (/** @type {string} */ _, /** @type {() => void} */ fn) => this.listeners.push(fn)
  );

  /**
   * @param {string[]} entries
   * @param {number} at
   */
  #go(entries, at) {
    [this.entries, this.at] = [entries, at];
    const { href } = new URL(entries[at], 'http://x/mon/');
    this.location.search = new URL(href).search;
  }

  back() {
    this.#go(this.entries, this.at - 1);
    for (const listener of this.listeners) listener();
  }
}

test('reads known keys, and falls back for bad values', () => {
  assert.deepEqual(parse(''), DEFAULTS);
  assert.deepEqual(
    parse('?view=nope&by=__proto__&since=yesterday&until=2026-99-99T00:00:00Z&wall=0&evil=1'),
    DEFAULTS,
  );
  const full = {
    view: 'stack',
    host: 'web*',
    match: 'msg="a b" + x=1',
    since: '2026-11-22T17:00:00Z',
    until: '2026-11-22T18:00:00.5+01:00',
    by: 'user',
    wall: true,
  };
  // The end is before the start.
  assert.deepEqual(parse(format(/** @type {any} */ (full))), { ...full, until: full.until });
  assert.equal(parse('?since=2026-11-22T17:00:00Z&until=2026-11-22T16:00:00Z').until, '');
  assert.equal(parse(`?match=${'x'.repeat(9000)}`).match, '');
  assert.equal(parse('?match=%20a%3D1%20').match, 'a=1');
  assert.equal(parse('?wall').wall, true);
  for (const host of ['a b', '<i>', 'x'.repeat(256)]) assert.equal(parse(`?host=${encodeURIComponent(host)}`).host, '');
});

test('what it writes it reads, for hostile texts too', () => {
  for (const match of ['a=1&view=users', 'x="#?%+ "', '\u202e=1', '😀~1', '<script>']) {
    assert.equal(parse(format({ ...DEFAULTS, match })).match, match);
  }
  assert.equal(format(DEFAULTS), '');
});

test('pushes deliberate changes, replaces others, follows back', () => {
  const page = new FakePage();
  const state = createState(/** @type {any} */ (page));
  /** @type {string[]} */
  const seen = [];
  state.on((now, before) => seen.push(`${before.view} ${before.match} > ${now.view} ${now.match}`));
  state.set({ match: 'tag=b' });
  state.set({ view: 'stack' }, { push: true });
  state.set({ view: 'stack' }, { push: true });
  assert.equal(page.entries.length, 2);
  page.back();
  assert.deepEqual(seen, [
    'users tag=a > users tag=b',
    'users tag=b > stack tag=b',
    'stack tag=b > users tag=b',
  ]);
  state.set({ view: 'stream', match: '' });
  assert.equal(page.entries[0], '/mon/');
});

test('a bad value changes nothing', () => {
  const state = createState(/** @type {any} */ (new FakePage()));
  state.set({ view: /** @type {any} */ ('nope'), match: 'x'.repeat(9000) });
  assert.deepEqual([state.get().view, state.get().match], ['users', 'tag=a']);
});

test('links to a changed state', () => {
  const state = createState(/** @type {any} */ (new FakePage()));
  assert.equal(state.link({ view: 'stream', match: '' }), '.');
  assert.equal(state.link({ by: 'page' }), '?view=users&match=tag%3Da&by=page');
});

test('a listener that unregisters while it is called disturbs no other', () => {
  const state = createState(/** @type {any} */ (new FakePage()));
  let calls = 0;
  const off = state.on(() => off());
  state.on(() => {
    calls += 1;
  });
  state.set({ match: 'x=1' });
  state.set({ match: 'x=2' });
  assert.equal(calls, 2);
});

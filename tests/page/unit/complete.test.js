import assert from 'node:assert/strict';
import test from 'node:test';

import { ITEMS_MAX, complete } from '../../../src/agent/http/page/filter/complete.js';
import { KEYS, tokenize } from '../../../src/agent/http/page/filter/filter.js';
import { createSeen } from '../../../src/agent/http/page/feed/seen.js';
import { randomFrom } from './random.js';

const seen = createSeen();
for (const [tag, user, page] of [
  ['shop.query', 'ana', '/a b'],
  ['shop.report', 'bob', '/b'],
  ['cron', 'Anton "x"', '/c'],
]) {
  seen.event(
    /** @type {any} */ ({
      tag,
      level: 'info',
      host: 'web1',
      fields: { user, page, order: 7, tag: 'f' },
      origin: { user: 'www-data', uid: 33 },
    }),
  );
}

/**
 * @param {string} text  `|` is the caret
 */
function at(text) {
  const caret = text.indexOf('|');
  const plain = text.replace('|', '');
  const { start, end, items } = complete(plain, caret, seen);
  return {
    items,
    labels: items.map((item) => item.label),
    results: items.map((item) => plain.slice(0, start) + item.insert + plain.slice(end)),
  };
}

test('offers every key, also fields that were seen', () => {
  const { labels } = at('|');
  for (const key of [...Object.keys(KEYS), 'user', 'page', 'req', 'rows', 'order', 'fields.tag'])
    assert.ok(labels.includes(key), key);
});

test('completes a key with its usual operator', () => {
  assert.equal(at('le|').results[0], 'level>=');
  assert.equal(at('tag=a us|').results[0], 'tag=a user=');
  assert.equal(at('too| x=1').results[0], 'took> x=1');
});

test('completes the key of a term without touching its value', () => {
  assert.equal(at('us|=ana x=1').results[0], 'user=ana x=1');
});

test('offers operators after a whole key, the usual one first', () => {
  assert.deepEqual(at('level|').labels.slice(0, 2), ['level>=', 'level!=']);
  assert.ok(!at('tag|').labels.includes('tag>'));
  assert.ok(at('order|').labels.includes('order>'));
});

test('completes values, in quotes where needed', () => {
  assert.deepEqual(at('user=an|').results, ['user="Anton \\"x\\""', 'user=ana']);
  assert.deepEqual(at('page="/a|').results, ['page="/a b"']);
  assert.deepEqual(at('_user=|').results, ['_user=www-data']);
  assert.deepEqual(at('fields.order=|').results, ['fields.order=7']);
  assert.equal(at('level>=w|').results[0], 'level>=warning');
  assert.equal(at('abandoned=|').results[0], 'abandoned=true');
  assert.equal(at('took>|').results[0], 'took>10ms');
});

test('offers the family of tags as a glob', () => {
  assert.equal(at('tag=|').results[0], 'tag=shop.*');
  assert.ok(!at('tag~|').labels.includes('shop.*'));
});

test('a bare word becomes clauses', () => {
  const { results } = at('an|');
  assert.ok(results.includes('user=ana'));
  assert.equal(results.at(-1), 'msg~an');
  assert.equal(at('a.b|').results.at(-1), 'msg~a\\.b');
});

test('offers nothing at a +, and at most so many', () => {
  assert.deepEqual(at('a=1 +|').items, []);
  const many = createSeen();
  for (let i = 0; i < 1000; i += 1) many.event(/** @type {any} */ ({ tag: 't', fields: { user: `u${i}` } }));
  assert.equal(complete('user=', 5, many).items.length, ITEMS_MAX);
});

test('what it inserts is one word, for any text and caret', () => {
  const random = randomFrom(6);
  const pieces = ['a', 'user', '=', '~', '"', '\\', ' ', '+', 'tag', '!'];
  for (let i = 0; i < 3000; i += 1) {
    const text = Array.from({ length: random(8) }, () => pieces[random(pieces.length)]).join('');
    const { start, end, items } = complete(text, random(text.length + 1), seen);
    assert.ok(start <= end && end <= text.length);
    for (const item of items) assert.equal(tokenize(item.insert).length, 1, `${text} ${item.insert}`);
  }
});

test('what was seen is bounded, and hostile names are harmless', () => {
  const big = createSeen();
  for (let i = 0; i < 5000; i += 1) {
    big.event(
      /** @type {any} */ ({
        tag: `t${i}`,
        fields: { [`f${i}`]: i, user: 'x'.repeat(i), constructor: 'c', ['__proto__']: 'p' },
      }),
    );
  }
  assert.equal(big.fields().length, 200);
  assert.equal(big.values('tag').length, 300);
  assert.equal(big.values('tag')[0], 't4999');
  assert.ok(big.values('user').every((user) => user.length <= 120));
  assert.deepEqual(big.values('constructor'), ['c']);
  assert.deepEqual(big.values('toString'), []);
});

test('learns from views', () => {
  const views = createSeen();
  views.view(
    /** @type {any} */ ({
      view: 'users',
      users: [{ user: 'eve', page: '/p', login: 'www', tag: 't' }, null],
    }),
  );
  assert.deepEqual(
    [views.values('user'), views.values('_user'), views.fields()],
    [['eve'], ['www'], ['page', 'user']],
  );
  views.view(/** @type {any} */ ({ view: 'users', users: 'x' }));
});

test('names invisible characters of a value', () => {
  const hostile = createSeen();
  hostile.event(/** @type {any} */ ({ tag: 't', fields: { user: 'ad\u202emin' } }));
  assert.equal(complete('user=', 5, hostile).items[0].insert, String.raw`user~^ad\x{202E}min$`);
});

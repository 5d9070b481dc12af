import assert from 'node:assert/strict';
import test from 'node:test';

import {
  addClause,
  clause,
  escapePattern,
  fieldKey,
  hasClause,
  locate,
  neighbours,
  quote,
  removeClause,
  replaceClause,
  spans,
  toggleClause,
  tokenize,
} from '../../../src/agent/http/page/filter/filter.js';
import { randomFrom } from './random.js';

/** @param {string} text */
const parts = (text) =>
  tokenize(text).map((token) => (token.kind === 'term' ? [token.key, token.op, token.value] : token.kind));

test('splits at white space of ASCII, and reads every operator', () => {
  assert.deepEqual(parts(' tag=a\tlevel>=err\nmsg~x\fb!~y\rc!=z d>1 e<2 f<=3 '), [
    ['tag', '=', 'a'],
    ['level', '>=', 'err'],
    ['msg', '~', 'x'],
    ['b', '!~', 'y'],
    ['c', '!=', 'z'],
    ['d', '>', '1'],
    ['e', '<', '2'],
    ['f', '<=', '3'],
  ]);
  assert.deepEqual(parts('a=1\u00a0b=2'), [['a', '=', '1\u00a0b=2']]);
});

test('quotes may stand anywhere in a word, and escape only quotes and backslashes', () => {
  assert.deepEqual(parts('msg="a b"'), [['msg', '=', 'a b']]);
  assert.deepEqual(parts('"msg=a b"'), [['msg', '=', 'a b']]);
  assert.deepEqual(parts('m"sg=a b"c'), [['msg', '=', 'a bc']]);
  assert.deepEqual(parts(String.raw`msg="a\"b\\c\d"`), [['msg', '=', String.raw`a"b\c\d`]]);
  assert.deepEqual(parts(String.raw`msg=a\"b c"`), [['msg', '=', String.raw`a\b c`]]);
});

test('finds the first operator only', () => {
  assert.deepEqual(parts('a==b c=~d e>==f g=h!=i'), [
    ['a', '=', '=b'],
    ['c', '=', '~d'],
    ['e', '>=', '=f'],
    ['g', '=', 'h!=i'],
  ]);
  assert.deepEqual(parts('a!b x'), ['word', 'word']);
  assert.deepEqual(parts('=x'), [['', '=', 'x']]);
});

test('a + alone separates groups, one in quotes or in a word does not', () => {
  assert.deepEqual(parts('a=1 + b=2 "+" a=+'), [
    ['a', '=', '1'],
    'plus',
    ['b', '=', '2'],
    'word',
    ['a', '=', '+'],
  ]);
});

test('marks an open quote', () => {
  assert.deepEqual(
    tokenize('a=1 b="x y').map((token) => token.open),
    [false, true],
  );
});

test('offsets point into the text', () => {
  const text = ' "ta"g="a b" level>=err';
  const [first, second] = tokenize(text);
  assert.equal(text.slice(first.start, first.end), '"ta"g="a b"');
  assert.equal(text.slice(first.opStart, first.valueStart), '=');
  assert.equal(text.slice(second.opStart, second.valueStart), '>=');
});

test('spans cover the text without overlap, for any text', () => {
  const random = randomFrom(2);
  const pieces = ['a', '=', '!', '~', '>', '"', '\\', ' ', '+', '\t', 'é', '😀', '\u202e'];
  for (let i = 0; i < 3000; i += 1) {
    const text = Array.from({ length: random(15) }, () => pieces[random(pieces.length)]).join('');
    let at = 0;
    for (const span of spans(text)) {
      assert.equal(span.start, at);
      assert.ok(span.end > at);
      at = span.end;
    }
    assert.equal(at, text.length, JSON.stringify(text));
  }
  assert.deepEqual(
    spans('tag=a + x').map((span) => span.kind),
    ['key', 'op', 'value', 'space', 'plus', 'space', 'error'],
  );
});

test('a quoted value is read back as it was, whatever it is', () => {
  const random = randomFrom(4);
  const pieces = ['a', '"', '\\', ' ', '\n', '=', '+', '~', '\u00a0', '😀'];
  for (let i = 0; i < 3000; i += 1) {
    const value = Array.from({ length: random(10) }, () => pieces[random(pieces.length)]).join('');
    const tokens = tokenize(`x=1 k=${quote(value)} y=2`);
    assert.deepEqual(
      [tokens.length, tokens[1].value, tokens[1].open],
      [3, value, false],
      JSON.stringify(value),
    );
  }
});

test('quotes only what needs it', () => {
  assert.equal(quote('shop.query'), 'shop.query');
  assert.equal(quote(''), '');
  assert.equal(quote('a\\b'), 'a\\b');
  assert.equal(quote('a b'), '"a b"');
  assert.equal(quote('a\\"'), String.raw`"a\\\""`);
});

test('names what cannot be seen in a clause', () => {
  assert.equal(clause('user', '=', 'ad\u202emin'), String.raw`user~^ad\x{202E}min$`);
  assert.equal(clause('msg', '!=', 'a.b\n'), String.raw`msg!~^a\.b\x{A}$`);
  assert.equal(clause('user', '=', 'Zoë'), 'user=Zoë');
  const text = addClause('', 'user', '=', 'a\u0000');
  assert.ok(hasClause(text, 'user', '=', 'a\u0000'));
  assert.equal(toggleClause(text, 'user', '=', 'a\u0000'), '');
});

test('fields with the name of another key get their prefix', () => {
  assert.deepEqual(['user', 'tag', 'fields.x', '_pid', 'constructor'].map(fieldKey), [
    'user',
    'fields.tag',
    'fields.fields.x',
    'fields._pid',
    'constructor',
  ]);
});

test('adds a clause that narrows', () => {
  assert.equal(addClause('', 'tag', '=', 'a'), 'tag=a');
  assert.equal(addClause('level>=err', 'user', '=', 'ana b'), 'level>=err user="ana b"');
  assert.equal(addClause('tag=shop.* user=ana', 'tag', '=', 'shop.query'), 'user=ana tag=shop.query');
  assert.equal(addClause('took>1s took<2s', 'took', '>', '100ms'), 'took<2s took>100ms');
  assert.equal(addClause('msg~a', 'msg', '~', 'b'), 'msg~a msg~b');
  assert.equal(addClause('user!=ana', 'user', '!=', 'bob'), 'user!=ana user!=bob');
  assert.equal(addClause('user!=ana', 'user', '!=', 'ana'), 'user!=ana');
});

test('edits each group, and joins equal ones', () => {
  assert.equal(addClause('tag=a + tag=b', 'user', '=', 'x'), 'tag=a user=x + tag=b user=x');
  assert.equal(addClause('user=a + user=b', 'user', '=', 'b'), 'user=b');
  assert.equal(removeClause('tag=a user=x + tag=b user=x', 'user'), 'tag=a + tag=b');
  assert.equal(removeClause('tag=a + user=x', 'user'), '', 'a group without terms matches everything');
});

test('keeps other terms as they were written', () => {
  assert.equal(addClause('  msg="a  b"   "tag=x"', 'u', '=', '1'), 'msg="a  b" "tag=x" u=1');
  assert.equal(addClause('msg="open', 'u', '=', '1'), 'msg="open" u=1');
});

test('replaces, removes and toggles', () => {
  assert.equal(replaceClause('user=a user!=b tag=c', 'user', '=', 'd'), 'tag=c user=d');
  assert.equal(removeClause('user=a user=b user!=a', 'user', '=', 'a'), 'user=b user!=a');
  assert.equal(toggleClause('user=a', 'user', '=', 'b'), 'user=a user=b');
  assert.equal(toggleClause('user=a user=b', 'user', '=', 'a'), 'user=b');
  assert.ok(hasClause('user="a"', 'user', '=', 'a'));
  assert.ok(!hasClause('user="a"', 'user', '!='));
});

test('a clause that would make the MATCH too long changes nothing', () => {
  assert.equal(addClause('tag=a', 'msg', '=', 'x'.repeat(9000)), 'tag=a');
  assert.equal(addClause('tag=a', 'msg', '=', 'é'.repeat(5000)), 'tag=a');
});

test('escapes regular expressions', () => {
  const text = '\\.+*?()|[]{}^$#&-~/ab';
  assert.ok(new RegExp(`^(?:${escapePattern(text).replace(/\\([#&~-])/g, '$1')})$`).test(text));
});

test('locates what an error is about', () => {
  const at = (/** @type {string} */ text, /** @type {string} */ why) => {
    const found = locate(text, why);
    return found && text.slice(found.start, found.end);
  };
  assert.equal(at('tag=a took>x user=b', '"took>x": took is compared with a duration'), 'took>x');
  assert.equal(at('tag=a level>=foo', 'unknown level "foo": one of …'), 'level>=foo');
  assert.equal(at('tag=a foo', '"foo" has no operator (= != ~): did you mean tag=foo or msg~foo?'), 'foo');
  assert.equal(at('a=1 _x=2', 'unknown key "_x": what begins with _ is one of _pid'), '_x=2');
  assert.equal(at('a=1 msg="b c', 'the quote that begins at "\\"b c" is not closed'), 'msg="b c');
  assert.equal(at('+ a=1', 'a + separates two groups of terms, and one of them is empty'), '+');
  assert.equal(at('a=1 + + b=2', 'a + separates'), '+');
  assert.equal(at(`a=1 ${'x'.repeat(100)}`, `"${'x'.repeat(80)}…" has no operator`), 'x'.repeat(100));
  assert.equal(at('a=1 "b\tc"', '"b\\tc" has no operator'), '"b\tc"');
  assert.equal(at('a=1', 'the MATCH has more than 64 terms'), null);
  assert.equal(at('a=1', 'bad \\u{ffffffff} "\\u{110000}"'), null);
});

test('asks for the neighbours of a line without a MATCH', () => {
  assert.deepEqual(neighbours('a-5', 10), {
    before: { before: 'a-5', lines: 10 },
    after: { after: 'a-5', lines: 10 },
  });
});

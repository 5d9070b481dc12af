import assert from 'node:assert/strict';
import test from 'node:test';

import {
  age,
  clock,
  cut,
  duration,
  fullTime,
  hasInvisible,
  number,
  percent,
  short,
  visible,
} from '../../../src/agent/http/page/draw/format.js';

/**
 * @template T
 * @param {(value: T) => string} format
 * @param {[T, string][]} cases
 */
function table(format, cases) {
  for (const [value, text] of cases) assert.equal(format(value), text, String(value));
}

test('numbers', () => {
  table(number, [
    [0, '0'],
    [1284, '1,284'],
    [1e6, '1,000,000'],
    [NaN, '–'],
  ]);
  table(short, [
    [0, '0'],
    [0.3, '0.3'],
    [7, '7'],
    [9.96, '10'],
    [1284, '1,284'],
    [9999, '9,999'],
    [9999.6, '10k'],
    [12_345, '12.3k'],
    [99_960, '100k'],
    [999_600, '1M'],
    [4.1e6, '4.1M'],
    [2e9, '2G'],
    [5e12, '5T'],
    [Infinity, '–'],
  ]);
  table(percent, [
    [0, '0 %'],
    [0.0001, '<0.1 %'],
    [0.0031, '0.3 %'],
    [0.42, '42 %'],
    [1, '100 %'],
    [NaN, '–'],
  ]);
});

test('durations', () => {
  table(duration, [
    [0, '0 ms'],
    [-1, '0 ms'],
    [1e-7, '<1 µs'],
    [4e-5, '40 µs'],
    [0.0004, '0.4 ms'],
    [0.001, '1 ms'],
    [0.00999, '9.99 ms'],
    [0.0195, '19.5 ms'],
    [0.1, '100 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1 s'],
    [1.23, '1.23 s'],
    [12, '12 s'],
    [59.9, '59.9 s'],
    [59.96, '1 m 00 s'],
    [125, '2 m 05 s'],
    [3599.7, '1 h 00 m'],
    [11_220, '3 h 07 m'],
    [190_000, '2 d 04 h'],
    [NaN, '–'],
  ]);
});

test('ages', () => {
  table(age, [
    [-5, 'now'],
    [0.9, 'now'],
    [5.9, '5 s'],
    [60, '1 m'],
    [3599, '59 m'],
    [7200, '2 h'],
    [200_000, '2 d'],
    [NaN, '–'],
  ]);
});

test('times', () => {
  assert.match(clock('2026-11-22T17:32:05.123456Z'), /^\d\d:\d\d:05\.123$/);
  assert.match(fullTime('2026-11-22T17:32:05.123456Z'), /^2026-11-2\d \d\d:\d\d:05\.123456 [+-]\d\d:\d\d/);
  assert.equal(clock('\u202enever'), '⟨U+202E⟩never');
  assert.equal(fullTime(''), '');
});

test('control and bidirectional characters become visible', () => {
  table(visible, [
    ['plain äöü 漢字 😀 👩‍👩‍👧', 'plain äöü 漢字 😀 👩‍👩‍👧'],
    ['\u0000\u001b[31m\r\n\t\u007f', '␀␛[31m␍␊␉␡'],
    ['user \u202etoor', 'user ⟨U+202E⟩toor'],
    [
      '\u0085\u009b\u00ad\u061c\u200b\u200e\u2028\u2066\ufeff\ufff9\uffff',
      '⟨U+0085⟩⟨U+009B⟩⟨U+00AD⟩⟨U+061C⟩⟨U+200B⟩⟨U+200E⟩⟨U+2028⟩⟨U+2066⟩⟨U+FEFF⟩⟨U+FFF9⟩⟨U+FFFF⟩',
    ],
    ['\u{e0041}', '⟨U+E0041⟩'],
    ['\ud800x\udc00', '⟨U+D800⟩x⟨U+DC00⟩'],
    ['<b>&amp;</b>', '<b>&amp;</b>'],
  ]);
  assert.equal(visible('a\tb\nc\r', Infinity, { lines: true }), 'a\tb\nc␍');
});

test('no character of a bidirectional override or of a terminal remains', () => {
  for (let code = 0; code < 0x3000; code += 1) {
    const shown = visible(`a${String.fromCharCode(code)}b`);
    assert.ok(
      !/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/.test(shown),
      code.toString(16),
    );
    assert.ok(shown.length >= 3);
    assert.equal(
      hasInvisible(String.fromCharCode(code)),
      shown.length !== 3 || shown[1] !== String.fromCharCode(code),
    );
  }
});

test('other values of fields', () => {
  table(/** @type {(value: unknown) => string} */ (visible), [
    [7, '7'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'null'],
  ]);
});

test('cuts by code points', () => {
  assert.equal(cut('abc', 3), 'abc');
  assert.equal(cut('abcd', 3), 'abc…');
  assert.equal(cut('😀😀😀', 2), '😀😀…');
  assert.equal(cut('😀😀', 2), '😀😀');
  assert.equal(visible('\u202e'.repeat(65_536), 2), '⟨U+202E⟩⟨U+202E⟩…');
});

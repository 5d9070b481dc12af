import assert from 'node:assert/strict';
import test from 'node:test';

import { FrameTooLong, SseParser } from '../../../src/agent/http/page/feed/sse.js';
import { randomFrom } from './random.js';

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);

/** @param {string} text */
function parse(text) {
  return new SseParser().push(bytes(text));
}

test('reads event, id and data', () => {
  assert.deepEqual(parse('event: s1\nid: 7f-3\ndata: {"seq":3}\n\n'), [
    { event: 's1', id: '7f-3', data: '{"seq":3}' },
  ]);
});

test('an id belongs to its frame alone', () => {
  const frames = parse('id: 7f-3\ndata: a\n\ndata: b\n\n');
  assert.deepEqual(
    frames.map((frame) => frame.id),
    ['7f-3', ''],
  );
});

test('joins data lines, keeps inner spaces, drops one leading space', () => {
  assert.deepEqual(parse('data:  a\ndata:b: c\ndata\n\n'), [{ event: '', id: '', data: ' a\nb: c\n' }]);
});

test('ignores comments, unknown fields, frames without data and unfinished frames', () => {
  const parser = new SseParser();
  assert.deepEqual(parser.push(bytes(': heartbeat\n\nfoo: bar\nevent: x\n\ndata: half')), []);
  assert.deepEqual(parser.push(bytes('\n\n')), [{ event: '', id: '', data: 'half' }]);
});

test('accepts LF, CR and CRLF, also mixed', () => {
  for (const [a, b, c] of [
    ['\n', '\n', '\n'],
    ['\r', '\r', '\r'],
    ['\r\n', '\r\n', '\r\n'],
    ['\r\n', '\n', '\r'],
  ]) {
    assert.deepEqual(
      parse(`event: e${a}data: 1${b}${c}data: 2\n\n`).map((f) => f.data),
      ['1', '2'],
      JSON.stringify([a, b, c]),
    );
  }
});

test('a CR at the end of a chunk completes its line at once', () => {
  const parser = new SseParser();
  assert.equal(parser.push(bytes('data: a\r\r')).length, 1);
  assert.deepEqual(
    parser.push(bytes('\ndata: b\n\n')).map((f) => f.data),
    ['b'],
  );
});

test('reads retry, and ignores one that is no number', () => {
  const parser = new SseParser();
  parser.push(bytes('retry: 2500\n\nretry: soon\n\nretry: -1\n\n'));
  assert.equal(parser.retry, 2500);
});

test('drops a byte order mark, replaces invalid UTF-8, ignores an id with NUL', () => {
  const parser = new SseParser();
  const frames = parser.push(
    new Uint8Array([0xef, 0xbb, 0xbf, ...bytes('id: a\0b\ndata: '), 0xff, ...bytes('\n\n')]),
  );
  assert.deepEqual(frames, [{ event: '', id: '', data: '\ufffd' }]);
});

test('bounds a line without end, and a frame of many lines', () => {
  const line = new SseParser(1000);
  assert.throws(() => {
    for (let i = 0; i < 20; i += 1) line.push(bytes('x'.repeat(100)));
  }, FrameTooLong);
  const frame = new SseParser(1000);
  assert.throws(() => {
    for (let i = 0; i < 20; i += 1) frame.push(bytes(`data: ${'x'.repeat(94)}\n`));
  }, FrameTooLong);
  const many = new SseParser(1000);
  for (let i = 0; i < 100; i += 1) assert.equal(many.push(bytes(`data: ${'x'.repeat(900)}\n\n`)).length, 1);
});

test('frames do not depend on how the bytes are split', () => {
  const random = randomFrom(1);
  const pieces = [
    'data: ',
    'data',
    'event: s1',
    'id: 7f3a-9',
    ': c',
    'retry: 5',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    '\r\n\r\n',
    'ä€😀',
    '{"msg":"\u202e"}',
    ' ',
    ':',
    '\u2028',
    'x'.repeat(300),
  ];
  for (let round = 0; round < 2000; round += 1) {
    const text = Array.from({ length: 1 + random(30) }, () => pieces[random(pieces.length)]).join('');
    const all = bytes(text);
    const whole = new SseParser();
    const expected = whole.push(all);
    const split = new SseParser();
    const got = [];
    for (let at = 0; at < all.length;) {
      const next = Math.min(all.length, at + random(4) + (random(5) === 0 ? 50 : 0));
      got.push(...split.push(all.subarray(at, next)));
      at = next;
    }
    assert.deepEqual(got, expected, JSON.stringify(text));
    assert.equal(split.retry, whole.retry);
  }
});

test('a long line in small pieces takes linear time', () => {
  const parser = new SseParser();
  const piece = bytes('x'.repeat(16));
  parser.push(bytes('data: '));
  for (let i = 0; i < 65_536; i += 1) parser.push(piece);
  const [frame] = parser.push(bytes('\n\n'));
  assert.equal(frame.data.length, 1 << 20);
});

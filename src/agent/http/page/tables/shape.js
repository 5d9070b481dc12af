// @ts-check
/** Shapes of messages: from a message to a text that is equal for similar ones, and from a shape to a MATCH. */

import { escapePattern } from '../filter/filter.js';

/** The most characters of a message that are compared. */
const LIKE_MAX = 300;

/** The longest shape of the agent, in bytes. A shape that long may be truncated. */
const SHAPE_MAX = 256;

/**
 * A text that is equal for messages that differ only in numbers and quoted texts. Coarser than the shapes of the
 * agent, and good enough to fold neighbours in a list.
 * @param {string} msg
 */
export function lookAlike(msg) {
  return msg
    .slice(0, LIKE_MAX)
    .replace(/'[^']*'|"[^"]*"/g, '?')
    .replace(/[0-9]+(\.[0-9]+)?/g, '?');
}

/**
 * A regular expression for the messages of a shape. It is checked with the examples of the shape: comments, for
 * example, are in messages and not in shapes. If it misses one of them, a looser one is returned, and `''` if that
 * one misses too.
 * @param {string} shape
 * @param {string[]} examples Messages that have this shape.
 */
export function shapeRegex(shape, examples) {
  const isCut = new TextEncoder().encode(shape).length >= SHAPE_MAX - 3;
  const whole = isCut ? shape.replace(/\s?\S*$/, '') : shape;
  const words = whole
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => word.split(/[?…]/).map(escapePattern).join('.*'));
  for (const between of ['\\s+', '.*']) {
    const regex = words.join(between).replace(/(\.\*)+/g, '.*');
    if (regex && examples.every((msg) => matches(regex, msg))) return regex;
  }
  return '';
}

/** @param {string} regex @param {string} msg */
function matches(regex, msg) {
  try {
    return new RegExp(regex, 's').test(msg);
  } catch {
    return false;
  }
}

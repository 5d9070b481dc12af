// Tokens, edits and quoting of MATCH texts. Pure. The agent's parser decides what is valid. This tokenizer
// splits a text as the agent does, for colouring, completion and edits.

import { hasInvisible, replaceInvisible } from '../draw/format.js';

/** @typedef {'='|'!='|'~'|'!~'|'>'|'>='|'<'|'<='} Op */

/**
 * A word of a MATCH: `term` has a key and an operator, `plus` separates groups, `word` is neither (invalid).
 * Offsets are those of the text; `key` and `value` are without quotes.
 * @typedef {object} Token
 * @property {'term'|'plus'|'word'} kind
 * @property {number} start
 * @property {number} end
 * @property {boolean} open       its quote is not closed (invalid)
 * @property {string} text        the whole word without quotes
 * @property {string} key
 * @property {Op|''} op
 * @property {string} value
 * @property {number} opStart     offsets of the operator
 * @property {number} valueStart
 */

/** @typedef {'space'|'key'|'op'|'value'|'plus'|'error'} SpanKind */
/** @typedef {{start: number, end: number, kind: SpanKind}} Span */

/** The operators, the longer ones first. @type {readonly Op[]} */
export const OPS = ['!=', '!~', '>=', '<=', '=', '~', '>', '<'];

/** The maximum length of a MATCH, in bytes of UTF-8. The agent's bound. */
export const TEXT_MAX = 8 * 1024;

/** The keys that are not fields, with what they are. */
export const KEYS = /** @type {const} */ ({
  tag: '* stands for any text',
  level: '>=warning is that and worse',
  host: 'the machine',
  msg: 'the message',
  run: 'what begins and ends',
  abandoned: 'true if its connection closed',
  took: 'a duration: 100ms, 1.5s',
  _pid: 'verified process',
  _uid: 'verified user id',
  _user: 'verified user name',
  _comm: 'verified command',
  _unit: 'verified systemd unit',
  _addr: 'verified address of a TCP peer',
  _token: 'verified token of a TCP peer',
  _conn: 'connection that began the run',
});

/** White space of a MATCH: that of ASCII. */
const SPACE = /[\t\n\f\r ]/;
const OPERATOR = /[=!~<>]/;

/**
 * @param {string} text
 * @returns {Token[]}
 */
export function tokenize(text) {
  /** @type {Token[]} */
  const tokens = [];
  let at = 0;
  for (;;) {
    while (at < text.length && SPACE.test(text[at])) at += 1;
    if (at >= text.length) return tokens;
    const token = word(text, at);
    tokens.push(token);
    at = token.end;
  }
}

/**
 * @param {string} text
 * @param {number} start
 * @returns {Token}
 */
function word(text, start) {
  let plain = '';
  /** The offset in the text of each character of `plain`. @type {number[]} */
  const offsets = [];
  let quoted = false;
  let at = start;
  for (; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') {
      quoted = !quoted;
      continue;
    }
    if (!quoted && SPACE.test(char)) break;
    if (quoted && char === '\\' && (text[at + 1] === '"' || text[at + 1] === '\\')) at += 1;
    offsets.push(at);
    plain += text[at];
  }
  const end = at;
  const base = {
    start,
    end,
    open: quoted,
    text: plain,
    key: '',
    op: /** @type {''} */ (''),
    value: '',
    opStart: end,
    valueStart: end,
  };
  // A + in quotes separates nothing.
  if (text.slice(start, end) === '+') return { ...base, kind: 'plus' };
  const index = plain.search(OPERATOR);
  const op = index < 0 ? undefined : OPS.find((one) => plain.startsWith(one, index));
  if (op === undefined) return { ...base, kind: 'word' };
  const opStart = offsets[index];
  return {
    ...base,
    kind: 'term',
    key: plain.slice(0, index),
    op,
    value: plain.slice(index + op.length),
    opStart,
    valueStart: offsets[index + op.length - 1] + 1,
  };
}

/**
 * The parts of a text for colouring. They cover it without overlap.
 * @param {string} text
 * @returns {Span[]}
 */
export function spans(text) {
  /** @type {Span[]} */
  const found = [];
  let at = 0;
  const add = (/** @type {number} */ end, /** @type {SpanKind} */ kind) => {
    if (end > at) found.push({ start: at, end, kind });
    at = Math.max(at, end);
  };
  for (const token of tokenize(text)) {
    add(token.start, 'space');
    if (token.kind === 'plus') {
      add(token.end, 'plus');
    } else if (token.kind === 'word' || token.open || token.key === '') {
      add(token.end, 'error');
    } else {
      add(token.opStart, 'key');
      add(token.valueStart, 'op');
      add(token.end, 'value');
    }
  }
  add(text.length, 'space');
  return found;
}

/**
 * A value as the parser reads it: in quotes if it needs them.
 * @param {string} value
 * @returns {string}
 */
export function quote(value) {
  if (!/["\t\n\f\r ]/.test(value)) return value;
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/**
 * The key that reaches a field, also one that is named like a key of the event.
 * @param {string} name
 * @returns {string}
 */
export function fieldKey(name) {
  return Object.hasOwn(KEYS, name) || name.startsWith('fields.') ? `fields.${name}` : name;
}

/**
 * A text as a regular expression that finds just this text.
 * @param {string} text
 * @returns {string}
 */
export function escapePattern(text) {
  return text.replace(/[\\.+*?()|[\]{}^$#&\-~]/g, '\\$&');
}

/**
 * Formats a clause. A value with invisible characters becomes a regular expression with escapes: it could not
 * be edited otherwise, and could reorder the text beside it.
 * @param {string} key
 * @param {string} op
 * @param {string} value
 * @returns {string}
 */
export function clause(key, op, value) {
  const term = writable(op, value);
  return `${key}${term.op}${quote(term.value)}`;
}

/**
 * @param {string} op
 * @param {string} value
 */
function writable(op, value) {
  if ((op !== '=' && op !== '!=') || !hasInvisible(value)) return { op, value };
  const code = (/** @type {string} */ char) => `\\x{${char.codePointAt(0)?.toString(16).toUpperCase()}}`;
  return { op: op === '=' ? '~' : '!~', value: `^${replaceInvisible(escapePattern(value), code)}$` };
}

/**
 * Narrows a MATCH by a clause, in each of its groups. A clause of the same key and the same operator that
 * would widen the result (`=`), or that is superseded (`>` `>=` `<` `<=`), is replaced.
 * @param {string} text
 * @param {string} key
 * @param {string} op
 * @param {string} value
 * @returns {string}  the text as it was if the result would be too long
 */
export function addClause(text, key, op, value) {
  const replaced = op === '=' || op[0] === '<' || op[0] === '>';
  return edit(text, (terms) => {
    const kept = replaced ? terms.filter((term) => !(term.key === key && term.op === op)) : terms;
    return withTerm(kept, key, op, value);
  });
}

/**
 * Replaces all clauses of a key by one.
 * @param {string} text
 * @param {string} key
 * @param {string} op
 * @param {string} value
 * @returns {string}
 */
export function replaceClause(text, key, op, value) {
  return edit(text, (terms) =>
    withTerm(
      terms.filter((term) => term.key !== key),
      key,
      op,
      value,
    ),
  );
}

/**
 * Removes clauses.
 * @param {string} text
 * @param {string} key
 * @param {string} [op]     default: all
 * @param {string} [value]  default: all
 * @returns {string}
 */
export function removeClause(text, key, op, value) {
  if (op !== undefined && value !== undefined) ({ op, value } = writable(op, value));
  return edit(text, (terms) => terms.filter((term) => !isClause(term, key, op, value)));
}

/**
 * Removes a clause that is there, else adds it. A second value of a key with `=` is an alternative.
 * @param {string} text
 * @param {string} key
 * @param {string} op
 * @param {string} value
 * @returns {string}
 */
export function toggleClause(text, key, op, value) {
  if (hasClause(text, key, op, value)) return removeClause(text, key, op, value);
  return edit(text, (terms) => withTerm(terms, key, op, value));
}

/**
 * `true` if a clause is in some group.
 * @param {string} text
 * @param {string} key
 * @param {string} [op]
 * @param {string} [value]
 */
export function hasClause(text, key, op, value) {
  if (op !== undefined && value !== undefined) ({ op, value } = writable(op, value));
  return tokenize(text).some((term) => isClause(term, key, op, value));
}

/**
 * @param {{key: string, op: string, value: string}} term
 * @param {string} key
 * @param {string} [op]
 * @param {string} [value]
 */
function isClause(term, key, op, value) {
  return (
    term.key === key && (op === undefined || term.op === op) && (value === undefined || term.value === value)
  );
}

/**
 * A term with its text as it was written.
 * @typedef {{key: string, op: string, value: string, raw: string}} Term
 */

/**
 * @param {Term[]} terms
 * @param {string} key
 * @param {string} op
 * @param {string} value
 * @returns {Term[]}
 */
function withTerm(terms, key, op, value) {
  ({ op, value } = writable(op, value));
  if (terms.some((term) => isClause(term, key, op, value))) return terms;
  return [...terms, { key, op, value, raw: clause(key, op, value) }];
}

/**
 * Edits each group of a MATCH. Groups that become equal are joined. A group that becomes empty matches
 * everything, and so does the whole.
 * @param {string} text
 * @param {(terms: Term[]) => Term[]} change
 * @returns {string}
 */
function edit(text, change) {
  const edited = groups(text).map((terms) =>
    change(terms)
      .map((term) => term.raw)
      .join(' '),
  );
  const result = edited.includes('') ? '' : [...new Set(edited)].join(' + ');
  return new TextEncoder().encode(result).length > TEXT_MAX ? text : result;
}

/**
 * @param {string} text
 * @returns {Term[][]}  at least one
 */
function groups(text) {
  /** @type {Term[][]} */
  const found = [[]];
  for (const token of tokenize(text)) {
    const raw = text.slice(token.start, token.end) + (token.open ? '"' : '');
    if (token.kind === 'plus') found.push([]);
    else found[found.length - 1].push({ key: token.key, op: token.op, value: token.value, raw });
  }
  const some = found.filter((terms) => terms.length > 0);
  return some.length > 0 ? some : [[]];
}

/**
 * The part of a MATCH that an error of the agent is about.
 * @param {string} text
 * @param {string} why  such as `"took>x": took is compared with …`
 * @returns {{start: number, end: number}|null}  null if it is about the whole
 */
export function locate(text, why) {
  const tokens = tokenize(text);
  for (const [quoted] of why.matchAll(/"(?:[^"\\]|\\.)*"/g)) {
    const part = unescapeDebug(quoted.slice(1, -1));
    const begins = part.endsWith('…') ? part.slice(0, -1) : null;
    const is = (/** @type {string} */ one) =>
      one === part || (begins !== null && begins !== '' && one.startsWith(begins));
    const found =
      tokens.find((token) => is(token.text)) ??
      tokens.find((token) => is(token.key)) ??
      tokens.find((token) => token.kind === 'term' && is(token.value));
    if (found) return { start: found.start, end: found.end };
  }
  const open = tokens.find((token) => token.open);
  if (open) return { start: open.start, end: open.end };
  return lonelyPlus(tokens);
}

/**
 * @param {Token[]} tokens
 * @returns {{start: number, end: number}|null}  a + next to an empty group
 */
function lonelyPlus(tokens) {
  const at = tokens.findIndex(
    (token, i) =>
      token.kind === 'plus' && (i === 0 || i === tokens.length - 1 || tokens[i + 1].kind === 'plus'),
  );
  return at < 0 ? null : { start: tokens[at].start, end: tokens[at].end };
}

/**
 * A text as Rust shows it in an error.
 * @param {string} text
 */
function unescapeDebug(text) {
  const named = /** @type {Record<string, string>} */ ({ n: '\n', r: '\r', t: '\t', 0: '\0' });
  return text.replace(/\\(?:u\{([0-9a-f]{1,6})\}|(.))/g, (_, hex, char) =>
    hex ? String.fromCodePoint(Math.min(parseInt(hex, 16), 0x10ffff)) : (named[char] ?? char),
  );
}

/**
 * Requests for the lines around a line, whatever their tag, user or level.
 * @param {string} cursor
 * @param {number} lines  on each side
 * @returns {{before: import('../types.js').PageQuery, after: import('../types.js').PageQuery}}
 */
export function neighbours(cursor, lines) {
  return { before: { before: cursor, lines }, after: { after: cursor, lines } };
}

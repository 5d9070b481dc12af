// Completion of a MATCH at the caret. Pure.

import { KEYS, OPS, clause, escapePattern, fieldKey, tokenize } from './filter.js';

/** @typedef {import('../types.js').Seen} Seen */
/** @typedef {import('./filter.js').Token} Token */
/** @typedef {'key'|'op'|'value'|'clause'} CandidateKind */

/**
 * A candidate. `insert` replaces the text from `start` to `end` of the completion. `more` is `true` if the
 * clause is incomplete after it.
 * @typedef {{label: string, insert: string, doc: string, kind: CandidateKind, more: boolean}} Candidate
 */

/** @typedef {{start: number, end: number, items: Candidate[]}} Completion */

/** The maximum number of candidates. */
export const ITEMS_MAX = 40;

/** Fields that are offered even if no event had them yet. */
const FIELDS = { user: 'field', page: 'field', req: 'field: one request', rows: 'field' };

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const DURATIONS = ['10ms', '100ms', '500ms', '1s', '10s', '1m'];

/** The default operators of keys. The default of all others is `=`. */
const USUAL = /** @type {Record<string, string>} */ ({ level: '>=', took: '>', msg: '~', rows: '>' });

const OP_DOCS = {
  '=': 'is',
  '!=': 'is not',
  '~': 'contains, as regular expression',
  '!~': 'does not contain',
  '>': 'more than',
  '>=': 'at least',
  '<': 'less than',
  '<=': 'at most',
};

/** The keys whose values are text. The agent refuses `<` and `>` for them. */
const TEXT_KEYS = new Set([
  'tag',
  'host',
  'msg',
  'run',
  'abandoned',
  '_user',
  '_comm',
  '_unit',
  '_addr',
  '_token',
]);

/**
 * @param {string} text
 * @param {number} caret
 * @param {Seen} seen
 * @returns {Completion}
 */
export function complete(text, caret, seen) {
  const token = tokenize(text).find((one) => one.start <= caret && caret <= one.end);
  if (!token || token.kind === 'plus') {
    return { start: caret, end: caret, items: token ? [] : keys('', seen).slice(0, ITEMS_MAX) };
  }
  const range = { start: token.start, end: token.end };
  if (token.kind === 'term' && caret > token.opStart)
    return { ...range, items: values(token, text, caret, seen) };
  if (token.kind === 'term') {
    const items = keys(text.slice(token.start, caret), seen);
    return { start: token.start, end: token.opStart, items: items.map(withoutOp).slice(0, ITEMS_MAX) };
  }
  const word = tokenize(text.slice(token.start, caret))[0]?.text ?? '';
  return {
    ...range,
    items: [...operators(word, seen), ...keys(word, seen), ...clauses(word, seen)].slice(0, ITEMS_MAX),
  };
}

/** @param {Candidate} candidate */
function withoutOp(candidate) {
  return { ...candidate, insert: candidate.label, more: false };
}

/**
 * @param {string} word
 * @param {Seen} seen
 * @returns {Candidate[]}
 */
function keys(word, seen) {
  const docs = new Map(Object.entries({ ...pick(KEYS, false), ...FIELDS }));
  for (const field of seen.fields()) {
    const key = fieldKey(field);
    if (!docs.has(key)) docs.set(key, 'field');
  }
  for (const [key, doc] of Object.entries(pick(KEYS, true))) docs.set(key, doc);
  return ranked([...docs.keys()], word).map((key) => ({
    label: key,
    insert: `${key}${USUAL[key] ?? '='}`,
    doc: docs.get(key) ?? '',
    kind: 'key',
    more: true,
  }));
}

/**
 * @param {Record<string, string>} all
 * @param {boolean} origin  those of the origin, or the others
 */
function pick(all, origin) {
  return Object.fromEntries(Object.entries(all).filter(([key]) => key.startsWith('_') === origin));
}

/**
 * The operators after a whole key.
 * @param {string} key
 * @param {Seen} seen
 * @returns {Candidate[]}
 */
function operators(key, seen) {
  const known = Object.hasOwn(KEYS, key) || Object.hasOwn(FIELDS, key) || seen.fields().includes(key);
  if (!known) return [];
  const usual = USUAL[key] ?? '=';
  const apt = OPS.filter(
    (op) => !(TEXT_KEYS.has(key) && /[<>]/.test(op)) && !(key === 'abandoned' && op.includes('~')),
  );
  return apt
    .sort((a, b) => Number(b === usual) - Number(a === usual))
    .map((op) => ({
      label: `${key}${op}`,
      insert: `${key}${op}`,
      doc: OP_DOCS[op],
      kind: 'op',
      more: true,
    }));
}

/**
 * @param {Token} token
 * @param {string} text
 * @param {number} caret
 * @param {Seen} seen
 * @returns {Candidate[]}
 */
function values(token, text, caret, seen) {
  const typed = caret < token.end ? (tokenize(text.slice(token.start, caret))[0]?.value ?? '') : token.value;
  return ranked(valuesOf(token.key, token.op, seen), typed)
    .filter((value) => value !== token.value)
    .slice(0, ITEMS_MAX)
    .map((value) => ({
      label: value,
      insert: clause(token.key, token.op, value),
      doc: '',
      kind: 'value',
      more: false,
    }));
}

/**
 * @param {string} key
 * @param {string} op
 * @param {Seen} seen
 * @returns {string[]}
 */
function valuesOf(key, op, seen) {
  if (key === 'level') return LEVELS;
  if (key === 'abandoned') return ['true'];
  if (key === 'took') return DURATIONS;
  const found = seen.values(key.startsWith('fields.') ? key.slice('fields.'.length) : key);
  return key === 'tag' && (op === '=' || op === '!=') ? withGlobs(found) : found;
}

/**
 * Tags, and the globs that match several of them.
 * @param {string[]} tags
 */
function withGlobs(tags) {
  /** @type {Map<string, number>} */
  const families = new Map();
  for (const tag of tags) {
    const dot = tag.indexOf('.');
    if (dot > 0) families.set(tag.slice(0, dot), (families.get(tag.slice(0, dot)) ?? 0) + 1);
  }
  const globs = [...families].filter(([, n]) => n > 1).map(([family]) => `${family}.*`);
  return [...globs, ...tags];
}

/**
 * Clauses for a word without operator: seen values that contain it, and the message.
 * @param {string} word
 * @param {Seen} seen
 * @returns {Candidate[]}
 */
function clauses(word, seen) {
  /** @type {Candidate[]} */
  const found = [];
  for (const key of ['user', 'tag', 'page', '_user', '_unit', 'host']) {
    for (const value of ranked(seen.values(key), word).slice(0, 4)) {
      const text = clause(key, '=', value);
      found.push({ label: text, insert: text, doc: '', kind: 'clause', more: false });
    }
  }
  const message = clause('msg', '~', escapePattern(word));
  found.push({ label: message, insert: message, doc: 'message contains', kind: 'clause', more: false });
  return found;
}

/**
 * The texts that contain a word, those that begin with it first; otherwise in their order.
 * @param {string[]} texts
 * @param {string} word
 */
function ranked(texts, word) {
  if (word === '') return texts;
  const lower = word.toLowerCase();
  /** @type {[string[], string[]]} */
  const [first, then] = [[], []];
  for (const text of texts) {
    const at = text.toLowerCase().indexOf(lower);
    if (at === 0) first.push(text);
    else if (at > 0) then.push(text);
  }
  return [...first, ...then];
}

// Recently seen fields and values, for completion. Bounded, because a log can hold a million users.

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').Snapshot} Snapshot */
/** @typedef {import('../types.js').Seen} Seen */

/** Bounds: fields, values of a key, and characters of a value. */
const FIELDS_MAX = 200;
const VALUES_MAX = 300;
const VALUE_MAX = 120;

/** A bounded set of texts that evicts the least recent ones. */
class Recent {
  /** @type {Set<string>} */
  #texts = new Set();
  #max;

  /** @param {number} max */
  constructor(max) {
    this.#max = max;
  }

  /** @param {string} text */
  add(text) {
    // While there is room, the order is not worth the cost of moving each repeated value.
    if (this.#texts.has(text)) {
      if (this.#texts.size < this.#max) return;
      this.#texts.delete(text);
    }
    this.#texts.add(text);
    if (this.#texts.size > this.#max)
      this.#texts.delete(/** @type {string} */ (this.#texts.values().next().value));
  }

  list() {
    return [...this.#texts].reverse();
  }
}

/** The keys that rows of views share with events. */
const VIEW_KEYS = /** @type {const} */ (['tag', 'user', 'page', 'req', 'level', 'host', 'run']);

/** @returns {Seen} */
export function createSeen() {
  const fields = new Recent(FIELDS_MAX);
  /** @type {Map<string, Recent>} */
  const values = new Map();

  /**
   * @param {string} key
   * @param {unknown} value
   */
  function add(key, value) {
    if (value === undefined || value === null) return;
    const text = String(value);
    if (text === '' || text.length > VALUE_MAX) return;
    let recent = values.get(key);
    if (!recent) {
      if (values.size >= FIELDS_MAX) return;
      values.set(key, (recent = new Recent(VALUES_MAX)));
    }
    recent.add(text);
  }

  return {
    event(line) {
      add('tag', line.tag);
      add('level', line.level);
      add('host', line.host);
      add('run', line.run);
      for (const [name, value] of Object.entries(line.fields ?? {})) {
        fields.add(name);
        add(name, value);
      }
      for (const [name, value] of Object.entries(line.origin ?? {})) add(`_${name}`, value);
    },
    view(snapshot) {
      const { users, shapes, errors, runs, tags } = /** @type {any} */ (snapshot);
      for (const rows of [users, shapes, errors, runs, tags]) {
        // The top rows suffice. A view can have a thousand.
        for (const row of Array.isArray(rows) ? rows.slice(0, 100) : []) {
          for (const key of VIEW_KEYS) add(key, row?.[key]);
          if (row?.user !== undefined) fields.add('user');
          if (row?.page !== undefined) fields.add('page');
          if (row?.req !== undefined) fields.add('req');
          add('_user', row?.login);
        }
      }
    },
    fields: () => fields.list(),
    values: (key) => values.get(key)?.list() ?? [],
  };
}

// @ts-check
/**
 * The blocks that lie in one column of the stack, the oldest first: a ring of typed arrays, so that a screen
 * that runs for weeks allocates nothing per block.
 */

/** @typedef {import('../types.js').EventLine} EventLine */

/** What a block is. */
export const EVENT = 0; // one event
export const BAR = 1; // several events, counted
export const GAP = 2; // events are missing here

/** The colours of blocks, by what they mean. `REST`: counted, and not sent one by one. */
export const TONES = /** @type {const} */ (['err', 'warn', 'notice', 'info', 'debug', 'rest']);
export const ERR = 0;
export const WARN = 1;
export const NOTICE = 2;
export const INFO = 3;
export const DEBUG = 4;
export const REST = 5;

/** The most blocks of a column. A power of two. */
export const LAYERS_MAX = 512;

const MASK = LAYERS_MAX - 1;

/** @type {Record<string, number>} */
const TONE_OF = {
  emerg: ERR, alert: ERR, crit: ERR, err: ERR, warning: WARN, notice: NOTICE, info: INFO, debug: DEBUG,
};

/**
 * The tone of a level. An unknown one, of a newer agent, is `INFO`.
 * @param {string} level
 */
export function toneOf(level) {
  return TONE_OF[level] ?? INFO;
}

/**
 * The height of a block for one event: taller when slower, on a log scale.
 * 5 px without a duration, 6 px for 1 ms, 21 px for 100 ms, 42 px for 10 s.
 * @param {number | undefined} took Seconds.
 * @returns {number} CSS pixels, 5 to 56.
 */
export function heightOf(took) {
  if (!took || took < 0) return 5;
  return Math.min(56, 5 + 11 * Math.log10(1 + took * 250));
}

/**
 * The height of a bar that counts several events: that of their mean duration, and 8 px for each power of
 * ten.
 * @param {number} count
 * @param {number} mean The mean duration in seconds, 0 if they have none.
 * @returns {number} CSS pixels, 5 to 90.
 */
export function barHeight(count, mean) {
  return Math.min(90, heightOf(mean) + 8 * Math.log10(Math.max(1, count)));
}

/** The ring. Index 0 is the oldest block, at the bottom. */
export class Layers {
  constructor() {
    this.start = 0;
    this.length = 0;
    this.kind = new Uint8Array(LAYERS_MAX);
    this.tone = new Uint8Array(LAYERS_MAX);
    /** 1 if a merge may add to the block: it is not worth a block of its own. */
    this.plain = new Uint8Array(LAYERS_MAX);
    this.abandoned = new Uint8Array(LAYERS_MAX);
    /** CSS pixels, without the space between blocks. */
    this.height = new Float32Array(LAYERS_MAX);
    /** The time at which it landed, as `performance.now()`. */
    this.born = new Float64Array(LAYERS_MAX);
    this.count = new Float64Array(LAYERS_MAX);
    /** The sum of durations in seconds, their number, and the longest. */
    this.total = new Float64Array(LAYERS_MAX);
    this.timed = new Float64Array(LAYERS_MAX);
    this.longest = new Float64Array(LAYERS_MAX);
    /** The events by tone, `TONES.length` numbers a block. */
    this.mix = new Float64Array(LAYERS_MAX * TONES.length);
    /** A number that names the block while it exists. */
    this.id = new Float64Array(LAYERS_MAX);
    /** The event; in a bar the worst, and of these the slowest one. @type {(EventLine | null)[]} */
    this.event = new Array(LAYERS_MAX).fill(null);
    /** The count that the label in `text` names. */
    this.labelled = new Float64Array(LAYERS_MAX);
    /** The text of a gap, the label of a bar. @type {string[]} */
    this.text = new Array(LAYERS_MAX).fill('');
  }

  /**
   * The place of a block in the arrays.
   * @param {number} index
   */
  at(index) {
    return (this.start + index) & MASK;
  }

  /**
   * Adds a block on top; if the ring is full, the one at the bottom goes.
   * @param {number} kind
   * @param {number} tone
   * @param {number} height
   * @param {number} born
   * @returns {number} Its place in the arrays.
   */
  push(kind, tone, height, born) {
    if (this.length === LAYERS_MAX) this.shift();
    const place = this.at(this.length);
    this.length += 1;
    this.kind[place] = kind;
    this.tone[place] = tone;
    this.plain[place] = 0;
    this.abandoned[place] = 0;
    this.height[place] = height;
    this.born[place] = born;
    this.count[place] = 0;
    this.total[place] = 0;
    this.timed[place] = 0;
    this.longest[place] = 0;
    this.mix.fill(0, place * TONES.length, (place + 1) * TONES.length);
    this.event[place] = null;
    this.text[place] = '';
    this.id[place] = nextId();
    return place;
  }

  /** Removes the block at the bottom. */
  shift() {
    if (this.length === 0) return;
    this.event[this.start] = null;
    this.text[this.start] = '';
    this.start = (this.start + 1) & MASK;
    this.length -= 1;
  }

  /**
   * Counts events into a block.
   * @param {number} place
   * @param {number} tone
   * @param {number} count
   * @param {EventLine | null} event The event, or an example.
   */
  add(place, tone, count, event) {
    this.count[place] += count;
    this.mix[place * TONES.length + tone] += count;
    if (tone < this.tone[place]) this.tone[place] = tone;
    const took = event?.took;
    if (took !== undefined && took >= 0) {
      this.total[place] += took;
      this.timed[place] += 1;
      if (took > this.longest[place]) this.longest[place] = took;
    }
    const kept = this.event[place];
    if (event && (!kept || isWorse(event, kept))) this.event[place] = event;
  }

  /**
   * Moves the blocks that `takes` selects to another ring, in their order.
   * @param {Layers} to
   * @param {(event: EventLine) => boolean} takes Asked for blocks of one event.
   */
  move(to, takes) {
    const all = this.length;
    for (let i = 0; i < all; i++) {
      const from = this.at(0);
      const event = this.event[from];
      const target = this.kind[from] === EVENT && event && takes(event) ? to : this;
      const copy = this.copy(from);
      this.shift();
      target.paste(copy);
    }
  }

  /** @private @param {number} place */
  copy(place) {
    const mix = this.mix.slice(place * TONES.length, (place + 1) * TONES.length);
    return { values: this.columns.map((column) => column[place]), mix };
  }

  /** @private @param {{values: any[], mix: Float64Array}} copy */
  paste({ values, mix }) {
    const place = this.push(0, 0, 0, 0);
    this.columns.forEach((column, i) => { column[place] = values[i]; });
    this.mix.set(mix, place * TONES.length);
  }

  /** @private All arrays with one value a block. @returns {any[]} */
  get columns() {
    return [this.kind, this.tone, this.plain, this.abandoned, this.height, this.born, this.count, this.total,
      this.timed, this.longest, this.id, this.event, this.text, this.labelled];
  }

  /** Removes everything. */
  clear() {
    while (this.length > 0) this.shift();
  }
}

/** @param {EventLine} event @param {EventLine} than */
function isWorse(event, than) {
  const tone = Math.min(toneOf(event.level), INFO);
  const other = Math.min(toneOf(than.level), INFO);
  if (tone !== other && Math.min(tone, other) <= WARN) return tone < other;
  return (event.took ?? 0) > (than.took ?? 0);
}

let ids = 0;

/** A number for a block that no other block has. */
export function nextId() {
  ids += 1;
  return ids;
}

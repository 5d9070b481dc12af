// @ts-check
/** One column of the stack: what lies in it, and how it takes what lands. Pure: the caller gives times. */
import { BAR, EVENT, GAP, Layers, WARN, barHeight, heightOf } from './layers.js';

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('./tally.js').Tally} Tally */

/** The space between two blocks, in CSS pixels. */
export const SPACE = 2;

/** A bar takes events for this time, in milliseconds. */
export const BAR_MS = 1500;

/** The time in which blocks of single events may fill the whole height of the stack, in seconds. */
const FILL_SECONDS = 26;

/** The part of the height that may be filled at once, so that a burst falls block by block. */
const BURST = 0.35;

/** Plain events that took this many times as long as usual for their column get a block of their own. */
const SLOWER = 5;

/** Events faster than this are plain however fast the others are, in seconds. */
const FAST = 0.01;

export class Column {
  constructor() {
    this.layers = new Layers();
    /** What the column shows; `null` for the rest of the keys. @type {Tally | null} */
    this.tally = null;
    this.place = 0;
    this.leaving = false;
    this.since = 0;
    /** The left edge and the opacity as drawn. */
    this.x = 0;
    this.alpha = 0;
    /** The height of all blocks with the spaces between them, and how much has sunk below the floor. */
    this.content = 0;
    this.sunk = 0;
    /** The height that the column keeps, and what runs take of it from above. */
    this.target = 0;
    this.ceiling = 0;
    /** The deflection of the top by the last landing, and its speed. */
    this.jolt = 0;
    this.joltSpeed = 0;
    /** Pixels that may be filled with blocks of single events, and when that was computed. */
    this.room = 0;
    this.filled = 0;
    /** The usual height of its events. */
    this.usual = 0;
    /** Blocks in the air, and when the last one started. */
    this.flying = 0;
    this.started = 0;
  }

  /**
   * @param {Tally | null} tally
   * @param {number} now Milliseconds.
   * @param {number} height Of the stack, in CSS pixels.
   */
  reset(tally, now, height) {
    this.layers.clear();
    Object.assign(this, {
      tally, place: 0, leaving: false, since: now, x: NaN, alpha: 0, content: 0, sunk: 0, target: 0,
      ceiling: 0, jolt: 0, joltSpeed: 0, room: height * BURST, filled: now, usual: 0, flying: 0, started: 0,
    });
  }

  /** The height above the floor. */
  get level() {
    return this.content - this.sunk;
  }

  /**
   * An event lands: as a block of its own if there is room for it or if it stands out, else it is counted
   * into the bar on top.
   * @param {EventLine} event
   * @param {number} tone
   * @param {number} born Milliseconds.
   * @param {number} height Of the stack.
   */
  landEvent(event, tone, born, height) {
    const tall = heightOf(event.took);
    const routine = tone > WARN && !event.abandoned && event.run === undefined;
    const plain = routine && !this.isSlow(event.took, tall);
    this.refill(born, height);
    this.usual += (tall - this.usual) * (this.usual === 0 ? 1 : 0.02);
    const room = plain ? tall + SPACE : -height * BURST;
    const top = this.layers.length - 1;
    if (this.room < room && this.isOpen(top, born, plain)) return this.count(top, tone, 1, event);
    const place = this.layers.push(EVENT, tone, tall, born);
    this.layers.plain[place] = plain ? 1 : 0;
    this.layers.abandoned[place] = event.abandoned ? 1 : 0;
    this.layers.add(place, tone, 1, event);
    this.grow(tall + SPACE, height);
  }

  /**
   * Events land that were counted and not sent one by one.
   * @param {number} count
   * @param {number} tone
   * @param {number} born
   * @param {number} height
   */
  landCount(count, tone, born, height) {
    const top = this.layers.length - 1;
    if (this.isOpen(top, born, true)) return this.count(top, tone, count, null);
    const tall = barHeight(count, 0);
    const place = this.layers.push(BAR, tone, tall, born);
    this.layers.plain[place] = 1;
    this.layers.add(place, tone, count, null);
    this.grow(tall + SPACE, height);
  }

  /** @param {string} text @param {number} born @param {number} height */
  landGap(text, born, height) {
    const place = this.layers.push(GAP, WARN, 3, born);
    this.layers.text[place] = text;
    this.grow(3 + SPACE, height);
  }

  /** Lets the blocks at the bottom go that have sunk below the floor. */
  drop() {
    const { layers } = this;
    while (layers.length > 0) {
      const tall = layers.height[layers.at(0)] + SPACE;
      if (this.sunk < tall) break;
      this.sunk -= tall;
      this.content -= tall;
      layers.shift();
    }
    if (layers.length === 0) this.content = this.sunk = 0;
  }

  /**
   * Sinks, settles and fades for one frame.
   * @param {number} step Seconds.
   * @param {number} height Of the stack.
   * @param {boolean} still `true` to go to the final state at once.
   */
  settle(step, height, still) {
    const over = Math.max(0, this.content - this.target);
    const hurry = this.level > (height - this.ceiling) * 0.9 ? 0.15 : 0.6;
    this.sunk = still ? over : this.sunk + Math.max(0, over - this.sunk) * (1 - Math.exp(-step / hurry));
    this.drop();
    const to = this.leaving ? 0 : 1;
    this.alpha = still ? to : this.alpha + (to - this.alpha) * (1 - Math.exp(-step / 0.25));
    if (still) {
      this.jolt = this.joltSpeed = 0;
      return;
    }
    // A damped spring, in steps that are short enough to be stable.
    this.joltSpeed += (-this.jolt * 420 - this.joltSpeed * 26) * Math.min(step, 1 / 30);
    this.jolt += this.joltSpeed * Math.min(step, 1 / 30);
  }

  /**
   * A landing pushes the top of the stack down a little.
   * @param {number} tall The height of what lands.
   */
  push(tall) {
    this.joltSpeed = Math.min(90, this.joltSpeed + 8 + tall * 1.6);
  }

  /** @private @param {number} top @param {number} born @param {boolean} plain */
  isOpen(top, born, plain) {
    if (top < 0) return false;
    const place = this.layers.at(top);
    const { kind, born: since } = this.layers;
    if (kind[place] === GAP || this.layers.abandoned[place] === 1) return false;
    return this.layers.plain[place] === (plain ? 1 : 0) && born - since[place] < BAR_MS;
  }

  /** @private Room grows with time. @param {number} born @param {number} height */
  refill(born, height) {
    const seconds = Math.max(0, born - this.filled) / 1000;
    this.filled = Math.max(this.filled, born);
    this.room = Math.min(height * BURST, this.room + (height / FILL_SECONDS) * seconds);
  }

  /** @private @param {number | undefined} took @param {number} tall */
  isSlow(took, tall) {
    return took !== undefined && took > FAST && this.usual > 0 && tall > this.usual + 11 * Math.log10(SLOWER);
  }

  /**
   * @private
   * @param {number} top @param {number} tone @param {number} count @param {EventLine | null} event
   */
  count(top, tone, count, event) {
    const { layers } = this;
    const place = layers.at(top);
    layers.kind[place] = BAR;
    layers.add(place, tone, count, event);
    const mean = layers.timed[place] > 0 ? layers.total[place] / layers.timed[place] : 0;
    const tall = Math.max(layers.height[place], barHeight(layers.count[place], mean));
    const more = tall - layers.height[place];
    layers.height[place] = tall;
    this.content += more;
    this.room = Math.max(this.room - more, -1000);
  }

  /** @private @param {number} tall @param {number} height */
  grow(tall, height) {
    this.content += tall;
    this.room = Math.max(this.room - tall, -height);
    // The ring drops its oldest block when it is full.
    if (this.layers.length === this.layers.kind.length) this.measure();
  }

  /** Computes the height of all blocks anew. */
  measure() {
    const { layers } = this;
    this.content = 0;
    for (let i = 0; i < layers.length; i++) this.content += layers.height[layers.at(i)] + SPACE;
    this.sunk = Math.min(this.sunk, this.content);
  }
}

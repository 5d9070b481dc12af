// @ts-check
/** The blocks in the air: they fall freely and land on their columns. Objects are reused. Pure. */
import { EVENT, GAP, INFO, nextId } from './layers.js';

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('./column.js').Column} Column */

/** The most blocks in the air, in all and over one column. Further ones land at once. */
export const FLIGHTS_MAX = 600;
export const FLIGHTS_COLUMN_MAX = 60;

/** The time of a fall through the whole height, in seconds. */
const FALL = 0.85;

/** Blocks that arrive together start this far apart, in milliseconds: the closer, the more there are. */
const APART_MIN = 5;
const APART_MAX = 45;

/** The longest wait before a fall, in milliseconds. */
const WAIT_MAX = 700;

/** A block in the air. */
class Flight {
  constructor() {
    /** @type {Column | null} */
    this.column = null;
    this.kind = EVENT;
    this.tone = INFO;
    this.count = 0;
    this.height = 0;
    /** The time at which it starts to fall, and from where: CSS pixels from the top of the stack. */
    this.start = 0;
    this.from = 0;
    this.y = 0;
    this.text = '';
    this.id = 0;
    /** @type {EventLine | null} */
    this.event = null;
  }
}

export class Flights {
  constructor() {
    /** The first `flying` are in the air, the others wait to be used again. @type {Flight[]} */
    this.list = [];
    this.flying = 0;
  }

  clear() {
    for (let i = 0; i < this.flying; i++) this.list[i].event = this.list[i].column = null;
    this.flying = 0;
  }

  /** @param {Column} column @param {number} height Of the stack. */
  canTake(column, height) {
    return height > 0 && this.flying < FLIGHTS_MAX && column.flying < FLIGHTS_COLUMN_MAX;
  }

  /**
   * @param {Column} column
   * @param {number} height Of the block.
   * @param {number} now Milliseconds.
   * @param {number} [from] CSS pixels from the top. Default: above the edge, after those that wait there.
   * @returns {Flight}
   */
  launch(column, height, now, from) {
    if (this.flying === this.list.length) this.list.push(new Flight());
    const flight = this.list[this.flying];
    this.flying += 1;
    column.flying += 1;
    flight.column = column;
    flight.height = height;
    flight.from = from ?? -height;
    flight.y = flight.from;
    flight.event = null;
    flight.id = nextId();
    flight.start = now;
    if (from === undefined) {
      const apart = Math.max(APART_MIN, Math.min(APART_MAX, WAIT_MAX / column.flying));
      flight.start = Math.max(now, Math.min(column.started + apart, now + WAIT_MAX));
      column.started = flight.start;
    }
    return flight;
  }

  /**
   * Moves all blocks, and lands those that have reached their column.
   * @param {number} now Milliseconds.
   * @param {number} height Of the stack.
   * @param {boolean} still `true` to land all at once.
   */
  fall(now, height, still) {
    const pull = (2 * height) / (FALL * FALL);
    let kept = 0;
    for (let i = 0; i < this.flying; i++) {
      const flight = this.list[i];
      const column = /** @type {Column} */ (flight.column);
      const t = Math.max(0, (now - flight.start) / 1000);
      flight.y = flight.from + (pull * t * t) / 2;
      if (!still && flight.y + flight.height < height - column.level) {
        this.list[i] = this.list[kept];
        this.list[kept] = flight;
        kept += 1;
        continue;
      }
      land(flight, column, now, height);
      flight.column = flight.event = null;
    }
    this.flying = kept;
  }
}

/** @param {Flight} flight @param {Column} column @param {number} now @param {number} height */
function land(flight, column, now, height) {
  column.flying -= 1;
  if (flight.kind === GAP) column.landGap(flight.text, now, height);
  else if (flight.event) column.landEvent(flight.event, flight.tone, now, height);
  else column.landCount(flight.count, flight.tone, now, height);
  column.push(flight.height);
}

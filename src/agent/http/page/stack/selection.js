// @ts-check
/** The block that is selected with the keyboard: moves by columns and blocks, and is announced. */
import { nameOf } from './labels.js';
import { spoken, thingAt } from './tip.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('./column.js').Column} Column */
/** @typedef {import('./model.js').StackModel} StackModel */
/** @typedef {import('./paint.js').Painter} Painter */

export class Selection {
  /** @param {StackModel} model @param {Painter} painter @param {Context} context */
  constructor(model, painter, context) {
    this.model = model;
    this.painter = painter;
    this.context = context;
    /** @type {Column | null} */
    this.column = null;
    /** The id of the block, 0 if none is selected. */
    this.id = 0;
  }

  /** @returns {boolean} `true` if a block was selected. */
  clear() {
    const was = this.id !== 0;
    this.column = null;
    this.id = 0;
    return was;
  }

  /**
   * @param {number} across Columns to the right.
   * @param {number} up Blocks up.
   * @param {() => number} now The model's clock.
   */
  move(across, up, now) {
    const { columns } = this.model;
    const at = this.column ? columns.indexOf(this.column) : -1;
    const to = at < 0 ? 0 : Math.max(0, Math.min(columns.length - 1, at + across));
    const column = columns[to];
    const { layers } = column;
    this.column = column;
    if (layers.length === 0) {
      this.id = 0;
      this.context.announce(`${nameOf(column, this.model.by)}: empty`);
      return;
    }
    let index = layers.length - 1;
    for (let i = 0; at === to && i < layers.length; i++) {
      if (layers.id[layers.at(i)] === this.id) index = i + up;
    }
    this.id = layers.id[layers.at(Math.max(0, Math.min(layers.length - 1, index)))];
    // What it is, is known after it is drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => this.speak(now())));
  }

  /** @private @param {number} now */
  speak(now) {
    if (!this.column || !this.id) return;
    this.painter.marked = this.id;
    const thing = thingAt(this.painter, this.painter.findMarked(), now);
    if (thing) this.context.announce(`${nameOf(this.column, this.model.by)}: ${spoken(thing)}`);
  }
}

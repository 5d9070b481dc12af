// @ts-check
/** What the stack says about a block or a run: the text beside the pointer, and for screen readers. */
import { fill, h } from '../draw/dom.js';
import { age, clock, duration, number, visible } from '../draw/format.js';
import { GAP, TONES } from './layers.js';
import { BLOCK, RUN } from './paint.js';
import { claimedUser } from '../tables/who.js';

/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').RunRow} RunRow */
/** @typedef {import('./layers.js').Layers} Layers */
/** @typedef {import('./paint.js').Painter} Painter */

/** The most characters of a message and of a name in the tip. */
const MESSAGE_MAX = 240;
const NAME_MAX = 60;

/** How counts by tone are called. */
const NAMES = /** @type {Record<string, string>} */ ({
  err: 'err', warn: 'warning', notice: 'notice', info: 'info', debug: 'debug', rest: 'counted only',
});

/**
 * What a spot stands for.
 * @typedef {object} Thing
 * @property {number} id
 * @property {EventLine | null} event What can be opened: the event, or the worst and slowest of a bar.
 * @property {RunRow | null} run
 * @property {string} title
 * @property {string[]} lines
 */

/**
 * @param {Painter} painter
 * @param {number} spot
 * @param {number} now Milliseconds, the model's.
 * @returns {Thing | null}
 */
export function thingAt(painter, spot, now) {
  if (spot < 0) return null;
  const id = painter.spotIds[spot];
  const owner = painter.spotOwners[spot];
  const kind = painter.spotKinds[spot];
  if (kind === RUN) return runThing(id, owner.row, (now - owner.begun) / 1000);
  if (kind !== BLOCK) return owner.event && eventThing(id, owner.event, 0);
  const { layers } = owner;
  for (let i = 0; i < layers.length; i++) {
    const place = layers.at(i);
    if (layers.id[place] !== id) continue;
    const seconds = (now - layers.born[place]) / 1000;
    if (layers.kind[place] === GAP) {
      return { id, event: null, run: null, title: 'Gap', lines: [layers.text[place], ago(seconds)] };
    }
    if (layers.count[place] > 1 || !layers.event[place]) return barThing(id, layers, place, seconds);
    return eventThing(id, layers.event[place], seconds);
  }
  return null;
}

/** @param {number} id @param {EventLine} event @param {number} seconds @returns {Thing} */
function eventThing(id, event, seconds) {
  const user = claimedUser(event);
  const verified = event.origin?.user;
  const who = [user !== undefined && visible(user, NAME_MAX), verified && `✓ ${visible(verified, NAME_MAX)}`];
  const page = event.fields?.page;
  const verb = event.abandoned ? 'abandoned after' : 'took';
  const took = event.took === undefined ? '' : `${verb} ${duration(event.took)}`;
  return {
    id, event, run: null, title: visible(event.tag, NAME_MAX),
    lines: [
      visible(event.msg ?? '', MESSAGE_MAX),
      join([who.filter(Boolean).join(' '), page !== undefined && page !== null && visible(page, NAME_MAX)]),
      join([event.level, took, seconds < 1 ? clock(event.time) : `${clock(event.time)}, ${ago(seconds)}`]),
    ],
  };
}

/**
 * @param {number} id @param {Layers} layers @param {number} place @param {number} seconds
 * @returns {Thing}
 */
function barThing(id, layers, place, seconds) {
  const event = layers.event[place];
  const counts = TONES.map((tone, i) => [layers.mix[place * TONES.length + i], NAMES[tone]])
    .filter(([count]) => Number(count) > 0).map(([count, name]) => `${number(Number(count))} ${name}`);
  const mean = layers.timed[place] > 0 ? `mean ${duration(layers.total[place] / layers.timed[place])}` : '';
  const example = event ? `for example: ${visible(event.msg ?? event.tag, MESSAGE_MAX)}` : '';
  const longest = layers.timed[place] > 0 ? `longest ${duration(layers.longest[place])}` : '';
  return {
    id, event, run: null, title: `${number(layers.count[place])} events`,
    lines: [join(counts), join([mean, longest, ago(seconds)]), example],
  };
}

/** @param {number} id @param {RunRow} row @param {number} seconds @returns {Thing} */
function runThing(id, row, seconds) {
  const state = row.state === 'unknown' ? 'its end may have been lost'
    : `running for ${duration(Math.floor(seconds))}`;
  return {
    id, event: null, run: row, title: visible(row.tag, NAME_MAX),
    lines: [
      visible(row.msg ?? '', MESSAGE_MAX),
      join([row.user && visible(row.user, NAME_MAX), row.page && visible(row.page, NAME_MAX)]),
      join([state, `run ${visible(row.run, NAME_MAX)}`]),
    ],
  };
}

/** @param {number} seconds */
function ago(seconds) {
  return seconds < 1 ? 'just now' : `${age(seconds)} ago`;
}

/** @param {unknown[]} parts */
function join(parts) {
  return parts.filter(Boolean).join(' · ');
}

/** One line for screen readers. @param {Thing} thing */
export function spoken(thing) {
  return [thing.title, ...thing.lines].filter(Boolean).join('. ');
}

/** The box beside the pointer. */
export class Tip {
  constructor() {
    this.element = h('div', { class: 'stack-tip', hidden: true, 'aria-hidden': 'true' });
    this.text = '';
  }

  /**
   * @param {Thing | null} thing
   * @param {number} x In CSS pixels from the left edge of the field.
   * @param {number} y
   * @param {number} width Of the field.
   * @param {number} height
   */
  show(thing, x, y, width, height) {
    this.element.hidden = !thing;
    if (!thing) {
      this.text = '';
      return;
    }
    const text = spoken(thing);
    if (text !== this.text) {
      this.text = text;
      fill(this.element, h('strong', null, thing.title),
        thing.lines.map((line, i) => line && h('span', { class: `line-${i}`, dir: 'ltr' }, line)));
    }
    const { offsetWidth, offsetHeight } = this.element;
    const left = Math.round(Math.max(4, x + 14 + offsetWidth > width - 4 ? x - 14 - offsetWidth : x + 14));
    const top = Math.round(Math.max(4, Math.min(y + 12, height - offsetHeight - 4)));
    this.element.style.transform = `translate(${left}px, ${top}px)`;
  }
}

// @ts-check
/** The events around one event, without the filter that is in force. */
import { fill, h } from '../draw/dom.js';
import { neighbours } from '../filter/filter.js';
import { clock, duration, visible } from '../draw/format.js';
import { gapText } from './row.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('../types.js').EventLine} EventLine */
/** @typedef {import('../types.js').Line} Line */

/** So many lines before and after the event. */
const EACH = 10;

/**
 * @param {Context} context
 * @param {EventLine} event
 * @param {string} cursor
 * @returns {{ element: HTMLElement, toggle(): void }}
 */
export function createNeighbours(context, event, cursor) {
  const element = h('div', { class: 'neighbours', hidden: true });
  let asked = false;
  const load = async () => {
    fill(element, h('p', { class: 'explain' }, 'Loading…'));
    const around = neighbours(cursor, EACH);
    try {
      const [before, after] = await Promise.all([
        context.feed.page(around.before),
        context.feed.page(around.after),
      ]);
      const lines = [...after.reverse(), event, ...before.reverse()];
      fill(
        element,
        h('p', { class: 'explain' }, 'All events around this one, the newest first, without the filter'),
        h(
          'ol',
          null,
          lines.map((line) => item(context, line, line === event)),
        ),
      );
    } catch (error) {
      const { why } = /** @type {{ why?: string }} */ (error);
      fill(
        element,
        h('p', { class: 'explain' }, `The neighbours could not be loaded: ${why ?? 'no answer'}`),
      );
      asked = false;
    }
  };
  return {
    element,
    toggle() {
      element.hidden = !element.hidden;
      if (!element.hidden && !asked) {
        asked = true;
        void load();
      }
    },
  };
}

/** @param {Context} context @param {Line} line @param {boolean} self */
function item(context, line, self) {
  if ('gap' in line) return h('li', { class: 'neighbour gap' }, gapText(line));
  const content = [
    h('span', { class: 'c-time' }, clock(line.time)),
    h('span', { class: 'c-level' }, visible(line.level, 10)),
    h('span', { class: 'c-tag' }, visible(line.tag, 48)),
    h('span', { class: 'c-took' }, line.took === undefined ? '' : duration(line.took)),
    h('span', { class: 'c-message' }, visible(line.msg ?? '', 300)),
  ];
  if (self)
    return h('li', { class: `neighbour cells self level-${line.level}`, 'aria-current': 'true' }, content);
  return h(
    'li',
    { class: 'neighbour' },
    h(
      'button',
      {
        class: `cells level-${line.level}`,
        type: 'button',
        on: { click: () => context.openRow(line) },
      },
      content,
    ),
  );
}

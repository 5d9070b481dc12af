// The filter box: one input for the MATCH of all views, coloured, with completion. A MATCH that the agent
// refuses shows what is wrong and where, and leaves the old one in force.

import { complete } from './complete.js';
import { h } from '../draw/dom.js';
import { locate, spans, tokenize } from './filter.js';
import { visible } from '../draw/format.js';

/** @typedef {import('../types.js').Context} Context */
/** @typedef {import('./complete.js').Candidate} Candidate */
/** @typedef {import('./complete.js').Completion} Completion */

/** A pause in typing after which a valid MATCH is applied, in milliseconds. */
const TYPING_PAUSE = 400;

/** The maximum number of characters shown of a candidate. */
const LABEL_MAX = 80;

/**
 * @param {Context} context
 * @returns {{element: HTMLElement, focus: () => void}}
 */
export function createFilterBox(context) {
  const box = new FilterBox(context);
  return { element: box.element, focus: () => box.focus() };
}

class FilterBox {
  #context;
  #input = h('input', {
    id: 'filter-input',
    class: 'filter-input',
    type: 'text',
    role: 'combobox',
    spellcheck: 'false',
    autocomplete: 'off',
    autocapitalize: 'off',
    autocorrect: 'off',
    placeholder: 'Filter: tag=shop.* level>=warning took>100ms',
    'aria-label': 'Filter',
    'aria-autocomplete': 'list',
    'aria-expanded': 'false',
    'aria-controls': 'filter-list',
    'aria-describedby': 'filter-problem',
  });
  #paint = h('div', { class: 'filter-paint', 'aria-hidden': 'true' });
  #list = h('ul', {
    id: 'filter-list',
    class: 'filter-list',
    role: 'listbox',
    'aria-label': 'Completions',
    hidden: true,
  });
  #problem = h('p', { id: 'filter-problem', class: 'filter-problem', role: 'status' });
  #clear = h(
    'button',
    { class: 'filter-clear', type: 'button', 'aria-label': 'Clear the filter', hidden: true },
    '×',
  );
  element = h(
    'div',
    { class: 'filter-box', role: 'search' },
    this.#paint,
    this.#input,
    this.#clear,
    this.#list,
    this.#problem,
  );

  /** @type {Completion|null} */
  #completion = null;
  #active = -1;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {AbortController|null} */
  #checking = null;
  /** `true` if the agent could not check the text. It is checked again when the connection is live. */
  #unchecked = false;
  /** @type {{start: number, end: number}|null} */
  #wrong = null;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const input = this.#input;
    input.addEventListener('input', () => this.#typed());
    input.addEventListener('keydown', (event) => this.#key(event));
    input.addEventListener('scroll', () => this.#followScroll());
    input.addEventListener('click', () => {
      if (this.#completion) this.#suggest();
    });
    input.addEventListener('blur', () => {
      this.#close();
      if (input.value.trim() !== context.state.get().match) void this.#apply(false);
    });
    this.#clear.addEventListener('click', () => {
      this.#set('');
      void this.#apply(true);
      this.focus();
    });
    // Keeps the focus in the input.
    this.#list.addEventListener('pointerdown', (event) => event.preventDefault());
    this.#list.addEventListener('click', (event) => {
      const option = /** @type {Element} */ (event.target).closest('[role=option]');
      if (option) this.#accept([...this.#list.children].indexOf(option));
    });
    context.state.on((now, before) => {
      if (now.match !== before.match && now.match !== input.value.trim()) this.#set(now.match);
    });
    context.feed.onStatus((status) => {
      if (status.state === 'live' && this.#unchecked) void this.#apply(false);
    });
    this.#set(context.state.get().match);
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** @param {string} text */
  #set(text) {
    clearTimeout(this.#timer);
    this.#checking?.abort();
    this.#unchecked = false;
    this.#input.value = text;
    this.#close();
    this.#accepted();
  }

  #typed() {
    this.#wrong = null;
    this.#draw();
    this.#suggest();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#apply(false), TYPING_PAUSE);
  }

  /**
   * Puts the text in force if the agent accepts it.
   * @param {boolean} deliberate  the reader asked for it, rather than paused while typing
   */
  async #apply(deliberate) {
    clearTimeout(this.#timer);
    this.#checking?.abort();
    this.#unchecked = false;
    const { state, feed } = this.#context;
    const match = this.#input.value.trim();
    if (match === state.get().match || match === '') {
      state.set({ match }, { push: deliberate });
      this.#accepted();
      return;
    }
    // Incomplete while it is typed: the agent would only refuse it.
    if (!deliberate && document.activeElement === this.#input && isUnfinished(match)) return;
    const request = new AbortController();
    this.#checking = request;
    let failure = null;
    try {
      failure = await feed.check(match, { signal: request.signal });
    } catch (error) {
      if (request.signal.aborted) return;
      const { why } = /** @type {{why?: string}} */ (error);
      this.#unchecked = true;
      this.#show(`not applied yet: ${why ?? 'the agent cannot be asked'}`, null);
      return;
    }
    if (request.signal.aborted) return;
    if (failure === null) {
      state.set({ match }, { push: deliberate });
      this.#accepted();
    } else {
      this.#refused(failure.why, deliberate);
    }
  }

  /**
   * @param {string} why
   * @param {boolean} deliberate
   */
  #refused(why, deliberate) {
    const text = this.#input.value;
    const wrong = locate(text, why);
    const caret = this.#input.selectionStart ?? text.length;
    // The word at the caret is not finished while the reader types.
    const typing = document.activeElement === this.#input && !deliberate;
    if (typing && wrong && wrong.start <= caret && caret <= wrong.end) return;
    this.#show(why, wrong ?? { start: 0, end: text.length });
    if (deliberate) this.#context.announce(`Filter not applied: ${visible(why, 300)}`);
  }

  #accepted() {
    this.#wrong = null;
    this.#problem.textContent = '';
    this.#input.removeAttribute('aria-invalid');
    this.#draw();
  }

  /**
   * @param {string} why
   * @param {{start: number, end: number}|null} wrong
   */
  #show(why, wrong) {
    this.#wrong = wrong;
    this.#problem.textContent = visible(why, 400);
    if (wrong) this.#input.setAttribute('aria-invalid', 'true');
    this.#draw();
  }

  /** Colours the text: the layer below shows it, the input is transparent. */
  #draw() {
    const text = this.#input.value;
    const wrong = this.#wrong;
    const pieces = spans(text).flatMap(({ start, end, kind }) => {
      const cuts = [
        start,
        ...(wrong ? [wrong.start, wrong.end].filter((at) => start < at && at < end) : []),
        end,
      ];
      return cuts.slice(1).map((to, i) => {
        const inside = wrong !== null && cuts[i] >= wrong.start && to <= wrong.end;
        return h('span', { class: `match-${kind}${inside ? ' wrong' : ''}` }, text.slice(cuts[i], to));
      });
    });
    this.#paint.replaceChildren(...pieces);
    if (text.trim() !== '' && !wrong && text.trim() === this.#context.state.get().match)
      this.#problem.textContent = '';
    this.#clear.hidden = text === '';
    this.#followScroll();
  }

  #followScroll() {
    this.#paint.scrollLeft = this.#input.scrollLeft;
  }

  #suggest() {
    const caret = this.#input.selectionStart ?? this.#input.value.length;
    const completion = complete(this.#input.value, caret, this.#context.feed.seen);
    this.#active = -1;
    if (completion.items.length === 0) {
      this.#close();
      return;
    }
    this.#completion = completion;
    this.#list.replaceChildren(...completion.items.map(option));
    this.#list.hidden = false;
    this.#list.scrollTop = 0;
    this.#input.setAttribute('aria-expanded', 'true');
    this.#input.removeAttribute('aria-activedescendant');
    this.#place(completion.start);
  }

  /**
   * Puts the list below the word that it completes.
   * @param {number} start
   */
  #place(start) {
    const before = document.createRange();
    before.selectNodeContents(this.#paint);
    let left = 0;
    for (const span of this.#paint.children) {
      const length = span.textContent?.length ?? 0;
      if (start > length) {
        start -= length;
        continue;
      }
      before.setEnd(/** @type {Node} */ (span.firstChild), start);
      left = before.getBoundingClientRect().width;
      break;
    }
    const room = this.element.clientWidth - this.#list.offsetWidth;
    this.#list.style.left = `${Math.max(0, Math.min(left - this.#input.scrollLeft, room))}px`;
  }

  #close() {
    this.#completion = null;
    this.#active = -1;
    this.#list.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#input.removeAttribute('aria-activedescendant');
  }

  /** @param {number} to */
  #move(to) {
    const options = this.#list.children;
    options[this.#active]?.setAttribute('aria-selected', 'false');
    this.#active = (to + options.length) % options.length;
    const option = options[this.#active];
    option.setAttribute('aria-selected', 'true');
    option.scrollIntoView({ block: 'nearest' });
    this.#input.setAttribute('aria-activedescendant', option.id);
  }

  /** @param {number} index */
  #accept(index) {
    const completion = this.#completion;
    const item = completion?.items[index];
    if (!completion || !item) return;
    const text = this.#input.value;
    const after = text.slice(completion.end);
    // A finished clause is followed by a space, ready for the next one.
    const insert = item.more || /^\s/.test(after) || item.kind === 'key' ? item.insert : `${item.insert} `;
    this.#input.value = text.slice(0, completion.start) + insert + after;
    const caret = completion.start + insert.length;
    this.#input.setSelectionRange(caret, caret);
    this.#wrong = null;
    this.#draw();
    this.#close();
    if (item.more) this.#suggest();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#apply(false), TYPING_PAUSE);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    const handled = this.#completion ? this.#keyInList(event) : this.#keyWithoutList(event);
    if (handled) event.preventDefault();
    // Single keys are commands elsewhere in the page.
    event.stopPropagation();
  }

  /** @param {KeyboardEvent} event */
  #keyInList({ key, shiftKey }) {
    const last = this.#list.children.length - 1;
    if (key === 'ArrowDown') this.#move(this.#active + 1);
    else if (key === 'ArrowUp') this.#move(this.#active < 0 ? last : this.#active - 1);
    else if (key === 'PageDown') this.#move(Math.min(this.#active + 8, last));
    else if (key === 'PageUp') this.#move(Math.max(this.#active - 8, 0));
    else if (key === 'Escape') this.#close();
    else if (key === 'Tab' && !shiftKey && (this.#active >= 0 || this.#wordAtCaret()))
      this.#accept(Math.max(0, this.#active));
    else if (key === 'Enter' && this.#active >= 0) this.#accept(this.#active);
    else return this.#keyWithoutList({ key });
    return true;
  }

  /** `true` if the completion replaces typed text. */
  #wordAtCaret() {
    return this.#completion !== null && this.#completion.end > this.#completion.start;
  }

  /** @param {{key: string}} event */
  #keyWithoutList({ key }) {
    if (key === 'Enter') {
      this.#close();
      void this.#apply(true);
    } else if (key === 'ArrowDown') {
      this.#suggest();
    } else if (key === 'Escape') {
      this.#escape();
    } else {
      return false;
    }
    return true;
  }

  /** Restores the MATCH in force, or leaves the box if it is unchanged. */
  #escape() {
    const { match } = this.#context.state.get();
    if (this.#input.value.trim() === match) this.#input.blur();
    else this.#set(match);
  }
}

/**
 * `true` if a MATCH has words that are no clauses, or ends with one that has no value yet.
 * @param {string} match
 */
function isUnfinished(match) {
  const tokens = tokenize(match);
  const last = tokens.at(-1);
  if (last?.kind === 'plus' || (last?.kind === 'term' && last.value === '')) return true;
  return tokens.some((token) => token.open || (token.kind !== 'plus' && token.key === ''));
}

/**
 * @param {Candidate} item
 * @param {number} index
 */
function option({ label, doc, kind }, index) {
  return h(
    'li',
    {
      id: `filter-option-${index}`,
      role: 'option',
      'aria-selected': 'false',
      class: `filter-option ${kind}`,
    },
    h('span', { class: 'label' }, visible(label, LABEL_MAX)),
    doc && h('span', { class: 'doc' }, doc),
  );
}

// @ts-check
/**
 * Builds elements. Strings become text nodes and nothing else, so that text from events is never markup.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Builds an element.
 *
 * In `props`, `class` is the class text, `on` holds listeners by event type, `style` holds CSS properties
 * that are set one by one (the page's policy forbids style attributes), `data` holds `data-` attributes, and
 * everything else is an attribute. An attribute that is `null`, `undefined` or `false` is left out, and
 * `true` is the empty text.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * Builds an SVG element. Attributes only.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {...SVGElement} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Replaces the children of an element.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * Sets the text of an element if it differs, so that unchanged text costs no layout and no announcement.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The element with this id. Throws if the shell has none.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`page: no element #${id}`);
  return element;
}

/** @param {Element} element @param {(Child | Child[])[]} children */
function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** @param {HTMLElement} element @param {string} name @param {any} value */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'on') {
    for (const [type, listener] of Object.entries(value))
      element.addEventListener(type, /** @type {any} */ (listener));
  } else if (name === 'style') {
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, String(text));
  } else if (name === 'data') {
    for (const [key, text] of Object.entries(value)) element.dataset[key] = String(text);
  } else {
    element.setAttribute(name === 'class' ? 'class' : name, value === true ? '' : String(value));
  }
}

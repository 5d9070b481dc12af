// @ts-check
import { h } from './dom.js';
/** @param {any} context @returns {import('./types.js').View} */
export function create(context) { return { element: h('div', {class:'stream'}), show() {}, hide() {} }; }

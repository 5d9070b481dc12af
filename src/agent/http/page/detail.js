// @ts-check
import { h } from './dom.js';
/** @param {any} context @param {any} event */
export function createDetail(context, event) { return h('pre', null, JSON.stringify(event, null, 2)); }

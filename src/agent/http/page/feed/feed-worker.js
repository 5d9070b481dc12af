// The shared worker: one connection for all pages of a browser. HTTP/1.1 allows six at a time to one host.

import { Hub } from './hub.js';

const hub = new Hub();

globalThis.addEventListener('connect', (event) => {
  hub.attach(/** @type {MessageEvent} */ (event).ports[0]);
});

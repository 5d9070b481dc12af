// @ts-check
/**
 * The wall screen: a line with the time, the machine and the rate instead of the chrome. It keeps the screen
 * awake, and hides the pointer while it rests.
 */
import { h, setText } from '../draw/dom.js';
import { number, visible } from '../draw/format.js';

/** The pointer is hidden after this time, in milliseconds. */
const REST_MS = 3000;

const STATES = /** @type {const} */ ({
  live: 'live', ended: 'ended', connecting: 'connecting', waiting: 'waiting for the agent',
});

export class Wall {
  /** @param {HTMLElement} element Of the view. */
  constructor(element) {
    this.view = element;
    this.clock = h('time', { class: 'stack-clock' });
    this.host = h('span', { class: 'stack-host' });
    this.rate = h('span', { class: 'stack-rate' });
    this.state = h('span', { class: 'stack-state' });
    this.element = h('div', { class: 'stack-wall', hidden: true },
      this.clock, this.host, this.state, this.rate);
    this.on = false;
    /** @type {WakeLockSentinel | null} */
    this.lock = null;
    this.resting = 0;
    this.awake = this.awake.bind(this);
    this.keepAwake = this.keepAwake.bind(this);
  }

  /** @param {boolean} on */
  set(on) {
    if (on === this.on) return;
    this.on = on;
    this.element.hidden = !on;
    this.view.classList.toggle('is-wall', on);
    if (on) {
      document.addEventListener('visibilitychange', this.keepAwake);
      document.addEventListener('pointermove', this.awake, { passive: true });
      this.awake();
      void this.keepAwake();
    } else {
      document.removeEventListener('visibilitychange', this.keepAwake);
      document.removeEventListener('pointermove', this.awake);
      clearTimeout(this.resting);
      document.body.classList.remove('is-resting');
      void this.lock?.release().catch(() => {});
      this.lock = null;
    }
  }

  /**
   * @param {string} host
   * @param {number | undefined} rate Events a second.
   * @param {import('../types.js').Status} status
   */
  update(host, rate, status) {
    if (!this.on) return;
    const now = new Date();
    const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
    setText(this.clock, `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`);
    setText(this.host, visible(host, 60));
    setText(this.rate, rate === undefined ? '' : `${number(rate)} events/s`);
    setText(this.state, STATES[status.state]);
    this.state.dataset.state = status.state;
  }

  /** @private */
  awake() {
    document.body.classList.remove('is-resting');
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => document.body.classList.add('is-resting'), REST_MS);
  }

  /** @private The browser drops the lock of a hidden page. */
  async keepAwake() {
    if (!this.on || document.hidden || !navigator.wakeLock || (this.lock && !this.lock.released)) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      if (this.on) this.lock = lock;
      else await lock.release();
    } catch {
      // Refused, for example on a low battery. The screen may sleep then.
    }
  }
}

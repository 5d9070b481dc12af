// @ts-check
/** The colours of the stack, mixed once for each theme: every tone in 16 shades, from just landed to old. */
import { mix } from '../draw/canvas.js';
import { h } from '../draw/dom.js';
import { DEBUG, REST, TONES } from './layers.js';

/** @typedef {import('../draw/canvas.js').Rgba} Rgba */
/** @typedef {import('../draw/canvas.js').Frame} Frame */

/** The number of shades. 0 and 1 are flashes of what has just landed. */
export const SHADES = 16;

/** The CSS variables that the stack uses. */
export const VARIABLES = {
  bg: '--bg', line: '--line', strong: '--line-strong', text: '--text', muted: '--muted', accent: '--accent',
  err: '--err', warn: '--warn', notice: '--accent', info: '--info', debug: '--debug', onAccent: '--on-accent',
};

/** Ages in milliseconds up to which a block flashes. */
const FLASH = [160, 420];

/** The age at which a block is as dim as it gets, in seconds. */
const OLD = 75;

/**
 * The shade of a block.
 * @param {number} age Milliseconds.
 */
export function shadeOf(age) {
  if (age < FLASH[0]) return 0;
  if (age < FLASH[1]) return 1;
  const part = Math.log2(1 + age / 3000) / Math.log2(1 + OLD / 3);
  return 2 + Math.min(SHADES - 3, Math.floor(part * (SHADES - 2)));
}

/** What the colours mean. */
export function legend() {
  const colors = [['info', 'info'], ['notice', 'notice'], ['warn', 'warning'], ['err', 'error'],
    ['debug', 'debug'], ['run', 'running'], ['abandoned', 'abandoned']];
  return h('ul', { class: 'stack-legend', 'aria-label': 'Colours' },
    colors.map(([name, text]) => h('li', { class: name }, h('i', null), text)));
}

/** The palette of a theme. */
export class Palette {
  constructor() {
    /** By `tone * SHADES + shade`. @type {string[]} */
    this.fill = [];
    /** The colour of text on it. @type {string[]} */
    this.ink = [];
    this.trail = document.createElement('canvas');
    this.glow = document.createElement('canvas');
  }

  /** @param {Frame} frame */
  update({ rgba }) {
    const { bg, text } = rgba;
    this.fill = [];
    this.ink = [];
    TONES.forEach((name, tone) => {
      const base = name === 'rest' ? blend(rgba.info, rgba.muted, 0.6) : rgba[name];
      const dim = tone === DEBUG || tone === REST ? 0.28 : 0;
      for (let shade = 0; shade < SHADES; shade++) {
        const color = shade < 2 ? blend(base, text, shade === 0 ? 0.45 : 0.2)
          : blend(base, bg, dim + (0.04 + (0.68 * (shade - 2)) / (SHADES - 3)) * (1 - dim * 0.6));
        this.fill.push(mix(color, color, 0));
        this.ink.push(contrast(color, bg) > contrast(color, text) ? mix(bg, bg, 0) : mix(text, text, 0));
      }
    });
    this.paintTrail(text, luminance(bg) > 0.4 ? 0.08 : 0.16);
    this.paintGlow(rgba.accent);
  }

  /** @private What a falling block leaves behind it. @param {Rgba} color @param {number} opacity */
  paintTrail(color, opacity) {
    this.trail.width = 1;
    this.trail.height = 64;
    gradient(this.trail, color, opacity, (c) => c.createLinearGradient(0, 64, 0, 0));
  }

  /** @private What surrounds a run. @param {Rgba} color */
  paintGlow(color) {
    this.glow.width = 64;
    this.glow.height = 64;
    gradient(this.glow, color, 0.6, (c) => c.createRadialGradient(32, 32, 10, 32, 32, 32));
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Rgba} color
 * @param {number} opacity
 * @param {(c: CanvasRenderingContext2D) => CanvasGradient} make
 */
function gradient(canvas, color, opacity, make) {
  const c = canvas.getContext('2d');
  if (!c) return;
  const filling = make(c);
  filling.addColorStop(0, mix(color, color, 0, opacity));
  filling.addColorStop(0.5, mix(color, color, 0, opacity * 0.3));
  filling.addColorStop(1, mix(color, color, 0, 0));
  c.clearRect(0, 0, canvas.width, canvas.height);
  c.fillStyle = filling;
  c.fillRect(0, 0, canvas.width, canvas.height);
}

/** @param {Rgba} a @param {Rgba} b @param {number} part @returns {Rgba} */
function blend(a, b, part) {
  const of = (/** @type {0 | 1 | 2} */ i) => a[i] + (b[i] - a[i]) * part;
  return [of(0), of(1), of(2), 1];
}

/** The contrast of two colours, as WCAG defines it. @param {Rgba} a @param {Rgba} b */
function contrast(a, b) {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** @param {Rgba} color */
function luminance(color) {
  const of = (/** @type {number} */ n) => (n <= 10 ? n / 3294 : ((n / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * of(color[0]) + 0.7152 * of(color[1]) + 0.0722 * of(color[2]);
}

// @ts-check
/**
 * The canvas helper: a canvas that fits its box at the device's resolution, reads its colours from the CSS
 * variables of the page, and draws only while it is visible and has something to draw.
 *
 * Every view that draws uses it, so that pixel ratio, themes, hidden tabs and `prefers-reduced-motion` are
 * handled in one place.
 */

/** The largest device pixel ratio that is drawn. More costs fill rate and cannot be seen. */
export const RATIO_MAX = 3;

/** The longest time step that `draw` sees, in seconds, so that nothing jumps after a pause of the tab. */
export const STEP_MAX = 0.1;

/** The shortest time between two frames that are not invalidated, with reduced motion, in milliseconds. */
export const STILL_MS = 500;

/**
 * A colour as red, green, blue (0 to 255) and opacity (0 to 1).
 * @typedef {[number, number, number, number]} Rgba
 */

/**
 * What `draw` gets. One object, reused for every frame.
 * @typedef {object} Frame
 * @property {CanvasRenderingContext2D} c The context, scaled so that one unit is one CSS pixel.
 * @property {number} width The width of the box in CSS pixels.
 * @property {number} height The height of the box in CSS pixels.
 * @property {number} ratio Device pixels per CSS pixel: draw hairlines 1/ratio wide.
 * @property {number} now The time of the frame, as `performance.now()`.
 * @property {number} step The time since the previous frame in seconds, 0 to {@link STEP_MAX}.
 * @property {boolean} still `true` if the reader prefers reduced motion: draw the final state.
 * @property {Record<string, string>} colors The colours as CSS text, by the names in `Options.colors`.
 * @property {Record<string, Rgba>} rgba The same colours as numbers, for mixing.
 */

/**
 * @typedef {object} Options
 * @property {string} label What the picture shows, for screen readers.
 * @property {Record<string, string>} colors CSS variables by the name that `draw` uses: `{ info: '--info' }`.
 * @property {(frame: Frame) => number} draw Draws one frame. Returns the time in milliseconds after which the
 *   next one is due: 0 for the next frame of the display, `Infinity` if only {@link Surface.invalidate} is
 *   to draw again.
 * @property {(frame: Frame) => void} [onColors] Called before the first frame and after a change of theme.
 * @property {(frame: Frame) => void} [onResize] Called before the first frame and after a change of size.
 * @property {boolean} [opaque] `true` if `draw` paints every pixel: saves blending. Default `false`.
 */

/**
 * @typedef {object} PointerHandlers
 * @property {(x: number, y: number, event: PointerEvent) => void} [move]
 * @property {() => void} [leave]
 * @property {(x: number, y: number, event: PointerEvent) => void} [down]
 * @property {(x: number, y: number, event: PointerEvent) => void} [up]
 * @property {(x: number, y: number, event: MouseEvent) => void} [click]
 */

/** A box with a canvas in it. */
export class Surface {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** The box: put this into the page and give it a size. */
    this.element = document.createElement('div');
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', options.label);
    Object.assign(this.element.style, { position: 'relative', overflow: 'hidden' });
    Object.assign(this.canvas.style, { position: 'absolute', inset: '0', width: '100%', height: '100%' });
    this.element.append(this.canvas);
    const c = this.canvas.getContext('2d', { alpha: !options.opaque });
    if (!c) throw new Error('canvas: no 2d context');
    /** @type {Frame} */
    this.frame = { c, width: 0, height: 0, ratio: 1, now: 0, step: 0, still: false, colors: {}, rgba: {} };
    this.shown = false;
    this.onScreen = false;
    this.colorsStale = true;
    this.request = 0;
    this.timer = 0;
    this.motion = matchMedia('(prefers-reduced-motion: reduce)');
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.resizes = new ResizeObserver((entries) => this.resized(entries[0]));
    this.sight = new IntersectionObserver((entries) => this.sighted(entries[entries.length - 1]));
    this.theme = new MutationObserver(() => this.recolor());
    this.recolor = this.recolor.bind(this);
    this.tick = this.tick.bind(this);
    this.invalidate = this.invalidate.bind(this);
  }

  /** Starts to observe and to draw. Call it in a view's `show`. */
  show() {
    if (this.shown) return;
    this.shown = true;
    // Until the observer reports otherwise.
    this.onScreen = true;
    this.colorsStale = true;
    try {
      this.resizes.observe(this.element, { box: 'device-pixel-content-box' });
    } catch {
      this.resizes.observe(this.element);
    }
    this.sight.observe(this.element);
    this.theme.observe(document.documentElement, { attributeFilter: ['class', 'style', 'data-theme'] });
    this.scheme.addEventListener('change', this.recolor);
    this.motion.addEventListener('change', this.invalidate);
    document.addEventListener('visibilitychange', this.invalidate);
    this.invalidate();
  }

  /** Stops everything: a hidden view costs nothing. Call it in a view's `hide`. */
  hide() {
    if (!this.shown) return;
    this.shown = false;
    this.onScreen = false;
    this.resizes.disconnect();
    this.sight.disconnect();
    this.theme.disconnect();
    this.scheme.removeEventListener('change', this.recolor);
    this.motion.removeEventListener('change', this.invalidate);
    document.removeEventListener('visibilitychange', this.invalidate);
    this.cancel();
  }

  /** Draws at the next frame of the display, however often it is called until then. */
  invalidate() {
    if (this.request || !this.isVisible()) return;
    this.cancel();
    this.request = requestAnimationFrame(this.tick);
  }

  /** `true` if a frame would be seen. */
  isVisible() {
    return this.shown && this.onScreen && !document.hidden && this.frame.width > 0 && this.frame.height > 0;
  }

  /** `true` if the reader prefers reduced motion. */
  get still() {
    return this.motion.matches;
  }

  /**
   * Reports the pointer in CSS pixels from the top left corner of the box.
   * @param {PointerHandlers} handlers
   */
  onPointer(handlers) {
    const { move, leave, down, up, click } = handlers;
    /** @param {string} type @param {((x: number, y: number, event: any) => void) | undefined} handler */
    const listen = (type, handler) => handler && this.canvas.addEventListener(type, (event) => {
      const { x, y } = this.locate(/** @type {MouseEvent} */ (event));
      handler(x, y, event);
    });
    listen('pointermove', move);
    listen('pointerdown', down);
    listen('pointerup', up);
    listen('click', click);
    if (leave) {
      this.canvas.addEventListener('pointerleave', () => leave());
      this.canvas.addEventListener('pointercancel', () => leave());
    }
  }

  /**
   * The place of a mouse or pointer event, in CSS pixels from the top left corner of the box.
   * @param {MouseEvent} event
   */
  locate(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @private */
  cancel() {
    if (this.request) cancelAnimationFrame(this.request);
    clearTimeout(this.timer);
    this.request = 0;
    this.timer = 0;
  }

  /** @private */
  recolor() {
    this.colorsStale = true;
    this.invalidate();
  }

  /** @private @param {IntersectionObserverEntry} entry */
  sighted(entry) {
    this.onScreen = entry.isIntersecting;
    this.invalidate();
  }

  /** @private @param {ResizeObserverEntry} entry */
  resized(entry) {
    const { width, height } = entry.contentRect;
    const ratio = Math.min(RATIO_MAX, devicePixelRatio || 1);
    const exact = ratio === devicePixelRatio && entry.devicePixelContentBoxSize?.[0];
    this.frame.width = width;
    this.frame.height = height;
    this.frame.ratio = ratio;
    this.setSize(exact ? exact.inlineSize : width * ratio, exact ? exact.blockSize : height * ratio);
    if (width === 0 || height === 0) return;
    this.options.onResize?.(this.frame);
    // A canvas is blank after a change of size, so draw before the browser shows it.
    this.cancel();
    this.tick(performance.now());
  }

  /** @private @param {number} width @param {number} height */
  setSize(width, height) {
    this.canvas.width = Math.max(1, Math.round(width));
    this.canvas.height = Math.max(1, Math.round(height));
  }

  /** @private @param {number} now */
  tick(now) {
    this.request = 0;
    if (!this.isVisible()) return;
    const { frame, options } = this;
    const ratio = Math.min(RATIO_MAX, devicePixelRatio || 1);
    if (ratio !== frame.ratio) {
      // The window moved to a display with another ratio, in a browser that does not observe it.
      frame.ratio = ratio;
      this.setSize(frame.width * ratio, frame.height * ratio);
    }
    if (this.colorsStale) {
      this.readColors();
      options.onColors?.(frame);
    }
    frame.step = Math.max(0, Math.min(STEP_MAX, (now - frame.now) / 1000));
    frame.now = now;
    frame.still = this.motion.matches;
    frame.c.setTransform(frame.ratio, 0, 0, frame.ratio, 0, 0);
    const due = options.draw(frame);
    this.schedule(frame.still ? Math.max(STILL_MS, due) : due);
  }

  /** @private @param {number} due The time until the next frame, in milliseconds. */
  schedule(due) {
    if (this.request || !this.shown) return;
    if (due <= 0) {
      this.request = requestAnimationFrame(this.tick);
    } else if (Number.isFinite(due)) {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(this.invalidate, due);
    }
  }

  /**
   * Reads the CSS variables. The canvas computes them, so that every notation works that CSS knows, and one
   * pixel converts them to numbers.
   * @private
   */
  readColors() {
    const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (!pixel) return;
    for (const [name, variable] of Object.entries(this.options.colors)) {
      this.canvas.style.color = `var(${variable})`;
      const text = getComputedStyle(this.canvas).color;
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = text;
      pixel.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
      this.frame.rgba[name] = [r, g, b, a / 255];
      this.frame.colors[name] = text;
    }
    this.canvas.style.color = '';
    this.colorsStale = false;
  }
}

/**
 * Mixes two colours, ignoring their opacity.
 * @param {Rgba} from
 * @param {Rgba} to
 * @param {number} part 0 for `from`, 1 for `to`.
 * @param {number} [opacity] The opacity of the result, 0 to 1. Default 1.
 * @returns {string} CSS text.
 */
export function mix(from, to, part, opacity = 1) {
  const of = (/** @type {0 | 1 | 2} */ i) => Math.round(from[i] + (to[i] - from[i]) * part);
  return opacity >= 1 ? `rgb(${of(0)} ${of(1)} ${of(2)})` : `rgb(${of(0)} ${of(1)} ${of(2)} / ${opacity})`;
}

/**
 * Finds the rectangle at a place. The last one drawn wins. A rectangle thinner than `slack` can be hit as if
 * it were that large, so that a 2-pixel block is not a test of skill; an exact hit is preferred.
 * @param {ArrayLike<number>} rects `x, y, width, height` of each.
 * @param {number} count The number of rectangles.
 * @param {number} x
 * @param {number} y
 * @param {number} [slack] In the unit of the rectangles. Default 0.
 * @returns {number} Its index, or -1.
 */
export function findRect(rects, count, x, y, slack = 0) {
  let near = -1;
  let nearest = Infinity;
  for (let i = count - 1; i >= 0; i--) {
    const width = rects[4 * i + 2];
    const height = rects[4 * i + 3];
    const dx = Math.max(rects[4 * i] - x, x - rects[4 * i] - width, 0);
    const dy = Math.max(rects[4 * i + 1] - y, y - rects[4 * i + 1] - height, 0);
    if (dx === 0 && dy === 0) return i;
    const reachX = Math.max(0, slack - width) / 2;
    const reachY = Math.max(0, slack - height) / 2;
    if (dx > reachX || dy > reachY || dx + dy >= nearest) continue;
    near = i;
    nearest = dx + dy;
  }
  return near;
}

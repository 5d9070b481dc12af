// An incremental parser of Server-Sent Events. Pure.

/**
 * A frame. Unlike in the standard, `id` is that of the frame itself, `''` without one: a stream carries the
 * cursors of several subscriptions.
 * @typedef {{event: string, id: string, data: string}} Frame
 */

/**
 * The maximum number of characters of a frame. A line of the log has at most 400 KiB, a view at most 16 MiB.
 */
export const FRAME_MAX = 32 * 1024 * 1024;

/** A frame exceeds the bound. The stream cannot be parsed further. */
export class FrameTooLong extends Error {}

/** An incremental parser of one stream. Bytes may be split anywhere, also within a character or a CRLF. */
export class SseParser {
  #decoder = new TextDecoder('utf-8');
  #max;
  /** Pieces of the unfinished line: joining them once per line keeps a long line linear. @type {string[]} */
  #pieces = [];
  #pending = 0;
  /** `true` if the last chunk ended with CR: a LF that follows belongs to it. */
  #cr = false;
  /** @type {string[]} */
  #data = [];
  #size = 0;
  #event = '';
  #id = '';

  /** The delay in milliseconds that the stream asked for before a reconnect. @type {number|undefined} */
  retry;

  /** @param {number} [max]  the most characters of a frame */
  constructor(max = FRAME_MAX) {
    this.#max = max;
  }

  /**
   * @param {Uint8Array} bytes
   * @returns {Frame[]}  the frames that the bytes complete
   * @throws {FrameTooLong}
   */
  push(bytes) {
    /** @type {Frame[]} */
    const frames = [];
    // The decoder drops a byte order mark at the start, and replaces invalid UTF-8.
    const text = this.#decoder.decode(bytes, { stream: true });
    let start = 0;
    if (this.#cr && text.length > 0) {
      if (text[0] === '\n') start = 1;
      this.#cr = false;
    }
    const ends = /\r\n?|\n/g;
    for (;;) {
      ends.lastIndex = start;
      const end = ends.exec(text);
      if (!end) break;
      this.#line(this.#take(text.slice(start, end.index)), frames);
      start = ends.lastIndex;
      this.#cr = end[0] === '\r' && start === text.length;
    }
    this.#keep(text.slice(start));
    return frames;
  }

  /** @param {string} rest */
  #keep(rest) {
    if (rest === '') return;
    this.#pieces.push(rest);
    this.#pending += rest.length;
    if (this.#pending + this.#size > this.#max) throw new FrameTooLong(`a frame is longer than ${this.#max}`);
  }

  /** @param {string} end */
  #take(end) {
    if (this.#pieces.length === 0) return end;
    this.#pieces.push(end);
    const line = this.#pieces.join('');
    this.#pieces = [];
    this.#pending = 0;
    return line;
  }

  /**
   * @param {string} line
   * @param {Frame[]} frames
   */
  #line(line, frames) {
    if (line === '') {
      this.#dispatch(frames);
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value[0] === ' ') value = value.slice(1);
    if (name === 'data') {
      this.#size += value.length + 1;
      if (this.#size > this.#max) throw new FrameTooLong(`a frame is longer than ${this.#max}`);
      this.#data.push(value);
    } else if (name === 'event') {
      this.#event = value;
    } else if (name === 'id') {
      if (!value.includes('\0')) this.#id = value;
    } else if (name === 'retry' && /^\d{1,9}$/.test(value)) {
      this.retry = Number(value);
    }
  }

  /** @param {Frame[]} frames */
  #dispatch(frames) {
    if (this.#data.length > 0) frames.push({ event: this.#event, id: this.#id, data: this.#data.join('\n') });
    this.#data = [];
    this.#size = 0;
    this.#event = '';
    this.#id = '';
  }
}

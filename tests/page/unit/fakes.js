// Stand-ins for the agent and for pages, for tests of the hub.

/** @typedef {import('../../../src/agent/http/page/feed/hub.js').Hub} Hub */
/** @typedef {{seq: number, tag: string}} Event */

/**
 * @typedef {object} Stream
 * @property {any[]} subs
 * @property {Map<string, number>} next  the last number that each subscription was sent
 * @property {(text: string) => void} send
 * @property {() => void} end
 * @property {boolean} open
 */

/** An agent with a log, as the hub sees it. Answers wait until the test delivers them. */
export class Agent {
  log = 'a1';
  /** @type {Event[]} */
  events = [];
  up = true;
  /** @type {Stream[]} */
  streams = [];
  /** @type {(() => void)[]} */
  answers = [];
  requests = 0;

  /** @param {string} [tag] */
  append(tag = 'a') {
    this.events.push({ seq: this.events.length + 1, tag });
  }

  /** @type {typeof fetch} */
  fetch = async (input, init) => {
    const url = new URL(String(input));
    const signal = /** @type {AbortSignal} */ (init?.signal);
    if (!this.up) throw new TypeError('refused');
    if (url.pathname.endsWith('/stats')) {
      return Response.json({
        version: '1',
        newest: `${this.log}-${this.events.length}`,
        time: new Date().toISOString(),
      });
    }
    if (url.pathname.endsWith('/events')) return this.#page(url.searchParams, signal);
    return this.#feed(JSON.parse(url.searchParams.get('subs') ?? ''), signal);
  };

  /**
   * @param {URLSearchParams} query
   * @param {AbortSignal} signal
   * @returns {Promise<Response>}
   */
  #page(query, signal) {
    this.requests += 1;
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
      this.answers.push(() => {
        if (!this.up) reject(new TypeError('refused'));
        if (query.get('match') === 'bad') {
          resolve(Response.json({ error: { code: 64, why: 'bad' } }, { status: 400 }));
          return;
        }
        const matching = this.events.filter(matches(query.get('match') ?? ''));
        const lines = matching.slice(-Number(query.get('lines')));
        resolve(
          new Response(
            [...lines, { at: `${this.log}-${this.events.length}` }]
              .map((line) => `${JSON.stringify(line)}\n`)
              .join(''),
          ),
        );
      });
    });
  }

  /**
   * @param {any[]} subs
   * @param {AbortSignal} signal
   */
  #feed(subs, signal) {
    /** @type {ReadableStreamDefaultController<Uint8Array>} */
    let controller = /** @type {any} */ (null);
    const body = new ReadableStream({
      start(c) {
        controller = c;
      },
    });
    const stream = {
      subs,
      next: new Map(),
      open: true,
      send: (/** @type {string} */ text) => controller.enqueue(new TextEncoder().encode(text)),
      end: () => {
        if (stream.open) controller.error(new TypeError('broken'));
        stream.open = false;
      },
    };
    signal.addEventListener('abort', () => stream.end());
    for (const { id, events } of subs) {
      if (!events) continue;
      const after = events.after ? Number(events.after.split('-')[1]) : null;
      const matching = this.events.filter(matches(events.match ?? ''));
      stream.next.set(id, after ?? (matching[matching.length - events.lines]?.seq ?? 1) - 1);
    }
    this.streams.push(stream);
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  /** Sends what each stream has not sent. @param {number} [most] frames of a subscription */
  pump(most = Infinity) {
    for (const stream of this.streams) {
      if (!stream.open) continue;
      for (const { id, events } of stream.subs) {
        if (!events) continue;
        const from = /** @type {number} */ (stream.next.get(id));
        const rows = this.events
          .slice(from)
          .filter(matches(events.match ?? ''))
          .slice(0, most);
        for (const row of rows) {
          stream.send(`event: ${id}\nid: ${this.log}-${row.seq}\ndata: ${JSON.stringify(row)}\n\n`);
          stream.next.set(id, row.seq);
        }
      }
    }
  }

  answer() {
    for (const answer of this.answers.splice(0)) answer();
  }

  breakStreams() {
    for (const stream of this.streams) stream.end();
  }

  get stream() {
    return this.streams[this.streams.length - 1];
  }
}

/** @param {string} match */
export function matches(match) {
  return (/** @type {Event} */ event) => match === '' || event.tag === match.replace('tag=', '');
}

/** A page: what it was sent. */
export class Page {
  /** @type {any[]} */
  messages = [];
  /** @type {any} */
  port;
  takes = true;

  /** @param {Hub} hub */
  constructor(hub) {
    this.port = {
      postMessage: (/** @type {any} */ message) => {
        this.messages.push(structuredClone(message));
        if (message.n > 0 && this.takes) this.send({ ack: message.n });
      },
    };
    hub.attach(this.port);
  }

  /** @param {any} data */
  send(data) {
    this.port.onmessage({ data });
  }

  /**
   * What a subscription got.
   * @param {string} id
   * @returns {[any, string][]}
   */
  got(id) {
    return this.messages
      .flatMap((message) => message.frames ?? [])
      .filter((frame) => frame[0] === id)
      .map(([, m, c]) => [m, c]);
  }

  /** @param {string} id */
  seqs(id) {
    return this.got(id)
      .filter(([message]) => message.seq)
      .map(([message]) => message.seq);
  }

  /**
   * The last cursor that a subscription got.
   * @param {string} id
   */
  cursor(id) {
    return (
      this.got(id)
        .map(([, cursor]) => cursor)
        .filter((cursor) => cursor !== '')
        .at(-1) ?? ''
    );
  }

  get status() {
    return this.messages.filter((message) => message.status).at(-1)?.status.state;
  }
}

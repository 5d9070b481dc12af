// The types that the modules of the monitor share. No code.
// Every text in a line, a gap or a snapshot comes from a sender and is hostile: show it as text only.

/**
 * A line of the log that is an event. Keys that are empty are absent.
 * @typedef {object} EventLine
 * @property {number} seq       sequence number, below 2^53
 * @property {number} [hseq]    its number in the log of its host, in the stream of all hosts
 * @property {string} time      RFC 3339, UTC, microseconds
 * @property {string} host      the machine
 * @property {string} tag       dotted name
 * @property {Level} level
 * @property {string} [msg]     up to 64 KiB
 * @property {string} [run]     the run that it begins or ends
 * @property {number} [took]    seconds
 * @property {boolean} [abandoned]  true if the agent ended the run because its connection closed
 * @property {Record<string, FieldValue>} [fields]
 * @property {Origin} [origin]  verified by the agent
 */

/** @typedef {'emerg'|'alert'|'crit'|'err'|'warning'|'notice'|'info'|'debug'} Level */
/** @typedef {string|number|boolean|null} FieldValue */

/**
 * What the agent verified about the sender of an event.
 * @typedef {object} Origin
 * @property {number} [pid]
 * @property {number} [uid]
 * @property {string} [user]
 * @property {string} [comm]
 * @property {string} [unit]
 * @property {string} [addr]   address of a TCP peer
 * @property {string} [token]  name of the token of a TCP peer
 * @property {number} [conn]   number of the connection that began the run
 */

/**
 * A line of the log that reports missing events: the numbers between `after` and `before`, both exclusive.
 * @typedef {object} GapLine
 * @property {{after: number, before: number, lost?: number, why: GapReason}} gap
 *   without `lost` the count is unknown
 * @property {number} [hseq]  its last number in the log of its host, in the stream of all hosts
 * @property {string} time
 * @property {string} host
 */

/** @typedef {'retention'|'storage'|'rate'|'restart'|'clock'|'upstream'} GapReason */

/**
 * Rows that were not sent because of a bound. They are in the log.
 * @typedef {object} Skipped
 * @property {number} skipped  how many
 * @property {string} at       cursor of the last of them
 */

/** Progress without a row. @typedef {{at: string}} Progress */

/**
 * A refused subscription: 64 the MATCH is invalid, 75 try later, 77 no right.
 * @typedef {{error: {code: number, why: string}}} Refused
 */

/** @typedef {EventLine|GapLine} Line */
/** What the handler of an event subscription gets. @typedef {Line|Skipped|Progress|Refused} EventMessage */
/** What the handler of a view subscription gets. @typedef {Snapshot|Refused} ViewMessage */

/** @typedef {'users'|'queries'|'running'|'rates'} ViewName */
/** @typedef {UsersSnapshot|QueriesSnapshot|RunningSnapshot|RatesSnapshot} Snapshot */

/**
 * What all snapshots have.
 * @typedef {object} SnapshotHead
 * @property {string} time    the moment
 * @property {string} [from]  time of the first line that the view has read
 * @property {number} [v]     version; absent for a past period
 */

/** Entries that are not listed, and their events. @typedef {{entries: number, events: number}} Rest */
/** The verified sender. @typedef {{uid: number}|{token: string}|{addr: string}|'unverified'} Subject */
/** An example event. `took` in seconds. @typedef {{time: string, took?: number, msg: string}} Example */

/**
 * A summary of durations, in seconds.
 * @typedef {{count: number, total: number, p50: number, p95: number, p99: number, max: number}} Took
 */

/** @typedef {SnapshotHead & {view: 'users', users: UserRow[], rest?: Rest}} UsersSnapshot */

/**
 * @typedef {object} UserRow
 * @property {string} [user]    the claimed user
 * @property {string} [login]   the verified login name of the sender
 * @property {Subject} subject
 * @property {string} seen      time of the newest event
 * @property {string} tag       tag of the newest event
 * @property {string} [msg]
 * @property {string} [page]
 * @property {string} [req]
 * @property {number} last_minute  events in the last minute
 * @property {number[]} minutes    events a minute, the oldest first, the last is the current one
 * @property {number} events
 * @property {number} queries      events with a duration
 * @property {number} errors       events of level err and worse
 * @property {Example} [slowest]
 */

/**
 * @typedef {SnapshotHead & {view: 'queries', rate: number, took?: Took, shapes: ShapeRow[], rest?: Rest,
 *   errors: ErrorRow[], errors_rest?: Rest, heat?: Heat}} QueriesSnapshot
 */

/**
 * Counts by time and duration: `columns` of `step` seconds, the oldest first, each a list of `[row, count]`.
 * Row r holds durations from `floor * 10^(r / per_decade)` seconds to those of the next row.
 * @typedef {{step: number, floor: number, per_decade: number, columns: [number, number][][]}} Heat
 */

/**
 * @typedef {object} ShapeRow
 * @property {string} tag
 * @property {string} shape
 * @property {number} rate     events a second
 * @property {number} share    of the total time, 0 to 1
 * @property {Took} took
 * @property {number} errors
 * @property {string} seen
 * @property {number[]} minutes
 * @property {Example} [newest]
 * @property {Example} [slowest]
 * @property {{count: number, req: string, page?: string, time: string, requests: number}} [repeated]  N+1
 * @property {{p95: number, before: number}} [slower]  in seconds: the 95th percentiles now and before
 */

/**
 * @typedef {object} ErrorRow
 * @property {string} tag
 * @property {string} shape
 * @property {Level} level        the worst
 * @property {string} first
 * @property {string} seen
 * @property {number} events
 * @property {number[]} minutes
 * @property {number} users
 * @property {boolean} more_users  true if `users` is a lower bound
 * @property {Example} [newest]
 */

/**
 * `running`, `abandoned` and `unknown` count all runs; `rest` counts those that `runs` does not list.
 * @typedef {SnapshotHead & {view: 'running', running: number, abandoned: number, unknown: number,
 *   runs: RunRow[], rest: number, untracked?: number}} RunningSnapshot
 */

/**
 * @typedef {object} RunRow
 * @property {'running'|'abandoned'|'unknown'} state
 * @property {number} age      seconds since its begin; if abandoned, from begin to abandonment
 * @property {string} begun
 * @property {string} tag
 * @property {string} run
 * @property {string} host
 * @property {number} [conn]
 * @property {string} [msg]
 * @property {string} [user]
 * @property {string} [page]
 * @property {string} [req]
 * @property {Subject} subject
 */

/**
 * @typedef {SnapshotHead & {view: 'rates', events: number, now?: number, first?: string, last?: string,
 *   levels: {level: Level, events: number, seconds: number[]}[],
 *   gaps: {why: GapReason, gaps: number, lost: number, unknown: boolean}[],
 *   took?: Took, tags: {tag: string, events: number, took?: Took}[], rest?: Rest,
 *   hosts: {host: string, events: number, seen: string}[]}} RatesSnapshot
 */

/** `lag` in events; absent without the right to every tag, null until the stream was read.
 * @typedef {{state: string, lag?: number|null, trouble: string|null, reader: string}} Nats */

/**
 * The reply of `stats`, as far as the page reads it.
 * @typedef {object} Stats
 * @property {string} version
 * @property {string} host
 * @property {string} time
 * @property {string} started
 * @property {string} oldest   cursor
 * @property {string} newest   cursor
 * @property {string} [user]   who is signed in
 * @property {number} [events]
 * @property {Nats|null} [nats]  forwarding to the stream of all hosts, if it is configured
 * @property {{bytes?: number, stored: string, synced: string|null, trouble: string|null}|null} [history]
 */

/**
 * What is shown, mirrored in the query string of the page.
 * @typedef {object} Shown
 * @property {'stream'|'users'|'queries'|'errors'|'stack'} view
 * @property {string} host   pattern of the hosts, `''` for the machine of the agent; constant while the page lives
 * @property {string} match  MATCH text, `''` for everything
 * @property {string} since  RFC 3339, `''` for live
 * @property {string} until  RFC 3339, `''` for live
 * @property {'tag'|'user'|'page'} by  columns of the stack
 * @property {boolean} wall  the wall screen
 */

/**
 * @typedef {object} State
 * @property {() => Readonly<Shown>} get
 * @property {(partial: Partial<Shown>, options?: {push?: boolean}) => void} set
 *   `push` adds an entry to the history of the browser; without it the current entry is replaced
 * @property {(fn: (now: Readonly<Shown>, before: Readonly<Shown>) => void) => () => void} on
 *   called after each change, also for back and forward; returns a function that unregisters
 * @property {(partial?: Partial<Shown>) => string} link  the query string (`?view=…`, or `.`) for a link
 */

/**
 * @typedef {object} Status
 * @property {'connecting'|'live'|'waiting'|'ended'} state
 * @property {string} why       what is wrong, for people; `''` if nothing is
 * @property {number} [code]    status code of HTTP if that is the reason, such as 401 (signed out)
 * @property {number} [retryAt] `Date.now()` of the next attempt, while waiting
 */

/**
 * @typedef {object} EventSpec
 * @property {string} [match]
 * @property {number} [lines]  rows to begin with; default 200
 * @property {number} [rate]   at most this many rows a second; default 200
 * @property {string} [since]  RFC 3339
 * @property {string} [until]  RFC 3339
 */

/** `host` is a pattern of hosts; without it, it is the agent's own log. */
/** @typedef {{host?: string, events: EventSpec}} EventSubscription */
/**
 * `every` in seconds, default 1.
 * @typedef {{host?: string, view: ViewName, match?: string, every?: number}} ViewSubscription
 */

/**
 * A request for a part of the log. Give at most one of `before` and `after`.
 * @typedef {object} PageQuery
 * @property {string} [match]
 * @property {string} [before]  cursor: only older lines, the newest of them
 * @property {string} [after]   cursor: only newer lines
 * @property {string} [since]   RFC 3339
 * @property {string} [until]   RFC 3339
 * @property {number} [lines]   the maximum number of lines; default 200, at most 5000
 * @property {boolean} [reverse]  the newest of the selected lines, not the oldest; implied by `before`
 */

/** A rejection of a request. @typedef {{code: number, why: string, status: number}} RequestFailure */

/**
 * The page's side of the connection to the agent. Messages of one subscription arrive in the order of the
 * log, each once, also across reconnects.
 * @typedef {object} Feed
 * @property {FeedSubscribe} subscribe
 * @property {(query: PageQuery, options?: {signal?: AbortSignal}) => Promise<Line[]>} page
 *   the lines, always the oldest first; rejects with a `RequestFailure`, or an `AbortError`
 * @property {(view: ViewName, query: {match?: string, since?: string, until?: string},
 *   options?: {signal?: AbortSignal}) => Promise<Snapshot>} snapshot  a view of a past period
 * @property {(match: string, options?: {signal?: AbortSignal}) => Promise<RequestFailure|null>} check
 *   null if the agent accepts the MATCH; rejects if the agent cannot be asked
 * @property {(options?: {signal?: AbortSignal}) => Promise<Stats>} stats
 * @property {Status} status
 * @property {(fn: (status: Status) => void) => () => void} onStatus  called at once and after each change
 * @property {() => void} retry  reconnects now, also after `ended`
 * @property {(seq: number) => string} cursor
 *   cursor of a line of the current log, `''` before the first cursor is known
 * @property {() => number} now  the agent's clock, in milliseconds since 1970, as far as it is known
 * @property {Seen} seen  values for completion, filled by all subscriptions
 * @property {() => void} close
 */

/**
 * @typedef {{
 *   (spec: EventSubscription, on: (message: EventMessage, cursor: string) => void): () => void;
 *   (spec: ViewSubscription, on: (message: ViewMessage, cursor: string) => void): () => void;
 * }} FeedSubscribe
 */

/**
 * Bounded sets of fields and values that were seen.
 * @typedef {object} Seen
 * @property {(line: EventLine) => void} event
 * @property {(snapshot: Snapshot) => void} view
 * @property {() => string[]} fields  names of fields, the most recent first
 * @property {(key: string) => string[]} values  values of a key of a MATCH, the most recent first
 */

/**
 * A row of the store. `key` is unique and stable.
 * @typedef {{kind: 'event', key: string, seq: number, cursor: string, event: EventLine}
 *   | {kind: 'gap', key: string, seq: number, cursor: string, gap: GapLine}
 *   | {kind: 'skipped', key: string, seq: number, cursor: string, count: number}} Row
 */

/**
 * What happened to `store.rows` since the last notification.
 * @typedef {object} StoreChange
 * @property {boolean} reset     forget everything that was drawn
 * @property {number} appended   rows added at the end
 * @property {number} prepended  rows added at the start
 * @property {number} dropped    rows removed at the start, because of the bound
 * @property {number} cut        rows removed at the end, because older ones were prepended
 * @property {boolean} inserted  rows were added or changed elsewhere
 * @property {boolean} waiting   `store.waiting` or `store.paused` changed
 */

/**
 * @typedef {object} Context
 * @property {State} state
 * @property {Feed} feed
 * @property {import('./shell/pause.js').Pause} pause
 * @property {(key: string, op: string, value: string) => void} addClause
 *   adds a clause to the MATCH that is in force
 * @property {(event: EventLine) => void} openRow  shows a row with its fields and origin
 * @property {(text: string) => void} announce  to the polite live region
 * @property {(text: string) => void} toast
 */

/**
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {() => void} show  subscribes
 * @property {() => void} hide  unsubscribes
 * @property {(key: string) => boolean} [onKey]  true if the key was handled
 * @property {() => string} [status]  the text beside the tabs
 * @property {() => void} [refresh]
 */

export {};

//! Pulse: watch an application live. One agent (pulsed), and two tools for it (pulse-send, pulse-tail).
//!
//! ```text
//!   Unix socket · TCP bridge · POST /events · syslog lines · datagrams      doors
//!                             │ bytes
//!                       wire: decode
//!                             │ draft + origin
//!                       agent: rights, rate, batch
//!                             │
//!                       log: append                   stamp, encode once, publish
//!                             │ the event's one JSON line
//!        ┌────────────────────┼────────────────────┐
//!     history           subscriptions            views
//!     (disk)      → lines of the protocol   → lines, Server-Sent
//!                 → Server-Sent Events        Events: summaries
//! ```
//!
//! No stage depends on a door or on a sink: SEND, syslog lines and `POST /events` feed one intake, and the lines of TAIL
//! and the streams of the monitor are sinks of one kind of subscription.
//!
//! The log is the hub. Everything after it is a reader with a cursor, not a queue: a slow reader costs an
//! offset, and delays neither senders nor other readers.
//!
//! A module may name only modules in rows above its own, which `tests/pulse/layers.rs` checks:
//!
//! 1. [`event`]: drafts, origins, and the event line.
//! 2. [`filter`]: MATCH, the language of filters.
//! 3. [`wire`]: the protocol's decoder and encoder. [`render`]: events as text, and the terminal
//!    escaper. [`access`]: the rules for sending and following. [`views`]: users, queries, running now,
//!    rates.
//! 4. [`config`]: the configuration. [`sys`]: the operating system. [`diag`]: the agent's messages about
//!    itself.
//! 5. [`log`]: the window in memory, and the history on disk. [`auth`]: secrets and their files: tokens, sessions,
//!    one-time links.
//! 6. [`client`]: the blocking connection that both tools use.
//! 7. [`agent`]: accepts connections, runs the intake and the subscriptions, serves the monitor.
//! 8. [`cli`]: the three commands.
//!
//! Rows 1 to 3 are pure: no runtime, sockets, files, clock or printing.

#[cfg(feature = "agent")]
pub mod access;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "agent")]
pub mod auth;
pub mod cli;
pub mod client;
#[cfg(feature = "agent")]
pub mod config;
#[cfg(feature = "agent")]
pub mod diag;
pub mod event;
#[cfg(any(feature = "agent", feature = "tail"))]
pub mod filter;
#[cfg(feature = "agent")]
pub mod log;
pub mod render;
pub mod sys;
#[cfg(any(feature = "agent", feature = "tail"))]
pub mod views;
pub mod wire;

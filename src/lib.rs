//! Pulse: watch an application live.
//!
//! The data goes one way, and the modules stand in that order. A module names only modules above it
//! in this list; `tests/pulse/layers.rs` reads the source and holds that.
//!
//! 1. [`event`]: what an event is, from a sender's draft to the one line that everybody reads.
//! 2. [`filter`]: MATCH, the one language in which a reader says what it wants.
//! 3. [`wire`]: bytes to requests and back; [`render`]: an event as text for people; [`access`]: who
//!    may send and follow which tags; [`views`]: users, queries, what runs now, rates.
//! 4. [`config`], [`sys`], [`diag`]: the configuration, the operating system, the agent's own
//!    messages.
//! 5. [`log`]: the hub. One ordered sequence of events: a window in memory, history on disk.
//! 6. [`client`]: the blocking connection that both tools use.
//! 7. [`agent`]: one file a stage, around the log.
//! 8. [`cli`]: the three commands.
//!
//! The first three are pure: no socket, no file, no clock, no printing.

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

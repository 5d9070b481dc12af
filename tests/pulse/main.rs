//! The real programs through their real doors: one binary, one harness, a module a theme.

mod harness;

mod access;
mod bad_input;
mod booted;
mod bridge;
mod config;
mod crash;
mod docs;
mod doors;
mod faults;
mod flood;
mod layers;
mod man;
mod origin;
mod promises;
mod protocol;
mod pulse_send;
mod pulse_tail;
mod readers;
mod restart;
mod runs;
mod server;
mod service;
mod soak;
mod stalled;
mod threats;
mod torture;

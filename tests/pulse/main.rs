//! End-to-end tests: the real programs through their real sockets. One binary, one harness, one module per
//! subject.

mod harness;

mod access;
mod bad_input;
mod booted;
mod bridge;
mod config;
mod crash;
mod docs;
mod faults;
mod flood;
mod interop;
mod language;
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
mod send_runs;
mod server;
mod server_tls;
mod service;
mod soak;
mod source;
mod stalled;
mod threats;
mod torture;
mod understood;
mod views;
mod web;

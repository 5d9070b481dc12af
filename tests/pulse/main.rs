//! End-to-end tests: the real programs through their real sockets. One binary, one harness, one module per
//! subject.

mod harness;

mod access;
mod bad_input;
mod bench_check;
mod booted;
mod bridge;
mod config;
mod crash;
mod datagram;
mod docs;
mod faults;
mod flood;
mod habits;
mod interop;
mod language;
mod languages;
mod layers;
mod man;
#[cfg(feature = "nats")]
mod nats;
mod origin;
mod php;
mod promises;
mod protocol;
mod pulse_send;
mod pulse_tail;
mod readers;
mod restart;
mod runs;
mod send_habits;
mod send_input;
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

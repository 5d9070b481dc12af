//! The operating system: paths, sockets, peers, users, signals.

pub mod paths;

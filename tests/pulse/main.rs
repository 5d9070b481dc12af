//! The real programs through their real doors: one binary, one harness, a module a theme.

mod harness;

mod crash;
mod protocol;
mod readers;
mod stalled;

//! The cases of the benchmark, in the order of the table.

mod batches;
mod carry;
mod commands;
mod fan_out;
mod filtered;
mod flood;
mod history;
mod idle;
mod latency;
mod memory;
mod senders;
mod single;
mod sse;
mod stalled;
mod start;
mod watching;

use crate::table::Row;
use crate::{BenchError, Options};

/// A part of the benchmark, with the name that selects it on the command line.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Options) -> Result<Vec<Row>, BenchError>,
}

pub(crate) const CASES: [Case; 16] = [
    Case { name: "commands", run: commands::run },
    Case { name: "carry", run: carry::run },
    Case { name: "batches", run: batches::run },
    Case { name: "single", run: single::run },
    Case { name: "fan-out", run: fan_out::run },
    Case { name: "senders", run: senders::run },
    Case { name: "stalled", run: stalled::run },
    Case { name: "filtered", run: filtered::run },
    Case { name: "latency", run: latency::run },
    Case { name: "flood", run: flood::run },
    Case { name: "watching", run: watching::run },
    Case { name: "memory", run: memory::run },
    Case { name: "idle", run: idle::run },
    Case { name: "start", run: start::run },
    Case { name: "history", run: history::run },
    Case { name: "sse", run: sse::run },
];

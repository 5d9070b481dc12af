//! The benchmark: what Pulse costs, measured beside what people use today, in one run on one machine
//! (`cargo bench`).
//!
//! A time depends on the machine. A ratio of two times that were taken in turns depends on the programs, so
//! nearly every row is a ratio. `docs/benchmark.md` explains the table. A slow result is no failure; a program
//! that does not run or an event that is lost is one.

mod carry;
mod commands;
mod flood;
mod follow;
mod idle;
mod latency;
mod load;
mod nchan;
#[path = "../random.rs"]
mod random;
mod sse;
mod systems;
mod table;

use std::process::ExitCode;
use std::{env, fs, io, thread};

use table::{Row, print};

/// Why a case has no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// A system call failed.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: String,
        /// The system's error.
        cause: io::Error,
    },
    /// A program did not do what is measured.
    #[error("{0}")]
    Failed(String),
}

/// Adds what was tried to an error of the system.
fn refused<D: Into<String>>(doing: D) -> impl FnOnce(io::Error) -> BenchError {
    let doing = doing.into();
    |cause| BenchError::System { doing, cause }
}

/// A part of the benchmark, with the name that selects it on the command line.
struct Case {
    name: &'static str,
    run: fn() -> Result<Vec<Row>, BenchError>,
}

const CASES: [Case; 6] = [
    Case { name: "commands", run: commands::run },
    Case { name: "carry", run: carry::run },
    Case { name: "flood", run: flood::run },
    Case { name: "idle", run: idle::run },
    Case { name: "latency", run: latency::run },
    Case { name: "sse", run: sse::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // As `cargo test --all-targets` calls it.
        println!("nothing is measured without --bench: run `cargo bench`");
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let machine = machine();
    let (mut rows, mut result) = (Vec::new(), ExitCode::SUCCESS);
    for case in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|word| *word == case.name) {
            continue;
        }
        eprintln!("measuring: {}", case.name);
        match (case.run)() {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("{}: {error}", case.name);
                rows.push(Row::unavailable(case.name, "failed: see above"));
                result = ExitCode::FAILURE;
            }
        }
    }
    println!("{machine}\n");
    print(&rows);
    result
}

/// The machine, and its load before the first measurement.
fn machine() -> String {
    let first_line = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().next().unwrap_or("?").to_owned()
    };
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = first_line("/proc/sys/kernel/osrelease");
    let load = first_line("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} cores, Linux {kernel} on {}; load before: {load}", env::consts::ARCH)
}

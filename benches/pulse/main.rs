//! The benchmark: what Pulse costs, measured beside what people use today, in one run on one machine
//! (`cargo bench`, or `contrib/bench`, which installs the peers before).
//!
//! A time depends on the machine. A ratio of two times that were taken in turns depends on the programs, so
//! nearly every row is a ratio. `docs/benchmark.md` explains the table. A slow result is no failure. A program
//! that does not run is one, and so is an event that is lost, repeated, changed or out of order.

mod cases;
mod check;
mod chunked;
mod link;
mod load;
mod machine;
mod process;
mod progress;
#[path = "../random.rs"]
mod random;
mod systems;
mod table;
mod turns;
#[path = "../words.rs"]
mod words;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, io};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use cases::CASES;
use load::{Kind, Message};
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
    /// A follower did not get what was sent.
    #[error(transparent)]
    Unexpected(#[from] check::Unexpected),
}

/// Adds what was tried to an error of the system.
fn refused<D: Into<String>>(doing: D) -> impl FnOnce(io::Error) -> BenchError {
    let doing = doing.into();
    |cause| BenchError::System { doing, cause }
}

/// What the command line and the environment ask for.
struct Options {
    /// Of the messages.
    seed: u64,
    /// Fewer and shorter runs.
    quick: bool,
    /// The size of the large history, in bytes.
    history: u64,
    /// The names of the cases; all if there are none.
    cases: Vec<String>,
}

impl Options {
    /// How many runs of throughput are measured, after one that warms up.
    fn runs(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    /// How many runs of a single value are measured.
    fn singles(&self) -> usize {
        if self.quick { 3 } else { 9 }
    }

    /// How long a sender sends in one run.
    fn time(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 500 })
    }

    /// The messages of one sender.
    fn load(&self, kind: Kind) -> Vec<Message> {
        kind.messages(self.seed)
    }

    fn parse(arguments: &[String]) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut options = Self {
            seed: now.as_nanos() as u64 % 1_000_000,
            quick: false,
            history: 0,
            cases: Vec::new(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--bench" => {}
                "--quick" => options.quick = true,
                "--seed" => {
                    let seed = words.next().and_then(|seed| seed.parse().ok());
                    options.seed = seed.ok_or("--seed needs a number")?;
                }
                name if CASES.iter().any(|case| case.name == name) => {
                    options.cases.push(name.into())
                }
                other => {
                    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
                    return Err(format!(
                        "{other}: not --quick, --seed N or one of the cases: {}",
                        names.join(", ")
                    ));
                }
            }
        }
        let megabytes = match env::var("PULSE_BENCH_HISTORY_MB") {
            Ok(text) => text.parse().map_err(|e| format!("PULSE_BENCH_HISTORY_MB={text}: {e}"))?,
            Err(_) if options.quick => 200,
            Err(_) => 5_000,
        };
        options.history = megabytes * 1_000_000;
        Ok(options)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [word, path] = arguments.as_slice()
        && word == systems::RELAY
    {
        return systems::run_relay(Path::new(path));
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        // As `cargo test --all-targets` calls it.
        println!("nothing is measured without --bench: run `cargo bench`");
        return ExitCode::SUCCESS;
    }
    match Options::parse(&arguments) {
        Ok(options) => run(&options),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> ExitCode {
    raise_file_limit();
    let (machine, begin) = (machine::describe(), Instant::now());
    let (mut rows, mut result) = (Vec::new(), ExitCode::SUCCESS);
    for case in CASES {
        if !options.cases.is_empty() && !options.cases.iter().any(|name| name == case.name) {
            continue;
        }
        let since = Instant::now();
        eprint!("measuring: {} …", case.name);
        match (case.run)(options) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprint!(" {error}");
                rows.push(Row::unavailable(case.name, "failed: see above"));
                result = ExitCode::FAILURE;
            }
        }
        eprintln!(" {:.1} s", since.elapsed().as_secs_f64());
    }
    println!("{machine}, after: {}  ", machine::load());
    println!(
        "seed {}; {} runs of {} ms in turns, {} of single values; {:.0} s in all\n",
        options.seed,
        options.runs(),
        options.time().as_millis(),
        options.singles(),
        begin.elapsed().as_secs_f64()
    );
    print(&rows);
    println!();
    for line in systems::about() {
        println!("- {line}");
    }
    result
}

/// Allows as many files as the system permits: a thousand followers, and the systems that serve them.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it, the cases with many followers report the error.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

//! Counts the instructions that an event takes on its way, and compares them with a budget.
//!
//! ```text
//! cargo bench --bench instructions                # counts and compares; fails if a count is not within the budget
//! cargo bench --bench instructions -- carry       # only the cases whose names contain the word
//! cargo bench --bench instructions -- write       # writes the counts as the new budget
//! ```
//!
//! Counts are the same in each run, however busy the machine is, so that a slower hot path fails in the tests. They are
//! no times: a count says nothing about caches, locks or system calls, for which `docs/benchmark.md` has its own table.
//! The build is that of the release, because that is what users run. The counts depend on the compiler, so another one
//! than the budget names is not compared.
//!
//! Each case runs in processes of its own below valgrind, with few rounds and with many: the difference is what the
//! rounds take, without the start of the process.

mod budget;
mod log;
mod messages;
mod pure;
#[path = "../random.rs"]
mod random;
#[path = "../words.rs"]
mod words;

use std::env;
use std::process::{Command, ExitCode};

use budget::{Budget, TOLERANCE, Toolchain, Verdict};
use messages::{Kind, MESSAGES};

/// The rounds of the shorter run. They fill the window, so that the others evict what is in it.
const ROUNDS_FEW: usize = 40;

/// The rounds of the longer run.
const ROUNDS_MANY: usize = 60;

/// What is counted, and the name that the budget has for it.
type Case = (&'static str, fn(usize));

const CASES: [Case; 26] = [
    ("carry text without a digit", |rounds| log::carry(Kind::Plain, rounds)),
    ("carry text with a duration", |rounds| log::carry(Kind::Took, rounds)),
    ("carry text with many numbers", |rounds| log::carry(Kind::Numbers, rounds)),
    ("carry object with fields", |rounds| log::carry(Kind::Object, rounds)),
    ("carry flat object", |rounds| log::carry(Kind::Flat, rounds)),
    ("carry syslog RFC 3164", |rounds| log::carry(Kind::Bsd, rounds)),
    ("carry syslog RFC 5424", |rounds| log::carry(Kind::Ietf, rounds)),
    ("decode text", |rounds| pure::decode(Kind::Plain, rounds)),
    ("decode text with a duration", |rounds| pure::decode(Kind::Took, rounds)),
    ("decode object with fields", |rounds| pure::decode(Kind::Object, rounds)),
    ("decode flat object", |rounds| pure::decode(Kind::Flat, rounds)),
    ("decode syslog RFC 3164", |rounds| pure::decode(Kind::Bsd, rounds)),
    ("decode syslog RFC 5424", |rounds| pure::decode(Kind::Ietf, rounds)),
    ("find in text without a digit", |rounds| pure::find(Kind::Plain, rounds)),
    ("find in text with a duration", |rounds| pure::find(Kind::Took, rounds)),
    ("find in text with many numbers", |rounds| pure::find(Kind::Numbers, rounds)),
    ("encode text without a digit", |rounds| pure::encode(Kind::Plain, rounds)),
    ("encode text with a duration", |rounds| pure::encode(Kind::Took, rounds)),
    ("encode object with fields", |rounds| pure::encode(Kind::Object, rounds)),
    ("append text", |rounds| log::append(Kind::Took, rounds)),
    ("deliver single events", |rounds| log::deliver(Kind::Took, rounds)),
    ("parse a line", |rounds| pure::filter("", rounds)),
    ("filter by tag", |rounds| pure::filter("tag=shop.query", rounds)),
    ("filter by level", |rounds| pure::filter("level>=warning", rounds)),
    ("filter by field", |rounds| pure::filter("user=123", rounds)),
    ("filter by regex", |rounds| pure::filter("msg~checkout.*took", rounds)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", case, rounds] => run(case, rounds),
        ["write", "--bench"] => report(write()),
        [ref wanted @ .., "--bench"] => report(check(wanted)),
        // As `cargo test --all-targets` calls it.
        _ => {
            println!("nothing is counted without --bench: run `cargo bench --bench instructions`");
            ExitCode::SUCCESS
        }
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("FAILED: instructions: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one case, below valgrind.
fn run(case: &str, rounds: &str) -> ExitCode {
    let found = CASES.iter().find(|(name, _)| *name == case);
    let (Some((_, run)), Ok(rounds)) = (found, rounds.parse()) else {
        return ExitCode::FAILURE;
    };
    run(rounds);
    ExitCode::SUCCESS
}

/// Makes the counts the budget.
fn write() -> Result<(), String> {
    let mut counts = Vec::new();
    for (case, _) in CASES {
        counts.push((case, count(case)?));
    }
    budget::write(&Toolchain::current()?, &counts)
}

/// Compares the counts with the budget: of all cases, or of those whose names contain a word.
fn check(wanted: &[&str]) -> Result<(), String> {
    let (toolchain, budget) = (Toolchain::current()?, Budget::read()?);
    let skipped = |why: &str| println!("NOT TESTED, because {why}: instructions");
    if budget.toolchain != toolchain {
        skipped(&format!("the budget is for {}, and this is {toolchain}", budget.toolchain));
        return Ok(());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        skipped("valgrind is not installed");
        return Ok(());
    }
    println!("instructions for one event, {toolchain}: counted, budget");
    let mut bad = Vec::new();
    let is_wanted = |case: &str| wanted.is_empty() || wanted.iter().any(|word| case.contains(word));
    for case in CASES.map(|(case, _)| case).into_iter().filter(|case| is_wanted(case)) {
        let (counted, allowed) = (count(case)?, budget.instructions.get(case).copied());
        let allowed = allowed.ok_or_else(|| format!("{case}: the budget has no such case"))?;
        let verdict = Verdict::new(counted, allowed);
        println!("{case:<32} {counted:>7} {allowed:>7}{verdict}");
        if verdict != Verdict::Kept {
            bad.push(format!("{case}: {counted} instead of {allowed}"));
        }
    }
    let is_known = |name: &&String| CASES.iter().any(|(case, _)| case == *name);
    bad.extend(
        budget
            .instructions
            .keys()
            .filter(|name| !is_known(name))
            .map(|name| format!("{name}: no such case")),
    );
    if bad.is_empty() {
        return Ok(());
    }
    Err(format!(
        "not within {TOLERANCE} % of the budget:\n{}\nIf this is intended, run `{}` and say why in the commit.",
        bad.join("\n"),
        budget::COMMAND
    ))
}

/// The instructions that one event takes.
fn count(case: &str) -> Result<u64, String> {
    let few = count_run(case, ROUNDS_FEW)?;
    let many = count_run(case, ROUNDS_MANY)?;
    let events = ((ROUNDS_MANY - ROUNDS_FEW) * MESSAGES) as u64;
    Ok((many.saturating_sub(few) + events / 2) / events)
}

/// The instructions that a process takes which runs a case so many rounds.
fn count_run(case: &str, rounds: usize) -> Result<u64, String> {
    let program =
        env::current_exe().map_err(|e| format!("cannot find the benchmark itself: {e}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    // The length of the environment moves the stack.
    valgrind.arg(program).args(["run", case, &rounds.to_string()]).env_clear();
    if let Some(path) = env::var_os("PATH") {
        valgrind.env("PATH", path);
    }
    let output = valgrind.output().map_err(|e| format!("cannot run valgrind: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    counted(&text)
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("{case}: {}:\n{text}", output.status))
}

/// The count in what valgrind prints: `==812== I   refs:      1,234,567`.
fn counted(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("refs:"))?;
    let (_, number) = line.split_once("refs:")?;
    number.trim().replace(',', "").parse().ok()
}

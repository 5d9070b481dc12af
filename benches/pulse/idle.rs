//! An idle agent: its memory, what each idle follower adds to it, and how often it wakes up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::systems::{Agent, WAIT_MAX, ask};
use crate::table::{Row, Target};
use crate::{BenchError, refused};

/// How many followers wait for events that do not come.
const FOLLOWERS: usize = 500;

/// For how long wake-ups are counted.
const COUNTED: Duration = Duration::from_secs(3);

/// How long an agent may be busy with its start.
const STARTED: Duration = Duration::from_secs(1);

/// How long an agent is left alone after it has served clients: longer than the keep-alive of an idle
/// blocking thread.
const SETTLED: Duration = Duration::from_secs(11);

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let agent = Agent::start(true)?;
    thread::sleep(STARTED);
    let fresh = resident(&agent)?;
    let wakes = wake_ups(&agent)?;
    let followers = (0..FOLLOWERS).map(|_| agent.follow()).collect::<Result<Vec<_>, _>>()?;
    wait_for_followers(&agent)?;
    thread::sleep(SETTLED);
    let with_followers = resident(&agent)?;
    let wakes_with_followers = wake_ups(&agent)?;
    drop(followers);
    let each = with_followers.saturating_sub(fresh) as f64 / FOLLOWERS as f64;
    let in_time = format!("in {} s", COUNTED.as_secs());
    Ok(vec![
        Row::bounded(
            "memory of an idle agent, history on",
            fresh as f64 / 1024.0,
            " MiB",
            Target::AtMost(6.0),
        ),
        Row::bounded(
            &format!("memory more for each of {FOLLOWERS} idle followers"),
            each,
            " KiB",
            Target::AtMost(8.0),
        ),
        Row::bounded(
            &format!("wake-ups of an idle agent {in_time}"),
            wakes as f64,
            "",
            Target::AtMost(0.0),
        ),
        Row::bounded(
            &format!("wake-ups of an agent with {FOLLOWERS} idle followers {in_time}"),
            wakes_with_followers as f64,
            "",
            Target::AtMost(0.0),
        ),
    ])
}

fn wait_for_followers(agent: &Agent) -> Result<(), BenchError> {
    let mut stream = agent.connect()?;
    let since = Instant::now();
    loop {
        let stats = ask(&mut stream, "STATS", "{")?;
        if stats.contains(&format!("\"followers\":{FOLLOWERS}")) {
            return Ok(());
        }
        if since.elapsed() > WAIT_MAX {
            return Err(BenchError::Failed(format!("not all {FOLLOWERS} follow: {stats}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The agent's memory, in KiB.
fn resident(agent: &Agent) -> Result<u64, BenchError> {
    let status = PathBuf::from(format!("/proc/{}/status", agent.pid()));
    let text = fs::read_to_string(status).map_err(refused("read the agent's status"))?;
    Ok(figure(&text, "VmRSS:"))
}

/// How often the agent's threads ran within [`COUNTED`]. A thread that ended ran once.
fn wake_ups(agent: &Agent) -> Result<u64, BenchError> {
    let before = switches(agent)?;
    thread::sleep(COUNTED);
    let after = switches(agent)?;
    let ended = before.keys().filter(|thread| !after.contains_key(*thread)).count() as u64;
    let more = after.iter().map(|(thread, count)| count - before.get(thread).unwrap_or(&0));
    Ok(ended + more.sum::<u64>())
}

/// The context switches of each thread of the agent.
fn switches(agent: &Agent) -> Result<BTreeMap<OsString, u64>, BenchError> {
    let count = || {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{}/task", agent.pid()))? {
            let thread = thread?;
            let text = fs::read_to_string(thread.path().join("status"))?;
            let count = figure(&text, "voluntary_ctxt_switches:")
                + figure(&text, "nonvoluntary_ctxt_switches:");
            threads.insert(thread.file_name(), count);
        }
        Ok(threads)
    };
    count().map_err(refused("read the status of the agent's threads"))
}

/// The number after a name that begins a line; 0 if there is none.
fn figure(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

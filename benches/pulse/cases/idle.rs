//! An idle agent: its memory, what each idle follower adds to it, and how often it wakes up.

use std::thread;
use std::time::Duration;

use crate::process::{resident, switches};
use crate::systems::{Agent, System as _};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options};

/// How many followers wait for events that do not come.
const FOLLOWERS: usize = 1_000;

/// For how long wake-ups are counted.
const COUNTED: Duration = Duration::from_secs(3);

/// How long an agent may be busy with its start.
const STARTED: Duration = Duration::from_secs(3);

/// How long an agent is left alone after it has served clients: longer than the keep-alive of an idle
/// blocking thread.
const SETTLED: Duration = Duration::from_secs(11);

pub(crate) fn run(_options: &Options) -> Result<Vec<Row>, BenchError> {
    let agent = Agent::start(true)?;
    thread::sleep(STARTED);
    let fresh = resident(agent.pid())?;
    let wakes = wake_ups(&agent)?;
    let followers = (0..FOLLOWERS).map(|_| agent.follower()).collect::<Result<Vec<_>, _>>()?;
    agent.wait_for(&format!("\"followers\":{FOLLOWERS}"))?;
    thread::sleep(SETTLED);
    let with_followers = resident(agent.pid())?;
    let wakes_with_followers = wake_ups(&agent)?;
    drop(followers);
    let each = (with_followers - fresh) * 1024.0 / FOLLOWERS as f64;
    let in_time = format!("in {} s", COUNTED.as_secs());
    let row = |what: &str, unit, value, target| {
        Row::new(what, unit, vec![value]).target(Target::Value(target))
    };
    Ok(vec![
        row("resident memory of an idle agent, history on", Unit::MiB, fresh, 6.0),
        row(&format!("memory more for each of {FOLLOWERS} idle followers"), Unit::KiB, each, 6.0),
        row(&format!("wake-ups of an idle agent {in_time}"), Unit::Count, wakes as f64, 0.0),
        row(
            &format!("wake-ups of an agent with {FOLLOWERS} idle followers {in_time}"),
            Unit::Count,
            wakes_with_followers as f64,
            0.0,
        ),
    ])
}

/// How often the agent's threads ran within [`COUNTED`]. A thread that ended ran once.
fn wake_ups(agent: &Agent) -> Result<u64, BenchError> {
    let before = switches(agent.pid())?;
    thread::sleep(COUNTED);
    let after = switches(agent.pid())?;
    let ended = before.keys().filter(|thread| !after.contains_key(*thread)).count() as u64;
    let more = after.iter().map(|(thread, count)| count - before.get(thread).unwrap_or(&0));
    Ok(ended + more.sum::<u64>())
}

//! Memory under load: the most that each system needs to carry events from one sender to one follower, what it keeps
//! afterwards, and how often it touches new memory.

use std::thread;
use std::time::Duration;

use crate::link::{BATCH, Link};
use crate::load::Kind;
use crate::process::{page_faults, peak, resident};
use crate::systems::{Agent, Nats, Redis, Relay, System};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options};

/// How long the load lasts.
const LOAD: Duration = Duration::from_secs(6);

/// How long a system is left alone before its memory counts as kept.
const REST: Duration = Duration::from_secs(5);

/// The default window and 16 MiB, in MiB.
const BOUND: f64 = 80.0;

/// What one system used.
#[derive(Default)]
struct Used {
    peak: Vec<f64>,
    kept: Vec<f64>,
    /// For a million events.
    faults: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let off = used(options, &Agent::start(false)?)?;
    let on = used(options, &Agent::start(true)?)?;
    let nats = Nats::start()?.map(|nats| used(options, &nats)).transpose()?.unwrap_or_default();
    let redis = Redis::start()?.map(|redis| used(options, &redis)).transpose()?.unwrap_or_default();
    let relay = used(options, &Relay::start()?)?;
    let row = |what: String, unit, figure: fn(&Used) -> &Vec<f64>, ours| {
        let of = |used| figure(used).clone();
        Row::new(what, unit, of(ours))
            .peer("nats-server", of(&nats))
            .peer("redis", of(&redis))
            .limit(of(&relay))
    };
    let mut rows = Vec::new();
    for (history, ours) in [("history off", &off), ("history on", &on)] {
        let target = Target::Value(BOUND);
        let named = |what| format!("{what} 1→1, mixed text, {history}");
        rows.push(row(named("peak memory in"), Unit::MiB, |used| &used.peak, ours).target(target));
        let kept = format!("memory kept {} s after", REST.as_secs());
        rows.push(row(named(&kept), Unit::MiB, |used| &used.kept, ours).target(target));
        rows.push(row(
            named("page faults for a million events in"),
            Unit::Count,
            |used| &used.faults,
            ours,
        ));
    }
    Ok(rows)
}

fn used(options: &Options, system: &dyn System) -> Result<Used, BenchError> {
    let mut link = Link::new(system, &[options.load(Kind::Text)], 1)?;
    link.run(BATCH, options.time())?;
    let faults = page_faults(system.pid())?;
    let run = link.run(BATCH, if options.quick { LOAD / 6 } else { LOAD })?;
    let faults = page_faults(system.pid())? - faults;
    thread::sleep(REST);
    Ok(Used {
        peak: vec![peak(system.pid())?],
        kept: vec![resident(system.pid())?],
        faults: vec![faults as f64 * 1e6 / run.events as f64],
    })
}

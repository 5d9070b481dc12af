//! One follower among eleven reads nothing: what that costs the ten others.

use crate::link::{BATCH, Link};
use crate::load::Kind;
use crate::systems::{Agent, Nats, Redis, System};
use crate::table::{Row, Target, Unit};
use crate::{BenchError, Options};

/// The followers that read.
const OTHERS: usize = 10;

/// Runs of nats-server, which stops everybody for the seconds of its write deadline.
const NATS_RUNS: usize = 1;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let what =
        format!("{OTHERS} followers beside one that reads nothing, part of the rate without it");
    let ours = shares(options, &Agent::start(false)?, options.runs())?;
    let on = shares(options, &Agent::start(true)?, options.runs())?;
    let redis = Redis::start()?.map(|redis| shares(options, &redis, options.runs())).transpose()?;
    let nats = Nats::start()?.map(|nats| shares(options, &nats, NATS_RUNS)).transpose()?;
    let (redis, nats) = (redis.unwrap_or_default(), nats.unwrap_or_default());
    let row = |history, ours| {
        Row::new(format!("{what}, {history}"), Unit::Share, ours)
            .peer("redis", redis.clone())
            .peer("nats-server", nats.clone())
            .target(Target::Value(0.98))
    };
    Ok(vec![row("history off", ours), row("history on", on)])
}

/// Pairs of runs without and with the stalled follower: the second rate as a part of the first.
fn shares(options: &Options, system: &dyn System, runs: usize) -> Result<Vec<f64>, BenchError> {
    let mut link = Link::new(system, &[options.load(Kind::Text)], OTHERS)?;
    link.run(BATCH, options.time())?;
    let mut pair = || {
        let without = link.run(BATCH, options.time())?;
        let stalled = system.follower()?;
        let with = link.run(BATCH, options.time())?;
        drop(stalled);
        Ok(with.per_second() / without.per_second())
    };
    (0..runs).map(|_| pair()).collect()
}

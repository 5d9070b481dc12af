//! From the start of the process to the first line of a follower.

use std::io::Write as _;
use std::time::Instant;

use crate::systems::{Agent, Nats, Redis, System};
use crate::table::{Row, Unit};
use crate::{BenchError, Options, refused};

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut agent = Agent::start(true)?;
    let mut sender = agent.sender()?;
    sender.write_all(b"SEND query took 40ms\n").map_err(refused("send"))?;
    agent.finish(&mut sender)?;
    let (mut ours, mut nats, mut redis) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.singles() {
        ours.push(agent.restart("TAIL {\"lines\":1,\"follow\":true}", "{")?.as_secs_f64() * 1e3);
        nats.extend(subscription(Nats::start)?);
        redis.extend(subscription(Redis::start)?);
    }
    let what = "start of the process to the first line of a follower";
    let row = Row::new(what, Unit::Millis, ours);
    Ok(vec![row.peer("nats-server", nats).peer("redis", redis)])
}

/// How long a peer takes to the confirmation of a subscription. `None` if it is not installed.
fn subscription<T: System>(
    start: fn() -> Result<Option<T>, BenchError>,
) -> Result<Option<f64>, BenchError> {
    let begin = Instant::now();
    let Some(system) = start()? else { return Ok(None) };
    system.follower()?;
    Ok(Some(begin.elapsed().as_secs_f64() * 1e3))
}

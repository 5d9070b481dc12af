//! How long an event takes from the sender's write to the follower's read when there is hardly any
//! traffic, so that every event wakes everybody up: to know, not to reach.

use std::thread;
use std::time::{Duration, Instant};

use crate::systems::{Agent, Link, Nats};
use crate::table::{Row, percentile};
use crate::{BenchError, refused};

/// How many events of each system are measured, in turns.
const EVENTS: usize = 400;

/// How long nothing happens before each.
const PAUSE: Duration = Duration::from_millis(3);

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let agent = Agent::start(true)?;
    let nats = Nats::start()?;
    let mut ours = (agent.link()?, Vec::new());
    let mut peer =
        nats.as_ref().map(|nats| nats.link().map(|link| (link, Vec::new()))).transpose()?;
    for _ in 0..EVENTS {
        for (link, micros) in [Some(&mut ours), peer.as_mut()].into_iter().flatten() {
            thread::sleep(PAUSE);
            micros.push(time_one(link)?);
        }
    }
    let row = |name, part| {
        let of = |micros: &Vec<f64>| format!("{:.0} µs", percentile(micros, part));
        let peer = peer.as_ref().map_or("not installed".into(), |(_, micros)| of(micros));
        let what = format!("from sender to follower at a low rate, {name}; peer: nats-server");
        Row::told(&what, of(&ours.1), peer)
    };
    Ok(vec![row("median", 0.5), row("99th percentile", 0.99)])
}

/// The time of one event, in µs.
fn time_one(link: &mut Link) -> Result<f64, BenchError> {
    let mut buffer = [0; 4096];
    let begin = Instant::now();
    link.sender.write_all(&link.message).map_err(refused("send"))?;
    loop {
        let read = link.follower.read(&mut buffer).map_err(refused("get an event"))?;
        if read == 0 {
            return Err(BenchError::Wrong("lost: the follower's connection was closed".into()));
        }
        if buffer[..read].contains(&link.mark) {
            return Ok(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
}

//! Latency from the sender's write to the follower's read at a low rate, where every event wakes every thread
//! on its way. A figure without a target.

use std::thread;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::systems::{Agent, Link, Nats};
use crate::table::{Row, percentile};
use crate::{BenchError, refused};

/// How many events of each system are measured, in turns.
const EVENTS: usize = 400;

/// The pause before each.
const PAUSE: Duration = Duration::from_millis(3);

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let agent = Agent::start(true)?;
    let nats = Nats::start()?;
    let mut ours = (agent.link(Load::Text)?, Vec::new());
    let mut peer = nats
        .as_ref()
        .map(|nats| nats.link(Load::Text).map(|link| (link, Vec::new())))
        .transpose()?;
    for event in 0..EVENTS {
        for (link, micros) in [Some(&mut ours), peer.as_mut()].into_iter().flatten() {
            thread::sleep(PAUSE);
            micros.push(time_one(link, event)?);
        }
    }
    let row = |name, part| {
        let of = |micros: &Vec<f64>| format!("{:.0} µs", percentile(micros, part));
        let peer = peer.as_ref().map_or("not installed".into(), |(_, micros)| of(micros));
        let what = format!("from sender to follower at a low rate, {name}; peer: nats-server");
        Row::reported(&what, of(&ours.1), peer)
    };
    Ok(vec![row("median", 0.5), row("99th percentile", 0.99)])
}

/// The latency of the load's message number `event`, in µs.
fn time_one(link: &mut Link, event: usize) -> Result<f64, BenchError> {
    let mut buffer = [0; 4096];
    let message = &link.messages[event % link.messages.len()];
    let begin = Instant::now();
    link.sender.write_all(message).map_err(refused("send"))?;
    loop {
        let read = link.follower.read(&mut buffer).map_err(refused("read an event"))?;
        if read == 0 {
            return Err(BenchError::Failed(
                "event lost: the follower's connection was closed".into(),
            ));
        }
        if buffer[..read].contains(&link.mark) {
            return Ok(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
}

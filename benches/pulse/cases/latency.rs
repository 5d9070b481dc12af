//! Latency from the sender's write of one message to the follower's read: at a low rate, where every message wakes
//! every thread on its way, and at two rates over a second.

use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;

use crate::link::Link;
use crate::load::Kind;
use crate::systems::Agent;
use crate::table::{Row, Target, Unit, percentile};
use crate::turns::{Systems, in_turns};
use crate::{BenchError, Options};

/// Messages a second.
const RATES: [u64; 2] = [1_000, 50_000];

/// How long a run is.
const TIME: Duration = Duration::from_secs(1);

/// How many messages are sent in one run of the low rate.
const RARE: usize = 100;

/// The pause before each of them.
const PAUSE: Duration = Duration::from_millis(3);

/// A uid that is limited by a rate.
const OTHER: u32 = 4_243;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut rows = rare(options)?;
    for rate in RATES {
        rows.extend(at_rate(options, rate)?);
    }
    Ok(rows)
}

fn rare(options: &Options) -> Result<Vec<Row>, BenchError> {
    let systems = Systems::start(&["history on", "nats-server", "redis", "relay"])?;
    let mut links = systems.links(&[options.load(Kind::Text)], 1)?;
    let measured = in_turns(&mut links, options.singles(), |link| {
        let one = |_| {
            thread::sleep(PAUSE);
            // One message, when it is due: now.
            Ok(link.latencies(1, Duration::from_secs(1))?[0])
        };
        (0..RARE).map(one).collect::<Result<Vec<_>, _>>()
    })?;
    let row = |name, part| {
        let of = |system| measured.of(system, |micros| percentile(micros, part));
        Row::new(
            format!("latency after 3 ms of silence, history on, {name}"),
            Unit::Micros,
            of("history on"),
        )
        .peer("nats-server", of("nats-server"))
        .peer("redis", of("redis"))
        .limit(of("relay"))
    };
    Ok(vec![row("median", 0.5), row("99th percentile", 0.99)])
}

fn at_rate(options: &Options, rate: u64) -> Result<Vec<Row>, BenchError> {
    let systems = Systems::start(&["history on", "redis", "history off", "relay"])?;
    let load = options.load(Kind::Text);
    let mut links = systems.links(std::slice::from_ref(&load), 1)?;
    let agent = Agent::start(true)?;
    let other = if geteuid().is_root() {
        Some(Link::of_sender(&agent, &load, agent.sender_as(OTHER)?)?)
    } else {
        None
    };
    links.push(("another uid", other));
    let measured = in_turns(&mut links, options.singles(), |link| {
        let micros = link.latencies(rate, TIME)?;
        Ok((percentile(&micros, 0.5), percentile(&micros, 0.99)))
    })?;
    let mut rows = Vec::new();
    for (what, name) in [
        ("history on", "history on"),
        ("history off", "history off"),
        ("history on, the sender has another uid", "another uid"),
    ] {
        let p50 = |system| measured.of(system, |(p50, _)| *p50);
        let p99 = |system| measured.of(system, |(_, p99)| *p99);
        let row = |part, values: &dyn Fn(&'static str) -> Vec<f64>| {
            let what = format!("latency at {rate}/s, {what}, {part}");
            if values(name).is_empty() {
                return Row::unavailable(what, "needs root");
            }
            Row::new(what, Unit::Micros, values(name))
                .peer("redis", values("redis"))
                .limit(values("relay"))
        };
        let (mut median, mut last) = (row("median", &p50), row("99th percentile", &p99));
        if name == "history on" {
            (median, last) = (median.target(Target::Peer(1.3)), last.target(Target::Peer(1.5)));
        }
        rows.extend([median, last]);
    }
    Ok(rows)
}

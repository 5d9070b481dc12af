//! Throughput of one pipelining sender and one follower: our agent without and with history, nats-server,
//! and a plain loop of writes to the same disk, in turns, for each load.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::follow::{Progress, Received, read_all};
use crate::load::{Load, MESSAGES};
use crate::systems::{Agent, DISK, Link, Nats, ask};
use crate::table::{Row, Target, median};
use crate::{BenchError, refused};

/// How many events one run carries: whole blocks.
const EVENTS: u64 = 2_000_000;
const _: () = assert!(EVENTS.is_multiple_of(MESSAGES as u64));

/// How many runs of each are measured, after one that warms up.
const RUNS: usize = 7;

/// The size of a write of the plain loop, in bytes.
const WRITE_SIZE: usize = 64 << 10;

/// The result of one run.
#[derive(Clone, Copy)]
struct Carried {
    events_per_second: f64,
    bytes_per_second: f64,
    bytes: u64,
}

/// The runs of one load.
#[derive(Default)]
struct Runs {
    off: Vec<Carried>,
    nats: Vec<Carried>,
    on: Vec<Carried>,
    writes: Vec<f64>,
}

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let nats = Nats::start()?;
    let mut rows = Vec::new();
    for load in Load::ALL {
        rows.extend(measure(load, nats.as_ref())?.rows(load));
    }
    Ok(rows)
}

fn measure(load: Load, nats: Option<&Nats>) -> Result<Runs, BenchError> {
    let (off, on) = (Agent::start(false)?, Agent::start(true)?);
    let mut runs = Runs::default();
    for round in 0..=RUNS {
        let without = carry_events(off.link(load)?)?;
        let peer = nats.map(|nats| carry(nats.link(load)?).map(|(run, _)| run)).transpose()?;
        let with = carry_events(on.link(load)?)?;
        // The disk is idle before the next run.
        ask(&mut on.connect()?, "SYNC synced", "OK ")?;
        let writes = plain_writes(with.bytes)?;
        if round > 0 {
            runs.off.push(without);
            runs.nats.extend(peer);
            runs.on.push(with);
            runs.writes.push(writes);
        }
    }
    Ok(runs)
}

/// Carries all events through an agent. An error if one is missing.
fn carry_events(link: Link) -> Result<Carried, BenchError> {
    let (run, received) = carry(link)?;
    if bytes_without_gap(&received.first_lines) != Some(received.bytes) {
        let first = String::from_utf8_lossy(&received.first_lines);
        let first = first.lines().next().unwrap_or_default();
        return Err(BenchError::Failed(format!("events lost: a gap after {first}")));
    }
    Ok(run)
}

/// The size of all lines if each is an event, from the lines of the first block. Those of later blocks
/// differ only in the digits of their sequence numbers. `None` if the first block has a gap.
fn bytes_without_gap(first_lines: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(first_lines).ok()?;
    let digits = |seq: u64| u64::from(seq.ilog10()) + 1;
    let seq_of = |line: &str| line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok();
    let first: u64 = seq_of(text)?;
    let mut others = 0;
    for (line, expected) in text.lines().zip(first..) {
        if seq_of(line)? != expected {
            return None;
        }
        others += line.len() as u64 + 1 - digits(expected);
    }
    let blocks = EVENTS / MESSAGES as u64;
    Some(blocks * others + (first..first + EVENTS).map(digits).sum::<u64>())
}

/// One run, from the first write until the follower has the last event and the sender the answer that all
/// are accepted, or stored.
fn carry(mut link: Link) -> Result<(Carried, Received), BenchError> {
    let progress = Progress::new();
    let block = link.messages.concat();
    let follower = &mut *link.follower;
    let sender = &mut *link.sender;
    let begin = Instant::now();
    let (sent, received) = thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(follower, link.mark, EVENTS, &progress));
        let mut send = || {
            for sent in (0..EVENTS).step_by(MESSAGES) {
                progress.wait(sent)?;
                sender.write_all(&block).map_err(refused("send"))?;
            }
            ask(sender, link.finish.0, link.finish.1)?;
            Ok(Instant::now())
        };
        let sent: Result<Instant, BenchError> = send();
        (sent, reading.join())
    });
    let received = received.map_err(|_| BenchError::Failed("the follower panicked".into()))??;
    let seconds = (sent?.max(received.at) - begin).as_secs_f64();
    let run = Carried {
        events_per_second: EVENTS as f64 / seconds,
        bytes_per_second: received.bytes as f64 / seconds,
        bytes: received.bytes,
    };
    Ok((run, received))
}

/// The rate at which a loop of writes appends to a new file, in bytes per second.
fn plain_writes(bytes: u64) -> Result<f64, BenchError> {
    let path = Path::new(DISK).join("plain-writes");
    let written = || {
        let mut file = File::create(&path)?;
        let block = vec![b'x'; WRITE_SIZE];
        let begin = Instant::now();
        let mut left = bytes;
        while left > 0 {
            let part = left.min(WRITE_SIZE as u64);
            file.write_all(&block[..part as usize])?;
            left -= part;
        }
        let seconds = begin.elapsed().as_secs_f64();
        drop(file);
        fs::remove_file(&path)?;
        Ok(bytes as f64 / seconds)
    };
    written().map_err(refused(format!("write to {}", path.display())))
}

impl Runs {
    fn rows(&self, load: Load) -> Vec<Row> {
        let of = |runs: &[Carried], figure: fn(&Carried) -> f64| {
            median(&runs.iter().map(figure).collect::<Vec<f64>>())
        };
        let events = |runs| of(runs, |run| run.events_per_second);
        let bytes = |runs| of(runs, |run| run.bytes_per_second);
        let (off, on, writes) = (bytes(&self.off), bytes(&self.on), median(&self.writes));
        let name = load.name();
        let what = format!("one sender to one follower, {name}, history off; peer: nats-server");
        let carried = if self.nats.is_empty() {
            Row::unavailable(&what, "not installed")
        } else {
            let (ours, peer) = (events(&self.off), events(&self.nats));
            let target = Target::AtLeast(1.5);
            Row::compared(&what, millions(ours), millions(peer), ours / peer, target)
        };
        let (peer, limit) =
            if off < writes { ("history off", off) } else { ("plain 64 KiB writes", writes) };
        let what =
            format!("the same, {name}, history on ({}); peer: {peer}", millions(events(&self.on)));
        let target = Target::AtLeast(0.7);
        let stored = Row::compared(&what, megabytes(on), megabytes(limit), on / limit, target);
        vec![carried, stored]
    }
}

fn millions(per_second: f64) -> String {
    format!("{:.2} M/s", per_second / 1e6)
}

fn megabytes(per_second: f64) -> String {
    format!("{:.0} MB/s", per_second / 1e6)
}

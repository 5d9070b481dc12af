//! One sender that pipelines to one follower: our agent without and with history, nats-server, and a
//! plain loop of writes to the same disk, in turns.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::follow::{Got, Progress, read_all};
use crate::systems::{Agent, DISK, Link, Nats, ask};
use crate::table::{Row, Target, median};
use crate::{BenchError, refused};

/// How many events one run carries.
const EVENTS: u64 = 2_000_000;

/// How many runs of each are measured, after one that warms up.
const RUNS: usize = 7;

/// How many messages the sender writes at a time: about 64 KiB.
const BLOCK: u64 = 600;

/// How much the plain loop writes at a time.
const WRITE_SIZE: usize = 64 << 10;

/// What one run came to.
#[derive(Clone, Copy)]
struct Carried {
    events_per_second: f64,
    bytes_per_second: f64,
    bytes: u64,
}

/// The runs of everything that is measured in turns.
#[derive(Default)]
struct Runs {
    off: Vec<Carried>,
    nats: Vec<Carried>,
    on: Vec<Carried>,
    writes: Vec<f64>,
}

pub(crate) fn run() -> Result<Vec<Row>, BenchError> {
    let (off, on) = (Agent::start(false)?, Agent::start(true)?);
    let nats = Nats::start()?;
    let mut runs = Runs::default();
    for round in 0..=RUNS {
        let without = carry_events(&off)?;
        let peer = nats.as_ref().map(|nats| carry(nats.link()?).map(|(run, _)| run)).transpose()?;
        let with = carry_events(&on)?;
        // The disk is quiet before the next run.
        ask(&mut on.connect()?, "SYNC synced", "OK ")?;
        let writes = plain_writes(with.bytes)?;
        if round > 0 {
            runs.off.push(without);
            runs.nats.extend(peer);
            runs.on.push(with);
            runs.writes.push(writes);
        }
    }
    Ok(runs.rows())
}

/// Carries all events through an agent, and makes sure that each is there.
fn carry_events(agent: &Agent) -> Result<Carried, BenchError> {
    let (run, got) = carry(agent.link()?)?;
    if bytes_without_a_gap(&got.first_line) != Some(got.bytes) {
        let first = String::from_utf8_lossy(&got.first_line).into_owned();
        return Err(BenchError::Wrong(format!("lost: there is a gap somewhere behind {first}")));
    }
    Ok(run)
}

/// The size of all lines if each is an event: they differ from the first only in how many digits
/// their numbers have.
fn bytes_without_a_gap(first_line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(first_line).ok()?;
    let seq: u64 = line.strip_prefix("{\"seq\":")?.split(',').next()?.parse().ok()?;
    let digits = |seq: u64| u64::from(seq.ilog10()) + 1;
    let others = line.len() as u64 - digits(seq);
    Some((seq..seq + EVENTS).map(|seq| others + digits(seq)).sum())
}

/// One run, from the first write until the follower has the last event and the sender the answer
/// that everything was taken, or stored.
fn carry(mut link: Link) -> Result<(Carried, Got), BenchError> {
    let progress = Progress::new();
    let block = link.message.repeat(BLOCK as usize);
    let follower = &mut *link.follower;
    let sender = &mut *link.sender;
    let begin = Instant::now();
    let (sent, got) = thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(follower, link.mark, EVENTS, &progress));
        let mut send = || {
            let mut sent = 0;
            while sent < EVENTS {
                progress.wait(sent)?;
                let count = BLOCK.min(EVENTS - sent);
                let part = &block[..count as usize * link.message.len()];
                sender.write_all(part).map_err(refused("send"))?;
                sent += count;
            }
            ask(sender, link.finish.0, link.finish.1)?;
            Ok(Instant::now())
        };
        let sent: Result<Instant, BenchError> = send();
        (sent, reading.join())
    });
    let got = got.map_err(|_| BenchError::Wrong("the follower panicked".into()))??;
    let seconds = (sent?.max(got.at) - begin).as_secs_f64();
    let run = Carried {
        events_per_second: EVENTS as f64 / seconds,
        bytes_per_second: got.bytes as f64 / seconds,
        bytes: got.bytes,
    };
    Ok((run, got))
}

/// How many bytes a second a loop of writes appends to a new file.
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
    fn rows(&self) -> Vec<Row> {
        let of = |runs: &[Carried], figure: fn(&Carried) -> f64| {
            median(&runs.iter().map(figure).collect::<Vec<f64>>())
        };
        let events = |runs| of(runs, |run| run.events_per_second);
        let bytes = |runs| of(runs, |run| run.bytes_per_second);
        let (off, on, writes) = (bytes(&self.off), bytes(&self.on), median(&self.writes));
        let carrying = "one sender to one follower, history off; peer: nats-server";
        let carried = if self.nats.is_empty() {
            Row::without(carrying, "not installed")
        } else {
            let (ours, peer) = (events(&self.off), events(&self.nats));
            let target = Target::AtLeast(1.5);
            Row::compared(carrying, millions(ours), millions(peer), ours / peer, target)
        };
        let (peer, limit) =
            if off < writes { ("history off", off) } else { ("plain 64 KiB writes", writes) };
        let stored = Row::compared(
            &format!("the same, history on ({}); peer: {peer}", millions(events(&self.on))),
            megabytes(on),
            megabytes(limit),
            on / limit,
            Target::AtLeast(0.7),
        );
        vec![carried, stored]
    }
}

fn millions(per_second: f64) -> String {
    format!("{:.2} M/s", per_second / 1e6)
}

fn megabytes(per_second: f64) -> String {
    format!("{:.0} MB/s", per_second / 1e6)
}

//! Throughput of one sender and one follower in batches, for each load: our agent without and with history, the peers,
//! the relay, and a plain loop of writes to the same disk, in turns.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::link::{BATCH, Run};
use crate::load::Kind;
use crate::systems::DISK;
use crate::table::{Row, Target, Unit, median};
use crate::turns::{Measured, Systems, in_turns};
use crate::{BenchError, Options, refused};

/// A load, its peers and its targets.
type Compared = (Kind, &'static [&'static str], [Option<f64>; 3]);

/// The loads, the peers of each, and its targets: against the best peer without and with history, against the relay.
const LOADS: [Compared; 4] = [
    (Kind::Text, &["nats-server", "redis", "mosquitto"], [Some(2.0), Some(1.6), Some(0.35)]),
    (Kind::Objects, &["nats-server", "redis"], [Some(1.3), None, None]),
    (Kind::Syslog, &["nats-server", "redis", "rsyslogd"], [None; 3]),
    (Kind::Letters, &["nats-server", "redis"], [Some(1.5), None, None]),
];

/// The size of a write of the plain loop, in bytes.
const WRITE_SIZE: usize = 64 << 10;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (kind, peers, targets) in LOADS {
        let names = [&["history off"], peers, &["history on", "relay"]].concat();
        let systems = Systems::start(&names)?;
        let mut links = systems.links(&[options.load(kind)], 1)?;
        let mut writes = Vec::new();
        let measured = in_turns(&mut links, options.runs(), |link| {
            let run = link.run(BATCH, options.time())?;
            if link.system.name() == "history on" {
                writes.push(plain_writes(run.bytes)?);
            }
            Ok(run)
        })?;
        rows.extend(compared(kind, peers, targets, &measured));
        rows.push(stored(kind, &measured, writes));
    }
    Ok(rows)
}

fn compared(
    kind: Kind,
    peers: &[&str],
    [without, with, limit]: [Option<f64>; 3],
    measured: &Measured<Run>,
) -> [Row; 2] {
    let rate = |name: &str| measured.of(name, Run::per_second);
    let row = |history, target: Option<f64>, limit: Option<f64>| {
        let what = format!("1→1, batches of {BATCH}, {}, {history}", kind.name());
        let row = Row::new(what, Unit::PerSecond, rate(history)).limit(rate("relay"));
        let row = peers.iter().fold(row, |row, name| row.peer(name, rate(name)));
        let targets = [target.map(Target::Peer), limit.map(Target::Limit)];
        targets.into_iter().flatten().fold(row, Row::target)
    };
    [row("history off", without, limit), row("history on", with, None)]
}

/// The rate of what is stored, compared with the lower of two limits.
fn stored(kind: Kind, measured: &Measured<Run>, writes: Vec<f64>) -> Row {
    let bytes = |name| measured.of(name, |run| run.bytes as f64 / run.seconds);
    let off = bytes("history off");
    let (name, limit) = if median(&off) < median(&writes) {
        ("history off", off)
    } else {
        ("plain 64 KiB writes", writes)
    };
    let what = format!("the same in bytes of event lines, {}, history on", kind.name());
    Row::new(what, Unit::BytesPerSecond, bytes("history on"))
        .peer(name, limit)
        .target(Target::Peer(0.7))
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

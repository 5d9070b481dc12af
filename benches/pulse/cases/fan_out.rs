//! One sender, and many followers of everything.

use crate::link::BATCH;
use crate::load::Kind;
use crate::table::{Row, Target, Unit};
use crate::turns::{Systems, throughput};
use crate::{BenchError, Options};

/// How many followers, and the target against the best peer.
const FANS: [(usize, f64); 3] = [(10, 2.5), (100, 2.5), (1_000, 4.0)];

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for (followers, target) in FANS {
        let systems = Systems::start(&["history off", "nats-server", "redis", "relay"])?;
        let mut links = systems.links(&[options.load(Kind::Text)], followers)?;
        let measured = throughput(options, &mut links, BATCH, options.runs())?;
        let delivered = |name| measured.of(name, |sent| sent * followers as f64);
        let what = format!("1→{followers}, batches of {BATCH}, mixed text, history off, delivered");
        rows.push(
            Row::new(what, Unit::PerSecond, delivered("history off"))
                .peer("nats-server", delivered("nats-server"))
                .peer("redis", delivered("redis"))
                .limit(delivered("relay"))
                .target(Target::Peer(target)),
        );
    }
    Ok(rows)
}

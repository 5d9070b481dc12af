//! One sender and one follower with small batches, as an application that writes the events of one request.

use crate::load::Kind;
use crate::table::{Row, Unit};
use crate::turns::{Systems, throughput};
use crate::{BenchError, Options};

/// Messages a write.
const SMALL: usize = 16;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let systems = Systems::start(&["history off", "nats-server", "redis", "history on", "relay"])?;
    let mut links = systems.links(&[options.load(Kind::Text)], 1)?;
    let measured = throughput(options, &mut links, SMALL, options.runs())?;
    let row = |history| {
        Row::new(
            format!("1→1, batches of {SMALL}, mixed text, {history}"),
            Unit::PerSecond,
            measured.values(history),
        )
        .peer("nats-server", measured.values("nats-server"))
        .peer("redis", measured.values("redis"))
        .limit(measured.values("relay"))
    };
    Ok(vec![row("history off"), row("history on")])
}

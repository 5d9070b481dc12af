//! One sender that writes each message on its own, as fast as it can, and one follower.

use crate::load::Kind;
use crate::table::{Row, Target, Unit};
use crate::turns::{Systems, throughput};
use crate::{BenchError, Options};

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let systems = Systems::start(&["history off", "redis", "history on", "relay"])?;
    let mut links = systems.links(&[options.load(Kind::Text)], 1)?;
    let measured = throughput(options, &mut links, 1, options.singles())?;
    let row = |history| {
        Row::new(
            format!("1→1, one message a write, mixed text, {history}"),
            Unit::PerSecond,
            measured.values(history),
        )
        .peer("redis", measured.values("redis"))
        .limit(measured.values("relay"))
    };
    let first = row("history off").target(Target::Peer(1.0)).target(Target::Limit(0.75));
    Ok(vec![first, row("history on")])
}

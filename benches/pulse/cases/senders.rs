//! Many senders and one follower. The messages of each sender must arrive in its order.

use crate::link::BATCH;
use crate::load::Kind;
use crate::table::{Row, Unit};
use crate::turns::{Systems, throughput};
use crate::{BenchError, Options};

const SENDERS: u64 = 8;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>, BenchError> {
    let systems = Systems::start(&["history off", "nats-server", "redis", "history on", "relay"])?;
    let loads: Vec<_> =
        (0..SENDERS).map(|sender| Kind::Text.messages(options.seed.wrapping_add(sender))).collect();
    let mut links = systems.links(&loads, 1)?;
    let measured = throughput(options, &mut links, BATCH, options.runs())?;
    let row = |history| {
        let what = format!("{SENDERS}→1, batches of {BATCH}, mixed text, {history}");
        Row::new(what, Unit::PerSecond, measured.values(history))
            .peer("nats-server", measured.values("nats-server"))
            .peer("redis", measured.values("redis"))
            .limit(measured.values("relay"))
    };
    Ok(vec![row("history off"), row("history on")])
}

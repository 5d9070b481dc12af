//! VIEW on a connection: snapshots as JSON lines, at an interval.

use std::io;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::folds::Watch;
use crate::agent::follow::leaving::{Left, left};
use crate::agent::transport::connection::Connection;
use crate::views::ViewName;

/// Writes snapshots until the client leaves or the agent stops. A client that reads too slowly gets fewer of them.
///
/// # Errors
/// If the client cannot be written to.
pub(crate) async fn run(
    connection: &mut Connection,
    watch: &Watch,
    name: ViewName,
    every: Duration,
) -> io::Result<Left> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let left = tokio::select! {
            biased;
            _ = ticks.tick() => None,
            left = left(connection) => Some(left?),
        };
        match left {
            Some(left) => return Ok(left),
            None => connection.write_all(&watch.line(name).await).await?,
        }
    }
}

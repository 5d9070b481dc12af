//! VIEW on a connection: snapshots as JSON lines, at an interval.

use std::io;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::folds::Watch;
use crate::agent::follow::lines::{Left, quits};
use crate::agent::transport::connection::{Connection, Input};
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
        let input = tokio::select! {
            biased;
            _ = ticks.tick() => {
                connection.write_all(&watch.line(name).await).await?;
                continue;
            }
            input = next_input(connection) => input?,
        };
        if connection.stopping() {
            return Ok(Left::Stopping);
        }
        if quits(connection) {
            return Ok(Left::Quit);
        }
        // A client that sends no more may still read.
        if input.is_none() || (input == Some(Input::End) && connection.hung_up().await) {
            return Ok(Left::Gone);
        }
    }
}

/// What the client sends next. `None` if it has sent everything and is gone.
async fn next_input(connection: &mut Connection) -> io::Result<Option<Input>> {
    if connection.ended() {
        connection.gone_or_stopped().await;
        return Ok(None);
    }
    connection.read().await.map(Some)
}

//! Rate limits: two token buckets, one of events and one of bytes, for each user or token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Log;

/// Sustained rate of one user or token, in events per second.
pub const EVENTS_PER_SECOND: f64 = 50_000.0;

/// Sustained rate of one user or token, in bytes per second.
pub const BYTES_PER_SECOND: f64 = 16.0 * 1024.0 * 1024.0;

/// Size of the buckets, in seconds of the sustained rate.
pub const BURST_SECONDS: f64 = 10.0;

/// Maximum delay between a refused event and the gap line that counts it.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// Requests beyond the rate that are processed per second, over all connections of a key: refusing a flood must
/// cost little, whatever it consists of and however many connections it uses.
const EXCESS_PER_SECOND: f64 = 2.0 * EVENTS_PER_SECOND;

/// Minimum time for which a client beyond its rate is not read.
const COOL_DOWN_MIN: Duration = Duration::from_millis(10);

/// The rate that all connections of one user or token share.
pub(crate) struct Rate {
    log: Log,
    state: Mutex<State>,
    /// Connections beyond the rate wait here, one at a time.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    events: f64,
    bytes: f64,
    at: Instant,
    /// Refused events that no gap line counts yet.
    refused: u64,
    /// A task will append that gap line.
    report_pending: bool,
}

impl Rate {
    pub(crate) fn new(log: Log) -> Self {
        let state = State {
            events: EVENTS_PER_SECOND * BURST_SECONDS,
            bytes: BYTES_PER_SECOND * BURST_SECONDS,
            at: Instant::now(),
            refused: 0,
            report_pending: false,
        };
        Self { log, state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges `events` events of `bytes` bytes together. `false` if that is beyond the rate: one event is then
    /// counted as refused, and a gap line reports it within [`REPORT_AFTER`], together with others.
    pub(crate) fn charge_events(self: &Arc<Self>, events: u32, bytes: usize) -> bool {
        let mut state = self.state();
        if state.spend(events, bytes) {
            return true;
        }
        state.refused += 1;
        if !std::mem::replace(&mut state.report_pending, true) {
            drop(state);
            tokio::spawn(self.clone().report_later());
        }
        false
    }

    /// Charges a request that is no event. `false` if it is beyond the rate.
    pub(crate) fn charge_request(&self, bytes: usize) -> bool {
        self.state().spend(1, bytes)
    }

    async fn report_later(self: Arc<Self>) {
        tokio::time::sleep(REPORT_AFTER).await;
        let refused = {
            let mut state = self.state();
            state.report_pending = false;
            std::mem::take(&mut state.refused)
        };
        self.log.append_refused(refused);
    }

    /// Delays a connection that made `excess` requests beyond the rate. Connections of one key wait one after the
    /// other.
    pub(crate) async fn cool_down(&self, excess: u32) {
        let _turn = self.turn.lock().await;
        let pause = Duration::from_secs_f64(f64::from(excess) / EXCESS_PER_SECOND);
        tokio::time::sleep(pause.max(COOL_DOWN_MIN)).await;
    }

    /// `true` if both buckets are full and nothing is left to report.
    pub(crate) fn is_full(&self) -> bool {
        let mut state = self.state();
        state.refill(Instant::now());
        state.refused == 0 && state.is_full()
    }
}

impl State {
    fn spend(&mut self, events: u32, bytes: usize) -> bool {
        self.refill(Instant::now());
        let events = f64::from(events);
        if self.events < events || self.bytes < bytes as f64 {
            return false;
        }
        self.events -= events;
        self.bytes -= bytes as f64;
        true
    }

    fn is_full(&self) -> bool {
        self.events >= EVENTS_PER_SECOND * BURST_SECONDS
            && self.bytes >= BYTES_PER_SECOND * BURST_SECONDS
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let fill = |level: f64, rate: f64| (level + seconds * rate).min(rate * BURST_SECONDS);
        self.events = fill(self.events, EVENTS_PER_SECOND);
        self.bytes = fill(self.bytes, BYTES_PER_SECOND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rate that is not full outlives its last connection, so that reconnecting does not reset it.
    #[test]
    fn full_once_events_and_bytes_are_replenished() {
        let begun = Instant::now();
        let after = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let (events, bytes) = (EVENTS_PER_SECOND * BURST_SECONDS, BYTES_PER_SECOND * BURST_SECONDS);
        let mut state = State { events, bytes, at: begun, refused: 0, report_pending: false };
        assert!(state.is_full());
        // Few large events: their bytes take longer to replenish than their number.
        state.events -= 100.0;
        state.bytes -= BYTES_PER_SECOND;
        state.refill(after(0.5));
        assert!(state.events >= events && !state.is_full());
        state.refill(after(1.0));
        assert!(state.is_full());
        // Many small events.
        state.events -= EVENTS_PER_SECOND;
        state.bytes -= 100.0;
        state.refill(after(1.5));
        assert!(state.bytes >= bytes && !state.is_full());
        state.refill(after(2.0));
        assert!(state.is_full());
    }

    #[test]
    fn charges_several_events_at_once_or_none() {
        let (events, bytes) = (3.0, 100.0);
        let at = Instant::now() + Duration::from_secs(3600);
        let mut state = State { events, bytes, at, refused: 0, report_pending: false };
        // The clock of this state is ahead, so that nothing is replenished.
        let mut spend = |events, bytes| {
            let spent = state.spend(events, bytes);
            state.at = at;
            spent
        };
        assert_eq!(
            [spend(2, 10), spend(2, 10), spend(1, 90), spend(1, 0)],
            [true, false, true, false]
        );
    }
}

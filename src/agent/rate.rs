//! How fast somebody may send: two leaking buckets, of events and of bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::log::Log;

/// How many events a second somebody may send.
pub const EVENTS_PER_SECOND: f64 = 50_000.0;

/// How many bytes a second somebody may send.
pub const BYTES_PER_SECOND: f64 = 16.0 * 1024.0 * 1024.0;

/// How much may come at once: so many seconds' worth.
pub const BURST_SECONDS: f64 = 10.0;

/// How long refused events may stay untold.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// How many requests beyond the rate are looked at in a second, over all connections together: so that to
/// refuse a flood takes little of the machine, whatever it consists of and however many connections it comes
/// over.
const BEYOND_PER_SECOND: f64 = 2.0 * EVENTS_PER_SECOND;

/// The shortest time for which whoever is too fast is not read.
const COOL_DOWN_MIN: Duration = Duration::from_millis(10);

/// How fast somebody may send, over all connections together.
pub(crate) struct Rate {
    log: Log,
    state: Mutex<State>,
    /// Who is too fast waits here for a turn.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    events: f64,
    bytes: f64,
    at: Instant,
    /// Refused and not told yet.
    refused: u64,
    /// A task will tell them.
    will_tell: bool,
}

impl Rate {
    pub(crate) fn new(log: Log) -> Self {
        let state = State {
            events: EVENTS_PER_SECOND * BURST_SECONDS,
            bytes: BYTES_PER_SECOND * BURST_SECONDS,
            at: Instant::now(),
            refused: 0,
            will_tell: false,
        };
        Self { log, state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one event of so many bytes may be taken in now. One that may not is counted, and told in
    /// the log within [`TELL_AFTER`], many at a time.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> bool {
        let mut state = self.state();
        if state.spend(bytes) {
            return true;
        }
        state.refused += 1;
        if !std::mem::replace(&mut state.will_tell, true) {
            drop(state);
            tokio::spawn(self.clone().tell_later());
        }
        false
    }

    /// Counts something that is no event but costs as much. Whether there was room for it.
    pub(crate) fn spend(&self, bytes: usize) -> bool {
        self.state().spend(bytes)
    }

    async fn tell_later(self: Arc<Self>) {
        tokio::time::sleep(TELL_AFTER).await;
        let refused = {
            let mut state = self.state();
            state.will_tell = false;
            std::mem::take(&mut state.refused)
        };
        self.log.append_refused(refused);
    }

    /// Holds somebody up who made so many requests beyond the rate. All connections that did wait one behind
    /// the other.
    pub(crate) async fn cool_down(&self, beyond: u32) {
        let _turn = self.turn.lock().await;
        let pause = Duration::from_secs_f64(f64::from(beyond) / BEYOND_PER_SECOND);
        tokio::time::sleep(pause.max(COOL_DOWN_MIN)).await;
    }

    /// Whether nothing was sent lately, and nothing is left to tell.
    pub(crate) fn is_full(&self) -> bool {
        let mut state = self.state();
        state.refill(Instant::now());
        state.refused == 0 && state.is_full()
    }
}

impl State {
    fn spend(&mut self, bytes: usize) -> bool {
        self.refill(Instant::now());
        if self.events < 1.0 || self.bytes < bytes as f64 {
            return false;
        }
        self.events -= 1.0;
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

    /// What is not full is remembered when its user goes: else a new connection would wash it clean.
    #[test]
    fn it_is_full_again_when_events_and_bytes_are() {
        let begun = Instant::now();
        let after = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let (events, bytes) = (EVENTS_PER_SECOND * BURST_SECONDS, BYTES_PER_SECOND * BURST_SECONDS);
        let mut state = State { events, bytes, at: begun, refused: 0, will_tell: false };
        assert!(state.is_full());
        // Few and large: their number is made good long before their size.
        state.events -= 100.0;
        state.bytes -= BYTES_PER_SECOND;
        state.refill(after(0.5));
        assert!(state.events >= events && !state.is_full());
        state.refill(after(1.0));
        assert!(state.is_full());
        // Many and small.
        state.events -= EVENTS_PER_SECOND;
        state.bytes -= 100.0;
        state.refill(after(1.5));
        assert!(state.bytes >= bytes && !state.is_full());
        state.refill(after(2.0));
        assert!(state.is_full());
    }
}

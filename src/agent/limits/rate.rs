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

/// The part of history that a burst of bytes may fill at most, as a divisor of its maximum size.
pub const BURST_OF_HISTORY: u64 = 16;

/// Maximum delay between a refused event and the gap line that counts it.
const REPORT_AFTER: Duration = Duration::from_secs(1);

/// Requests beyond the rate that are processed per second, over all connections of a key: refusing a flood must
/// cost little, whatever it consists of and however many connections it uses.
const EXCESS_PER_SECOND: f64 = 2.0 * EVENTS_PER_SECOND;

/// Minimum time for which a client beyond its rate is not read.
const COOL_DOWN_MIN: Duration = Duration::from_millis(10);

/// Events that a connection takes from the rate of its key at once. What it does not use it gives back before it waits.
const LEASE_EVENTS: u32 = 256;

/// Bytes that it takes at once.
const LEASE_BYTES: usize = 64 << 10;

/// The rate that all connections of one user or token share.
pub(crate) struct Rate {
    log: Log,
    state: Mutex<State>,
    /// Connections beyond the rate wait here, one at a time.
    turn: tokio::sync::Mutex<()>,
}

/// What one connection has taken from the rate of its key and not used yet, so that most events need neither the lock
/// nor the clock. Returned on drop.
pub(crate) struct Lease {
    rate: Arc<Rate>,
    left: Left,
}

#[derive(Clone, Copy, Debug, Default)]
struct Left {
    events: u32,
    bytes: usize,
}

struct State {
    buckets: Buckets,
    /// Refused events that no gap line counts yet.
    refused: u64,
    /// A task will append that gap line.
    report_pending: bool,
}

/// Two token buckets. That of the bytes may be negative: how long a line is, is known only once it is encoded.
struct Buckets {
    events: f64,
    bytes: f64,
    at: Instant,
    /// The size of the bucket of bytes.
    bytes_max: f64,
}

impl Rate {
    /// A rate whose burst is at most `burst_max` bytes.
    pub(crate) fn new(log: Log, burst_max: u64) -> Self {
        let bytes_max = (BYTES_PER_SECOND * BURST_SECONDS).min(burst_max as f64);
        let buckets = Buckets {
            events: EVENTS_PER_SECOND * BURST_SECONDS,
            bytes: bytes_max,
            at: Instant::now(),
            bytes_max,
        };
        let state = State { buckets, refused: 0, report_pending: false };
        Self { log, state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty lease of this rate.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        Lease { rate: self.clone(), left: Left::default() }
    }

    /// Charges a request that is no event. `false` if that is beyond the rate.
    pub(crate) fn charge_request(&self, bytes: usize) -> bool {
        self.state().buckets.spend(1, bytes)
    }

    /// Counts an event that was refused. A gap line reports it within [`REPORT_AFTER`], together with others.
    pub(crate) fn note_refused(self: &Arc<Self>) {
        let mut state = self.state();
        state.refused += 1;
        if !std::mem::replace(&mut state.report_pending, true) {
            drop(state);
            tokio::spawn(self.clone().report_later());
        }
    }

    async fn report_later(self: Arc<Self>) {
        tokio::time::sleep(REPORT_AFTER).await;
        self.state().report_pending = false;
        self.report();
    }

    /// Reports the refused events that no gap line counts yet. Call it before the agent stops.
    pub(crate) fn report(&self) {
        let refused = std::mem::take(&mut self.state().refused);
        if refused > 0 {
            self.log.append_refused(refused);
        }
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
        state.buckets.refill(Instant::now());
        state.refused == 0 && state.buckets.is_full()
    }
}

impl Lease {
    /// Charges `events` events of `bytes` bytes together. `false` if that is beyond the rate.
    pub(crate) fn charge(&mut self, events: u32, bytes: usize) -> bool {
        let Self { rate, left } = self;
        left.spend(events, bytes) || rate.state().buckets.renew(left, events, bytes)
    }

    /// Charges bytes that are sent already.
    pub(crate) fn charge_sent(&mut self, bytes: usize) {
        if !self.left.spend(0, bytes) {
            self.rate.state().buckets.bytes -= bytes as f64;
        }
    }

    /// Returns what is left.
    pub(crate) fn give_back(&mut self) {
        if self.left.events > 0 || self.left.bytes > 0 {
            self.rate.state().buckets.take_back(&mut self.left);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Left {
    fn spend(&mut self, events: u32, bytes: usize) -> bool {
        let enough = self.events >= events && self.bytes >= bytes;
        if enough {
            self.events -= events;
            self.bytes -= bytes;
        }
        enough
    }
}

impl Buckets {
    /// Spends events and bytes, if the buckets hold both.
    fn spend(&mut self, events: u32, bytes: usize) -> bool {
        self.refill(Instant::now());
        let enough = self.events >= f64::from(events) && self.bytes >= bytes as f64;
        if enough {
            self.events -= f64::from(events);
            self.bytes -= bytes as f64;
        }
        enough
    }

    /// Spends events and bytes, and fills a lease as far as the buckets allow.
    fn renew(&mut self, left: &mut Left, events: u32, bytes: usize) -> bool {
        self.take_back(left);
        let enough = self.spend(events, bytes);
        if enough {
            left.events = LEASE_EVENTS.min(self.events as u32);
            left.bytes = LEASE_BYTES.min(self.bytes as usize);
            self.events -= f64::from(left.events);
            self.bytes -= left.bytes as f64;
        }
        enough
    }

    fn take_back(&mut self, left: &mut Left) {
        let Left { events, bytes } = std::mem::take(left);
        self.events += f64::from(events);
        self.bytes += bytes as f64;
    }

    fn is_full(&self) -> bool {
        self.events >= EVENTS_PER_SECOND * BURST_SECONDS && self.bytes >= self.bytes_max
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let events = self.events + seconds * EVENTS_PER_SECOND;
        self.events = events.min(EVENTS_PER_SECOND * BURST_SECONDS);
        self.bytes = (self.bytes + seconds * BYTES_PER_SECOND).min(self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS_MAX: f64 = EVENTS_PER_SECOND * BURST_SECONDS;
    const BYTES_MAX: f64 = BYTES_PER_SECOND * BURST_SECONDS;

    /// A rate that is not full outlives its last connection, so that reconnecting does not reset it.
    #[test]
    fn full_once_events_and_bytes_are_replenished() {
        let begun = Instant::now();
        let after = |seconds: f64| begun + Duration::from_secs_f64(seconds);
        let (events, bytes) = (EVENTS_MAX, BYTES_MAX);
        let mut buckets = Buckets { events, bytes, at: begun, bytes_max: bytes };
        assert!(buckets.is_full());
        // Few large events: their bytes take longer to replenish than their number.
        buckets.events -= 100.0;
        buckets.bytes -= BYTES_PER_SECOND;
        buckets.refill(after(0.5));
        assert!(buckets.events >= events && !buckets.is_full());
        buckets.refill(after(1.0));
        assert!(buckets.is_full());
        // Many small events.
        buckets.events -= EVENTS_PER_SECOND;
        buckets.bytes -= 100.0;
        buckets.refill(after(1.5));
        assert!(buckets.bytes >= bytes && !buckets.is_full());
        buckets.refill(after(2.0));
        assert!(buckets.is_full());
    }

    /// Buckets whose clock is ahead, so that nothing is replenished.
    fn buckets(events: f64, bytes: f64) -> Buckets {
        let at = Instant::now() + Duration::from_secs(3600);
        Buckets { events, bytes, at, bytes_max: BYTES_MAX }
    }

    #[test]
    fn charges_several_events_at_once_or_none() {
        let (mut buckets, mut lease) = (buckets(3.0, 100.0), Left::default());
        let mut spend =
            |events, bytes| lease.spend(events, bytes) || buckets.renew(&mut lease, events, bytes);
        assert_eq!(
            [spend(2, 10), spend(2, 10), spend(1, 90), spend(1, 0), spend(0, 1)],
            [true, false, true, false, false]
        );
    }

    #[test]
    fn leases_add_up_to_the_rate() {
        let (events, bytes) = (10.0 * f64::from(LEASE_EVENTS), 1e9);
        let mut buckets = buckets(events, bytes);
        let mut leases = [Left::default(), Left::default(), Left::default()];
        let mut spent = 0;
        for n in 0.. {
            let lease = &mut leases[n % 3];
            if !lease.spend(1, 10) && !buckets.renew(lease, 1, 10) {
                break;
            }
            spent += 1;
        }
        let left: u32 = leases.iter().map(|lease| lease.events).sum();
        assert_eq!(f64::from(spent + left), events);
        assert!(left < 3 * LEASE_EVENTS);
    }

    #[test]
    fn encoded_bytes_may_be_owed() {
        let (mut buckets, mut lease) = (buckets(10.0, 100.0), Left::default());
        assert!(buckets.renew(&mut lease, 1, 50));
        buckets.bytes -= 400.0;
        assert!(!buckets.renew(&mut lease, 1, 0));
        buckets.at = Instant::now() - Duration::from_secs(1);
        assert!(buckets.renew(&mut lease, 1, 0));
    }
}

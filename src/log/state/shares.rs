//! How much each sender appended within the last hour, so that none fills history alone.

use std::time::Duration;

use crate::log::sender::Sender;

/// For how long the events of others are kept from a sender that fills history.
pub const SHARE_TIME: Duration = Duration::from_secs(60 * 60);

/// The maximum number of senders that are counted. The one that sent least is dropped for another.
const SENDERS_MAX: usize = 64;

/// The parts into which the last hour is divided, besides the current one.
const PARTS: usize = 6;

/// What the senders appended, in bytes of lines.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    senders: Vec<Share>,
    /// Of all shares: the index of the current part, and the uptime at its begin. `None` before the first look.
    part: usize,
    began: Option<Duration>,
}

#[derive(Debug)]
struct Share {
    sender: Sender,
    parts: [u64; PARTS + 1],
}

impl Share {
    fn total(&self) -> u64 {
        self.parts.iter().sum()
    }
}

impl Shares {
    /// Counts lines of a sender.
    pub(crate) fn note(&mut self, sender: Sender, bytes: u64) {
        let part = self.part;
        if let Some(at) = self.senders.iter().position(|share| share.sender == sender) {
            self.senders[at].parts[part] += bytes;
            // Those that send much are found first.
            self.senders.swap(at, at / 2);
            return;
        }
        let mut share = Share { sender, parts: [0; PARTS + 1] };
        share.parts[part] = bytes;
        if self.senders.len() < SENDERS_MAX {
            self.senders.push(share);
        } else if let Some(least) = self.senders.iter_mut().min_by_key(|share| share.total()) {
            *least = share;
        }
    }

    /// The senders that appended more than `limit` bytes within [`SHARE_TIME`] before `uptime`.
    pub(crate) fn above(&mut self, limit: u64, uptime: Duration) -> Vec<Sender> {
        self.forget_before(uptime);
        let above = self.senders.iter().filter(|share| share.total() > limit);
        above.map(|share| share.sender).collect()
    }

    fn forget_before(&mut self, uptime: Duration) {
        let length = SHARE_TIME / PARTS as u32;
        let began = *self.began.get_or_insert(uptime);
        let passed = uptime.saturating_sub(began).as_secs() / length.as_secs();
        for _ in 0..passed.min(PARTS as u64 + 1) {
            self.part = (self.part + 1) % (PARTS + 1);
            self.senders.iter_mut().for_each(|share| share.parts[self.part] = 0);
        }
        self.senders.retain(|share| passed == 0 || share.total() > 0);
        self.began = Some(began + length * u32::try_from(passed).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time of a machine that has been up for long.
    fn minutes(n: u64) -> Duration {
        Duration::from_secs(10_000_000 + 60 * n)
    }

    #[test]
    fn first_look_forgets_nothing() {
        let mut shares = Shares::default();
        shares.note(Sender::User(33), 10);
        assert_eq!(shares.above(9, minutes(0)), [Sender::User(33)]);
    }

    #[test]
    fn counts_the_last_hour() {
        let (mut shares, user) = (Shares::default(), Sender::User(33));
        for minute in 0..300 {
            shares.note(user, 10);
            shares.note(Sender::User(34), 1);
            let above = |shares: &mut Shares, limit| shares.above(limit, minutes(minute));
            assert_eq!(above(&mut shares, 700), []);
            if minute >= 70 {
                assert_eq!(above(&mut shares, 590), [user]);
            }
        }
        assert_eq!(shares.above(0, minutes(300)).len(), 2);
        assert_eq!(shares.above(0, minutes(300 + 71)), []);
        assert!(shares.senders.is_empty());
    }

    #[test]
    fn drops_the_least_beyond_the_bound() {
        let mut shares = Shares::default();
        shares.note(Sender::User(0), 1000);
        for uid in 1..1000 {
            shares.note(Sender::User(uid), 1);
            shares.note(Sender::User(0), 1);
        }
        assert_eq!(shares.senders.len(), SENDERS_MAX);
        assert_eq!(shares.above(1500, Duration::ZERO), [Sender::User(0)]);
    }
}

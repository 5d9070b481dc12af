//! Which messages of the stream belong to the chain of their host: see [`super::super::envelope`].

use std::collections::HashMap;

use super::super::envelope::{Chain, Envelope};
use crate::event::Seq;

/// The most hosts whose chains are known. Messages of further hosts are rejected.
pub(super) const HOSTS_MAX: usize = 65_536;

/// The chains of all hosts.
#[derive(Debug, Default)]
pub(super) struct Chains {
    hosts: HashMap<String, HostChain>,
}

/// The chain of a host as far as it was read.
#[derive(Clone, Copy, Debug)]
struct HostChain {
    chain: Chain,
    /// The stream sequence of its last message.
    sequence: u64,
}

/// What a message is to the chain of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its lines come next.
    Next,
    /// Its lines come next, and some before them are missing after this number.
    AfterHole(Seq),
    /// Its lines were read before, or come again later.
    Repeat,
    /// Its subject must be read from this stream sequence on: see [`Chains::judge_by`].
    Unknown(u64),
    /// Too many hosts.
    TooMany,
}

impl Chains {
    /// What a message is.
    pub(super) fn judge(&self, message: &Envelope) -> Verdict {
        let Some(known) = self.hosts.get(&message.host) else {
            return match message.known {
                _ if self.hosts.len() >= HOSTS_MAX => Verdict::TooMany,
                None => Verdict::Next,
                Some(from) => Verdict::Unknown(from),
            };
        };
        let end = known.chain.end;
        match message.known {
            // The engine has checked that it comes next.
            None if message.log != known.chain.log || message.after == end => Verdict::Next,
            None if message.after > end => Verdict::AfterHole(end),
            // Its host sends again what the engine has lost, and what comes next.
            None if message.last > end => Verdict::Next,
            None => Verdict::Repeat,
            Some(_) if message.log == known.chain.log && message.after == end => Verdict::Next,
            // A message that was acknowledged before it is missing here.
            Some(from) if from > known.sequence => Verdict::Unknown(from),
            Some(_) => Verdict::Repeat,
        }
    }

    /// What a message is, if `before` are the messages of its host from [`Verdict::Unknown`] on up to it.
    pub(super) fn judge_by(&self, message: &Envelope, before: &[Envelope]) -> Verdict {
        let mut chain: Option<Chain> = None;
        for envelope in before.iter().filter(|it| it.host == message.host) {
            match &mut chain {
                Some(chain) => chain.add(envelope),
                None => chain = Some(Chain { log: envelope.log, end: envelope.last }),
            }
        }
        if chain.is_some_and(|it| it.log != message.log || it.end != message.after) {
            return Verdict::Repeat;
        }
        match self.hosts.get(&message.host).map(|known| known.chain) {
            Some(known) if known.log == message.log && known.end < message.after => {
                Verdict::AfterHole(known.end)
            }
            Some(known) if known.log == message.log && known.end > message.after => Verdict::Repeat,
            _ => Verdict::Next,
        }
    }

    /// The last number that was read of this log of a host.
    pub(super) fn end(&self, message: &Envelope) -> Option<Seq> {
        let known = self.hosts.get(&message.host).map(|known| known.chain);
        known.filter(|chain| chain.log == message.log).map(|chain| chain.end)
    }

    /// Adds a message whose lines were read.
    pub(super) fn add(&mut self, message: &Envelope, sequence: u64) {
        let chain = Chain { log: message.log, end: message.last };
        self.hosts.insert(message.host.clone(), HostChain { chain, sequence });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LogId;

    fn seq(n: u64) -> Seq {
        Seq::new(n).expect("small")
    }

    fn message(log: u32, after: u64, last: u64, known: Option<u64>) -> Envelope {
        let (host, log) = ("web1".into(), LogId::new(log));
        Envelope { host, log, agent: 1, after: seq(after), last: seq(last), known }
    }

    fn chains() -> Chains {
        let mut chains = Chains::default();
        chains.add(&message(1, 5, 10, None), 100);
        chains
    }

    #[test]
    fn judges_messages_of_a_known_host() {
        let chains = chains();
        for (message, verdict) in [
            (message(1, 10, 12, None), Verdict::Next),
            (message(1, 10, 12, Some(100)), Verdict::Next),
            // The third of those in flight, without the second.
            (message(1, 12, 14, Some(100)), Verdict::Repeat),
            (message(1, 12, 14, None), Verdict::AfterHole(seq(10))),
            (message(1, 12, 14, Some(101)), Verdict::Unknown(101)),
            // A broken connection still held it.
            (message(1, 5, 10, Some(99)), Verdict::Repeat),
            (message(1, 5, 10, None), Verdict::Repeat),
            (message(1, 5, 12, None), Verdict::Next),
            (message(1, 5, 12, Some(99)), Verdict::Repeat),
            (message(2, 0, 3, None), Verdict::Next),
            (message(2, 3, 5, Some(90)), Verdict::Repeat),
            (message(2, 3, 5, Some(101)), Verdict::Unknown(101)),
        ] {
            assert_eq!(chains.judge(&message), verdict, "{message:?}");
        }
        assert_eq!(chains.end(&message(1, 5, 12, None)), Some(seq(10)));
        assert_eq!(chains.end(&message(2, 5, 12, None)), None);
    }

    #[test]
    fn reads_back_where_a_host_is_unknown() {
        let chains = Chains::default();
        let late = message(1, 12, 14, Some(7));
        assert_eq!(chains.judge(&late), Verdict::Unknown(7));
        assert_eq!(chains.judge(&message(1, 12, 14, None)), Verdict::Next);
        let before = [message(1, 5, 10, None), message(1, 10, 12, Some(7))];
        assert_eq!(chains.judge_by(&late, &before), Verdict::Next);
        assert_eq!(chains.judge_by(&late, &before[..1]), Verdict::Repeat);
        assert_eq!(chains.judge_by(&late, &[]), Verdict::Next, "the stream has removed them");
        let other = Envelope { host: "web_1".into(), ..message(1, 50, 60, None) };
        assert_eq!(chains.judge_by(&late, &[other]), Verdict::Next);
    }

    #[test]
    fn a_hole_is_noticed_also_by_reading_back() {
        let chains = chains();
        let late = message(1, 22, 24, Some(107));
        let before = [message(1, 15, 20, None), message(1, 20, 22, Some(107))];
        assert_eq!(chains.judge_by(&late, &before), Verdict::AfterHole(seq(10)));
    }
}

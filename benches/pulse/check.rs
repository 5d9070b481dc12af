//! What a follower must receive: every message, in order, byte for byte.
//!
//! A system delivers a message as a frame: a head with a number and a time in it, and bytes that are known in advance.
//! So a check is a comparison of memory, whatever the system, and takes little time beside read(2).

use std::sync::Arc;

/// A message is not the one that should come.
#[derive(Debug, thiserror::Error)]
#[error(
    "an event is lost, repeated or changed: after {passed} events, number {numbers:?}: received {received}, \
     expected {expected}"
)]
pub(crate) struct Unexpected {
    passed: u64,
    numbers: Numbers,
    received: String,
    expected: String,
}

/// A part of a frame's head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// This text.
    Text(&'static [u8]),
    /// The number of the message, in decimal.
    Number,
    /// The number of the message, in 16 digits.
    Padded,
    /// So many bytes that are not compared, such as a time.
    Skip(usize),
    /// The rest of a line, which is not compared.
    Line,
}

/// How many digits [`Part::Padded`] has.
pub(crate) const PADDED: usize = 16;

/// What one sender's messages look like to a follower, in order, after the head. Empty: not delivered.
pub(crate) type Expected = Arc<Vec<Vec<u8>>>;

/// The messages of one sender.
struct Lane {
    expected: Expected,
    next: usize,
    /// How many messages the sender has sent when this follower is here.
    passed: u64,
}

impl Lane {
    fn new(expected: Expected) -> Self {
        assert!(expected.iter().any(|tail| !tail.is_empty()), "a follower of nothing");
        let mut lane = Self { expected, next: 0, passed: 0 };
        lane.skip();
        lane
    }

    /// Passes the messages that are not delivered.
    fn skip(&mut self) {
        while self.expected[self.next].is_empty() {
            self.step();
        }
    }

    fn step(&mut self) {
        self.passed += 1;
        self.next += 1;
        if self.next == self.expected.len() {
            self.next = 0;
        }
    }
}

/// How messages are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbers {
    /// Each number is one more than the one before.
    Any,
    /// The next one has this number, and each after it one more.
    From(u64),
    /// Each number is greater than this one, and than those before.
    After(u64),
}

/// The check of one follower.
pub(crate) struct Check {
    head: &'static [Part],
    /// What the system sends on its own account, between messages.
    noise: &'static [&'static [Part]],
    lanes: Vec<Lane>,
    /// The lane of the last message: messages of one sender often follow each other.
    lane: usize,
    numbers: Numbers,
    /// The bytes of all messages.
    pub(crate) bytes: u64,
}

/// What the beginning of the received bytes is.
enum Found {
    /// A message of this length.
    Message(usize),
    /// Something of this length to be ignored.
    Noise(usize),
    /// Too little to know.
    Part,
    /// Something else.
    Wrong,
}

impl Check {
    /// For a follower of senders that have sent nothing yet.
    pub(crate) fn new(
        head: &'static [Part],
        noise: &'static [&'static [Part]],
        senders: &[Expected],
        numbers: Numbers,
    ) -> Self {
        let lanes = senders.iter().map(|expected| Lane::new(Arc::clone(expected))).collect();
        Self { head, noise, lanes, lane: 0, numbers, bytes: 0 }
    }

    /// How many messages the senders have sent when this follower is here.
    pub(crate) fn passed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.passed).sum()
    }

    /// Checks the whole messages at the beginning of what was received. Returns their length.
    ///
    /// # Errors
    /// A message is not the one that should come.
    pub(crate) fn check(&mut self, received: &[u8]) -> Result<usize, Unexpected> {
        let mut done = 0;
        loop {
            let mut found = self.first(&received[done..]);
            if matches!(found, Found::Wrong) {
                found = self.noise(&received[done..]);
            }
            match found {
                Found::Message(len) => {
                    done += len;
                    self.bytes += len as u64;
                }
                Found::Noise(len) => done += len,
                Found::Wrong => return Err(self.wrong(&received[done..])),
                Found::Part => return Ok(done),
            }
        }
    }

    /// What the system may send besides messages.
    fn noise(&self, bytes: &[u8]) -> Found {
        let mut found = Found::Wrong;
        for parts in self.noise {
            match head(parts, bytes) {
                Head::Whole(len, _) => return Found::Noise(len),
                Head::Part => found = Found::Part,
                Head::Wrong => {}
            }
        }
        found
    }

    fn first(&mut self, bytes: &[u8]) -> Found {
        if bytes.is_empty() {
            return Found::Part;
        }
        let (at, number) = match head(self.head, bytes) {
            Head::Whole(len, number) => (len, number),
            Head::Part => return Found::Part,
            Head::Wrong => return Found::Wrong,
        };
        let rest = &bytes[at..];
        let Some(lane) = self.lane_of(rest) else {
            return if self.may_be(rest) { Found::Part } else { Found::Wrong };
        };
        if !self.count(number) {
            return Found::Wrong;
        }
        self.lane = lane;
        let lane = &mut self.lanes[lane];
        let len = lane.expected[lane.next].len();
        lane.step();
        lane.skip();
        Found::Message(at + len)
    }

    /// The sender whose next message these bytes begin with.
    fn lane_of(&self, bytes: &[u8]) -> Option<usize> {
        let fits = |at: &usize| {
            let lane = &self.lanes[*at];
            bytes.starts_with(&lane.expected[lane.next])
        };
        Some(self.lane).filter(fits).or_else(|| (0..self.lanes.len()).find(fits))
    }

    /// Whether these bytes are the beginning of a sender's next message.
    fn may_be(&self, bytes: &[u8]) -> bool {
        self.lanes.iter().any(|lane| lane.expected[lane.next].starts_with(bytes))
    }

    /// Whether a message may have this number. The next one is then another.
    fn count(&mut self, number: Option<u64>) -> bool {
        let Some(number) = number else { return true };
        match &mut self.numbers {
            Numbers::Any => {
                self.numbers = Numbers::From(number + 1);
                true
            }
            Numbers::From(next) => {
                *next += 1;
                number + 1 == *next
            }
            Numbers::After(last) => number > std::mem::replace(last, number),
        }
    }

    fn wrong(&self, bytes: &[u8]) -> Unexpected {
        let shown =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let lane = &self.lanes[self.lane];
        Unexpected {
            passed: self.passed(),
            numbers: self.numbers,
            received: shown(bytes),
            expected: shown(&lane.expected[lane.next]),
        }
    }
}

/// What the beginning of a message is.
pub(crate) enum Head {
    /// A head of this length, and the number in it.
    Whole(usize, Option<u64>),
    /// The beginning of a head.
    Part,
    /// No head.
    Wrong,
}

/// Finds the head of a message.
pub(crate) fn head(parts: &[Part], bytes: &[u8]) -> Head {
    let (mut at, mut number) = (0, None);
    for part in parts {
        let rest = &bytes[at..];
        at += match *part {
            Part::Text(text) if rest.starts_with(text) => text.len(),
            Part::Text(text) if text.starts_with(rest) => return Head::Part,
            Part::Text(_) => return Head::Wrong,
            Part::Skip(len) if rest.len() >= len => len,
            Part::Padded if rest.len() >= PADDED => {
                number = digits(&rest[..PADDED]);
                PADDED
            }
            Part::Skip(_) | Part::Padded => return Head::Part,
            Part::Number => match rest.iter().position(|byte| !byte.is_ascii_digit()) {
                Some(len) => {
                    number = digits(&rest[..len]);
                    len
                }
                None => return Head::Part,
            },
            Part::Line => match memchr::memchr(b'\n', rest) {
                Some(end) => end + 1,
                None => return Head::Part,
            },
        };
    }
    Head::Whole(at, number)
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(digit))
    })
}

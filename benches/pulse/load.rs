//! The messages that the benchmark sends: what applications report. They depend on the seed of the run and on the
//! kind alone, so that every system of a run carries the same bytes, and another run carries others.

use crate::random::Random;
use crate::words::{length, word};

/// How many different messages a load has. Senders repeat them. A prime, so that no batch size divides it: a batch
/// that is missing, repeated or in the wrong place shows.
pub(crate) const MESSAGES: usize = 4_001;

/// The shortest and the longest text, in bytes.
const LENGTHS: (u64, u64) = (40, 400);

/// The length of a text of [`Kind::Letters`], in bytes.
const LETTERS_LENGTH: usize = 100;

/// What a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of 40 to 400 bytes. Half of it has a duration, most of it has other numbers, some of it is not ASCII.
    Text,
    /// JSON objects with a tag, a level, such a text, and the fields `user`, `page` and `rows`.
    Objects,
    /// Syslog lines with such a text, of RFC 3164 and RFC 5424 in equal parts.
    Syslog,
    /// 100 bytes of text without a digit: nothing to find in it, for comparison.
    Letters,
}

impl Kind {
    /// Its name in the table of results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "mixed text",
            Self::Objects => "JSON, three fields",
            Self::Syslog => "syslog lines",
            Self::Letters => "100 bytes without a digit",
        }
    }

    /// Its messages, from a seed.
    pub(crate) fn messages(self, seed: u64) -> Vec<Message> {
        let mut random = Random(seed);
        (0..MESSAGES).map(|_| self.message(&mut random)).collect()
    }

    fn message(self, random: &mut Random) -> Message {
        let (text, took) = match self {
            Self::Letters => (letters(random), None),
            _ => text(random),
        };
        let (user, rows) = (random.pick(&USERS), random.below(700));
        let page = random.pick(&PAGES);
        let (severity, level) = LEVELS[random.below(LEVELS.len() as u64) as usize];
        let tag = random.pick(&TAGS);
        let line = match self {
            Self::Text | Self::Letters => text.clone(),
            Self::Objects => {
                let quoted = serde_json::Value::from(text.as_str());
                format!(
                    r#"{{"tag":"{tag}","level":"{level}","msg":{quoted},"fields":{{"user":"{user}","page":"{page}","rows":{rows}}}}}"#
                )
            }
            Self::Syslog if random.below(2) == 0 => {
                format!("<{}>Nov 22 17:48:17 web1 {tag}[{rows}]: {text}", 8 + severity)
            }
            Self::Syslog => format!(
                "<{}>1 2026-11-22T17:48:17.{:06}+01:00 web1 {tag} {rows} - - {text}",
                8 + severity,
                random.below(1_000_000)
            ),
        };
        let claims = (self != Self::Text && self != Self::Letters).then_some((tag, level));
        let user = (self == Self::Objects).then_some(user);
        Message { line, text, took, claims, user }
    }
}

/// One message, and what an agent must make of it.
pub(crate) struct Message {
    /// What is sent: the text, the object or the syslog line.
    pub(crate) line: String,
    /// The event's message.
    pub(crate) text: String,
    /// The duration in the text, in seconds.
    pub(crate) took: Option<f64>,
    /// Tag and level, if the message has them.
    pub(crate) claims: Option<(&'static str, &'static str)>,
    /// The field `user`, if the message has it.
    pub(crate) user: Option<&'static str>,
}

const TAGS: [&str; 4] = ["shop.query", "shop.cart", "intranet.page", "cron"];

/// Severities and their names.
const LEVELS: [(u8, &str); 8] = [
    (6, "info"),
    (6, "info"),
    (6, "info"),
    (6, "info"),
    (7, "debug"),
    (5, "notice"),
    (4, "warning"),
    (3, "err"),
];

const USERS: [&str; 8] = ["ada", "bo.li", "carla", "d.meyer", "erik", "fatima", "123", "4711"];

const PAGES: [&str; 6] =
    ["/", "/shop/basket", "/shop/item", "/intranet/holidays/calendar", "/search", "/report/yearly"];

/// Words that only these messages have.
const WORDS: [&str; 2] = ["\"quoted\"", "stock"];

/// What stands before and after a duration.
const REPORTS: [(&str, &str); 6] = [
    ("took ", ""),
    ("took ", ""),
    ("took ", ","),
    ("done in ", ","),
    ("completed after ", ""),
    ("took ", ":"),
];

/// A text with its numbers at the beginning, in the middle or at the end, and the duration in it.
fn text(random: &mut Random) -> (String, Option<f64>) {
    let len = length(random, LENGTHS);
    let before = random.below(len as u64 - 30) as usize;
    let mut text = words(random, before);
    let took = match random.below(6) {
        0 => None,
        1 | 2 => {
            text.push_str(&format!(
                "order {:05} has {} rows",
                random.below(100_000),
                random.below(500)
            ));
            None
        }
        _ => {
            let (open, close) = REPORTS[random.below(REPORTS.len() as u64) as usize];
            let (written, seconds) = duration(random);
            text.push_str(&format!("query on {:04} {open}{written}{close}", random.below(10_000)));
            Some(seconds)
        }
    };
    while text.len() < len {
        if !text.is_empty() && !text.ends_with(' ') {
            text.push(' ');
        }
        text.push_str(word(random, &WORDS));
    }
    (text, took)
}

/// Words of at least this many bytes, with a space at the end; none for 0.
fn words(random: &mut Random, len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        text.push_str(word(random, &WORDS));
        text.push(' ');
    }
    text
}

fn letters(random: &mut Random) -> String {
    let mut text = words(random, LETTERS_LENGTH);
    while text.len() > LETTERS_LENGTH {
        text.pop();
    }
    while text.len() < LETTERS_LENGTH {
        text.push('x');
    }
    // A space at the end would be trimmed by some systems.
    if text.ends_with(' ') {
        text.pop();
        text.push('x');
    }
    text
}

/// A duration as applications write them, and its seconds.
fn duration(random: &mut Random) -> (String, f64) {
    let (whole, part) = (random.below(999) + 1, random.below(99) + 1);
    let (text, unit) = match random.below(6) {
        0 => (format!("{whole}µs"), 1e-6),
        1 => (format!("{}.{part:02} s", whole % 10), 1.0),
        2 => (format!("{}.{part:02}ms", whole % 100), 1e-3),
        _ => (format!("{whole}ms"), 1e-3),
    };
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let seconds = number.parse::<f64>().unwrap_or_default() * unit;
    (text, seconds)
}

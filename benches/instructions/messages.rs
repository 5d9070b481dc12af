//! The messages that are counted: what applications report. They depend on nothing but [`SEED`], so that each run
//! decodes the same bytes.

use std::fmt::Write as _;

use crate::random::Random;
use crate::words::{length, word};

/// How many different messages each kind has.
pub(crate) const MESSAGES: usize = 200;

/// Where the random numbers begin.
const SEED: u64 = 42;

/// The shortest and the longest text, in bytes.
const LENGTHS: (u64, u64) = (40, 400);

/// Why writing cannot fail.
const IN_MEMORY: &str = "a string takes everything";

/// What a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text without a digit. Otherwise the same as [`Self::Took`].
    Plain,
    /// Text with a number and a duration, as programs report one: `query on 0042 took 40ms`, `… (40 ms)`.
    Took,
    /// Text with many numbers and several durations.
    Numbers,
    /// An object with `tag`, `level`, `msg` and an object of three fields.
    Object,
    /// An object with the same in one level: three of its keys become fields.
    Flat,
    /// A syslog line of RFC 3164.
    Bsd,
    /// A syslog line of RFC 5424.
    Ietf,
}

impl Kind {
    /// The lines as a sender writes them, with verb and line end.
    pub(crate) fn lines(self) -> String {
        let mut random = Random(SEED);
        let mut lines = String::new();
        for text in self.texts() {
            let user = random.below(5000);
            let rows = random.below(1000);
            let page = random.pick(&PAGES);
            let written = match self {
                Self::Plain | Self::Took | Self::Numbers => writeln!(lines, "SEND {text}"),
                Self::Object => writeln!(
                    lines,
                    r#"SEND {{"tag":"shop.query","level":"info","msg":"{text}","fields":{{"user":"{user}","page":"{page}","rows":{rows}}}}}"#
                ),
                Self::Flat => writeln!(
                    lines,
                    r#"SEND {{"tag":"shop.query","level":"info","msg":"{text}","user":"{user}","page":"{page}","rows":{rows}}}"#
                ),
                Self::Bsd => writeln!(lines, "<14>Nov 22 17:48:17 web1 shop[{user}]: {text}"),
                Self::Ietf => writeln!(
                    lines,
                    "<14>1 2026-11-22T17:48:17.{:06}+01:00 web1 shop {user} - - {text}",
                    random.below(1_000_000)
                ),
            };
            written.expect(IN_MEMORY);
        }
        lines
    }

    /// The texts within the lines.
    pub(crate) fn texts(self) -> Vec<String> {
        let mut random = Random(SEED);
        let one = |_| {
            let text = text(&mut random, self == Self::Numbers);
            if self == Self::Plain { without_digits(&text) } else { text }
        };
        (0..MESSAGES).map(one).collect()
    }
}

/// Words that only these messages have.
const WORDS: [&str; 4] = ["worker", "request", "updated", "stock"];

/// What stands before and after a duration.
const REPORTS: [(&str, &str); 8] = [
    ("took ", ""),
    ("took ", ""),
    ("in ", ""),
    ("done in ", ","),
    ("(", ")"),
    ("completed after ", "."),
    ("duration=", ""),
    ("ok ", ""),
];

const PAGES: [&str; 4] = ["/", "/shop/basket", "/search", "/intranet/holidays/calendar"];

/// A text with its numbers at the beginning, in the middle or at the end.
fn text(random: &mut Random, many: bool) -> String {
    let len = length(random, LENGTHS);
    let (open, close) = REPORTS[random.below(REPORTS.len() as u64) as usize];
    let (id, took) = (random.below(10_000), duration(random));
    let mut measured = format!("query on {id:04} {open}{took}{close}");
    if many {
        for _ in 0..3 {
            let (id, rows, took) = (random.below(100_000), random.below(500), duration(random));
            let word = word(random, &WORDS);
            write!(measured, " {word} id {id} rows={rows} {took}").expect(IN_MEMORY);
        }
    }
    let before = random.below(len as u64 + 1) as usize;
    let mut text = String::new();
    while text.len() < before {
        text.push_str(word(random, &WORDS));
        text.push(' ');
    }
    text.push_str(&measured);
    while text.len() < len {
        text.push(' ');
        text.push_str(word(random, &WORDS));
    }
    text
}

fn duration(random: &mut Random) -> String {
    match random.below(5) {
        0 => format!("{}µs", random.below(1000)),
        1 => format!("{}.{} s", random.below(10), random.below(100)),
        2 => format!("{}.{:03}s", random.below(3), random.below(1000)),
        _ => format!("{}ms", random.below(500)),
    }
}

/// The same text with letters for digits.
fn without_digits(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_digit() { char::from(c as u8 - b'0' + b'a') } else { c })
        .collect()
}

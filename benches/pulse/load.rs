//! The messages that the benchmarks send: what applications report, and text without a digit to compare
//! with. They depend on nothing but the load, so that every run and every system carries the same bytes.

use std::fmt::Write as _;

use crate::random::Random;

/// How many different messages a load has. Senders repeat them.
pub(crate) const MESSAGES: usize = 500;

/// What a sender sends.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// Text of mixed lengths, most of it with a duration: `query took 40ms`.
    Text,
    /// JSON objects with a tag, a message and the fields `user`, `page`, `req` and `rows`.
    Objects,
    /// 100 bytes of text without a digit: nothing to find in it, nothing to parse.
    Plain,
}

const USERS: [&str; 8] = ["ada", "bo.li", "carla", "d.meyer", "erik", "fatima", "123", "4711"];

const PAGES: [&str; 6] =
    ["/", "/shop/basket", "/shop/item", "/intranet/holidays/calendar", "/search", "/report/yearly"];

impl Load {
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Objects, Self::Plain];

    /// Its name in the table of results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text with durations",
            Self::Objects => "JSON objects",
            Self::Plain => "100 bytes without a digit",
        }
    }

    /// Its messages, as they follow `SEND `. None contains a line end or an `M`.
    pub(crate) fn messages(self) -> Vec<String> {
        let mut random = Random(1);
        let one = |_| match self {
            Self::Text => text(&mut random),
            Self::Objects => object(&mut random),
            Self::Plain => "x".repeat(100),
        };
        let messages: Vec<String> = (0..MESSAGES).map(one).collect();
        assert!(messages.iter().all(|message| !message.contains(['\n', 'M'])));
        messages
    }
}

/// A duration, written as applications write them.
fn duration(random: &mut Random) -> String {
    let (whole, part) = (random.below(1000) + 1, random.below(100));
    match random.below(6) {
        0 => format!("{whole}us"),
        1 => format!("{}.{part:02} s", whole % 10),
        2 => format!("{}.{}ms", whole % 100, part % 10),
        _ => format!("{whole}ms"),
    }
}

/// Text of 14 to about 180 bytes.
fn text(random: &mut Random) -> String {
    let (took, n) = (duration(random), random.below(100_000));
    let (user, page) = (random.pick(&USERS), random.pick(&PAGES));
    match random.below(8) {
        0..3 => format!("query took {took}"),
        3 => format!("GET {page} 200 in {took}"),
        4 => format!("report {n} for {user}: {} rows, rendered in {took}", n % 700),
        5 => format!("{user} signed in on {page}"),
        _ => {
            let mut text = format!(
                "query took {took}: select id, name, price from orders where customer = {n} \
                 and state in ('open', 'paid')"
            );
            for _ in 0..random.below(4) {
                let _ = write!(text, " and region <> '{}'", random.pick(&USERS));
            }
            text
        }
    }
}

/// An object of about 110 to 320 bytes.
fn object(random: &mut Random) -> String {
    let (msg, user, page) = (text(random), random.pick(&USERS), random.pick(&PAGES));
    let (req, rows) = (random.below(1 << 32), random.below(700));
    let level = if random.below(10) == 0 { "\"level\":\"warning\"," } else { "" };
    format!(
        "{{\"tag\":\"shop.query\",{level}\"msg\":\"{msg}\",\"fields\":{{\"user\":\"{user}\",\
         \"page\":\"{page}\",\"req\":\"{req:08x}\",\"rows\":{rows}}}}}"
    )
}

//! What the messages of all benchmarks are made of.

use crate::random::Random;

/// Words of messages, a few of them not ASCII. None changes what a duration beside it means.
const WORDS: [&str; 28] = [
    "query",
    "checkout",
    "for",
    "user",
    "with",
    "of",
    "basket",
    "größe",
    "loaded",
    "items",
    "from",
    "shop",
    "session",
    "naïve",
    "cache",
    "hit",
    "and",
    "miss",
    "connection",
    "pool",
    "支払い",
    "index",
    "rendered",
    "page",
    "customer",
    "order",
    "sent",
    "mail",
];

/// A word of a message: one that all benchmarks have, or one of `others`.
pub(crate) fn word<'a>(random: &mut Random, others: &[&'a str]) -> &'a str {
    let at = random.below((WORDS.len() + others.len()) as u64) as usize;
    WORDS.get(at).copied().unwrap_or_else(|| others[at - WORDS.len()])
}

/// The length of a text, in bytes, between the least and the most. Half of them are shorter than a quarter of the way.
pub(crate) fn length(random: &mut Random, (least, most): (u64, u64)) -> usize {
    let spread = most - least;
    (least + random.below(spread + 1) * random.below(spread + 1) / spread) as usize
}

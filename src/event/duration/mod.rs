//! Durations: one grammar for every door, option, MATCH and configuration key (pulse-protocol(7)).
//!
//! [`parse`] reads a duration as a value (`40ms`, `1m30s`, `0.25`), [`find()`] the duration that a
//! message reports ("query took 40ms"), [`named`] the value of a key that names its unit
//! (`duration_ms`), and [`key`] tells what a key names. [`print()`] appends one to a line.

mod backward;
mod candidate;
mod clock;
mod context;
mod cue;
mod escape;
mod exact;
mod find;
mod keys;
mod number;
mod place;
mod print;
mod table;
#[cfg(test)]
mod tests;
mod unit;
mod usual;
mod usual_words;
mod value;
mod words;

pub use exact::{Exact, SECONDS_MAX, check};
pub use find::{find, find_in_plain};
pub use keys::{Key, key, may_be_key, named};
pub use print::print;
pub use unit::unit_len;
pub use value::{parse, parse_exact};

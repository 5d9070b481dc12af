//! The formats logfmt and verbose. They show every key under its name in MATCH.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::clock::{self, Decimals};
use super::duration::Took;
use super::message::{INDENT, MESSAGE_SHOWN_MAX, push_message, push_more, truncate};
use super::quote;
use crate::event::{EventLine, GapLine};
use crate::filter::{FIELD_PREFIX, KEYS, journal_key};
use crate::render::escape;

/// The indent of further lines of a message. It distinguishes them from keys.
const MESSAGE_INDENT: &str = "        ";

/// Appends `seq=1042 time=… host=web1 tag=shop.query level=info msg="query took 40ms" user=123`.
pub(super) fn push_logfmt(event: &EventLine<'_>, tz: &TimeZone, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "seq={} time=", event.seq);
    clock::push_iso(out, event.time, tz, Decimals::Six);
    each_key(event, |key, value| {
        out.push(' ');
        key.push(out);
        out.push('=');
        quote::push_value(out, value);
    });
}

/// Appends `gap=retention after=1042 before=2050 lost=1007 time=… host=web1`.
pub(super) fn push_logfmt_gap(line: &GapLine<'_>, tz: &TimeZone, out: &mut String) {
    let gap = line.gap;
    let _ = write!(out, "gap={} after={} before={}", gap.why, gap.after, gap.before);
    if let Some(lost) = gap.lost {
        let _ = write!(out, " lost={lost}");
    }
    out.push_str(" time=");
    clock::push_iso(out, line.time, tz, Decimals::Six);
    out.push_str(" host=");
    quote::push_value(out, &line.host.text());
}

/// Appends the time and the number, then each key on a line of its own. `all`: does not truncate.
pub(super) fn push_verbose(event: &EventLine<'_>, tz: &TimeZone, all: bool, out: &mut String) {
    clock::push_iso(out, event.time, tz, Decimals::Six);
    let _ = write!(out, " [{}]", event.seq);
    each_key(event, |key, value| {
        out.push('\n');
        out.push_str(INDENT);
        key.push(out);
        out.push('=');
        match key {
            Key::Known("msg") => {
                let limit = (!all).then_some(MESSAGE_SHOWN_MAX);
                push_message(out, value, MESSAGE_INDENT, limit, quote::push_message_line);
            }
            Key::Known("took") => {
                let seconds = value.parse().unwrap_or_default();
                let _ = write!(out, "{}", Took(seconds));
            }
            _ => {
                let (shown, more) =
                    if all { (value, 0) } else { truncate(value, MESSAGE_SHOWN_MAX) };
                escape::push(out, shown);
                push_more(out, more);
            }
        }
    });
}

/// The name of a key.
#[derive(Clone, Copy)]
enum Key<'a> {
    Known(&'static str),
    Origin(&'a str),
    Field(&'a str),
}

impl Key<'_> {
    fn push(self, out: &mut String) {
        match self {
            Self::Known(name) => out.push_str(name),
            Self::Origin(name) => {
                out.push('_');
                escape::push(out, name);
            }
            Self::Field(name) => {
                // A field with the name of a known key has the prefix that MATCH needs.
                let hidden = matches!(name, "seq" | "time")
                    || name.starts_with(FIELD_PREFIX)
                    || journal_key(name).is_some()
                    || KEYS.iter().any(|known| known.name == name);
                if hidden {
                    out.push_str(FIELD_PREFIX);
                }
                escape::push(out, name);
            }
        }
    }
}

/// Calls `write` for each key except `seq` and `time`, in the order of the line.
fn each_key(event: &EventLine<'_>, mut write: impl FnMut(Key<'_>, &str)) {
    write(Key::Known("host"), &event.host.text());
    write(Key::Known("tag"), event.tag);
    write(Key::Known("level"), event.level.name());
    for (name, value) in [("msg", event.msg), ("run", event.run)] {
        if let Some(value) = value {
            write(Key::Known(name), &value.text());
        }
    }
    if let Some(seconds) = event.took {
        write(Key::Known("took"), &seconds.to_string());
    }
    if event.abandoned {
        write(Key::Known("abandoned"), "true");
    }
    for (name, value) in event.fields() {
        write(Key::Field(name), &value.text());
    }
    for (name, value) in event.origin() {
        write(Key::Origin(name), &value.text());
    }
}

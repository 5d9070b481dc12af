//! The formats for reading along: a line an event.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};

use super::clock::{self, Decimals};
use super::{Format, INDENT, Style, Took, gap, quote};
use crate::event::{EventLine, GapLine, Level, json::Raw, took};
use crate::render::escape;

/// The most characters that are shown of a message, unless all are asked for.
pub const MESSAGE_SHOWN_MAX: usize = 4096;

/// The same for the value of a field.
pub const FIELD_SHOWN_MAX: usize = 256;

const PLAIN: Paint = Paint::new();
const DIM: Paint = Paint::new().dimmed();
const GAP: Paint = AnsiColor::Magenta.on_default().bold();

/// The colours of journalctl.
const fn paint_of(level: Level) -> Paint {
    match level {
        Level::Emerg | Level::Alert | Level::Crit | Level::Err => {
            AnsiColor::BrightRed.on_default().bold()
        }
        Level::Warning => AnsiColor::BrightYellow.on_default().bold(),
        Level::Notice => PLAIN.bold(),
        Level::Info => PLAIN,
        Level::Debug => AnsiColor::BrightBlack.on_default(),
    }
}

/// `Nov 22 17:32:05.123 web1 shop.query[812] warning: query took 40ms user=123`
pub(super) fn event(style: &Style, event: &EventLine<'_>, out: &mut String) {
    let paint = paint_of(event.level);
    match style.format {
        Format::ShortIso => clock::push_iso(out, event.time, &style.tz, Decimals::Three),
        _ => clock::push_short(out, event.time, &style.tz),
    }
    out.push(' ');
    if style.hostname {
        escape::push(out, &event.host.text());
        out.push(' ');
    }
    escape::push(out, event.tag);
    if let Some(pid) = event.origin_part("pid") {
        out.push('[');
        escape::push(out, &pid.text());
        out.push(']');
    }
    if event.level != Level::Info {
        out.push(' ');
        painted(style, paint, out, |out| out.push_str(event.level.name()));
    }
    out.push(':');
    let msg = event.msg_text();
    if !msg.is_empty() {
        out.push(' ');
        let limit = (!style.all).then_some(MESSAGE_SHOWN_MAX);
        push_message(out, &msg, INDENT, limit, |out, line| {
            painted(style, paint, out, |out| quote::push_message_line(out, line));
        });
    }
    if event.abandoned {
        out.push(' ');
        painted(style, paint, out, |out| push_abandoned(out, event.took));
    }
    painted(style, DIM, out, |out| push_rest(style, event, &msg, out));
}

/// Everything of the sender's that is not in the message.
fn push_rest(style: &Style, event: &EventLine<'_>, msg: &str, out: &mut String) {
    for (name, value) in event.fields() {
        push_pair(style, out, name, value);
    }
    if let Some(run) = event.run {
        push_pair(style, out, "run", run);
    }
    if let Some(seconds) = event.took
        && !event.abandoned
        && took::find(msg) != Some(seconds)
    {
        // Writing to a String cannot fail.
        let _ = write!(out, " took={}", Took(seconds));
    }
}

fn push_pair(style: &Style, out: &mut String, name: &str, value: Raw<'_>) {
    out.push(' ');
    escape::push(out, name);
    out.push('=');
    let value = value.text();
    let shown = if style.all { (&*value, 0) } else { cut(&value, FIELD_SHOWN_MAX) };
    quote::push_value(out, shown.0);
    push_more(out, shown.1);
}

/// `(abandoned after 12.3s)`
fn push_abandoned(out: &mut String, took: Option<f64>) {
    // Writing to a String cannot fail.
    let _ = match took {
        Some(seconds) => write!(out, "(abandoned after {})", Took(seconds)),
        None => out.write_str("(abandoned)"),
    };
}

/// The message, and whether its run was abandoned.
pub(super) fn message_only(event: &EventLine<'_>, out: &mut String) {
    let msg = event.msg_text();
    push_message(out, &msg, INDENT, None, quote::push_message_line);
    if event.abandoned {
        if !msg.is_empty() {
            out.push(' ');
        }
        push_abandoned(out, event.took);
    }
}

/// Writes a message line by line, the further ones behind `indent`; of a long one the beginning.
pub(super) fn push_message(
    out: &mut String,
    msg: &str,
    indent: &str,
    limit: Option<usize>,
    write: impl Fn(&mut String, &str),
) {
    let (shown, more) = limit.map_or((msg, 0), |limit| cut(msg, limit));
    // A line end at the end says nothing.
    let shown = if more == 0 { shown.trim_end_matches(['\n', '\r']) } else { shown };
    for (at, line) in shown.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
            out.push_str(indent);
        }
        write(out, line.strip_suffix('\r').unwrap_or(line));
    }
    push_more(out, more);
}

/// The first `limit` characters, and how many more there are.
pub(super) fn cut(text: &str, limit: usize) -> (&str, usize) {
    if text.len() <= limit {
        return (text, 0);
    }
    match text.char_indices().nth(limit) {
        Some((end, _)) => (&text[..end], text[end..].chars().count()),
        None => (text, 0),
    }
}

pub(super) fn push_more(out: &mut String, more: usize) {
    if more > 0 {
        let _ = write!(out, "… ({more} more characters: -a shows them)");
    }
}

/// A gap, in words.
pub(super) fn gap(style: &Style, told: &GapLine<'_>, out: &mut String) {
    painted(style, GAP, out, |out| gap::push(out, told.gap));
}

/// Writes with a colour around it, if there are to be colours.
fn painted(style: &Style, paint: Paint, out: &mut String, write: impl FnOnce(&mut String)) {
    if !style.color || paint == PLAIN {
        return write(out);
    }
    let before = out.len();
    let _ = write!(out, "{paint}");
    let begun = out.len();
    write(out);
    if out.len() == begun {
        out.truncate(before);
    } else {
        let _ = write!(out, "{paint:#}");
    }
}

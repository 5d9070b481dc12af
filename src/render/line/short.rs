//! The formats with one line for each event, short and its variants, and cat.

use std::fmt::Write as _;

use super::duration::Took;
use super::message::{INDENT, MESSAGE_SHOWN_MAX, push_message, push_more, truncate};
use super::{paint, quote};
use crate::event::{EventLine, Level, duration, json::Raw};
use crate::render::escape;

/// The most characters of a field value that are shown, unless [`super::Style::all`] is set.
pub const FIELD_SHOWN_MAX: usize = 256;

/// The options of the formats; see [`super::Style`].
pub(super) struct Short {
    pub(super) hostname: bool,
    pub(super) all: bool,
    pub(super) color: bool,
    /// Shows the systemd unit instead of the tag, if there is one.
    pub(super) unit: bool,
}

impl Short {
    /// Appends what follows the time: ` web1 shop.query[812] warning: query took 40ms user=123`.
    pub(super) fn push(&self, event: &EventLine<'_>, out: &mut String) {
        let style = paint::for_level(event.level);
        if self.hostname {
            out.push(' ');
            escape::push(out, &event.host.text());
        }
        out.push(' ');
        match event.origin_part("unit").filter(|_| self.unit) {
            Some(unit) => escape::push(out, &unit.text()),
            None => escape::push(out, event.tag),
        }
        if let Some(pid) = event.origin_part("pid") {
            out.push('[');
            escape::push(out, &pid.text());
            out.push(']');
        }
        if event.level != Level::Info {
            out.push(' ');
            paint::push(out, self.color, style, |out| out.push_str(event.level.name()));
        }
        out.push(':');
        let msg = event.msg_text();
        if !msg.is_empty() {
            out.push(' ');
            let limit = (!self.all).then_some(MESSAGE_SHOWN_MAX);
            push_message(out, &msg, INDENT, limit, |out, line| {
                paint::push(out, self.color, style, |out| quote::push_message_line(out, line));
            });
        }
        if event.abandoned {
            out.push(' ');
            paint::push(out, self.color, style, |out| push_abandoned(out, event.took));
        }
        paint::push(out, self.color, paint::DIM, |out| self.push_rest(event, &msg, out));
    }

    /// Appends what the sender claims outside of the message.
    fn push_rest(&self, event: &EventLine<'_>, msg: &str, out: &mut String) {
        for (name, value) in event.fields() {
            self.push_pair(name, value, out);
        }
        if let Some(run) = event.run {
            self.push_pair("run", run, out);
        }
        if let Some(seconds) = event.took
            && !event.abandoned
            && duration::find(msg) != Some(seconds)
        {
            // Writing to a String cannot fail.
            let _ = write!(out, " took={}", Took(seconds));
        }
    }

    fn push_pair(&self, name: &str, value: Raw<'_>, out: &mut String) {
        out.push(' ');
        escape::push(out, name);
        out.push('=');
        let value = value.text();
        let (shown, more) = if self.all { (&*value, 0) } else { truncate(&value, FIELD_SHOWN_MAX) };
        quote::push_value(out, shown);
        push_more(out, more);
    }
}

/// Appends the message, and whether its run was abandoned.
pub(super) fn push_message_only(event: &EventLine<'_>, out: &mut String) {
    let msg = event.msg_text();
    push_message(out, &msg, INDENT, None, quote::push_message_line);
    push_mark(event, &msg, out);
}

/// As [`push_message_only`], with the message as it was sent. Not for terminals.
pub(super) fn push_message_exactly(event: &EventLine<'_>, out: &mut String) {
    let msg = event.msg_text();
    out.push_str(&msg);
    push_mark(event, &msg, out);
}

fn push_mark(event: &EventLine<'_>, msg: &str, out: &mut String) {
    if event.abandoned {
        if !msg.is_empty() {
            out.push(' ');
        }
        push_abandoned(out, event.took);
    }
}

/// Appends `(abandoned after 12.3s)`.
fn push_abandoned(out: &mut String, took: Option<f64>) {
    // Writing to a String cannot fail.
    let _ = match took {
        Some(seconds) => write!(out, "(abandoned after {})", Took(seconds)),
        None => out.write_str("(abandoned)"),
    };
}

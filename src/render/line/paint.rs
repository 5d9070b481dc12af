//! Colours: those of journalctl.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::event::Level;

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GAP: Style = AnsiColor::Magenta.on_default().bold();
const PLAIN: Style = Style::new();

pub(super) const fn for_level(level: Level) -> Style {
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

/// Appends what `write` appends, in this style if `color` is set.
pub(super) fn push(out: &mut String, color: bool, style: Style, write: impl FnOnce(&mut String)) {
    if !color || style == PLAIN {
        return write(out);
    }
    let start = out.len();
    // Writing to a String cannot fail.
    let _ = write!(out, "{style}");
    let text_start = out.len();
    write(out);
    if out.len() == text_start {
        out.truncate(start);
    } else {
        let _ = write!(out, "{style:#}");
    }
}

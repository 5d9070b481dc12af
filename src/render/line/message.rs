//! Messages of several lines, and texts that are truncated.

use std::fmt::Write as _;

/// The most characters of a message that are shown, unless [`super::Style::all`] is set.
pub const MESSAGE_SHOWN_MAX: usize = 4096;

/// The indent of further lines of a message. It distinguishes them from lines of other events.
pub(super) const INDENT: &str = "    ";

/// Appends a message line by line with `write`: `indent` before each further line, and at most
/// `limit` characters.
pub(super) fn push_message(
    out: &mut String,
    msg: &str,
    indent: &str,
    limit: Option<usize>,
    write: impl Fn(&mut String, &str),
) {
    let (shown, more) = limit.map_or((msg, 0), |limit| truncate(msg, limit));
    // A final line end is not shown.
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

/// The first `limit` characters, and the number of the others.
pub(super) fn truncate(text: &str, limit: usize) -> (&str, usize) {
    if text.len() <= limit {
        return (text, 0);
    }
    match text.char_indices().nth(limit) {
        Some((end, _)) => (&text[..end], text[end..].chars().count()),
        None => (text, 0),
    }
}

/// Appends the number of characters that were not shown.
pub(super) fn push_more(out: &mut String, more: usize) {
    if more > 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, "… ({more} more characters: -a shows them)");
    }
}

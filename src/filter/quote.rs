//! How the parts of a MATCH are displayed.

use std::fmt;

/// The most characters that an error repeats of one part.
pub(super) const SHOWN_MAX: usize = 80;

/// The beginning of a part, for an error: at most [`SHOWN_MAX`] characters.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// A value as the parser reads it: in quotes if it needs them.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(|c: char| c == '"' || c.is_ascii_whitespace()) {
            return f.write_str(self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

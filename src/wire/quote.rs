//! A client's input in an error.

/// The most characters that an error quotes.
const QUOTED_MAX: usize = 32;

/// The beginning of a text, in quotes.
pub(super) fn quote(text: &str) -> String {
    let quoted: String = text.chars().take(QUOTED_MAX).collect();
    let more = if quoted.len() < text.len() { "…" } else { "" };
    format!("{quoted:?}{more}")
}

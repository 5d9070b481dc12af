//! Truncation of text.

/// Truncates to at most `max` bytes, at a character boundary.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncates_between_characters() {
        assert_eq!((cut("aé", 3), cut("aé", 2), cut("aé", 1), cut("é", 0)), ("aé", "a", "a", ""));
    }
}

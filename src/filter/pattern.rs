//! Regular expressions of bounded size.

use regex::{Regex, RegexBuilder};

/// The largest compiled regular expression, in bytes. Each follower keeps its own. Matching takes
/// linear time, so only memory needs a bound.
pub const PATTERN_SIZE_MAX: usize = 1024 * 1024;

/// An unanchored regular expression. It ignores case unless it has a capital letter (smart case).
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn new(source: &str) -> Result<Self, String> {
        RegexBuilder::new(source)
            .case_insensitive(!has_capital(source))
            .size_limit(PATTERN_SIZE_MAX)
            .dfa_size_limit(PATTERN_SIZE_MAX)
            .build()
            .map(Self)
            .map_err(|e| why(&e))
    }

    pub(super) fn source(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

/// The cause in one line. The crate's message has several.
fn why(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(_) = error {
        let most = PATTERN_SIZE_MAX / 1024;
        return format!("it needs more than {most} KiB: repeat less, or write [a-z] for \\w");
    }
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).into()
}

/// `true` if a literal is a capital letter. Classes like `\S` and `\p{Greek}` are not literals.
fn has_capital(source: &str) -> bool {
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c.is_uppercase() {
            return true;
        }
        if c == '\\' && matches!(chars.next(), Some('p' | 'P')) && chars.next() == Some('{') {
            chars.by_ref().find(|c| *c == '}');
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_case_without_a_capital_letter() {
        for (source, text, matched) in [
            ("slow", "a SLOW query", true),
            ("Slow", "a SLOW query", false),
            ("Slow", "a Slow query", true),
            ("École", "école", false),
            ("école", "ÉCOLE", true),
            (r"\Slow", "a SLOW query", true),
            (r"\p{Lu}low", "SLOW", true),
            (r"\PNlow", "SLOW", true),
            (r"\\S", r"\s", false),
            ("(?i)Slow", "SLOW", true),
            ("^query", "a query", false),
            ("", "", true),
        ] {
            assert_eq!(Pattern::new(source).expect("valid").matches(text), matched, "{source}");
        }
    }

    #[test]
    fn bounds_the_size() {
        assert!(Pattern::new("(?i)[a-z]{100}").is_ok());
        assert!(Pattern::new(r"\w{10} \d+ \S+ \w+@\w+").is_ok());
        for large in [r"\w{1000}", "a{1000}{1000}", "((a{99}){99}){99}"] {
            assert!(Pattern::new(large).expect_err("large").contains("1024 KiB"), "{large}");
        }
    }

    #[test]
    fn reports_the_cause_in_one_line() {
        for bad in ["(", "a{2,1}", "[z-a]", r"\y", "(?<n>a)(?<n>b)", "*", "a\n("] {
            let why = Pattern::new(bad).expect_err("bad");
            assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
        }
        assert_eq!(Pattern::new("(").expect_err("bad"), "unclosed group");
    }
}

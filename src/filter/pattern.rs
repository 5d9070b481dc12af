//! Regular expressions of bounded size and time.
//!
//! The time of a search is bounded by the length of the text times the states that the automaton can be in at once. The
//! size of the automaton bounds the states poorly: most of a `\w` is never in use. So [`places`] estimates them.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind};

use super::bounds::PLACES_MAX;

/// The largest compiled regular expression, in bytes. Each follower keeps its own.
pub const PATTERN_SIZE_MAX: usize = 1024 * 1024;

/// The longest text that regular expressions see, in bytes. Of a longer one they see the beginning.
pub const PATTERN_TEXT_MAX: usize = 4096;

/// An unanchored regular expression. It ignores case unless it has a capital letter (smart case).
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    places: usize,
}

impl Pattern {
    pub(super) fn new(source: &str) -> Result<Self, String> {
        // Without smart case, by which each letter is a class.
        let places = regex_syntax::parse(source).map_or(0, |hir| places(&hir));
        if places > PLACES_MAX {
            return Err(format!(
                "it has {places} places, and the most is {PLACES_MAX}: repeat fewer times"
            ));
        }
        RegexBuilder::new(source)
            .case_insensitive(!has_capital(source))
            .size_limit(PATTERN_SIZE_MAX)
            .dfa_size_limit(PATTERN_SIZE_MAX)
            .build()
            .map(|regex| Self { regex, places })
            .map_err(|e| why(&e))
    }

    pub(super) fn source(&self) -> &str {
        self.regex.as_str()
    }

    pub(super) fn ignores_case(&self) -> bool {
        !has_capital(self.source())
    }

    /// See [`PLACES_MAX`].
    pub(super) fn places(&self) -> usize {
        self.places
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(beginning(text))
    }
}

fn beginning(text: &str) -> &str {
    let end = (0..=PATTERN_TEXT_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

/// The places of a regular expression: its classes and optional parts, counted as often as they are repeated, and the
/// alternatives. Plain text has none, since the states of its automaton are as many as its characters.
fn places(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 0,
        HirKind::Class(class) => usize::from(!is_one_letter(class)),
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Concat(parts) => sum(parts),
        HirKind::Alternation(parts) => sum(parts).saturating_add(parts.len() - 1),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            let fixed = repetition.max == Some(repetition.min);
            times.saturating_mul(places(&repetition.sub).max(usize::from(!fixed)))
        }
    }
}

fn sum(parts: &[Hir]) -> usize {
    parts.iter().map(places).fold(0, usize::saturating_add)
}

/// `true` for a letter in any case, as `(?i)` makes it.
fn is_one_letter(class: &Class) -> bool {
    let Class::Unicode(class) = class else { return false };
    let Some(first) = class.ranges().first() else { return true };
    let mut letter = ClassUnicode::new([*first]);
    letter.case_fold_simple();
    first.start() == first.end() && letter == *class
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
        assert!(Pattern::new(r"\w{10} \d+ \S+ \w+@\w+").is_ok());
        for large in [r"\w{30}", "a{1000}{1000}", "((a{99}){99}){99}"] {
            assert!(Pattern::new(large).expect_err("large").contains("1024 KiB"), "{large}");
        }
    }

    #[test]
    fn counts_places() {
        let count = |source| places(&regex_syntax::parse(source).expect("valid"));
        for (source, expected) in [
            ("query took", 0),
            ("(?i)query", 0),
            ("(?i)[a-z]k", 1),
            ("a{100}", 0),
            ("a{0,100}", 100),
            ("(?:a?){20}a{20}", 20),
            ("error|warn|timeout", 2),
            (r"\d{1,3}(\.\d{1,3}){3}", 12),
            ("[0-9a-f]{64}", 64),
            ("(?:.*0){60}", 60),
            ("(?:[01]{9}[23]{9}){9}", 162),
            (".*", 1),
            (".+x?", 2),
            ("^$", 0),
        ] {
            assert_eq!(count(source), expected, "{source}");
        }
        assert!(Pattern::new(&format!("[01]{{{PLACES_MAX}}}")).is_ok());
        let why = Pattern::new(&format!("[01]{{{PLACES_MAX}}}[23]")).expect_err("one more");
        assert!(why.contains("65 places"), "{why}");
        let why = Pattern::new("[01]{5000}[23]").expect_err("many more");
        assert!(why.contains("5001 places"), "{why}");
    }

    #[test]
    fn sees_the_beginning_of_a_long_text() {
        let pattern = Pattern::new("x$").expect("valid");
        let text = |before: usize| format!("{}x", "y".repeat(before));
        assert!(pattern.matches(&text(PATTERN_TEXT_MAX - 1)));
        assert!(!pattern.matches(&text(PATTERN_TEXT_MAX)));
        let wide = "ä".repeat(PATTERN_TEXT_MAX);
        assert_eq!(beginning(&wide).len(), PATTERN_TEXT_MAX);
        assert_eq!(beginning(&format!("y{wide}")).len(), PATTERN_TEXT_MAX - 1);
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

//! Sets of tags.

use crate::filter::Glob;

/// The tags for which an action is permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagScope {
    /// Every tag.
    All,
    /// No tag.
    Nothing,
    /// Some tags: the first glob that matches decides. A tag that none matches is not covered.
    Some(Vec<(Glob, bool)>),
}

impl TagScope {
    /// The scope of an ordered list of decisions. Entries without effect are dropped, so that most lists of one
    /// meaning are equal.
    pub fn from_rules(mut rules: Vec<(Glob, bool)>) -> Self {
        if let Some(at) = rules.iter().position(|(glob, _)| glob.is_any()) {
            rules.truncate(at + 1);
        }
        while rules.last().is_some_and(|(_, permitted)| !permitted) {
            rules.pop();
        }
        let all = rules.last().is_some_and(|(glob, _)| glob.is_any());
        match rules.iter().all(|(_, permitted)| *permitted) {
            _ if rules.is_empty() => Self::Nothing,
            true if all => Self::All,
            _ => Self::Some(rules),
        }
    }

    /// Every tag that one of these globs matches.
    pub fn from_globs(globs: &[Glob]) -> Self {
        if globs.iter().any(Glob::is_any) {
            return Self::All;
        }
        Self::from_rules(globs.iter().map(|glob| (glob.clone(), true)).collect())
    }

    /// `true` if the scope has this tag.
    pub fn allows(&self, tag: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Some(rules) => {
                rules.iter().find(|(glob, _)| glob.matches(tag)).is_some_and(|(_, may)| *may)
            }
        }
    }

    /// `true` if every tag of `before` is certainly in this scope. Patterns are not compared: the answer is then
    /// `false`, and the client reconnects, which costs little.
    pub fn covers(&self, before: &Self) -> bool {
        *self == Self::All || *before == Self::Nothing || self == before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    fn rules(list: &[(&str, bool)]) -> Vec<(Glob, bool)> {
        list.iter().map(|(glob, may)| (Glob::new(glob).expect("a glob"), *may)).collect()
    }

    #[test]
    fn normalizes_everything_and_nothing() {
        for (list, scope) in [
            (&[][..], TagScope::Nothing),
            (&[("*", true)], TagScope::All),
            (&[("**", true)], TagScope::All),
            (&[("a", true), ("*", true), ("b", false)], TagScope::All),
            (&[("a", false), ("b", false)], TagScope::Nothing),
            (&[("*", false), ("a", true)], TagScope::Nothing),
            (&[("a", true), ("*", false)], TagScope::Some(rules(&[("a", true)]))),
            (&[("a", false), ("*", true)], TagScope::Some(rules(&[("a", false), ("*", true)]))),
            (&[("a", true), ("b", true)], TagScope::Some(rules(&[("a", true), ("b", true)]))),
        ] {
            assert_eq!(TagScope::from_rules(rules(list)), scope, "{list:?}");
        }
        let globs: Vec<Glob> =
            rules(&[("a", true), ("*", true)]).into_iter().map(|r| r.0).collect();
        assert_eq!(TagScope::from_globs(&globs), TagScope::All);
        assert_eq!(TagScope::from_globs(&[]), TagScope::Nothing);
    }

    #[test]
    fn smaller_scope_does_not_cover() {
        let some = TagScope::from_rules(rules(&[("a", true)]));
        let other = TagScope::from_rules(rules(&[("b", true)]));
        for (after, before, covers) in [
            (&TagScope::All, &some, true),
            (&some, &TagScope::All, false),
            (&some, &some, true),
            (&some, &other, false),
            (&some, &TagScope::Nothing, true),
            (&TagScope::Nothing, &some, false),
            (&TagScope::Nothing, &TagScope::Nothing, true),
        ] {
            assert_eq!(after.covers(before), covers, "{after:?} {before:?}");
        }
    }

    proptest! {
        /// Dropping entries changes no decision.
        #[test]
        fn first_matching_rule_decides(
            list in prop::collection::vec(("[ab*]{1,3}", prop::bool::ANY), 0..6),
            tag in "[ab]{1,3}",
        ) {
            let list: Vec<(Glob, bool)> =
                list.iter().map(|(glob, may)| (Glob::new(glob).expect("a glob"), *may)).collect();
            let first = list.iter().find(|(glob, _)| glob.matches(&tag)).is_some_and(|rule| rule.1);
            prop_assert_eq!(TagScope::from_rules(list).allows(&tag), first);
        }
    }
}

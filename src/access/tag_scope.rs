//! What one party may do.

use crate::filter::Glob;

/// Which tags a action is permitted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagScope {
    /// Every tag.
    All,
    /// No tag.
    Nothing,
    /// Some tags: the first glob that matches decides, and where none does it is no.
    Some(Vec<(Glob, bool)>),
}

impl TagScope {
    /// What an ordered list of decisions comes to. What cannot decide anything is left out, so that
    /// lists which mean the same are equal as far as that is easily seen.
    pub fn of_rules(mut rules: Vec<(Glob, bool)>) -> Self {
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

    /// Every tag that one of these matches.
    pub fn of_globs(globs: &[Glob]) -> Self {
        if globs.iter().any(Glob::is_any) {
            return Self::All;
        }
        Self::of_rules(globs.iter().map(|glob| (glob.clone(), true)).collect())
    }

    /// Whether it covers this tag.
    pub fn allows(&self, tag: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Some(rules) => {
                rules.iter().find(|(glob, _)| glob.matches(tag)).is_some_and(|(_, may)| *may)
            }
        }
    }

    /// Whether who had `before` has lost nothing with this one. Where that would take a comparison of
    /// patterns the answer is no: to come back costs little, to keep what was taken away costs trust.
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
    fn what_means_everything_or_nothing_says_so() {
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
            assert_eq!(TagScope::of_rules(rules(list)), scope, "{list:?}");
        }
        let globs: Vec<Glob> =
            rules(&[("a", true), ("*", true)]).into_iter().map(|r| r.0).collect();
        assert_eq!(TagScope::of_globs(&globs), TagScope::All);
        assert_eq!(TagScope::of_globs(&[]), TagScope::Nothing);
    }

    #[test]
    fn what_is_less_does_not_keep() {
        let some = TagScope::of_rules(rules(&[("a", true)]));
        let other = TagScope::of_rules(rules(&[("b", true)]));
        for (after, before, keeps) in [
            (&TagScope::All, &some, true),
            (&some, &TagScope::All, false),
            (&some, &some, true),
            (&some, &other, false),
            (&some, &TagScope::Nothing, true),
            (&TagScope::Nothing, &some, false),
            (&TagScope::Nothing, &TagScope::Nothing, true),
        ] {
            assert_eq!(after.covers(before), keeps, "{after:?} {before:?}");
        }
    }

    proptest! {
        /// Leaving rules out changes no decision.
        #[test]
        fn each_tag_is_decided_by_the_first_rule_that_matches(
            list in prop::collection::vec(("[ab*]{1,3}", prop::bool::ANY), 0..6),
            tag in "[ab]{1,3}",
        ) {
            let list: Vec<(Glob, bool)> =
                list.iter().map(|(glob, may)| (Glob::new(glob).expect("a glob"), *may)).collect();
            let first = list.iter().find(|(glob, _)| glob.matches(&tag)).is_some_and(|rule| rule.1);
            prop_assert_eq!(TagScope::of_rules(list).allows(&tag), first);
        }
    }
}

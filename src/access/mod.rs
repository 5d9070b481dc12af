//! Access rules (`[[access]]` in pulsed.toml(5)), and the tags that they permit to one user.
//!
//! Pure: group membership is an argument.
//!
//! ```
//! use pulsed::access::{Action, Rules, TagScope};
//!
//! let rules = Rules::default();
//! assert_eq!(rules.scope(Action::Send, 33, |_| false), TagScope::All);
//! assert_eq!(rules.scope(Action::Tail, 33, |_| false), TagScope::Nothing);
//! ```

mod tag_scope;

use crate::filter::Glob;

pub use tag_scope::TagScope;

/// The most rules in one configuration.
pub const RULES_MAX: usize = 64;

/// The most subjects in one list of a rule.
pub const SUBJECTS_MAX: usize = 64;

/// What a rule permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sending events.
    Send,
    /// Following: events, gaps, views and figures.
    Tail,
}

/// To whom a rule permits something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `*`: any user of this machine.
    Anyone,
    /// The user with this uid.
    User(u32),
    /// `@NAME`: the members of this group, by the group database.
    Group(Group),
}

/// A group, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// By its name.
    Name(String),
    /// By its gid.
    Id(u32),
}

/// One `[[access]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The tags that the rule decides.
    pub tag: Glob,
    /// Who may send them.
    pub send: Vec<Subject>,
    /// Who may follow them.
    pub tail: Vec<Subject>,
}

impl Rule {
    fn subjects(&self, action: Action) -> &[Subject] {
        match action {
            Action::Send => &self.send,
            Action::Tail => &self.tail,
        }
    }
}

/// The rules, in order: the first one whose glob matches a tag decides it. A tag that none matches is denied. Root
/// and the agent's own user may always do both; the rules do not apply to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Default for Rules {
    /// The rules without configuration: any local user may send, as with /dev/log. The groups that may read the
    /// system's logs may follow.
    fn default() -> Self {
        let group = |name: &str| Subject::Group(Group::Name(name.into()));
        let tail = vec![group("adm"), group("pulsed")];
        Self(vec![Rule { tag: Glob::any(), send: vec![Subject::Anyone], tail }])
    }
}

impl Rules {
    /// Rules in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// The rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// `true` if the result of [`Rules::scope`] depends on this user's groups. Looking them up may block.
    pub fn needs_groups(&self, action: Action, uid: u32) -> bool {
        self.0.iter().map(|rule| rule.subjects(action)).any(|subjects| {
            let named = |subject: &Subject| {
                matches!(subject, Subject::Anyone) || *subject == Subject::User(uid)
            };
            !subjects.iter().any(named) && subjects.iter().any(|p| matches!(p, Subject::Group(_)))
        })
    }

    /// The tags for which a local user may do `action`.
    pub fn scope(&self, action: Action, uid: u32, is_in: impl Fn(&Group) -> bool) -> TagScope {
        let means = |subject: &Subject| match subject {
            Subject::Anyone => true,
            Subject::User(user) => *user == uid,
            Subject::Group(group) => is_in(group),
        };
        let decided = |rule: &Rule| (rule.tag.clone(), rule.subjects(action).iter().any(means));
        TagScope::from_rules(self.0.iter().map(decided).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(tag: &str, send: Vec<Subject>, tail: Vec<Subject>) -> Rule {
        Rule { tag: Glob::new(tag).expect("a glob"), send, tail }
    }

    fn group(name: &str) -> Subject {
        Subject::Group(Group::Name(name.into()))
    }

    fn no_group(_: &Group) -> bool {
        false
    }

    #[test]
    fn default_lets_all_send_and_log_readers_follow() {
        let rules = Rules::default();
        assert_eq!(rules.scope(Action::Send, 33, no_group), TagScope::All);
        assert!(!rules.needs_groups(Action::Send, 33));
        assert!(rules.needs_groups(Action::Tail, 33));
        assert_eq!(rules.scope(Action::Tail, 33, no_group), TagScope::Nothing);
        for named in ["adm", "pulsed"] {
            let is_in = |group: &Group| *group == Group::Name(named.into());
            assert_eq!(rules.scope(Action::Tail, 33, is_in), TagScope::All);
        }
    }

    #[test]
    fn first_matching_rule_decides() {
        let rules = Rules::new(vec![
            rule("shop.secret.*", vec![Subject::User(1)], vec![]),
            rule("shop.*", vec![Subject::Anyone], vec![group("shop"), Subject::User(7)]),
            rule("cron", vec![], vec![Subject::Anyone]),
        ]);
        let of = |action, uid, is_in: bool| rules.scope(action, uid, |_| is_in);
        let send = of(Action::Send, 7, false);
        for (tag, may) in
            [("shop.a", true), ("shop.secret.a", false), ("cron", false), ("x", false)]
        {
            assert_eq!(send.allows(tag), may, "{tag}");
        }
        assert!(of(Action::Send, 1, false).allows("shop.secret.a"));
        for (uid, is_in, tag, may) in [
            (7, false, "shop.a", true),
            (8, false, "shop.a", false),
            (8, true, "shop.a", true),
            (8, true, "shop.secret.a", false),
            (8, false, "cron", true),
            (8, false, "other", false),
        ] {
            assert_eq!(of(Action::Tail, uid, is_in).allows(tag), may, "{uid} {is_in} {tag}");
        }
        assert!(!rules.needs_groups(Action::Tail, 7) && rules.needs_groups(Action::Tail, 8));
    }

    #[test]
    fn no_rules_deny_everything() {
        let rules = Rules::new(vec![]);
        assert_eq!(rules.scope(Action::Send, 1, |_| true), TagScope::Nothing);
        assert!(!rules.needs_groups(Action::Tail, 1));
    }
}

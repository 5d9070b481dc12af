//! Who may do what, tag by tag: the rules as they are configured, and what they come to for one subject
//! (`[[access]]` in pulsed.toml(5)).
//!
//! Pure: who is in which group is an argument.

mod tag_scope;

use crate::filter::Glob;

pub use tag_scope::TagScope;

/// The most rules.
pub const RULES_MAX: usize = 64;

/// The most subjects that one rule names for one action.
pub const SUBJECTS_MAX: usize = 64;

/// What is permitted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// To put events in.
    Send,
    /// To see events, gaps and figures.
    Tail,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `*`: any user of this machine.
    Anyone,
    /// This user.
    User(u32),
    /// `@NAME`: who is in this group, as the group database has it.
    Group(Group),
}

/// A group, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// By its name.
    Name(String),
    /// By its number.
    Id(u32),
}

/// One `[[access]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The tags that it decides about.
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

/// All rules, in order: the first one whose glob matches a tag decides about it. Where none does,
/// nobody may. They say nothing about root and the agent's own user, who may always do both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Default for Rules {
    /// What holds where nothing is configured: any local user sends, as with /dev/log; the groups that
    /// may read the system's logs follow.
    fn default() -> Self {
        let group = |name: &str| Subject::Group(Group::Name(name.into()));
        let tail = vec![group("adm"), group("pulsed")];
        Self(vec![Rule { tag: Glob::any(), send: vec![Subject::Anyone], tail }])
    }
}

impl Rules {
    /// These, in this order.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Whether it matters for this user in which groups the user is: whoever asks the group database
    /// may have to wait.
    pub fn needs_groups(&self, action: Action, uid: u32) -> bool {
        self.0.iter().map(|rule| rule.subjects(action)).any(|subjects| {
            let named = |subject: &Subject| {
                matches!(subject, Subject::Anyone) || *subject == Subject::User(uid)
            };
            !subjects.iter().any(named) && subjects.iter().any(|p| matches!(p, Subject::Group(_)))
        })
    }

    /// What the rules come to for a user of this machine.
    pub fn scope(&self, action: Action, uid: u32, is_in: impl Fn(&Group) -> bool) -> TagScope {
        let means = |subject: &Subject| match subject {
            Subject::Anyone => true,
            Subject::User(user) => *user == uid,
            Subject::Group(group) => is_in(group),
        };
        let decided = |rule: &Rule| (rule.tag.clone(), rule.subjects(action).iter().any(means));
        TagScope::of_rules(self.0.iter().map(decided).collect())
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

    fn nobody(_: &Group) -> bool {
        false
    }

    #[test]
    fn without_a_word_anyone_sends_and_the_readers_of_logs_follow() {
        let rules = Rules::default();
        assert_eq!(rules.scope(Action::Send, 33, nobody), TagScope::All);
        assert!(!rules.needs_groups(Action::Send, 33));
        assert!(rules.needs_groups(Action::Tail, 33));
        assert_eq!(rules.scope(Action::Tail, 33, nobody), TagScope::Nothing);
        for named in ["adm", "pulsed"] {
            let is_in = |group: &Group| *group == Group::Name(named.into());
            assert_eq!(rules.scope(Action::Tail, 33, is_in), TagScope::All);
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
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
    fn no_rules_permit_nothing() {
        let rules = Rules::new(vec![]);
        assert_eq!(rules.scope(Action::Send, 1, |_| true), TagScope::Nothing);
        assert!(!rules.needs_groups(Action::Tail, 1));
    }
}

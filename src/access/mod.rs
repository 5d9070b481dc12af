//! Access rules (`[[access]]` in pulsed.toml(5)), and the tags that they permit to one user.
//!
//! Pure: what the user and group databases say is an argument.
//!
//! ```
//! use pulsed::access::{Action, Rules, TagScope};
//!
//! let rules = Rules::default();
//! assert_eq!(rules.scope(Action::Send, 33, |_| false), TagScope::All);
//! assert_eq!(rules.scope(Action::Tail, 33, |_| false), TagScope::Nothing);
//! ```

mod host_scope;
mod tag_scope;

use crate::filter::Glob;

pub use host_scope::HostScope;
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
    /// Following this machine: events, gaps, views and figures.
    Tail,
    /// Following the stream of all hosts, where this machine is one of them.
    TailHosts,
}

/// To whom a rule permits something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `*`: any user of this machine.
    Anyone,
    /// The user with this uid.
    User(u32),
    /// The user with this uid, for as long as the user database gives it this name: the uid of a deleted user can be
    /// given to another one.
    Named {
        /// As in the configuration.
        name: String,
        /// What the name meant when the configuration was read.
        uid: u32,
    },
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
    /// The hosts whose events in the stream of all hosts the rule decides. `None`: it decides those of this machine, and
    /// none of the stream.
    pub host: Option<Glob>,
    /// Who may send them.
    pub send: Vec<Subject>,
    /// Who may follow them.
    pub tail: Vec<Subject>,
}

impl Rule {
    fn subjects(&self, action: Action) -> &[Subject] {
        match action {
            Action::Send => &self.send,
            Action::Tail | Action::TailHosts => &self.tail,
        }
    }

    /// What the rule decides: tags, or for [`Action::TailHosts`] pairs of host and tag. `None` if nothing of this action.
    fn decides(&self, action: Action) -> Option<Glob> {
        match (action, &self.host) {
            (Action::TailHosts, Some(host)) => Some(host.pair(&self.tag)),
            (Action::Send | Action::Tail, None) => Some(self.tag.clone()),
            _ => None,
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
        Self(vec![Rule { tag: Glob::any(), host: None, send: vec![Subject::Anyone], tail }])
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

    /// `true` if the result of [`Rules::scope`] depends on what the databases say about this user. Asking them may
    /// block.
    pub fn needs_databases(&self, action: Action, uid: u32) -> bool {
        let rules = self.0.iter().filter(|rule| rule.decides(action).is_some());
        rules.map(|rule| rule.subjects(action)).any(|subjects| {
            let certain = |subject: &Subject| {
                matches!(subject, Subject::Anyone) || *subject == Subject::User(uid)
            };
            let asked = |subject: &Subject| match subject {
                Subject::Anyone | Subject::User(_) => false,
                Subject::Named { uid: named, .. } => *named == uid,
                Subject::Group(_) => true,
            };
            !subjects.iter().any(certain) && subjects.iter().any(asked)
        })
    }

    /// The tags for which a local user may do `action`, or for [`Action::TailHosts`] what [`HostScope`] is made of. `verify` asks the databases, about a
    /// [`Named`](Subject::Named) with the user's uid or a [`Group`](Subject::Group).
    pub fn scope(&self, action: Action, uid: u32, verify: impl Fn(&Subject) -> bool) -> TagScope {
        let means = |subject: &Subject| match subject {
            Subject::Anyone => true,
            Subject::User(user) => *user == uid,
            Subject::Named { uid: named, .. } => *named == uid && verify(subject),
            Subject::Group(_) => verify(subject),
        };
        let decided = |rule: &Rule| {
            let glob = rule.decides(action)?;
            Some((glob, rule.subjects(action).iter().any(means)))
        };
        TagScope::from_rules(self.0.iter().filter_map(decided).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(tag: &str, send: Vec<Subject>, tail: Vec<Subject>) -> Rule {
        Rule { tag: Glob::new(tag).expect("a glob"), host: None, send, tail }
    }

    #[test]
    fn rules_with_a_host_decide_the_stream_and_nothing_else() {
        let host = |host: &str, rule| Rule { host: Glob::new(host).ok(), ..rule };
        let everyone = || vec![Subject::Anyone];
        let rules = Rules::new(vec![
            host("web*", rule("shop.secret", vec![], vec![Subject::User(1)])),
            host("web*", rule("shop.*", vec![], everyone())),
            rule("cron", everyone(), everyone()),
        ]);
        let scope = HostScope::from(rules.scope(Action::TailHosts, 7, no_group));
        for (host, tag, may) in [
            ("web1", "shop.a", true),
            ("web1", "shop.secret", false),
            ("web1", "cron", false),
            ("db1", "shop.a", false),
        ] {
            assert_eq!(scope.allows(host, tag), may, "{host} {tag}");
        }
        let local = rules.scope(Action::Tail, 7, no_group);
        assert!(local.allows("cron") && !local.allows("shop.a"));
        let default = Rules::default().scope(Action::TailHosts, 7, |_| true);
        assert_eq!(HostScope::from(default), HostScope::from(TagScope::Nothing));
        let all = Rules::new(vec![host("*", rule("*", vec![], everyone()))]);
        assert_eq!(all.scope(Action::TailHosts, 7, no_group), TagScope::All);
        assert_eq!(all.scope(Action::Tail, 7, no_group), TagScope::Nothing);
    }

    fn group(name: &str) -> Subject {
        Subject::Group(Group::Name(name.into()))
    }

    fn named(name: &str, uid: u32) -> Subject {
        Subject::Named { name: name.into(), uid }
    }

    fn no_group(_: &Subject) -> bool {
        false
    }

    #[test]
    fn default_lets_all_send_and_log_readers_follow() {
        let rules = Rules::default();
        assert_eq!(rules.scope(Action::Send, 33, no_group), TagScope::All);
        assert!(!rules.needs_databases(Action::Send, 33));
        assert!(rules.needs_databases(Action::Tail, 33));
        assert_eq!(rules.scope(Action::Tail, 33, no_group), TagScope::Nothing);
        for name in ["adm", "pulsed"] {
            let is_in = |subject: &Subject| *subject == group(name);
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
        assert!(!rules.needs_databases(Action::Tail, 7) && rules.needs_databases(Action::Tail, 8));
    }

    #[test]
    fn a_named_user_must_still_have_the_name() {
        let rules = Rules::new(vec![rule("*", vec![named("alice", 7)], vec![])]);
        let send = |uid, name: &str| {
            let is = |subject: &Subject| *subject == named(name, uid);
            rules.scope(Action::Send, uid, is)
        };
        assert_eq!(send(7, "alice"), TagScope::All);
        assert_eq!(send(7, "bob"), TagScope::Nothing);
        assert_eq!(send(8, "alice"), TagScope::Nothing);
        // The databases are asked about no other user.
        assert!(rules.needs_databases(Action::Send, 7) && !rules.needs_databases(Action::Send, 8));
    }

    #[test]
    fn no_rules_deny_everything() {
        let rules = Rules::new(vec![]);
        assert_eq!(rules.scope(Action::Send, 1, |_| true), TagScope::Nothing);
        assert!(!rules.needs_databases(Action::Tail, 1));
    }
}

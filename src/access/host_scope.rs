//! Sets of tags of hosts, in the stream of all hosts.

use super::TagScope;
use crate::filter::Glob;

/// The hosts and tags whose events in the stream of all hosts may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostScope(TagScope);

impl From<TagScope> for HostScope {
    /// From what [`super::Rules::scope`] returns for [`super::Action::TailHosts`].
    fn from(pairs: TagScope) -> Self {
        Self(pairs)
    }
}

impl HostScope {
    /// `true` if it has every tag of every host.
    pub fn is_all(&self) -> bool {
        self.0 == TagScope::All
    }

    /// `true` if it has this tag of this host.
    pub fn allows(&self, host: &str, tag: &str) -> bool {
        match &self.0 {
            TagScope::All => true,
            TagScope::Nothing => false,
            TagScope::Some(_) => self.0.allows(&Glob::text_of_pair(host, tag)),
        }
    }

    /// `true` if it has some tag of this host: one of the permitted patterns is about it.
    pub fn allows_some_of(&self, host: &str) -> bool {
        match &self.0 {
            TagScope::All => true,
            TagScope::Nothing => false,
            TagScope::Some(rules) => rules
                .iter()
                .any(|(glob, permitted)| *permitted && (glob.is_any() || glob.matches_first(host))),
        }
    }
}

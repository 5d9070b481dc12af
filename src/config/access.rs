//! `[[access]]`: the rules for sending and following.

use serde::Deserialize;
use toml::Spanned;

use super::checks::{checked, known_account};
use super::error::{Problem, Wrong};
use super::machine::Machine;
use crate::access::{Group, RULES_MAX, Rule, Rules, SUBJECTS_MAX, Subject};
use crate::filter::Glob;

/// A rule as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [[access]]")]
pub(super) struct RawRule {
    tag: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    send: Vec<Spanned<String>>,
    tail: Vec<Spanned<String>>,
}

/// Checks the rules. Without any, returns the built-in one.
pub(super) fn check(
    typed: Option<Vec<Spanned<RawRule>>>,
    machine: &Machine,
) -> Result<Rules, Wrong> {
    let Some(typed) = typed else { return Ok(Rules::default()) };
    if let Some(first_too_many) = typed.get(RULES_MAX) {
        let problem = Problem::TooMany { what: "rules", max: RULES_MAX };
        return Err(Wrong { span: first_too_many.span(), problem });
    }
    let rules = typed.into_iter().map(|raw| raw.into_inner().check(machine));
    rules.collect::<Result<_, _>>().map(Rules::new)
}

impl RawRule {
    fn check(self, machine: &Machine) -> Result<Rule, Wrong> {
        let glob = |text: String| Glob::new(&text).map_err(|cause| Problem::Glob { text, cause });
        let tag = match self.tag {
            None => Glob::any(),
            Some(tag) => checked(tag, glob)?,
        };
        let host = self.host.map(|host| checked(host, glob)).transpose()?;
        if let (Some(_), Some(first)) = (&host, self.send.first()) {
            return Err(Wrong { span: first.span(), problem: Problem::SendOfHost });
        }
        let (send, tail) = (subjects(self.send, machine)?, subjects(self.tail, machine)?);
        Ok(Rule { tag, host, send, tail })
    }
}

fn subjects(typed: Vec<Spanned<String>>, machine: &Machine) -> Result<Vec<Subject>, Wrong> {
    if let Some(first_too_many) = typed.get(SUBJECTS_MAX) {
        let problem = Problem::TooMany { what: "users and groups", max: SUBJECTS_MAX };
        return Err(Wrong { span: first_too_many.span(), problem });
    }
    typed.into_iter().map(|typed| checked(typed, |text| subject(text, machine))).collect()
}

/// As in `socket.owner`, a text of digits is an id. A name must exist: with a typing error in it, a rule
/// would allow less than it says, or more than was meant.
fn subject(text: String, machine: &Machine) -> Result<Subject, Problem> {
    let (name, group) = match text.strip_prefix('@') {
        Some(name) => (name, true),
        None => (text.as_str(), false),
    };
    let number = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    match name {
        "*" if !group => Ok(Subject::Anyone),
        "" | "*" => Err(Problem::Subject(text)),
        _ if number => {
            // The largest number is not an id to the kernel.
            let id = name.parse().ok().filter(|id| *id != u32::MAX);
            let subject =
                |id| if group { Subject::Group(Group::Id(id)) } else { Subject::User(id) };
            id.map(subject).ok_or(Problem::Subject(text))
        }
        name if group => {
            known_account("group", name.to_owned(), machine.group)?;
            Ok(Subject::Group(Group::Name(name.to_owned())))
        }
        name => match known_account("user", name.to_owned(), machine.user) {
            Err(Problem::NoAccount { .. }) if matches!((machine.group)(name), Ok(Some(_))) => {
                Err(Problem::GroupAsUser(text))
            }
            known => known.map(|uid| Subject::Named { name: text, uid }),
        },
    }
}

//! `[[access]]`: who may do what.

use toml::Spanned;

use super::Machine;
use super::check::{checked, known};
use super::error::{Problem, Wrong};
use super::raw::RawRule;
use crate::access::{Group, RULES_MAX, Rule, Rules, SUBJECTS_MAX, Subject};
use crate::filter::Glob;

/// The rules as they were typed, or else the built-in one.
pub(super) fn rules(
    typed: Option<Vec<Spanned<RawRule>>>,
    machine: &Machine,
) -> Result<Rules, Wrong> {
    let Some(typed) = typed else { return Ok(Rules::default()) };
    if let Some(first_too_many) = typed.get(RULES_MAX) {
        let problem = Problem::TooMany { what: "rules", max: RULES_MAX };
        return Err(Wrong { span: first_too_many.span(), problem });
    }
    let rules = typed.into_iter().map(|raw| rule(raw.into_inner(), machine));
    rules.collect::<Result<_, _>>().map(Rules::new)
}

fn rule(raw: RawRule, machine: &Machine) -> Result<Rule, Wrong> {
    let tag = match raw.tag {
        None => Glob::any(),
        Some(tag) => {
            checked(tag, |text| Glob::new(&text).map_err(|cause| Problem::Glob { text, cause }))?
        }
    };
    Ok(Rule { tag, send: subjects(raw.send, machine)?, tail: subjects(raw.tail, machine)? })
}

fn subjects(typed: Vec<Spanned<String>>, machine: &Machine) -> Result<Vec<Subject>, Wrong> {
    if let Some(first_too_many) = typed.get(SUBJECTS_MAX) {
        let problem = Problem::TooMany { what: "users and groups", max: SUBJECTS_MAX };
        return Err(Wrong { span: first_too_many.span(), problem });
    }
    typed.into_iter().map(|typed| checked(typed, |text| subject(text, machine))).collect()
}

/// As in `socket.owner`, nothing but digits is a number. Whoever is named must be there: a rule with a
/// slip of the pen in it would permit less than it says, or more than was meant.
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
            // The largest number means nobody to the kernel.
            let id = name.parse().ok().filter(|id| *id != u32::MAX);
            let subject =
                |id| if group { Subject::Group(Group::Id(id)) } else { Subject::User(id) };
            id.map(subject).ok_or(Problem::Subject(text))
        }
        name if group => {
            known("group", name.to_owned(), machine.group)?;
            Ok(Subject::Group(Group::Name(name.to_owned())))
        }
        name => match known("user", name.to_owned(), machine.user) {
            Err(Problem::Nobody { .. }) if matches!((machine.group)(name), Ok(Some(_))) => {
                Err(Problem::GroupAsUser(text))
            }
            known => known.map(Subject::User),
        },
    }
}

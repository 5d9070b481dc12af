//! What is wrong with a configuration: which file, which line, which key, and what was meant.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw::{KEYS, LIST};
use crate::filter::BadGlob;
use crate::render::escape;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The file says something that it may not.
    #[error("{}:{line}: {}{problem}", path.display(), before(key))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its section; empty where there is none.
        key: String,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// A default cannot be used on this machine.
    #[error("{key}: {problem}; set it in a file and name that with --config")]
    NoDefault {
        /// The key.
        key: &'static str,
        /// Why its default will not do.
        problem: Box<Problem>,
    },
}

/// `key: `, or nothing. A key in quotes may have any character.
fn before(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{}: ", escape(key)) }
}

/// What is wrong with a line of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// Nobody knows the key.
    #[error("unknown key{}", meant(near, known))]
    Unknown {
        /// What may have been meant.
        near: Vec<&'static str>,
        /// What there is: in its section, if that is one.
        known: Vec<&'static str>,
    },
    /// The value is not of the kind that the key wants.
    #[error("{0}")]
    Value(String),
    /// The value is too small or too large.
    #[error("{given} is out of bounds: from {min} to {max}")]
    Bounds {
        /// The value.
        given: String,
        /// The smallest that is good.
        min: String,
        /// The largest that is good.
        max: String,
    },
    /// Not the name of a machine.
    #[error("{0:?} is not a machine's name: 1 to 253 of A-Z a-z 0-9 _ . -")]
    Host(String),
    /// A path that depends on where the agent was started.
    #[error("{0:?} is not an absolute path: it must begin with /")]
    Relative(String),
    /// A path that the system cannot hold.
    #[error("the path has {len} bytes, of at most {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most.
        max: usize,
    },
    /// A path with a NUL byte in it.
    #[error("a path cannot have a NUL byte in it")]
    Nul,
    /// A name that the machine does not know.
    #[error("there is no {kind} {name:?} on this machine")]
    Nobody {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A group without its sign.
    #[error("there is no user {0:?} on this machine; for the group write \"@{0}\"")]
    GroupAsUser(String),
    /// The user or group database did not answer.
    #[error("cannot look up the {kind} {name:?}: {cause}")]
    LookUp {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A section that is a list was written as if there were only one.
    #[error("there may be several of these: write [[{LIST}]]")]
    NotAList,
    /// More than anybody needs.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        max: usize,
    },
    /// No pattern of tags.
    #[error("{text:?} is no pattern of tags: {cause}")]
    Glob {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        cause: BadGlob,
    },
    /// Nobody can be meant by this.
    #[error(
        "{0:?} names nobody: write \"*\" for any local user, \"name\" for a user, \"@name\" for a group"
    )]
    Subject(String),
    /// No place to listen.
    #[error("{0:?} is not an address and a port, such as \"127.0.0.1:7465\" or \"[::]:7465\"")]
    Listen(String),
    /// Tokens would go over the network in the clear.
    #[error(
        "{0} is not of this machine alone: anybody on the way could read tokens and events; set tcp.cert and tcp.key, or listen on 127.0.0.1"
    )]
    NoTls(SocketAddr),
    /// One file without the other.
    #[error("tcp.cert and tcp.key go together: {0} is missing")]
    Half(&'static str),
    /// This user has no directory for sockets.
    #[error("$XDG_RUNTIME_DIR is not set and there is no /run/user directory of this user's own")]
    NoRuntimeDir,
    /// This user has no home.
    #[error("this user has no home directory")]
    NoHome,
}

fn meant(near: &[&str], known: &[&str]) -> String {
    match near {
        [] => format!("; known are {}", known.join(", ")),
        some => format!("; did you mean {}?", some.join(" or ")),
    }
}

/// A problem and where in the text it is.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) span: Range<usize>,
    pub(super) problem: Problem,
}

impl Wrong {
    pub(super) fn value(error: &toml::de::Error) -> Self {
        let problem = Problem::Value(one_line(error));
        Self { span: error.span().unwrap_or_default(), problem }
    }

    pub(super) fn syntax(error: &toml::de::Error) -> Self {
        let problem = Problem::Syntax(one_line(error));
        Self { span: error.span().unwrap_or_default(), problem }
    }

    /// The error for people. `table` tells the key; broken TOML has none.
    pub(super) fn told(self, path: &Path, text: &str, table: Option<&DeTable<'_>>) -> ConfigError {
        let at = self.span.start.min(text.len());
        let line = 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
        let key = table.and_then(|table| key_at(table, at)).unwrap_or_default();
        ConfigError::Wrong { path: path.into(), line, key, problem: Box::new(self.problem) }
    }
}

fn one_line(error: &toml::de::Error) -> String {
    let text = error.message().lines().collect::<Vec<_>>().join("; ");
    // TOML has no sequences, but serde calls them so.
    text.replace("expected a sequence", "expected a list in brackets")
}

/// The first key that nobody knows, if there is one.
pub(super) fn unknown(table: &DeTable<'_>) -> Option<Wrong> {
    let mut found = Vec::new();
    collect_unknown(table, "", &mut found);
    found.into_iter().min_by_key(|wrong| wrong.span.start)
}

fn collect_unknown(table: &DeTable<'_>, section: &str, found: &mut Vec<Wrong>) {
    for (key, value) in table {
        let name = dotted(section, key.get_ref());
        let is_section = KEYS.iter().any(|known| section_of(known) == Some(&name));
        match value.get_ref() {
            DeValue::Table(inner) if is_section => collect_unknown(inner, &name, found),
            DeValue::Array(_) if name == LIST => {
                tables_of(value).for_each(|inner| collect_unknown(inner, &name, found));
            }
            _ if is_section || KEYS.contains(&name.as_str()) => {}
            _ => {
                let problem = Problem::Unknown { near: near(&name), known: known(section) };
                found.push(Wrong { span: key.span(), problem });
            }
        }
    }
}

/// A value, or those of a list.
fn values_of<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> &'a [Spanned<DeValue<'i>>] {
    match value.get_ref() {
        DeValue::Array(list) => list.iter().as_slice(),
        _ => std::slice::from_ref(value),
    }
}

/// The tables among them.
fn tables_of<'a, 'i>(value: &'a Spanned<DeValue<'i>>) -> impl Iterator<Item = &'a DeTable<'i>> {
    values_of(value).iter().filter_map(|value| match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

/// The list section, if it was written as a single one.
pub(super) fn not_a_list(table: &DeTable<'_>) -> Option<Wrong> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == LIST)?;
    let single = matches!(value.get_ref(), DeValue::Table(_));
    single.then(|| Wrong { span: key.span(), problem: Problem::NotAList })
}

/// The key or section in which the byte at `at` lies.
fn key_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    let within = |span: Range<usize>| (span.start..=span.end).contains(&at);
    let inner = table.iter().find_map(|(key, value)| {
        let found = tables_of(value).find_map(|inner| key_at(inner, at))?;
        Some(dotted(key.get_ref(), &found))
    });
    inner.or_else(|| {
        let mut entries = table.iter();
        let found = entries.find(|(key, value)| {
            // What lies between the sections of a list is not its own.
            let whole = tables_of(value).next().is_none() && within(value.span());
            whole || within(key.span()) || values_of(value).iter().any(|one| within(one.span()))
        });
        found.map(|(key, _)| key.get_ref().to_string())
    })
}

fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn section_of(key: &str) -> Option<&str> {
    key.split_once('.').map(|(section, _)| section)
}

/// The keys of a section, or all of them.
fn known(section: &str) -> Vec<&'static str> {
    let all = KEYS.into_iter();
    all.filter(|key| section.is_empty() || section_of(key) == Some(section)).collect()
}

/// What may have been meant by an unknown key: the closest, at most two letters away, or the same
/// key of another section.
fn near(name: &str) -> Vec<&'static str> {
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let sections = KEYS.iter().filter_map(|key| section_of(key));
    let mut scored: Vec<_> = KEYS
        .into_iter()
        .chain(sections)
        .map(|key| if last(key) == last(name) { (1, key) } else { (distance(key, name), key) })
        .filter(|(score, _)| *score <= 2)
        .collect();
    scored.sort_unstable();
    scored.dedup();
    let best = scored.first().map(|(score, _)| *score);
    scored.into_iter().filter(|(score, _)| Some(*score) == best).map(|(_, key)| key).collect()
}

/// How many letters must be put in, taken out or replaced to make one out of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("mode", "mode", 0),
            ("mdoe", "mode", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (letters, letters), "{a} {b}");
        }
    }

    #[test]
    fn what_was_meant() {
        for (typed, candidates) in [
            ("socket.pth", &["socket.path"][..]),
            ("socket.size", &["history.size", "window.size"]),
            ("size", &["history.size", "window.size"]),
            ("histroy", &["history"]),
            ("hots", &["host"]),
            ("windowsize", &["window.size"]),
            ("web", &[]),
        ] {
            assert_eq!(near(typed), candidates, "{typed}");
        }
    }
}

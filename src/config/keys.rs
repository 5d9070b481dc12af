//! The keys, and what an unknown one may have meant.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Problem, Wrong};

/// Every key, with its section.
pub const KEYS: [&str; 41] = [
    "host",
    "socket.path",
    "socket.mode",
    "socket.owner",
    "socket.group",
    "history.enabled",
    "history.dir",
    "history.size",
    "history.age",
    "history.sync",
    "window.size",
    "syslog.path",
    "tcp.listen",
    "tcp.cert",
    "tcp.key",
    "tcp.tokens",
    "web.listen",
    "web.cert",
    "web.key",
    "web.url",
    "web.mode",
    "web.owner",
    "web.group",
    "nats.url",
    "nats.credentials",
    "nats.token",
    "nats.user",
    "nats.password",
    "nats.ca",
    "nats.cert",
    "nats.key",
    "nats.stream",
    "nats.prefix",
    "nats.size",
    "nats.age",
    "nats.replicas",
    "nats.compress",
    "access.tag",
    "access.send",
    "access.tail",
    "access.host",
];

/// The section that may occur several times: `[[access]]`.
const LIST: &str = "access";

/// Checks the keys. `Err` holds the first unknown one, or a list section that is written as a single one.
pub(super) fn check(table: &DeTable<'_>) -> Result<(), Wrong> {
    let mut found = Vec::new();
    collect_unknown(table, "", &mut found);
    match found.into_iter().min_by_key(|wrong| wrong.span.start).or_else(|| not_a_list(table)) {
        Some(wrong) => Err(wrong),
        None => Ok(()),
    }
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

fn not_a_list(table: &DeTable<'_>) -> Option<Wrong> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == LIST)?;
    let single = matches!(value.get_ref(), DeValue::Table(_));
    single.then(|| Wrong { span: key.span(), problem: Problem::NotAList(LIST) })
}

/// The error of a problem: finds its line and its key. Without `table` (broken TOML) the key is empty.
pub(super) fn locate(
    wrong: Wrong,
    path: &Path,
    text: &str,
    table: Option<&DeTable<'_>>,
) -> ConfigError {
    let at = wrong.span.start.min(text.len());
    let line = 1 + text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
    let key = table.and_then(|table| key_at(table, at)).unwrap_or_default();
    ConfigError::Wrong { path: path.into(), line, key, problem: Box::new(wrong.problem) }
}

/// The key or section that contains the byte at `at`.
fn key_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    let within = |span: Range<usize>| (span.start..=span.end).contains(&at);
    let inner = table.iter().find_map(|(key, value)| {
        let found = tables_of(value).find_map(|inner| key_at(inner, at))?;
        Some(dotted(key.get_ref(), &found))
    });
    inner.or_else(|| {
        let mut entries = table.iter();
        let found = entries.find(|(key, value)| {
            // The span of a list of sections includes what is between them.
            let whole = tables_of(value).next().is_none() && within(value.span());
            whole || within(key.span()) || values_of(value).iter().any(|one| within(one.span()))
        });
        found.map(|(key, _)| key.get_ref().to_string())
    })
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

fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

fn section_of(key: &str) -> Option<&str> {
    key.split_once('.').map(|(section, _)| section)
}

/// The keys of a section, or all keys.
fn known(section: &str) -> Vec<&'static str> {
    let all = KEYS.into_iter();
    all.filter(|key| section.is_empty() || section_of(key) == Some(section)).collect()
}

/// The keys that an unknown one may have meant: the closest, at a distance of at most 2, or the same key in
/// another section.
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

/// The Levenshtein distance: inserted, removed and replaced characters.
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
    fn suggests_near_keys() {
        for (typed, candidates) in [
            ("socket.pth", &["socket.path"][..]),
            ("socket.size", &["history.size", "nats.size", "window.size"]),
            ("size", &["history.size", "nats.size", "window.size"]),
            ("histroy", &["history"]),
            ("hots", &["host", "nats"]),
            ("windowsize", &["window.size"]),
            ("wbe", &["web"]),
            ("kafka", &[]),
        ] {
            assert_eq!(near(typed), candidates, "{typed}");
        }
    }
}

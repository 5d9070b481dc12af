//! `pulsed status`: what a running agent says about itself, for people or for programs.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::Exit;
use crate::client::{Address, ClientError, Connection, OpenError, Where};
use crate::render::escape;
use crate::wire::{Answer, Code};

/// How long each wait for the agent may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum StatusError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent says no.
    #[error("the agent refuses: {why}")]
    Refused { code: Code, why: String },
    /// The agent ended, or takes nobody in.
    #[error("the agent at {0} closed the connection")]
    Closed(Where),
    /// What answers is no agent, or one of another version.
    #[error("the agent's answer is not one JSON object; is it of the same version?")]
    Strange,
}

impl StatusError {
    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Open(error) => error.code().into(),
            Self::Client(error) => error.code().into(),
            Self::Refused { code, .. } => (*code).into(),
            Self::Closed(_) => Exit::Unavailable,
            Self::Strange => Exit::Data,
        }
    }
}

/// Asks the agent that listens there, or else the one that clients would find. Returns its JSON
/// object.
pub(super) fn ask(socket: Option<&Path>) -> Result<String, StatusError> {
    let address = Address::Local(socket.map(Path::to_owned));
    let mut agent = Connection::open(&address, TIMEOUT)?;
    agent.write(b"STATS\n")?;
    match agent.answer()? {
        Some(Answer::Line(json)) => Ok(json.to_owned()),
        Some(Answer::Err { code, why }) => Err(StatusError::Refused { code, why: why.into() }),
        Some(_) => Err(StatusError::Strange),
        None => Err(StatusError::Closed(agent.at().clone())),
    }
}

/// The object as indented lines, a key and its value each, in the agent's order.
pub(super) fn readable(json: &str) -> Result<String, StatusError> {
    match serde_json::from_str(json) {
        Ok(Shown::Group(entries)) => {
            let mut text = String::new();
            show(&entries, 0, &mut text);
            text.truncate(text.trim_end().len());
            Ok(text)
        }
        _ => Err(StatusError::Strange),
    }
}

/// JSON as far as it matters here: a text, or names with what they hold. Unlike `serde_json::Value`
/// it keeps the order.
enum Shown {
    Text(String),
    Group(Vec<(String, Self)>),
}

fn show(entries: &[(String, Shown)], depth: usize, text: &mut String) {
    let names = entries.iter().filter(|(_, shown)| matches!(shown, Shown::Text(_)));
    let width = names.map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, shown) in entries {
        let indent = "  ".repeat(depth);
        let name = escape(name);
        match shown {
            Shown::Text(value) => {
                let value = if name.ends_with("bytes") { size(value) } else { value.clone() };
                *text += &format!("{indent}{name:width$}  {}\n", escape(&value));
            }
            Shown::Group(inner) => {
                *text += &format!("{indent}{name}\n");
                show(inner, depth + 1, text);
            }
        }
    }
}

/// A number of bytes as people take it in: `1.5 GiB`. What is no number stays as it is.
fn size(value: &str) -> String {
    let Ok(bytes) = value.parse::<u64>() else { return value.into() };
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Shown;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Shown, E> {
        Ok(Shown::Text(if is { "yes" } else { "no" }.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Shown, E> {
        Ok(Shown::Text(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Shown, E> {
        Ok(Shown::Text(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Shown, E> {
        Ok(Shown::Text(number.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shown, E> {
        Ok(Shown::Text(text.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Shown, E> {
        Ok(Shown::Text("-".into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shown, A::Error> {
        let mut entries = Vec::new();
        while let Some(shown) = seq.next_element()? {
            entries.push((format!("{}.", entries.len() + 1), shown));
        }
        Ok(Shown::Group(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shown, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Shown::Group(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_becomes_lines_in_its_order() {
        let json = r#"{"version":"0.1.0","uptime":12.5,"history":{"stored":true,"dir":"/x"},
            "hosts":["a"],"lost":null,"bad":"\u001b[2J"}"#;
        let expected = "\
version  0.1.0
uptime   12.5
history
  stored  yes
  dir     /x
hosts
  1.  a
lost     -
bad      \\x1b[2J";
        assert_eq!(readable(json).expect("an object"), expected);
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [
            ("0", "0 B"),
            ("1023", "1023 B"),
            ("1536", "1.5 KiB"),
            ("1073741824", "1.0 GiB"),
            ("-", "-"),
        ] {
            let json = format!("{{\"window_bytes\":\"{bytes}\"}}");
            assert_eq!(readable(&json).expect("an object"), format!("window_bytes  {shown}"));
        }
    }

    #[test]
    fn anything_else_is_strange() {
        for json in ["", "1", "[", "{}{}", "\"x\""] {
            assert!(readable(json).is_err(), "{json}");
        }
    }
}

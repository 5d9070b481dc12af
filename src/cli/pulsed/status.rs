//! `pulsed status`: the STATS of a running agent, as text or as JSON.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::Exit;
use crate::client::{Address, ClientError, Connection, OpenError, Where};
use crate::render::escape;
use crate::wire::{Answer, Code};

/// The timeout of each wait for the agent.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub(super) enum StatusError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent refused STATS.
    #[error("refused: {at}: {why}")]
    Refused { at: Where, code: Code, why: String },
    /// The agent ended, or accepts no connections.
    #[error("no answer: {0}: the agent closed the connection")]
    Closed(Where),
    /// The peer is not an agent, or has another version.
    #[error("bad answer: not a JSON object: is the agent of the same version?")]
    NotAnObject,
}

impl StatusError {
    /// The exit status of the command.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Open(error) => error.code().into(),
            Self::Client(error) => error.code().into(),
            Self::Refused { code, .. } => (*code).into(),
            Self::Closed(_) => Exit::Unavailable,
            Self::NotAnObject => Exit::Data,
        }
    }
}

/// Sends STATS to the agent at `socket`, or else to the one that clients find. Returns its JSON object.
pub(super) fn fetch(socket: Option<&Path>) -> Result<String, StatusError> {
    let address = Address::Local(socket.map(Path::to_owned));
    let mut agent = Connection::open(&address, TIMEOUT)?;
    agent.write(b"STATS\n")?;
    match agent.answer()? {
        Some(Answer::Line(json)) => Ok(json.to_owned()),
        Some(Answer::Err { code, why }) => {
            let why = why.to_owned();
            Err(StatusError::Refused { at: agent.at().clone(), code, why })
        }
        Some(_) => Err(StatusError::NotAnObject),
        None => Err(StatusError::Closed(agent.at().clone())),
    }
}

/// Formats the object as indented lines, a key and its value each, in the agent's order.
pub(super) fn readable(json: &str) -> Result<String, StatusError> {
    match serde_json::from_str(json) {
        Ok(Shown::Group(entries)) => {
            let mut text = String::new();
            show(&entries, 0, &mut text);
            text.truncate(text.trim_end().len());
            Ok(text)
        }
        _ => Err(StatusError::NotAnObject),
    }
}

/// A JSON value: a scalar as text, or an object or array with named entries. Unlike
/// `serde_json::Value` it keeps their order.
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

/// Formats a number of bytes: `1.5 GiB`. A text that is not a number is unchanged.
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
    fn formats_an_object_in_its_order() {
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
    fn formats_sizes() {
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
    fn rejects_anything_else() {
        for json in ["", "1", "[", "{}{}", "\"x\""] {
            assert!(readable(json).is_err(), "{json}");
        }
    }
}

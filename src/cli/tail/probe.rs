//! Short requests besides the main one: the newest cursor, where the agent started, and whether its events have a
//! key.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::TailError;
use super::report::report;
use crate::client::{Address, Connection};
use crate::event::{Cursor, EventLine, Line, Why};
use crate::filter::KeyName;
use crate::wire::{self, Answer, Tail};

/// The timeout of connecting, and of the answer to PING.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The longest silence of an agent that reads existing events. While following there is no limit.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The number of events that a hint about a field looks at.
pub const HINT_EVENTS: u64 = 1000;

/// The most names of fields in a hint.
const NAMES_SHOWN: usize = 8;

/// A term that no event matches, so that only gaps are sent: a duration is never negative.
const NO_EVENT: &str = "took<0";

/// The position of the last start of the agent. `None` if the log does not contain it any more.
///
/// # Errors
/// [`TailError`]
pub(super) fn last_start(agent: &Address) -> Result<Option<Cursor>, TailError> {
    let matching = Some(NO_EVENT.to_owned());
    let request = Tail { matching, reverse: true, ..Tail::default() };
    let mut start = None;
    let log = read(agent, &request, |line| {
        if let Line::Gap(gap) = line
            && gap.gap.why == Why::Restart
        {
            start = Some(line.last_seq());
        }
        start.is_none()
    })?
    .log;
    Ok(start.map(|seq| Cursor { log, seq }))
}

/// Reports the keys that none of the last events has: a MATCH that names one of them matches nothing. Any
/// trouble with the agent is left to the main request.
pub(super) fn hint(agent: &Address, needed: &[KeyName]) {
    if needed.is_empty() {
        return;
    }
    let request = Tail { lines: Some(HINT_EVENTS), ..Tail::default() };
    let (mut absent, mut names) = (needed.to_vec(), BTreeSet::new());
    let looked = read(agent, &request, |line| {
        if let Line::Event(event) = line {
            look(event, &mut absent, &mut names);
        }
        !absent.is_empty()
    });
    if looked.is_ok() {
        absent.iter().for_each(|name| report(text(name, &names)));
    }
}

fn look(event: &EventLine<'_>, absent: &mut Vec<KeyName>, names: &mut BTreeSet<String>) {
    absent.retain(|name| name.value(event).is_none());
    for (name, _) in event.fields() {
        if names.len() < NAMES_SHOWN && !names.contains(name) {
            names.insert(name.to_owned());
        }
    }
}

fn text(absent: &KeyName, names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let has = if names.is_empty() { "none".into() } else { names.join(" ") };
    format!("none of the last {HINT_EVENTS} events has {absent}; their fields: {has}")
}

/// Requests the newest cursor of the agent's log.
pub(super) fn ping(connection: &mut Connection) -> Result<Cursor, TailError> {
    match connection.request(b"PING\n")? {
        Answer::Ok(rest) => rest.parse().map_err(|_| TailError::not_an_agent(rest)),
        Answer::Err { code, why } => Err(TailError::Refused { code, why: why.into() }),
        Answer::Text(text) | Answer::Line(text) => Err(TailError::not_an_agent(text)),
        Answer::At(cursor) => Err(TailError::not_an_agent(&cursor.to_string())),
    }
}

/// Reads lines while `wanted` returns `true`. Returns the newest cursor of the log.
fn read(
    agent: &Address,
    request: &Tail,
    mut wanted: impl FnMut(&Line<'_>) -> bool,
) -> Result<Cursor, TailError> {
    let mut connection = Connection::open(agent, ANSWER_WAIT)?;
    let newest = ping(&mut connection)?;
    let mut bytes = Vec::new();
    wire::encode_tail(request, &mut bytes);
    connection.write(&bytes)?;
    connection.set_timeout(Some(SILENCE_MAX))?;
    loop {
        match connection.answer()? {
            Some(Answer::Line(text)) => {
                if Line::parse(text).is_some_and(|line| !wanted(&line)) {
                    return Ok(newest);
                }
            }
            Some(Answer::At(_)) => {}
            Some(Answer::Ok(_)) => return Ok(newest),
            Some(Answer::Err { code, why }) => {
                return Err(TailError::Refused { code, why: why.into() });
            }
            Some(Answer::Text(text)) => return Err(TailError::not_an_agent(text)),
            None => return Err(connection.closed().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_fields_that_there_are() {
        let line = concat!(
            r#"{"seq":1,"time":"2026-11-22T17:32:05.123456Z","host":"h","tag":"t","#,
            r#""level":"info","msg":"m","fields":{"user":"anna","rows":3}}"#
        );
        let Some(Line::Event(event)) = Line::parse(line) else { panic!("an event") };
        let key = |name| KeyName::parse(name).expect("a key");
        let (mut absent, mut names) = (vec![key("usr"), key("user")], BTreeSet::new());
        look(&event, &mut absent, &mut names);
        assert_eq!(absent, [key("usr")]);
        let hint = text(&absent[0], &names);
        assert!(hint.ends_with("has usr; their fields: rows user"), "{hint}");
        assert!(text(&absent[0], &BTreeSet::new()).ends_with("their fields: none"));
    }
}

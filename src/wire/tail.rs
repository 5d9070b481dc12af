//! The object of `TAIL {…}`.

use serde::Deserialize;

use super::{Code, Rate, Refused, Tail};
use crate::event::{Cursor, Timestamp};

/// The keys of the object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    host: Option<String>,
    after: Option<String>,
    lines: Option<u64>,
    since: Option<String>,
    until: Option<String>,
    #[serde(rename = "match")]
    matching: Option<String>,
    #[serde(default)]
    reverse: bool,
    #[serde(default)]
    follow: bool,
    rate: Option<Rate>,
}

/// Parses the object of a TAIL.
pub(super) fn tail(text: &str) -> Result<Tail, Refused> {
    let keys: Keys = serde_json::from_str(text).map_err(|e| refuse(format!("TAIL: {e}")))?;
    let time = |name: &str, text: Option<String>| {
        let parse = |text: String| text.parse::<Timestamp>();
        text.map(parse).transpose().map_err(|e| refuse(format!("TAIL: {name}: {e}")))
    };
    let after = keys.after.map(|text| text.parse::<Cursor>()).transpose();
    let tail = Tail {
        host: keys.host,
        after: after.map_err(|e| refuse(format!("TAIL: after: {e}")))?,
        before: None,
        lines: keys.lines,
        since: time("since", keys.since)?,
        until: time("until", keys.until)?,
        matching: keys.matching,
        reverse: keys.reverse,
        follow: keys.follow,
        rate: keys.rate,
    };
    tail.check()?;
    Ok(tail)
}

impl Tail {
    /// Checks that the keys can be combined.
    ///
    /// # Errors
    /// Which of them cannot.
    pub fn check(&self) -> Result<(), Refused> {
        if self.follow && (self.reverse || self.until.is_some()) {
            let with = if self.reverse { "reverse" } else { "until" };
            return Err(refuse(format!(
                "TAIL: follow does not end, so it cannot be combined with {with}"
            )));
        }
        if self.follow && self.before.is_some() {
            return Err(refuse(
                "TAIL: follow does not end, so it cannot be combined with before".into(),
            ));
        }
        if self.host.is_some() && self.reverse {
            return Err(refuse("TAIL: the stream of all hosts cannot be read in reverse".into()));
        }
        if self.rate.is_some() && !self.follow {
            return Err(refuse("TAIL: rate is for follow only".into()));
        }
        Ok(())
    }
}

fn refuse(why: String) -> Refused {
    Refused { code: Code::Usage, why, event: false }
}

//! The object of `VIEW {…}`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::quote::quote;
use super::{Code, Refused};

/// The shortest interval between snapshots.
pub const EVERY_MIN: Duration = Duration::from_millis(200);

/// The longest interval between snapshots.
pub const EVERY_MAX: Duration = Duration::from_secs(60);

/// The interval if the client sets none.
pub const EVERY_DEFAULT: Duration = Duration::from_secs(1);

/// A request for snapshots of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which view.
    pub name: RequestedView,
    /// The text of a MATCH, not parsed yet: the view covers the events that match.
    pub matching: Option<String>,
    /// The interval between snapshots, from [`EVERY_MIN`] to [`EVERY_MAX`].
    pub every: Duration,
}

/// The name of a view in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedView {
    /// `users`.
    Users,
    /// `queries`.
    Queries,
    /// `running`.
    Running,
    /// `rates`.
    Rates,
}

impl RequestedView {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Users, Self::Queries, Self::Running, Self::Rates];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Queries => "queries",
            Self::Running => "running",
            Self::Rates => "rates",
        }
    }
}

impl fmt::Display for RequestedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RequestedView {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|view| view.name() == text).ok_or(())
    }
}

/// The keys of the object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: String,
    #[serde(rename = "match")]
    matching: Option<String>,
    every: Option<f64>,
}

/// Parses the object of a VIEW.
pub(super) fn view(text: &str) -> Result<View, Refused> {
    if text.is_empty() {
        return Err(refuse(format!("VIEW needs an object: VIEW {{\"name\":\"{}\"}}", names("|"))));
    }
    let keys: Keys = serde_json::from_str(text).map_err(|e| refuse(format!("VIEW: {e}")))?;
    let name = keys.name.parse().map_err(|()| {
        let name = quote(&keys.name);
        refuse(format!("VIEW: name: unknown view {name}: use {}", names(", ")))
    })?;
    let every = view_interval(keys.every).map_err(|bad| refuse(format!("VIEW: {bad}")))?;
    Ok(View { name, matching: keys.matching, every })
}

/// Checks an interval between snapshots, in seconds. `None` is [`EVERY_DEFAULT`].
///
/// # Errors
/// [`BadInterval`].
pub fn view_interval(seconds: Option<f64>) -> Result<Duration, BadInterval> {
    let Some(seconds) = seconds else { return Ok(EVERY_DEFAULT) };
    let every = Duration::try_from_secs_f64(seconds).ok();
    every.filter(|every| (EVERY_MIN..=EVERY_MAX).contains(every)).ok_or(BadInterval)
}

/// An interval that is not from [`EVERY_MIN`] to [`EVERY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every: use a number of seconds from {} to {}", EVERY_MIN.as_secs_f64(), EVERY_MAX.as_secs_f64())]
pub struct BadInterval;

fn names(separator: &str) -> String {
    RequestedView::ALL.map(RequestedView::name).join(separator)
}

fn refuse(why: String) -> Refused {
    Refused { code: Code::Usage, why, event: false }
}

/// Appends a `VIEW {…}`.
pub fn encode_view(view: &View, out: &mut Vec<u8>) {
    let mut keys = json!({ "name": view.name.name(), "every": view.every.as_secs_f64() });
    if let Some(matching) = &view.matching {
        keys["match"] = json!(matching);
    }
    out.extend_from_slice(format!("VIEW {keys}\n").as_bytes());
}

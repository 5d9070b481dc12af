//! `[history]`: the events on disk.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::checks::{PATH_MAX, path, size, within};
use super::error::{Fault, Problem, Wrong};
use super::machine::Machine;
use super::value::{Period, Size, SyncWord};

/// The smallest history, in bytes.
pub const HISTORY_MIN: u64 = 1 << 20;
/// The largest history, in bytes.
pub const HISTORY_MAX: u64 = 1024 << 40;
/// The shortest retention time.
pub const AGE_MIN: Duration = Duration::from_secs(1);
/// The longest retention time: about ten years.
pub const AGE_MAX: Duration = Duration::from_secs(3660 * 86_400);
/// The shortest time between two fsyncs.
pub const SYNC_MIN: Duration = Duration::from_millis(10);
/// The longest time that an event may stay unsynced.
pub const SYNC_MAX: Duration = Duration::from_secs(3600);

const DEFAULT_SIZE: u64 = 1 << 30;
const DEFAULT_AGE: Duration = Duration::from_secs(7 * 86_400);
const DEFAULT_SYNC: SyncSetting = SyncSetting::Within(Duration::from_secs(1));

/// The section, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The directory of the segments: absolute, at most [`PATH_MAX`] bytes.
    pub dir: PathBuf,
    /// The retained size, in bytes.
    pub size: u64,
    /// The retention time.
    pub age: Duration,
    /// When written events are fsynced.
    pub sync: SyncSetting,
}

/// `history.sync`: what a power cut may lose, against what the disk must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncSetting {
    /// Nothing that was acknowledged: fsync(2) before every OK.
    Always,
    /// At most the events of this duration.
    Within(Duration),
    /// Whatever the kernel has not written yet.
    Never,
}

/// The section as typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section: [history]")]
pub(super) struct RawHistory {
    enabled: Option<bool>,
    dir: Option<Spanned<String>>,
    size: Option<Spanned<Size>>,
    age: Option<Spanned<Period>>,
    sync: Option<Spanned<SyncWord>>,
}

impl RawHistory {
    /// The directory: the one typed, else the default. `None` if there is no default.
    pub(super) fn dir(&self, machine: &Machine) -> Option<PathBuf> {
        let typed = self.dir.as_ref().map(|dir| PathBuf::from(dir.get_ref()));
        typed.or_else(|| machine.state.clone())
    }

    /// Checks the section. `None` if it is disabled: then its values are checked too, but it needs no
    /// directory.
    pub(super) fn check(self, machine: &Machine) -> Result<Option<History>, Fault> {
        let enabled = self.enabled.unwrap_or(true);
        let default = match &machine.state {
            Some(dir) => Ok(dir.clone()),
            None if !enabled => Ok(PathBuf::from("/")),
            None => Err(Problem::NoHome),
        };
        let history = History {
            dir: path("history.dir", self.dir, default, PATH_MAX)?,
            size: size(self.size, DEFAULT_SIZE, HISTORY_MIN, HISTORY_MAX)?,
            age: match self.age {
                None => DEFAULT_AGE,
                Some(age) => within(age, Period(AGE_MIN), Period(AGE_MAX))?.0,
            },
            sync: sync(self.sync)?,
        };
        Ok(enabled.then_some(history))
    }
}

fn sync(typed: Option<Spanned<SyncWord>>) -> Result<SyncSetting, Wrong> {
    let Some(typed) = typed else { return Ok(DEFAULT_SYNC) };
    let span = typed.span();
    Ok(match typed.into_inner() {
        SyncWord::Always => SyncSetting::Always,
        SyncWord::Never => SyncSetting::Never,
        SyncWord::Within(period) => {
            let (min, max) = (Period(SYNC_MIN), Period(SYNC_MAX));
            SyncSetting::Within(within(Spanned::new(span, period), min, max)?.0)
        }
    })
}

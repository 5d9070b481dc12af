//! The local time zone.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

/// The zones of tzset(3), unless `$TZDIR` is set.
const ZONES: &str = "/usr/share/zoneinfo";

/// The zone of this machine.
const LOCAL: &str = "/etc/localtime";

/// The time zone of this process: `$TZ` as tzset(3) reads it, else that of the machine, else UTC.
///
/// Not jiff's `TimeZone::system`, which searches all zones for the name of this one: 5 ms instead of 20 µs.
pub fn local() -> TimeZone {
    let dir = std::env::var_os("TZDIR").map_or_else(|| PathBuf::from(ZONES), PathBuf::from);
    match std::env::var("TZ") {
        Ok(named) => named_zone(&named, &dir),
        Err(_) => file(Path::new(LOCAL)),
    }
    .unwrap_or(TimeZone::UTC)
}

/// A path, the name of a file in `dir`, or a POSIX rule.
fn named_zone(named: &str, dir: &Path) -> Option<TimeZone> {
    let name = named.strip_prefix(':').unwrap_or(named);
    // An absolute path replaces the directory.
    let from_file = || file(&dir.join(name)).filter(|_| !name.is_empty());
    from_file().or_else(|| TimeZone::posix(name).ok())
}

fn file(path: &Path) -> Option<TimeZone> {
    TimeZone::tzif("Local", &std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_rules_and_rejects_unknown_names() {
        let nowhere = Path::new("/nonexistent");
        let offset = |named: &str| {
            let zone = named_zone(named, nowhere)?;
            Some(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds())
        };
        assert_eq!(offset("CET-1CEST,M3.5.0,M10.5.0/3"), Some(3600));
        assert_eq!(offset(":EST5"), Some(-5 * 3600));
        for none in ["", "Nowhere/City", ":"] {
            assert_eq!(offset(none), None, "{none:?}");
        }
    }
}

//! What the keys of an object mean: ours, and those of other loggers.

use std::borrow::Cow;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The message.
    Msg,
    /// The level, by name or by a number of syslog.
    Level,
    /// The level, by a number of OpenTelemetry.
    Severity,
    /// The tag.
    Tag,
    /// The time by the sender's clock.
    Time,
}

/// A value that has a meaning.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// A lower one wins.
    pub(super) rank: u8,
    pub(super) path: Cow<'a, str>,
    pub(super) raw: &'a str,
}

/// What keys mean, also those of nested objects joined by dots, and their ranks: of two keys with the same meaning, the
/// one with the lower rank wins, and the other is a field.
const ROLES: [(&str, Role, u8); 52] = [
    ("msg", Role::Msg, 0),
    ("message", Role::Msg, 1),
    // journald; GELF; Serilog; OpenTelemetry; structlog; the json-file driver of Docker.
    ("MESSAGE", Role::Msg, 2),
    ("short_message", Role::Msg, 2),
    ("@m", Role::Msg, 2),
    ("body", Role::Msg, 3),
    ("Body", Role::Msg, 3),
    ("body.stringValue", Role::Msg, 3),
    ("Message", Role::Msg, 3),
    ("@mt", Role::Msg, 4),
    ("event", Role::Msg, 5),
    ("log", Role::Msg, 6),
    ("level", Role::Level, 0),
    ("severity", Role::Level, 1),
    ("log.level", Role::Level, 1),
    ("levelname", Role::Level, 1),
    ("severityText", Role::Level, 1),
    ("SeverityText", Role::Level, 1),
    ("severity_text", Role::Level, 1),
    ("PRIORITY", Role::Level, 1),
    ("@l", Role::Level, 1),
    ("level_name", Role::Level, 2),
    ("lvl", Role::Level, 2),
    ("loglevel", Role::Level, 2),
    ("logLevel", Role::Level, 2),
    ("LogLevel", Role::Level, 2),
    ("Level", Role::Level, 2),
    ("severityNumber", Role::Severity, 3),
    ("SeverityNumber", Role::Severity, 3),
    ("severity_number", Role::Severity, 3),
    ("tag", Role::Tag, 0),
    ("logger", Role::Tag, 1),
    ("log.logger", Role::Tag, 1),
    ("logger_name", Role::Tag, 1),
    ("loggerName", Role::Tag, 1),
    ("SYSLOG_IDENTIFIER", Role::Tag, 1),
    ("service.name", Role::Tag, 2),
    ("resource.service.name", Role::Tag, 2),
    ("Resource.service.name", Role::Tag, 2),
    ("time", Role::Time, 0),
    ("ts", Role::Time, 1),
    ("timestamp", Role::Time, 1),
    ("@timestamp", Role::Time, 1),
    ("datetime", Role::Time, 1),
    ("datetime.date", Role::Time, 1),
    ("asctime", Role::Time, 1),
    ("@t", Role::Time, 1),
    ("Timestamp", Role::Time, 1),
    ("timeMillis", Role::Time, 1),
    ("__REALTIME_TIMESTAMP", Role::Time, 1),
    ("timeUnixNano", Role::Time, 1),
    ("instant.epochSecond", Role::Time, 1),
];

/// The meaning of a key and its rank. `None` for a field.
pub(super) fn role(path: &str) -> Option<(Role, u8)> {
    if !may_mean(path) {
        return None;
    }
    ROLES.iter().find(|(key, ..)| *key == path).map(|(_, role, rank)| (*role, *rank))
}

/// `false` for most keys that are fields and nothing else, wherever they stand in an object.
#[inline]
pub(super) fn may_mean(key: &str) -> bool {
    let Some(first) = key.as_bytes().first() else { return false };
    LENGTHS[usize::from(*first) % LETTERS] >> key.len().min(LENGTH_MAX) & 1 != 0
}

/// How many first bytes are told apart.
const LETTERS: usize = 32;

/// Keys of this length and above are told apart only by their first byte.
const LENGTH_MAX: usize = 31;

/// For each first byte, bit N is set if a key with a meaning has N bytes.
static LENGTHS: [u32; LETTERS] = {
    let mut lengths = [0; LETTERS];
    let mut at = 0;
    while at < ROLES.len() {
        note_length(&mut lengths, ROLES[at].0);
        at += 1;
    }
    at = 0;
    while at < CLAIMS.len() {
        note_length(&mut lengths, CLAIMS[at]);
        at += 1;
    }
    at = 0;
    while at < OTHERS.len() {
        note_length(&mut lengths, OTHERS[at]);
        at += 1;
    }
    lengths
};

const fn note_length(lengths: &mut [u32; LETTERS], key: &str) {
    let len = if key.len() < LENGTH_MAX { key.len() } else { LENGTH_MAX };
    lengths[key.as_bytes()[0] as usize % LETTERS] |= 1 << len;
}

/// Keys that are read without a role, or that may be the tag.
const OTHERS: [&str; 5] = ["fields", "run", "took", "name", "channel"];

/// `true` if the value of this message key may be something other than a string.
pub(super) fn is_any_message(path: &str) -> bool {
    matches!(path, "msg" | "message" | "MESSAGE")
}

/// What only the agent says.
const CLAIMS: [&str; 8] = ["seq", "host", "origin", "gap", "conn", "abandoned", "repaired", "sent"];

/// `true` for what only the agent says. In an object, these keys become fields.
pub(super) fn is_claim(key: &str) -> bool {
    CLAIMS.contains(&key)
}

/// Which logger wrote an object, as far as its keys and values tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// The level is a number.
    pub(super) level_number: Option<u16>,
    /// The level is a name in upper case.
    pub(super) level_upper: bool,
    /// The time is a number.
    pub(super) time_number: bool,
    pid: bool,
    hostname: bool,
    version: bool,
    ts: bool,
    time: bool,
    msg: bool,
    message: bool,
    monolog: bool,
    python: bool,
}

impl Shape {
    /// Notes a key of the outermost object.
    pub(super) fn note(&mut self, key: &str) {
        match key {
            "pid" => self.pid = true,
            "hostname" => self.hostname = true,
            "v" => self.version = true,
            "ts" => self.ts = true,
            "time" => self.time = true,
            "msg" => self.msg = true,
            "message" => self.message = true,
            "level_name" | "datetime" | "context" => self.monolog = true,
            "levelname" | "asctime" | "funcName" | "lineno" => self.python = true,
            _ => {}
        }
    }

    /// pino or bunyan: a level from 10 to 60, with a numeric time or a version; or a process and a host,
    /// also with another level.
    pub(super) fn is_pino(&self) -> bool {
        let level = self.level_number.is_none_or(|number| (10..=60).contains(&number));
        let numbered = level && self.level_number.is_some();
        level && self.pid && self.hostname || numbered && (self.time_number || self.version)
    }

    pub(super) fn is_monolog(&self) -> bool {
        self.monolog && self.level_number.is_none_or(|number| (100..=600).contains(&number))
    }

    /// `true` if `name` is the name of the logger.
    pub(super) fn names_logger(&self) -> bool {
        self.is_pino() || self.python
    }

    /// `true` if `channel` is the name of the logger.
    pub(super) fn has_channel(&self) -> bool {
        self.is_monolog()
    }

    /// The unit of a duration that names none, as a power of ten of a second. `None` if it is unknown.
    /// slog writes nanoseconds, pino and zerolog milliseconds, zap seconds.
    pub(super) fn unit(&self, whole: bool) -> Option<i8> {
        if self.is_pino() {
            return Some(-3);
        }
        if self.level_number.is_some() {
            return None;
        }
        if self.level_upper && self.time && self.msg && !self.time_number {
            return whole.then_some(-9);
        }
        if self.ts && self.msg {
            return Some(0);
        }
        (self.time && self.message && !self.level_upper).then_some(-3)
    }
}

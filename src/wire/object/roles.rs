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

/// The meaning of a key, or of the keys of nested objects joined by dots, and its rank: of two keys with
/// the same meaning, the one with the lower rank wins, and the other is a field.
pub(super) fn role(path: &str) -> Option<(Role, u8)> {
    Some(match path {
        "msg" => (Role::Msg, 0),
        "message" => (Role::Msg, 1),
        // journald; GELF; Serilog; OpenTelemetry; structlog; the json-file driver of Docker.
        "MESSAGE" | "short_message" | "@m" => (Role::Msg, 2),
        "body" | "Body" | "body.stringValue" | "Message" => (Role::Msg, 3),
        "@mt" => (Role::Msg, 4),
        "event" => (Role::Msg, 5),
        "log" => (Role::Msg, 6),
        "level" => (Role::Level, 0),
        "severity" | "log.level" | "levelname" | "severityText" | "SeverityText"
        | "severity_text" | "PRIORITY" | "@l" => (Role::Level, 1),
        "level_name" | "lvl" | "loglevel" | "logLevel" | "LogLevel" | "Level" => (Role::Level, 2),
        "severityNumber" | "SeverityNumber" | "severity_number" => (Role::Severity, 3),
        "tag" => (Role::Tag, 0),
        "logger" | "log.logger" | "logger_name" | "loggerName" | "SYSLOG_IDENTIFIER" => {
            (Role::Tag, 1)
        }
        "service.name" | "resource.service.name" | "Resource.service.name" => (Role::Tag, 2),
        "time" => (Role::Time, 0),
        "ts"
        | "timestamp"
        | "@timestamp"
        | "datetime"
        | "datetime.date"
        | "asctime"
        | "@t"
        | "Timestamp"
        | "timeMillis"
        | "__REALTIME_TIMESTAMP"
        | "timeUnixNano"
        | "instant.epochSecond" => (Role::Time, 1),
        _ => return None,
    })
}

/// `true` if the value of this message key may be something other than a string.
pub(super) fn is_any_message(path: &str) -> bool {
    matches!(path, "msg" | "message" | "MESSAGE")
}

/// What only the agent says. In an object, these keys become fields.
pub(super) fn is_claim(key: &str) -> bool {
    matches!(key, "seq" | "host" | "origin" | "gap" | "conn" | "abandoned" | "repaired" | "sent")
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

//! What is wrong with a configuration: the file, the line, the key, and what was meant.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use super::tls::TlsKeys;
use crate::filter::BadGlob;
use crate::render::escape;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration: {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// A line of the file is wrong.
    #[error("{}:{line}: {}{problem}", path.display(), prefix(key))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its section; empty if there is none.
        key: String,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
    /// A default cannot be used on this machine.
    #[error("{key}: {problem}; set it in a file and name that with --config")]
    NoDefault {
        /// The key.
        key: &'static str,
        /// Why its default cannot be used.
        problem: Box<Problem>,
    },
}

/// `key: `, or nothing. Escaped, because a key in quotes may have any characters.
fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{}: ", escape(key)) }
}

/// What is wrong with a line of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// The key does not exist.
    #[error("unknown key{}", suggestion(near, known))]
    Unknown {
        /// Keys that may have been meant.
        near: Vec<&'static str>,
        /// The keys of its section, or all keys.
        known: Vec<&'static str>,
    },
    /// The value has the wrong type, or cannot be parsed.
    #[error("{0}")]
    Value(String),
    /// The value is too small or too large.
    #[error("{given} is out of bounds: from {min} to {max}")]
    Bounds {
        /// The value.
        given: String,
        /// The smallest allowed value.
        min: String,
        /// The largest allowed value.
        max: String,
    },
    /// It is not a host name.
    #[error("{name:?} is not a machine's name: 1 to {max} of A-Z a-z 0-9 _ . -")]
    Host {
        /// The text.
        name: String,
        /// The longest name, in bytes.
        max: usize,
    },
    /// The path is relative.
    #[error("{0:?} is not an absolute path: it must begin with /")]
    Relative(String),
    /// The path is too long for the system.
    #[error("the path has {len} bytes, of at most {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest path, in bytes.
        max: usize,
    },
    /// The path has a NUL byte.
    #[error("a path cannot have a NUL byte in it")]
    Nul,
    /// The user or group does not exist.
    #[error("there is no {kind} {name:?} on this machine")]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The user does not exist, and a group of that name does.
    #[error("there is no user {0:?} on this machine; for the group write \"@{0}\"")]
    GroupAsUser(String),
    /// The lookup of a user or group failed.
    #[error("cannot look up the {kind} {name:?}: {cause}")]
    Lookup {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// A list of sections was written as a single section.
    #[error("there may be several of these: write [[{0}]]")]
    NotAList(&'static str),
    /// A list has too many entries.
    #[error("more than {max} {what}")]
    TooMany {
        /// The kind of entry.
        what: &'static str,
        /// The largest allowed number.
        max: usize,
    },
    /// It is not a pattern of tags.
    #[error("{text:?} is not a pattern of tags: {cause}")]
    Glob {
        /// The text.
        text: String,
        /// What is wrong with it.
        cause: BadGlob,
    },
    /// It cannot be the name of a user or a group.
    #[error(
        "{0:?} is not a user or a group: write \"*\" for any local user, \"name\" for a user, \
         \"@name\" for a group"
    )]
    Subject(String),
    /// It is not a socket address.
    #[error("{0:?} is not an address and a port, such as \"127.0.0.1:7465\" or \"[::]:7465\"")]
    Listen(String),
    /// Tokens would be sent over a network without TLS.
    #[error(
        "{address} is not a loopback address: without TLS, tokens and events could be read on the network; \
         set {} and {}, or listen on 127.0.0.1", keys.cert, keys.key
    )]
    NoTls {
        /// The address.
        address: SocketAddr,
        /// The keys to set.
        keys: TlsKeys,
    },
    /// Only one of two files is set.
    #[error("{} and {} go together: {missing} is missing", keys.cert, keys.key)]
    Half {
        /// The keys.
        keys: TlsKeys,
        /// The one that is missing.
        missing: &'static str,
    },
    /// It is not a place for the monitor to listen on.
    #[error(
        "{0:?} is not an address and a port, such as \"127.0.0.1:7464\", nor \"unix:/PATH\"; false disables \
         the monitor"
    )]
    WebListen(String),
    /// It is not the URL of a site.
    #[error(
        "{0:?} is not the URL of the monitor, such as \"https://web1.example/pulse/\": http or https, a host, \
         and a path without ? and #"
    )]
    Url(String),
    /// The key is for another kind of listener.
    #[error("only for a Unix socket: web.listen = \"unix:/PATH\"")]
    NotUnix,
    /// Nothing says where the proxy's clients find the monitor.
    #[error("behind a proxy, web.url is needed too: the URL in the browser")]
    NoUrl,
    /// A Unix socket has no TLS.
    #[error("a Unix socket has no TLS: the proxy in front of it has")]
    UnixTls,
    /// It is not the URL of an engine.
    #[error(
        "{0:?} is not the URL of a NATS server, such as \"tls://nats.example:4222\": nats or tls, a host and a port, and \
         neither user nor password, which have keys of their own"
    )]
    NatsUrl(String),
    /// Events and secrets would be sent over a network without TLS.
    #[error(
        "{0:?} is not on this machine: without TLS, secrets and events could be read on the network; write tls:// \
         instead of nats://, or connect to a leaf node on this machine"
    )]
    NatsPlain(String),
    /// It cannot be the name of a stream or a part of a subject.
    #[error(
        "{text:?} is not a name: 1 to {max} of A-Z a-z 0-9 _ -, in a prefix also . between them"
    )]
    NatsName {
        /// The text.
        text: String,
        /// The longest name, in bytes.
        max: usize,
    },
    /// Two ways to authenticate are set.
    #[error("set only one of nats.credentials, nats.token and nats.user")]
    NatsLogins,
    /// Only one of two keys is set.
    #[error("nats.user, a name, and nats.password, a file, go together")]
    NatsUser,
    /// A rule with a host is about the stream of all hosts, to which only agents send.
    #[error("a rule with host is for following all hosts, and cannot have send")]
    SendOfHost,
    /// This user has no directory for sockets.
    #[error("$XDG_RUNTIME_DIR is not set, and this user has no directory in /run/user")]
    NoRuntimeDir,
    /// This user has no home directory.
    #[error("this user has no home directory")]
    NoHome,
}

fn suggestion(near: &[&str], known: &[&str]) -> String {
    match near {
        [] => format!("; known are {}", known.join(", ")),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

/// A problem and its place in the text.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Byte offsets.
    pub(super) span: Range<usize>,
    pub(super) problem: Problem,
}

impl Wrong {
    /// For a value that its type does not accept.
    pub(super) fn value(error: &toml::de::Error) -> Self {
        let problem = Problem::Value(one_line(error));
        Self { span: error.span().unwrap_or_default(), problem }
    }

    /// For a text that is not TOML.
    pub(super) fn syntax(error: &toml::de::Error) -> Self {
        let problem = Problem::Syntax(one_line(error));
        Self { span: error.span().unwrap_or_default(), problem }
    }
}

fn one_line(error: &toml::de::Error) -> String {
    let text = error.message().lines().collect::<Vec<_>>().join("; ");
    // serde's word for a list.
    text.replace("expected a sequence", "expected a list in brackets")
}

/// The origin of a problem.
#[derive(Debug)]
pub(super) enum Fault {
    /// A line of the file.
    Typed(Wrong),
    /// The default of this key.
    Default(&'static str, Problem),
}

impl From<Wrong> for Fault {
    fn from(wrong: Wrong) -> Self {
        Self::Typed(wrong)
    }
}

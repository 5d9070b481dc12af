//! What a started agent says: where it listens, and what to type next.

use std::env;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::diag;
use crate::render::escape;
use crate::sys::paths;

/// Says that the agent is ready: to a person with what to type next, to the journal in one line.
pub(super) fn welcome(config: &Config, tcp: Option<SocketAddr>) {
    let listening = listening(config, tcp);
    if diag::to_journal() {
        return diag::notice(listening);
    }
    let is_default = |place: Option<PathBuf>| place.as_deref() == Some(&config.socket.path);
    let found = is_default(paths::user_socket()) || is_default(Some(paths::SYSTEM_SOCKET.into()));
    let socket = if found { None } else { Some(config.socket.path.as_path()) };
    let next = next(&Way::here(), socket);
    // Who closed our stdout does not want to know.
    let _ = writeln!(io::stdout().lock(), "pulsed: {listening}\n{next}");
}

fn listening(config: &Config, tcp: Option<SocketAddr>) -> String {
    let history = match &config.history {
        Some(history) => format!("history in {}", quoted(&history.dir)),
        None => "no history: events are kept in memory only".into(),
    };
    let tcp = tcp.map(|address| format!(" and by TCP on {address}")).unwrap_or_default();
    format!("listening on {}{tcp}, {history}", quoted(&config.socket.path))
}

fn next(way: &Way, socket: Option<&Path>) -> String {
    let socket = socket.map(|path| format!("--socket {} ", quoted(path))).unwrap_or_default();
    let (tail, send) = (way.to("pulse-tail"), way.to("pulse-send"));
    format!(
        "  watch, in a second terminal:  {tail} {socket}-f\n  \
           send, in a third:             {send} {socket}\"query took 40ms\"\n  \
           Ctrl-C ends the agent."
    )
}

/// How a person gets at the other two commands from here.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// By their names.
    Name,
    /// They lie in this directory, which is not searched.
    Beside(PathBuf),
    /// They have yet to be built.
    Cargo {
        /// `--release`
        release: bool,
    },
}

impl Way {
    fn here() -> Self {
        let Some(dir) = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()))
        else {
            return Self::Name;
        };
        let search = env::var_os("PATH").unwrap_or_default();
        let in_path = env::split_paths(&search).any(|searched| searched == dir);
        let there = |name| dir.join(name).is_file();
        if in_path {
            Self::Name
        } else if there("pulse-send") && there("pulse-tail") {
            let here = env::current_dir().unwrap_or_default();
            Self::Beside(dir.strip_prefix(&here).unwrap_or(&dir).to_owned())
        } else if env::var_os("CARGO_MANIFEST_DIR").is_some() {
            // Set by `cargo run`, which builds one command and not the others.
            Self::Cargo { release: dir.ends_with("release") }
        } else {
            Self::Name
        }
    }

    /// What to type for this command.
    fn to(&self, command: &str) -> String {
        match self {
            Self::Name => command.into(),
            Self::Beside(dir) => quoted(&dir.join(command)),
            Self::Cargo { release } => {
                let profile = if *release { "--release " } else { "" };
                format!("cargo run --quiet {profile}--bin {command} --")
            }
        }
    }
}

/// The path as a shell takes it back; one that would drive a terminal is only shown.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    match escape(&text) {
        shown if shown == text => format!("'{}'", text.replace('\'', r"'\''")),
        shown => format!("{shown:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_is_what_works() {
        let default = next(&Way::Name, None);
        assert!(default.contains(" pulse-tail -f\n"), "{default}");
        assert!(default.contains(" pulse-send \"query took 40ms\"\n"), "{default}");

        let beside = Way::Beside("target/release".into());
        let other = next(&beside, Some(Path::new("/tmp/my agent/p.sock")));
        assert!(
            other.contains(" target/release/pulse-tail --socket '/tmp/my agent/p.sock' -f\n"),
            "{other}"
        );
        let built = next(&Way::Cargo { release: true }, None);
        assert!(built.contains(" cargo run --quiet --release --bin pulse-tail -- -f\n"), "{built}");
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        for (path, shown) in [
            ("/run/pulsed/pulsed.sock", "/run/pulsed/pulsed.sock"),
            ("/tmp/it's", r"'/tmp/it'\''s'"),
            ("/tmp/$x", "'/tmp/$x'"),
            ("/tmp/\u{1b}[2J", r#""/tmp/\\x1b[2J""#),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }
}

//! The message of a started agent: where it listens, and what to type next.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::agent::{Started, StartedMonitor};
use crate::auth::links::FIRST_LINK_VALID_FOR;
use crate::config::Config;
use crate::diag;
use crate::render::escape;
use crate::sys::{paths, users};

/// `true` if the operator is at a terminal: a sign-in link is a secret, and shown there only.
pub(super) fn shows_link() -> bool {
    !diag::to_journal() && io::stdout().is_terminal()
}

/// Reports that the agent is ready: in the journal as one line, else on stdout with what to type next.
pub(super) fn welcome(config: &Config, started: &Started) {
    let listening = listening(config, started);
    if diag::to_journal() {
        return diag::notice(listening);
    }
    let is_default = |path: Option<PathBuf>| path.as_deref() == Some(&config.socket.path);
    let found = is_default(paths::user_socket()) || is_default(Some(paths::SYSTEM_SOCKET.into()));
    let socket = if found { None } else { Some(config.socket.path.as_path()) };
    let mut next = next(&Call::detect(), socket);
    if let Some(monitor) = &started.monitor {
        next = format!("{}{next}", sign_in(monitor, remote_login().as_deref()));
    }
    // A closed stdout is no error.
    let _ = writeln!(io::stdout().lock(), "pulsed: {listening}\n{next}");
}

/// How to open the monitor. `remote` is the user and the machine's name of a login by ssh.
fn sign_in(monitor: &StartedMonitor, remote: Option<&str>) -> String {
    let Some(link) = &monitor.link else { return String::new() };
    let minutes = FIRST_LINK_VALID_FOR.as_secs() / 60;
    let mut text = format!("  watch in a browser, within {minutes} minutes:\n    {link}\n");
    if let (Some(remote), Some(address)) = (remote, monitor.address) {
        let port = address.port();
        text += &format!(
            "  which this, on your own machine, makes reachable:\n    ssh -L {port}:{address} {remote}\n"
        );
    }
    text
}

/// `user@host` for ssh(1), if this is a login by ssh. The address is the one that the client connected to.
fn remote_login() -> Option<String> {
    let connection = env::var("SSH_CONNECTION").ok()?;
    let host = connection.split(' ').nth(2)?.parse::<IpAddr>().ok()?;
    let user = users::user_name(users::current()).ok().flatten()?;
    Some(format!("{user}@{host}"))
}

fn listening(config: &Config, started: &Started) -> String {
    let history = match &config.history {
        Some(history) => format!("history in {}", quoted(&history.dir)),
        None => "no history: events are kept in memory only".into(),
    };
    let tcp = started.tcp.map(|address| format!(" and by TCP on {address}")).unwrap_or_default();
    let monitor = started.monitor.as_ref();
    let monitor = monitor.map(|m| format!(", monitor at {}", m.url)).unwrap_or_default();
    format!("listening on {}{tcp}{monitor}, {history}", quoted(&config.socket.path))
}

fn next(call: &Call, socket: Option<&Path>) -> String {
    let socket = socket.map(|path| format!("--socket {} ", quoted(path))).unwrap_or_default();
    let (tail, send) = (call.words_for("pulse-tail"), call.words_for("pulse-send"));
    format!(
        "  watch, in a second terminal:  {tail} {socket}-f\n  \
           send, in a third:             {send} {socket}\"query took 40ms\"\n  \
           Ctrl-C ends the agent."
    )
}

/// How the user can call the other two commands.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    /// By name.
    Name,
    /// By path: they are in this directory, which is not in `$PATH`.
    Path(PathBuf),
    /// With cargo: they are not built yet.
    Cargo {
        /// `--release`
        release: bool,
    },
}

impl Call {
    fn detect() -> Self {
        let Some(dir) = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()))
        else {
            return Self::Name;
        };
        let search = env::var_os("PATH").unwrap_or_default();
        let in_path = env::split_paths(&search).any(|searched| searched == dir);
        let exists = |name| dir.join(name).is_file();
        if in_path {
            Self::Name
        } else if exists("pulse-send") && exists("pulse-tail") {
            let here = env::current_dir().unwrap_or_default();
            Self::Path(dir.strip_prefix(&here).unwrap_or(&dir).to_owned())
        } else if env::var_os("CARGO_MANIFEST_DIR").is_some() {
            // Set by `cargo run`, which builds one command and not the others.
            Self::Cargo { release: dir.ends_with("release") }
        } else {
            Self::Name
        }
    }

    /// The words to type for this command.
    fn words_for(&self, command: &str) -> String {
        match self {
            Self::Name => command.into(),
            Self::Path(dir) => quoted(&dir.join(command)),
            Self::Cargo { release } => {
                let profile = if *release { "--release " } else { "" };
                format!("cargo run --quiet {profile}--bin {command} --")
            }
        }
    }
}

/// Quotes a path for a shell. One with control characters is only escaped.
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
    fn suggests_commands_that_work() {
        let default = next(&Call::Name, None);
        assert!(default.contains(" pulse-tail -f\n"), "{default}");
        assert!(default.contains(" pulse-send \"query took 40ms\"\n"), "{default}");

        let beside = Call::Path("target/release".into());
        let other = next(&beside, Some(Path::new("/tmp/my agent/p.sock")));
        assert!(
            other.contains(" target/release/pulse-tail --socket '/tmp/my agent/p.sock' -f\n"),
            "{other}"
        );
        let built = next(&Call::Cargo { release: true }, None);
        assert!(built.contains(" cargo run --quiet --release --bin pulse-tail -- -f\n"), "{built}");
    }

    #[test]
    fn quotes_paths_for_a_shell() {
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

//! `pulsed`: runs the agent, checks its configuration, shows its status, manages the tokens of the TCP
//! bridge (pulsed(8)).

mod status;
mod token;
mod welcome;

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Exit, Failure};
use crate::agent::tls::{self, TlsError};
use crate::agent::{self, AgentError, InheritedSockets};
use crate::auth::tokens::TokenError;
use crate::config::{self, Config, ConfigError, DEFAULT_MODE, Machine, Web, WebListen};
use crate::diag;
use crate::sys::systemd::{self, InheritError, Inherited, same_file};
use crate::sys::{host, paths, users};
use status::StatusError;
use token::TokenTask;

const COMMAND: &str = "pulsed";

const EXIT_CODES: &str = "\
Exit status: 0 success, 1 the agent failed, or the tokens could not be written, 64 usage, 78 bad
configuration; status also: 65 unreadable answer, 69 agent unavailable, 75 timed out, 77 not
permitted.";

/// Run the Pulse agent: receive events from applications and pass them to everything that watches
///
/// Without a command, the agent runs in the foreground.
#[derive(clap::Parser)]
#[command(name = COMMAND, version, after_help = EXIT_CODES)]
struct Arguments {
    /// Read the configuration from FILE [default: /etc/pulsed/pulsed.toml, or unless you are root
    /// ~/.config/pulsed/pulsed.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Check the configuration
    Check,
    /// Show the status of a running agent
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Manage the tokens of the TCP bridge
    #[command(subcommand, arg_required_else_help = false)]
    Token(TokenTask),
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Inherit(#[from] InheritError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(
        "no file for tokens: this user has no home directory: set tcp.tokens in a file and name that with \
         --config"
    )]
    NoTokens,
    #[error(
        "web.listen is {configured}, and the service manager passes {inherited}: change pulsed-web.socket \
         (systemctl edit pulsed-web.socket), or disable it: systemctl disable --now pulsed-web.socket"
    )]
    InheritedWeb { configured: String, inherited: String },
    #[error(
        "syslog.path is {configured}, and the service manager passes {inherited}: change ListenDatagram= in \
         pulsed.socket (systemctl edit pulsed.socket), or the configuration"
    )]
    InheritedSyslog { configured: String, inherited: String },
}

impl Failure for CommandError {
    fn exit(&self) -> Exit {
        match self {
            // A restart does not help: the operator must change something first.
            Self::Config(_)
            | Self::Inherit(_)
            | Self::Tls(_)
            | Self::NoTokens
            | Self::InheritedWeb { .. }
            | Self::InheritedSyslog { .. } => Exit::Config,
            Self::Agent(AgentError::Tls(_)) => Exit::Config,
            Self::Agent(_) | Self::Token(_) => Exit::Failed,
            Self::Status(error) => error.exit(),
        }
    }
}

/// Returns the command line's definition, for completions and for tests of the manual.
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the command.
pub fn main() -> ExitCode {
    super::main(COMMAND, |arguments: Arguments| {
        let file = arguments.config;
        let done = match arguments.task {
            None => start(file),
            Some(Task::Check) => check(file.as_deref()),
            Some(Task::Status { json }) => status(file.as_deref(), json),
            Some(Task::Token(task)) => token(file.as_deref(), task),
        };
        diag::flush();
        done.map(|()| Exit::Done.into())
    })
}

fn start(file: Option<PathBuf>) -> Result<(), CommandError> {
    let (sockets, inherited) = match Inherited::take()? {
        Some(Inherited { listener, file, web, syslog }) => {
            (InheritedSockets { socket: Some(listener), web, syslog }, Some(file))
        }
        None => (InheritedSockets::default(), None),
    };
    let inherited_web = sockets.web.as_ref().and_then(|web| web.local_addr().ok());
    let inherited_syslog = sockets.syslog.as_ref().and_then(systemd::path_of);
    let load = move || {
        let mut machine = machine();
        machine.syslog = inherited_syslog.clone();
        // The path and mode of an inherited socket are the defaults. The file may confirm them.
        if let Some(socket) = &inherited {
            (machine.socket, machine.socket_mode) = (Some(socket.path().into()), socket.mode());
        }
        let config = load(file.as_deref(), &machine)?;
        if let Some(socket) = &inherited {
            socket.check(&config.socket.path, agent::permissions(&config))?;
            let syslog = check_inherited_syslog(&config, inherited_syslog.as_deref())?;
            let web = check_inherited_web(config.web, inherited_web)?;
            return Ok(Config { web, syslog, ..config });
        }
        Ok::<_, CommandError>(config)
    };
    let config = load()?;
    let link = welcome::shows_link();
    Ok(agent::run(config.clone(), sockets, link, load, |started| {
        welcome::welcome(&config, &started)
    })?)
}

/// The socket for datagrams of an agent with inherited sockets: the inherited one, or where the configuration says. By
/// default a service does not create one itself.
fn check_inherited_syslog(
    config: &Config,
    inherited: Option<&Path>,
) -> Result<Option<PathBuf>, CommandError> {
    let configured = config.syslog.as_deref();
    match (configured, inherited) {
        (Some(path), None) if path == config::beside(&config.socket.path) => Ok(None),
        (_, Some(inherited)) if !configured.is_some_and(|path| same_file(path, inherited)) => {
            Err(CommandError::InheritedSyslog {
                configured: configured.map_or("false".into(), |path| path.display().to_string()),
                inherited: inherited.display().to_string(),
            })
        }
        _ => Ok(config.syslog.clone()),
    }
}

/// The monitor of an agent with inherited sockets: on the inherited one, or where the configuration says. By default a
/// service does not choose a port itself.
fn check_inherited_web(
    web: Option<Web>,
    inherited: Option<SocketAddr>,
) -> Result<Option<Web>, CommandError> {
    let differs = |configured: &dyn fmt::Display| CommandError::InheritedWeb {
        configured: configured.to_string(),
        inherited: inherited.map(|address| address.to_string()).unwrap_or_default(),
    };
    match (web.as_ref().map(|web| &web.listen), inherited) {
        (None, Some(_)) => Err(differs(&"false")),
        (Some(WebListen::Default), None) => Ok(None),
        (Some(WebListen::Tcp(address)), Some(other)) if *address != other => Err(differs(address)),
        (Some(WebListen::Unix { path, .. }), Some(_)) => Err(differs(&path.display())),
        _ => Ok(web),
    }
}

/// Reads the configuration and logs its warnings.
fn load(file: Option<&Path>, machine: &Machine) -> Result<Config, ConfigError> {
    let config = Config::load(file, machine)?;
    warn(&config);
    Ok(config)
}

fn warn(config: &Config) {
    config.warnings.iter().for_each(diag::warning);
}

fn machine() -> Machine {
    Machine {
        host: host::name(),
        file: paths::config_file(),
        socket: paths::agent_socket(),
        socket_mode: DEFAULT_MODE,
        syslog: None,
        state: paths::state_dir(),
        user: users::user,
        group: users::group,
    }
}

fn token(file: Option<&Path>, task: TokenTask) -> Result<(), CommandError> {
    let mut machine = machine();
    // Tokens do not depend on the socket, so a user without a place for one can manage them too.
    machine.socket.get_or_insert_with(|| paths::SYSTEM_SOCKET.into());
    let tokens = load(file, &machine)?.tokens.ok_or(CommandError::NoTokens)?;
    print(token::run(task, &tokens)?);
    Ok(())
}

fn check(file: Option<&Path>) -> Result<(), CommandError> {
    let config = load(file, &machine())?;
    let tcp = config.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref());
    let web = config.web.as_ref().and_then(|web| web.tls.as_ref());
    for files in tcp.into_iter().chain(web) {
        tls::load(files, &[])?;
    }
    match config.file {
        Some(file) => print(format_args!("{}: valid", file.display())),
        None => match paths::config_file() {
            Some(file) => {
                print(format_args!("{}: does not exist; the defaults are valid", file.display()))
            }
            None => print("no configuration file; the defaults are valid"),
        },
    }
    Ok(())
}

fn status(file: Option<&Path>, json: bool) -> Result<(), CommandError> {
    // With a configuration: the agent that uses it. Without one: the agent that clients find, which needs
    // no place for a socket of this user.
    let config = Config::from_file(file, &machine())?;
    config.iter().for_each(warn);
    let stats = status::fetch(config.as_ref().map(|config| config.socket.path.as_path()))?;
    if json {
        print(stats)
    } else {
        print(status::readable(&stats)?)
    }
    Ok(())
}

/// Prints a line. A closed stdout is no error.
fn print(text: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn accepts_config_anywhere() {
        for line in ["pulsed --config F status --json", "pulsed status --config=F --json"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(arguments.config.as_deref(), Some(Path::new("F")));
            assert!(matches!(arguments.task, Some(Task::Status { json: true })));
        }
        let arguments = Arguments::try_parse_from(["pulsed"]).expect("nothing");
        assert!(arguments.task.is_none() && arguments.config.is_none());
    }
}

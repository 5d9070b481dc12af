//! `pulsed`: runs the agent, checks its configuration, shows what it does, keeps the bridge's tokens
//! (pulsed(8)).

mod status;
mod token;
mod welcome;

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Exit, Failure};
use crate::agent::tls::{self, TlsError};
use crate::agent::{self, AgentError};
use crate::auth::tokens::TokenError;
use crate::config::{Config, ConfigError, DEFAULT_MODE, Machine};
use crate::diag;
use crate::sys::systemd::{InheritError, Inherited};
use crate::sys::{host, paths, users};
use status::StatusError;
use token::TokenTask;

const COMMAND: &str = "pulsed";

const EXIT_CODES: &str = "\
Exit status: 0 done, 1 the agent could not start or end well, or a token not be kept, 64 usage, 78 bad
configuration; of status also 65 no sense in the answer, 69 agent not there, 75 it took too long, 77
not permitted.";

/// The agent of Pulse: takes in what applications say, and shows it to everybody who watches, at
/// that moment. Without a command it runs in the foreground.
#[derive(clap::Parser)]
#[command(name = COMMAND, version, after_help = EXIT_CODES)]
struct Arguments {
    /// Read the configuration from FILE, not from /etc/pulsed/pulsed.toml or, for another user than
    /// root, ~/.config/pulsed/pulsed.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Check the configuration and say what is wrong with it
    Check,
    /// Show what a running agent is doing
    Status {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Keep the tokens of the TCP bridge
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
    #[error("there is no place for tokens: set tcp.tokens in a file and name that with --config")]
    NoTokens,
}

impl Failure for CommandError {
    fn exit(&self) -> Exit {
        match self {
            // To start it again would not help: somebody must change something first.
            Self::Config(_) | Self::Inherit(_) | Self::Tls(_) | Self::NoTokens => Exit::Config,
            Self::Agent(AgentError::Tls(_)) => Exit::Config,
            Self::Agent(_) | Self::Token(_) => Exit::Failed,
            Self::Status(error) => error.exit(),
        }
    }
}

/// The command line, for the completions and for the tests that hold the manual to it.
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
    let (listener, place) = match Inherited::take()? {
        Some(Inherited { listener, place }) => (Some(listener), Some(place)),
        None => (None, None),
    };
    let load = move || {
        let mut machine = machine();
        // Whoever hands a socket over says where it is and who may connect, unless the file does.
        if let Some(place) = &place {
            (machine.socket, machine.socket_mode) = (Some(place.path().into()), place.mode());
        }
        let config = load(file.as_deref(), &machine)?;
        if let Some(place) = &place {
            place.check(&config.socket.path, agent::permissions(&config))?;
        }
        Ok::<_, CommandError>(config)
    };
    let config = load()?;
    Ok(agent::run(config.clone(), listener, load, |tcp| welcome::welcome(&config, tcp))?)
}

/// Reads the configuration; says what is allowed in it but hardly meant.
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
        state: paths::state_dir(),
        user: users::user,
        group: users::group,
    }
}

fn token(file: Option<&Path>, task: TokenTask) -> Result<(), CommandError> {
    let mut machine = machine();
    // They do not depend on it: whoever has no place for a socket is told about the tokens all the same.
    machine.socket.get_or_insert_with(|| paths::SYSTEM_SOCKET.into());
    let tokens = load(file, &machine)?.tokens.ok_or(CommandError::NoTokens)?;
    print(token::run(task, &tokens)?);
    Ok(())
}

fn check(file: Option<&Path>) -> Result<(), CommandError> {
    let config = load(file, &machine())?;
    if let Some(files) = config.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref()) {
        tls::load(files)?;
    }
    match config.file {
        Some(file) => print(format_args!("{}: good", file.display())),
        None => match paths::config_file() {
            Some(file) => {
                print(format_args!("there is no {}, and the defaults are good", file.display()))
            }
            None => print("there is no configuration file, and the defaults are good"),
        },
    }
    Ok(())
}

fn status(file: Option<&Path>, json: bool) -> Result<(), CommandError> {
    // Whoever has a configuration means the agent that runs with it; whoever has none means any, and needs
    // no place for one of their own.
    let config = Config::of_file(file, &machine())?;
    config.iter().for_each(warn);
    let stats = status::ask(config.as_ref().map(|config| config.socket.path.as_path()))?;
    if json {
        print(stats)
    } else {
        print(status::readable(&stats)?)
    }
    Ok(())
}

/// Prints one text with a line end. Who closed our stdout does not want it any more.
fn print(text: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn config_may_stand_anywhere() {
        for line in ["pulsed --config F status --json", "pulsed status --config=F --json"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(arguments.config.as_deref(), Some(Path::new("F")));
            assert!(matches!(arguments.task, Some(Task::Status { json: true })));
        }
        let arguments = Arguments::try_parse_from(["pulsed"]).expect("nothing");
        assert!(arguments.task.is_none() && arguments.config.is_none());
    }
}

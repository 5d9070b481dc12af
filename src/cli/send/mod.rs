//! pulse-send: sends events, as logger(1) does. Connect, one write, one read, exit: no runtime, and
//! nothing at start that a single event does not need.

mod args;
mod courier;
mod lines;
mod outbox;
mod priority;
mod stream;
mod template;
mod timed;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{self, Exit, Failure};
use crate::client::{Address, ClientError, Connection, OpenError, TokenError, Where};
use crate::event::{BadField, BadTag, Draft, Field, Value};
use crate::wire::Code;
use args::{Ack, Args};
use outbox::{Outbox, TooLong};
use template::{BadMessage, Claim, Template};

// Bounds and defaults that the manual names.
pub use args::{TAG_VARIABLE, TIMEOUT_MAX};
pub use courier::{HELD_MAX, SYNC_EVENTS};

/// What the command is called, on the command line and in front of its errors.
pub const NAME: &str = "pulse-send";

/// The command line, for the completions and for the tests that hold the manual to it.
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// How long each wait for the agent may last, unless `--timeout` says otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn main() -> ExitCode {
    cli::main(NAME, run)
}

fn run(args: Args) -> Result<ExitCode, SendError> {
    let common = Common::new(&args)?;
    let cursor = match args.words.split_first() {
        Some((program, arguments)) if args.time => {
            return Ok(timed::run(&common, program, arguments).into());
        }
        Some(_) => once(&common, joined(args.words.iter().map(|word| word.as_os_str())))?,
        None => match &args.file {
            None => stream::run(&common, stdin()?, "stdin")?,
            Some(path) => {
                let name = path.display().to_string();
                match File::open(path) {
                    Ok(file) => stream::run(&common, file, &name)?,
                    Err(source) => return Err(SendError::Input { name, source }),
                }
            }
        },
    };
    common.print(cursor.as_deref());
    Ok(Exit::Done.into())
}

/// The words of a message, as logger joins them. What is no UTF-8 becomes U+FFFD.
fn joined<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    words.map(OsStr::to_string_lossy).collect::<Vec<Cow<'_, str>>>().join(" ")
}

/// Standard input without std's buffer, whose content poll(2) would not know of.
fn stdin() -> Result<File, SendError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    input.map(File::from).map_err(|source| SendError::Input { name: "stdin".into(), source })
}

/// One event: one write, one read.
fn once(common: &Common, text: String) -> Result<Option<String>, SendError> {
    let (draft, cut) = common.template.message(text.into())?;
    let mut outbox = Outbox::new(common.ack);
    outbox.push(&draft)?;
    if cut {
        common.tell_cut();
    }
    common.copy(&draft);
    if common.no_act {
        return Ok(None);
    }
    let mut agent = common.open()?;
    let settled = outbox.settle(&mut agent)?;
    match settled.failure {
        None => Ok(settled.cursor),
        Some((code, why)) => Err(SendError::Failed { code, why: format!("{}: {why}", agent.at()) }),
    }
}

/// What the options say about all events.
struct Common {
    template: Template,
    agent: Address,
    timeout: Duration,
    ack: Ack,
    skip_empty: bool,
    stderr: bool,
    no_act: bool,
    cursor: bool,
}

impl Common {
    fn new(args: &Args) -> Result<Self, SendError> {
        if args.cursor && args.ack == Some(Ack::None) {
            return Err(SendError::NoCursor);
        }
        let mut template = Template {
            tag: args.tag.clone(),
            priority: args.priority,
            run: args.run.clone(),
            size: args.size,
            json: args.json,
            prio_prefix: args.prio_prefix,
            ..Template::default()
        };
        let variable = std::env::var_os(TAG_VARIABLE).filter(|text| !text.is_empty());
        if let (None, Some(text)) = (&args.tag, variable) {
            template
                .set_tag(text.to_string_lossy().into_owned())
                .map_err(SendError::TagVariable)?;
        }
        for claim in args.fields.iter().cloned() {
            template.add(claim)?;
        }
        if let Some(id) = args.id.as_ref().filter(|id| !id.is_empty()) {
            let value = Value::Text(id.clone().into());
            template.add(Claim::Field(Field { name: "pid".into(), value }))?;
        }
        if args.time && template.took.is_some() {
            return Err(SendError::TookTwice);
        }
        Ok(Self {
            template,
            agent: Address::new(
                args.socket.as_deref(),
                args.server.as_ref(),
                args.ca.as_deref(),
                args.token_file.as_deref(),
            )?,
            timeout: args.timeout.unwrap_or(TIMEOUT_DEFAULT),
            ack: args.ack.unwrap_or(Ack::Stored),
            skip_empty: args.skip_empty,
            stderr: args.stderr,
            no_act: args.no_act,
            cursor: args.cursor,
        })
    }

    fn open(&self) -> Result<Connection, Trouble> {
        Ok(Connection::open(&self.agent, self.timeout)?)
    }

    /// `-s`: what is sent goes to stderr too, as logger has it.
    fn copy(&self, draft: &Draft<'_>) {
        if self.stderr {
            let tag = draft.tag.as_ref().map_or(NAME, |tag| tag.as_str());
            cli::say(tag, &draft.msg);
        }
    }

    fn tell_cut(&self) {
        say(format_args!("cut: messages of more than {} bytes", self.template.size.unwrap_or(0)));
    }

    /// `--cursor`: where the last event landed. Who does not listen misses nothing else.
    fn print(&self, cursor: Option<&str>) {
        if let (true, Some(cursor)) = (self.cursor, cursor) {
            let _ = writeln!(io::stdout(), "{cursor}");
        }
    }
}

fn say(text: impl fmt::Display) {
    cli::say(NAME, text);
}

/// Why an agent cannot be reached, or no longer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent closed the connection, and said why.
    #[error("refused: {at}: {why}")]
    Dismissed { at: Where, code: Code, why: String },
}

impl Trouble {
    /// Whether another try is of no use.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Open(error) if error.is_final())
    }

    fn code(&self) -> Code {
        match self {
            Self::Open(error) => error.code(),
            Self::Client(error) => error.code(),
            Self::Dismissed { code, .. } => *code,
        }
    }
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("--cursor: needs --ack stored or synced")]
    NoCursor,
    #[error("-F took: --time measures it")]
    TookTwice,
    #[error("$PULSED_TAG: {0}")]
    TagVariable(BadTag),
    #[error("-F: {0}")]
    Field(#[from] BadField),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot read: {name}: {source}")]
    Input { name: String, source: io::Error },
    #[error("not sent: message: {0}")]
    TooLong(#[from] TooLong),
    #[error("not sent: message: {0}")]
    Message(#[from] BadMessage),
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The agent's words, behind the socket.
    #[error("{}: {why}", if *code == Code::NotStored { "not stored" } else { "refused" })]
    Failed { code: Code, why: String },
    #[error("{refused} of {events} events refused: {why}")]
    SomeRefused { refused: u64, events: u64, code: Code, why: String },
    #[error("{lost} events lost: {}", match why {
        Some(why) => why.to_string(),
        None => "the agent was away".to_owned(),
    })]
    Lost { lost: u64, why: Option<Box<Trouble>> },
}

impl Failure for SendError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoCursor
            | Self::TookTwice
            | Self::TagVariable(_)
            | Self::Field(_)
            | Self::Token(_) => Exit::Usage,
            Self::Input { .. } | Self::TooLong(_) | Self::Message(_) => Exit::Data,
            Self::Trouble(trouble) => trouble.code().into(),
            Self::Lost { why: Some(trouble), .. } => trouble.code().into(),
            Self::Failed { code, .. } | Self::SomeRefused { code, .. } => (*code).into(),
            Self::Lost { why: None, .. } => Exit::Unavailable,
        }
    }
}

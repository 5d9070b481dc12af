//! pulse-send: sends events, as logger(1) does. Connect, one write, one read, exit: no runtime, and
//! nothing at start that a single event does not need.
//!
//! `args` is the command line, `template` makes a draft of each message. A single message goes through an
//! `outbox`; the lines of an input (`stream`) and the begin and end of a command (`timed`) go through a
//! `delivery`, which reconnects (`link`).

mod args;
mod delivery;
mod lines;
mod link;
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
use outbox::{Outbox, Refusal, TooLong};
use template::{BadMessage, Claim, Template};

// Bounds and defaults that the manual names.
pub use args::{TAG_VARIABLE, TIMEOUT_MAX};
pub use delivery::{HELD_MAX, SYNC_EVENTS};

/// The name of the command, on the command line and before its errors.
pub const NAME: &str = "pulse-send";

/// Returns the command line's definition, for completions and for tests of the manual.
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// The timeout of each wait for the agent, unless `--timeout` sets another.
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

/// Joins the words of a message with spaces, as logger does. Invalid UTF-8 becomes U+FFFD.
fn joined<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    words.map(OsStr::to_string_lossy).collect::<Vec<Cow<'_, str>>>().join(" ")
}

/// Standard input without std's buffer, which poll(2) cannot see.
fn stdin() -> Result<File, SendError> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    input.map(File::from).map_err(|source| SendError::Input { name: "stdin".into(), source })
}

/// Sends one event: one write, one read. One that belongs to a run detaches it.
fn once(common: &Common, text: String) -> Result<Option<String>, SendError> {
    let message = common.template.message(text.into())?;
    let mut outbox = Outbox::new(common.ack);
    outbox.push(&message.draft)?;
    if message.cut {
        common.warn_cut();
    }
    common.echo(&message.draft);
    if common.no_act {
        return Ok(None);
    }
    let mut agent = common.connect()?;
    let result = outbox.sync(&mut agent)?;
    if let Some(refusal) = result.refusal {
        return Err(SendError::Refused(refusal.at(agent.at())));
    }
    if message.draft.run.is_some() {
        // Without the agent the run is unknown anyway.
        let _ = agent.quit();
    }
    Ok(result.cursor)
}

/// The options that concern all events.
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
            agent: args.connect.address()?,
            timeout: args.timeout.unwrap_or(TIMEOUT_DEFAULT),
            ack: args.ack.unwrap_or(Ack::Stored),
            skip_empty: args.skip_empty,
            stderr: args.stderr,
            no_act: args.no_act,
            cursor: args.cursor,
        })
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        Ok(Connection::open(&self.agent, self.timeout)?)
    }

    /// `-s`: copies the message to stderr, as logger does.
    fn echo(&self, draft: &Draft<'_>) {
        if self.stderr {
            let tag = draft.tag.as_ref().map_or(NAME, |tag| tag.as_str());
            cli::report(tag, &draft.msg);
        }
    }

    fn warn_cut(&self) {
        report(format_args!(
            "cut: messages of more than {} bytes",
            self.template.size.unwrap_or(0)
        ));
    }

    /// `--cursor`: prints the cursor of the last event. A closed stdout is no error.
    fn print(&self, cursor: Option<&str>) {
        if let (true, Some(cursor)) = (self.cursor, cursor) {
            let _ = writeln!(io::stdout(), "{cursor}");
        }
    }
}

fn report(text: impl fmt::Display) {
    cli::report(NAME, text);
}

/// Why there is no connection to the agent, or no longer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The agent closed the connection and gave a reason.
    #[error("refused: {at}: {}", refusal.why)]
    Refused { at: Where, refusal: Refusal },
}

impl Trouble {
    /// For a connection that the agent closed, after this refusal if there was one.
    fn closed(agent: &Connection, refusal: Option<Refusal>) -> Self {
        match refusal {
            None => agent.closed().into(),
            Some(refusal) => Self::Refused { at: agent.at().clone(), refusal },
        }
    }

    /// `true` if another attempt would fail in the same way.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Open(error) if error.is_final())
    }

    fn code(&self) -> Code {
        match self {
            Self::Open(error) => error.code(),
            Self::Client(error) => error.code(),
            Self::Refused { refusal, .. } => refusal.code,
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
    #[error("${TAG_VARIABLE}: {0}")]
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
    #[error("{}: {}", if .0.code == Code::NotStored { "not stored" } else { "refused" }, .0.why)]
    Refused(Refusal),
    #[error("{refused} of {events} events refused: {}", refusal.why)]
    SomeRefused { refused: u64, events: u64, refusal: Refusal },
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
            Self::Refused(refusal) | Self::SomeRefused { refusal, .. } => refusal.code.into(),
            Self::Lost { why: None, .. } => Exit::Unavailable,
        }
    }
}
